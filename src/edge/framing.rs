//! Requests that two servers could read in two ways. Pingora settles such cases by itself, as it
//! may; here they are refused, because somebody hopes that the app settles them otherwise.

use http::{HeaderMap, header};
use pingora_proxy::Session;

/// What is wrong with a request's head, as a sentence for whoever sent it.
pub(crate) fn fault(session: &Session) -> Option<&'static str> {
    let request = session.req_header();
    if !request.raw_path_is_utf8() || !is_target(request.raw_path()) {
        return Some("malformed path\n");
    }
    let headers = &request.headers;
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    if !is_plainly_chunked(headers) {
        return Some("a body may be chunked, and nothing else\n");
    }
    // Pingora has removed the length already; what was sent still has it.
    let sent = session.as_http1().map(|session| session.get_headers_raw_bytes());
    let both = sent.is_some_and(|sent| has_line(&sent, b"content-length"));
    both.then_some("a body is either chunked or has a length\n")
}

/// Whether where an answer ends could be read in two ways. Pingora passes a coding on that it does
/// not know; a proxy before the door might take the rest for somebody else's answer.
pub(crate) fn answer_is_ambiguous(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) && !is_plainly_chunked(headers)
}

/// Whether a request's target has a path: what has none is taken for `/` by the library.
fn is_target(target: &[u8]) -> bool {
    target.starts_with(b"/") || target.windows(3).any(|part| part == b"://")
}

/// Whether the only transfer coding is `chunked`, said once.
fn is_plainly_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// Whether a head as it was sent has a line of this name, in small letters.
fn has_line(head: &[u8], name: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let end = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        line[..end].trim_ascii().eq_ignore_ascii_case(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (target, has_path) in [
            ("/", true),
            ("/app/main/?next=a://b", true),
            ("http://door/app/", true),
            ("app/main/", false),
            ("door:443", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(is_target(target.as_bytes()), has_path, "{target}");
        }
    }

    #[test]
    fn codings() {
        for (lines, plain) in [
            (&["chunked"][..], true),
            (&["Chunked"], true),
            (&["identity, chunked"], false),
            (&["chunked, chunked"], false),
            (&["gzip"], false),
            (&["chunked", "chunked"], false),
            (&["\u{b}chunked"], false),
            (&[], false),
        ] {
            let headers = lines.iter().map(|line| {
                let value = http::HeaderValue::from_maybe_shared(bytes::Bytes::from(*line));
                (header::TRANSFER_ENCODING, value.unwrap_or(http::HeaderValue::from_static("?")))
            });
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| _ = map.append(name, value));
            assert_eq!(is_plainly_chunked(&map), plain, "{lines:?}");
        }
    }

    #[test]
    fn lines_of_a_head() {
        for (head, has) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", true),
            ("POST / HTTP/1.1\ncontent-length:5\n\n", true),
            ("POST /content-length: HTTP/1.1\r\nHost: a\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nX: content-length: 5\r\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(has_line(head.as_bytes(), b"content-length"), has, "{head:?}");
        }
    }
}
