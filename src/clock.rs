//! Time as an argument: the only file that asks the system what time it is.
//!
//! [`Moment`] is monotonic and orders things inside one run of usher; [`Timestamp`] is the wall
//! clock, for rows, pages and logs. Neither is ever read inside a decision.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds on a monotonic clock whose zero is an arbitrary point before the first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// This moment, so many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since an earlier moment; 0 if that one is later.
    pub fn since_ms(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Where time comes from. [`OsClock`] in the program; tests have one that they move by hand.
pub trait Clock: Send + Sync {
    /// The monotonic clock.
    fn now(&self) -> Moment;
    /// The wall clock.
    fn wall(&self) -> Timestamp;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock;

/// How far before the first use the zero of [`Moment`] lies, so that "ten hours ago" has a value
/// for a seat that was adopted.
const ZERO_BEFORE_START_MS: u64 = 400 * 24 * 3600 * 1000;

#[expect(clippy::disallowed_methods, reason = "this file owns the system's clocks")]
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

impl Clock for OsClock {
    #[expect(clippy::disallowed_methods, reason = "this file owns the system's clocks")]
    fn now(&self) -> Moment {
        let start = start();
        let elapsed = Instant::now().saturating_duration_since(start);
        Moment(ZERO_BEFORE_START_MS + saturating_ms(elapsed))
    }

    #[expect(clippy::disallowed_methods, reason = "this file owns the system's clocks")]
    fn wall(&self) -> Timestamp {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => {
                Timestamp(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX))
            }
        }
    }
}

/// Whole milliseconds of a duration, at most [`u64::MAX`].
pub fn saturating_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_do_not_go_back() {
        let clock = OsClock;
        let first = clock.now();
        assert!(clock.now() >= first);
        assert!(first.0 >= ZERO_BEFORE_START_MS);
        assert_eq!(Moment(5).since_ms(Moment(9)), 0);
    }
}
