//! Opens WebSockets: asks the seat, passes its answer on, and hands the streams to the task that
//! carries what follows. A seat that refuses is passed on as the plain answer that it is.

use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Version, header};
use pingora_core::Result;
use pingora_core::protocols::http::v1::client::HttpSession as SeatSession;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

use super::handshake::{self, BadAnswer, SeatAnswer};
use super::link::Link;
use super::own::Own;
use super::patience::Phase;
use super::proxy::Proxy;
use super::seam::{Doorkeeper, Mishap, ToSeat, Tunnelled};
use super::seat_stream::SeatStream;
use super::tunnel::{Begin, Tunnel};
use super::{headers, reply};
use crate::account::AccessFact;
use crate::answer::{Answer, OwnWebSocket};

/// For a seat to answer a handshake. A person's work in a seat may keep it silent for longer, but
/// then its page does not open either.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// What became of a request for a WebSocket.
pub(crate) enum Done {
    /// The connection is a WebSocket, and the session an empty one.
    Taken,
    /// It was answered; the incident's number, if there is one.
    Answered(Option<u32>),
}

/// Opens a WebSocket to a seat.
///
/// # Errors
/// The client has left.
pub(crate) async fn to_seat<D: Doorkeeper>(
    proxy: &Proxy<D>,
    session: &mut Session,
    link: &Arc<Link>,
    mut tunnel: Box<D::Tunnel>,
    mut line: AccessFact,
) -> Result<Done> {
    let Some(key) = handshake::key_of(session.req_header()) else {
        return mishap(proxy, session, link, Mishap::BadHandshake, &*tunnel).await;
    };
    let accept = handshake::accept_of(key);
    let mut stream = connect(&*tunnel).await;
    if stream.is_err() {
        match proxy.keeper.tunnel_again(*tunnel).await {
            Ok(again) => tunnel = Box::new(again),
            Err(answer) => return answered(session, link, *answer).await,
        }
        stream = connect(&*tunnel).await;
    }
    let Ok(stream) = stream else {
        return mishap(proxy, session, link, Mishap::Broken, &*tunnel).await;
    };
    let request = request_to(session, &*tunnel)?;
    let asked = tokio::select! {
        asked = tokio::time::timeout(HANDSHAKE_LIMIT, handshake::ask(stream, request, &accept)) => asked,
        _ = tunnel.closed() => return mishap(proxy, session, link, Mishap::Broken, &*tunnel).await,
        () = link.left() => return Ok(Done::Answered(None)),
    };
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(BadAnswer::Broken(cause))) => {
            log::warn!("a handshake with {} broke: {cause}", tunnel.endpoint());
            return mishap(proxy, session, link, Mishap::Broken, &*tunnel).await;
        }
        Ok(Err(BadAnswer::NotOurs(what))) => {
            log::warn!("{} answered a handshake with {what}", tunnel.endpoint());
            return mishap(proxy, session, link, Mishap::Broken, &*tunnel).await;
        }
        Err(_) => return mishap(proxy, session, link, Mishap::Silent, &*tunnel).await,
    };
    let (head, seat, seat_early) = match answer {
        SeatAnswer::Refused(seat) => {
            refused(session, *seat, &*tunnel).await?;
            return Ok(Done::Answered(None));
        }
        SeatAnswer::Switched { head, stream, early } => (head, stream, early),
    };
    let head = switched(&head, session.req_header(), &*tunnel)?;
    let leaving = proxy.leaving(link);
    let Some((browser, browser_early)) = handshake::take_over(session, head).await else {
        return Ok(Done::Answered(None));
    };
    link.enter(Phase::Tunnel);
    tunnel.opened();
    line.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    let begin = Begin {
        keeper: Arc::clone(&proxy.keeper),
        clock: Arc::clone(&proxy.clock),
        browser,
        browser_early,
        seat,
        seat_early,
        right: tunnel,
        line: Box::new(line),
    };
    tokio::spawn(Tunnel::new(begin).run(leaving));
    Ok(Done::Taken)
}

/// Opens a WebSocket of usher's own.
///
/// # Errors
/// The client has left.
pub(crate) async fn own<D: Doorkeeper>(
    proxy: &Proxy<D>,
    session: &mut Session,
    link: &Arc<Link>,
    socket: Box<dyn OwnWebSocket>,
    mut line: AccessFact,
) -> Result<Done> {
    let Some(key) = handshake::key_of(session.req_header()) else {
        let answer = Answer::text(StatusCode::BAD_REQUEST, "not a WebSocket handshake\n");
        return answered(session, link, answer).await;
    };
    let head = handshake::own_answer(key)?;
    let leaving = proxy.leaving(link);
    let Some((stream, early)) = handshake::take_over(session, head).await else {
        return Ok(Done::Answered(None));
    };
    link.enter(Phase::Tunnel);
    // It stays as long as its page, which is of no interest.
    line.status = StatusCode::SWITCHING_PROTOCOLS.as_u16();
    proxy.keeper.record(line);
    tokio::spawn(Own::new(stream, early, socket).run(leaving));
    Ok(Done::Taken)
}

async fn connect(tunnel: &impl Tunnelled) -> std::io::Result<SeatStream> {
    SeatStream::connect(tunnel.endpoint(), tunnel.holds_small_writes_back()).await
}

/// The handshake as the seat gets it.
fn request_to(session: &Session, tunnel: &impl Tunnelled) -> Result<RequestHeader> {
    let mut request = session.req_header().clone();
    headers::without_connection(&mut request);
    headers::to_seat(&mut request, &tunnel.changes())?;
    request.insert_header("Connection", "Upgrade")?;
    request.insert_header("Upgrade", "websocket")?;
    request.set_version(Version::HTTP_11);
    Ok(request)
}

/// A seat's 101 as the browser gets it.
fn switched(
    head: &ResponseHeader,
    request: &RequestHeader,
    tunnel: &impl Tunnelled,
) -> Result<ResponseHeader> {
    let mut head = head.clone();
    headers::to_browser(&mut head, &tunnel.changes(), request)?;
    head.remove_header(&header::TRANSFER_ENCODING);
    head.remove_header(&header::CONTENT_LENGTH);
    head.insert_header("Connection", "Upgrade")?;
    head.insert_header("Upgrade", "websocket")?;
    Ok(head)
}

/// Passes on what a seat said instead of a 101.
async fn refused(
    session: &mut Session,
    mut seat: SeatSession,
    tunnel: &impl Tunnelled,
) -> Result<()> {
    session.set_keepalive(None);
    let Some(head) = seat.resp_header() else { return Ok(()) };
    let mut head = head.clone();
    headers::to_browser(&mut head, &tunnel.changes(), session.req_header())?;
    head.set_version(Version::HTTP_11);
    session.write_response_header(Box::new(head), false).await?;
    while let Some(piece) = seat.read_body_bytes().await? {
        session.write_response_body(Some(piece), false).await?;
    }
    session.write_response_body(None, true).await
}

async fn mishap<D: Doorkeeper>(
    proxy: &Proxy<D>,
    session: &mut Session,
    link: &Link,
    what: Mishap,
    tunnel: &D::Tunnel,
) -> Result<Done> {
    let answer = proxy.keeper.tunnel_mishap(what, tunnel);
    answered(session, link, answer).await
}

async fn answered(session: &mut Session, link: &Link, mut answer: Answer) -> Result<Done> {
    let incident = answer.incident.map(|incident| incident.0);
    answer.keep_alive = false;
    reply::answer(session, link, answer).await?;
    Ok(Done::Answered(incident))
}
