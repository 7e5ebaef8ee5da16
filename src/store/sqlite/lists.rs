//! Lists: visits, events and starts, newest first, page by page. A page continues after the last
//! row that was seen, so that it costs the same however far back it is.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::values::{role, time, time_if_any, unsigned};
use crate::store::clauses;
use crate::store::{
    Cursor, EventQuery, EventRow, LastSeen, Limit, Page, ROWS_MAX, StartRow, VisitId, VisitQuery,
    VisitRow,
};

const VISIT: &str = "id, user, role, app, address, browser, started_at, ended_at, seen_at, \
    dwell_ms, active_ms, requests, in_bytes, out_bytes, ended_because";

fn visit(row: &Row<'_>) -> rusqlite::Result<VisitRow> {
    let ended_at = time_if_any(row, 7)?;
    Ok(VisitRow {
        id: VisitId(row.get(0)?),
        user: row.get(1)?,
        role: role(row.get_ref(2)?.as_str()?),
        app: row.get(3)?,
        address: row.get(4)?,
        browser: row.get(5)?,
        started_at: time(row, 6)?,
        ended_at,
        seen_at: time(row, 8)?,
        dwell_ms: unsigned(row, 9)?,
        active_ms: unsigned(row, 10)?,
        requests: unsigned(row, 11)?,
        in_bytes: unsigned(row, 12)?,
        out_bytes: unsigned(row, 13)?,
        // Within a gap the row knows already why the last WebSocket ended.
        ended_because: if ended_at.is_some() { row.get(14)? } else { None },
    })
}

/// Conditions and their values, as they come together.
#[derive(Default)]
struct Conditions {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, clause: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.clauses.push(format!("{clause} ?{}", self.values.len()));
    }

    fn and_if_any(&mut self, clause: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(clause, value);
        }
    }

    /// Rows after this one, in the order of falling time and number.
    fn and_after(&mut self, time: &str, after: Option<Cursor>) {
        if let Some(Cursor { at, id }) = after {
            self.values.extend([Value::from(at.0), Value::from(id)]);
            let (first, second) = (self.values.len() - 1, self.values.len());
            self.clauses.push(format!("({time}, id) < (?{first}, ?{second})"));
        }
    }

    fn text(&self) -> String {
        if self.clauses.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.clauses.join(" AND "))
        }
    }
}

/// Visits that began in a time.
pub(super) fn visits(
    connection: &Connection,
    query: &VisitQuery,
) -> rusqlite::Result<Page<VisitRow>> {
    // The order is that of the index, whatever the planner would think of a user's few rows.
    let index = match (&query.user, &query.app) {
        (Some(_), _) => "visits_by_user",
        (None, Some(_)) => "visits_by_app",
        (None, None) => "visits_by_start",
    };
    let mut conditions = Conditions::default();
    conditions.and_if_any("user =", query.user.clone());
    conditions.and_if_any("app =", query.app.clone());
    conditions.and_if_any("started_at >=", query.from.map(|at| at.0));
    conditions.and_if_any("started_at <", query.to.map(|at| at.0));
    conditions.and_after("started_at", query.after);
    let sql = format!(
        "SELECT {VISIT} FROM visits INDEXED BY {index}{} ORDER BY started_at DESC, id DESC LIMIT {}",
        conditions.text(),
        query.limit.rows() + 1,
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(conditions.values), visit)?;
    let cursor = |row: &VisitRow| Cursor { at: row.started_at, id: row.id.0 };
    Ok(page(rows.collect::<Result<_, _>>()?, query.limit, cursor))
}

/// One more row than was asked for was read, to know whether there are more.
fn page<T>(mut rows: Vec<T>, limit: Limit, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let more = rows.len() > limit.rows();
    rows.truncate(limit.rows());
    let after = rows.last().filter(|_| more).map(cursor);
    Page { rows, after }
}

