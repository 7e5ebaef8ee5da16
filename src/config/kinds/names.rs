//! Names and texts: users, apps, titles, hosts, headers, paths, zones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::HeaderName;
use serde_json::{Value as Json, json};

use super::Scalar;
use crate::config::file::{Node, Value};
use crate::config::report::{Wrong, quoted, wrong};
use crate::config::scope::{Kind, Shape, Spot};
use crate::domain::{AppSlug, UserName};
use crate::request::path_is_sound;

/// The longest text of one value, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

fn text_schema() -> Json {
    json!({ "type": "string" })
}

/// A plain scalar may look like a number or a flag; where a text is meant, JSON Schema has to
/// allow what YAML readers make of it.
fn loose_text_schema() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

fn without_nul(text: &str) -> Result<&str, Wrong> {
    if text.contains('\0') {
        return Err(wrong("has a NUL character in it", ""));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(wrong(format!("is longer than {TEXT_BYTES_MAX} bytes"), ""));
    }
    Ok(text)
}

/// A text of one line with something in it.
pub(in crate::config) struct Line;

impl Scalar for Line {
    type Value = String;

    fn expected(&self) -> String {
        "a line of text".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let text = without_nul(text)?.trim();
        if text.is_empty() {
            return Err(wrong("is empty", ""));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("must be one line without control characters", ""));
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        loose_text_schema()
    }
}

/// One argument of a program: any text.
pub(in crate::config) struct Argument;

impl Scalar for Argument {
    type Value = String;

    fn expected(&self) -> String {
        "a text".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        without_nul(text).map(str::to_owned)
    }

    fn show(&self, value: &String) -> String {
        quoted(value).trim_matches('`').to_owned()
    }

    fn schema(&self) -> Json {
        loose_text_schema()
    }
}

/// A path of this machine, as it is written.
pub(in crate::config) struct PathText;

impl Scalar for PathText {
    type Value = PathBuf;

    fn expected(&self) -> String {
        "a path".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<PathBuf, Wrong> {
        if without_nul(text)?.is_empty() {
            return Err(wrong("is empty", "write . for the folder itself"));
        }
        if text.starts_with("~/") {
            return Err(wrong(
                format!("{} begins with ~, which only a shell understands", quoted(text)),
                "write the whole path",
            ));
        }
        Ok(PathBuf::from(text))
    }

    fn show(&self, value: &PathBuf) -> String {
        value.display().to_string()
    }

    fn schema(&self) -> Json {
        text_schema()
    }
}

/// A user's name.
pub(in crate::config) struct PersonName;

impl Scalar for PersonName {
    type Value = UserName;

    fn expected(&self) -> String {
        "a name".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<UserName, Wrong> {
        UserName::new(text)
            .map_err(|bad| wrong(format!("{} is no user's name", quoted(text)), bad.to_string()))
    }

    fn show(&self, value: &UserName) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        loose_text_schema()
    }
}

/// An app's slug.
pub(in crate::config) struct AppName;

impl Scalar for AppName {
    type Value = AppSlug;

    fn expected(&self) -> String {
        "an app's name".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<AppSlug, Wrong> {
        AppSlug::new(text)
            .map_err(|bad| wrong(format!("{} is no app's name", quoted(text)), bad.to_string()))
    }

    fn show(&self, value: &AppSlug) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        loose_text_schema()
    }
}

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

/// A module that Python can import.
pub(in crate::config) struct ModuleName;

impl Scalar for ModuleName {
    type Value = String;

    fn expected(&self) -> String {
        "a module's name such as pandas or matplotlib.pyplot".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let is_part = |part: &str| {
            part.chars().all(|c| c.is_alphanumeric() || c == '_')
                && part.chars().next().is_some_and(|c| !c.is_numeric())
        };
        if text.len() > TEXT_BYTES_MAX || !text.split('.').all(is_part) {
            let hint = if text.contains(['/', '\\']) || text.ends_with(".py") {
                "the name of the import, not of the file"
            } else {
                ""
            };
            return Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint));
        }
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }

    fn schema(&self) -> Json {
        text_schema()
    }
}

/// A time zone of the IANA database.
pub(in crate::config) struct Zone;

impl Scalar for Zone {
    type Value = jiff::tz::TimeZone;

    fn expected(&self) -> String {
        "a time zone such as Asia/Seoul or UTC".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<jiff::tz::TimeZone, Wrong> {
        jiff::tz::TimeZone::get(text).map_err(|_| {
            let hint = if jiff::tz::db().available().next().is_none() {
                "this machine has no time zone database; install tzdata"
            } else {
                "names are those of the IANA database, as Region/City"
            };
            wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint)
        })
    }

    fn show(&self, value: &jiff::tz::TimeZone) -> String {
        value.iana_name().unwrap_or("local").to_owned()
    }

    fn schema(&self) -> Json {
        text_schema()
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

/// Environment variables.
pub(in crate::config) struct Variables;

impl Shape for Variables {
    fn schema(&self) -> Json {
        json!({ "type": "object", "additionalProperties": loose_text_schema() })
    }
}

impl Kind for Variables {
    type Value = BTreeMap<String, String>;

    fn read(&self, node: &Node, spot: &Spot<'_>) -> Option<Self::Value> {
        let Value::Mapping(entries) = &node.value else {
            spot.problem(node.place, wrong("must be a mapping", "such as {MODE: test}"));
            return None;
        };
        let mut all = BTreeMap::new();
        for entry in entries {
            match variable(&entry.key, &entry.value) {
                Ok(value) => drop(all.insert(entry.key.to_string(), value)),
                Err((at_key, wrong)) => {
                    let place = if at_key { entry.place } else { entry.value.place };
                    spot.problem_below(quoted(&entry.key).trim_matches('`'), place, wrong);
                }
            }
        }
        (all.len() == entries.len()).then_some(all)
    }

    /// Names only: values may be secrets.
    fn show(&self, value: &Self::Value) -> String {
        let names: Vec<_> = value.keys().map(String::as_str).collect();
        format!("{{{}}}", names.join(", "))
    }
}

/// A variable's value, or what is wrong and whether it is wrong with the name.
fn variable(name: &str, node: &Node) -> Result<String, (bool, Wrong)> {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !is_name {
        let sentence = "must be a variable's name";
        return Err((true, wrong(sentence, "letters, digits and _, not beginning with a digit")));
    }
    if name == "PORT" || name.starts_with("USHER_") {
        return Err((true, wrong("is set by usher", "choose another name")));
    }
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => {
            without_nul(text).map(str::to_owned).map_err(|wrong| (false, wrong))
        }
        Value::Scalar { .. } => Err((false, wrong("has no value", "an empty text is \"\""))),
        Value::Sequence(_) | Value::Mapping(_) => Err((false, wrong("must be a text", "quote it"))),
    }
}
