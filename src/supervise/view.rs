//! What others may know about a seat: [`SeatStatus`] for administrators, [`SeatView`] for the
//! person who waits. Plain values with wall-clock times; the JSON structs are `admin`'s and
//! `pages`' own.

use std::sync::Arc;

use super::machine::Status;
use crate::clock::{Moment, Timestamp};
use crate::domain::{Endpoint, Failure, Generation, LaunchKind, SeatKey, SeatState, StopReason};

/// Why a seat is running at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsBecause {
    /// It is being started for somebody.
    Asked,
    /// The person did something lately at an open tab.
    Acts,
    /// A tab is open and the app computes.
    Computes,
    /// A tab is open, though nobody has touched it lately.
    TabOpen,
    /// No tab is open, but there was a request, a tab or the start within `idle_timeout`.
    UsedLately,
    /// The person or an administrator asked to keep it.
    Kept,
    /// No rule would stop it.
    NoTimeout,
}

impl RunsBecause {
    /// The word of JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RunsBecause::Asked => "asked",
            RunsBecause::Acts => "acts",
            RunsBecause::Computes => "computes",
            RunsBecause::TabOpen => "tab_open",
            RunsBecause::UsedLately => "used_lately",
            RunsBecause::Kept => "kept",
            RunsBecause::NoTimeout => "no_timeout",
        }
    }
}

/// Everything about a seat, for administrators and `usher status`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatStatus {
    /// Whose seat, of which app.
    pub key: Arc<SeatKey>,
    /// Where it is in its life.
    pub state: SeatState,
    /// Since when it is there.
    pub since: Timestamp,
    /// Its latest launch; `None` before the first.
    pub generation: Option<Generation>,
    /// Its process.
    pub pid: Option<u32>,
    /// Where it listens.
    pub endpoint: Option<Endpoint>,
    /// How it came to be.
    pub launch: Option<LaunchKind>,
    /// When its process was launched.
    pub launched_at: Option<Timestamp>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// Open WebSockets.
    pub websockets: u32,
    /// Requests that wait for it.
    pub waiting: u32,
    /// When the person did something last.
    pub last_act_at: Option<Timestamp>,
    /// When a request was forwarded last.
    pub last_request_at: Option<Timestamp>,
    /// CPU over the last measurement, in cores.
    pub cpu_cores: Option<f64>,
    /// Whether it is slowed down, for it wants more CPU than it may have.
    pub is_slowed_down: bool,
    /// Memory at the last measurement.
    pub memory_bytes: Option<u64>,
    /// Threads at the last measurement.
    pub threads: Option<u32>,
    /// Open files at the last measurement.
    pub open_files: Option<u32>,
    /// Why it runs; `None` if it does not.
    pub runs_because: Option<RunsBecause>,
    /// When it will stop if nothing happens; `None`: never, or it does not run.
    pub stops_at: Option<Timestamp>,
    /// Why it will stop then, or is stopping now.
    pub stops_because: Option<StopReason>,
    /// Its place in the queue of starts, from 1.
    pub queue_place: Option<u32>,
    /// Why it failed, in Backoff and Failed.
    pub failure: Option<Failure>,
    /// When the next try is possible, in Backoff.
    pub next_try_at: Option<Timestamp>,
    /// Failures that count for `restart`.
    pub failures: u32,
    /// Its configuration changed since it was launched; it is replaced when nobody is connected.
    pub outdated: bool,
}

/// What the person who waits for a seat, or sits at it, may see. Cheap to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatView {
    /// Where the seat is in its life. Absent as soon as the next try may be.
    pub state: SeatState,
    /// Its latest launch; `None` before the first.
    pub generation: Option<Generation>,
    /// When somebody asked for this start.
    pub asked_at: Option<Timestamp>,
    /// When the queue let it through and the launch began.
    pub launch_began_at: Option<Timestamp>,
    /// When its process was there and the questions about its health began.
    pub probing_at: Option<Timestamp>,
    /// When it became ready.
    pub ready_at: Option<Timestamp>,
    /// Its place in the queue of starts, from 1.
    pub queue_place: Option<u32>,
    /// How long this seat's starts usually take, else this app's, from launch to ready.
    pub usual_start_ms: Option<u64>,
    /// Why it failed, in Backoff and Failed.
    pub failure: Option<Failure>,
    /// When the next try is possible; in Failed, `None`: after a retry.
    pub next_try_at: Option<Timestamp>,
    /// When a countdown should be shown.
    pub warn_at: Option<Timestamp>,
    /// When it will stop if nothing happens.
    pub stops_at: Option<Timestamp>,
    /// Why it will stop then, or is stopping now.
    pub stops_because: Option<StopReason>,
    /// Why it has ended, or is ending, for as long as only a person may start it again: a page that
    /// was left open may not.
    pub rests_because: Option<StopReason>,
}

