//! A person with a browser that keeps cookies: somebody who can be signed in.

use std::cell::RefCell;
use std::collections::BTreeMap;

use reqwest::Method;

use super::{Answer, Caller, Socket, with};

/// A caller with cookies. What is sent to the sign-in page alone is kept apart.
pub(crate) struct Visitor {
    pub(crate) caller: Caller,
    cookies: RefCell<BTreeMap<String, (String, String)>>,
}

impl Visitor {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, cookies: RefCell::default() }
    }

    /// The same cookies at another machine.
    pub(crate) fn at(&self, caller: Caller) -> Self {
        Self { caller, cookies: self.cookies.clone() }
    }

    /// The `Cookie` header for a path.
    pub(crate) fn cookies(&self, path: &str) -> String {
        let cookies = self.cookies.borrow();
        let meant = cookies.iter().filter(|(_, (_, below))| path.starts_with(below));
        meant.map(|(name, (value, _))| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// The value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).map(|(value, _)| value.clone())
    }

    /// Opens a page, keeping what it sets; no redirect is followed.
    pub(crate) async fn navigate(&self, path: &str) -> Answer {
        let cookies = self.cookies(path);
        self.keep(self.caller.navigate_with(path, &[("Cookie", &cookies)]).await)
    }

    /// A fetch.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let cookies = self.cookies(path);
        self.keep(self.caller.get_with(path, &[("Cookie", &cookies)]).await)
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            form.append_pair(name, value);
        }
        let cookies = self.cookies(path);
        let origin = self.caller.origin();
        let headers = [
            ("Cookie", cookies.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "text/html"),
            ("Origin", &origin),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        let request = with(self.caller.request(Method::POST, path), &headers).body(form.finish());
        self.keep(self.caller.send(request).await)
    }

    /// Sends the form of a page, with its token.
    pub(crate) async fn submit(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let token = token(&self.navigate(page).await.text());
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        self.post(action, &all).await
    }

    /// Signs in with a password.
    pub(crate) async fn sign_in(&self, password: &str) -> Answer {
        self.submit("/_usher/login", "/_usher/login", &[("password", password), ("next", "/")])
            .await
    }

    /// Opens a WebSocket.
    pub(crate) async fn try_socket(&self, path: &str) -> Result<Socket, Answer> {
        let origin = self.caller.origin();
        let cookies = self.cookies(path);
        self.caller.try_socket(path, &[("Origin", &origin), ("Cookie", &cookies)]).await
    }

    /// Opens a WebSocket that must not be refused.
    pub(crate) async fn socket(&self, path: &str) -> Socket {
        match self.try_socket(path).await {
            Ok(socket) => socket,
            Err(refusal) => panic!("no WebSocket: {refusal:?}"),
        }
    }

    fn keep(&self, answer: Answer) -> Answer {
        for line in answer.headers.get_all("set-cookie") {
            let mut parts = line.to_str().expect("a text").split("; ");
            let (name, value) = parts.next().expect("a cookie").split_once('=').expect("a value");
            let attributes: Vec<&str> = parts.collect();
            let path = attributes.iter().find_map(|one| one.strip_prefix("Path="));
            let mut cookies = self.cookies.borrow_mut();
            if attributes.contains(&"Max-Age=0") {
                cookies.remove(name);
            } else {
                let below = path.unwrap_or("/").to_owned();
                cookies.insert(name.to_owned(), (value.to_owned(), below));
            }
        }
        answer
    }
}

/// The token of the first form of a page.
pub(crate) fn token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form with a token");
    rest.split('"').next().expect("a value").to_owned()
}
