//! The heads around an index page that the script's element is put into on its way: it has to come
//! whole, its length is not known beforehand, and its entity tag names the element too. Pure.

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use crate::assets::Element;

/// What would make a page come in part, packed, or not at all.
const FOR_OTHER_THAN_WHOLE_PAGES: [HeaderName; 5] = [
    header::ACCEPT_ENCODING,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];
/// What the seat says of its page that is not true of the changed one.
const OF_THE_SEATS_PAGE: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::LAST_MODIFIED, header::ACCEPT_RANGES];

/// Asks the seat for the whole page, or whether it is still the one that the browser has.
///
/// # Errors
/// A header that cannot be set.
pub(crate) fn ask(head: &mut RequestHeader, element: &Element) -> Result<()> {
    for name in &FOR_OTHER_THAN_WHOLE_PAGES {
        head.remove_header(name);
    }
    let tags: Vec<String> = head
        .headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|tag| seats_tag(tag.trim(), element))
        .collect();
    head.remove_header(&header::IF_NONE_MATCH);
    if tags.is_empty() {
        return Ok(());
    }
    head.insert_header(header::IF_NONE_MATCH, tags.join(", "))
}

/// Makes the head of the seat's answer that of the changed page. Whether something has to be put
/// into what follows.
///
/// # Errors
/// A header that cannot be set.
pub(crate) fn answered(head: &mut ResponseHeader, element: &Element) -> Result<bool> {
    let changes = head.status == StatusCode::OK && is_plain_html(head);
    if !changes && head.status != StatusCode::NOT_MODIFIED {
        return Ok(false);
    }
    for name in &OF_THE_SEATS_PAGE {
        head.remove_header(name);
    }
    let tag = head.headers.get(header::ETAG).and_then(|tag| own_tag(tag, element));
    head.remove_header(&header::ETAG);
    if let Some(tag) = tag {
        head.insert_header(header::ETAG, tag)?;
    }
    if changes {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(changes)
}

fn is_plain_html(head: &ResponseHeader) -> bool {
    let kind = head.headers.get(header::CONTENT_TYPE);
    !head.headers.contains_key(header::CONTENT_ENCODING)
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// The tag of the page that something was put into.
fn own_tag(tag: &HeaderValue, element: &Element) -> Option<HeaderValue> {
    let opened = tag.to_str().ok()?.strip_suffix('"')?;
    HeaderValue::try_from(format!("{opened}.{}\"", element.mark())).ok()
}

/// The seat's tag of a page that has this very element.
fn seats_tag(tag: &str, element: &Element) -> Option<String> {
    let opened = tag.strip_suffix('"')?.strip_suffix(element.mark())?.strip_suffix('.')?;
    Some(format!("{opened}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element() -> Element {
        Element::new("<x>".to_owned())
    }

    #[test]
    fn the_seat_is_asked_about_its_own_tags_only() {
        let element = element();
        let mark = element.mark();
        for (sent, asked) in [
            (vec![format!("\"abc.{mark}\"")], Some("\"abc\"")),
            (vec![format!("W/\"abc.{mark}\"")], Some("W/\"abc\"")),
            (vec![format!("\"x\", \"abc.{mark}\" , W/\"y.{mark}\"")], Some("\"abc\", W/\"y\"")),
            (vec![format!("\"a.{mark}\""), format!("\"b.{mark}\"")], Some("\"a\", \"b\"")),
            (vec!["\"abc\"".to_owned()], None),
            (vec!["\"abc.0000000000000000\"".to_owned()], None),
            (vec![format!("\"{mark}\"")], None),
            (vec!["*".to_owned()], None),
            (vec![], None),
        ] {
            let mut head = RequestHeader::build("GET", b"/", None).unwrap();
            for line in &sent {
                head.append_header("If-None-Match", line.as_str()).unwrap();
            }
            for name in ["Accept-Encoding", "Range", "If-Range", "If-Modified-Since", "If-Match"] {
                head.append_header(name, "x").unwrap();
            }
            ask(&mut head, &element).unwrap();
            let line = head.headers.get("if-none-match").map(|value| value.to_str().unwrap());
            assert_eq!(line, asked, "{sent:?}");
            assert_eq!(head.headers.len(), usize::from(asked.is_some()));
        }
    }

    fn answer(status: u16, headers: &[(&'static str, &str)]) -> (bool, Vec<String>) {
        let mut head = ResponseHeader::build(status, None).unwrap();
        for (name, value) in headers {
            head.append_header(*name, *value).unwrap();
        }
        let changes = answered(&mut head, &element()).unwrap();
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        (changes, head.headers.iter().map(line).collect())
    }

    #[test]
    fn a_page_comes_back_under_a_tag_that_names_the_element() {
        let page = [
            ("content-type", "text/html; charset=utf-8"),
            ("content-length", "7863"),
            ("last-modified", "Thu, 26 Nov 2026 00:00:00 GMT"),
            ("accept-ranges", "bytes"),
            ("etag", "\"abc\""),
            ("cache-control", "no-cache"),
        ];
        let tag = format!("etag: \"abc.{}\"", element().mark());
        let (changes, lines) = answer(200, &page);
        assert!(changes);
        let kind = "content-type: text/html; charset=utf-8";
        for line in [kind, "cache-control: no-cache", &tag, "transfer-encoding: chunked"] {
            assert!(lines.iter().any(|one| one == line), "{line} in {lines:?}");
        }
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(answer(304, &[("etag", "\"abc\"")]), (false, vec![tag]));
    }

    #[test]
    fn other_answers_stay_as_they_are() {
        for (status, headers) in [
            (200, [("content-type", "application/json"), ("etag", "\"a\"")]),
            (404, [("content-type", "text/html"), ("content-length", "3")]),
            (302, [("location", "/x"), ("content-length", "0")]),
        ] {
            let same = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            assert_eq!(answer(status, &headers), (false, same), "{status}");
        }
        let packed = [("content-type", "text/html"), ("content-encoding", "gzip")];
        assert!(!answer(200, &packed).0, "packed");
    }
}
