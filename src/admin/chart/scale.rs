//! The scale of a chart: round numbers that people read easily, at most four steps.

use serde::Serialize;

/// What the numbers of a chart are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::admin) enum Unit {
    /// 0 to 100.
    Percent,
    /// Processor cores.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A load average: processes.
    Load,
    /// Visits or people.
    Count,
    /// Seconds.
    Seconds,
}

/// From 0 to `top` in steps of `step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// The value at the upper edge.
    pub(super) top: f64,
    /// Between two lines.
    pub(super) step: f64,
}

const STEPS_MAX: f64 = 4.0;
const SECONDS: [f64; 16] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0,
    43_200.0, 86_400.0, 172_800.0, 432_000.0,
];

impl Scale {
    /// The smallest scale that holds `largest`.
    pub(super) fn of(largest: f64, unit: Unit) -> Self {
        let largest = if largest.is_finite() { largest.max(0.0) } else { 0.0 };
        let step = match unit {
            Unit::Percent => 25.0,
            Unit::Cores | Unit::Load => decimal(largest.max(0.2) / STEPS_MAX),
            Unit::Count => decimal(largest.max(1.0) / STEPS_MAX).max(1.0),
            Unit::Bytes | Unit::BytesPerSecond => binary(largest.max(1024.0) / STEPS_MAX),
            Unit::Seconds => duration(largest.max(4.0) / STEPS_MAX),
        };
        let steps =
            if unit == Unit::Percent { STEPS_MAX } else { (largest / step).ceil().max(1.0) };
        Self { top: steps * step, step }
    }

    /// The values that have a line, 0 first.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step, count) = (self.step, (self.top / self.step).round() as usize);
        // Multiplied, not added up: 0.1 three times is not 0.3.
        (0..=count).map(move |number| (number as f64 * step * 1e6).round() / 1e6)
    }
}

/// The next of 1, 2, 5, 10, 20, …
fn decimal(at_least: f64) -> f64 {
    let power = 10f64.powf(at_least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().fold(10.0 * power, |best, step| {
        // Rounding may leave a hair: 0.30000000000000004 is still 0.3.
        if step >= at_least * (1.0 - 1e-9) && step < best { step } else { best }
    })
}

/// The next power of two.
fn binary(at_least: f64) -> f64 {
    2f64.powf(at_least.log2().ceil())
}

/// The next time that clocks and calendars know; beyond five days whole decades of days.
fn duration(at_least: f64) -> f64 {
    SECONDS
        .into_iter()
        .find(|step| *step >= at_least)
        .unwrap_or_else(|| decimal(at_least / 86_400.0) * 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_hold_what_they_have_to() {
        for (largest, unit, expected) in [
            (0.0, Unit::Percent, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (97.0, Unit::Percent, vec![0.0, 25.0, 50.0, 75.0, 100.0]),
            (0.0, Unit::Count, vec![0.0, 1.0]),
            (3.0, Unit::Count, vec![0.0, 1.0, 2.0, 3.0]),
            (4.0, Unit::Count, vec![0.0, 1.0, 2.0, 3.0, 4.0]),
            (5.0, Unit::Count, vec![0.0, 2.0, 4.0, 6.0]),
            (41.0, Unit::Count, vec![0.0, 20.0, 40.0, 60.0]),
            (0.3, Unit::Cores, vec![0.0, 0.1, 0.2, 0.3]),
            (1.7, Unit::Cores, vec![0.0, 0.5, 1.0, 1.5, 2.0]),
            (f64::NAN, Unit::Load, vec![0.0, 0.05]),
            (3.0 * 1024.0 * 1024.0, Unit::Bytes, vec![0.0, 1_048_576.0, 2_097_152.0, 3_145_728.0]),
            (0.0, Unit::Bytes, vec![0.0, 256.0]),
            (50.0, Unit::Seconds, vec![0.0, 15.0, 30.0, 45.0, 60.0]),
            (10_000.0, Unit::Seconds, vec![0.0, 3_600.0, 7_200.0, 10_800.0]),
            (
                3_000_000.0,
                Unit::Seconds,
                vec![0.0, 864_000.0, 1_728_000.0, 2_592_000.0, 3_456_000.0],
            ),
        ] {
            let scale = Scale::of(largest, unit);
            assert_eq!(scale.ticks().collect::<Vec<_>>(), expected, "{largest} {unit:?}");
            assert!(scale.top >= largest || largest.is_nan());
        }
    }
}
