//! Charts, drawn on the server: pure functions from numbers to places. What comes out has shares
//! of the width and pixels of the height, because the width is the reader's; the template
//! `admin/charts.html` makes SVG of it and puts the words in. No colour, no text, no clock.

mod bars;
mod heat;
mod line;
mod scale;

pub(super) use bars::{BarChart, Bars, bars};
pub(super) use heat::{HeatMap, heat};
pub(super) use line::{Line, LineChart, Point, Span, lines};
pub(super) use scale::Unit;

use serde::Serialize;

/// The height of the part of a chart in which something is drawn, in pixels.
pub(super) const PLOT_HEIGHT_PX: f64 = 132.0;
/// The width of the drawing that is stretched to the reader's width.
const PLOT_WIDTH: f64 = 1000.0;

/// A line across the chart with the value that it stands for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ValueTick {
    /// From the top of the plot, in pixels.
    pub(super) y: f64,
    /// The value in the chart's unit.
    pub(super) value: f64,
}

/// A place of the lower edge that has a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PlaceTick {
    /// Percent of the width.
    pub(super) x: f64,
    /// How the label lies at it: `start`, `middle` or `end`.
    pub(super) anchor: &'static str,
    /// What the label says: RFC 3339 or a day.
    pub(super) at: String,
    /// Whether it is left out where there is little room.
    pub(super) is_extra: bool,
}

/// Two decimals are finer than any screen.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A percentage of the width for a place of `PLOT_WIDTH`.
fn percent(place: f64) -> f64 {
    rounded(place / PLOT_WIDTH * 100.0)
}

/// How far down a value lies.
fn height(value: f64, top: f64) -> f64 {
    if top <= 0.0 {
        return PLOT_HEIGHT_PX;
    }
    rounded(PLOT_HEIGHT_PX - (value / top).clamp(0.0, 1.0) * PLOT_HEIGHT_PX)
}

fn value_ticks(values: impl IntoIterator<Item = f64>, top: f64) -> Vec<ValueTick> {
    values.into_iter().map(|value| ValueTick { y: height(value, top), value }).collect()
}

/// Labels must not leave the chart at its ends.
fn anchor(x: f64) -> &'static str {
    match x {
        x if x < 6.0 => "start",
        x if x > 94.0 => "end",
        _ => "middle",
    }
}
