//! What the edge needs of those who decide: the traits between it and [`crate::gate::Gate`], which
//! tests implement too. No Pingora type; nothing is decided here.

use std::future::Future;
use std::net::IpAddr;

use crate::account::{AccessFact, StayEnd};
use crate::answer::{Answer, Body, EventSource, OwnWebSocket};
use crate::assets::Element;
use crate::clock::Moment;
use crate::domain::{AppSlug, CloseCode, Endpoint, Role, UserName};
use crate::request::{Head, Scheme};

/// Decides about requests. One for all doors.
pub trait Doorkeeper: Send + Sync + 'static {
    /// A request that may go to a seat.
    type Forward: ToSeat + 'static;
    /// A WebSocket that may go to a seat.
    type Tunnel: Tunnelled + 'static;

    /// What is to be done with a request. May wait for a seat; dropping the future abandons that.
    fn admit(
        &self,
        head: &Head<'_>,
        body: &mut dyn Body,
    ) -> impl Future<Output = Admitted<Self::Forward, Self::Tunnel>> + Send;

    /// Nobody answered at the seat's endpoint, and nothing of the request was sent: the seat is
    /// looked at, and the request may go to the one that follows.
    ///
    /// # Errors
    /// The answer to write instead.
    fn forward_again(
        &self,
        forward: Self::Forward,
    ) -> impl Future<Output = Result<Self::Forward, Box<Answer>>> + Send;

    /// [`Doorkeeper::forward_again`] for a WebSocket.
    ///
    /// # Errors
    /// The answer to write instead.
    fn tunnel_again(
        &self,
        tunnel: Self::Tunnel,
    ) -> impl Future<Output = Result<Self::Tunnel, Box<Answer>>> + Send;

    /// The answer to what went wrong on the way of a request to its seat and back.
    fn forward_mishap(&self, mishap: Mishap, forward: &Self::Forward) -> Answer;

    /// The answer to what went wrong while a WebSocket was opened.
    fn tunnel_mishap(&self, mishap: Mishap, tunnel: &Self::Tunnel) -> Answer;

    /// How many connections this address may have open; `None`: as many as it likes.
    fn connections_max(&self, address: IpAddr) -> Option<u32>;

    /// Keeps a line of the access log.
    fn record(&self, line: AccessFact);
}

/// What is to be done, and about whom it is, for the access log.
pub struct Admitted<F, T> {
    /// What to do.
    pub verdict: Verdict<F, T>,
    /// The person's name; `None`: a stranger.
    pub user: Option<UserName>,
    /// The true address, as far as it could be told.
    pub address: IpAddr,
}

/// What the edge does with a request.
pub enum Verdict<F, T> {
    /// Write this and be done.
    Answer(Answer),
    /// Send the request to the seat and carry the answer back.
    Forward(Box<F>),
    /// Carry a WebSocket to the seat.
    Tunnel(Box<T>),
    /// Server-sent events until either side ends.
    Events(Box<dyn EventSource>),
    /// A WebSocket of usher's own.
    Own(Box<dyn OwnWebSocket>),
}

/// What went wrong after the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection to the seat could not be made or broke, or what came was no answer.
    Broken,
    /// The seat did not answer a WebSocket handshake in time.
    Silent,
    /// The request's body is larger than it may be.
    TooLarge,
    /// The request asks for a WebSocket, but not as RFC 6455 wants it.
    BadHandshake,
}

/// The right to send something to a ready seat, with what changes on the way. Settles when it is
/// dropped.
pub trait ToSeat: Send + Sync {
    /// Where the seat listens.
    fn endpoint(&self) -> &Endpoint;

    /// Connections may be used again for requests with the same number, and no others.
    fn connection_group(&self) -> u64;

    /// Whether the seat's server holds small writes back until the ones before were acknowledged
    /// (a stock Streamlit does), so that acknowledging at once saves 40 ms.
    fn holds_small_writes_back(&self) -> bool;

    /// What changes on the way.
    fn changes(&self) -> Changes<'_>;

    /// What goes into the answer, if that is the app's index page.
    fn element(&self) -> Option<&Element>;

    /// When the request's head was read.
    fn began(&self) -> Moment;

    /// Counts bytes of a body, or of a WebSocket, that came from the browser.
    fn count_in(&self, bytes: u64);

    /// Counts bytes of a body, or of a WebSocket, that went to the browser.
    fn count_out(&self, bytes: u64);
}

/// The right to hold a WebSocket to a ready seat.
pub trait Tunnelled: ToSeat {
    /// The seat agreed, and the browser knows: the WebSocket is open.
    fn opened(&mut self);

    /// Returns when the WebSocket shall be closed, with the close code. May be dropped and called
    /// again.
    fn closed(&self) -> impl Future<Output = CloseCode> + Send;

    /// A data frame, or a piece of one, came from the browser.
    fn browser_data(&self, now: Moment);

    /// A data frame, or a piece of one, came from the app.
    fn app_data(&self, now: Moment);

    /// Says why it ends; else it counts as broken.
    fn ends(&mut self, end: StayEnd);
}

/// What changes on the way to a seat and back.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'p> {
    /// Whose seat, for `X-Usher-User`.
    pub user: &'p UserName,
    /// For `X-Usher-Role`.
    pub role: Role,
    /// Which app.
    pub app: &'p AppSlug,
    /// The true address, for `X-Forwarded-For` and `X-Real-IP`.
    pub address: IpAddr,
    /// For `X-Forwarded-Proto`.
    pub scheme: Scheme,
    /// For `X-Forwarded-Host`; `None`: the same as `Host`.
    pub forwarded_host: Option<&'p str>,
    /// The header by which a proxy names people: of usher's concern alone.
    pub login_header: Option<&'p str>,
    /// For how many seconds the browser is to use TLS alone; `None`: it is not told.
    pub hsts_s: Option<u64>,
    /// Bytes of the path that the app does not see (`/app/SLUG`); 0: it sees all.
    pub strip_bytes: usize,
    /// The largest body.
    pub upload_max_bytes: u64,
}
