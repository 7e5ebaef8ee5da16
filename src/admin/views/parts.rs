//! The pieces that several pages show.

use serde::Serialize;

use super::super::described::Time;
use super::super::{Admin, documents, json};
use super::title_of;
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::pages::words;
use crate::store::{EventQuery, Limit};

/// A word that has a text, or one that is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::admin) struct Word {
    /// The word.
    pub(in crate::admin) name: String,
    /// Whether the table of texts has it.
    pub(in crate::admin) is_known: bool,
}

impl Word {
    /// A word of this list, or not.
    pub(in crate::admin) fn of(list: &[&str], name: &str) -> Self {
        Self { name: name.to_owned(), is_known: list.contains(&name) }
    }
}

/// What is worth an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::admin) struct Alert {
    /// One of `pages::words::ALERTS`.
    pub(in crate::admin) word: &'static str,
    /// How many.
    pub(in crate::admin) count: u64,
}

/// An event in a list.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct EventLine {
    pub(in crate::admin) event: json::Event,
    pub(in crate::admin) kind: Word,
    pub(in crate::admin) actor: Word,
    /// The app's name for people.
    pub(in crate::admin) title: Option<String>,
    /// Whether it is something bad.
    pub(in crate::admin) is_bad: bool,
}

/// Kinds that somebody should look at.
pub(in crate::admin) const BAD_KINDS: &[&str] = &[
    "seat_start_failed",
    "seat_crashed",
    "seat_lingers",
    "seat_violated",
    "reload_refused",
    "sign_in_failed",
    "certificate_expires",
    "database_corrupt",
    "backup_failed",
];

impl EventLine {
    /// An event with the words for it.
    pub(in crate::admin) fn new(event: json::Event, snapshot: &Snapshot) -> Self {
        Self {
            kind: Word::of(words::EVENT_KINDS, &event.kind),
            actor: Word::of(words::ACTORS, &event.actor),
            title: event.app.as_deref().map(|app| title_of(snapshot, app)),
            is_bad: BAD_KINDS.contains(&event.kind.as_str()),
            event,
        }
    }
}

/// A visit in a list.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct VisitLine {
    pub(in crate::admin) visit: json::Visit,
    pub(in crate::admin) title: String,
    pub(in crate::admin) ended: Option<Word>,
    /// Whether user and app are still configured, so that there is a page of the seat.
    pub(in crate::admin) has_seat: bool,
}

impl VisitLine {
    /// A visit with the words for it.
    pub(in crate::admin) fn new(visit: json::Visit, snapshot: &Snapshot) -> Self {
        let user = snapshot.user(&visit.user);
        let has_seat =
            user.is_some_and(|user| user.apps.iter().any(|app| app.as_str() == visit.app));
        Self {
            title: title_of(snapshot, &visit.app),
            ended: visit.ended_because.as_deref().map(|word| Word::of(words::VISIT_ENDS, word)),
            has_seat,
            visit,
        }
    }
}

/// Somebody who has an app open.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct Presence {
    pub(in crate::admin) user: String,
    pub(in crate::admin) app: String,
    pub(in crate::admin) title: String,
    /// Open tabs.
    pub(in crate::admin) tabs: u32,
    /// Since when the oldest of them is open.
    pub(in crate::admin) since: Time,
    pub(in crate::admin) for_s: f64,
    /// How long ago they did something; none: not yet.
    pub(in crate::admin) acted_s: Option<f64>,
    pub(in crate::admin) address: String,
    pub(in crate::admin) browser: String,
}

/// How long ago something was, in seconds; whole minutes after the first, so that a page that
/// nothing happens on does not change all the time.
pub(in crate::admin) fn ago_s(at: Timestamp, now: Timestamp) -> f64 {
    let seconds = ((now.0 - at.0).max(0) / 1000) as f64;
    if seconds < 60.0 { seconds } else { (seconds / 60.0).floor() * 60.0 }
}

impl Admin {
    /// Who has an app open, longest first.
    pub(in crate::admin) fn presences(&self, snapshot: &Snapshot) -> Vec<Presence> {
        let now = self.operations.clock().wall();
        let line = |one: crate::account::Presence| Presence {
            user: one.key.user.to_string(),
            app: one.key.app.to_string(),
            title: title_of(snapshot, one.key.app.as_str()),
            tabs: u32::try_from(one.websockets).unwrap_or(u32::MAX),
            since: documents::time(one.since, snapshot),
            for_s: ago_s(one.since, now),
            acted_s: one.last_act_at.map(|at| ago_s(at, now)),
            address: one.address.to_string(),
            browser: one.browser,
        };
        self.operations.account().present().into_iter().map(line).collect()
    }

    /// The newest events that a query finds, as lines; none if they cannot be read. That a start
    /// began is left out: how it ended follows at once, and says the same.
    pub(in crate::admin) async fn newest_events(
        &self,
        snapshot: &Snapshot,
        mut query: EventQuery,
    ) -> Vec<EventLine> {
        let rows = query.limit.rows();
        query.limit = Limit::new(rows * 2);
        let found = self.ask(move |reports| reports.events(&query)).await;
        let found = found.map(|page| page.rows).unwrap_or_default();
        found
            .iter()
            .filter(|row| row.kind != "seat_launching")
            .take(rows)
            .map(|row| EventLine::new(documents::event(row, snapshot), snapshot))
            .collect()
    }
}
