//! YAML text to [`Node`]s that keep the place of every value. Knows nothing of keys and kinds;
//! what is wrong here is wrong in any YAML file. Every limit that keeps a damaged or hostile file
//! from costing more than it is worth is in this file.

mod builder;

use saphyr_parser::{Marker, Parser, ScanError};

use builder::Builder;

/// The largest file that is read. A million networks in IPv6 notation fit.
pub(super) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most values of a file, copies made by aliases included.
pub(super) const NODES_MAX: usize = 2_000_000;
/// The deepest nesting; the deepest setting is at five.
pub(super) const DEPTH_MAX: usize = 16;

/// Where something stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Counted from 1.
    pub(super) line: u32,
    /// Counted from 1, in characters.
    pub(super) column: u32,
}

impl Place {
    /// The beginning of the file.
    pub(super) const START: Place = Place { line: 1, column: 1 };

    fn of(marker: &Marker) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(marker.line()).max(1), column: number(marker.col()).saturating_add(1) }
    }
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) place: Place,
    /// What it is.
    pub(super) value: Value,
}

/// The three shapes of YAML. Scalars keep their text: what it means is the reader's business.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A single value.
    Scalar {
        /// Without quotes, escapes resolved.
        text: Box<str>,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values, in the order of the file; a key that came twice is there twice.
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: Box<str>,
    /// Where the key stands.
    pub(super) place: Place,
    /// Its value.
    pub(super) value: Node,
}

impl Node {
    /// An unquoted scalar that does not come from a file.
    pub(super) fn plain(place: Place, text: &str) -> Self {
        Self { place, value: Value::Scalar { text: text.into(), plain: true } }
    }

    /// Whether it says that there is no value: `null`, `~` or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain } => {
                *plain && matches!(&**text, "" | "~" | "null" | "Null" | "NULL")
            }
            Value::Sequence(_) | Value::Mapping(_) => false,
        }
    }

    fn count(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::Sequence(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Value::Mapping(entries) => 1 + entries.iter().map(|e| e.value.count()).sum::<usize>(),
        }
    }

    fn depth(&self) -> usize {
        let inner = match &self.value {
            Value::Scalar { .. } => None,
            Value::Sequence(items) => items.iter().map(Node::depth).max(),
            Value::Mapping(entries) => entries.iter().map(|e| e.value.depth()).max(),
        };
        1 + inner.unwrap_or(0)
    }
}

/// One thing that is wrong with the YAML, before it is known which file this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Where.
    pub(super) place: Place,
    /// Such as `users[1].name`.
    pub(super) path: String,
    /// What is wrong.
    pub(super) sentence: String,
    /// What to do; may be empty.
    pub(super) hint: String,
}

/// What could be read, and what is wrong. Without a root nothing could be read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The value of the only document.
    pub(super) root: Option<Node>,
    /// In the order of the file.
    pub(super) faults: Vec<Fault>,
}

/// Reads a text of at most [`FILE_BYTES_MAX`] bytes.
pub(super) fn parse(text: &str) -> Parsed {
    if let Some(fault) = refused_at_once(text) {
        return Parsed { root: None, faults: vec![fault] };
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, Place::of(&span.start)),
            Err(error) => Err(explain(text, &error)),
        };
        if let Err(fault) = taken {
            builder.faults.push(fault);
            return Parsed { root: None, faults: builder.faults };
        }
    }
    if builder.root.as_ref().is_none_or(Node::is_null) {
        let fault = whole_file("the file is empty", "it needs at least `apps` and `users`");
        return Parsed { root: None, faults: vec![fault] };
    }
    Parsed { root: builder.root, faults: builder.faults }
}

fn refused_at_once(text: &str) -> Option<Fault> {
    if text.len() > FILE_BYTES_MAX {
        let most = FILE_BYTES_MAX / (1024 * 1024);
        return Some(whole_file(&format!("the file is larger than {most} MiB"), ""));
    }
    if text.starts_with('\u{feff}') {
        return Some(whole_file(
            "the file begins with a byte order mark",
            "save it as UTF-8 without BOM",
        ));
    }
    if let Some((line, column)) = first_control(text) {
        let place = Place { line, column };
        return Some(Fault {
            place,
            path: String::new(),
            sentence: "a control character has no place in this file".to_owned(),
            hint: String::new(),
        });
    }
    None
}

