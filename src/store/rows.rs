//! What is read: plain values. Names are text, because a user or app of an old row may be gone from
//! the configuration.

use std::path::PathBuf;

use super::ClauseRow;
use crate::clock::Timestamp;
use crate::domain::Role;

/// The number of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VisitId(pub i64);

/// One stay of a user at an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitRow {
    /// Its number.
    pub id: VisitId,
    /// Who.
    pub user: String,
    /// Their role then.
    pub role: Role,
    /// Where.
    pub app: String,
    /// The true address of the first WebSocket.
    pub address: String,
    /// The browser of the first WebSocket, for people: `Chrome 128 · Windows`.
    pub browser: String,
    /// When the first WebSocket was opened.
    pub started_at: Timestamp,
    /// When the last one was closed; `None` while it is under way or within its gap.
    pub ended_at: Option<Timestamp>,
    /// Until when it is accounted: the end, or the last time it was written.
    pub seen_at: Timestamp,
    /// The time with at least one WebSocket open.
    pub dwell_ms: u64,
    /// The part of it in which the person did something.
    pub active_ms: u64,
    /// HTTP requests that went to the seat.
    pub requests: u64,
    /// Bytes from the browser: bodies and WebSockets.
    pub in_bytes: u64,
    /// Bytes to the browser.
    pub out_bytes: u64,
    /// Why it ended, a stable word; `None` while it is under way.
    pub ended_because: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// A stable word, such as `seat_crashed`.
    pub kind: String,
    /// Who caused it: `usher`, `operator`, `user` or `admin`.
    pub actor: String,
    /// The name of that user or admin.
    pub actor_name: Option<String>,
    /// Whose seat it is about.
    pub user: Option<String>,
    /// Which app's seat.
    pub app: Option<String>,
    /// From which address it was caused.
    pub address: Option<String>,
    /// The reason or detail, in English.
    pub detail: String,
    /// The same as clauses; empty: there is only the English text.
    pub clauses: Vec<ClauseRow>,
}

/// A start of a seat that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRow {
    /// When it was ready.
    pub at: Timestamp,
    /// Whose seat.
    pub user: String,
    /// Which app.
    pub app: String,
    /// `fork`, `spawn`, `command` or `upstream`.
    pub launch: String,
    /// From the launch to ready.
    pub start_ms: u64,
    /// In the queue before.
    pub queued_ms: u64,
}

/// When somebody was here last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// Until when their newest visit is accounted.
    pub at: Timestamp,
    /// From where it came.
    pub address: String,
    /// With what.
    pub browser: String,
    /// At which app.
    pub app: String,
}

/// Samples over a time, oldest first, one for each step in which something was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Series<P> {
    /// The length of a step. A chart shows a hole where points are further apart.
    pub step_ms: u64,
    /// At most as many as were asked for.
    pub points: Vec<P>,
}

/// The machine during one step: means, and the largest of what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachinePoint {
    /// The begin of the step.
    pub at: Timestamp,
    /// Cores in use, on average.
    pub cpu_cores: f64,
    /// Cores in use at the busiest measurement.
    pub cpu_cores_max: f64,
    /// Cores there are.
    pub cpu_cores_total: f64,
    /// Memory in use, on average.
    pub memory_bytes: u64,
    /// Memory in use, at most.
    pub memory_max_bytes: u64,
    /// Memory there is.
    pub memory_total_bytes: u64,
    /// Swap in use, on average.
    pub swap_bytes: u64,
    /// Swap there is.
    pub swap_total_bytes: u64,
    /// Used on the file system of `state_dir`.
    pub disk_bytes: u64,
    /// The size of that file system.
    pub disk_total_bytes: u64,
    /// Received per second, on average.
    pub network_in_bytes_per_s: f64,
    /// Sent per second, on average.
    pub network_out_bytes_per_s: f64,
    /// The load average of a minute, on average.
    pub load_1m: f64,
}

/// A seat during one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeatPoint {
    /// The begin of the step.
    pub at: Timestamp,
    /// Cores in use, on average.
    pub cpu_cores: f64,
    /// Cores in use at the busiest measurement.
    pub cpu_cores_max: f64,
    /// Memory, on average.
    pub memory_bytes: u64,
    /// Memory, at most.
    pub memory_max_bytes: u64,
    /// Threads, at most; `None`: not measured.
    pub threads: Option<u32>,
    /// Open files, at most; `None`: not measured.
    pub open_files: Option<u32>,
}

/// How much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The database.
    pub path: PathBuf,
    /// Its size with its write-ahead log.
    pub bytes: u64,
    /// The version of its schema.
    pub schema: u32,
    /// Visits, roughly (counted from their numbers).
    pub visits: u64,
    /// Events, roughly.
    pub events: u64,
    /// When the oldest visit began.
    pub oldest_visit_at: Option<Timestamp>,
}
