//! One seat: everything about it, its charts, its log, its visits and events, and what can be done.

use serde::Serialize;

use super::super::chart::{Line, LineChart, Point, Span, Unit, lines};
use super::super::described::Time;
use super::super::documents::time;
use super::super::read::samples;
use super::super::{Admin, documents};
use super::overview::POINTS_MAX;
use super::parts::{EventLine, VisitLine, Word, ago_s};
use super::seats::{SeatLine, actions};
use super::{Range, title_of};
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::domain::{SeatKey, SeatState};
use crate::launch::Keeping;
use crate::operate::{InForce, rfc3339};
use crate::pages::words;
use crate::store::{EventQuery, Limit, SeatPoint, Series, VisitQuery};
use crate::supervise::SeatStatus;

/// The lines of the log.
const LOG_LINES: usize = 200;
/// The last visits and events.
const LAST: usize = 8;

/// What only a seat that is not absent has.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Running {
    pub(in crate::admin) line: SeatLine,
    pub(in crate::admin) endpoint: Option<String>,
    pub(in crate::admin) launch: Option<Word>,
    pub(in crate::admin) launched_at: Option<Time>,
    /// From the launch to ready.
    pub(in crate::admin) start_took_s: Option<f64>,
    pub(in crate::admin) requested_s: Option<f64>,
    /// Failures that count for `restart`.
    pub(in crate::admin) failures: u32,
    /// How its limits are kept, `cgroup` or `measured`; none: it has no limit.
    pub(in crate::admin) limits_kept: Option<&'static str>,
}

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct SeatPage {
    pub(in crate::admin) user: String,
    pub(in crate::admin) app: String,
    pub(in crate::admin) title: String,
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) actions: Vec<&'static str>,
    /// None: nothing runs.
    pub(in crate::admin) running: Option<Running>,
    pub(in crate::admin) range: Range,
    pub(in crate::admin) ranges: [&'static str; 5],
    /// CPU and memory; none: the records cannot be read.
    pub(in crate::admin) charts: Option<(LineChart, LineChart)>,
    pub(in crate::admin) log_lines: Vec<String>,
    pub(in crate::admin) visits: Vec<VisitLine>,
    pub(in crate::admin) events: Vec<EventLine>,
}

impl Running {
    fn new(seat: &SeatStatus, keeping: &Keeping, snapshot: &Snapshot, now: Timestamp) -> Self {
        let app = snapshot.app(seat.key.app.as_str());
        let has_limit = app.is_some_and(|app| app.has_limit());
        let took_s = |from: Timestamp, to: Timestamp| (to.0 - from.0).max(0) as f64 / 1000.0;
        Self {
            line: SeatLine::new(seat, snapshot, now),
            endpoint: seat.endpoint.as_ref().map(ToString::to_string),
            launch: seat.launch.map(|kind| Word::of(words::LAUNCHES, kind.as_str())),
            launched_at: seat.launched_at.map(|at| time(at, snapshot)),
            start_took_s: seat
                .launched_at
                .zip(seat.ready_at)
                .map(|(launched, ready)| took_s(launched, ready)),
            requested_s: seat.last_request_at.map(|at| ago_s(at, now)),
            failures: seat.failures,
            limits_kept: has_limit.then(|| keeping.as_str()),
        }
    }
}

impl Admin {
    pub(in crate::admin) async fn seat(
        &self,
        in_force: &InForce,
        key: &SeatKey,
        range: Range,
    ) -> SeatPage {
        let snapshot = &in_force.snapshot;
        let now = self.operations.clock().wall();
        let supervisor = self.operations.supervisor();
        let status = supervisor.seats().into_iter().find(|seat| *seat.key == *key);
        let state = status.as_ref().map_or(SeatState::Absent, |seat| seat.state);
        let tabs = status.as_ref().map_or(0, |seat| seat.websockets);
        let (user, app) = (key.user.to_string(), key.app.to_string());
        SeatPage {
            title: title_of(snapshot, &app),
            state: state.as_str(),
            actions: actions(state, tabs),
            running: status
                .as_ref()
                .map(|seat| Running::new(seat, &supervisor.keeping(), snapshot, now)),
            range,
            ranges: Range::words(),
            charts: self.seat_charts(snapshot, key, range.span_ms).await,
            log_lines: supervisor.log_tail(key, LOG_LINES).await,
            visits: self.newest_visits(snapshot, &user, &app).await,
            events: {
                let query = EventQuery {
                    user: Some(user.clone()),
                    app: Some(app.clone()),
                    limit: Limit::new(LAST),
                    ..EventQuery::default()
                };
                self.newest_events(snapshot, query).await
            },
            user,
            app,
        }
    }

    async fn newest_visits(&self, snapshot: &Snapshot, user: &str, app: &str) -> Vec<VisitLine> {
        let query = VisitQuery {
            user: Some(user.to_owned()),
            app: Some(app.to_owned()),
            limit: Limit::new(LAST),
            ..VisitQuery::default()
        };
        let found = self.ask(move |reports| reports.visits(&query)).await;
        let rows = found.map(|page| page.rows).unwrap_or_default();
        rows.iter().map(|row| VisitLine::new(documents::visit(row, snapshot), snapshot)).collect()
    }

    async fn seat_charts(
        &self,
        snapshot: &Snapshot,
        key: &SeatKey,
        span_ms: i64,
    ) -> Option<(LineChart, LineChart)> {
        let now = self.chart_now(snapshot, span_ms);
        let (user, app) = (key.user.to_string(), key.app.to_string());
        let query = samples(span_ms, now, POINTS_MAX);
        let series = self.ask(move |reports| reports.seat(&user, &app, &query)).await.ok()?;
        let memory_max_bytes = snapshot.app(key.app.as_str()).and_then(|app| app.memory_max_bytes);
        Some(charts(&series, span_ms, now, memory_max_bytes, snapshot))
    }
}

/// CPU and memory.
pub(in crate::admin) fn charts(
    series: &Series<SeatPoint>,
    span_ms: i64,
    now: Timestamp,
    memory_max_bytes: Option<u64>,
    snapshot: &Snapshot,
) -> (LineChart, LineChart) {
    let span = Span { from: Timestamp(now.0 - span_ms), to: now, step_ms: series.step_ms };
    let line = |name, value: &dyn Fn(&SeatPoint) -> f64| Line {
        name,
        points: series
            .points
            .iter()
            .map(|point| Point { at: point.at, value: value(point) })
            .collect(),
    };
    let shown = |at| rfc3339(at, snapshot);
    let draw =
        |unit, ceiling, line| lines(unit, span, &[line], ceiling, &snapshot.timezone, &shown);
    (
        draw(Unit::Cores, None, line("cpu", &|point| point.cpu_cores)),
        draw(
            Unit::Bytes,
            memory_max_bytes.map(|bytes| bytes as f64),
            line("memory", &|point| point.memory_bytes as f64),
        ),
    )
}
