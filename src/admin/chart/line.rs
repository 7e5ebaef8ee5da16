//! Lines over time: one or several, each with its area below it, holes where nothing was measured.

use std::fmt::Write;

use serde::Serialize;

use super::scale::{Scale, Unit};
use super::{
    PLOT_HEIGHT_PX, PLOT_WIDTH, PlaceTick, ValueTick, anchor, height, percent, rounded, value_ticks,
};
use crate::clock::Timestamp;

/// The most labels at the lower edge: as many as fit on a phone.
const LABELS_MAX: i64 = 5;
/// The most rows of the table that says the same.
const ROWS_MAX: usize = 48;
/// A hole is where two points are further apart than this many steps.
const HOLE_STEPS: i64 = 3;

/// Something measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::admin) struct Point {
    /// When.
    pub(in crate::admin) at: Timestamp,
    /// What.
    pub(in crate::admin) value: f64,
}

/// What is to be drawn.
pub(in crate::admin) struct Line {
    /// The end of the text's key that names it.
    pub(in crate::admin) name: &'static str,
    /// Oldest first.
    pub(in crate::admin) points: Vec<Point>,
}

/// A line as it is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct Drawn {
    name: &'static str,
    /// Path data of the line.
    line: String,
    /// Path data of what lies below it.
    area: String,
    /// The newest value; none without any.
    last: Option<f64>,
    /// The largest.
    largest: Option<f64>,
}

/// A moment with what was measured then: for the table, and for whoever points at the chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct Row {
    /// Percent of the width where its stripe begins.
    x: f64,
    /// Percent of the width.
    width: f64,
    at: String,
    /// One for each line; none where it has nothing.
    values: Vec<Option<f64>>,
    /// Whether the table has it too: a table of hundreds of rows helps nobody.
    in_table: bool,
}

/// The chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct LineChart {
    unit: Unit,
    values: Vec<ValueTick>,
    places: Vec<PlaceTick>,
    /// What kind of label the places have: `clock` or `day`.
    labels: &'static str,
    lines: Vec<Drawn>,
    rows: Vec<Row>,
}

/// The time that a chart shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct Span {
    /// Its begin.
    pub(in crate::admin) from: Timestamp,
    /// Its end.
    pub(in crate::admin) to: Timestamp,
    /// The usual distance of two points, in milliseconds.
    pub(in crate::admin) step_ms: u64,
}

impl Span {
    fn place(&self, at: Timestamp) -> f64 {
        let length = (self.to.0 - self.from.0).max(1) as f64;
        rounded(((at.0 - self.from.0) as f64 / length).clamp(0.0, 1.0) * PLOT_WIDTH)
    }
}

/// Draws lines. `ceiling` is the largest value that there can be, such as the memory of the
/// machine; `shown` makes RFC 3339 of a time.
pub(in crate::admin) fn lines(
    unit: Unit,
    span: Span,
    lines: &[Line],
    ceiling: Option<f64>,
    zone: &jiff::tz::TimeZone,
    shown: &dyn Fn(Timestamp) -> String,
) -> LineChart {
    let largest =
        lines.iter().flat_map(|line| &line.points).map(|point| point.value).fold(0.0, f64::max);
    let scale = Scale::of(ceiling.unwrap_or(largest), unit);
    let (top, values) = match ceiling {
        Some(ceiling) => up_to(ceiling.max(largest), &scale),
        None => (scale.top, scale.ticks().collect()),
    };
    LineChart {
        unit,
        values: value_ticks(values, top),
        places: places(span, zone, shown),
        labels: if is_of_days(span) { "day" } else { "clock" },
        lines: lines.iter().map(|line| draw(line, span, top)).collect(),
        rows: rows(lines, span, shown),
    }
}

/// Of what can be full, the upper edge is full and says so; round values too near to it go.
fn up_to(full: f64, scale: &Scale) -> (f64, Vec<f64>) {
    const NEAR: f64 = 0.85;
    let mut values: Vec<f64> = scale.ticks().filter(|value| *value < full * NEAR).collect();
    values.push(full);
    (full, values)
}

