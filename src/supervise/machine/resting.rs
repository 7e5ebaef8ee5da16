//! A ready seat: its rules are looked at, it is measured, and it is examined when it refused a
//! connection.
//!
//! The machine is not told of single requests. It looks when a rule could have come true at the
//! earliest, sees what happened until then, and either ends the seat or looks again later. A seat
//! that should end because nobody uses it is sealed first; if somebody came in between, the next
//! look is at least [`RECHECK_MS`] later, so a failing seal cannot loop.

use std::sync::Arc;

use super::Machine;
use super::seat::{Ready, Seat, State};
use crate::clock::Moment;
use crate::domain::{Actor, CloseCode, Failure, StopReason};
use crate::launch::{Allowance, Usage};
use crate::supervise::activity::Activity;
use crate::supervise::event::Action;
use crate::supervise::rules::{
    EXAMINE_MS, RECHECK_MS, SeatRules, WEIGH_LOST_MS, WEIGH_MS, WEIGH_OFTEN_MS,
};

/// What a look at a ready seat leads to.
enum Finding {
    LookAgain(Option<Moment>),
    Seal(StopReason),
    Stop(StopReason),
}

impl Machine {
    /// One of the moments of a ready seat has come.
    pub(super) fn ready_is_due(&mut self, now: Moment, seat: &mut Seat) {
        let State::Ready(ready) = &mut seat.state else { return };
        let (key, generation) = (Arc::clone(&seat.key), seat.generation);
        if ready.examined_until.is_some_and(|until| until <= now) {
            let (doing, cause) = ("asking the seat", "it refuses connections".to_owned());
            return self.unhealthy(now, seat, Failure::System { doing, cause });
        }
        if ready.look_at.is_some_and(|at| at <= now) {
            // The answer sets the next look; without one there is a look all the same.
            ready.look_at = Some(now.plus_ms(RECHECK_MS));
            self.actions.push(Action::Observe { key, generation });
        }
        if ready.weigh_at.is_some_and(|at| at <= now) {
            ready.weigh_at = Some(now.plus_ms(WEIGH_LOST_MS));
            let started = Arc::clone(&ready.started);
            self.actions.push(Action::Weigh { started, allowance: seat.rules.allowance });
        }
    }

    /// What happened at it.
    pub(super) fn observed(&mut self, now: Moment, seat: &mut Seat, activity: Activity) {
        let State::Ready(ready) = &mut seat.state else { return };
        ready.activity = activity;
        if self.draining.is_some() {
            return;
        }
        match ready.finding(&seat.rules, now) {
            Finding::LookAgain(at) => ready.look_at = at,
            Finding::Seal(reason) => {
                ready.sealing = Some(reason);
                ready.look_at = Some(now.plus_ms(RECHECK_MS));
                let (key, generation) = (Arc::clone(&seat.key), seat.generation);
                self.act(Action::SealIfUnused { key, generation });
            }
            Finding::Stop(reason) => {
                self.stop(now, seat, reason, CloseCode::SeatEnded, &Actor::Usher);
            }
        }
    }

    /// Nobody used it, and nobody can any more.
    pub(super) fn sealed(&mut self, now: Moment, seat: &mut Seat) {
        if let State::Ready(ready) = &mut seat.state
            && let Some(reason) = ready.sealing.take()
        {
            self.stop(now, seat, reason, CloseCode::SeatEnded, &Actor::Usher);
        }
    }

    /// Somebody came just in time.
    pub(super) fn busy(&mut self, now: Moment, seat: &mut Seat, activity: Activity) {
        if let State::Ready(ready) = &mut seat.state {
            ready.activity = activity;
            ready.sealing = None;
            ready.look_at = Some(now.plus_ms(RECHECK_MS));
        }
    }

    /// It was measured; `None`: there is nothing to measure.
    pub(super) fn weighed(&mut self, now: Moment, seat: &mut Seat, usage: Option<Usage>) {
        let State::Ready(ready) = &mut seat.state else { return };
        if let Some(usage) = usage {
            ready.memory_bytes = Some(usage.memory_bytes);
            ready.threads = Some(usage.threads);
            ready.open_files = Some(usage.open_files);
            ready.is_slowed_down = usage.is_slowed_down;
            ready.meter.add(now, usage.cpu_ms);
            // Who is slowed down computes, however little it gets.
            if ready.meter.computes() || usage.is_slowed_down {
                ready.computed_at = Some(now);
            }
        }
        let may_stop_soon = ready.look_at.is_some_and(|at| at <= now.plus_ms(2 * WEIGH_MS));
        let has_limit = seat.rules.allowance != Allowance::default();
        let often = has_limit || may_stop_soon;
        ready.weigh_at = Some(now.plus_ms(if often { WEIGH_OFTEN_MS } else { WEIGH_MS }));
        if let (Some(used_bytes), Some(limit_bytes)) =
            (ready.memory_bytes, seat.rules.allowance.memory_max_bytes)
            && used_bytes > limit_bytes
            && self.draining.is_none()
        {
            let reason = StopReason::Memory { used_bytes, limit_bytes };
            self.stop(now, seat, reason, CloseCode::SeatEnded, &Actor::Usher);
        }
    }

    /// It refused a connection. Until it is known whether it is gone, nobody gets a lease.
    pub(super) fn suspected(&mut self, now: Moment, seat: &mut Seat) {
        if let State::Ready(ready) = &mut seat.state
            && ready.examined_until.is_none()
            && self.draining.is_none()
        {
            ready.examined_until = Some(now.plus_ms(EXAMINE_MS));
            let started = Arc::clone(&ready.started);
            let (key, generation) = (Arc::clone(&seat.key), seat.generation);
            self.act(Action::Suspend { key, generation });
            self.act(Action::Probe(started));
        }
    }
}

impl Ready {
    fn finding(&self, rules: &SeatRules, now: Moment) -> Finding {
        if self.examined_until.is_some() {
            return Finding::LookAgain(Some(now.plus_ms(RECHECK_MS)));
        }
        if self.outdated && self.activity.is_quiet(now) {
            return Finding::Seal(StopReason::Replaced);
        }
        match self.outlook(rules, now).stop {
            Some((at, StopReason::Idle)) if at <= now => Finding::Seal(StopReason::Idle),
            Some((at, reason)) if at <= now => Finding::Stop(reason),
            Some(_) | None => Finding::LookAgain(self.next_look(rules, now)),
        }
    }

    /// When a rule could end it at the earliest.
    pub(super) fn next_look(&self, rules: &SeatRules, now: Moment) -> Option<Moment> {
        let soon = Some(now.plus_ms(RECHECK_MS)).filter(|_| self.outdated);
        let of_rules = self.outlook(rules, now).look_again_at;
        of_rules.into_iter().chain(soon).min().map(|at| at.max(now.plus_ms(1)))
    }
}
