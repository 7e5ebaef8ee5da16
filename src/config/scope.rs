//! Reading a mapping of the file by the table of keys: unknown keys, defaults, required keys and
//! places are settled here, once for all. Knows no key by name.

use super::file::{Entry, Node, Place, Value};
use super::kinds::Nullable;
use super::nearest::nearest;
use super::report::{Report, Wrong, quoted, wrong};
use super::table::{Default, Each, Group, Key, Kind, Named, Section, default_node};

/// A value of a list with its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    /// Which item of the file's list it is; others may have been wrong.
    pub(super) index: usize,
    /// Where it stands.
    pub(super) place: Place,
    /// The value.
    pub(super) value: T,
}

/// Where a value that is being read belongs, for telling what is wrong with it.
pub(super) struct Spot<'s> {
    scope: &'s Scope<'s>,
    name: &'s str,
    index: Option<usize>,
}

impl<'s> Spot<'s> {
    /// Tells what is wrong.
    pub(super) fn problem(&self, place: Place, wrong: Wrong) {
        self.scope.tell(place, self.scope.path_of(self.name, self.index), wrong);
    }

    /// Tells what is wrong with one name of a mapping.
    pub(super) fn problem_below(&self, name: &str, place: Place, wrong: Wrong) {
        let path = format!("{}.{name}", self.scope.path_of(self.name, self.index));
        self.scope.tell(place, path, wrong);
    }

    /// The spot of an item of the list at this spot.
    pub(super) fn item(&self, index: usize) -> Spot<'s> {
        Spot { scope: self.scope, name: self.name, index: Some(index) }
    }
}

/// A value that others are compared with.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// Where it stands.
    pub(super) place: Place,
    /// Its path.
    pub(super) path: String,
    /// Whether the file has it; else it is a default.
    is_written: bool,
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.is_written {
            return write!(f, "the default of {}", self.path);
        }
        write!(f, "{} in line {}, column {}", self.path, self.place.line, self.place.column)
    }
}

/// A mapping of the file that is being read by a [`Section`].
pub(super) struct Scope<'c> {
    report: &'c Report,
    section: &'static Section,
    path: String,
    place: Place,
    entries: &'c [Entry],
    /// Whether its settings are noted as in force; those of the many users are not.
    noted: bool,
    /// It is no mapping at all. That was told; what it lacks goes without saying.
    muted: bool,
}

impl<'c> Scope<'c> {
    /// The file itself.
    pub(super) fn root(report: &'c Report, section: &'static Section, node: &'c Node) -> Self {
        let whole = Self::of_some_keys(report, section, node);
        Self { noted: true, ..whole }.with_known_names()
    }

    /// The file itself, for who wants a few keys and does not mind what else is in it.
    pub(super) fn of_some_keys(
        report: &'c Report,
        section: &'static Section,
        node: &'c Node,
    ) -> Self {
        let (path, place) = (String::new(), node.place);
        Self { report, section, path, place, entries: &[], noted: false, muted: false }
            .with_entries_of(node)
    }

    fn with_entries_of(mut self, node: &'c Node) -> Self {
        self.place = node.place;
        match &node.value {
            Value::Mapping(entries) => self.entries = entries,
            Value::Scalar { .. } if node.is_null() => {}
            Value::Scalar { .. } | Value::Sequence(_) => {
                let names = self.section.keys.iter().take(3).map(|key| key.name());
                let hint = format!("keys such as {}", names.collect::<Vec<_>>().join(", "));
                self.problem_here(wrong("must be a mapping of keys", hint));
                self.muted = true;
            }
        }
        self
    }

    fn with_known_names(self) -> Self {
        for entry in self.entries {
            self.check_name(entry);
        }
        self
    }

    /// The mapping of a section below this one.
    fn below(&self, section: &'static Section, path: String, node: Option<&'c Node>) -> Self {
        let empty = Self { section, path, entries: &[], ..*self };
        match node {
            Some(node) => empty.with_entries_of(node).with_known_names(),
            None => empty,
        }
    }

    fn tell(&self, place: Place, path: String, wrong: Wrong) {
        if !self.muted {
            self.report.problem(place, path, wrong);
        }
    }

    fn check_name(&self, entry: &Entry) {
        if !self.section.keys.iter().any(|key| *key.name() == *entry.key) {
            let hint = self.unknown_hint(&entry.key);
            let path = self.path_of(&short(&entry.key), None);
            self.tell(entry.place, path, wrong("there is no such key here", hint));
        }
    }