fn draw(line: &Line, span: Span, top: f64) -> Drawn {
    let (mut path, mut area) = (String::new(), String::new());
    for stretch in stretches(&line.points, span.step_ms) {
        let at = |point: &Point| (span.place(point.at), height(point.value, top));
        let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
        let mut begun = false;
        for point in stretch {
            let (x, y) = at(point);
            // Writing to a string cannot fail.
            let _ = write!(path, "{}{x} {y}", if begun { "L" } else { "M" });
            begun = true;
        }
        if stretch.len() == 1 {
            // A line of no length shows as a dot where its ends are round.
            path.push_str("h0");
        }
        let _ = write!(area, "M{} {PLOT_HEIGHT_PX}", span.place(first.at));
        for point in stretch {
            let (x, y) = at(point);
            let _ = write!(area, "L{x} {y}");
        }
        let _ = write!(area, "L{} {PLOT_HEIGHT_PX}Z", span.place(last.at));
    }
    Drawn {
        name: line.name,
        line: path,
        area,
        last: line.points.last().map(|point| point.value),
        largest: line.points.iter().map(|point| point.value).reduce(f64::max),
    }
}

/// Points without a hole between them.
fn stretches(points: &[Point], step_ms: u64) -> impl Iterator<Item = &[Point]> {
    let step_ms = i64::try_from(step_ms).unwrap_or(i64::MAX).max(1);
    points.chunk_by(move |one, next| next.at.0 - one.at.0 <= step_ms.saturating_mul(HOLE_STEPS))
}

fn rows(lines: &[Line], span: Span, shown: &dyn Fn(Timestamp) -> String) -> Vec<Row> {
    let Some(first) = lines.iter().max_by_key(|line| line.points.len()) else { return Vec::new() };
    let every = first.points.len().div_ceil(ROWS_MAX).max(1);
    let half_step =
        span.step_ms as f64 / 2.0 / (span.to.0 - span.from.0).max(1) as f64 * PLOT_WIDTH;
    let row = |(number, point): (usize, &Point)| {
        let place = span.place(point.at);
        let (begin, end) = ((place - half_step).max(0.0), (place + half_step).min(PLOT_WIDTH));
        let value = |line: &Line| {
            let found = line.points.binary_search_by_key(&point.at, |point| point.at).ok()?;
            line.points.get(found).map(|point| point.value)
        };
        Row {
            x: percent(begin),
            width: percent(end - begin).max(0.1),
            at: shown(point.at),
            values: lines.iter().map(value).collect(),
            // The newest is always there.
            in_table: (first.points.len() - 1 - number) % every == 0,
        }
    };
    first.points.iter().enumerate().map(row).collect()
}

/// Two days and more are labelled with days.
fn is_of_days(span: Span) -> bool {
    span.to.0 - span.from.0 > 2 * 86_400_000
}

