//! The JSON Schema of the configuration file, for editors (`usher check --schema`). Made from the
//! table of keys, so that it cannot know other keys than the checker; it knows kinds and defaults,
//! not what fits together.

use serde_json::{Map, Value as Json, json};

use super::file::{Node, Place, Value};
use super::keys;
use super::table::{AnyKey, Default, Section, default_node};

/// The schema of the whole file.
pub(super) fn of_file() -> Json {
    let mut schema = of_section(&keys::TOP);
    if let Json::Object(fields) = &mut schema {
        fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        fields.insert("title".into(), "Configuration of usher".into());
    }
    schema
}

/// The schema of one section's mapping.
pub(super) fn of_section(section: &Section) -> Json {
    let properties: Map<String, Json> =
        section.keys.iter().map(|key| (key.name().to_owned(), of_key(*key))).collect();
    let required: Vec<_> = section
        .keys
        .iter()
        .filter(|key| key.default() == Default::Required)
        .map(|key| key.name())
        .collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn of_key(key: &dyn AnyKey) -> Json {
    let mut schema = key.shape().schema();
    if let Json::Object(fields) = &mut schema {
        fields.insert("description".into(), key.doc().into());
        if let Default::Is(text) = key.default() {
            fields.insert("default".into(), json_of(&default_node(text, Place::START)));
        }
    }
    schema
}

/// A value of the file as JSON, by YAML's core schema.
fn json_of(node: &Node) -> Json {
    match &node.value {
        Value::Scalar { .. } if node.is_null() => Json::Null,
        Value::Scalar { text, plain: true } => match &**text {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            text => text.parse::<u64>().map_or_else(|_| text.into(), Json::from),
        },
        Value::Scalar { text, plain: false } => (&**text).into(),
        Value::Sequence(items) => items.iter().map(json_of).collect(),
        Value::Mapping(entries) => {
            let fields = entries.iter().map(|e| (e.key.to_string(), json_of(&e.value)));
            Json::Object(fields.collect())
        }
    }
}
