//! The kinds of values: how each is read, shown and described. A kind judges one value by itself;
//! whether values fit together is `check`'s business.

mod addresses;
mod names;
mod secrets;
mod units;
mod variables;
mod web;

pub(super) use addresses::{NetworkText, SocketAddress};
pub(super) use names::{AppName, Argument, Line, ModuleName, PathText, PersonName, Zone};
pub(super) use secrets::{PasswordHashText, TotpSecret};
pub(super) use units::{Attempts, Bytes, Cores, Port, PortRange, Span, Whole};
pub(super) use variables::Variables;
pub(super) use web::{HeaderText, HostText, IssuerText, UrlPath};

use serde_json::{Value as Json, json};

use super::file::{Node, Value};
use super::nearest::nearest;
use super::report::{Wrong, quoted, wrong};
use super::scope::{Placed, Spot};
use super::table::{Each, Group, Kind, Named, Section, Shape};

/// A kind that is written as a single value.
pub(super) trait Scalar: Sync + 'static {
    /// What a correct value becomes.
    type Value;
    /// What the value has to be, as "a duration such as 30s".
    fn expected(&self) -> String;
    /// Reads a text; `plain` tells that it was written without quotes.
    fn parse(&self, text: &str, plain: bool) -> Result<Self::Value, Wrong>;
    /// See [`Kind::meant`].
    fn meant(&self, _text: &str) -> Option<String> {
        None
    }
    /// See [`Kind::show`].
    fn show(&self, value: &Self::Value) -> String;
    /// See [`Shape::schema`].
    fn schema(&self) -> Json;
}

impl<S: Scalar> Shape for S {
    fn schema(&self) -> Json {
        Scalar::schema(self)
    }
}

impl<S: Scalar> Kind for S {
    type Value = <S as Scalar>::Value;

    fn read(&self, node: &Node, spot: &Spot<'_>) -> Option<Self::Value> {
        let complaint = match &node.value {
            Value::Scalar { .. } if node.is_null() => {
                let sentence = format!("has no value; it must be {}", self.expected());
                wrong(sentence, "give it one, or remove it")
            }
            Value::Scalar { text, plain } => match self.parse(text, *plain) {
                Ok(value) => return Some(value),
                Err(complaint) => complaint,
            },
            Value::Sequence(_) => wrong(format!("must be {}, not a list", self.expected()), ""),
            Value::Mapping(_) => wrong(
                format!("must be {}, not a mapping", self.expected()),
                "quote a value with a colon in it",
            ),
        };
        spot.problem(node.place, complaint);
        None
    }

    fn meant(&self, text: &str) -> Option<String> {
        Scalar::meant(self, text)
    }

    fn show(&self, value: &Self::Value) -> String {
        Scalar::show(self, value)
    }
}

/// A kind that may also be `null`.
pub(super) struct Nullable<K>(pub(super) K);

impl<K: Shape> Shape for Nullable<K> {
    fn schema(&self) -> Json {
        json!({ "anyOf": [self.0.schema(), { "type": "null" }] })
    }

    fn inner(&self) -> Option<&'static Section> {
        self.0.inner()
    }
}

impl<K: Kind> Kind for Nullable<K> {
    type Value = Option<K::Value>;

    fn read(&self, node: &Node, spot: &Spot<'_>) -> Option<Self::Value> {
        if node.is_null() { Some(None) } else { self.0.read(node, spot).map(Some) }
    }

    fn show(&self, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| "null".to_owned(), |value| self.0.show(value))
    }
}

/// A list of values of one kind.
pub(super) struct List<K> {
    /// The kind of its items.
    pub(super) of: K,
    /// The fewest items.
    pub(super) least: usize,
}

impl<K: Kind> Shape for List<K> {
    fn schema(&self) -> Json {
        json!({ "type": "array", "items": self.of.schema(), "minItems": self.least })
    }
}

impl<K: Kind> Kind for List<K> {
    type Value = Vec<Placed<K::Value>>;

    fn read(&self, node: &Node, spot: &Spot<'_>) -> Option<Self::Value> {
        let Value::Sequence(items) = &node.value else {
            spot.problem(node.place, wrong("must be a list", list_hint(&self.of, node)));
            return None;
        };
        if items.len() < self.least {
            spot.problem(node.place, wrong("is empty", ""));
            return None;
        }
        let mut all = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Some(value) = self.of.read(item, &spot.item(index)) {
                all.push(Placed { index, place: item.place, value });
            }
        }
        // The good ones alone, so that what is wrong with them is told in the same run; the
        // problem of the others keeps the snapshot from being made.
        Some(all)
    }

    fn show(&self, value: &Self::Value) -> String {
        let items: Vec<_> = value.iter().map(|item| self.of.show(&item.value)).collect();
        format!("[{}]", items.join(", "))
    }
}

/// How a single value is written as a list.
fn list_hint<K: Kind>(of: &K, node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() && !text.contains(' ') => {
            let shown = quoted(&of.meant(text).unwrap_or_else(|| text.to_string()));
            let shown = shown.trim_matches('`');
            let is_word = shown.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c));
            if is_word { format!("write [{shown}]") } else { format!("write [\"{shown}\"]") }
        }
        Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_) => {
            "such as [one, two]".to_owned()
        }
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Scalar for Flag {
    type Value = bool;

    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn parse(&self, text: &str, plain: bool) -> Result<bool, Wrong> {
        let meant = match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some("true"),
            "false" | "no" | "off" => Some("false"),
            _ => None,
        };
        match (text, plain, meant) {
            ("true", true, _) => Ok(true),
            ("false", true, _) => Ok(false),
            (_, _, Some(meant)) => Err(wrong(
                format!("must be true or false, not {}", quoted(text)),
                format!("write {meant} without quotes"),
            )),
            (_, _, None) => Err(wrong(format!("must be true or false, not {}", quoted(text)), "")),
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

/// One of a few words.
pub(super) struct Words<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq + Sync + 'static> Scalar for Words<T> {
    type Value = T;

    fn expected(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        format!("one of {}", words.join(", "))
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<T, Wrong> {
        if let Some((_, value)) = self.0.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let hint = nearest(text, self.0.iter().map(|(word, _)| *word))
            .map_or(String::new(), |word| format!("did you mean {}?", quoted(word)));
        Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint))
    }

    fn show(&self, value: &T) -> String {
        self.0.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word).to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "enum": self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }
}

impl Shape for Group {
    fn schema(&self) -> Json {
        super::schema::of_section(self.0)
    }

    fn inner(&self) -> Option<&'static Section> {
        Some(self.0)
    }
}

impl Shape for Named {
    fn schema(&self) -> Json {
        json!({
            "type": "object",
            "additionalProperties": super::schema::of_section(self.0),
            "propertyNames": { "pattern": "^[a-z0-9][a-z0-9-]*$" },
            "minProperties": 1,
        })
    }

    fn inner(&self) -> Option<&'static Section> {
        Some(self.0)
    }
}

impl Shape for Each {
    fn schema(&self) -> Json {
        json!({ "type": "array", "items": super::schema::of_section(self.0) })
    }

    fn inner(&self) -> Option<&'static Section> {
        Some(self.0)
    }
}
