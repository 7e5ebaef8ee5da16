//! The seam between those who decide (`gate`, `admin`) and the edge: what they read of a request's
//! body and what the edge writes. No Pingora type on either side.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use crate::domain::CloseCode;

/// A whole answer, to be written with a `Content-Length`.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Everything but length, date and connection.
    pub headers: HeaderMap,
    /// The body; the edge leaves it out for HEAD.
    pub body: Bytes,
    /// Whether the connection may be used again. False where the rest of a body is not wanted.
    pub keep_alive: bool,
    /// The number that stands on the page and in the log, where something was refused or failed.
    pub incident: Option<Incident>,
}

/// A number that a person can read out on the telephone, and that the log has too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incident(pub u32);

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0;
        write!(f, "{:04X}-{:04X}", number >> 16, number & 0xffff)
    }
}

impl fmt::Debug for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            keep_alive: true,
            incident: None,
        }
    }

    /// A redirect to a path of this site. Not stored by anybody: where it leads depends on who
    /// asks.
    pub fn redirect(status: StatusCode, location: &str) -> Self {
        let mut answer = Self::empty(status);
        match HeaderValue::from_str(location) {
            Ok(location) => answer.set(header::LOCATION, location),
            // Paths come from a parsed URI and cannot hold what a header cannot.
            Err(_) => answer.status = StatusCode::BAD_REQUEST,
        }
        answer.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// A small text.
    pub fn text(status: StatusCode, text: &'static str) -> Self {
        let mut answer = Self::empty(status);
        answer.body = Bytes::from_static(text.as_bytes());
        answer.set(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    /// Sets a header.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Says when to come again, in whole seconds.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u64) -> Self {
        self.set(header::RETRY_AFTER, HeaderValue::from(seconds));
        self
    }
}

/// Reads a request's body for the few requests that usher answers itself. The edge has one over a
/// session, tests over bytes.
#[async_trait]
pub trait Body: Send {
    /// The whole body.
    ///
    /// # Errors
    /// It is larger than the limit, or it did not come.
    async fn read(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError>;
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than the limit.
    TooLarge,
    /// The client stopped sending.
    Broken,
}

/// Server-sent events, ready to be written.
#[async_trait]
pub trait EventSource: Send {
    /// The next event or comment, such as `event: status\ndata: {}\n\n`; `None`: the stream ends.
    /// Yields something at least every 15 s, so that a client that left is noticed.
    async fn next(&mut self) -> Option<Bytes>;
}

/// The gate's end of a WebSocket of usher's own.
#[async_trait]
pub trait OwnWebSocket: Send {
    /// The client sent a text.
    fn receive(&mut self, text: &str);
    /// What to send next.
    async fn next(&mut self) -> OwnFrame;
}

/// What usher sends on a WebSocket of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnFrame {
    /// A text message.
    Text(String),
    /// The end.
    Close(CloseCode),
}
