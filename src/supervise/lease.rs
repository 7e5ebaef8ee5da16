//! The right to use a ready seat: [`Lease`] for a request, [`WebSocketLease`] for a WebSocket.
//!
//! This is the hot path. A lease is taken by one look into a shared table and one atomic
//! exchange: no lock, no allocation, no message. The machine never counts requests; what happened
//! at a seat is kept in its [`ReadySeat`] as atomics, which the driver reads when it has to
//! decide. A seat is sealed before its process is told to end, so that nobody lands on it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::activity::Activity;
use crate::authorize::SeatPermit;
use crate::clock::{Clock, Moment};
use crate::config;
use crate::domain::{CloseCode, Endpoint, Generation, LaunchKind, SeatKey};
use crate::identify::SessionId;
use crate::launch::Started;

/// The bit of [`ReadySeat::word`] that says: no new lease.
const SEALED: u64 = 1 << 63;

/// Ready seats by key, as everybody sees them.
pub(super) type ReadyTable = HashMap<Arc<SeatKey>, Arc<ReadySeat>>;

/// A seat that may be used, with what happened at it.
pub(super) struct ReadySeat {
    key: Arc<SeatKey>,
    app: Arc<config::App>,
    started: Arc<Started>,
    connection_group: u64,
    clock: Arc<dyn Clock>,
    /// [`SEALED`], and the number of leases below it, in one word: the seal of an unused seat is
    /// one compare-exchange.
    word: AtomicU64,
    marks: Marks,
    sockets: Mutex<Sockets>,
}

/// When what happened last, in milliseconds of [`Moment`]; 0: never.
#[derive(Default)]
struct Marks {
    request_ms: AtomicU64,
    act_ms: AtomicU64,
    browser_data_ms: AtomicU64,
    app_data_ms: AtomicU64,
    /// When a WebSocket was last opened or closed.
    socket_ms: AtomicU64,
    websockets: AtomicU32,
    /// The script in the app's page reports acts, so a data frame alone is not one.
    acts_are_reported: AtomicBool,
}

/// The open WebSockets of a seat.
#[derive(Default)]
struct Sockets {
    next: u64,
    open: BTreeMap<u64, Arc<Socket>>,
    /// Set when the seat ends: later ones close at once.
    ended: Option<CloseCode>,
}

/// One open WebSocket. Few bytes, for there are many.
struct Socket {
    session: Option<SessionId>,
    /// The close code as a number of [`close_code_at`]; 0: stays open.
    closing: AtomicU8,
    closed: Notify,
}

impl Socket {
    fn close(&self, code: CloseCode) {
        // The first reason stands.
        let index = index_of(code);
        if self.closing.compare_exchange(0, index, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.closed.notify_waiters();
        }
    }
}

fn index_of(code: CloseCode) -> u8 {
    match code {
        CloseCode::SeatEnded => 1,
        CloseCode::UsherRestarts => 2,
        CloseCode::SessionEnded => 3,
        CloseCode::Kicked => 4,
    }
}

fn close_code_at(index: u8) -> Option<CloseCode> {
    [CloseCode::SeatEnded, CloseCode::UsherRestarts, CloseCode::SessionEnded, CloseCode::Kicked]
        .into_iter()
        .find(|code| index_of(*code) == index)
}

impl ReadySeat {
    pub(super) fn new(
        key: Arc<SeatKey>,
        app: Arc<config::App>,
        started: Arc<Started>,
        connection_group: u64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            key,
            app,
            started,
            connection_group,
            clock,
            word: AtomicU64::new(0),
            marks: Marks::default(),
            sockets: Mutex::default(),
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.started.generation
    }

    /// Whether this is the seat of that process.
    pub(super) fn is_of(&self, started: &Started) -> bool {
        self.generation() == started.generation
    }

