//! Bars over days or weeks, each of one or two parts.

use serde::Serialize;

use super::scale::{Scale, Unit};
use super::{PLOT_HEIGHT_PX, PlaceTick, ValueTick, anchor, height, rounded, value_ticks};

/// The most labels at the lower edge; a phone shows every second one.
const LABELS_MAX: usize = 6;
/// The part of a bar's room that it fills.
const FILLED: f64 = 0.72;
/// A bar is at most this wide, as a share of the chart in percent: one day alone is no wall.
const WIDTH_MAX: f64 = 8.0;
/// A bar is at least this high if there is something, in pixels.
const HEIGHT_MIN_PX: f64 = 2.0;

/// What is to be drawn: for each place its label, the whole, and the part of it that is marked.
pub(in crate::admin) struct Bars {
    /// The day or week.
    pub(in crate::admin) at: String,
    /// The whole.
    pub(in crate::admin) whole: f64,
    /// The part of it; 0: none.
    pub(in crate::admin) part: f64,
}

/// A bar as it is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct Bar {
    /// Percent of the width.
    x: f64,
    width: f64,
    /// Pixels from the top of the plot.
    y: f64,
    height: f64,
    /// Where the marked part begins.
    part_y: f64,
    part_height: f64,
    /// Percent of the width of the whole room, for whoever points at it.
    room_x: f64,
    room_width: f64,
    at: String,
    whole: f64,
    part: f64,
}

/// The chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct BarChart {
    unit: Unit,
    values: Vec<ValueTick>,
    places: Vec<PlaceTick>,
    bars: Vec<Bar>,
    /// Whether bars have parts.
    has_parts: bool,
}

/// Draws bars, oldest first.
pub(in crate::admin) fn bars(unit: Unit, given: &[Bars]) -> BarChart {
    let largest = given.iter().map(|bar| bar.whole).fold(0.0, f64::max);
    let scale = Scale::of(largest, unit);
    let room = 100.0 / given.len().max(1) as f64;
    let every = given.len().div_ceil(LABELS_MAX).max(1);
    let bar = |(number, bar): (usize, &Bars)| {
        let top = |value: f64| {
            let y = height(value, scale.top);
            if value > 0.0 { y.min(PLOT_HEIGHT_PX - HEIGHT_MIN_PX) } else { y }
        };
        let width = (room * FILLED).min(WIDTH_MAX);
        let (y, part_y) = (top(bar.whole), top(bar.part.min(bar.whole)));
        Bar {
            x: rounded(room * (number as f64 + 0.5) - width / 2.0),
            width: rounded(width),
            y,
            height: rounded(PLOT_HEIGHT_PX - y),
            part_y,
            part_height: rounded(PLOT_HEIGHT_PX - part_y),
            room_x: rounded(room * number as f64),
            room_width: rounded(room),
            at: bar.at.clone(),
            whole: bar.whole,
            part: bar.part,
        }
    };
    let place = |(number, bar): (usize, &Bars)| {
        let x = rounded(room * (number as f64 + 0.5));
        let is_extra = (given.len() - 1 - number) / every % 2 == 1;
        PlaceTick { x, anchor: anchor(x), at: bar.at.clone(), is_extra }
    };
    BarChart {
        unit,
        values: value_ticks(scale.ticks(), scale.top),
        // Counted from the newest, which is the one that people look for.
        places: given
            .iter()
            .enumerate()
            .filter(|(number, _)| (given.len() - 1 - number).is_multiple_of(every))
            .map(place)
            .collect(),
        bars: given.iter().enumerate().map(bar).collect(),
        has_parts: given.iter().any(|bar| bar.part > 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(values: &[(f64, f64)]) -> Vec<Bars> {
        let bar = |(number, (whole, part)): (usize, &(f64, f64))| Bars {
            at: number.to_string(),
            whole: *whole,
            part: *part,
        };
        values.iter().enumerate().map(bar).collect()
    }

    #[test]
    fn bars_are_as_high_as_their_values() {
        let chart = bars(Unit::Count, &given(&[(4.0, 0.0), (2.0, 1.0), (0.0, 0.0), (0.001, 0.0)]));
        let heights: Vec<f64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!(heights, [132.0, 66.0, 0.0, HEIGHT_MIN_PX]);
        assert_eq!((chart.bars[1].part_y, chart.bars[1].part_height), (99.0, 33.0));
        assert_eq!((chart.bars[1].room_x, chart.bars[1].room_width), (25.0, 25.0));
        assert!(chart.has_parts);
        for bar in &chart.bars {
            assert!(bar.x >= bar.room_x && bar.x + bar.width <= bar.room_x + bar.room_width);
        }
    }

    #[test]
    fn the_newest_bar_has_a_label_and_few_others() {
        let chart = bars(Unit::Seconds, &given(&[(1.0, 0.0); 31]));
        let labels: Vec<_> = chart.places.iter().map(|place| place.at.as_str()).collect();
        assert_eq!(labels, ["0", "6", "12", "18", "24", "30"]);
        assert_eq!((chart.places[0].anchor, chart.places[5].anchor), ("start", "end"));
        let extra: Vec<_> = chart.places.iter().map(|place| place.is_extra).collect();
        assert_eq!(extra, [true, false, true, false, true, false]);
    }

    #[test]
    fn no_bars_are_an_empty_chart() {
        let chart = bars(Unit::Count, &[]);
        assert!(chart.bars.is_empty() && chart.places.is_empty() && !chart.values.is_empty());
    }
}