    fn unknown_hint(&self, name: &str) -> String {
        if name == "<<" {
            return "merge keys are not read; repeat the settings or use an alias as a value"
                .to_owned();
        }
        if let Some(known) = nearest(name, self.section.keys.iter().map(|key| key.name())) {
            return format!("did you mean {}?", quoted(known));
        }
        match super::keys::sections_with(name).as_slice() {
            [] => String::new(),
            patterns => format!("it belongs in {}", patterns.join(" or ")),
        }
    }

    /// The path of a key here, or of an item of its list.
    fn path_of(&self, name: &str, index: Option<usize>) -> String {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        if let Some(index) = index {
            path.push_str(&format!("[{index}]"));
        }
        path
    }

    fn node(&self, name: &str) -> Option<&'c Node> {
        self.entries.iter().find(|entry| *entry.key == *name).map(|entry| &entry.value)
    }

    /// Reads a key, or its default; `None` after telling what is wrong.
    pub(super) fn read<K: Kind>(&self, key: &Key<K>) -> Option<K::Value> {
        let value = self.read_quietly(key)?;
        if self.noted {
            self.report.setting(self.path_of(key.name, None), key.kind.show(&value));
        }
        Some(value)
    }

    /// Reads a key whose default is worked out: `otherwise` gives the value and how to show it.
    pub(super) fn read_or<V, K: Kind<Value = Option<V>>>(
        &self,
        key: &Key<K>,
        otherwise: impl FnOnce() -> (V, String),
    ) -> Option<V> {
        let read = self.read_quietly(key)?;
        let shown = read.is_some().then(|| key.kind.show(&read));
        let (value, shown) = match (read, shown) {
            (Some(value), Some(shown)) => (value, shown),
            (Some(_) | None, _) => otherwise(),
        };
        if self.noted {
            self.report.setting(self.path_of(key.name, None), shown);
        }
        Some(value)
    }

    fn read_quietly<K: Kind>(&self, key: &Key<K>) -> Option<K::Value> {
        debug_assert!(
            self.section.keys.iter().any(|known| known.name() == key.name),
            "{} is not a key of {:?}",
            key.name,
            self.section.pattern
        );
        let spot = Spot { scope: self, name: key.name, index: None };
        match (self.node(key.name), key.default) {
            (Some(node), Default::Is("[]" | "{}")) if node.is_null() => {
                key.kind.read(&empty(node.place, key.default), &spot)
            }
            (Some(node), _) => key.kind.read(node, &spot),
            (None, Default::Is(text)) => key.kind.read(&default_node(text, self.place), &spot),
            (None, Default::Required) if self.is_mistyped(key) => None,
            (None, Default::Required) => {
                self.tell(self.place, self.path_of(key.name, None), wrong("is missing", key.doc));
                None
            }
        }
    }

    /// Whether something that is no key looks like this one; that was told, so that this one is
    /// missing goes without saying.
    pub(super) fn is_mistyped<K>(&self, key: &Key<K>) -> bool {
        let names = || self.section.keys.iter().map(|key| key.name());
        self.entries
            .iter()
            .filter(|entry| names().all(|name| *name != *entry.key))
            .any(|entry| nearest(&entry.key, names()) == Some(key.name))
    }

    /// Whether the file has the key with a value.
    pub(super) fn is_set<K>(&self, key: &Key<K>) -> bool {
        self.node(key.name).is_some_and(|node| !node.is_null())
    }

    /// Where the key's value stands, or else the mapping that lacks it.
    pub(super) fn place_of<K>(&self, key: &Key<K>) -> Place {
        self.node(key.name).map_or(self.place, |node| node.place)
    }

    /// Whether the file has nothing in a key's list, not even something wrong.
    pub(super) fn lacks<K>(&self, key: &Key<K>) -> bool {
        self.node(key.name).is_none_or(|node| match &node.value {
            Value::Sequence(items) => items.is_empty(),
            Value::Scalar { .. } | Value::Mapping(_) => node.is_null(),
        })
    }

    /// A key's value, or an item of its list, for telling about it later.
    pub(super) fn mark<K>(&self, key: &Key<K>, item: Option<(usize, Place)>) -> Mark {
        let (index, place) = match item {
            Some((index, place)) if self.is_set(key) => (Some(index), place),
            Some(_) | None => (None, self.place_of(key)),
        };
        Mark { place, path: self.path_of(key.name, index), is_written: self.is_set(key) }
    }

    /// Tells what is wrong with what was marked.
    pub(super) fn problem_with(&self, mark: &Mark, wrong: Wrong) {
        self.tell(mark.place, mark.path.clone(), wrong);
    }

    /// Tells what is wrong with a key's value.
    pub(super) fn problem<K>(&self, key: &Key<K>, wrong: Wrong) {
        self.tell(self.place_of(key), self.path_of(key.name, None), wrong);
    }

    /// Tells what is wrong with an item of a key's list.
    pub(super) fn problem_at<K, T>(&self, key: &Key<K>, item: &Placed<T>, wrong: Wrong) {
        self.tell(item.place, self.path_of(key.name, Some(item.index)), wrong);
    }

    /// Tells what is wrong with the mapping itself.
    pub(super) fn problem_here(&self, wrong: Wrong) {
        self.tell(self.place, self.path.clone(), wrong);
    }

    /// Tells what is wrong with the name of the mapping, which stands at `place`.
    pub(super) fn problem_with_name(&self, place: Place, wrong: Wrong) {
        self.tell(place, self.path.clone(), wrong);
    }

    /// Warns about a key's value.
    pub(super) fn warning<K>(&self, key: &Key<K>, wrong: Wrong) {
        self.report.warning(self.place_of(key), self.path_of(key.name, None), wrong);
    }

    /// Warns about an item of a key's list.
    pub(super) fn warning_at<K, T>(&self, key: &Key<K>, item: &Placed<T>, wrong: Wrong) {
        self.report.warning(item.place, self.path_of(key.name, Some(item.index)), wrong);
    }

    /// The mapping below a key; empty if the file does not have it.
    pub(super) fn group(&self, key: &Key<Group>) -> Self {
        self.below(key.kind.0, self.path_of(key.name, None), self.node(key.name))
    }

    /// The mapping below a key that may be absent.
    pub(super) fn optional_group(&self, key: &Key<Nullable<Group>>) -> Option<Self> {
        let node = self.node(key.name).filter(|node| !node.is_null())?;
        Some(self.below(key.kind.0.0, self.path_of(key.name, None), Some(node)))
    }

    /// The sections of a key's list.
    pub(super) fn each(&self, key: &Key<Each>, noted: bool) -> Vec<Self> {
        let items = match self.node(key.name) {
            Some(Node { value: Value::Sequence(items), .. }) => items.as_slice(),
            Some(node) if !node.is_null() => {
                self.problem(key, wrong("must be a list", "each item begins with `- `"));
                return Vec::new();
            }
            Some(_) | None => &[],
        };
        self.require_some(key, items.is_empty());
        let open = |(index, node)| {
            let path = self.path_of(key.name, Some(index));
            Self { noted, ..self.below(key.kind.0, path, Some(node)) }
        };
        items.iter().enumerate().map(open).collect()
    }

    /// The sections of a key's mapping with their names.
    pub(super) fn named(&self, key: &Key<Named>) -> Vec<(&'c Entry, Self)> {
        let entries = match self.node(key.name) {
            Some(Node { value: Value::Mapping(entries), .. }) => entries.as_slice(),
            Some(node) if !node.is_null() => {
                self.problem(key, wrong("must be a mapping of names", "such as `main:`"));
                return Vec::new();
            }
            Some(_) | None => &[],
        };
        self.require_some(key, entries.is_empty());
        let open = |entry: &'c Entry| {
            let path = self.path_of(&format!("{}.{}", key.name, short(&entry.key)), None);
            (entry, self.below(key.kind.0, path, Some(&entry.value)))
        };
        entries.iter().map(open).collect()
    }

    fn require_some<K>(&self, key: &Key<K>, is_empty: bool) {
        if !is_empty || key.default != Default::Required || self.is_mistyped(key) {
            return;
        }
        let sentence = if self.node(key.name).is_some() { "is empty" } else { "is missing" };
        self.problem(key, wrong(sentence, key.doc));
    }
}

/// A key from the file as a path may show it: whatever it is, it stays on one line.
fn short(key: &str) -> String {
    let shown = quoted(key);
    shown.trim_matches('`').to_owned()
}

fn empty(place: Place, default: Default) -> Node {
    let value = match default {
        Default::Is("{}") => Value::Mapping(Vec::new()),
        Default::Is(_) | Default::Required => Value::Sequence(Vec::new()),
    };
    Node { place, value }
}
