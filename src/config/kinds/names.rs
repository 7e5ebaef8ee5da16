//! Names and texts of this machine: users, apps, titles, paths, modules, zones.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::Scalar;
use crate::config::report::{Wrong, quoted, wrong};
use crate::domain::{AppSlug, UserName};

/// The longest text of one value, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

pub(super) fn text_schema() -> Json {
    json!({ "type": "string" })
}

/// A plain scalar may look like a number or a flag; where a text is meant, JSON Schema has to
/// allow what YAML readers make of it.
pub(super) fn loose_text_schema() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

pub(super) fn without_nul(text: &str) -> Result<&str, Wrong> {
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
