//! One seat: what the machine remembers of it. Data and small questions; the transitions are in
//! the files of the machine.

use std::sync::Arc;

use super::failures::Failures;
use crate::clock::Moment;
use crate::domain::{Actor, Exit, Failure, Generation, SeatKey, SeatState, StopReason};
use crate::launch::Started;
use crate::supervise::activity::{Activity, CpuMeter, Facts, Outlook};
use crate::supervise::event::WaiterId;
use crate::supervise::rules::{ADOPTED_SILENCE_MAX_MS, SeatRules};

/// A seat.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) key: Arc<SeatKey>,
    pub(super) rules: Arc<SeatRules>,
    pub(super) state: State,
    /// When it entered its state.
    pub(super) since: Moment,
    /// Its latest launch; 0 before the first.
    pub(super) generation: Generation,
    /// Who waits for it, first come first.
    pub(super) waiters: Vec<WaiterId>,
    /// In Stopping: it shall start again although nobody may be waiting.
    pub(super) start_again: bool,
    /// Who asked for the latest start.
    pub(super) asked_by: Actor,
    /// When.
    pub(super) asked_at: Moment,
    pub(super) failures: Failures,
}

/// Where a seat is in its life, with what is only known there.
#[derive(Clone, Debug)]
pub(super) enum State {
    Absent,
    Queued,
    Launching { launched_at: Moment },
    Probing(Probing),
    Ready(Box<Ready>),
    Stopping(Stopping),
    Backoff { until: Moment, expires_at: Moment, failure: Failure },
    Failed { failure: Failure },
}

/// A process that does not answer yet.
#[derive(Clone, Debug)]
pub(super) struct Probing {
    pub(super) started: Arc<Started>,
    pub(super) launched_at: Moment,
    pub(super) probing_at: Moment,
    /// An earlier usher started it so long ago that it must have been ready: its silence means
    /// that it works.
    pub(super) was_ready_before: bool,
}

/// A seat that may be used.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) started: Arc<Started>,
    pub(super) launched_at: Moment,
    pub(super) probing_at: Moment,
    pub(super) ready_at: Moment,
    /// What was last seen to have happened at it.
    pub(super) activity: Activity,
    pub(super) kept_at: Option<Moment>,
    pub(super) meter: CpuMeter,
    /// Whether it was, when it was measured last, for it wants more CPU than it may have.
    pub(super) is_slowed_down: bool,
    pub(super) computed_at: Option<Moment>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) threads: Option<u32>,
    pub(super) open_files: Option<u32>,
    /// When the rules have to be looked at; `None`: no rule can end it.
    pub(super) look_at: Option<Moment>,
    /// When it is measured; `None`: it has no process of ours.
    pub(super) weigh_at: Option<Moment>,
    /// Its configuration changed since the launch.
    pub(super) outdated: bool,
    /// Why it is being sealed, between [`crate::supervise::event::Action::SealIfUnused`] and the
    /// answer.
    pub(super) sealing: Option<StopReason>,
    /// It refused a connection: until this moment it has to answer.
    pub(super) examined_until: Option<Moment>,
}

/// A launch that is being ended.
#[derive(Clone, Debug)]
pub(super) struct Stopping {
    pub(super) phase: Phase,
    /// When the launch began; for how long it ran.
    pub(super) launched_at: Moment,
    /// When it was told to end.
    pub(super) stopping_at: Moment,
    /// Why; `None`: it failed.
    pub(super) reason: Option<StopReason>,
    /// How it failed, if it did.
    pub(super) fault: Option<Fault>,
    pub(super) exit: Option<Exit>,
}

/// What remains to be done to end a launch.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The launch was given up; there may be a process or not.
    Aborting { complain_at: Moment },
    /// The process was asked to end.
    Terminating { started: Arc<Started>, kill_at: Moment },
    /// Whatever is left is being killed and forgotten.
    Cleaning { complain_at: Moment },
}

/// A failure and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// When the next try may be; `None`: somebody has to act.
    pub(super) next_try_at: Option<Moment>,
}

impl Seat {
    pub(super) fn absent(key: Arc<SeatKey>, rules: Arc<SeatRules>, now: Moment) -> Self {
        Self {
            asked_by: Actor::User(key.user.clone()),
            key,
            rules,
            state: State::Absent,
            since: now,
            generation: Generation::default(),
            waiters: Vec::new(),
            start_again: false,
            asked_at: now,
            failures: Failures::default(),
        }
    }

    pub(super) fn enter(&mut self, now: Moment, state: State) {
        self.state = state;
        self.since = now;
    }

    pub(super) fn start_deadline(&self, launched_at: Moment) -> Moment {
        launched_at.plus_ms(self.rules.start_timeout_ms)
    }

    /// Until when its process has to answer.
    pub(super) fn probe_deadline(&self, probing: &Probing) -> Moment {
        if probing.was_ready_before {
            probing.probing_at.plus_ms(ADOPTED_SILENCE_MAX_MS)
        } else {
            self.start_deadline(probing.launched_at)
        }
    }

    pub(super) fn is_occupied(&self) -> bool {
        match self.state {
            State::Absent | State::Backoff { .. } | State::Failed { .. } => false,
            State::Queued
            | State::Launching { .. }
            | State::Probing(_)
            | State::Ready(_)
            | State::Stopping(_) => true,
        }
    }

    pub(super) fn is_starting(&self) -> bool {
        matches!(self.state, State::Launching { .. } | State::Probing(_))
    }

    /// Whether somebody is waiting for it or ordered it to start again.
    pub(super) fn is_wanted(&self) -> bool {
        self.start_again || !self.waiters.is_empty()
    }

    pub(super) fn shown_state(&self) -> SeatState {
        match self.state {
            State::Absent => SeatState::Absent,
            State::Queued | State::Launching { .. } => SeatState::Starting,
            State::Probing(_) => SeatState::Probing,
            State::Ready(_) => SeatState::Ready,
            State::Stopping(_) => SeatState::Stopping,
            State::Backoff { .. } => SeatState::Backoff,
            State::Failed { .. } => SeatState::Failed,
        }
    }

    /// The process that is alive, as far as is known.
    pub(super) fn started(&self) -> Option<&Arc<Started>> {
        match &self.state {
            State::Probing(probing) => Some(&probing.started),
            State::Ready(ready) => Some(&ready.started),
            State::Stopping(Stopping { phase: Phase::Terminating { started, .. }, .. }) => {
                Some(started)
            }
            State::Absent
            | State::Queued
            | State::Launching { .. }
            | State::Stopping(_)
            | State::Backoff { .. }
            | State::Failed { .. } => None,
        }
    }
}

impl Ready {
    pub(super) fn deadline(&self) -> Option<Moment> {
        [self.look_at, self.weigh_at, self.examined_until].into_iter().flatten().min()
    }

    pub(super) fn outlook(&self, rules: &SeatRules, now: Moment) -> Outlook {
        Facts {
            rules,
            launched_at: self.launched_at,
            ready_at: self.ready_at,
            kept_at: self.kept_at,
            computed_at: self.computed_at,
            activity: self.activity,
        }
        .outlook(now)
    }
}

impl Stopping {
    pub(super) fn deadline(&self) -> Moment {
        match self.phase {
            Phase::Aborting { complain_at } | Phase::Cleaning { complain_at } => complain_at,
            Phase::Terminating { kill_at, .. } => kill_at,
        }
    }
}
