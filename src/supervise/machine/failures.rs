//! How often a seat failed lately, and what follows.

use std::collections::VecDeque;

use crate::clock::Moment;
use crate::domain::Failure;
use crate::supervise::rules::{FAILURES_REMEMBERED_MAX, SeatRules, backoff_ms, counts_as_crash};

/// The failures of a seat within `restart.within`.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    /// When, and whether it counts as a crash; oldest first.
    at: VecDeque<(Moment, bool)>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Consequence {
    /// Failures that count, with this one.
    pub(super) failures: u32,
    /// How long the next try waits; `None`: the seat is left failed.
    pub(super) wait_ms: Option<u64>,
}

impl Failures {
    /// Adds a failure and says what follows from it.
    pub(super) fn add(
        &mut self,
        now: Moment,
        failure: &Failure,
        was_ready: bool,
        rules: &SeatRules,
    ) -> Consequence {
        self.forget_old(now, rules);
        if self.at.len() >= FAILURES_REMEMBERED_MAX {
            self.at.pop_front();
        }
        // Whatever ended a seat that had been ready is a crash.
        let counts = was_ready || counts_as_crash(failure);
        self.at.push_back((now, counts));
        let all = u32::try_from(self.at.len()).unwrap_or(u32::MAX);
        let failures = self.counted();
        let attempts_max = usize::try_from(rules.restart_attempts_max)
            .unwrap_or(usize::MAX)
            .clamp(1, FAILURES_REMEMBERED_MAX);
        let too_many = counts && usize::try_from(failures).is_ok_and(|n| n >= attempts_max);
        let wait_ms = (!too_many).then(|| backoff_ms(was_ready, all));
        Consequence { failures, wait_ms }
    }

    /// Failures that count as crashes.
    pub(super) fn counted(&self) -> u32 {
        let counted = self.at.iter().filter(|(_, counts)| *counts).count();
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    /// When the latest failure is old enough not to matter.
    pub(super) fn expire_at(&self, rules: &SeatRules) -> Option<Moment> {
        self.at.back().map(|(at, _)| at.plus_ms(rules.restart_within_ms))
    }

    /// Somebody acted: what was does not count any more.
    pub(super) fn clear(&mut self) {
        self.at.clear();
    }

    fn forget_old(&mut self, now: Moment, rules: &SeatRules) {
        while self.at.front().is_some_and(|(at, _)| now.since_ms(*at) >= rules.restart_within_ms) {
            self.at.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Exit;
    use crate::supervise::machine::tests::rules;

    #[test]
    fn crashes_lead_to_failed_and_missing_files_do_not() {
        let rules = SeatRules { restart_attempts_max: 3, restart_within_ms: 600_000, ..rules() };
        let crash = Failure::Crashed(Exit::Signal(9));
        let early = Failure::ExitedEarly(Exit::Code(1));
        let missing = Failure::ScriptMissing { path: "/a".to_owned() };
        let mut failures = Failures::default();
        for (second, failure, was_ready, counted, wait_ms) in [
            (0, &crash, true, 1, Some(0)),
            (10, &missing, false, 1, Some(4_000)),
            (20, &missing, false, 1, Some(8_000)),
            (30, &missing, false, 1, Some(15_000)),
            (50, &early, false, 2, Some(15_000)),
            // The first crash is old enough not to count any more.
            (601, &crash, true, 2, Some(8_000)),
            (602, &early, false, 3, None),
            (1_300, &crash, true, 1, Some(0)),
        ] {
            let now = Moment(second * 1_000);
            let consequence = failures.add(now, failure, was_ready, &rules);
            let expected = Consequence { failures: counted, wait_ms };
            assert_eq!(consequence, expected, "at {second} s");
        }
    }
}
