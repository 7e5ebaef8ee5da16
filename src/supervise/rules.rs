//! What the machine is told about seats: the limits of all, the rules of one. Taken from the
//! configuration by `render`; the machine knows nothing of files, programs or ports.

use crate::domain::{Failure, Role};
use crate::launch::Allowance;

/// A start or a ready seat that failed waits at most this long for its next try.
pub const CRASH_BACKOFF_MAX_MS: u64 = 30_000;
/// The wait after the second crash; it doubles. The first crash waits for nothing, so that one
/// accident costs the person no more than a start.
pub const CRASH_BACKOFF_FIRST_MS: u64 = 1_000;
/// The wait after the first failed start; it doubles.
pub const START_BACKOFF_FIRST_MS: u64 = 2_000;
/// A failed start waits at most this long: whoever repairs the script should not have to wait.
pub const START_BACKOFF_MAX_MS: u64 = 15_000;
/// Between two looks at something that could not be done at the first.
pub const RECHECK_MS: u64 = 1_000;
/// Nobody is connected to a seat that is to be replaced if it had no request for so long: a page
/// that is being loaded makes one request after the other.
pub const QUIET_MS: u64 = 1_000;
/// How long a seat that refused a connection may take to prove that it answers.
pub const EXAMINE_MS: u64 = 10_000;
/// Between two measurements of a seat's memory and CPU.
pub const WEIGH_MS: u64 = 5_000;
/// The same where something hangs on it: with a limit on either, or shortly before a stop.
pub const WEIGH_OFTEN_MS: u64 = 1_000;
/// A measurement that has not come back after so long is taken for lost.
pub const WEIGH_LOST_MS: u64 = 30_000;
/// An adopted process that must have been ready before may be silent for so long; then its
/// silence is taken for work (a C call that holds the interpreter lock), not for a failed start.
pub const ADOPTED_SILENCE_MAX_MS: u64 = 5_000;
/// A process that was to end is complained about after so long; the interval doubles.
pub const LINGER_MS: u64 = 10_000;
/// The longest interval between two such complaints.
pub const LINGER_MAX_MS: u64 = 3_600_000;
/// The most failures of a seat that are remembered.
pub const FAILURES_REMEMBERED_MAX: usize = 256;
/// The same refusal of the same seat is noted once in this time.
pub const REFUSAL_NOTED_EVERY_MS: u64 = 10_000;
/// The most refusals that are remembered for [`REFUSAL_NOTED_EVERY_MS`].
pub const REFUSALS_NOTED_MAX: usize = 1_024;
/// The longest that a process that belongs to nobody is given to end by itself.
pub const STRAY_GRACE_MAX_MS: u64 = 3_000;
/// A countdown begins at most so long before a stop.
pub const WARNING_MAX_MS: u64 = 5 * 60_000;
/// An app computes if it used more CPU time than [`COMPUTING_CPU_MS`] in this time.
pub const COMPUTING_WINDOW_MS: u64 = 60_000;
/// 5 % of a core for [`COMPUTING_WINDOW_MS`].
pub const COMPUTING_CPU_MS: u64 = 3_000;
/// "Lately", where a seat's reason to run is told.
pub const LATELY_MS: u64 = 10 * 60_000;

/// The limits of all seats together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seats that are queued, starting, running or ending.
    pub seats_max: u32,
    /// Launches under way, from the launch until ready.
    pub starts_at_once_max: u32,
    /// Requests that wait for one seat.
    pub waiting_per_seat_max: u32,
}

/// The rules of one seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatRules {
    /// The person's role, which the process was told.
    pub role: Role,
    /// What the process is launched with, in one number: another number needs another launch.
    pub fingerprint: u64,
    /// From the launch to the first healthy answer.
    pub start_timeout_ms: u64,
    /// `None`: never.
    pub idle_timeout_ms: Option<u64>,
    /// `None`: never.
    pub untouched_timeout_ms: Option<u64>,
    /// From the launch; `None`: no limit.
    pub lifetime_max_ms: Option<u64>,
    /// What it may use.
    pub allowance: Allowance,
    /// From TERM to KILL.
    pub stop_grace_ms: u64,
    /// Failures within [`SeatRules::restart_within_ms`] before the seat is left failed.
    pub restart_attempts_max: u32,
    /// The window of [`SeatRules::restart_attempts_max`].
    pub restart_within_ms: u64,
}

impl SeatRules {
    /// The rules of a process that was found and belongs to nobody: only how it ends matters.
    pub fn of_stray(fingerprint: u64) -> Self {
        Self {
            role: Role::User,
            fingerprint,
            start_timeout_ms: 0,
            idle_timeout_ms: None,
            untouched_timeout_ms: None,
            lifetime_max_ms: None,
            allowance: Allowance::default(),
            stop_grace_ms: STRAY_GRACE_MAX_MS,
            restart_attempts_max: 1,
            restart_within_ms: 0,
        }
    }
}

/// Whether a failure counts for `restart`, as a crash does. What failed before there was a
/// process costs nothing to try again, and heals by itself as soon as its author repairs it: it
/// makes the next try wait, but never leaves the seat failed.
pub fn counts_as_crash(failure: &Failure) -> bool {
    match failure {
        Failure::ExitedEarly(_) | Failure::Crashed(_) | Failure::NotReadyInTime { .. } => true,
        Failure::ScriptMissing { .. }
        | Failure::ProgramMissing { .. }
        | Failure::StreamlitMissing { .. }
        | Failure::WorkingDirectoryMissing { .. }
        | Failure::PortTaken { .. }
        | Failure::NoPortLeft { .. }
        | Failure::UpstreamDown { .. }
        | Failure::System { .. } => false,
    }
}

/// How long the next try waits after the `failures`th failure (from 1) in the window.
pub fn backoff_ms(was_ready: bool, failures: u32) -> u64 {
    let doubled = |first: u64, times: u32, max: u64| {
        first.saturating_mul(1_u64.checked_shl(times).unwrap_or(u64::MAX)).min(max)
    };
    match (was_ready, failures) {
        (true, 0 | 1) => 0,
        (true, n) => doubled(CRASH_BACKOFF_FIRST_MS, n - 2, CRASH_BACKOFF_MAX_MS),
        (false, n) => doubled(START_BACKOFF_FIRST_MS, n.saturating_sub(1), START_BACKOFF_MAX_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        for (was_ready, failures, expected_ms) in [
            (true, 1, 0),
            (true, 2, 1_000),
            (true, 3, 2_000),
            (true, 4, 4_000),
            (true, 7, 30_000),
            (true, 70, 30_000),
            (true, u32::MAX, 30_000),
            (false, 1, 2_000),
            (false, 2, 4_000),
            (false, 3, 8_000),
            (false, 4, 15_000),
            (false, u32::MAX, 15_000),
        ] {
            assert_eq!(backoff_ms(was_ready, failures), expected_ms, "{was_ready} {failures}");
        }
    }
}
