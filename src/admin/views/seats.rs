//! The seats: what runs, why, until when, and what can be done about it.

use serde::Serialize;

use super::super::described::Time;
use super::super::documents::time;
use super::super::router::SeatAction;
use super::super::{Admin, documents, json};
use super::parts::{Word, ago_s};
use super::title_of;
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::domain::{Clause, Failure, SeatState};
use crate::operate::InForce;
use crate::pages::{FailureReason, Reason, words};
use crate::store::ClauseRow;
use crate::supervise::SeatStatus;

/// Names that a form suggests; with more, people type.
pub(in crate::admin) const NAMES_SUGGESTED_MAX: usize = 300;

/// A seat in a list.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct SeatLine {
    pub(in crate::admin) user: String,
    pub(in crate::admin) app: String,
    pub(in crate::admin) title: String,
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) since: Time,
    pub(in crate::admin) for_s: f64,
    pub(in crate::admin) pid: Option<u32>,
    pub(in crate::admin) cpu_cores: Option<f64>,
    /// In cores, as the file may say it.
    pub(in crate::admin) cpu_max: Option<String>,
    /// It wants more CPU than it may have.
    pub(in crate::admin) is_slowed_down: bool,
    pub(in crate::admin) memory_bytes: Option<u64>,
    pub(in crate::admin) memory_max_bytes: Option<u64>,
    /// Open tabs.
    pub(in crate::admin) tabs: u32,
    /// Requests that wait for it.
    pub(in crate::admin) waiting: u32,
    pub(in crate::admin) acted_s: Option<f64>,
    pub(in crate::admin) runs_because: Option<Word>,
    pub(in crate::admin) stops_at: Option<Time>,
    pub(in crate::admin) stops_in_s: Option<f64>,
    pub(in crate::admin) stops_because: Option<Word>,
    pub(in crate::admin) queue_place: Option<u32>,
    pub(in crate::admin) failure: Option<FailureLine>,
    pub(in crate::admin) next_try_in_s: Option<f64>,
    /// Its configuration changed since it was launched.
    pub(in crate::admin) is_outdated: bool,
    /// What can be done about it.
    pub(in crate::admin) actions: Vec<&'static str>,
}

/// How many seats are in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::admin) struct StateCount {
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) count: usize,
}

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct SeatsPage {
    pub(in crate::admin) seats: Vec<SeatLine>,
    /// States that there are.
    pub(in crate::admin) states: Vec<StateCount>,
    pub(in crate::admin) limit: u64,
    /// For the form that finds a seat.
    pub(in crate::admin) users: Vec<String>,
    /// Slug and title.
    pub(in crate::admin) apps: Vec<(String, String)>,
}

/// What can be done about a seat in a state, with so many tabs open.
pub(in crate::admin) fn actions(state: SeatState, tabs: u32) -> Vec<&'static str> {
    let actions: &[SeatAction] = match state {
        SeatState::Absent | SeatState::Backoff | SeatState::Failed => &[SeatAction::Start],
        SeatState::Starting | SeatState::Probing => &[SeatAction::Stop],
        SeatState::Ready if tabs > 0 => &[SeatAction::Restart, SeatAction::Kick, SeatAction::Stop],
        SeatState::Ready => &[SeatAction::Restart, SeatAction::Stop],
        SeatState::Stopping => &[],
    };
    actions.iter().map(|action| action.as_str()).collect()
}

/// Thousandths of a core as cores.
fn cores(millicores: u32) -> String {
    (f64::from(millicores) / 1000.0).to_string()
}

/// How long it is until something, in seconds; whole minutes beyond the first two.
fn until_s(at: Timestamp, now: Timestamp) -> f64 {
    let seconds = ((at.0 - now.0).max(0) / 1000) as f64;
    if seconds < 120.0 { seconds } else { (seconds / 60.0).ceil() * 60.0 }
}

