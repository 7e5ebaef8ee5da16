//! Pingora's hooks: thin adapters that translate, call, and translate back.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, Version, header};
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{BError, Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::watch;

use super::body::{NoBody, SessionBody};
use super::connections::Connections;
use super::context::Context;
use super::insertion::Insertion;
use super::link::Link;
use super::patience::Phase;
use super::seam::{Admitted, Doorkeeper, Mishap, ToSeat, Verdict};
use super::tunnel::Leaving;
use super::{framing, headers, index_page, opening, reply, upstream};
use crate::answer::Answer;
use crate::clock::Clock;
use crate::request::Head;

/// What all requests share.
pub(crate) struct Proxy<D: Doorkeeper> {
    pub keeper: Arc<D>,
    pub clock: Arc<dyn Clock>,
    pub connections: Arc<Connections>,
    pub leaving: watch::Receiver<bool>,
}

/// A request is sent at most so often: to the seat, and once more after the first failed.
const TRIES_MAX: u8 = 2;

impl<D: Doorkeeper> Proxy<D> {
    /// Asks the gate; `None`: the client left meanwhile.
    async fn admit(
        &self,
        session: &mut Session,
        link: &Link,
    ) -> Option<Admitted<D::Forward, D::Tunnel>> {
        let connection = link.connection();
        if session.is_body_empty() {
            let parts: &http::request::Parts = session.req_header().as_ref();
            let head = Head { parts, connection };
            let mut body = NoBody;
            return unless_left(link, pin!(self.keeper.admit(&head, &mut body))).await;
        }
        Box::pin(self.admit_with_body(session, link)).await
    }

    /// [`Proxy::admit`] for a request whose body the gate may read.
    async fn admit_with_body(
        &self,
        session: &mut Session,
        link: &Link,
    ) -> Option<Admitted<D::Forward, D::Tunnel>> {
        let connection = link.connection();
        let parts = session.req_header().as_owned_parts();
        let head = Head { parts: &parts, connection };
        let mut body = SessionBody::new(session, link);
        unless_left(link, pin!(self.keeper.admit(&head, &mut body))).await
    }

    /// Does what the gate said; true if that was all. What is not a request on its way to a ready
    /// seat is boxed, or the future of each of those would have room for it.
    async fn carry_out(
        &self,
        session: &mut Session,
        ctx: &mut Context<D::Forward>,
        link: &Arc<Link>,
        verdict: Verdict<D::Forward, D::Tunnel>,
    ) -> Result<bool> {
        match verdict {
            Verdict::Answer(answer) => {
                ctx.incident = answer.incident.map(|incident| incident.0);
                Box::pin(reply::answer(session, link, answer)).await?;
            }
            Verdict::Forward(forward) => {
                if declared_bytes(session) > Some(forward.changes().upload_max_bytes) {
                    let answer = self.keeper.forward_mishap(Mishap::TooLarge, &forward);
                    ctx.incident = answer.incident.map(|incident| incident.0);
                    Box::pin(reply::answer(session, link, answer)).await?;
                    return Ok(true);
                }
                let has_body = !session.is_body_empty();
                ctx.fresh = has_body;
                if has_body {
                    link.enter(Phase::Uploading);
                }
                ctx.forward = Some(forward);
                return Ok(false);
            }
            Verdict::Tunnel(tunnel) => {
                let line = ctx.line(session, link, &*self.clock);
                match Box::pin(opening::to_seat(self, session, link, tunnel, line)).await? {
                    opening::Done::Taken => ctx.taken = true,
                    opening::Done::Answered(incident) => ctx.incident = incident,
                }
            }
            Verdict::Events(source) => {
                Box::pin(reply::events(session, link, source, self.leaving.clone())).await?;
            }
            Verdict::Own(socket) => {
                let line = ctx.line(session, link, &*self.clock);
                match Box::pin(opening::own(self, session, link, socket, line)).await? {
                    opening::Done::Taken => ctx.taken = true,
                    opening::Done::Answered(incident) => ctx.incident = incident,
                }
            }
        }
        Ok(true)
    }

    /// When this connection's WebSocket has to close after usher began to leave.
    pub(crate) fn leaving(&self, link: &Link) -> Leaving {
        /// All have closed so long after the first.
        const SPREAD_MAX_MS: u64 = 1_500;
        /// So many close per millisecond, if there are few.
        const EACH_MS: u64 = 5;
        let spread_ms = SPREAD_MAX_MS.min(self.connections.count() as u64 * EACH_MS);
        // Neighbours in number came together and should not come back together.
        let place = link.ticket().number().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let after = Duration::from_millis((place * spread_ms) >> 32);
        Leaving { begun: self.leaving.clone(), after }
    }

    /// The answer to an error that is the client's to know.
    fn answer_to(&self, ctx: &mut Context<D::Forward>, error: &Error) -> Option<Answer> {
        if let Some(answer) = ctx.answer.take() {
            return Some(answer);
        }
        let client_left = matches!(
            error.etype(),
            ErrorType::WriteError
                | ErrorType::ReadError
                | ErrorType::ConnectionClosed
                | ErrorType::WriteTimedout
                | ErrorType::ReadTimedout
        );
        let of_client = *error.esource() == ErrorSource::Downstream;
        if of_client && client_left {
            return None;
        }
        let too_large = matches!(error.etype(), ErrorType::HTTPStatus(413));
        if of_client && !too_large {
            // Such as a `Connection` header that names what it may not.
            let mut answer = Answer::text(StatusCode::BAD_REQUEST, "malformed request\n");
            answer.keep_alive = false;
            return Some(answer);
        }
        match &ctx.forward {
            Some(forward) => {
                let mishap = if too_large { Mishap::TooLarge } else { Mishap::Broken };
                Some(self.keeper.forward_mishap(mishap, forward))
            }
            None => Some(Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")),
        }
    }
}

#[async_trait]
impl<D: Doorkeeper> ProxyHttp for Proxy<D> {
    type CTX = Context<D::Forward>;

    fn new_ctx(&self) -> Self::CTX {
        Context::new(&*self.clock)
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // None: usher's answers are compressed beforehand, an app's are the app's.
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        let link = ctx.link()?;
        link.begin_request(Phase::Serving);
        if let Some(what) = framing::fault(session) {
            let mut answer = Answer::text(StatusCode::BAD_REQUEST, what);
            answer.keep_alive = false;
            Box::pin(reply::answer(session, &link, answer)).await?;
            return Ok(true);
        }
        let Some(admitted) = self.admit(session, &link).await else {
            session.set_keepalive(None);
            return Ok(true);
        };
        ctx.user = admitted.user;
        ctx.address = Some(admitted.address);
        self.carry_out(session, ctx, &link, admitted.verdict).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        let link = ctx.link()?;
        ctx.tries += 1;
        if ctx.refused
            && let Some(forward) = ctx.forward.take()
        {
            ctx.refused = false;
            let again = Box::pin(self.keeper.forward_again(*forward));
            match unless_left(&link, pin!(again)).await {
                Some(Ok(forward)) => ctx.forward = Some(Box::new(forward)),
                Some(Err(answer)) => {
                    let status = answer.status.as_u16();
                    ctx.incident = answer.incident.map(|incident| incident.0);
                    ctx.answer = Some(*answer);
                    return Err(Error::new_up(ErrorType::HTTPStatus(status)));
                }
                None => return Err(Error::new_down(ErrorType::ConnectionClosed)),
            }
        }
        match &ctx.forward {
            Some(forward) => upstream::peer(&**forward, ctx.fresh),
            None => Error::e_explain(ErrorType::InternalError, "a request without a seat"),
        }
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Self::CTX,
        mut error: BError,
    ) -> BError {
        let nobody_there = matches!(
            error.etype(),
            ErrorType::ConnectRefused
                | ErrorType::ConnectTimedout
                | ErrorType::ConnectError
                | ErrorType::ConnectNoRoute
        );
        let again = nobody_there && ctx.tries < TRIES_MAX;
        ctx.refused = again;
        error.set_retry(again);
        error
    }

    #[cfg(unix)]
    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        socket: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let stalls = ctx.forward.as_ref().is_some_and(|forward| forward.holds_small_writes_back());
        ctx.seat_socket = stalls.then_some(socket);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let Some(forward) = &ctx.forward else { return Ok(()) };
        if ctx.fresh {
            request.insert_header("Connection", "close")?;
        }
        if let Some(element) = forward.element() {
            index_page::ask(request, element)?;
        }
        headers::to_seat(request, &forward.changes())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let Some(forward) = &ctx.forward else { return Ok(()) };
        if session.body_bytes_read() as u64 > forward.changes().upload_max_bytes {
            return Err(Error::new_down(ErrorType::HTTPStatus(413)));
        }
        if end_of_stream
            && let Some(link) = &ctx.link
            && link.phase() == Phase::Uploading
        {
            link.enter(Phase::Serving);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        ctx.heard(false);
        // Nobody asked for another protocol, so nobody knows what would come.
        let is_unasked = response.status == StatusCode::SWITCHING_PROTOCOLS;
        if is_unasked || framing::answer_is_ambiguous(&response.headers) {
            return Err(Error::new_up(ErrorType::InvalidHTTPHeader));
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        ctx.heard(end_of_stream);
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let Some(forward) = &ctx.forward else { return Ok(()) };
        headers::to_browser(response, &forward.changes(), session.req_header())?;
        if let Some(element) = forward.element()
            && index_page::answered(response, element)?
        {
            ctx.insertion = Some(Insertion::new(element));
        }
        if session.req_header().version == Version::HTTP_10 {
            // It knows no chunks: the end of the connection is the end of the body.
            response.remove_header(&header::TRANSFER_ENCODING);
        }
        let early = !response.status.is_informational() && !session.is_body_done();
        if early && let Some(link) = &ctx.link {
            // The seat has heard enough, and the client may not know yet.
            link.will_linger();
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        if let Some(insertion) = &mut ctx.insertion {
            *body = insertion.pass(body.take(), end_of_stream);
        }
        Ok(None)
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Self::CTX) {
        let Some(link) = ctx.link.clone() else { return };
        if ctx.taken {
            return;
        }
        let line = ctx.line(session, &link, &*self.clock);
        if let Some(forward) = &ctx.forward {
            forward.count_in(line.in_bytes);
            forward.count_out(line.out_bytes);
        }
        self.keeper.record(line);
    }

    fn suppress_error_log(&self, _: &Session, _: &Self::CTX, _: &Error) -> bool {
        // `fail_to_proxy` logs.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Self::CTX,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: BError,
        ctx: &mut Self::CTX,
        client_reused: bool,
    ) -> BError {
        // A pooled connection that the seat had ended is no news to the client. On another one the
        // request is sent again, if it may have been heard twice without harm.
        let broke = matches!(
            error.etype(),
            ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError
        );
        let again = client_reused
            && broke
            && *error.esource() == ErrorSource::Upstream
            && ctx.tries < TRIES_MAX
            && session.response_written().is_none()
            && session.req_header().method.is_idempotent()
            && session.is_body_empty();
        ctx.fresh |= again;
        error.set_retry(again);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Self::CTX,
    ) -> FailToProxy {
        let mut sent = 0;
        session.set_keepalive(None);
        if *error.esource() == ErrorSource::Downstream {
            log::debug!("{error}");
        } else if ctx.answer.is_none() {
            log::warn!("{error}");
        }
        let unanswered =
            session.response_written().is_none_or(|head| head.status.is_informational());
        if unanswered
            && let Ok(link) = ctx.link()
            && let Some(mut answer) = self.answer_to(ctx, error)
        {
            ctx.incident = answer.incident.map(|incident| incident.0);
            answer.keep_alive = false;
            sent = answer.status.as_u16();
            if reply::answer(session, &link, answer).await.is_err() {
                log::debug!("{}: left before it was told", link.connection().peer);
            }
        }
        FailToProxy { error_code: sent, can_reuse_downstream: false }
    }
}

/// What a future says, unless the client leaves before.
async fn unless_left<T>(link: &Link, future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = link.left() => None,
    }
}

fn declared_bytes(session: &Session) -> Option<u64> {
    let length = session.req_header().headers.get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}
