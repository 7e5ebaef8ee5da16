//! What must hold after every step. In tests and debug builds a violation panics; a release
//! build says so, counts it and fails the one seat, never the door.

use std::fmt;
use std::sync::Arc;

use super::Machine;
use super::seat::{Seat, State};
use crate::domain::SeatKey;
use crate::supervise::Drain;

/// A rule of the machine that was broken: a fault in usher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// At which seat.
    pub key: Arc<SeatKey>,
    /// Which rule.
    pub rule: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.rule)
    }
}

impl Machine {
    /// The first rule that does not hold, if any.
    pub fn violation(&self) -> Option<Violation> {
        let of_seat = |seat: &Seat| {
            let rule = self.broken_rule(seat)?;
            Some(Violation { key: Arc::clone(&seat.key), rule })
        };
        self.queue_violation().or_else(|| self.seats.values().find_map(of_seat))
    }

    /// How many rules were broken since the start. Anything but 0 is a fault in usher.
    pub fn violations(&self) -> u64 {
        self.violations
    }

    fn queue_violation(&self) -> Option<Violation> {
        let misplaced = |key: &&Arc<SeatKey>| {
            let in_queue = self.queue.iter().filter(|other| other == key).count();
            let queued =
                self.seats.get(*key).is_some_and(|seat| matches!(seat.state, State::Queued));
            in_queue != 1 || !queued
        };
        self.queue.iter().find(misplaced).map(|key| Violation {
            key: Arc::clone(key),
            rule: "whoever is in the queue is Queued, and is in it once",
        })
    }

    fn broken_rule(&self, seat: &Seat) -> Option<&'static str> {
        let may_wait = match &seat.state {
            State::Queued | State::Launching { .. } | State::Probing(_) | State::Stopping(_) => {
                true
            }
            State::Ready(ready) => ready.examined_until.is_some(),
            State::Absent | State::Backoff { .. } | State::Failed { .. } => false,
        };
        let is_queued = matches!(seat.state, State::Queued);
        let started = seat.started();
        let holds = [
            (!matches!(seat.state, State::Absent), "an Absent seat has no entry"),
            (is_queued == self.queue.contains(&seat.key), "whoever is Queued is in the queue"),
            (may_wait || seat.waiters.is_empty(), "nobody waits where nothing can come"),
            (
                self.draining.is_none() || (seat.waiters.is_empty() && !is_queued),
                "nobody waits for a seat while usher leaves",
            ),
            (
                self.draining != Some(Drain::StopSeats) || !matches!(seat.state, State::Ready(_)),
                "no seat is ready after usher stopped them",
            ),
            (seat.generation <= self.generation_last, "generations are given out in order"),
            (
                started.is_none_or(|started| {
                    started.generation == seat.generation && started.key == *seat.key
                }),
                "a seat's process is that of its latest launch",
            ),
        ];
        holds.into_iter().find(|(holds, _)| !holds).map(|(_, rule)| rule)
    }

    /// After every step. After a tick, besides, no moment of the past is left: the driver would
    /// spin.
    pub(super) fn check(&mut self, ticked: bool) {
        let now = self.now;
        let is_past = |seat: &&Seat| self.deadline_of(seat).is_some_and(|at| at <= now);
        let spins = self.seats.values().find(|seat| ticked && is_past(seat)).map(|seat| {
            Violation { key: Arc::clone(&seat.key), rule: "a tick leaves no moment of the past" }
        });
        let Some(violation) = self.violation().or(spins) else { return };
        debug_assert!(false, "{violation}: {:?}", self.seats.get(&violation.key));
        self.violations += 1;
        self.fail_for_fault(now, &violation.key, violation.rule);
    }
}
