//! Stage 6: what happened. The proxy tells the [`Account`] of WebSockets, requests and events and
//! never waits for it: what does not fit into the bounded channel to the writer is dropped and
//! counted. What is told settles in `Drop`, because a request whose future is dropped runs no hook.
//!
//! This file is the proxy's side: handles, counters and the facts that go to the writer. Visits
//! are made of facts in `visits`, written by `writer`.

mod counters;
mod live;

pub use counters::{Counters, StatusClass};
pub use live::{LiveStay, SeatTraffic};

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use crate::authorize::SeatPermit;
use crate::clock::{Clock, Timestamp};
use crate::domain::{Actor, SeatKey, UserName};
use live::Live;

/// The most facts that wait for the writer.
pub const FACTS_WAITING_MAX: usize = 16 * 1024;

/// Who came, from where, with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The true address.
    pub address: IpAddr,
    /// The `User-Agent`, at most 256 bytes; the writer makes a short name of it.
    pub browser: Arc<str>,
}

/// The number of one WebSocket's stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StayId(pub u64);

/// Why a WebSocket ended, for the visit that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StayEnd {
    /// The browser closed it or went away.
    Left,
    /// The seat ended.
    SeatEnded,
    /// The cookie session ended.
    SessionEnded,
    /// An administrator closed it, or the user may no longer.
    Kicked,
    /// Usher stops, restarts or upgrades.
    UsherStops,
    /// The connection broke.
    Broken,
}

impl StayEnd {
    /// The word of JSON and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            StayEnd::Left => "left",
            StayEnd::SeatEnded => "seat_ended",
            StayEnd::SessionEnded => "session_ended",
            StayEnd::Kicked => "kicked",
            StayEnd::UsherStops => "usher_stops",
            StayEnd::Broken => "broken",
        }
    }
}

/// Something that an administrator may want to read later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFact {
    /// When.
    pub at: Timestamp,
    /// A stable word, such as `seat_started`.
    pub kind: &'static str,
    /// Who caused it.
    pub actor: Actor,
    /// Which seat it is about.
    pub key: Option<SeatKey>,
    /// From which address it was caused.
    pub address: Option<IpAddr>,
    /// The reason or detail, in English.
    pub detail: String,
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFact {
    /// When the request began.
    pub at: Timestamp,
    /// The true address.
    pub address: IpAddr,
    /// The user's name; `None`: a stranger.
    pub user: Option<UserName>,
    /// The method.
    pub method: http::Method,
    /// Path and query as sent.
    pub path: Box<str>,
    /// The status that was sent; 0: none.
    pub status: u16,
    /// From the head to the end.
    pub took_us: u64,
    /// Bytes of the request's body, or from the browser.
    pub in_bytes: u64,
    /// Bytes of the answer's body, or to the browser.
    pub out_bytes: u64,
    /// The incident number on the page.
    pub incident: Option<u32>,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Fact {
    /// A WebSocket of a seat was opened; its counters are among the live ones.
    StayBegan(Arc<LiveStay>),
    /// It ended; its counters are final.
    StayEnded(Arc<LiveStay>, StayEnd, Timestamp),
    /// An event.
    Event(EventFact),
    /// A line of the access log.
    Access(Box<AccessFact>),
}

/// The handle that the proxy and everybody who causes events has. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    facts: SyncSender<Fact>,
    counters: Counters,
    live: Live,
    next_stay: AtomicU64,
}

impl Account {
    /// An account whose facts go to `facts`, the sending end of a channel with room for
    /// [`FACTS_WAITING_MAX`].
    pub fn new(clock: Arc<dyn Clock>, facts: SyncSender<Fact>) -> Self {
        let counters = Counters::default();
        let inner =
            Inner { clock, facts, counters, live: Live::default(), next_stay: AtomicU64::new(1) };
        Self { inner: Arc::new(inner) }
    }

    /// The counters since the start.
    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// The WebSockets of seats that are open now.
    pub fn stays(&self) -> Vec<Arc<LiveStay>> {
        self.inner.live.stays()
    }

    /// What went over HTTP to each seat since the start.
    pub fn traffic(&self) -> Vec<(Arc<SeatKey>, Arc<SeatTraffic>)> {
        self.inner.live.traffic()
    }

    /// A WebSocket of a seat is open from now until the returned [`Stay`] is dropped.
    pub fn stay(&self, permit: &SeatPermit, visitor: Visitor) -> Stay {
        let id = StayId(self.inner.next_stay.fetch_add(1, Ordering::Relaxed));
        let live = Arc::new(LiveStay::new(
            id,
            Arc::clone(permit.key()),
            permit.role(),
            visitor,
            self.inner.clock.wall(),
        ));
        self.inner.live.add(Arc::clone(&live));
        self.inner.counters.websocket_opened();
        self.tell(Fact::StayBegan(Arc::clone(&live)));
        Stay { account: self.clone(), live, end: StayEnd::Broken }
    }

    /// One request goes to a seat from now until the returned [`Passage`] is dropped.
    pub fn passage(&self, permit: &SeatPermit) -> Passage {
        let traffic = self.inner.live.seat(permit.key());
        traffic.request();
        Passage { account: self.clone(), traffic }
    }

    /// Keeps an event.
    pub fn event(&self, event: EventFact) {
        self.tell(Fact::Event(event));
    }

    /// Keeps a line of the access log, and counts the answer.
    pub fn access(&self, line: AccessFact) {
        self.inner.counters.answered(line.status);
        self.tell(Fact::Access(Box::new(line)));
    }

    /// The clocks that the account uses, so that all times of one request agree.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    fn tell(&self, fact: Fact) {
        match self.inner.facts.try_send(fact) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.inner.counters.fact_dropped();
            }
        }
    }
}

/// One open WebSocket of a seat. Ends the stay when it is dropped.
pub struct Stay {
    account: Account,
    live: Arc<LiveStay>,
    end: StayEnd,
}

impl Stay {
    /// Bytes came from the browser.
    pub fn from_browser(&self, bytes: u64) {
        self.live.in_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.inner.counters.bytes_in(bytes);
    }

    /// Bytes went to the browser.
    pub fn to_browser(&self, bytes: u64) {
        self.live.out_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.inner.counters.bytes_out(bytes);
    }

    /// The person did something.
    pub fn acted(&self, wall: Timestamp) {
        self.live.last_act_at.store(wall.0, Ordering::Relaxed);
    }

    /// Whose WebSocket it is, with its live counters.
    pub fn live(&self) -> &Arc<LiveStay> {
        &self.live
    }

    /// Says why it ends; without this it counts as [`StayEnd::Broken`].
    pub fn ends(&mut self, end: StayEnd) {
        self.end = end;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let inner = &self.account.inner;
        inner.live.remove(self.live.id);
        inner.counters.websocket_closed();
        let at = inner.clock.wall();
        self.account.tell(Fact::StayEnded(Arc::clone(&self.live), self.end, at));
    }
}

/// One request on its way to a seat and back.
pub struct Passage {
    account: Account,
    traffic: Arc<SeatTraffic>,
}

impl Passage {
    /// Bytes of the request's body.
    pub fn from_browser(&self, bytes: u64) {
        self.traffic.in_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.inner.counters.bytes_in(bytes);
    }

    /// Bytes of the answer's body.
    pub fn to_browser(&self, bytes: u64) {
        self.traffic.out_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.account.inner.counters.bytes_out(bytes);
    }
}