    /// Takes a lease; `None` if the seat is sealed.
    pub(super) fn hold(self: &Arc<Self>) -> Option<Hold> {
        let add = |word: u64| (word & SEALED == 0).then_some(word + 1);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).ok()?;
        mark(&self.marks.request_ms, self.clock.now());
        Some(Hold(Arc::clone(self)))
    }

    /// Seals the seat if nobody has a lease.
    pub(super) fn seal_if_unused(&self) -> bool {
        self.word.compare_exchange(0, SEALED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Seals the seat, whoever has a lease, and closes its WebSockets.
    pub(super) fn end(&self, code: CloseCode) {
        self.word.fetch_or(SEALED, Ordering::AcqRel);
        let mut sockets = self.sockets.lock();
        sockets.ended.get_or_insert(code);
        for socket in sockets.open.values() {
            socket.close(code);
        }
    }

    /// Closes the WebSockets of a session, or all; says how many.
    pub(super) fn close_websockets(&self, session: Option<SessionId>, code: CloseCode) -> usize {
        let sockets = self.sockets.lock();
        let meant = |socket: &&Arc<Socket>| session.is_none() || socket.session == session;
        let mut closed = 0;
        for socket in sockets.open.values().filter(meant) {
            socket.close(code);
            closed += 1;
        }
        closed
    }

    /// What happened at this seat until now.
    pub(super) fn activity(&self) -> Activity {
        let at = |mark: &AtomicU64| match mark.load(Ordering::Acquire) {
            0 => None,
            ms => Some(Moment(ms)),
        };
        Activity {
            leases: u32::try_from(self.word.load(Ordering::Acquire) & !SEALED).unwrap_or(u32::MAX),
            websockets: self.marks.websockets.load(Ordering::Acquire),
            last_request_at: at(&self.marks.request_ms),
            last_socket_at: at(&self.marks.socket_ms),
            last_act_at: at(&self.marks.act_ms),
            last_app_data_at: at(&self.marks.app_data_ms),
        }
    }

    pub(super) fn act(&self, now: Moment) {
        self.marks.acts_are_reported.store(true, Ordering::Release);
        mark(&self.marks.act_ms, now);
    }
}

/// Moves a mark forward. Racing writers may lose a few milliseconds, never more.
fn mark(mark: &AtomicU64, now: Moment) {
    if mark.load(Ordering::Relaxed) < now.0 {
        mark.store(now.0, Ordering::Release);
    }
}

/// One lease's count at a seat; gives it back when dropped.
pub(super) struct Hold(Arc<ReadySeat>);

impl Drop for Hold {
    fn drop(&mut self) {
        mark(&self.0.marks.request_ms, self.0.clock.now());
        self.0.word.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The right to send one request to a ready seat. It ends when dropped. Having one counts as a
/// request for `idle_timeout`, so take it only to forward.
pub struct Lease {
    hold: Hold,
    session: Option<SessionId>,
}

impl Lease {
    /// The lease of the person of a permit.
    pub(super) fn new(hold: Hold, permit: &SeatPermit) -> Self {
        Self { hold, session: permit.session() }
    }

    fn seat(&self) -> &ReadySeat {
        &self.hold.0
    }

    /// Whose seat, of which app.
    pub fn key(&self) -> &Arc<SeatKey> {
        &self.seat().key
    }

    /// Which launch of it.
    pub fn generation(&self) -> Generation {
        self.seat().generation()
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.seat().started.endpoint
    }

    /// The app's settings when this seat became ready.
    pub fn app(&self) -> &Arc<config::App> {
        &self.seat().app
    }

    /// How the seat came to be.
    pub fn kind(&self) -> LaunchKind {
        self.seat().started.kind
    }

    /// A number that no other launch has in this run of usher: connections to the seat may be
    /// pooled under it and are never used for another seat that inherits the port.
    pub fn connection_group(&self) -> u64 {
        self.seat().connection_group
    }

    /// A person's act at this seat, reported by the script in the app's page. From the first
    /// report on, data frames from the browser are no longer taken for acts.
    pub fn act(&self, now: Moment) {
        self.seat().act(now);
    }

    /// Turns the right to one request into the right to hold one WebSocket.
    pub fn into_websocket(self) -> WebSocketLease {
        let seat = self.seat();
        let socket = Arc::new(Socket {
            session: self.session,
            closing: AtomicU8::new(0),
            closed: Notify::new(),
        });
        let mut sockets = seat.sockets.lock();
        let number = sockets.next;
        sockets.next += 1;
        sockets.open.insert(number, Arc::clone(&socket));
        if let Some(code) = sockets.ended {
            socket.close(code);
        }
        drop(sockets);
        seat.marks.websockets.fetch_add(1, Ordering::AcqRel);
        mark(&seat.marks.socket_ms, seat.clock.now());
        WebSocketLease { lease: self, number, socket }
    }
}

/// The right to hold one WebSocket to a ready seat. It ends when dropped.
pub struct WebSocketLease {
    lease: Lease,
    number: u64,
    socket: Arc<Socket>,
}

impl WebSocketLease {
    /// The seat: its endpoint, key, generation and app.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns when usher wants the WebSocket closed, with the close code. May be dropped and
    /// called again.
    pub async fn closed(&self) -> CloseCode {
        loop {
            let notified = self.socket.closed.notified();
            if let Some(code) = self.closing() {
                return code;
            }
            notified.await;
        }
    }

    /// The code with which usher wants the WebSocket closed, if it does.
    pub fn closing(&self) -> Option<CloseCode> {
        close_code_at(self.socket.closing.load(Ordering::Acquire))
    }

    /// A data frame (not ping, pong, close) came from the browser.
    pub fn browser_data(&self, now: Moment) {
        let marks = &self.lease.seat().marks;
        mark(&marks.browser_data_ms, now);
        if !marks.acts_are_reported.load(Ordering::Acquire) {
            mark(&marks.act_ms, now);
        }
    }

    /// Whether the script in the app's page reports acts, so that a data frame is not one.
    pub fn acts_are_reported(&self) -> bool {
        self.lease.seat().marks.acts_are_reported.load(Ordering::Acquire)
    }

    /// A data frame came from the app.
    pub fn app_data(&self, now: Moment) {
        mark(&self.lease.seat().marks.app_data_ms, now);
    }

    /// As [`Lease::act`].
    pub fn act(&self, now: Moment) {
        self.lease.act(now);
    }
}

impl Drop for WebSocketLease {
    fn drop(&mut self) {
        let seat = self.lease.seat();
        mark(&seat.marks.socket_ms, seat.clock.now());
        seat.marks.websockets.fetch_sub(1, Ordering::AcqRel);
        seat.sockets.lock().open.remove(&self.number);
    }
}

/// A lease of a ready seat, from the shared table.
pub(super) fn lease_from(table: &ArcSwap<ReadyTable>, permit: &SeatPermit) -> Option<Lease> {
    let hold = table.load().get(&**permit.key())?.hold()?;
    Some(Lease::new(hold, permit))
}
