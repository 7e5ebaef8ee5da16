//! What is written: one batch is one transaction.

use std::sync::Arc;

use super::VisitId;
use crate::clock::Timestamp;
use crate::domain::{Actor, Detail, LaunchKind, Role, SeatKey};
use crate::observe::{MachineSample, SeatSample};

/// The length of a slot, in milliseconds: the steps in which presence is kept. The days of every
/// zone in use begin at a multiple of it, so that the days of any zone can be made of slots.
pub const SLOT_MS: i64 = 15 * 60 * 1000;

/// Records that belong into one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Visits: new ones, and new values of known ones.
    pub visits: Vec<VisitRecord>,
    /// Events.
    pub events: Vec<EventRecord>,
    /// Starts of seats.
    pub starts: Vec<StartRecord>,
    /// Samples of the machine.
    pub machine: Vec<(Timestamp, MachineSample)>,
    /// Samples of seats.
    pub seats: Vec<(Timestamp, SeatSample)>,
}

impl Batch {
    /// How many records it has.
    pub fn records(&self) -> usize {
        self.visits.len()
            + self.events.len()
            + self.starts.len()
            + self.machine.len()
            + self.seats.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.records() == 0
    }
}

/// The present values of a visit. Totals are absolute; what happened in slots since the last write
/// is added there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitRecord {
    /// The number that an earlier write gave it; `None`: it is new.
    pub id: Option<VisitId>,
    /// Who, where.
    pub key: Arc<SeatKey>,
    /// Their role.
    pub role: Role,
    /// The address of the first WebSocket.
    pub address: String,
    /// The browser of the first WebSocket, for people.
    pub browser: String,
    /// When the first WebSocket was opened.
    pub started_at: Timestamp,
    /// Until when it is accounted.
    pub seen_at: Timestamp,
    /// How far it is.
    pub phase: VisitPhase,
    /// The time with at least one WebSocket open.
    pub dwell_ms: u64,
    /// The part of it in which the person did something.
    pub active_ms: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Bytes from the browser.
    pub in_bytes: u64,
    /// Bytes to the browser.
    pub out_bytes: u64,
    /// What is to be added to slots.
    pub slots: Vec<SlotDelta>,
}

/// How far a visit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitPhase {
    /// A WebSocket is open.
    Open,
    /// None is open since `seen_at`, for this reason; the person may still come back.
    Gap(&'static str),
    /// It ended at `seen_at`, for this reason.
    Ended(&'static str),
}

/// What is added to a slot of a visit's user and app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDelta {
    /// The slot's begin, a multiple of [`SLOT_MS`].
    pub slot_at: Timestamp,
    /// Dwell in it.
    pub dwell_ms: u64,
    /// Active time in it.
    pub active_ms: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// When.
    pub at: Timestamp,
    /// A stable word.
    pub kind: &'static str,
    /// Who caused it.
    pub actor: Actor,
    /// Which seat it is about.
    pub key: Option<SeatKey>,
    /// From which address it was caused.
    pub address: Option<String>,
    /// What it says.
    pub detail: Detail,
}

/// A start of a seat that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRecord {
    /// When it was ready.
    pub at: Timestamp,
    /// Which seat.
    pub key: Arc<SeatKey>,
    /// How it came to be.
    pub launch: LaunchKind,
    /// From the launch to ready.
    pub start_ms: u64,
    /// In the queue before.
    pub queued_ms: u64,
}

/// What a write says back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The numbers of the batch's visits, in its order; `None`: the visit belongs to another run
    /// now, and nothing of it was written.
    pub visits: Vec<Option<VisitId>>,
}
