//! Puts an element before `</head>` of a page while it passes. Pure; knows neither Pingora nor what
//! the element is.

use bytes::{Bytes, BytesMut};

/// A page whose head has not ended by then passes as it is, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEAD_END: &[u8] = b"</head>";

/// A page on its way.
pub(crate) struct Insertion {
    element: Bytes,
    /// What came and may belong to the head still; `None`: the rest passes untouched.
    held: Option<BytesMut>,
}

impl Insertion {
    /// Will put `element` into the page.
    pub(crate) fn new(element: &str) -> Self {
        Self { element: Bytes::copy_from_slice(element.as_bytes()), held: Some(BytesMut::new()) }
    }

    /// What to send when `piece` came; `ends`: nothing follows it.
    pub(crate) fn pass(&mut self, piece: Option<Bytes>, ends: bool) -> Option<Bytes> {
        let Some(held) = &mut self.held else { return piece };
        if let Some(piece) = piece {
            held.extend_from_slice(&piece);
        }
        if let Some(at) = head_end(held) {
            let rest = held.split_off(at);
            held.extend_from_slice(&self.element);
            held.unsplit(rest);
        } else if !ends && held.len() < HEAD_BYTES_MAX {
            return None;
        }
        let whole = self.held.take().unwrap_or_default();
        (!whole.is_empty()).then(|| whole.freeze())
    }
}

fn head_end(page: &[u8]) -> Option<usize> {
    page.windows(HEAD_END.len()).position(|window| window.eq_ignore_ascii_case(HEAD_END))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes a page cut at every place; it must come out the same.
    fn check(page: &str, expected: &str) {
        for cut in 0..=page.len() {
            let mut insertion = Insertion::new("<x>");
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
        check("<head></head></head>", "<head><x></head></head>");
        check("<HEAD></HEAD>", "<HEAD><x></HEAD>");
        check("no head", "no head");
        check("", "");
    }

    #[test]
    fn a_head_without_an_end_is_not_held_for_ever() {
        let mut insertion = Insertion::new("<x>");
        let long = Bytes::from(vec![b'a'; HEAD_BYTES_MAX]);
        assert_eq!(insertion.pass(Some(long.clone()), false), Some(long));
        let late = Bytes::from_static(b"</head>");
        assert_eq!(insertion.pass(Some(late.clone()), true), Some(late));
    }

    #[test]
    fn the_end_may_come_without_a_piece() {
        let mut insertion = Insertion::new("<x>");
        assert_eq!(insertion.pass(Some(Bytes::from_static(b"abc")), false), None);
        assert_eq!(insertion.pass(None, true), Some(Bytes::from_static(b"abc")));
        assert_eq!(insertion.pass(None, true), None);
    }
}
