//! Environment variables.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::names::{loose_text_schema, without_nul};
use crate::config::file::{Node, Value};
use crate::config::report::{Wrong, quoted, wrong};
use crate::config::scope::Spot;
use crate::config::table::{Kind, Shape};

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
