//! The API: documents that are read, and orders. Every answer is a document of `json`.

use std::sync::Arc;

use serde::Deserialize;

use super::asked::{Asked, Outcome, Refusal, json as answer, read};
use super::documents::{self, Here};
use super::router::{Captured, Document, Order, SeatAction};
use super::{Admin, json, openapi};
use crate::answer::Body;
use crate::config::Snapshot;
use crate::pages::AdminReason;
use crate::store::{ROWS_MAX, Statistics, StatisticsQuery};

/// Rows of a list where `limit` is absent.
const ROWS: usize = 100;
/// The lines of a seat's log.
const LOG_LINES: usize = 500;
/// Days of statistics where `from` is absent.
const DAYS: i64 = 30;

/// The body of `POST notices`.
#[derive(Deserialize)]
struct NewNotice {
    text: String,
}

impl Admin {
    pub(super) async fn document(
        &self,
        asked: &Asked<'_>,
        document: Document,
        captured: &Captured,
    ) -> Result<Outcome, Refusal> {
        let in_force = asked.in_force;
        let snapshot = &in_force.snapshot;
        Ok(match document {
            Document::Description => answer(200, &openapi::description(&asked.common.admin_path)),
            Document::Seats => {
                answer(200, &json::Seats { seats: self.operations.seats_json(snapshot) })
            }
            Document::SeatLog => {
                let key = self.key(asked, &captured.user, &captured.app)?;
                let lines = self.operations.supervisor().log_tail(&key, LOG_LINES).await;
                answer(200, &json::SeatLog { lines })
            }
            Document::Users => answer(200, &self.users(asked).await?),
            Document::Visits => answer(200, &self.visits(asked, ROWS).await?),
            Document::Events => answer(200, &self.events(asked, ROWS).await?),
            Document::Statistics => {
                let found = self.statistics(self.statistics_query(asked)?).await?;
                answer(200, &documents::statistics(&found, snapshot))
            }
            Document::Server => answer(200, &self.server(snapshot).await),
            Document::Configuration => answer(200, &self.configuration(in_force)),
            Document::Notices => answer(200, &self.notices(snapshot)),
        })
    }

    pub(super) async fn ordered(
        &self,
        asked: &Asked<'_>,
        order: Order,
        captured: &Captured,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        asked.check_call()?;
        match order {
            Order::Seat(action) => Ok(self.order_seat(asked, action, captured)?),
            Order::Notice => {
                let body = read(body).await?;
                let new: NewNotice =
                    serde_json::from_slice(&body).map_err(|_| AdminReason::BadBody)?;
                let notice = self.put_up(&new.text, &asked.actor())?;
                Ok(answer(201, &documents::notice(&notice, &asked.in_force.snapshot)))
            }
            Order::Reload => {
                let changes = self.reload(&asked.actor()).await?;
                Ok(answer(200, &json::Reloaded { changes }))
            }
        }
    }

    fn order_seat(
        &self,
        asked: &Asked<'_>,
        action: SeatAction,
        captured: &Captured,
    ) -> Result<Outcome, AdminReason> {
        let key = self.key(asked, &captured.user, &captured.app)?;
        let websockets_closed = self.order(&key, action, &asked.actor())?;
        let ordered = json::Ordered {
            user: key.user.to_string(),
            app: key.app.to_string(),
            state: self.operations.supervisor().view(&key).state.as_str(),
            websockets_closed,
        };
        let status = match action {
            SeatAction::Kick => 200,
            // Taken, and under way.
            SeatAction::Start | SeatAction::Stop | SeatAction::Restart => 202,
        };
        Ok(answer(status, &ordered))
    }

