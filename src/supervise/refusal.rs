//! Why there is no lease. The machine says it, the gate turns it into an answer; no status code
//! and no text of a page is chosen here.

use std::fmt;

use crate::domain::Failure;

/// Why a request gets no lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many seats run as may.
    Full {
        /// `limits.seats`.
        seats_max: u32,
    },
    /// As many requests wait for this seat as may.
    TooManyWaiting {
        /// `limits.waiting_per_seat`.
        waiting_max: u32,
    },
    /// The start that this request waited for failed just now, or the seat was left failed.
    Failed {
        /// Why.
        failure: Failure,
        /// How long until a request may try again; `None`: somebody has to act (the person's
        /// own retry is enough).
        retry_after_ms: Option<u64>,
    },
    /// An earlier start failed, and the next try has to wait.
    BackingOff {
        /// Why it failed.
        failure: Failure,
        /// How long until a request may try again.
        retry_after_ms: u64,
    },
    /// Not ready within `start_timeout`, or within the time that this request would wait.
    TooSlow,
    /// Usher shuts down, restarts or upgrades.
    Draining,
    /// The start was cancelled, or the seat was stopped by order while this request waited.
    Cancelled,
    /// The user or the app is no longer in the configuration, or the app no longer theirs.
    Removed,
}

impl Refusal {
    /// A stable word for metrics and rows.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Full { .. } => "full",
            Refusal::TooManyWaiting { .. } => "too_many_waiting",
            Refusal::Failed { .. } => "failed",
            Refusal::BackingOff { .. } => "backing_off",
            Refusal::TooSlow => "too_slow",
            Refusal::Draining => "draining",
            Refusal::Cancelled => "cancelled",
            Refusal::Removed => "removed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Full { seats_max } => write!(f, "all {seats_max} seats are in use"),
            Refusal::TooManyWaiting { waiting_max } => {
                write!(f, "{waiting_max} requests wait for this seat already")
            }
            Refusal::Failed { failure, retry_after_ms: Some(ms) } => {
                write!(f, "the start failed: {failure}; next try in {} s", ms.div_ceil(1000))
            }
            Refusal::Failed { failure, retry_after_ms: None } => {
                write!(f, "the seat was left failed: {failure}")
            }
            Refusal::BackingOff { failure, retry_after_ms } => {
                write!(f, "{failure}; next try in {} s", retry_after_ms.div_ceil(1000))
            }
            Refusal::TooSlow => f.write_str("the start takes too long"),
            Refusal::Draining => f.write_str("usher is shutting down"),
            Refusal::Cancelled => f.write_str("the start was cancelled"),
            Refusal::Removed => f.write_str("no longer in the configuration"),
        }
    }
}
