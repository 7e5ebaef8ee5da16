//! An answer as plain data, and the headers that usher's own pages carry.

use super::files::TemplateProblem;
use super::language::Language;
use super::view::Common;
use bytes::Bytes;

/// An answer that somebody else writes to a connection. `Content-Length` is the body's length.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Name and value; no name twice.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// An operator's template failed while it rendered and the built-in one took its place.
    pub problem: Option<TemplateProblem>,
}

impl Response {
    /// The value of a header, for those who log or test.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name, value.into()));
    }
}

/// The kind of one of usher's own pages: the value of `X-Usher-Page`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// The home page, and pages about the user's own affairs.
    Home,
    /// A seat is being made ready.
    Waiting,
    /// Access restricted.
    Restricted,
    /// A failed seat, and every other thing that went wrong.
    Failed,
    /// No seat now, or too many of something.
    Full,
    /// Sign in.
    Login,
    /// The administrators' pages.
    Admin,
}

impl PageKind {
    /// The header's value.
    pub const fn name(self) -> &'static str {
        match self {
            PageKind::Home => "home",
            PageKind::Waiting => "waiting",
            PageKind::Restricted => "restricted",
            PageKind::Failed => "failed",
            PageKind::Full => "full",
            PageKind::Login => "login",
            PageKind::Admin => "admin",
        }
    }
}

/// Nothing inline, nothing from elsewhere: styles and scripts are files of this origin.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'self'";

/// An HTML page with all the headers that own pages carry.
pub(super) fn html(status: u16, kind: PageKind, language: Language, common: &Common) -> Response {
    let mut response = own(status, "text/html; charset=utf-8", language, common);
    response.set("X-Usher-Page", kind.name());
    response.set("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    response.set("X-Frame-Options", "SAMEORIGIN");
    response
}

/// JSON for whoever does not navigate.
pub(super) fn json(status: u16, language: Language, common: &Common) -> Response {
    own(status, "application/json", language, common)
}

fn own(status: u16, content_type: &str, language: Language, common: &Common) -> Response {
    let mut response =
        Response { status, headers: Vec::with_capacity(14), body: Bytes::new(), problem: None };
    response.set("Content-Type", content_type);
    response.set("Content-Language", language.tag());
    response.set("Vary", "Accept-Language");
    response.set("Cache-Control", "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Referrer-Policy", "same-origin");
    response.set("Cross-Origin-Resource-Policy", "same-origin");
    if let Some(incident) = &common.incident {
        response.set("X-Usher-Incident", header_safe(incident));
    }
    response
}

/// Only what may stand in a header: an incident is usher's own, but a header must never break.
fn header_safe(value: &str) -> String {
    value.chars().filter(char::is_ascii_graphic).collect()
}