    /// Users in the order of the file, from the one after `after` on.
    async fn users(&self, asked: &Asked<'_>) -> Result<json::Users, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let rows = asked.limit(ROWS_MAX)?.rows();
        let first = match asked.parameter("after") {
            None => 0,
            Some(after) => {
                let at = snapshot.users.iter().position(|user| user.name.as_str() == after);
                at.ok_or(AdminReason::NoSuchUser { user: after })? + 1
            }
        };
        let shown: Vec<_> = snapshot.users.iter().skip(first).take(rows).cloned().collect();
        let names: Vec<String> = shown.iter().map(|user| user.name.to_string()).collect();
        let last = names.last().cloned();
        let seen = self
            .ask(move |reports| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                reports.last_seen(&names)
            })
            .await
            // Who may come is known without the records too.
            .unwrap_or_default();
        let here = Here::of(&self.operations.account().present());
        let users = shown
            .iter()
            .enumerate()
            .map(|(at, user)| {
                let last = seen.get(at).and_then(Option::as_ref);
                documents::user(user, &here, last, snapshot)
            })
            .collect();
        let more = first + shown.len() < snapshot.users.len();
        Ok(json::Users { users, after: last.filter(|_| more) })
    }

    /// Visits as asked for, newest first.
    pub(super) async fn visits(
        &self,
        asked: &Asked<'_>,
        rows: usize,
    ) -> Result<json::Visits, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let query = asked.visit_query(rows)?;
        let page = self.ask(move |reports| reports.visits(&query)).await?;
        Ok(json::Visits {
            visits: page.rows.iter().map(|row| documents::visit(row, snapshot)).collect(),
            after: page.after.map(|after| after.to_string()),
        })
    }

    /// Events as asked for, newest first.
    pub(super) async fn events(
        &self,
        asked: &Asked<'_>,
        rows: usize,
    ) -> Result<json::Events, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let query = asked.event_query(rows)?;
        let page = self.ask(move |reports| reports.events(&query)).await?;
        Ok(json::Events {
            events: page.rows.iter().map(|row| documents::event(row, snapshot)).collect(),
            after: page.after.map(|after| after.to_string()),
        })
    }

    /// The range of statistics: `from` to `to`, or the last thirty days.
    pub(super) fn statistics_query(
        &self,
        asked: &Asked<'_>,
    ) -> Result<StatisticsQuery, AdminReason> {
        let now = self.operations.clock().wall();
        let zone = asked.zone().clone();
        let today = today(&asked.in_force.snapshot, now);
        let to = asked.day_parameter("to")?.unwrap_or(today);
        let days = asked.parameter("range").and_then(|range| days_of(&range)).unwrap_or(DAYS);
        let from = match asked.day_parameter("from")? {
            Some(from) => from,
            None => to.saturating_sub(jiff::Span::new().days(days - 1)),
        };
        if from > to {
            let example = "2026-11-26";
            let reason = AdminReason::BadParameter { name: "to", value: to.to_string(), example };
            return Err(reason);
        }
        Ok(StatisticsQuery {
            from,
            to,
            zone,
            now,
            user: asked.parameter("user"),
            app: asked.parameter("app"),
        })
    }

    pub(super) async fn statistics(
        &self,
        query: StatisticsQuery,
    ) -> Result<Statistics, AdminReason> {
        self.ask(move |reports| reports.statistics(&query)).await
    }

    /// The machine, this process and what it keeps.
    pub(super) async fn server(&self, snapshot: &Arc<Snapshot>) -> json::Server {
        let storage = self.ask(|reports| reports.storage()).await.ok();
        let now = self.operations.clock().wall();
        let files = Arc::clone(snapshot);
        let certificates = tokio::task::spawn_blocking(move || Self::certificates(&files, now));
        json::Server {
            machine: documents::machine(&self.operations.machine()),
            process: self.process(snapshot),
            database: storage.map(|storage| documents::database(&storage, snapshot)),
            records_problem: self.operations.books().problem(),
            backups: self.backups(snapshot),
            certificates: certificates.await.unwrap_or_default(),
            counts: documents::counts(self.operations.account().counters()),
        }
    }
}

/// The day that it is in the configured zone.
pub(super) fn today(snapshot: &Snapshot, now: crate::clock::Timestamp) -> jiff::civil::Date {
    jiff::Timestamp::from_millisecond(now.0)
        .unwrap_or_default()
        .to_zoned_datetime(snapshot.timezone.clone())
        .date()
}

/// `30d` as a number of days.
pub(super) fn days_of(range: &str) -> Option<i64> {
    let known = crate::pages::words::DAYS.contains(&range);
    range.strip_suffix('d').filter(|_| known)?.parse().ok()
}
