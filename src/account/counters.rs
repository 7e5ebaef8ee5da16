//! Numbers since the start, for `/metrics` and the overview. Atomics only: nobody waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::launches::{Launches, StartTimes};
use crate::domain::LaunchKind;

/// The hundreds of a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusClass {
    /// 1xx
    Informational,
    /// 2xx
    Success,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
    /// No answer: the client left, or the connection broke.
    Unanswered,
}

impl StatusClass {
    /// All of them.
    pub const ALL: [StatusClass; 6] = [
        StatusClass::Informational,
        StatusClass::Success,
        StatusClass::Redirection,
        StatusClass::ClientError,
        StatusClass::ServerError,
        StatusClass::Unanswered,
    ];

    /// The class of a status; 0 is none.
    pub fn of(status: u16) -> Self {
        match status / 100 {
            1 => StatusClass::Informational,
            2 => StatusClass::Success,
            3 => StatusClass::Redirection,
            4 => StatusClass::ClientError,
            5 => StatusClass::ServerError,
            _ => StatusClass::Unanswered,
        }
    }

    /// The label of metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusClass::Informational => "1xx",
            StatusClass::Success => "2xx",
            StatusClass::Redirection => "3xx",
            StatusClass::ClientError => "4xx",
            StatusClass::ServerError => "5xx",
            StatusClass::Unanswered => "none",
        }
    }
}

/// Numbers since the start.
#[derive(Debug, Default)]
pub struct Counters {
    answers: [AtomicU64; 6],
    in_bytes: AtomicU64,
    out_bytes: AtomicU64,
    websockets_opened: AtomicU64,
    websockets_open: AtomicI64,
    facts_dropped: AtomicU64,
    records_lost: AtomicU64,
    launches: Launches,
    /// Events by kind. They are rare, and their kinds are words of the sources.
    events: Mutex<BTreeMap<&'static str, u64>>,
    reloads_applied: AtomicU64,
    reloads_refused: AtomicU64,
}

impl Counters {
    pub(super) fn answered(&self, status: u16) {
        self.answers[StatusClass::of(status) as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes_in(&self, bytes: u64) {
        self.in_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes_out(&self, bytes: u64) {
        self.out_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn websocket_opened(&self) {
        self.websockets_opened.fetch_add(1, Ordering::Relaxed);
        self.websockets_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn websocket_closed(&self) {
        self.websockets_open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn fact_dropped(&self) {
        self.facts_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn started(&self, kind: LaunchKind, start_ms: u64) {
        self.launches.started(kind, start_ms);
    }

    pub(super) fn happened(&self, kind: &'static str) {
        *self.events.lock().entry(kind).or_default() += 1;
    }

    /// The configuration was read again, and applied or not.
    pub fn reloaded(&self, is_applied: bool) {
        let counter = if is_applied { &self.reloads_applied } else { &self.reloads_refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The writer could not keep so many records.
    pub fn records_lost(&self, records: u64) {
        self.records_lost.fetch_add(records, Ordering::Relaxed);
    }

    /// Answers of a class.
    pub fn answers(&self, class: StatusClass) -> u64 {
        self.answers[class as usize].load(Ordering::Relaxed)
    }

    /// Bytes from browsers: bodies and WebSockets.
    pub fn in_bytes(&self) -> u64 {
        self.in_bytes.load(Ordering::Relaxed)
    }

    /// Bytes to browsers: bodies and WebSockets.
    pub fn out_bytes(&self) -> u64 {
        self.out_bytes.load(Ordering::Relaxed)
    }

    /// WebSockets of seats that were opened.
    pub fn websockets_opened(&self) -> u64 {
        self.websockets_opened.load(Ordering::Relaxed)
    }

    /// WebSockets of seats that are open.
    pub fn websockets_open(&self) -> u64 {
        u64::try_from(self.websockets_open.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Facts that did not fit into the channel to the writer.
    pub fn facts_dropped(&self) -> u64 {
        self.facts_dropped.load(Ordering::Relaxed)
    }

    /// Records that the database did not take.
    pub fn lost(&self) -> u64 {
        self.records_lost.load(Ordering::Relaxed)
    }

    /// Starts of seats that succeeded, by how they came to be.
    pub fn start_times(&self) -> Vec<StartTimes> {
        self.launches.times()
    }

    /// Events by kind.
    pub fn events(&self) -> Vec<(&'static str, u64)> {
        self.events.lock().iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    /// Events of one kind.
    pub fn events_of(&self, kind: &str) -> u64 {
        self.events.lock().get(kind).copied().unwrap_or(0)
    }

    /// Readings of the configuration: those that were applied, and those that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (number(&self.reloads_applied), number(&self.reloads_refused))
    }
}