/// The place of the first character that YAML forbids everywhere.
fn first_control(text: &str) -> Option<(u32, u32)> {
    let (mut line, mut column) = (1, 1);
    for c in text.chars() {
        match c {
            '\n' => (line, column) = (line + 1, 1),
            '\t' | '\r' => column += 1,
            '\0'..='\x1f' | '\x7f' => return Some((line, column)),
            _ => column += 1,
        }
    }
    None
}

fn whole_file(sentence: &str, hint: &str) -> Fault {
    Fault {
        place: Place::START,
        path: String::new(),
        sentence: sentence.to_owned(),
        hint: hint.to_owned(),
    }
}

/// Says a parser's error in words that help; a tab in the indentation is what it mostly is.
fn explain(text: &str, error: &ScanError) -> Fault {
    let place = Place::of(error.marker());
    let tab = [place.line, place.line.saturating_sub(1)].into_iter().find_map(|number| {
        let line = text.lines().nth(usize::try_from(number).ok()?.checked_sub(1)?)?;
        let column = line.chars().take_while(|c| " \t".contains(*c)).position(|c| c == '\t')?;
        Some(Place { line: number, column: u32::try_from(column).ok()?.checked_add(1)? })
    });
    let too_deep = error.info() == "recursion limit exceeded";
    let (place, sentence, hint) = match tab {
        _ if too_deep => (place, format!("values are nested deeper than {DEPTH_MAX}"), ""),
        Some(place) => (place, "a tab is in the indentation".to_owned(), "use spaces"),
        None => (
            place,
            format!("the YAML cannot be read: {}", error.info()),
            "check the indentation, the quotes and the brackets here and in the line above",
        ),
    };
    Fault { place, path: String::new(), sentence, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        let inner = match &node.value {
            Value::Scalar { text, plain: true } => text.to_string(),
            Value::Scalar { text, plain: false } => format!("{text:?}"),
            Value::Sequence(items) => {
                format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Value::Mapping(entries) => {
                let entry = |e: &Entry| {
                    format!("{}@{}:{}={}", e.key, e.place.line, e.place.column, shown(&e.value))
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        };
        format!("{inner}@{}:{}", node.place.line, node.place.column)
    }

    #[test]
    fn every_value_has_its_place() {
        for (text, expected) in [
            ("a: 1\nb:\n  c: x", "{a@1:1=1@1:4, b@2:1={c@3:3=x@3:6}@3:3}@1:1"),
            ("a: [1, \"2\"]", "{a@1:1=[1@1:5, \"2\"@1:8]@1:4}@1:1"),
            ("a:\n- x\n- y: 1", "{a@1:1=[x@2:3, {y@3:3=1@3:6}@3:3]@2:3}@1:1"),
            ("a: {b: 1}\r\nc: 2\r\n", "{a@1:1={b@1:5=1@1:8}@1:4, c@2:1=2@2:4}@1:1"),
            ("가: 나, 다\nb: 1", "{가@1:1=나, 다@1:4, b@2:1=1@2:4}@1:1"),
            ("# c\n---\na: 1\n...\n", "{a@3:1=1@3:4}@3:1"),
            ("a: &x [1]\nb: *x", "{a@1:1=[1@1:8]@1:4, b@2:1=[1@1:8]@2:4}@1:1"),
            ("a: &x 1\nb: *x", "{a@1:1=1@1:4, b@2:1=1@2:4}@1:1"),
        ] {
            let parsed = parse(text);
            assert_eq!(parsed.faults, [], "{text}");
            assert_eq!(parsed.root.as_ref().map(shown).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn limits_hold_without_reading_on() {
        let deep = "[".repeat(100_000);
        let deep_and_closed = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        let deep_block = (0..100).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>();
        // Nine lists of nine aliases each: 9^9 values if they were expanded.
        let mut laughs = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n".to_owned();
        for level in 1..9 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(",");
            laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        for (text, expected) in [
            (deep.as_str(), "deeper than 16"),
            (deep_and_closed.as_str(), "deeper than 16"),
            (deep_block.as_str(), "deeper than 16"),
            (laughs.as_str(), "more than 2000000 values"),
            ("a: &x [*x]", "inside what it is an alias of"),
        ] {
            let parsed = parse(text);
            assert!(parsed.root.is_none());
            assert_eq!(parsed.faults.len(), 1, "{expected}");
            assert!(parsed.faults[0].sentence.contains(expected), "{:?}", parsed.faults);
        }
    }
}
