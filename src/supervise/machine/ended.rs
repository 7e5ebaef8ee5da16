//! Why seats that are Absent have ended, as far as it matters: what was ended for a good reason
//! shall not be started again by a page that somebody left open and that only reconnects.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Machine;
use super::seat::{Seat, State};
use crate::domain::{SeatKey, StopReason};

/// The most seats that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// The seats that were ended and that nobody has started since.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    reasons: BTreeMap<Arc<SeatKey>, StopReason>,
}

impl Ended {
    fn remember(&mut self, key: &Arc<SeatKey>, reason: StopReason) {
        if self.reasons.len() >= REMEMBERED_MAX && !self.reasons.contains_key(key) {
            // Rare and harmless: an open page may start somebody's seat again.
            self.reasons.pop_first();
        }
        self.reasons.insert(Arc::clone(key), reason);
    }

    /// It is started.
    pub(super) fn forget(&mut self, key: &SeatKey) {
        self.reasons.remove(key);
    }

    /// Why it rests; `None`: anything may start it.
    pub(super) fn reason(&self, key: &SeatKey) -> Option<&StopReason> {
        self.reasons.get(key)
    }
}

impl Machine {
    /// Remembers why a seat has ended, if it has, and if that is to last.
    pub(super) fn rest(&mut self, seat: &Seat, reason: StopReason) {
        if matches!(seat.state, State::Absent) && lasts(&reason) {
            self.ended.remember(&seat.key, reason);
        }
    }
}

/// Whether an end for this reason lasts until a person wants the seat again.
pub(super) fn lasts(reason: &StopReason) -> bool {
    match reason {
        StopReason::Idle
        | StopReason::Untouched
        | StopReason::Lifetime
        | StopReason::Memory { .. }
        | StopReason::Ordered(_)
        | StopReason::Cancelled => true,
        StopReason::Removed
        | StopReason::Replaced
        | StopReason::Shutdown
        | StopReason::StartTimeout => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::machine::tests::key;

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut ended = Ended::default();
        for number in 0..=REMEMBERED_MAX {
            ended.remember(&key(&format!("user{number:05}"), "main"), StopReason::Idle);
        }
        assert_eq!(ended.reasons.len(), REMEMBERED_MAX);
        assert_eq!(ended.reason(&key("user00000", "main")), None);
        let last = key(&format!("user{REMEMBERED_MAX:05}"), "main");
        assert_eq!(ended.reason(&last), Some(&StopReason::Idle));
        ended.forget(&last);
        assert_eq!(ended.reason(&last), None);
    }
}
