//! The hours of the week, the darker the busier.

use serde::Serialize;

use super::rounded;

/// Shades beside "nothing".
const SHADES: f64 = 5.0;

/// One hour of the week.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct Cell {
    /// 0 to 23.
    hour: usize,
    /// Percent of the width.
    x: f64,
    width: f64,
    /// 0: nothing; 1 to 5.
    shade: u8,
    value: f64,
}

/// The chart: seven rows, Monday first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(in crate::admin) struct HeatMap {
    rows: Vec<Vec<Cell>>,
    /// The largest value.
    largest: f64,
    /// The weekday (0 is Monday) and hour that have it; none if all is 0.
    busiest: Option<(usize, usize)>,
}

/// Draws the hours of the week.
pub(in crate::admin) fn heat(values: &[[f64; 24]; 7]) -> HeatMap {
    let largest = values.iter().flatten().copied().fold(0.0, f64::max);
    let width = 100.0 / 24.0;
    let cell = |(hour, value): (usize, &f64)| Cell {
        hour,
        x: rounded(width * hour as f64),
        width: rounded(width),
        shade: shade(*value, largest),
        value: *value,
    };
    let hours = values.iter().enumerate().flat_map(|(weekday, row)| {
        row.iter().enumerate().map(move |(hour, value)| ((weekday, hour), *value))
    });
    let busiest = hours
        .filter(|(_, value)| *value > 0.0)
        // Of equal ones the first.
        .fold(None, |best: Option<((usize, usize), f64)>, new| match best {
            Some(best) if best.1 >= new.1 => Some(best),
            Some(_) | None => Some(new),
        })
        .map(|(place, _)| place);
    HeatMap {
        rows: values.iter().map(|row| row.iter().enumerate().map(cell).collect()).collect(),
        largest,
        busiest,
    }
}

fn shade(value: f64, largest: f64) -> u8 {
    if value <= 0.0 || largest <= 0.0 {
        return 0;
    }
    (value / largest * SHADES).ceil().clamp(1.0, SHADES) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hour_is_the_darkest() {
        let mut values = [[0.0; 24]; 7];
        values[0][9] = 10.0;
        values[4][14] = 10.0;
        values[2][8] = 0.1;
        values[3][8] = 6.1;
        let map = heat(&values);
        assert_eq!(map.busiest, Some((0, 9)));
        let shades = [(0, 9), (2, 8), (3, 8), (6, 23)].map(|(day, hour)| map.rows[day][hour].shade);
        assert_eq!(shades, [5, 1, 4, 0]);
        assert_eq!((map.rows[1][12].x, map.rows[1][12].width), (50.0, 4.17));
    }

    #[test]
    fn a_quiet_week_has_no_busiest_hour() {
        let map = heat(&[[0.0; 24]; 7]);
        assert_eq!(map.busiest, None);
        assert!(map.rows.iter().flatten().all(|cell| cell.shade == 0));
    }
}
