//! What others may know about a seat: [`SeatStatus`] for administrators, [`SeatView`] for the
//! person who waits. Plain values with wall-clock times; the JSON structs are `admin`'s and
//! `pages`' own.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::domain::{Endpoint, Failure, Generation, LaunchKind, SeatKey, SeatState, StopReason};

/// Why a seat is running at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsBecause {
    /// It is being started for somebody.
    Asked,
    /// The person did something lately at an open tab.
    Acts,
    /// A tab is open and the app computes.
    Computes,
    /// A tab is open, though nobody has touched it lately.
    TabOpen,
    /// No tab is open, but there was a request, a tab or the start within `idle_timeout`.
    UsedLately,
    /// The person or an administrator asked to keep it.
    Kept,
    /// No rule would stop it.
    NoTimeout,
}

impl RunsBecause {
    /// The word of JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RunsBecause::Asked => "asked",
            RunsBecause::Acts => "acts",
            RunsBecause::Computes => "computes",
            RunsBecause::TabOpen => "tab_open",
            RunsBecause::UsedLately => "used_lately",
            RunsBecause::Kept => "kept",
            RunsBecause::NoTimeout => "no_timeout",
        }
    }
}

/// Everything about a seat, for administrators and `usher status`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatStatus {
    /// Whose seat, of which app.
    pub key: Arc<SeatKey>,
    /// Where it is in its life.
    pub state: SeatState,
    /// Since when it is there.
    pub since: Timestamp,
    /// Its latest launch; `None` before the first.
    pub generation: Option<Generation>,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it listens.
    pub endpoint: Option<Endpoint>,
    /// How it came to be.
    pub launch: Option<LaunchKind>,
    /// When its process was launched.
    pub launched_at: Option<Timestamp>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// Open WebSockets.
    pub websockets: u32,
    /// Requests that wait for it.
    pub waiting: u32,
    /// When the person did something last.
    pub last_act_at: Option<Timestamp>,
    /// When a request was forwarded last.
    pub last_request_at: Option<Timestamp>,
    /// CPU over the last measurement, in cores.
    pub cpu_cores: Option<f64>,
    /// Memory at the last measurement.
    pub memory_bytes: Option<u64>,
    /// Why it runs; `None` if it does not.
    pub runs_because: Option<RunsBecause>,
    /// When it will stop if nothing happens; `None`: never, or it does not run.
    pub stops_at: Option<Timestamp>,
    /// Why it will stop then, or is stopping now.
    pub stops_because: Option<StopReason>,
    /// Its place in the queue of starts, from 1.
    pub queue_place: Option<u32>,
    /// Why it failed, in Backoff and Failed.
    pub failure: Option<Failure>,
    /// When the next try is possible, in Backoff.
    pub next_try_at: Option<Timestamp>,
    /// Failures that count for `restart`.
    pub failures: u32,
    /// Its configuration changed since it was launched; it is replaced when nobody is connected.
    pub outdated: bool,
}

/// What the person who waits for a seat, or sits at it, may see. Cheap to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatView {
    /// Where the seat is in its life.
    pub state: SeatState,
    /// Its latest launch; `None` before the first.
    pub generation: Option<Generation>,
    /// When somebody asked for this start.
    pub asked_at: Option<Timestamp>,
    /// When the queue let it through and the launch began.
    pub launch_began_at: Option<Timestamp>,
    /// When its process was there and the questions about its health began.
    pub probing_at: Option<Timestamp>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// Its place in the queue of starts, from 1.
    pub queue_place: Option<u32>,
    /// How long this seat's starts usually take, else this app's, from launch to ready.
    pub usual_start_ms: Option<u64>,
    /// Why it failed, in Backoff and Failed.
    pub failure: Option<Failure>,
    /// When the next try is possible; in Failed, `None`: after a retry.
    pub next_try_at: Option<Timestamp>,
    /// When a countdown should be shown.
    pub warn_at: Option<Timestamp>,
    /// When it will stop if nothing happens.
    pub stops_at: Option<Timestamp>,
    /// Why it will stop then, is stopping now, or stopped last.
    pub stops_because: Option<StopReason>,
}