impl SeatView {
    /// Whether its start waits for those of others.
    pub fn is_queued(&self) -> bool {
        self.queue_place.is_some()
    }
}

/// How moments are told as times of day. It stays as it is unless the wall clock was set: the
/// same moment has to be told as the same time again, or everything would look changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    now: Moment,
    wall: Timestamp,
}

/// A wall clock that is further off than this was set.
const CLOCK_SET_MS: i64 = 500;

impl Anchor {
    pub(super) fn new(now: Moment, wall: Timestamp) -> Self {
        Self { now, wall }
    }

    /// Follows a wall clock that was set.
    pub(super) fn follow(&mut self, now: Moment, wall: Timestamp) {
        if (self.at(now).0 - wall.0).abs() > CLOCK_SET_MS {
            *self = Self::new(now, wall);
        }
    }

    fn at(&self, moment: Moment) -> Timestamp {
        let ms = |moment: Moment| i64::try_from(moment.0).unwrap_or(i64::MAX);
        Timestamp(self.wall.0.saturating_add(ms(moment)).saturating_sub(ms(self.now)))
    }

    fn maybe_at(&self, moment: Option<Moment>) -> Option<Timestamp> {
        moment.map(|moment| self.at(moment))
    }

    /// A seat for the person who waits for it or sits at it. A back-off that is over is nothing
    /// that they have to know of: their next request starts the seat.
    pub(super) fn view(&self, status: &Status, now: Moment) -> SeatView {
        let is_over = status.next_try_at.is_some_and(|at| at <= now);
        let state = if status.state == SeatState::Backoff && is_over {
            SeatState::Absent
        } else {
            status.state
        };
        SeatView {
            state,
            generation: status.generation,
            asked_at: self.maybe_at(status.asked_at),
            launch_began_at: self.maybe_at(status.launched_at),
            probing_at: self.maybe_at(status.probing_at),
            ready_at: self.maybe_at(status.ready_at),
            queue_place: status.queue_place.map(saturating),
            usual_start_ms: status.usual_start_ms,
            failure: status.failure.clone(),
            next_try_at: self.maybe_at(status.next_try_at),
            warn_at: self.maybe_at(status.warn_at),
            stops_at: self.maybe_at(status.stops_at),
            stops_because: status.stops_because.clone(),
            rests_because: status.rests_because.clone(),
        }
    }

    /// A seat for administrators.
    pub(super) fn status(&self, status: Status) -> SeatStatus {
        let started = status.started.as_deref();
        SeatStatus {
            state: status.state,
            since: self.at(status.since),
            generation: status.generation,
            pid: started.and_then(|started| started.pid),
            endpoint: started.map(|started| started.endpoint.clone()),
            launch: started.map(|started| started.kind),
            launched_at: self.maybe_at(status.launched_at),
            ready_at: self.maybe_at(status.ready_at),
            websockets: status.activity.websockets,
            waiting: saturating(status.waiting),
            last_act_at: self.maybe_at(status.activity.last_act_at),
            last_request_at: self.maybe_at(status.activity.last_request_at),
            cpu_cores: status.cpu_millicores.map(|millicores| f64::from(millicores) / 1000.0),
            is_slowed_down: status.is_slowed_down,
            memory_bytes: status.memory_bytes,
            threads: status.threads,
            open_files: status.open_files,
            runs_because: status.runs_because,
            stops_at: self.maybe_at(status.stops_at),
            stops_because: status.stops_because,
            queue_place: status.queue_place.map(saturating),
            failure: status.failure,
            next_try_at: self.maybe_at(status.next_try_at),
            failures: status.failures,
            outdated: status.outdated,
            key: status.key,
        }
    }
}

fn saturating(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_moment_is_the_same_time_until_the_clock_is_set() {
        let mut anchor = Anchor::new(Moment(10_000), Timestamp(1_000_000));
        anchor.follow(Moment(20_000), Timestamp(1_010_400));
        assert_eq!(anchor.at(Moment(9_000)), Timestamp(999_000), "jitter is not followed");
        anchor.follow(Moment(20_000), Timestamp(5_000_000));
        assert_eq!(anchor.at(Moment(9_000)), Timestamp(4_989_000));
    }
}
