//! The opening handshake of WebSockets (RFC 6455 section 4): with the browser, with a seat, and
//! the moment in which the connection leaves Pingora.
//!
//! Pingora's objects for a request are worth some ten kilobytes, and a WebSocket stays for hours;
//! so after the 101 the bare stream is taken out of the session, and the rest is dropped.

use std::future::Future;
use std::io::Cursor;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap};
use http::{Method, StatusCode, Version};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v1::client::HttpSession as SeatSession;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use sha1::{Digest, Sha1};

use super::seat_stream::SeatStream;
use super::wire::Wire;

/// RFC 6455 section 1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The most bytes that either side may have sent before the tunnel begins. They may not send any,
/// but a seat that speaks first has done nothing wrong.
const EARLY_BYTES_MAX: usize = 256 * 1024;

/// Why a seat's answer to a handshake is no answer.
#[derive(Debug)]
pub(crate) enum BadAnswer {
    /// It broke off, or it is no HTTP.
    Broken(pingora_core::BError),
    /// A 101 that does not fit the question.
    NotOurs(&'static str),
}

/// What a seat answered.
pub(crate) enum SeatAnswer {
    /// It switched protocols.
    Switched {
        /// Its head, to be passed on.
        head: Box<ResponseHeader>,
        /// The stream, on which frames come now.
        stream: SeatStream,
        /// The first of them.
        early: Vec<u8>,
    },
    /// Anything else; the body is still to be read.
    Refused(Box<SeatSession>),
}

/// The key of a request that asks for a WebSocket as it should; `None`: it does not.
pub(crate) fn key_of(head: &RequestHeader) -> Option<&str> {
    let one = |name: &header::HeaderName| {
        let mut values = head.headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value.trim())
    };
    let asks = head.method == Method::GET
        && head.version == Version::HTTP_11
        && names(&head.headers, &header::CONNECTION, "upgrade")
        && one(&header::UPGRADE)?.eq_ignore_ascii_case("websocket")
        && one(&header::SEC_WEBSOCKET_VERSION)? == "13";
    let key = one(&header::SEC_WEBSOCKET_KEY)?;
    (asks && STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)).then_some(key)
}

/// What the answer to a key has to say.
pub(crate) fn accept_of(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(ACCEPT_SUFFIX);
    STANDARD.encode(hash.finalize())
}

/// The 101 of usher's own WebSockets.
///
/// # Errors
/// None that could happen.
pub(crate) fn own_answer(key: &str) -> pingora_core::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(StatusCode::SWITCHING_PROTOCOLS, Some(3))?;
    head.insert_header("Upgrade", "websocket")?;
    head.insert_header("Connection", "Upgrade")?;
    head.insert_header("Sec-WebSocket-Accept", accept_of(key))?;
    Ok(head)
}

/// Asks a seat for a WebSocket. The caller has the deadline.
///
/// # Errors
/// What the seat said is no answer.
pub(crate) async fn ask(
    stream: SeatStream,
    request: RequestHeader,
    accept: &str,
) -> Result<SeatAnswer, BadAnswer> {
    let mut seat = SeatSession::new(Box::new(stream));
    seat.write_request_header(Box::new(request)).await.map_err(BadAnswer::Broken)?;
    let status = loop {
        seat.read_response().await.map_err(BadAnswer::Broken)?;
        match seat.get_status() {
            Some(status) if status == StatusCode::SWITCHING_PROTOCOLS => break status,
            Some(status) if status.is_informational() => {}
            Some(status) => break status,
            None => return Err(BadAnswer::NotOurs("an answer without a status")),
        }
    };
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(SeatAnswer::Refused(Box::new(seat)));
    }
    let head = switched_head(&seat, accept)?;
    let early = early_bytes(|| poll_once(seat.read_body_bytes()))
        .ok_or(BadAnswer::NotOurs("too much before the tunnel began"))?;
    match seat.into_inner().into_any().downcast::<SeatStream>() {
        Ok(stream) => Ok(SeatAnswer::Switched { head: Box::new(head), stream: *stream, early }),
        Err(_) => Err(BadAnswer::NotOurs("another stream than the one that was given")),
    }
}

