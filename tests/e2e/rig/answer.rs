//! One HTTP answer, whole, with the questions that scenarios ask of it.

use reqwest::header::HeaderMap;

/// What came back for one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads a whole response.
    pub(crate) async fn of(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// The value of a header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Which of usher's own pages this is.
    pub(crate) fn page(&self) -> Option<&str> {
        self.header("x-usher-page")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {self:?} {}", self.text()),
        }
    }

    /// Passes only an answer with this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?}\n{}", self.headers, self.text());
        self
    }

    /// Passes only usher's own page of this kind, with the status that belongs to it.
    #[track_caller]
    pub(crate) fn expect_page(self, status: u16, page: &str) -> Self {
        assert_eq!(
            (self.status, self.page()),
            (status, Some(page)),
            "{:?}\n{}",
            self.headers,
            self.text()
        );
        assert_eq!(self.header("cache-control"), Some("no-store"), "of the page {page}");
        self
    }

    /// Passes only a redirect of this status to this place.
    #[track_caller]
    pub(crate) fn expect_redirect(self, status: u16, location: &str) -> Self {
        assert_eq!((self.status, self.header("location")), (status, Some(location)));
        self
    }
}
