//! How long a seat that wants more CPU than it may have runs, and how long it has to wait. Pure:
//! what was used in, what is to be done out.
//!
//! As the kernel's own bandwidth control does it: there is an account that fills with time and is
//! emptied by use. At nothing the seat waits until there is enough for a slice again. What was used
//! beyond is a debt, so that over some seconds no more is used than allowed, however many threads
//! there are. Little can be saved up.

use crate::clock::Moment;

/// The allowance of this time can be saved up; half of it makes a slice.
const PERIOD_MS: i64 = 100;
/// The system tells CPU time in steps of so much, and a slice is no shorter.
const SLICE_MIN_US: i64 = 10_000;
/// Between two looks at a seat that runs.
const LOOK_MIN_MS: u64 = 3;
/// The same.
const LOOK_MAX_MS: u64 = 50;
/// A seat waits at most so long for the next look: its limit may have changed.
const WAIT_MAX_MS: u64 = 500;

/// One seat's account.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    millicores: u32,
    balance_us: i64,
    runs: bool,
    /// When was looked last, and what had been used until then.
    last: (Moment, u64),
}

/// What is to be done with a seat until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// It may run; else it has to wait.
    pub(super) runs: bool,
    /// The next look.
    pub(super) look_in_ms: u64,
}

impl Pace {
    /// An empty account: the seat has just been found to use too much.
    pub(super) fn new(millicores: u32, now: Moment, used_us: u64) -> Self {
        Self { millicores, balance_us: 0, runs: true, last: (now, used_us) }
    }

    /// The limit was changed.
    pub(super) fn set(&mut self, millicores: u32) {
        self.millicores = millicores;
    }

    /// Looks: `used_us` is the CPU time used since the seat's start, and so many `cores` there are.
    pub(super) fn look(&mut self, now: Moment, used_us: u64, cores: u32) -> Turn {
        let (at, used_before_us) = std::mem::replace(&mut self.last, (now, used_us));
        // A sum that shrinks has lost a process that nobody waited for.
        let used = signed(used_us.saturating_sub(used_before_us));
        let earned = signed(now.since_ms(at)).saturating_mul(i64::from(self.millicores));
        let savings_max = self.quota_us().max(2 * SLICE_MIN_US);
        self.balance_us =
            self.balance_us.saturating_add(earned).saturating_sub(used).min(savings_max);
        self.runs = match self.runs {
            true => self.balance_us > 0,
            false => self.balance_us >= self.slice_us(),
        };
        let look_in_ms = if self.runs {
            // All cores at work empty it in this time at the earliest.
            let ms = unsigned(self.balance_us) / (u64::from(cores.max(1)) * 1000);
            ms.clamp(LOOK_MIN_MS, LOOK_MAX_MS)
        } else {
            let missing = unsigned(self.slice_us().saturating_sub(self.balance_us));
            missing.div_ceil(u64::from(self.millicores.max(1))).clamp(1, WAIT_MAX_MS)
        };
        Turn { runs: self.runs, look_in_ms }
    }

    /// What may be used in [`PERIOD_MS`].
    fn quota_us(&self) -> i64 {
        i64::from(self.millicores) * PERIOD_MS
    }

    fn slice_us(&self) -> i64 {
        (self.quota_us() / 2).max(SLICE_MIN_US)
    }
}

/// Whether more was used between two measurements than allowed.
pub(super) fn exceeds(before: (Moment, u64), now: (Moment, u64), millicores: u32) -> bool {
    let used_us = now.1.saturating_sub(before.1);
    used_us > now.0.since_ms(before.0).saturating_mul(u64::from(millicores))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives through this many seconds with so many busy threads; says how much was used, in
    /// thousandths of a core, and the longest time that the seat had to wait, in ms.
    fn live(millicores: u32, threads: u64, cores: u32, seconds: u64) -> (u64, u64) {
        let mut pace = Pace::new(millicores, Moment(0), 0);
        let (mut now_ms, mut used_us, mut longest_wait_ms, mut waited_ms) = (0, 0, 0, 0);
        let mut runs = true;
        while now_ms < seconds * 1000 {
            // The system tells CPU time in ticks of 10 ms.
            let told_us = used_us / 10_000 * 10_000;
            let turn = pace.look(Moment(now_ms), told_us, cores);
            assert!(turn.look_in_ms >= 1, "it does not spin");
            if turn.runs != runs {
                (runs, waited_ms) = (turn.runs, 0);
            }
            if runs {
                used_us += turn.look_in_ms * 1000 * threads.min(u64::from(cores));
            } else {
                waited_ms += turn.look_in_ms;
                longest_wait_ms = longest_wait_ms.max(waited_ms);
            }
            now_ms += turn.look_in_ms;
        }
        (used_us / (seconds * 1000), longest_wait_ms)
    }

    #[test]
    fn over_some_seconds_no_more_is_used_than_allowed_and_not_much_less() {
        for (millicores, threads, cores) in [
            (50, 1, 1),
            (50, 2, 2),
            (500, 1, 2),
            (500, 2, 2),
            (500, 64, 64),
            (1_000, 2, 2),
            (1_500, 2, 2),
            (1_500, 16, 16),
            (12_000, 16, 16),
        ] {
            let (used, longest_wait_ms) = live(millicores, threads, cores, 10);
            let wanted = u64::from(millicores);
            assert!(
                used <= wanted + wanted / 50 + 2,
                "{millicores} by {threads} of {cores}: {used}"
            );
            assert!(used + wanted / 10 >= wanted, "{millicores} by {threads} of {cores}: {used}");
            assert!(longest_wait_ms <= 1_000, "{millicores} of {cores}: {longest_wait_ms} ms");
        }
    }

    #[test]
    fn who_keeps_to_the_limit_never_waits() {
        let mut pace = Pace::new(500, Moment(0), 0);
        pace.look(Moment(100), 0, 2);
        for step in 1..1_000 {
            let turn = pace.look(Moment(100 + step * 20), step * 9_000, 2);
            assert!(turn.runs, "at step {step}");
        }
    }

    #[test]
    fn little_can_be_saved_up() {
        let mut pace = Pace::new(500, Moment(0), 0);
        pace.look(Moment(3_600_000), 0, 1);
        assert_eq!(pace.balance_us, 50_000);
        // And a sum that shrinks is no saving either.
        pace.last.1 = 7_000_000;
        pace.look(Moment(3_600_000), 1_000_000, 1);
        assert_eq!(pace.balance_us, 50_000);
    }

    #[test]
    fn a_second_over_the_limit_is_seen() {
        let before = (Moment(1_000), 5_000_000);
        assert!(!exceeds(before, (Moment(2_000), 5_500_000), 500));
        assert!(exceeds(before, (Moment(2_000), 5_500_001), 500));
        assert!(!exceeds(before, (Moment(2_000), 1), 500), "a process has gone");
    }
}
