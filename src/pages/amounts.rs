//! How amounts are shown: durations, bytes, percentages and moments, as parts that the table of
//! texts puts into words. It must not know the clock: what is shown was given.

/// A unit of time in the table of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    Hours,
    Minutes,
    Seconds,
}

impl Unit {
    pub(super) const fn text_key(self) -> &'static str {
        match self {
            Unit::Days => "unit.days",
            Unit::Hours => "unit.hours",
            Unit::Minutes => "unit.minutes",
            Unit::Seconds => "unit.seconds",
        }
    }
}

const UNITS: [(u64, Unit); 4] =
    [(86_400, Unit::Days), (3_600, Unit::Hours), (60, Unit::Minutes), (1, Unit::Seconds)];

/// At most two units, the second only where it is not zero; under ten seconds with a tenth.
pub(super) fn duration_parts(seconds: f64) -> Vec<(String, Unit)> {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if seconds < 9.95 {
        let tenths = (seconds * 10.0).round() / 10.0;
        return vec![(tenths.to_string(), Unit::Seconds)];
    }
    let mut rest = seconds.round() as u64;
    let mut parts = Vec::with_capacity(2);
    for (size, unit) in UNITS {
        let amount = rest / size;
        rest %= size;
        if amount > 0 {
            parts.push((amount.to_string(), unit));
        }
        let adjacent_unit_was_read = !parts.is_empty() && (parts.len() == 2 || amount == 0);
        if adjacent_unit_was_read {
            break;
        }
    }
    parts
}

/// `0 B`, `512 KiB`, `1.5 GiB`: three digits at most.
pub(super) fn bytes(bytes: u64) -> String {
    const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut name = 0;
    while amount >= 999.5 && name + 1 < NAMES.len() {
        amount /= 1024.0;
        name += 1;
    }
    let whole = name == 0 || amount >= 99.95 || (amount - amount.round()).abs() < 0.05;
    let digits = usize::from(!whole);
    format!("{amount:.digits$} {}", NAMES[name])
}

/// A share as whole percent, 0 to 100; a total of nothing is 0.
pub(super) fn percent(part: f64, total: f64) -> u8 {
    if !(part.is_finite() && total.is_finite()) || total <= 0.0 {
        return 0;
    }
    (part / total * 100.0).round().clamp(0.0, 100.0) as u8
}

/// How much of a progress bar is filled, in percent: straight to four fifths in the usual time,
/// then ever slower, so that it never claims to be done. `assets/waiting.js` draws the same curve.
pub(super) fn progress_share(elapsed_s: f64, usual_s: Option<f64>) -> f64 {
    let share = match usual_s.filter(|usual_s| *usual_s > 0.0) {
        None => 90.0 * (1.0 - (-elapsed_s / 20.0).exp()),
        Some(usual_s) if elapsed_s < usual_s => 80.0 * elapsed_s / usual_s,
        Some(usual_s) => 80.0 + 17.0 * (1.0 - (1.0 - elapsed_s / usual_s).exp()),
    };
    (share * 10.0).round() / 10.0
}

/// The pieces of an RFC 3339 time that a reader in that time's own zone wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment<'a> {
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) time: &'a str,
}

/// Takes `2026-11-26T07:01:15+09:00` apart; `None` if it is not such a time.
pub(super) fn moment(rfc3339: &str) -> Option<Moment<'_>> {
    let (date, time) = rfc3339.split_once('T')?;
    let mut numbers = date.split('-').skip(1).map(|digits| digits.parse::<u8>().ok());
    let month = numbers.next()??;
    let day = numbers.next()??;
    let in_year = (1..=12).contains(&month) && (1..=31).contains(&day);
    in_year.then_some(Moment { month, day, time: time.get(..5)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        let table: &[(f64, &[&str])] = &[
            (0.0, &["0 unit.seconds"]),
            (0.04, &["0 unit.seconds"]),
            (0.25, &["0.3 unit.seconds"]),
            (4.2, &["4.2 unit.seconds"]),
            (9.96, &["10 unit.seconds"]),
            (59.4, &["59 unit.seconds"]),
            (60.0, &["1 unit.minutes"]),
            (80.0, &["1 unit.minutes", "20 unit.seconds"]),
            (3_600.0, &["1 unit.hours"]),
            (3_605.0, &["1 unit.hours"]),
            (7_500.0, &["2 unit.hours", "5 unit.minutes"]),
            (90_000.0, &["1 unit.days", "1 unit.hours"]),
            (-3.0, &["0 unit.seconds"]),
            (f64::NAN, &["0 unit.seconds"]),
        ];
        for (seconds, expected) in table {
            let parts: Vec<String> = duration_parts(*seconds)
                .into_iter()
                .map(|(amount, unit)| format!("{amount} {}", unit.text_key()))
                .collect();
            assert_eq!(parts, *expected, "{seconds}");
        }
    }

    #[test]
    fn bytes_have_three_digits_at_most() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1 KiB"),
            (1_536, "1.5 KiB"),
            (200 << 20, "200 MiB"),
            (3 << 29, "1.5 GiB"),
            (1 << 60, "1048576 TiB"),
        ];
        for (amount, expected) in table {
            assert_eq!(bytes(amount), expected);
        }
    }

    #[test]
    fn shares_stay_between_0_and_100() {
        for (part, total, expected) in
            [(1.0, 4.0, 25), (9.0, 4.0, 100), (1.0, 0.0, 0), (-1.0, 4.0, 0), (f64::NAN, 1.0, 0)]
        {
            assert_eq!(percent(part, total), expected);
        }
    }

    #[test]
    fn progress_slows_down_but_never_ends() {
        let table = [
            (0.0, Some(6.0), 0.0),
            (3.0, Some(6.0), 40.0),
            (6.0, Some(6.0), 80.0),
            (600.0, Some(6.0), 97.0),
            (0.0, None, 0.0),
            (600.0, None, 90.0),
            (600.0, Some(0.0), 90.0),
        ];
        for (elapsed_s, usual_s, expected) in table {
            assert_eq!(progress_share(elapsed_s, usual_s), expected, "{elapsed_s} {usual_s:?}");
        }
    }

    #[test]
    fn moments_are_read_in_their_own_zone() {
        let read = moment("2026-11-26T07:01:15.123+09:00");
        assert_eq!(read, Some(Moment { month: 11, day: 26, time: "07:01" }));
        for wrong in ["", "yesterday", "2026-11-26", "2026-13-26T07:01:15Z", "2026-11-26T7:1"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
