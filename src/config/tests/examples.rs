//! The files in `conf/` and the table of keys say the same, and so does the schema.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::certificates::write_certificate;
use super::*;
use crate::config::file::{self, Node, Place, Value};
use crate::config::keys;
use crate::config::table::{AnyKey, Default, Section, default_node};

/// Keys whose value in the example is an example: they have no default, or say who is who.
const EXAMPLES: [&str; 9] = [
    "directory",
    "apps.*.script",
    "users[].name",
    "users[].role",
    "users[].addresses",
    "oidc.issuer",
    "oidc.client_id",
    "oidc.client_secret_file",
    "tls.certificates",
];

fn file_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conf").join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(file_of(name)).expect("the example is there")
}

/// The example with the settings that are commented out: `#` without a space, and what is
/// indented below it.
fn with_everything() -> Node {
    let text = text_of("usher.yaml");
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with("  ") || !setting.starts_with([' ', '#']) => {
            setting.to_owned()
        }
        Some(_) | None => line.to_owned(),
    };
    let text: Vec<_> = text.lines().map(line).collect();
    let parsed = file::parse(&text.join("\n"));
    assert_eq!(parsed.faults, []);
    parsed.root.expect("a mapping")
}

fn path_of(section: &Section, key: &dyn AnyKey) -> String {
    match section.pattern {
        "" => key.name().to_owned(),
        pattern => format!("{pattern}.{}", key.name()),
    }
}

fn value_of<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Mapping(entries) => entries.iter().find(|e| *e.key == *name).map(|e| &e.value),
        Value::Sequence(_) | Value::Scalar { .. } => None,
    }
}

/// The mapping inside a value: itself, its first item, or what its first name stands for.
fn inside<'n>(node: &'n Node, section: &Section) -> Option<&'n Node> {
    match &node.value {
        Value::Sequence(items) => items.first(),
        Value::Mapping(entries) if section.pattern.ends_with('*') => {
            entries.first().map(|entry| &entry.value)
        }
        Value::Mapping(_) => Some(node),
        Value::Scalar { .. } => None,
    }
}

fn compare(section: &Section, node: &Node, compared: &mut BTreeSet<String>) {
    for key in section.keys {
        let path = path_of(section, *key);
        let value = value_of(node, key.name()).unwrap_or_else(|| panic!("{path} is not there"));
        if let Some(inner) = key.shape().inner() {
            if let Some(node) = inside(value, inner) {
                compare(inner, node, compared);
            }
        } else if let (Default::Is(text), false) = (key.default(), EXAMPLES.contains(&&*path)) {
            let default = default_node(text, Place::START);
            assert!(same(value, &default), "{path} is not {text}");
        }
        compared.insert(path);
    }
}

#[test]
fn the_example_has_every_key_at_its_default() {
    let mut compared = BTreeSet::new();
    compare(&keys::TOP, &with_everything(), &mut compared);
    let known: BTreeSet<_> = keys::sections()
        .iter()
        .flat_map(|section| section.keys.iter().map(|key| path_of(section, *key)))
        // Further certificates are none by default.
        .filter(|path| !path.starts_with("tls.certificates[]"))
        .collect();
    assert_eq!(compared, known);
}

#[test]
fn both_files_are_right() {
    for name in ["usher.yaml", "minimal.yaml"] {
        let snapshot = Snapshot::load(&file_of(name));
        let snapshot = snapshot.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(snapshot.base, PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    }
}

#[test]
fn the_example_changes_nothing_of_the_smallest_file_but_a_user() {
    let load = |name: &str| Snapshot::load(&file_of(name)).expect("it is right");
    let differences = load("minimal.yaml").differences(&load("usher.yaml"));
    assert_eq!(differences, ["users: added jiyoung"]);
}

/// Every default is a value that its own kind takes, and every key is read: what nobody reads has
/// no effect.
#[test]
fn every_key_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("s"), "").expect("written");
    write_certificate(folder.path(), "c", "k");
    let text = in_full(
        "@apps\n@users\ntls: {certificate: c, key: k, certificates: [{certificate: c, key: k}]}
oidc: {issuer: 'https://x.example', client_id: u, client_secret_file: s}\n",
    );
    let snapshot = Snapshot::parse(&folder.path().join("usher.yaml"), &text)
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    let read: BTreeSet<_> = snapshot
        .in_force
        .iter()
        .map(|setting| setting.path.replace("apps.main", "apps.*").replace("[0]", "[]"))
        .collect();
    let known: BTreeSet<_> = keys::sections()
        .iter()
        .filter(|section| section.pattern != "users[]")
        .flat_map(|section| section.keys.iter().map(move |key| (section, *key)))
        .filter(|(_, key)| key.shape().inner().is_none())
        .map(|(section, key)| path_of(section, key))
        .collect();
    assert_eq!(read, known);
    assert_eq!(read.len(), snapshot.in_force.len(), "no key is read twice");
}

#[test]
fn the_schema_names_every_key_and_no_other() {
    let schema: serde_json::Value =
        serde_json::from_str(&crate::config::schema()).expect("it is JSON");
    let mut objects = vec![&schema];
    let mut names = BTreeSet::new();
    let mut strict = 0;
    while let Some(value) = objects.pop() {
        if let Some(properties) = value.get("properties").and_then(|p| p.as_object()) {
            assert_eq!(value["additionalProperties"], serde_json::Value::Bool(false));
            strict += 1;
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{name} is not explained");
                names.insert(name.as_str());
            }
        }
        match value {
            serde_json::Value::Object(fields) => objects.extend(fields.values()),
            serde_json::Value::Array(items) => objects.extend(items),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let sections = keys::sections();
    let known: BTreeSet<_> =
        sections.iter().flat_map(|section| section.keys.iter().map(|key| key.name())).collect();
    assert_eq!(names, known);
    assert_eq!(strict, sections.len());
    assert_eq!(schema["required"], serde_json::json!(["apps", "users"]));
    assert_eq!(schema["properties"]["limits"]["properties"]["seats"]["default"], 100);
}

/// Whether two values say the same, wherever they stand.
fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        _ if a.is_null() && b.is_null() => true,
        (Value::Scalar { text: a, .. }, Value::Scalar { text: b, .. }) => a == b,
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| a.key == b.key && same(&a.value, &b.value))
        }
        (Value::Scalar { .. } | Value::Sequence(_) | Value::Mapping(_), _) => false,
    }
}