/// Round times of the zone.
fn places(
    span: Span,
    zone: &jiff::tz::TimeZone,
    shown: &dyn Fn(Timestamp) -> String,
) -> Vec<PlaceTick> {
    const MINUTE_MS: i64 = 60_000;
    const STEPS_MIN: [i64; 16] =
        [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 7_200, 14_400, 43_200];
    let length_ms = span.to.0 - span.from.0;
    let step_ms = STEPS_MIN
        .into_iter()
        .map(|minutes| minutes * MINUTE_MS)
        .find(|step_ms| length_ms / step_ms < LABELS_MAX)
        .unwrap_or(length_ms.max(1));
    let offset_ms = jiff::Timestamp::from_millisecond(span.to.0)
        .map_or(0, |at| i64::from(zone.to_offset(at).seconds()) * 1000);
    let first = (span.from.0 + offset_ms).div_euclid(step_ms) + 1;
    (0..LABELS_MAX)
        .map(|number| Timestamp((first + number) * step_ms - offset_ms))
        .take_while(|at| at.0 <= span.to.0)
        .map(|at| {
            let x = percent(span.place(at));
            PlaceTick { x, anchor: anchor(x), at: shown(at), is_extra: false }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn shown(at: Timestamp) -> String {
        (at.0 / MINUTE_MS).to_string()
    }

    fn points(values: &[(i64, f64)]) -> Vec<Point> {
        values
            .iter()
            .map(|(minute, value)| Point { at: Timestamp(minute * MINUTE_MS), value: *value })
            .collect()
    }

    fn span(minutes: i64) -> Span {
        Span { from: Timestamp(0), to: Timestamp(minutes * MINUTE_MS), step_ms: 60_000 }
    }

    fn chart(unit: Unit, span: Span, values: &[(i64, f64)], ceiling: Option<f64>) -> LineChart {
        let line = Line { name: "cpu", points: points(values) };
        lines(unit, span, &[line], ceiling, &jiff::tz::TimeZone::UTC, &shown)
    }

    #[test]
    fn a_line_goes_through_its_points_and_has_holes() {
        let drawn = chart(
            Unit::Percent,
            span(10),
            &[(0, 0.0), (1, 50.0), (2, 100.0), (9, 25.0)],
            Some(100.0),
        );
        let line = &drawn.lines[0];
        assert_eq!(line.line, "M0 132L100 66L200 0M900 99h0");
        assert_eq!(line.area, "M0 132L0 132L100 66L200 0L200 132ZM900 132L900 99L900 132Z");
        assert_eq!((line.last, line.largest), (Some(25.0), Some(100.0)));
        assert_eq!(drawn.rows[1].values, [Some(50.0)]);
        assert_eq!((drawn.rows[1].x, drawn.rows[1].width), (5.0, 10.0));
    }

    #[test]
    fn nothing_measured_is_an_empty_chart() {
        let drawn = chart(Unit::Cores, span(10), &[], None);
        assert_eq!((drawn.lines[0].line.as_str(), drawn.lines[0].last), ("", None));
        assert!(drawn.rows.is_empty());
        assert!(!drawn.values.is_empty() && !drawn.places.is_empty());
    }

    #[test]
    fn what_can_be_full_is_full_at_the_upper_edge() {
        let memory = 15.0 * 1024.0;
        let drawn = chart(Unit::Bytes, span(10), &[(5, memory)], Some(memory));
        assert_eq!(drawn.lines[0].line, "M500 0h0");
        let values: Vec<_> = drawn.values.iter().map(|tick| (tick.value, tick.y)).collect();
        assert_eq!(values.first(), Some(&(0.0, PLOT_HEIGHT_PX)));
        assert_eq!(values.last(), Some(&(memory, 0.0)));
        let values = |full| up_to(full, &Scale::of(full, Unit::Bytes)).1;
        assert_eq!(values(4096.0), [0.0, 1024.0, 2048.0, 3072.0, 4096.0]);
        assert_eq!(values(4200.0), [0.0, 2048.0, 4200.0], "4096 is too near");
    }

    #[test]
    fn labels_are_round_times_and_few() {
        for (minutes, expected) in [
            (15, vec!["5", "10", "15"]),
            (60, vec!["15", "30", "45", "60"]),
            (1440, vec!["360", "720", "1080", "1440"]),
            (10_080, vec!["2880", "5760", "8640"]),
        ] {
            let drawn = chart(Unit::Count, span(minutes), &[], None);
            let labels: Vec<_> = drawn.places.iter().map(|place| place.at.as_str()).collect();
            assert_eq!(labels, expected, "{minutes}");
            assert_eq!(drawn.labels, if minutes > 2880 { "day" } else { "clock" });
        }
    }

    #[test]
    fn labels_are_round_in_the_zone() {
        let zone = jiff::tz::TimeZone::get("Asia/Kolkata").expect("a zone");
        let drawn = lines(Unit::Count, span(1440), &[], None, &zone, &shown);
        let labels: Vec<_> = drawn.places.iter().map(|place| place.at.as_str()).collect();
        assert_eq!(labels, ["30", "390", "750", "1110"], "06:00 in Kolkata is 00:30 in UTC");
    }

    #[test]
    fn a_long_line_has_a_short_table_with_the_newest_in_it() {
        let values: Vec<(i64, f64)> = (0..500).map(|minute| (minute, 1.0)).collect();
        let drawn = chart(Unit::Count, span(500), &values, None);
        let in_table: Vec<_> = drawn.rows.iter().filter(|row| row.in_table).collect();
        assert_eq!(drawn.rows.len(), 500);
        assert!(in_table.len() <= ROWS_MAX);
        assert_eq!(in_table.last().map(|row| row.at.as_str()), Some("499"));
    }
}
