//! What is recorded of seats: every start, stop, crash, refusal and order, with its reason and
//! who caused it. The machine says what happened; the driver gives it a time, logs it once and
//! hands it to whoever keeps the account.

mod said;

use std::fmt;
use std::sync::Arc;

use super::{Order, Refusal};
use crate::clock::Timestamp;
use crate::domain::{Actor, Exit, Failure, Generation, LaunchKind, SeatKey, StopReason};

/// Something that happened to a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatNote {
    /// When.
    pub at: Timestamp,
    /// To which seat.
    pub key: Arc<SeatKey>,
    /// To which launch of it; `None` where none is meant.
    pub generation: Option<Generation>,
    /// What.
    pub what: Happening,
    /// Who caused it.
    pub actor: Actor,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A launch began.
    Launching,
    /// The seat became ready.
    Ready {
        /// How it came to be.
        kind: LaunchKind,
        /// From the launch.
        start_ms: u64,
        /// How long it had waited in the queue before.
        queued_ms: u64,
    },
    /// A process of an earlier usher was taken over.
    Adopted {
        /// How it came to be.
        kind: LaunchKind,
    },
    /// A process of an earlier usher had ended by itself when this one looked for it.
    Gone,
    /// A start failed.
    StartFailed {
        /// Why.
        failure: Failure,
        /// Failures that count for `restart`, with this one.
        failures: u32,
        /// How long until the next try may be; `None`: the seat is left failed.
        retry_after_ms: Option<u64>,
    },
    /// A ready seat ended by itself, or had to be ended as a fault.
    Crashed {
        /// Why, or how its process ended.
        failure: Failure,
        /// How long it had run.
        ran_ms: u64,
        /// Failures that count for `restart`, with this one.
        failures: u32,
        /// How long until the next try may be; `None`: the seat is left failed.
        retry_after_ms: Option<u64>,
    },
    /// The seat is being ended.
    Stopping {
        /// Why.
        reason: StopReason,
    },
    /// The seat has ended, and nothing of it is left.
    Stopped {
        /// Why it was ended.
        reason: StopReason,
        /// How its process ended; `None` if there was none yet.
        exit: Option<Exit>,
        /// How long it had run since the launch.
        ran_ms: u64,
    },
    /// A process does not end although it was killed.
    Lingers {
        /// How long it has been told to.
        since_ms: u64,
    },
    /// A request was refused. Repetitions within some seconds are not noted again.
    Refused(Refusal),
    /// Somebody gave an order.
    Ordered(Order),
    /// The person wants the seat to go on.
    Kept,
    /// WebSockets were closed by order; the seat runs on.
    Closed {
        /// How many.
        websockets: usize,
    },
    /// The configuration changed; the seat is replaced when nobody is connected.
    Outdated,
    /// A rule of the machine was broken: a fault in usher. The seat was failed.
    Violated {
        /// Which rule.
        rule: &'static str,
    },
}

