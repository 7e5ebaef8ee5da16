//! The lists of visits and events, with filters and pages.

use serde::Serialize;

use super::super::Admin;
use super::super::asked::Asked;
use super::super::csv::VISITS_MAX;
use super::parts::{EventLine, VisitLine};
use super::seats::{apps, suggested_users};
use crate::pages::{AdminReason, words};

/// Rows of one page.
const ROWS: usize = 50;

/// What is filtered by, as the form shows it again.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::admin) struct Filter {
    pub(in crate::admin) from: String,
    pub(in crate::admin) to: String,
    pub(in crate::admin) user: String,
    pub(in crate::admin) app: String,
    pub(in crate::admin) kind: String,
    /// Whether anything is.
    pub(in crate::admin) is_set: bool,
    /// For suggestions; empty if there are too many.
    pub(in crate::admin) users: Vec<String>,
    /// Slug and title.
    pub(in crate::admin) apps: Vec<(String, String)>,
    /// Kinds of events.
    pub(in crate::admin) kinds: &'static [&'static str],
}

/// Where one is in a list.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Place {
    /// The address of the newest page; none: this is it.
    pub(in crate::admin) newest: Option<String>,
    /// The address of older ones.
    pub(in crate::admin) older: Option<String>,
}

/// The visits.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct VisitsPage {
    pub(in crate::admin) filter: Filter,
    /// None: they cannot be read.
    pub(in crate::admin) visits: Option<Vec<VisitLine>>,
    pub(in crate::admin) place: Place,
    pub(in crate::admin) csv: String,
    /// The most visits of the file.
    pub(in crate::admin) csv_rows_max: usize,
}

/// The events.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct EventsPage {
    pub(in crate::admin) filter: Filter,
    /// None: they cannot be read.
    pub(in crate::admin) events: Option<Vec<EventLine>>,
    pub(in crate::admin) place: Place,
}

impl Filter {
    /// As the address has it.
    pub(in crate::admin) fn of(asked: &Asked<'_>) -> Self {
        let snapshot = &asked.in_force.snapshot;
        let value = |name| asked.parameter(name).unwrap_or_default();
        let names = ["from", "to", "user", "app", "kind"];
        Self {
            from: value("from"),
            to: value("to"),
            user: value("user"),
            app: value("app"),
            kind: value("kind"),
            is_set: names.into_iter().any(|name| asked.parameter(name).is_some()),
            users: suggested_users(snapshot),
            apps: apps(snapshot),
            kinds: words::EVENT_KINDS,
        }
    }
}

impl Place {
    fn of(asked: &Asked<'_>, after: Option<&str>) -> Self {
        Self {
            newest: asked.parameter("after").map(|_| asked.address_with(&[("after", None)])),
            older: after.map(|after| asked.address_with(&[("after", Some(after))])),
        }
    }
}

/// What cannot be read is a page without it; what cannot be understood is refused.
fn readable<T>(found: Result<T, AdminReason>) -> Result<Option<T>, AdminReason> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(AdminReason::RecordsUnreadable { .. }) => Ok(None),
        Err(reason) => Err(reason),
    }
}

impl Admin {
    pub(in crate::admin) async fn visits_page(
        &self,
        asked: &Asked<'_>,
    ) -> Result<VisitsPage, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let found = readable(self.visits(asked, ROWS).await)?;
        let after = found.as_ref().and_then(|found| found.after.clone());
        let query = asked.address_with(&[("after", None), ("limit", None)]);
        let query = query.split_once('?').map(|(_, query)| format!("?{query}"));
        Ok(VisitsPage {
            filter: Filter::of(asked),
            visits: found.map(|found| {
                found.visits.into_iter().map(|visit| VisitLine::new(visit, snapshot)).collect()
            }),
            place: Place::of(asked, after.as_deref()),
            csv: asked.path("/visits.csv") + &query.unwrap_or_default(),
            csv_rows_max: VISITS_MAX,
        })
    }

    pub(in crate::admin) async fn events_page(
        &self,
        asked: &Asked<'_>,
    ) -> Result<EventsPage, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let found = readable(self.events(asked, ROWS).await)?;
        let after = found.as_ref().and_then(|found| found.after.clone());
        Ok(EventsPage {
            filter: Filter::of(asked),
            events: found.map(|found| {
                found.events.into_iter().map(|event| EventLine::new(event, snapshot)).collect()
            }),
            place: Place::of(asked, after.as_deref()),
        })
    }
}
