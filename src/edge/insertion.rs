//! Puts the script's element into an app's index page while it passes, and into no other. Pure;
//! where it goes is for the [`Element`] to say.

use bytes::{Bytes, BytesMut};

use crate::assets::{Element, Place};

/// A page on its way.
pub(crate) struct Insertion {
    element: Element,
    /// What came and may belong to the head still; `None`: the rest passes untouched.
    held: Option<BytesMut>,
}

impl Insertion {
    /// Will put `element` into the page.
    pub(crate) fn new(element: &Element) -> Self {
        Self { element: element.clone(), held: Some(BytesMut::new()) }
    }

    /// What to send when `piece` came; `ends`: nothing follows it.
    pub(crate) fn pass(&mut self, piece: Option<Bytes>, ends: bool) -> Option<Bytes> {
        let Some(held) = &mut self.held else { return piece };
        if let Some(piece) = piece {
            held.extend_from_slice(&piece);
        }
        match self.element.place(held) {
            Place::Before(at) => {
                let rest = held.split_off(at);
                held.extend_from_slice(self.element.text());
                held.unsplit(rest);
            }
            Place::NotYet if !ends => return None,
            Place::NotYet | Place::Nowhere => {}
        }
        let whole = self.held.take().unwrap_or_default();
        (!whole.is_empty()).then(|| whole.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "<script src='./static/js/a.js'></script>";

    fn insertion() -> Insertion {
        Insertion::new(&Element::new("<x>".to_owned()))
    }

    /// Passes a page cut at every place; it must come out the same.
    fn check(page: &str, expected: &str) {
        let (page, expected) = (page.replace('$', SCRIPT), expected.replace('$', SCRIPT));
        for cut in 0..=page.len() {
            let mut insertion = insertion();
            let mut sent = Vec::new();
            for (piece, ends) in [(&page[..cut], false), (&page[cut..], true)] {
                let piece = Bytes::copy_from_slice(piece.as_bytes());
                if let Some(out) = insertion.pass(Some(piece), ends) {
                    sent.extend_from_slice(&out);
                }
            }
            assert_eq!(String::from_utf8_lossy(&sent), expected, "cut at {cut}");
        }
    }

    #[test]
    fn before_the_end_of_the_head_and_nowhere_else() {
        check("<head>$</head></head>", "<head>$<x></head></head>");
        check("<HEAD>$</HEAD>", "<HEAD>$<x></HEAD>");
        check("<head></head>$", "<head></head>$");
        check("no head", "no head");
        check("", "");
    }

    #[test]
    fn a_head_without_an_end_is_not_held_for_ever() {
        let mut insertion = insertion();
        let long = Bytes::from(vec![b'a'; 1024 * 1024]);
        assert_eq!(insertion.pass(Some(long.clone()), false), Some(long));
        let late = Bytes::from_static(b"</head>");
        assert_eq!(insertion.pass(Some(late.clone()), true), Some(late));
    }

    #[test]
    fn the_end_may_come_without_a_piece() {
        let mut insertion = insertion();
        assert_eq!(insertion.pass(Some(Bytes::from_static(b"abc")), false), None);
        assert_eq!(insertion.pass(None, true), Some(Bytes::from_static(b"abc")));
        assert_eq!(insertion.pass(None, true), None);
    }
}
