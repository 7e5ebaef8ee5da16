//! The parser's events to nodes, with a stack of its own instead of recursion. Holds the limits on
//! depth and number of values, aliases included.

use std::collections::HashMap;

use saphyr_parser::{Event, ScalarStyle};

use super::{DEPTH_MAX, Entry, Fault, NODES_MAX, Node, Place, Value};

/// What has been read so far.
#[derive(Default)]
pub(super) struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
    /// The value of the document, once it has ended.
    pub(super) root: Option<Node>,
    /// What is wrong and yet did not end the reading.
    pub(super) faults: Vec<Fault>,
}

impl Builder {
    /// Takes one event. An error ends the reading.
    pub(super) fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(place),
            Event::Alias(anchor) => {
                let node = self.alias(anchor, place)?;
                self.add(node)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.as_ref().into(), plain };
                self.finish(Node { place, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                self.begin(Open::Sequence { place, anchor, items: Vec::new() })
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                self.begin(Open::Mapping { place, anchor, entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn document(&mut self, place: Place) -> Result<(), Fault> {
        self.documents += 1;
        if self.documents > 1 {
            let hint = "one file is one configuration; remove the line `---`";
            return Err(self.fault(place, "a second document begins", hint));
        }
        Ok(())
    }

    fn refuse_tag(&self, tagged: bool, place: Place) -> Result<(), Fault> {
        if tagged {
            return Err(self.fault(place, "a tag has no meaning here", "write the value alone"));
        }
        Ok(())
    }

    fn begin(&mut self, container: Open) -> Result<(), Fault> {
        if let (Open::Sequence { place, .. } | Open::Mapping { place, .. }, true) =
            (&container, self.open.len() >= DEPTH_MAX)
        {
            let sentence = format!("values are nested deeper than {DEPTH_MAX}");
            return Err(self.fault(*place, &sentence, ""));
        }
        self.open.push(container);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.open.pop() {
            Some(Open::Sequence { place, anchor, items }) => {
                self.finish(Node { place, value: Value::Sequence(items) }, anchor)
            }
            Some(Open::Mapping { place, anchor, entries, .. }) => {
                self.report_doubles(&entries);
                self.finish(Node { place, value: Value::Mapping(entries) }, anchor)
            }
            None => Ok(()),
        }
    }

    /// A complete node: remembered under its anchor, then added where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        // The parser numbers anchors from 1.
        if anchor > 0 {
            self.reserve(node.count(), node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.add(node)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Node, Fault> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.fault(place, "an alias stands inside what it is an alias of", ""));
        };
        let (nodes, depth) = (node.count(), node.depth());
        if self.open.len() + depth > DEPTH_MAX + 1 {
            let sentence = format!("values are nested deeper than {DEPTH_MAX}");
            return Err(self.fault(place, &sentence, ""));
        }
        let value = node.value.clone();
        // `add` counts the node itself.
        self.reserve(nodes - 1, place)?;
        Ok(Node { place, value })
    }

    fn reserve(&mut self, nodes: usize, place: Place) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let sentence = format!("the file has more than {NODES_MAX} values");
            return Err(self.fault(place, &sentence, "aliases count as what they stand for"));
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Fault> {
        self.reserve(1, node.place)?;
        match self.open.last_mut() {
            None => {
                self.root = Some(node);
                return Ok(());
            }
            Some(Open::Sequence { items, .. }) => {
                items.push(node);
                return Ok(());
            }
            Some(Open::Mapping { entries, key: pending, .. }) => {
                if let Some((key, place)) = pending.take() {
                    entries.push(Entry { key, place, value: node });
                    return Ok(());
                }
                if let Value::Scalar { text, .. } = &node.value
                    && !node.is_null()
                {
                    *pending = Some((text.clone(), node.place));
                    return Ok(());
                }
            }
        }
        Err(self.fault(node.place, "a key must be a single word", "quote it if it is one"))
    }

    /// Reports each key that came before, at its later place.
    fn report_doubles(&mut self, entries: &[Entry]) {
        let mut order: Vec<&Entry> = entries.iter().collect();
        order.sort_by(|a, b| (&a.key, a.place).cmp(&(&b.key, b.place)));
        let mut doubles = Vec::new();
        let mut first: Option<&Entry> = None;
        for entry in order {
            match first {
                Some(first) if first.key == entry.key => doubles.push((first.place, entry)),
                Some(_) | None => first = Some(entry),
            }
        }
        doubles.sort_by_key(|(_, entry)| entry.place);
        for (first, entry) in doubles {
            let sentence = format!(
                "the key is here a second time; the first is in line {}, column {}",
                first.line, first.column
            );
            let mut fault = self.fault(entry.place, &sentence, "keep one of them");
            if !fault.path.is_empty() {
                fault.path.push('.');
            }
            fault.path.push_str(&entry.key);
            self.faults.push(fault);
        }
    }

    fn fault(&self, place: Place, sentence: &str, hint: &str) -> Fault {
        Fault { place, path: self.path(), sentence: sentence.to_owned(), hint: hint.to_owned() }
    }

    /// The path of what is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match open {
                Open::Sequence { items, .. } => path.push_str(&format!("[{}]", items.len())),
                Open::Mapping { key: Some((key, _)), .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Open::Mapping { key: None, .. } => {}
            }
        }
        path
    }
}

/// A list or mapping whose end has not come yet.
enum Open {
    Sequence { place: Place, anchor: usize, items: Vec<Node> },
    Mapping { place: Place, anchor: usize, entries: Vec<Entry>, key: Option<(Box<str>, Place)> },
}
