//! What the machine knows, for those who ask: in its own time, without consequence.

use std::sync::Arc;

use super::Machine;
use super::ended::lasts;
use super::seat::{Ready, Seat, State, Stopping};
use crate::clock::Moment;
use crate::domain::{Failure, Generation, SeatKey, SeatState, StopReason};
use crate::launch::Started;
use crate::supervise::RunsBecause;
use crate::supervise::activity::Activity;

/// What is known of a seat at a moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Which seat.
    pub key: Arc<SeatKey>,
    /// Where it is in its life.
    pub state: SeatState,
    /// Since when.
    pub since: Moment,
    /// Its latest launch; `None` before the first.
    pub generation: Option<Generation>,
    /// Its process, while it has one.
    pub started: Option<Arc<Started>>,
    /// When its latest start was asked for.
    pub asked_at: Option<Moment>,
    /// When the latest launch began.
    pub launched_at: Option<Moment>,
    /// When the questions about its health began.
    pub probing_at: Option<Moment>,
    /// When it became ready.
    pub ready_at: Option<Moment>,
    /// Requests that wait for it.
    pub waiting: usize,
    /// What happened at it.
    pub activity: Activity,
    /// CPU use between the last two measurements, in thousandths of a core.
    pub cpu_millicores: Option<u32>,
    /// Whether it was slowed down at the last measurement, for it wants more CPU than it may have.
    pub is_slowed_down: bool,
    /// Memory at the last measurement.
    pub memory_bytes: Option<u64>,
    /// Threads at the last measurement.
    pub threads: Option<u32>,
    /// Open files at the last measurement.
    pub open_files: Option<u32>,
    /// Why it runs.
    pub runs_because: Option<RunsBecause>,
    /// When a countdown should begin.
    pub warn_at: Option<Moment>,
    /// When it will stop if nothing happens.
    pub stops_at: Option<Moment>,
    /// Why it will stop then, or is stopping now.
    pub stops_because: Option<StopReason>,
    /// Its place in the queue, from 1.
    pub queue_place: Option<usize>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When the next try may be.
    pub next_try_at: Option<Moment>,
    /// Failures that count for `restart`.
    pub failures: u32,
    /// It runs with an older configuration.
    pub outdated: bool,
    /// How long its starts usually take.
    pub usual_start_ms: Option<u64>,
    /// Why it has ended, or is ending, for as long as only a person may start it again.
    pub rests_because: Option<StopReason>,
}

impl Machine {
    /// Every seat that is not Absent, by user and app.
    pub fn status(&self, now: Moment) -> Vec<Status> {
        self.seats.values().map(|seat| self.status_of_seat(seat, now)).collect()
    }

    /// One seat; an Absent one has a status too.
    pub fn status_of(&self, key: &Arc<SeatKey>, now: Moment) -> Status {
        match self.seats.get(key) {
            Some(seat) => self.status_of_seat(seat, now),
            None => Status {
                usual_start_ms: self.history.usual_ms(key),
                rests_because: self.ended.reason(key).cloned(),
                ..Status::absent(Arc::clone(key), now)
            },
        }
    }

    /// The seats that it knows, for [`crate::supervise::event::Event::Configured`].
    pub fn keys(&self) -> impl Iterator<Item = &Arc<SeatKey>> {
        self.seats.keys()
    }

    /// The current launch of a seat.
    pub fn generation_of(&self, key: &SeatKey) -> Option<Generation> {
        self.seats.get(key).map(|seat| seat.generation)
    }

    fn status_of_seat(&self, seat: &Seat, now: Moment) -> Status {
        let basis = Status {
            state: seat.shown_state(),
            since: seat.since,
            generation: Some(seat.generation).filter(|generation| generation.0 > 0),
            started: seat.started().map(Arc::clone),
            asked_at: Some(seat.asked_at),
            waiting: seat.waiters.len(),
            failures: seat.failures.counted(),
            usual_start_ms: self.history.usual_ms(&seat.key),
            ..Status::absent(Arc::clone(&seat.key), now)
        };
        let asked = Some(RunsBecause::Asked);
        match &seat.state {
            State::Absent => basis,
            State::Queued => {
                let place = self.queue.iter().position(|key| *key == seat.key);
                Status { queue_place: place.map(|index| index + 1), runs_because: asked, ..basis }
            }
            State::Launching { launched_at } => {
                Status { launched_at: Some(*launched_at), runs_because: asked, ..basis }
            }
            State::Probing(probing) => Status {
                launched_at: Some(probing.launched_at),
                probing_at: Some(probing.probing_at),
                runs_because: asked,
                ..basis
            },
            State::Ready(ready) => self.status_of_ready(seat, ready, now, basis),
            State::Stopping(stopping) => {
                let reason = stopping.reason.clone().filter(lasts);
                let rests_because = reason.filter(|_| !seat.is_wanted());
                Status { rests_because, ..stopping.status(basis) }
            }
            State::Backoff { until, failure, expires_at: _ } => {
                Status { failure: Some(failure.clone()), next_try_at: Some(*until), ..basis }
            }
            State::Failed { failure } => Status { failure: Some(failure.clone()), ..basis },
        }
    }

    fn status_of_ready(&self, seat: &Seat, ready: &Ready, now: Moment, basis: Status) -> Status {
        let outlook = ready.outlook(&seat.rules, now);
        let (stops_at, stops_because) = match outlook.stop {
            // Usher leaves: no rule of this usher stops it any more.
            Some(_) if self.draining.is_some() => (None, None),
            Some((at, reason)) => (Some(at), Some(reason)),
            None if ready.outdated => (None, Some(StopReason::Replaced)),
            None => (None, None),
        };
        Status {
            launched_at: Some(ready.launched_at),
            probing_at: Some(ready.probing_at),
            ready_at: Some(ready.ready_at),
            activity: ready.activity,
            cpu_millicores: ready.meter.millicores(),
            is_slowed_down: ready.is_slowed_down,
            memory_bytes: ready.memory_bytes,
            threads: ready.threads,
            open_files: ready.open_files,
            runs_because: Some(outlook.runs_because),
            warn_at: outlook.warn_at.filter(|_| stops_at.is_some()),
            stops_at,
            stops_because,
            outdated: ready.outdated,
            ..basis
        }
    }
}

impl Stopping {
    fn status(&self, basis: Status) -> Status {
        let fault = self.fault.as_ref();
        Status {
            launched_at: Some(self.launched_at),
            stops_at: Some(self.stopping_at),
            stops_because: self.reason.clone(),
            failure: fault.map(|fault| fault.failure.clone()),
            next_try_at: fault.and_then(|fault| fault.next_try_at),
            ..basis
        }
    }
}

impl Status {
    fn absent(key: Arc<SeatKey>, now: Moment) -> Self {
        Self {
            key,
            state: SeatState::Absent,
            since: now,
            generation: None,
            started: None,
            asked_at: None,
            launched_at: None,
            probing_at: None,
            ready_at: None,
            waiting: 0,
            activity: Activity::default(),
            cpu_millicores: None,
            is_slowed_down: false,
            memory_bytes: None,
            threads: None,
            open_files: None,
            runs_because: None,
            warn_at: None,
            stops_at: None,
            stops_because: None,
            queue_place: None,
            failure: None,
            next_try_at: None,
            failures: 0,
            outdated: false,
            usual_start_ms: None,
            rests_because: None,
        }
    }
}
