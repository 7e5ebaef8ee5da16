//! From anywhere to Absent: stops, failures, crashes, and what comes after the end.
//!
//! A launch ends in Stopping, always: aborting while there may or may not be a process,
//! terminating after it was asked to end, cleaning while whatever is left is killed and
//! forgotten. Only after that may the next launch begin.

use std::sync::Arc;

use super::seat::{Fault, Phase, Seat, State, Stopping};
use super::{Machine, Refusal};
use crate::clock::Moment;
use crate::domain::{Actor, CloseCode, Exit, Failure, StopReason};
use crate::launch::Started;
use crate::supervise::event::Action;
use crate::supervise::rules::{LINGER_MAX_MS, LINGER_MS};
use crate::supervise::{Drain, Happening};

impl Machine {
    /// Ends a seat, wherever it is in its life. Who waits goes on waiting for the next launch
    /// unless the reason speaks against it.
    pub(super) fn stop(
        &mut self,
        now: Moment,
        seat: &mut Seat,
        reason: StopReason,
        code: CloseCode,
        actor: &Actor,
    ) {
        if let Some(refusal) = refusal_of(&reason) {
            seat.start_again = false;
            self.refuse_all(seat, &refusal);
        }
        match &mut seat.state {
            State::Absent => {}
            State::Queued => {
                self.queue.retain(|key| *key != seat.key);
                self.settle(now, seat, None);
                self.rest(seat, reason);
            }
            State::Backoff { .. } | State::Failed { .. } => {
                seat.failures.clear();
                seat.enter(now, State::Absent);
                self.rest(seat, reason);
            }
            // What the seat does after its end is decided anew.
            State::Stopping(stopping) => stopping.fault = None,
            State::Launching { .. } | State::Probing(_) | State::Ready(_) => {
                self.note(seat, Happening::Stopping { reason: reason.clone() }, actor.clone());
                if matches!(seat.state, State::Ready(_)) {
                    self.retire(seat, code);
                }
                self.begin_stopping(now, seat, Some(reason), None);
            }
        }
    }

    fn retire(&mut self, seat: &Seat, code: CloseCode) {
        let (key, generation) = (Arc::clone(&seat.key), seat.generation);
        self.act(Action::Retire { key, generation, code });
    }

    /// Stopping, from a state with a launch.
    pub(super) fn begin_stopping(
        &mut self,
        now: Moment,
        seat: &mut Seat,
        reason: Option<StopReason>,
        fault: Option<Fault>,
    ) {
        let (key, generation) = (Arc::clone(&seat.key), seat.generation);
        let (phase, launched_at) = match &seat.state {
            State::Launching { launched_at } => {
                self.act(Action::AbortLaunch { key, generation });
                (Phase::Aborting { complain_at: now.plus_ms(LINGER_MS) }, *launched_at)
            }
            State::Probing(probing) => {
                self.act(Action::EndProbe { key, generation });
                let launched_at = probing.launched_at;
                (self.terminate(now, seat, &Arc::clone(&probing.started)), launched_at)
            }
            State::Ready(ready) => {
                if ready.examined_until.is_some() {
                    self.act(Action::EndProbe { key, generation });
                }
                let launched_at = ready.launched_at;
                (self.terminate(now, seat, &Arc::clone(&ready.started)), launched_at)
            }
            State::Absent
            | State::Queued
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => return,
        };
        let stopping = Stopping { phase, launched_at, stopping_at: now, reason, fault, exit: None };
        seat.enter(now, State::Stopping(stopping));
    }

    /// Asks the process to end; what was not started by usher is only let go.
    fn terminate(&mut self, now: Moment, seat: &Seat, started: &Arc<Started>) -> Phase {
        if started.pid.is_none() {
            return self.clean(now, started);
        }
        self.act(Action::Stop(Arc::clone(started)));
        let kill_at = now.plus_ms(seat.rules.stop_grace_ms);
        Phase::Terminating { started: Arc::clone(started), kill_at }
    }

    fn clean(&mut self, now: Moment, started: &Arc<Started>) -> Phase {
        self.act(Action::Clean(Arc::clone(started)));
        Phase::Cleaning { complain_at: now.plus_ms(LINGER_MS) }
    }

    /// A process that turned up when its launch was given up already.
    pub(super) fn launched_too_late(
        &mut self,
        now: Moment,
        seat: &mut Seat,
        started: &Arc<Started>,
    ) {
        if let State::Stopping(stopping) = &mut seat.state
            && matches!(stopping.phase, Phase::Aborting { .. })
        {
            stopping.phase = self.clean(now, started);
        }
    }