/// One visit.
pub(super) fn visit_of(connection: &Connection, id: VisitId) -> rusqlite::Result<Option<VisitRow>> {
    let sql = format!("SELECT {VISIT} FROM visits WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id.0], visit).optional()
}

/// The newest visit of a user at an app.
pub(super) fn newest_visit(
    connection: &Connection,
    user: &str,
    app: &str,
) -> rusqlite::Result<Option<VisitRow>> {
    let sql = format!(
        "SELECT {VISIT} FROM visits INDEXED BY visits_by_user WHERE user = ?1 AND app = ?2 \
         ORDER BY started_at DESC, id DESC LIMIT 1"
    );
    connection.prepare_cached(&sql)?.query_row([user, app], visit).optional()
}

/// Visits that are under way or within their gap.
pub(super) fn open_visits(connection: &Connection) -> rusqlite::Result<Vec<VisitRow>> {
    let sql = format!(
        "SELECT {VISIT} FROM visits INDEXED BY visits_open WHERE ended_at IS NULL \
         ORDER BY started_at DESC, id DESC LIMIT {ROWS_MAX}"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map([], visit)?;
    rows.collect()
}

/// When each of these users was here last.
pub(super) fn last_seen(
    connection: &Connection,
    users: &[&str],
) -> rusqlite::Result<Vec<Option<LastSeen>>> {
    let mut select = connection.prepare_cached(
        "SELECT seen_at, address, browser, app FROM visits INDEXED BY visits_by_user \
         WHERE user = ?1 ORDER BY started_at DESC, id DESC LIMIT 1",
    )?;
    let seen = |row: &Row<'_>| {
        Ok(LastSeen {
            at: time(row, 0)?,
            address: row.get(1)?,
            browser: row.get(2)?,
            app: row.get(3)?,
        })
    };
    users.iter().map(|user| select.query_row([user], seen).optional()).collect()
}

const EVENT: &str = "id, at, kind, actor, actor_name, user, app, address, detail, clauses";

fn event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: row.get(0)?,
        at: time(row, 1)?,
        kind: row.get(2)?,
        actor: row.get(3)?,
        actor_name: row.get(4)?,
        user: row.get(5)?,
        app: row.get(6)?,
        address: row.get(7)?,
        detail: row.get(8)?,
        // A column that is no text is a damaged one, and the row is still worth showing.
        clauses: clauses::of_column(row.get_ref(9)?.as_str().ok()),
    })
}

/// Events.
pub(super) fn events(
    connection: &Connection,
    query: &EventQuery,
) -> rusqlite::Result<Page<EventRow>> {
    let rows = match &query.user {
        None => some_events(connection, query, None)?,
        Some(user) => {
            let mut about = some_events(connection, query, Some(("user", user)))?;
            about.extend(some_events(connection, query, Some(("actor_name", user)))?);
            about.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
            // Who causes something at their own seat is in both.
            about.dedup_by_key(|row| row.id);
            about
        }
    };
    Ok(page(rows, query.limit, |row| Cursor { at: row.at, id: row.id }))
}

fn some_events(
    connection: &Connection,
    query: &EventQuery,
    person: Option<(&str, &str)>,
) -> rusqlite::Result<Vec<EventRow>> {
    let index = match (person, &query.app, &query.kind) {
        (Some(("user", _)), _, _) => "events_by_user",
        (Some(_), _, _) => "events_by_actor",
        (None, Some(_), _) => "events_by_app",
        (None, None, Some(_)) => "events_by_kind",
        (None, None, None) => "events_by_time",
    };
    let mut conditions = Conditions::default();
    if let Some((column, name)) = person {
        conditions.and(&format!("{column} ="), name.to_owned());
    }
    conditions.and_if_any("app =", query.app.clone());
    conditions.and_if_any("kind =", query.kind.clone());
    conditions.and_if_any("at >=", query.from.map(|at| at.0));
    conditions.and_if_any("at <", query.to.map(|at| at.0));
    conditions.and_after("at", query.after);
    let sql = format!(
        "SELECT {EVENT} FROM events INDEXED BY {index}{} ORDER BY at DESC, id DESC LIMIT {}",
        conditions.text(),
        query.limit.rows() + 1,
    );
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(conditions.values), event)?;
    rows.collect()
}

/// The newest starts of a seat, or of an app's seats.
pub(super) fn starts(
    connection: &Connection,
    user: Option<&str>,
    app: &str,
    limit: Limit,
) -> rusqlite::Result<Vec<StartRow>> {
    let index = if user.is_some() { "starts_by_seat" } else { "starts_by_app" };
    let mut conditions = Conditions::default();
    conditions.and_if_any("user =", user.map(str::to_owned));
    conditions.and("app =", app.to_owned());
    let sql = format!(
        "SELECT at, user, app, launch, start_ms, queued_ms FROM starts INDEXED BY {index}{} \
         ORDER BY at DESC, id DESC LIMIT {}",
        conditions.text(),
        limit.rows(),
    );
    let start = |row: &Row<'_>| {
        Ok(StartRow {
            at: time(row, 0)?,
            user: row.get(1)?,
            app: row.get(2)?,
            launch: row.get(3)?,
            start_ms: unsigned(row, 4)?,
            queued_ms: unsigned(row, 5)?,
        })
    };
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params_from_iter(conditions.values), start)?;
    rows.collect()
}
