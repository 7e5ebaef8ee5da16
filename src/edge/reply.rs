//! Writes usher's own answers and event streams.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode, Version};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use tokio::sync::watch;

use super::link::Link;
use super::patience::Phase;
use crate::answer::{Answer, EventSource};

/// A body that nobody wants is read to its end if it is at most this long, so that the connection
/// can be used again; else the connection ends.
const UNWANTED_BODY_BYTES_MAX: usize = 64 * 1024;
/// A piece of a body over HTTP/2: as much as a client takes without asking for more (RFC 9113).
const PIECE_BYTES: usize = 65_535;

/// Writes an answer. The connection may be used again unless the answer says otherwise.
///
/// # Errors
/// The client has left.
pub(crate) async fn answer(session: &mut Session, link: &Link, answer: Answer) -> Result<()> {
    let unwanted = unwanted_body(session);
    let goes_on = answer.keep_alive && unwanted != Unwanted::Long;
    match unwanted {
        Unwanted::Nothing => {}
        Unwanted::Short if goes_on => {
            // Pingora reads it after the answer, and `patience` watches.
            session.set_close_on_response_before_downstream_finish(false);
            link.enter(Phase::Uploading);
        }
        Unwanted::Short | Unwanted::Long => link.will_linger(),
    }
    if !goes_on {
        session.set_keepalive(None);
    }
    let is_head = session.req_header().method == Method::HEAD;
    let has_length = !matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len() + 3))?;
    for (name, value) in &answer.headers {
        head.append_header(name, value)?;
    }
    if has_length {
        head.insert_header("Content-Length", answer.body.len())?;
    }
    let without_body = is_head || !has_length || answer.body.is_empty();
    session.write_response_header(Box::new(head), without_body).await?;
    if !without_body {
        write_body(session, answer.body).await?;
    }
    Ok(())
}

/// Writes a body to its end. Over HTTP/2 a client has so long for each piece of it, not for all.
async fn write_body(session: &mut Session, mut body: Bytes) -> Result<()> {
    if session.is_http2() {
        while body.len() > PIECE_BYTES {
            session.write_response_body(Some(body.split_to(PIECE_BYTES)), false).await?;
        }
    }
    session.write_response_body(Some(body), true).await
}

/// What is left of a request's body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unwanted {
    Nothing,
    /// Little enough to be read.
    Short,
    /// Too much, or it may not even come.
    Long,
}

fn unwanted_body(session: &mut Session) -> Unwanted {
    if session.is_body_done() {
        return Unwanted::Nothing;
    }
    let headers = &session.req_header().headers;
    let waits_for_us = headers.contains_key(header::EXPECT);
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let is_short = length
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length <= UNWANTED_BODY_BYTES_MAX);
    if is_short && !waits_for_us { Unwanted::Short } else { Unwanted::Long }
}

/// Writes server-sent events until the source, the client or usher ends it; says how many bytes.
///
/// # Errors
/// The client has left.
pub(crate) async fn events(
    session: &mut Session,
    link: &Link,
    mut source: Box<dyn EventSource>,
    mut leaving: watch::Receiver<bool>,
) -> Result<u64> {
    let mut head = ResponseHeader::build(StatusCode::OK, Some(5))?;
    head.insert_header("Content-Type", "text/event-stream")?;
    head.insert_header("Cache-Control", HeaderValue::from_static("no-store"))?;
    // Other proxies in between shall not collect the events either.
    head.insert_header("X-Accel-Buffering", "no")?;
    if session.req_header().version >= Version::HTTP_11 {
        head.insert_header("Transfer-Encoding", "chunked")?;
    }
    let is_head = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), is_head).await?;
    if is_head {
        return Ok(0);
    }
    let mut written_bytes = 0;
    loop {
        let event = tokio::select! {
            event = source.next() => event,
            () = link.left() => None,
            _ = leaving.wait_for(|leaving| *leaving) => None,
        };
        let Some(event) = event else { break };
        written_bytes += event.len() as u64;
        session.write_response_body(Some(event), false).await?;
    }
    session.write_response_body(None, true).await?;
    Ok(written_bytes)
}