    /// The launch that was given up left no process.
    pub(super) fn aborted(&mut self, now: Moment, seat: &mut Seat) {
        if matches!(&seat.state, State::Stopping(stopping) if matches!(stopping.phase, Phase::Aborting { .. }))
        {
            self.ended(now, seat);
        }
    }

    /// The process has ended; its children, its record and its socket may be left.
    pub(super) fn exited(&mut self, now: Moment, seat: &mut Seat, exit: Exit) {
        match &mut seat.state {
            State::Probing(_) => {
                let fault = self.start_failed(now, seat, Failure::ExitedEarly(exit));
                self.begin_cleaning(now, seat, exit, None, Some(fault));
            }
            State::Ready(_) => match exit {
                // As if usher had measured it: that is a stop, no crash.
                Exit::OutOfMemory { limit_bytes } => {
                    let reason = StopReason::Memory { used_bytes: limit_bytes, limit_bytes };
                    let what = Happening::Stopping { reason: reason.clone() };
                    self.note(seat, what, Actor::Usher);
                    self.retire(seat, CloseCode::SeatEnded);
                    self.begin_cleaning(now, seat, exit, Some(reason), None);
                }
                Exit::Code(_) | Exit::Signal(_) | Exit::Unknown => {
                    let fault = self.crashed(now, seat, Failure::Crashed(exit));
                    self.begin_cleaning(now, seat, exit, None, Some(fault));
                }
            },
            State::Stopping(stopping) => {
                stopping.exit.get_or_insert(exit);
                if let Phase::Terminating { started, .. } = &stopping.phase {
                    let started = Arc::clone(started);
                    stopping.phase = self.clean(now, &started);
                }
            }
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Backoff { .. }
            | State::Failed { .. } => {}
        }
    }

    fn begin_cleaning(
        &mut self,
        now: Moment,
        seat: &mut Seat,
        exit: Exit,
        reason: Option<StopReason>,
        fault: Option<Fault>,
    ) {
        let (started, launched_at) = match &seat.state {
            State::Probing(probing) => (Arc::clone(&probing.started), probing.launched_at),
            State::Ready(ready) => (Arc::clone(&ready.started), ready.launched_at),
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => return,
        };
        let (key, generation) = (Arc::clone(&seat.key), seat.generation);
        self.act(Action::EndProbe { key, generation });
        let stopping = Stopping {
            phase: self.clean(now, &started),
            launched_at,
            stopping_at: now,
            reason,
            fault,
            exit: Some(exit),
        };
        seat.enter(now, State::Stopping(stopping));
    }

