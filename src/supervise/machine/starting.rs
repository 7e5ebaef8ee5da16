//! Absent to Ready: who asks, the queue, the launch, the questions about its health.

use std::sync::Arc;

use super::seat::{Probing, Ready, Seat, State};
use super::{Machine, Refusal};
use crate::clock::Moment;
use crate::domain::{Actor, Failure, Generation, SeatKey, StopReason};
use crate::launch::Started;
use crate::supervise::Happening;
use crate::supervise::activity::{Activity, CpuMeter};
use crate::supervise::event::{Action, WaiterId};
use crate::supervise::rules::WEIGH_OFTEN_MS;

impl Machine {
    /// Somebody wants the seat.
    pub(super) fn acquire(&mut self, now: Moment, seat: &mut Seat, waiter: Option<WaiterId>) {
        if let Err(refusal) = self.may_have(now, seat) {
            return self.refuse(now, seat, waiter, refusal);
        }
        match (&seat.state, waiter) {
            (State::Ready(ready), Some(waiter)) if ready.examined_until.is_none() => {
                let (key, generation) = (Arc::clone(&seat.key), seat.generation);
                return self.act(Action::Grant { waiter, key, generation });
            }
            (State::Stopping(_), None) => seat.start_again = true,
            (State::Absent | State::Backoff { .. }, _) => {
                let actor = Actor::User(seat.key.user.clone());
                self.enqueue(now, seat, actor);
            }
            (
                State::Queued
                | State::Launching { .. }
                | State::Probing(_)
                | State::Ready(_)
                | State::Stopping(_)
                | State::Failed { .. },
                _,
            ) => {}
        }
        match waiter {
            Some(waiter) => seat.waiters.push(waiter),
            None => self.reply(Ok(())),
        }
    }

