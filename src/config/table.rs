//! What the table of keys is made of: [`Key`], [`Section`], and what a [`Kind`] of value can do.

use serde_json::Value as Json;

use super::file::{self, Node, Place};
use super::scope::Spot;

/// One key of the table: everything that is known about it, for reading, schema and examples.
pub(super) struct Key<K> {
    /// Its name in the file.
    pub(super) name: &'static str,
    /// What holds where the file does not have it.
    pub(super) default: Default,
    /// A sentence for whoever writes the file.
    pub(super) doc: &'static str,
    /// What values it takes.
    pub(super) kind: K,
}

/// What holds where the file does not have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Default {
    /// Nothing: the file must have it.
    Required,
    /// This YAML text.
    Is(&'static str),
}

/// A mapping of known keys.
pub(super) struct Section {
    /// Where it stands, as `apps.*` or `users[]`; empty for the file itself.
    pub(super) pattern: &'static str,
    /// Its keys in the order of the examples.
    pub(super) keys: &'static [&'static dyn AnyKey],
}

/// What every kind can tell about itself.
pub(super) trait Shape: Sync + 'static {
    /// A JSON Schema of its values.
    fn schema(&self) -> Json;
    /// The section inside, if it holds one.
    fn inner(&self) -> Option<&'static Section> {
        None
    }
}

/// A kind of value that is read as a whole.
pub(super) trait Kind: Shape {
    /// What a correct value becomes.
    type Value;
    /// Reads a value; `None` after telling what is wrong with it.
    fn read(&self, node: &Node, spot: &Spot<'_>) -> Option<Self::Value>;
    /// The text that a wrong one was probably meant to be.
    fn meant(&self, _text: &str) -> Option<String> {
        None
    }
    /// The value in the notation of the file, the same for equal values. Secrets are not shown.
    fn show(&self, value: &Self::Value) -> String;
}

/// A [`Key`] of any kind.
pub(super) trait AnyKey: Sync {
    /// See [`Key::name`].
    fn name(&self) -> &'static str;
    /// See [`Key::default`].
    fn default(&self) -> Default;
    /// See [`Key::doc`].
    fn doc(&self) -> &'static str;
    /// See [`Shape`].
    fn shape(&self) -> &dyn Shape;
}

impl<K: Shape> AnyKey for Key<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn default(&self) -> Default {
        self.default
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn shape(&self) -> &dyn Shape {
        &self.kind
    }
}

/// A mapping of its own below a key.
pub(super) struct Group(pub(super) &'static Section);
/// A mapping of names that the operator chooses to sections.
pub(super) struct Named(pub(super) &'static Section);
/// A list of sections.
pub(super) struct Each(pub(super) &'static Section);

/// A default of the table as a value at `place`.
pub(super) fn default_node(text: &str, place: Place) -> Node {
    let is_word =
        |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-./".contains(&b));
    if is_word(text) {
        return Node::plain(place, text);
    }
    // Built-in texts: a test reads each of them.
    file::parse(text).root.map_or(Node::plain(place, ""), |node| Node { place, ..node })
}
