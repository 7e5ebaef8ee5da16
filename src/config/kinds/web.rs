//! Names of the web: hosts, headers, paths of URLs, issuers.

use http::HeaderName;
use serde_json::{Value as Json, json};

use super::Scalar;
use super::names::{text_schema, without_nul};
use crate::config::report::{Wrong, quoted, wrong};
use crate::request::path_is_sound;

/// A host's name, lower case.
pub(in crate::config) struct HostText;

impl Scalar for HostText {
    type Value = String;

    fn expected(&self) -> String {
        "a host's name such as usher.example.com".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let refused = |hint: &str| {
            Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint))
        };
        let name = text.to_ascii_lowercase();
        if text.contains("://") || text.contains('/') {
            return refused("the name alone, without scheme and path");
        }
        if name.parse::<std::net::IpAddr>().is_ok() {
            return Ok(name);
        }
        if text.contains('*') {
            return refused("name each host; patterns are not read");
        }
        if text.contains(':') {
            return refused("the name alone, without a port");
        }
        if !text.is_ascii() {
            return refused("as browsers send it: xn--…");
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(is_label) { refused("") } else { Ok(name) }
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        text_schema()
    }
}

/// The name of a request header that only a trusted proxy may set, lower case.
pub(in crate::config) struct HeaderText;

impl Scalar for HeaderText {
    type Value = String;

    fn expected(&self) -> String {
        "a header's name such as X-Remote-User".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let refused = || wrong(format!("must be {}, not {}", self.expected(), quoted(text)), "");
        let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| refused())?;
        let taken = [
            "host",
            "cookie",
            "origin",
            "connection",
            "upgrade",
            "accept",
            "forwarded",
            "x-real-ip",
            "content-length",
            "content-type",
            "transfer-encoding",
            "user-agent",
            "referer",
        ];
        let name = name.as_str();
        let reserved = ["x-forwarded-", "x-usher-", "sec-"].iter().any(|p| name.starts_with(p));
        if reserved || taken.contains(&name) {
            return Err(wrong(
                format!("{} has a meaning of its own", quoted(text)),
                "choose a header that only the proxy sets",
            ));
        }
        Ok(name.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        text_schema()
    }
}

/// An absolute path of a URL.
pub(in crate::config) struct UrlPath {
    /// One that is right, for hints.
    pub(in crate::config) example: &'static str,
}

impl Scalar for UrlPath {
    type Value = String;

    fn expected(&self) -> String {
        format!("an absolute path such as {}", self.example)
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let refused = |hint: String| {
            Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint))
        };
        if !text.starts_with('/') {
            return refused(format!("write /{}", text.trim_matches('/')));
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~/@+,=!".contains(&b);
        if !text.bytes().all(allowed) || !path_is_sound(text) || text.contains("//") {
            return refused("letters, digits and - . _ ~ between single slashes".to_owned());
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^/" })
    }
}

/// The URL of an OpenID Connect issuer.
pub(in crate::config) struct IssuerText;

impl Scalar for IssuerText {
    type Value = String;

    fn expected(&self) -> String {
        "a URL such as https://login.example.com/realms/office".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let refused =
            |hint: &str| wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint);
        let url: http::Uri = without_nul(text)?.parse().map_err(|_| refused(""))?;
        let host = url.host().ok_or_else(|| refused(""))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let here = bare == "localhost"
            || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match url.scheme_str() {
            Some("https") => {}
            Some("http") if here => {}
            Some(_) | None => return Err(refused("https, except for this machine itself")),
        }
        if url.query().is_some() || text.contains(['#', '@']) {
            return Err(refused("without query, fragment and user"));
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "format": "uri" })
    }
}
