//! What is under way: open WebSockets and the traffic of each seat, with counters that the writer
//! and the pages read while the proxy counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::{StayId, Visitor};
use crate::clock::{Moment, Timestamp};
use crate::domain::{Role, SeatKey};

/// An open WebSocket of a seat.
#[derive(Debug)]
pub struct LiveStay {
    /// Its number.
    pub id: StayId,
    /// The seat.
    pub key: Arc<SeatKey>,
    /// The person's role then.
    pub role: Role,
    /// Who.
    pub visitor: Visitor,
    /// Since when.
    pub began_at: Timestamp,
    /// The same on the monotonic clock, which nobody sets.
    pub began: Moment,
    /// Bytes from the browser.
    pub in_bytes: AtomicU64,
    /// Bytes to the browser.
    pub out_bytes: AtomicU64,
    /// When the person last did something, as [`Timestamp`]; 0: not yet.
    pub last_act_at: AtomicI64,
    /// The first act since the writer looked, as [`Moment`]; [`NO_ACT`]: none.
    first_act: AtomicU64,
    /// The last one.
    last_act: AtomicU64,
}

/// No moment.
const NO_ACT: u64 = u64::MAX;

impl LiveStay {
    pub(super) fn new(
        id: StayId,
        key: Arc<SeatKey>,
        role: Role,
        visitor: Visitor,
        (began, began_at): (Moment, Timestamp),
    ) -> Self {
        Self {
            id,
            key,
            role,
            visitor,
            began_at,
            began,
            in_bytes: AtomicU64::new(0),
            out_bytes: AtomicU64::new(0),
            last_act_at: AtomicI64::new(0),
            first_act: AtomicU64::new(NO_ACT),
            last_act: AtomicU64::new(0),
        }
    }

    pub(super) fn acted(&self, now: Moment, wall: Timestamp) {
        self.last_act_at.store(wall.0, Ordering::Relaxed);
        // In this order the writer never takes a first act without its last one.
        self.last_act.store(now.0, Ordering::Release);
        self.first_act.fetch_min(now.0, Ordering::Release);
    }

    /// Bytes from the browser and to it, so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.in_bytes.load(Ordering::Relaxed), self.out_bytes.load(Ordering::Relaxed))
    }

    /// The first and the last act since this was called last.
    pub(super) fn take_acts(&self) -> Option<(Moment, Moment)> {
        let first = self.first_act.swap(NO_ACT, Ordering::Acquire);
        let last = self.last_act.load(Ordering::Acquire);
        (first != NO_ACT).then(|| (Moment(first), Moment(last.max(first))))
    }
}

/// What went over HTTP to a seat since the start.
#[derive(Debug, Default)]
pub struct SeatTraffic {
    /// Requests.
    pub requests: AtomicU64,
    /// Bytes of their bodies.
    pub in_bytes: AtomicU64,
    /// Bytes of the answers' bodies.
    pub out_bytes: AtomicU64,
}

impl SeatTraffic {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests, bytes from browsers and bytes to them, so far.
    pub(super) fn totals(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.requests), read(&self.in_bytes), read(&self.out_bytes))
    }
}

/// Both, by key.
#[derive(Default)]
pub(super) struct Live {
    stays: Mutex<HashMap<StayId, Arc<LiveStay>>>,
    traffic: RwLock<HashMap<Arc<SeatKey>, Arc<SeatTraffic>>>,
}

impl Live {
    pub(super) fn add(&self, stay: Arc<LiveStay>) {
        self.stays.lock().insert(stay.id, stay);
    }

    pub(super) fn remove(&self, id: StayId) {
        self.stays.lock().remove(&id);
    }

    pub(super) fn stays(&self) -> Vec<Arc<LiveStay>> {
        self.stays.lock().values().cloned().collect()
    }

    /// The counters of a seat; there is one for each pair of user and app that was ever used, so
    /// the configuration bounds the table.
    pub(super) fn seat(&self, key: &Arc<SeatKey>) -> Arc<SeatTraffic> {
        if let Some(traffic) = self.traffic.read().get(key) {
            return Arc::clone(traffic);
        }
        Arc::clone(self.traffic.write().entry(Arc::clone(key)).or_default())
    }

    /// The counters of a seat that was used.
    pub(super) fn traffic_of(&self, key: &SeatKey) -> Option<Arc<SeatTraffic>> {
        self.traffic.read().get(key).cloned()
    }

    pub(super) fn traffic(&self) -> Vec<(Arc<SeatKey>, Arc<SeatTraffic>)> {
        let traffic = self.traffic.read();
        traffic.iter().map(|(key, counters)| (Arc::clone(key), Arc::clone(counters))).collect()
    }
}
