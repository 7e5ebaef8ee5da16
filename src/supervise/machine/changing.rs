//! What changes around the seats: the configuration, usher's own coming and going.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Machine;
use super::seat::{Fault, Seat, State};
use crate::clock::Moment;
use crate::domain::{Actor, CloseCode, Failure, Generation, SeatKey, StopReason};
use crate::launch::Started;
use crate::supervise::event::Action;
use crate::supervise::rules::{Limits, SeatRules};
use crate::supervise::{Drain, Happening, Refusal};

impl Machine {
    /// Applies a new configuration to every seat.
    pub(super) fn configured(
        &mut self,
        now: Moment,
        limits: Limits,
        rules: &BTreeMap<Arc<SeatKey>, Arc<SeatRules>>,
    ) {
        self.limits = limits;
        let keys: Vec<_> = self.seats.keys().map(Arc::clone).collect();
        for key in keys {
            self.with_seat(&key, None, |machine, seat| match rules.get(&key) {
                Some(rules) => machine.rules_changed(now, seat, rules),
                None => machine.removed(now, seat),
            });
        }
    }

    fn removed(&mut self, now: Moment, seat: &mut Seat) {
        self.stop(now, seat, StopReason::Removed, CloseCode::Kicked, &Actor::Usher);
    }

    fn rules_changed(&mut self, now: Moment, seat: &mut Seat, rules: &Arc<SeatRules>) {
        let role_changed = seat.rules.role != rules.role;
        let launch_changed = seat.rules.fingerprint != rules.fingerprint;
        let allowance_changed = seat.rules.allowance != rules.allowance;
        seat.rules = Arc::clone(rules);
        match &mut seat.state {
            State::Absent | State::Queued => {}
            State::Launching { .. } | State::Probing(_) if launch_changed => {
                // Nobody has used it yet: the launch is made anew at once.
                seat.start_again = true;
                self.stop(now, seat, StopReason::Replaced, CloseCode::SeatEnded, &Actor::Usher);
            }
            // The app was told the role; it must not go on with one that was taken away.
            State::Ready(_) if role_changed => {
                self.stop(now, seat, StopReason::Replaced, CloseCode::SeatEnded, &Actor::Usher);
            }
            State::Ready(ready) => {
                let outdated = ready.started.fingerprint != rules.fingerprint;
                let is_news = outdated && !ready.outdated;
                ready.outdated = outdated;
                ready.look_at = Some(now);
                if allowance_changed && ready.weigh_at.is_some() {
                    ready.weigh_at = Some(now);
                }
                if is_news {
                    self.note(seat, Happening::Outdated, Actor::Usher);
                }
            }
            State::Stopping(stopping) if launch_changed => {
                stopping.fault = None;
                seat.failures.clear();
            }
            State::Backoff { .. } | State::Failed { .. } if launch_changed => {
                seat.failures.clear();
                seat.enter(now, State::Absent);
            }
            State::Launching { .. }
            | State::Probing(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    /// A process that an earlier usher left: taken over, or ended if it belongs to nobody.
    pub(super) fn adopt(
        &mut self,
        now: Moment,
        started: Arc<Started>,
        age_ms: u64,
        rules: Option<Arc<SeatRules>>,
    ) {
        self.saw_generation(started.generation);
        if self.draining == Some(Drain::KeepSeats) {
            return;
        }
        let key = Arc::new(started.key.clone());
        let stray = Arc::new(SeatRules::of_stray(started.fingerprint));
        let belongs = rules.is_some() && self.draining.is_none();
        self.with_seat(&key, Some(&rules.unwrap_or(stray)), |machine, seat| {
            // Two for one seat: the younger one is it.
            if seat.generation >= started.generation && seat.generation != Generation(0) {
                return machine.end_stray(&key, started);
            }
            if let Some(other) = seat.started().map(Arc::clone) {
                machine.end_stray(&key, other);
            } else if matches!(seat.state, State::Stopping(_)) {
                // The older one is being cleaned up already.
                machine.strays.insert((Arc::clone(&key), seat.generation));
            }
            machine.queue.retain(|queued| *queued != key);
            seat.generation = started.generation;
            let launched_at = Moment(now.0.saturating_sub(age_ms));
            let was_ready_before = age_ms >= seat.rules.start_timeout_ms;
            let kind = started.kind;
            machine.probe(now, seat, started, launched_at, was_ready_before);
            if belongs {
                machine.note(seat, Happening::Adopted { kind }, Actor::Usher);
            } else {
                let gone = machine.draining.map_or(StopReason::Removed, |_| StopReason::Shutdown);
                machine.stop(now, seat, gone, CloseCode::Kicked, &Actor::Usher);
            }
        });
    }

    /// Usher leaves: nobody gets or waits for a seat any more.
    pub(super) fn drain(&mut self, now: Moment, how: Drain) {
        // Who began to stop the seats does not come back to keeping them.
        if self.draining == Some(Drain::StopSeats) {
            return;
        }
        self.draining = Some(how);
        self.drained = false;
        let keys: Vec<_> = self.seats.keys().map(Arc::clone).collect();
        for key in keys {
            self.with_seat(&key, None, |machine, seat| {
                seat.start_again = false;
                machine.refuse_all(seat, &Refusal::Draining);
                match how {
                    Drain::StopSeats => machine.stop(
                        now,
                        seat,
                        StopReason::Shutdown,
                        // The browser should come back: whoever stops usher may start it again.
                        CloseCode::UsherRestarts,
                        &Actor::Usher,
                    ),
                    Drain::KeepSeats => machine.let_go(now, seat),
                }
            });
        }
    }

    /// The seat stays for the next usher, who finds every process that was recorded.
    fn let_go(&mut self, now: Moment, seat: &mut Seat) {
        match seat.state {
            State::Queued | State::Launching { .. } => {
                self.stop(now, seat, StopReason::Shutdown, CloseCode::UsherRestarts, &Actor::Usher);
            }
            State::Ready(_) => {
                let (key, generation) = (Arc::clone(&seat.key), seat.generation);
                let code = CloseCode::UsherRestarts;
                self.act(Action::Retire { key, generation, code });
            }
            State::Absent
            | State::Probing(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    /// Says once that nothing is left to be done.
    pub(super) fn tell_drained(&mut self) {
        let Some(how) = self.draining else { return };
        let is_pending = |seat: &Seat| match (&seat.state, how) {
            (State::Launching { .. } | State::Stopping(_) | State::Queued, _) => true,
            (State::Probing(_) | State::Ready(_), how) => how == Drain::StopSeats,
            (State::Absent | State::Backoff { .. } | State::Failed { .. }, _) => false,
        };
        let finding = self.adopting && how == Drain::StopSeats;
        if !self.drained
            && !finding
            && self.strays.is_empty()
            && !self.seats.values().any(is_pending)
        {
            self.drained = true;
            self.act(Action::Drained);
        }
    }

    /// A rule of the machine was broken at a seat: whatever runs is ended, and the seat is left
    /// failed, for somebody has to look at it. The door and the other seats go on.
    pub(super) fn fail_for_fault(&mut self, now: Moment, key: &Arc<SeatKey>, rule: &'static str) {
        self.queue.retain(|queued| queued != key);
        self.with_seat(key, None, |machine, seat| {
            let (doing, cause) = ("deciding", rule.to_owned());
            let failure = Failure::System { doing, cause };
            machine.note(seat, Happening::Violated { rule }, Actor::Usher);
            machine.refuse_all(
                seat,
                &Refusal::Failed { failure: failure.clone(), retry_after_ms: None },
            );
            seat.start_again = false;
            machine.stop(now, seat, StopReason::Replaced, CloseCode::SeatEnded, &Actor::Usher);
            match &mut seat.state {
                State::Stopping(stopping) => {
                    stopping.fault = Some(Fault { failure, next_try_at: None });
                }
                State::Absent
                | State::Queued
                | State::Launching { .. }
                | State::Probing(_)
                | State::Ready(_)
                | State::Backoff { .. }
                | State::Failed { .. } => seat.enter(now, State::Failed { failure }),
            }
        });
    }
}