impl SeatLine {
    /// A seat with the words for it.
    pub(in crate::admin) fn new(seat: &SeatStatus, snapshot: &Snapshot, now: Timestamp) -> Self {
        let app = snapshot.app(seat.key.app.as_str());
        Self {
            user: seat.key.user.to_string(),
            app: seat.key.app.to_string(),
            title: title_of(snapshot, seat.key.app.as_str()),
            state: seat.state.as_str(),
            since: time(seat.since, snapshot),
            for_s: ago_s(seat.since, now),
            pid: seat.pid,
            cpu_cores: seat.cpu_cores,
            cpu_max: app.and_then(|app| app.cpu_max_millicores).map(cores),
            is_slowed_down: seat.is_slowed_down,
            memory_bytes: seat.memory_bytes,
            memory_max_bytes: app.and_then(|app| app.memory_max_bytes),
            tabs: seat.websockets,
            waiting: seat.waiting,
            acted_s: seat.last_act_at.map(|at| ago_s(at, now)),
            runs_because: seat
                .runs_because
                .map(|because| Word::of(words::RUNS_BECAUSE, because.as_str())),
            stops_at: seat.stops_at.map(|at| time(at, snapshot)),
            stops_in_s: seat.stops_at.map(|at| until_s(at, now)),
            stops_because: seat
                .stops_because
                .as_ref()
                .map(|because| Word::of(words::STOPS_BECAUSE, because.as_str())),
            queue_place: seat.queue_place,
            failure: seat.failure.as_ref().map(FailureLine::of),
            next_try_in_s: seat.next_try_at.map(|at| until_s(at, now)),
            is_outdated: seat.outdated,
            actions: actions(seat.state, seat.websockets),
        }
    }
}

/// Why a seat failed.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct FailureLine {
    /// The text that says it, `failure.WORD.title`.
    word: &'static str,
    /// What exactly happened, in English, as the log has it.
    detail: String,
    /// The same, for the page's language.
    clauses: Vec<json::Clause>,
}

impl FailureLine {
    pub(in crate::admin) fn of(failure: &Failure) -> Self {
        Self {
            word: FailureReason::from(failure).code(),
            detail: failure.to_string(),
            clauses: vec![documents::clause(&ClauseRow::from(&Clause::from(failure)))],
        }
    }
}

impl Admin {
    pub(in crate::admin) fn seats_page(&self, in_force: &InForce) -> SeatsPage {
        let snapshot = &in_force.snapshot;
        let now = self.operations.clock().wall();
        let statuses = self.operations.supervisor().seats();
        let states = SeatState::ALL
            .into_iter()
            .map(|state| StateCount {
                state: state.as_str(),
                count: statuses.iter().filter(|seat| seat.state == state).count(),
            })
            .filter(|counted| counted.count > 0)
            .collect();
        SeatsPage {
            seats: statuses.iter().map(|seat| SeatLine::new(seat, snapshot, now)).collect(),
            states,
            limit: snapshot.limits.seats_max.into(),
            users: suggested_users(snapshot),
            apps: apps(snapshot),
        }
    }
}

/// The users that a form suggests; none if there are too many.
pub(in crate::admin) fn suggested_users(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.users.len() > NAMES_SUGGESTED_MAX {
        return Vec::new();
    }
    snapshot.users.iter().map(|user| user.name.to_string()).collect()
}

/// Slug and title of every app.
pub(in crate::admin) fn apps(snapshot: &Snapshot) -> Vec<(String, String)> {
    snapshot.apps.iter().map(|app| (app.slug.to_string(), app.title.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_makes_sense_is_offered() {
        for (state, tabs, expected) in [
            (SeatState::Absent, 0, vec!["start"]),
            (SeatState::Probing, 0, vec!["stop"]),
            (SeatState::Ready, 0, vec!["restart", "stop"]),
            (SeatState::Ready, 2, vec!["restart", "kick", "stop"]),
            (SeatState::Stopping, 2, vec![]),
            (SeatState::Failed, 0, vec!["start"]),
        ] {
            assert_eq!(actions(state, tabs), expected, "{state:?} {tabs}");
        }
    }

    #[test]
    fn times_change_once_a_minute_when_they_are_long() {
        let at = |ms| Timestamp(ms);
        assert_eq!(ago_s(at(0), at(59_900)), 59.0);
        assert_eq!(ago_s(at(0), at(119_000)), 60.0);
        assert_eq!(ago_s(at(5), at(0)), 0.0);
        assert_eq!(until_s(at(119_000), at(0)), 119.0);
        assert_eq!(until_s(at(121_000), at(0)), 180.0);
        assert_eq!(until_s(at(0), at(9)), 0.0);
    }
}