fn switched_head(seat: &SeatSession, accept: &str) -> Result<ResponseHeader, BadAnswer> {
    let head = seat.resp_header().ok_or(BadAnswer::NotOurs("no head"))?;
    let upgrades = names(&head.headers, &header::UPGRADE, "websocket")
        && names(&head.headers, &header::CONNECTION, "upgrade");
    if !upgrades || !seat.was_upgraded() {
        return Err(BadAnswer::NotOurs("a 101 that does not switch to WebSocket"));
    }
    let accepted = head.headers.get(header::SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|said| said != accept) {
        return Err(BadAnswer::NotOurs("a 101 for another key"));
    }
    Ok(head.clone())
}

/// Whether a header that lists tokens has this one.
fn names(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|one| one.trim().eq_ignore_ascii_case(token))
}

/// Writes a 101 to the browser and takes the stream out of the session, with the bytes that have
/// come already. The session is an empty one afterwards, and Pingora ends it. `None`: the browser
/// has left, or sent too much too early.
pub(crate) async fn take_over(
    session: &mut Session,
    head: ResponseHeader,
) -> Option<(Stream, Vec<u8>)> {
    let http = session.as_downstream_mut();
    http.write_response_header(Box::new(head)).await.ok()?;
    if !http.was_upgraded() {
        return None;
    }
    let nobody: Stream = Box::new(Cursor::new(Vec::<u8>::new()));
    let nothing = Box::new(ServerSession::new_http1(nobody));
    let taken = std::mem::replace(&mut session.downstream_session, nothing);
    let ServerSession::H1(mut browser) = *taken else { return None };
    let early = early_bytes(|| poll_once(browser.read_body_bytes()))?;
    Some((unbuffered(browser.into_inner()), early))
}

/// The stream, without a buffer for small writes where it had one.
fn unbuffered(stream: Stream) -> Stream {
    if !stream.as_any().is::<Wire>() {
        return stream;
    }
    match stream.into_any().downcast::<Wire>() {
        Ok(mut wire) => {
            wire.write_through();
            wire
        }
        // Cannot be: it was looked at one line above.
        Err(_) => Box::new(Cursor::new(Vec::<u8>::new())),
    }
}

type Read = Option<pingora_core::Result<Option<bytes::Bytes>>>;

/// What can be read without waiting; `None` if it is too much. An end or an error shows again when
/// the stream is read.
fn early_bytes(mut read: impl FnMut() -> Read) -> Option<Vec<u8>> {
    let mut early = Vec::new();
    while let Some(Ok(Some(bytes))) = read() {
        early.extend_from_slice(&bytes);
        if early.len() > EARLY_BYTES_MAX {
            return None;
        }
    }
    Some(early)
}

/// The result of a future that has one already.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_answered_as_the_rfc_does() {
        assert_eq!(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn handshakes_have_a_form() {
        let good = [
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "WebSocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let head = |method: &str, headers: &[(&'static str, &str)]| {
            let mut head = RequestHeader::build(method, b"/", None).unwrap();
            head.set_version(Version::HTTP_11);
            for (name, value) in headers {
                head.append_header(*name, *value).unwrap();
            }
            head
        };
        assert_eq!(key_of(&head("GET", &good)), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(key_of(&head("POST", &good)), None);
        for missing in 0..good.len() {
            let mut headers = good.to_vec();
            headers.remove(missing);
            assert_eq!(key_of(&head("GET", &headers)), None, "without {}", good[missing].0);
        }
        for (at, wrong) in
            [(0, "close"), (1, "h2c"), (2, "8"), (3, "short"), (3, "dGhlIHNhbXBsZSBub25jZQ==x")]
        {
            let mut headers = good.to_vec();
            headers[at].1 = wrong;
            assert_eq!(key_of(&head("GET", &headers)), None, "{wrong}");
        }
        let mut twice = good.to_vec();
        twice.push(good[3]);
        assert_eq!(key_of(&head("GET", &twice)), None);
    }
}