    /// Somebody else answers in its place, or it can never answer.
    pub(super) fn unhealthy(&mut self, now: Moment, seat: &mut Seat, failure: Failure) {
        match &seat.state {
            State::Probing(_) => {
                let fault = self.start_failed(now, seat, failure);
                self.begin_stopping(now, seat, None, Some(fault));
            }
            State::Ready(ready) if ready.examined_until.is_some() => {
                let fault = self.crashed(now, seat, failure);
                self.begin_stopping(now, seat, None, Some(fault));
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

    /// A start failed: whoever waited for it is told at once.
    pub(super) fn start_failed(&mut self, now: Moment, seat: &mut Seat, failure: Failure) -> Fault {
        let next = seat.failures.add(now, &failure, false, &seat.rules);
        let (failures, retry_after_ms) = (next.failures, next.wait_ms);
        let what = Happening::StartFailed { failure: failure.clone(), failures, retry_after_ms };
        self.note(seat, what, seat.asked_by.clone());
        seat.start_again = false;
        self.refuse_all(seat, &Refusal::Failed { failure: failure.clone(), retry_after_ms });
        Fault { failure, next_try_at: retry_after_ms.map(|ms| now.plus_ms(ms)) }
    }

    /// A ready seat failed. Who waits while it was examined gets the next launch if that may
    /// begin at once.
    pub(super) fn crashed(&mut self, now: Moment, seat: &mut Seat, failure: Failure) -> Fault {
        let next = seat.failures.add(now, &failure, true, &seat.rules);
        let (failures, retry_after_ms) = (next.failures, next.wait_ms);
        let ran_ms = match &seat.state {
            State::Ready(ready) => now.since_ms(ready.launched_at),
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Probing(_)
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => 0,
        };
        let what =
            Happening::Crashed { failure: failure.clone(), ran_ms, failures, retry_after_ms };
        self.note(seat, what, Actor::Usher);
        self.retire(seat, CloseCode::SeatEnded);
        if retry_after_ms != Some(0) {
            self.refuse_all(seat, &Refusal::Failed { failure: failure.clone(), retry_after_ms });
        }
        Fault { failure, next_try_at: retry_after_ms.map(|ms| now.plus_ms(ms)) }
    }

    /// Time has passed for a seat that is to end.
    pub(super) fn stopping_is_due(&mut self, now: Moment, seat: &mut Seat) {
        let State::Stopping(stopping) = &mut seat.state else { return };
        let since_ms = now.since_ms(stopping.stopping_at);
        match &mut stopping.phase {
            Phase::Terminating { started, .. } => {
                let started = Arc::clone(started);
                stopping.phase = self.clean(now, &started);
            }
            Phase::Aborting { complain_at } | Phase::Cleaning { complain_at } => {
                *complain_at = now.plus_ms(since_ms.clamp(LINGER_MS, LINGER_MAX_MS));
                self.note(seat, Happening::Lingers { since_ms }, Actor::Usher);
            }
        }
    }

    /// Nothing is left of the launch.
    pub(super) fn cleaned(&mut self, now: Moment, seat: &mut Seat) {
        if matches!(&seat.state, State::Stopping(stopping) if matches!(stopping.phase, Phase::Cleaning { .. }))
        {
            self.ended(now, seat);
        }
    }

    fn ended(&mut self, now: Moment, seat: &mut Seat) {
        let State::Stopping(stopping) = &seat.state else { return };
        let (fault, reason) = (stopping.fault.clone(), stopping.reason.clone());
        if let Some(reason) = reason.clone() {
            let (exit, ran_ms) = (stopping.exit, now.since_ms(stopping.launched_at));
            self.note(seat, Happening::Stopped { reason, exit, ran_ms }, Actor::Usher);
        }
        self.settle(now, seat, fault);
        if let Some(reason) = reason {
            self.rest(seat, reason);
        }
    }

    /// Where a seat goes that has no launch any more.
    pub(super) fn settle(&mut self, now: Moment, seat: &mut Seat, fault: Option<Fault>) {
        if self.draining.is_none() && seat.is_wanted() {
            let actor = seat.asked_by.clone();
            return self.enqueue(now, seat, actor);
        }
        let stays = self.draining != Some(Drain::StopSeats);
        let state = match fault.filter(|_| stays) {
            None => State::Absent,
            Some(Fault { failure, next_try_at: None }) => State::Failed { failure },
            Some(Fault { failure, next_try_at: Some(until) }) => {
                let expires_at = seat.failures.expire_at(&seat.rules).unwrap_or(until).max(until);
                State::Backoff { until, expires_at: expires_at.max(now.plus_ms(1)), failure }
            }
        };
        seat.enter(now, state);
    }

    /// Ends a process that has no seat.
    pub(super) fn end_stray(&mut self, key: &Arc<crate::domain::SeatKey>, started: Arc<Started>) {
        let generation = started.generation;
        self.strays.insert((Arc::clone(key), generation));
        self.act(Action::EndProbe { key: Arc::clone(key), generation });
        self.act(Action::Clean(started));
    }
}

impl Stopping {
    /// Whether a request may wait for what comes after the end.
    pub(super) fn may_be_waited_for(&self, now: Moment) -> Result<(), Refusal> {
        match &self.fault {
            None => Ok(()),
            Some(Fault { failure, next_try_at: None }) => {
                Err(Refusal::Failed { failure: failure.clone(), retry_after_ms: None })
            }
            Some(Fault { failure, next_try_at: Some(at) }) if *at > now => {
                let (failure, retry_after_ms) = (failure.clone(), at.since_ms(now));
                Err(Refusal::BackingOff { failure, retry_after_ms })
            }
            Some(_) => Ok(()),
        }
    }
}

/// What those who wait are told when a seat is ended; `None`: they wait for the next launch.
fn refusal_of(reason: &StopReason) -> Option<Refusal> {
    match reason {
        StopReason::Ordered(_) | StopReason::Cancelled => Some(Refusal::Cancelled),
        StopReason::Removed => Some(Refusal::Removed),
        StopReason::Shutdown => Some(Refusal::Draining),
        StopReason::Idle
        | StopReason::Untouched
        | StopReason::Lifetime
        | StopReason::Memory { .. }
        | StopReason::Replaced
        | StopReason::StartTimeout => None,
    }
}