    /// Whether a request may have the seat or wait for it.
    fn may_have(&self, now: Moment, seat: &Seat) -> Result<(), Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::Draining);
        }
        match &seat.state {
            State::Absent => self.has_place()?,
            State::Backoff { until, failure, .. } if *until > now => {
                let (failure, retry_after_ms) = (failure.clone(), until.since_ms(now));
                return Err(Refusal::BackingOff { failure, retry_after_ms });
            }
            State::Backoff { .. } => self.has_place()?,
            State::Failed { failure } => {
                return Err(Refusal::Failed { failure: failure.clone(), retry_after_ms: None });
            }
            State::Stopping(stopping) => stopping.may_be_waited_for(now)?,
            State::Queued | State::Launching { .. } | State::Probing(_) | State::Ready(_) => {}
        }
        let waiting_max = self.limits.waiting_per_seat_max;
        match usize::try_from(waiting_max) {
            Ok(max) if seat.waiters.len() >= max => Err(Refusal::TooManyWaiting { waiting_max }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether one more seat may be started.
    pub(super) fn has_place(&self) -> Result<(), Refusal> {
        let seats_max = self.limits.seats_max;
        match usize::try_from(seats_max) {
            Ok(max) if self.occupied() >= max => Err(Refusal::Full { seats_max }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Puts a seat at the end of the queue.
    pub(super) fn enqueue(&mut self, now: Moment, seat: &mut Seat, actor: Actor) {
        seat.asked_by = actor;
        seat.asked_at = now;
        seat.start_again = false;
        self.ended.forget(&seat.key);
        seat.enter(now, State::Queued);
        self.queue.push_back(Arc::clone(&seat.key));
    }

    /// Launches those at the head of the queue, as many as may start at once.
    pub(super) fn launch_next(&mut self, now: Moment) {
        if self.adopting || self.draining.is_some() {
            return;
        }
        let starts_max = usize::try_from(self.limits.starts_at_once_max).unwrap_or(usize::MAX);
        let places = starts_max.saturating_sub(self.starting());
        for _ in 0..places {
            let Some(index) = self.queue.iter().position(|key| !self.has_stray(key)) else {
                return;
            };
            let Some(key) = self.queue.remove(index) else { return };
            self.with_seat(&key, None, |machine, seat| machine.launch(now, seat));
        }
    }

    /// Whether an old process of this seat is still being ended.
    fn has_stray(&self, key: &Arc<SeatKey>) -> bool {
        self.strays.iter().any(|(stray, _)| stray == key)
    }

    fn launch(&mut self, now: Moment, seat: &mut Seat) {
        self.generation_last = self.generation_last.next();
        seat.generation = self.generation_last;
        seat.enter(now, State::Launching { launched_at: now });
        self.note(seat, Happening::Launching, seat.asked_by.clone());
        let (key, generation) = (Arc::clone(&seat.key), seat.generation);
        self.act(Action::Launch { key, generation });
    }

    /// There is a process.
    pub(super) fn launched(&mut self, now: Moment, seat: &mut Seat, started: Arc<Started>) {
        match seat.state {
            State::Launching { launched_at } => {
                self.probe(now, seat, started, launched_at, false);
            }
            State::Stopping(_) => self.launched_too_late(now, seat, &started),
            // Said twice.
            State::Absent
            | State::Queued
            | State::Probing(_)
            | State::Ready(_)
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    pub(super) fn probe(
        &mut self,
        now: Moment,
        seat: &mut Seat,
        started: Arc<Started>,
        launched_at: Moment,
        was_ready_before: bool,
    ) {
        self.act(Action::Watch(Arc::clone(&started)));
        self.act(Action::Probe(Arc::clone(&started)));
        let probing = Probing { started, launched_at, probing_at: now, was_ready_before };
        seat.enter(now, State::Probing(probing));
    }

    /// There is no process.
    pub(super) fn launch_failed(&mut self, now: Moment, seat: &mut Seat, failure: Failure) {
        match seat.state {
            State::Launching { .. } => {
                let fault = self.start_failed(now, seat, failure);
                self.settle(now, seat, Some(fault));
            }
            State::Stopping(_) => self.aborted(now, seat),
            State::Absent
            | State::Queued
            | State::Probing(_)
            | State::Ready(_)
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    /// It answers.
    pub(super) fn healthy(&mut self, now: Moment, seat: &mut Seat) {
        // Usher leaves: whether it is ready is the next usher's question.
        if self.draining.is_some() {
            return;
        }
        match &mut seat.state {
            State::Probing(_) => self.become_ready(now, seat),
            State::Ready(ready) if ready.examined_until.is_some() => {
                ready.examined_until = None;
                let started = Arc::clone(&ready.started);
                self.act(Action::Publish(started));
                self.grant_all(seat);
            }
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Ready(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    fn become_ready(&mut self, now: Moment, seat: &mut Seat) {
        let State::Probing(Probing { started, launched_at, probing_at, was_ready_before }) =
            &seat.state
        else {
            return;
        };
        let started = Arc::clone(started);
        let mut ready = Ready {
            launched_at: *launched_at,
            probing_at: *probing_at,
            ready_at: now,
            activity: Activity::default(),
            kept_at: None,
            meter: CpuMeter::default(),
            is_slowed_down: false,
            computed_at: None,
            memory_bytes: None,
            threads: None,
            open_files: None,
            look_at: None,
            weigh_at: started.pid.map(|_| now.plus_ms(WEIGH_OFTEN_MS)),
            outdated: started.fingerprint != seat.rules.fingerprint,
            sealing: None,
            examined_until: None,
            started: Arc::clone(&started),
        };
        ready.look_at = ready.next_look(&seat.rules, now);
        if !was_ready_before {
            self.note_ready(now, seat, &started, *launched_at);
        }
        self.act(Action::Publish(started));
        seat.enter(now, State::Ready(Box::new(ready)));
        self.grant_all(seat);
    }

    fn note_ready(&mut self, now: Moment, seat: &Seat, started: &Started, launched_at: Moment) {
        let start_ms = now.since_ms(launched_at);
        let queued_ms = launched_at.since_ms(seat.asked_at);
        self.history.add(&seat.key, start_ms);
        let what = Happening::Ready { kind: started.kind, start_ms, queued_ms };
        self.note(seat, what, seat.asked_by.clone());
    }

    fn grant_all(&mut self, seat: &mut Seat) {
        for waiter in seat.waiters.drain(..) {
            let (key, generation) = (Arc::clone(&seat.key), seat.generation);
            self.actions.push(Action::Grant { waiter, key, generation });
        }
    }

    /// It is not ready within `start_timeout`.
    pub(super) fn start_is_late(&mut self, now: Moment, seat: &mut Seat) {
        if matches!(&seat.state, State::Probing(probing) if probing.was_ready_before) {
            // A program that computes inside C code may not answer for minutes; its person's
            // work is not ended for that.
            let (key, generation) = (Arc::clone(&seat.key), seat.generation);
            self.act(Action::EndProbe { key, generation });
            return self.become_ready(now, seat);
        }
        let failure = Failure::NotReadyInTime { limit_ms: seat.rules.start_timeout_ms };
        self.refuse_all(seat, &Refusal::TooSlow);
        let fault = self.start_failed(now, seat, failure);
        self.begin_stopping(now, seat, Some(StopReason::StartTimeout), Some(fault));
    }

    /// A generation of an earlier usher is never given out again.
    pub(super) fn saw_generation(&mut self, generation: Generation) {
        self.generation_last = self.generation_last.max(generation);
    }
}
