//! The overview: how the server is, who is here, what happened last.

use serde::Serialize;

use super::super::chart::{Line, LineChart, Point, Span, Unit, lines};
use super::super::read::samples;
use super::super::{Admin, documents, json};
use super::{EventLine, Presence};
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::domain::SeatState;
use crate::operate::{InForce, rfc3339};
use crate::store::{EventQuery, Limit, MachinePoint, Series};

/// What the charts of the overview show.
const SPAN_MS: i64 = 15 * 60 * 1000;
/// The most points of a chart: more cannot be told apart on a phone.
pub(in crate::admin) const POINTS_MAX: usize = 120;
/// The last events.
const EVENTS: usize = 8;

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Overview {
    pub(in crate::admin) machine: json::Machine,
    /// Seats with a process.
    pub(in crate::admin) seats: u64,
    pub(in crate::admin) seats_limit: u64,
    pub(in crate::admin) seats_failed: u64,
    pub(in crate::admin) people: Vec<Presence>,
    /// Different people among them.
    pub(in crate::admin) people_count: usize,
    /// CPU and memory of the last quarter of an hour; none: the records cannot be read.
    pub(in crate::admin) charts: Option<(LineChart, LineChart)>,
    pub(in crate::admin) events: Vec<EventLine>,
    pub(in crate::admin) notices: Vec<json::Notice>,
    /// The longest notice, in bytes.
    pub(in crate::admin) notice_bytes_max: usize,
}

impl Admin {
    pub(in crate::admin) async fn overview(&self, in_force: &InForce) -> Overview {
        let snapshot = &in_force.snapshot;
        let statuses = self.operations.supervisor().seats();
        let people = self.presences(snapshot);
        let mut names: Vec<&str> = people.iter().map(|one| one.user.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let people_count = names.len();
        let events = EventQuery { limit: Limit::new(EVENTS), ..EventQuery::default() };
        Overview {
            machine: documents::machine(&self.operations.machine()),
            seats: statuses.iter().filter(|seat| seat.pid.is_some()).count() as u64,
            seats_limit: snapshot.limits.seats_max.into(),
            seats_failed: statuses.iter().filter(|s| s.state == SeatState::Failed).count() as u64,
            people_count,
            people,
            charts: self.machine_charts(snapshot, SPAN_MS).await.map(|charts| {
                let MachineCharts { cpu, memory, .. } = charts;
                (cpu, memory)
            }),
            events: self.newest_events(snapshot, events).await,
            notices: self.notices(snapshot).notices,
            notice_bytes_max: crate::notice::NOTICE_BYTES_MAX,
        }
    }

    /// Charts of the machine until now; `None`: the records cannot be read.
    pub(in crate::admin) async fn machine_charts(
        &self,
        snapshot: &Snapshot,
        span_ms: i64,
    ) -> Option<MachineCharts> {
        let now = self.chart_now(snapshot, span_ms);
        let query = samples(span_ms, now, POINTS_MAX);
        let series = self.ask(move |reports| reports.machine(&query)).await.ok()?;
        Some(MachineCharts::of(&series, span_ms, now, snapshot))
    }

    /// Now, for a chart: in steps in which something new can be measured, so that the page does
    /// not change between them.
    pub(in crate::admin) fn chart_now(&self, snapshot: &Snapshot, span_ms: i64) -> Timestamp {
        let now = self.operations.clock().wall().0;
        let every_ms = i64::try_from(snapshot.samples.every_ms).unwrap_or(i64::MAX);
        let step_ms = every_ms.max(span_ms / POINTS_MAX as i64).max(1);
        Timestamp(now - now.rem_euclid(step_ms))
    }
}

/// The machine over a time.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct MachineCharts {
    pub(in crate::admin) cpu: LineChart,
    pub(in crate::admin) memory: LineChart,
    pub(in crate::admin) load: LineChart,
    pub(in crate::admin) network: LineChart,
    pub(in crate::admin) disk: LineChart,
}

impl MachineCharts {
    /// Draws what was measured.
    pub(in crate::admin) fn of(
        series: &Series<MachinePoint>,
        span_ms: i64,
        now: Timestamp,
        snapshot: &Snapshot,
    ) -> Self {
        let span = Span { from: Timestamp(now.0 - span_ms), to: now, step_ms: series.step_ms };
        let line = |name, value: &dyn Fn(&MachinePoint) -> f64| Line {
            name,
            points: series
                .points
                .iter()
                .map(|point| Point { at: point.at, value: value(point) })
                .collect(),
        };
        let last = series.points.last();
        let shown = |at| rfc3339(at, snapshot);
        let draw = |unit, ceiling: Option<f64>, drawn: &[Line]| {
            lines(unit, span, drawn, ceiling, &snapshot.timezone, &shown)
        };
        let cpu = line("cpu", &|point| {
            100.0 * point.cpu_cores / point.cpu_cores_total.max(f64::MIN_POSITIVE)
        });
        let memory = line("memory", &|point| point.memory_bytes as f64);
        let swap = line("swap", &|point| point.swap_bytes as f64);
        let has_swap = last.is_some_and(|point| point.swap_bytes > 0);
        let memory_lines: Vec<Line> = if has_swap { vec![memory, swap] } else { vec![memory] };
        let load = line("load", &|point| point.load_1m);
        let received = line("received", &|point| point.network_in_bytes_per_s);
        let sent = line("sent", &|point| point.network_out_bytes_per_s);
        let disk = line("disk", &|point| point.disk_bytes as f64);
        Self {
            cpu: draw(Unit::Percent, Some(100.0), &[cpu]),
            memory: draw(
                Unit::Bytes,
                last.map(|point| point.memory_total_bytes as f64),
                &memory_lines,
            ),
            load: draw(Unit::Load, None, &[load]),
            network: draw(Unit::BytesPerSecond, None, &[received, sent]),
            disk: draw(Unit::Bytes, last.map(|point| point.disk_total_bytes as f64), &[disk]),
        }
    }
}