impl Happening {
    /// A stable word for rows and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Happening::Launching => "seat_launching",
            Happening::Ready { .. } => "seat_ready",
            Happening::Adopted { .. } => "seat_adopted",
            Happening::Gone => "seat_gone",
            Happening::StartFailed { .. } => "seat_start_failed",
            Happening::Crashed { .. } => "seat_crashed",
            Happening::Stopping { .. } => "seat_stopping",
            Happening::Stopped { .. } => "seat_stopped",
            Happening::Lingers { .. } => "seat_lingers",
            Happening::Refused(_) => "seat_refused",
            Happening::Ordered(_) => "seat_ordered",
            Happening::Kept => "seat_kept",
            Happening::Closed { .. } => "seat_websockets_closed",
            Happening::Outdated => "seat_outdated",
            Happening::Violated { .. } => "seat_violated",
        }
    }

    /// How loud the log line is.
    pub fn level(&self) -> log::Level {
        match self {
            Happening::StartFailed { .. }
            | Happening::Crashed { .. }
            | Happening::Lingers { .. } => log::Level::Warn,
            Happening::Violated { .. } => log::Level::Error,
            Happening::Launching | Happening::Refused(_) => log::Level::Debug,
            Happening::Ready { .. }
            | Happening::Adopted { .. }
            | Happening::Gone
            | Happening::Stopping { .. }
            | Happening::Stopped { .. }
            | Happening::Ordered(_)
            | Happening::Kept
            | Happening::Closed { .. }
            | Happening::Outdated => log::Level::Info,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happening::Launching => f.write_str("launching"),
            Happening::Ready { kind, start_ms, queued_ms: 0 } => {
                write!(f, "ready after {start_ms} ms ({})", kind.as_str())
            }
            Happening::Ready { kind, start_ms, queued_ms } => {
                write!(f, "ready after {start_ms} ms ({}), queued {queued_ms} ms", kind.as_str())
            }
            Happening::Adopted { kind } => {
                write!(f, "taken over from the usher before ({})", kind.as_str())
            }
            Happening::Gone => f.write_str("its process ended while no usher was running"),
            Happening::StartFailed { failure, failures, retry_after_ms } => {
                write!(f, "the start failed: {failure}")?;
                next_try(f, *failures, *retry_after_ms)
            }
            Happening::Crashed { failure, ran_ms, failures, retry_after_ms } => {
                write!(f, "failed after {} s: {failure}", ran_ms / 1000)?;
                next_try(f, *failures, *retry_after_ms)
            }
            Happening::Stopping { reason } => write!(f, "stopping: {}", Why(reason)),
            Happening::Stopped { reason, exit: Some(exit), ran_ms } => {
                write!(f, "stopped after {} s ({exit}): {}", ran_ms / 1000, Why(reason))
            }
            Happening::Stopped { reason, exit: None, ran_ms: _ } => {
                write!(f, "the start was ended: {}", Why(reason))
            }
            Happening::Lingers { since_ms } => {
                write!(f, "still there {} s after it was to end", since_ms / 1000)
            }
            Happening::Refused(refusal) => write!(f, "refused: {refusal}"),
            Happening::Ordered(order) => write!(f, "ordered: {}", order.as_str()),
            Happening::Kept => f.write_str("kept"),
            Happening::Closed { websockets } => write!(f, "{websockets} WebSockets closed"),
            Happening::Outdated => {
                f.write_str("its configuration changed; replaced when nobody is connected")
            }
            Happening::Violated { rule } => {
                write!(f, "fault in usher, the seat was failed: {rule}")
            }
        }
    }
}

fn next_try(f: &mut fmt::Formatter<'_>, failures: u32, retry_after_ms: Option<u64>) -> fmt::Result {
    match retry_after_ms {
        Some(0) => f.write_str("; the next request starts it again"),
        Some(ms) => write!(f, "; failure {failures}, next try in {} s", ms.div_ceil(1000)),
        None => write!(f, "; {failures} failures, left failed"),
    }
}

/// A reason as a clause of a log line.
struct Why<'a>(&'a StopReason);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        match self.0 {
            StopReason::Idle => f.write_str("no tab open and no request for idle_timeout"),
            StopReason::Untouched => f.write_str("a tab was open, but untouched for too long"),
            StopReason::Lifetime => f.write_str("it ran for lifetime_max"),
            StopReason::Memory { used_bytes, limit_bytes } => {
                let (used, limit) = (used_bytes / MIB, limit_bytes / MIB);
                if used_bytes <= limit_bytes {
                    return write!(f, "it wanted more memory than memory_max ({limit} MiB)");
                }
                write!(f, "it used {used} MiB of memory, more than memory_max ({limit} MiB)")
            }
            StopReason::Ordered(actor) => write!(f, "ordered by {actor}"),
            StopReason::Cancelled => f.write_str("the person cancelled the start"),
            StopReason::Removed => f.write_str("no longer in the configuration"),
            StopReason::Replaced => f.write_str("its configuration changed"),
            StopReason::Shutdown => f.write_str("usher shuts down"),
            StopReason::StartTimeout => f.write_str("not ready within start_timeout"),
        }
    }
}
