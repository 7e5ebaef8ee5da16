//! The script's element, and where it goes in an index page: before the end of its head. Pure.
//!
//! As much of HTML is understood as it takes to not be misled by what a comment, a script or an
//! attribute says. A page whose head does not end within [`HEAD_BYTES_MAX`] stays as it is, and so
//! does one that is not Streamlit's.

use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The longest head of an index page, in bytes; Streamlit's has some 8 KB.
const HEAD_BYTES_MAX: usize = 128 * 1024;
/// What the head of Streamlit's index names in every version: its own script.
const OF_STREAMLIT: &[u8] = b"static/js/";
/// Elements whose content is text up to their own end.
const TEXT_ELEMENTS: [&[u8]; 4] = [b"script", b"style", b"title", b"noscript"];
/// Bytes of an element's digest in its mark.
const MARK_BYTES: usize = 8;

/// The script's element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    text: Bytes,
    mark: String,
}

/// Where something belongs in a page of which the beginning is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before this byte.
    Before(usize),
    /// What is known so far does not tell.
    NotYet,
    /// Nowhere: it is no page of Streamlit's.
    Nowhere,
}

impl Element {
    /// An element of this HTML.
    pub fn new(text: String) -> Self {
        let digest = Sha256::digest(text.as_bytes());
        let mut mark = String::with_capacity(2 * MARK_BYTES);
        for byte in &digest[..MARK_BYTES] {
            // Writing to a String cannot fail.
            let _ = write!(mark, "{byte:02x}");
        }
        Self { text: text.into(), mark }
    }

    /// The HTML.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Differs between different elements: pages with one have it in their entity tags.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Where this goes in a page that begins so.
    pub fn place(&self, page: &[u8]) -> Place {
        let known = &page[..page.len().min(HEAD_BYTES_MAX)];
        match end_of_head(known) {
            Some(at) if contains(&known[..at], OF_STREAMLIT) => Place::Before(at),
            Some(_) => Place::Nowhere,
            None if page.len() >= HEAD_BYTES_MAX => Place::Nowhere,
            None => Place::NotYet,
        }
    }

    /// A whole page with this in its place; as it was, if there is none.
    pub fn put_into(&self, page: &[u8]) -> Bytes {
        match self.place(page) {
            Place::Before(at) => [&page[..at], &self.text, &page[at..]].concat().into(),
            Place::NotYet | Place::Nowhere => Bytes::copy_from_slice(page),
        }
    }
}

/// The first `</head>`, or the `<body>` or `<frameset>` that ends a head without one.
fn end_of_head(page: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += page[at..].iter().position(|byte| *byte == b'<')?;
        let tag = &page[at + 1..];
        if is_tag(tag, b"/head") || is_tag(tag, b"body") || is_tag(tag, b"frameset") {
            return Some(at);
        }
        at += 1 + end_of_markup(tag)?;
    }
}

/// How long the markup is that follows a `<`, with what belongs to it.
fn end_of_markup(tag: &[u8]) -> Option<usize> {
    if let Some(comment) = tag.strip_prefix(b"!--") {
        return Some(3 + position(comment, b"-->")? + 3);
    }
    if !tag.first()?.is_ascii_alphabetic() && !matches!(tag[0], b'/' | b'!' | b'?') {
        // A sign, no tag.
        return Some(0);
    }
    let end = end_of_tag(tag)?;
    match TEXT_ELEMENTS.iter().find(|name| is_tag(tag, name)) {
        Some(name) => Some(end + end_of_text(&tag[end..], name)?),
        None => Some(end),
    }
}

/// Behind the `>` of a tag; one within quotes is part of a value.
fn end_of_tag(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), _) if open == *byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// The end tag of an element whose content is text.
fn end_of_text(text: &[u8], name: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += position(&text[at..], b"</")?;
        if is_tag(&text[at + 2..], name) {
            return Some(at);
        }
        at += 2;
    }
}

/// Whether a tag has this name, whatever its case. What is cut off after the name has none yet.
fn is_tag(tag: &[u8], name: &[u8]) -> bool {
    tag.len() > name.len()
        && tag[..name.len()].eq_ignore_ascii_case(name)
        && matches!(tag[name.len()], b'>' | b'/' | b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    position(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "<script src=\"./static/js/main.js\"></script>";

    fn element() -> Element {
        Element::new("<in>".to_owned())
    }

    fn put(page: &str) -> String {
        String::from_utf8(element().put_into(page.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn it_goes_before_the_end_of_the_head_wherever_that_is() {
        // `|` is where it goes.
        for page in [
            "<html><head>$|</head><body></body></html>",
            "<html><head>$|</HEAD\n ><body></head></body></html>",
            "<head>$<title></head> as a title</title>|</head>",
            "<head>$<!-- </head> > -->|</head>",
            "<head>$<!----></head>".replace("</head>", "|</head>").as_str(),
            "<head>$<script>'</head>'</script >|</head>",
            "<head>$<SCRIPT>'</scripted></head>'</Script>|</head>",
            "<head>$<style>a{content:'</head>'}</style>|</head>",
            "<head>$<noscript></head></noscript>|</head>",
            "<head>$<meta content='</head>'>|</head>",
            "<head>$<meta content=\"'></head>\">|</head>",
            "<head>$ a < b, 1<2, <3 |</head>",
            "<head>$<header></header>|</head>",
            "<head>$|<body class=x></head>",
            "$|<BODY>",
            "<!doctype html><?xml version='1'?><head>$|</head>",
        ] {
            let page = page.replace('$', SCRIPT);
            assert_eq!(put(&page.replace('|', "")), page.replace('|', "<in>"), "{page}");
        }
    }

    #[test]
    fn other_pages_stay_as_they_are() {
        for page in [
            "",
            "plain text",
            "<head></head>",
            "<head><script src='/mine.js'></script></head>",
            // The path is in the body only: not Streamlit's index.
            "<head></head><body>static/js/</body>",
            "<head>$",
            "<head>$</head",
            "<head>$<!-- never closed </head>",
            "<head>$<script> never closed </head>",
        ] {
            let page = page.replace('$', SCRIPT);
            assert_eq!(put(&page), page);
        }
    }

    #[test]
    fn a_beginning_tells_nothing_until_the_head_has_ended() {
        let page = format!("<html><head>{SCRIPT}<!-- </head> --><title>x</title></head><body>");
        let at = page.rfind("</head>").unwrap();
        for length in 0..page.len() {
            let expected =
                if length < at + "</head>".len() { Place::NotYet } else { Place::Before(at) };
            assert_eq!(element().place(&page.as_bytes()[..length]), expected, "{length}");
        }
        assert_eq!(element().place(b"<head></head>"), Place::Nowhere);
    }

    #[test]
    fn a_head_has_to_end_within_its_limit() {
        let long = format!("<head>{SCRIPT}{}</head>", " ".repeat(HEAD_BYTES_MAX));
        assert_eq!(element().place(long.as_bytes()), Place::Nowhere);
        assert_eq!(put(&long), long);
    }

    #[test]
    fn different_elements_have_different_marks() {
        let mark = |text: &str| Element::new(text.to_owned()).mark().to_owned();
        assert_eq!(mark("a"), mark("a"));
        assert_ne!(mark("a"), mark("b"));
        assert_eq!(mark("a").len(), 2 * MARK_BYTES);
    }
}
