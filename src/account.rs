//! Stage 6: what happened. The proxy tells the [`Account`] of WebSockets, requests and events and
//! never waits for it: what does not fit into the bounded channel to the writer is dropped and
//! counted. What is told settles in `Drop`, because a request whose future is dropped runs no hook.
//!
//! This file is the proxy's side: handles, counters and the facts that go to the writer. Visits
//! are made of facts in `visits` and written by `writer`; `keeper` copies the database and rotates
//! the apps' logs; [`Books`] runs both and is what the program holds.

mod access_log;
mod app_logs;
pub mod backup;
mod books;
mod browser;
mod complaint;
mod counters;
mod facts;
mod keeper;
mod launches;
mod live;
mod presence;
pub mod report;
mod rotation;
mod settings;
mod visits;
mod writer;

#[cfg(test)]
mod tests;

pub use books::{Books, database_path};

pub use counters::{Counters, StatusClass};
pub use facts::{AccessFact, EventFact, Fact, StartFact, StayEnd, StayId, Visitor};
pub use keeper::BackupStatus;
pub use launches::{START_BUCKETS_MS, StartTimes};
pub use live::{LiveStay, SeatTraffic};
pub use presence::Presence;
pub use settings::Settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

use crate::authorize::SeatPermit;
use crate::clock::{Clock, Timestamp};
use crate::domain::{Role, SeatKey};
use crate::observe::{MachineSample, SeatSample};
use live::Live;

/// The most facts that wait for the writer.
pub const FACTS_WAITING_MAX: usize = 16 * 1024;

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

    /// Who is here now: one for each user and app with an open WebSocket, longest first.
    pub fn present(&self) -> Vec<Presence> {
        presence::of(&self.stays())
    }

    /// What went over HTTP to each seat since the start.
    pub fn traffic(&self) -> Vec<(Arc<SeatKey>, Arc<SeatTraffic>)> {
        self.inner.live.traffic()
    }

    fn traffic_of(&self, key: &SeatKey) -> Option<Arc<SeatTraffic>> {
        self.inner.live.traffic_of(key)
    }

    /// A WebSocket of a seat is open from now until the returned [`Stay`] is dropped.
    pub fn stay(&self, permit: &SeatPermit, visitor: Visitor) -> Stay {
        self.begin_stay(Arc::clone(permit.key()), permit.role(), visitor)
    }

    fn begin_stay(&self, key: Arc<SeatKey>, role: Role, visitor: Visitor) -> Stay {
        let id = StayId(self.inner.next_stay.fetch_add(1, Ordering::Relaxed));
        let clock = &self.inner.clock;
        let began = (clock.now(), clock.wall());
        let live = Arc::new(LiveStay::new(id, key, role, visitor, began));
        self.inner.live.add(Arc::clone(&live));
        self.inner.counters.websocket_opened();
        self.tell(Fact::StayBegan(Arc::clone(&live)));
        Stay { account: self.clone(), live, end: StayEnd::Broken }
    }

    /// One request goes to a seat from now until the returned [`Passage`] is dropped.
    pub fn passage(&self, permit: &SeatPermit) -> Passage {
        self.begin_passage(permit.key())
    }

    fn begin_passage(&self, key: &Arc<SeatKey>) -> Passage {
        let traffic = self.inner.live.seat(key);
        traffic.request();
        Passage { account: self.clone(), traffic }
    }

    /// Keeps an event.
    pub fn event(&self, event: EventFact) {
        self.inner.counters.happened(event.kind);
        self.tell(Fact::Event(event));
    }

    /// Keeps a line of the access log, and counts the answer.
    pub fn access(&self, line: AccessFact) {
        self.inner.counters.answered(line.status);
        self.tell(Fact::Access(Box::new(line)));
    }

    /// Keeps the start of a seat.
    pub fn started(&self, start: StartFact) {
        self.inner.counters.started(start.launch, start.start_ms);
        self.tell(Fact::Started(start));
    }

    /// Keeps what was measured of the machine.
    pub fn machine_measured(&self, sample: MachineSample) {
        self.tell(Fact::Machine(self.inner.clock.wall(), sample));
    }

    /// Keeps what was measured of the seats.
    pub fn seats_measured(&self, samples: Vec<SeatSample>) {
        self.tell(Fact::Seats(self.inner.clock.wall(), samples));
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
        self.live.acted(self.account.inner.clock.now(), wall);
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
        let at = inner.clock.now();
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

/// A moment as the clock on the wall of `zone` shows it.
fn local(at: Timestamp, zone: &TimeZone) -> ZonedDateTime {
    // Only a clock that is thousands of years off has no such moment.
    let instant = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
    instant.to_zoned_datetime(zone.clone())
}

/// A moment for the name of a file.
fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    local(at, zone).strftime("%Y-%m-%dT%H%M%S").to_string()
}
