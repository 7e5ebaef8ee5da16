//! Days of a zone as ranges of time. Pure: the zone and now are arguments.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// A day of a zone: 24 hours, or less or more where clocks are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayRange {
    /// Which.
    pub(super) date: Date,
    /// Its first millisecond.
    pub(super) from_at: i64,
    /// The next day's first millisecond.
    pub(super) to_at: i64,
}

/// The date of a moment. Times beyond the year 9999 are at its end.
pub(super) fn date_of(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(instant(at)).date()
}

/// The days from `first` to `last`, of a longer range the last `days_max`.
pub(super) fn days(zone: &TimeZone, first: Date, last: Date, days_max: usize) -> Vec<DayRange> {
    let mut days = Vec::new();
    let mut date = last;
    let mut to_at = last.tomorrow().ok().and_then(|next| begin(zone, next));
    while date >= first && days.len() < days_max {
        let (Some(from_at), Some(end)) = (begin(zone, date), to_at) else { break };
        days.push(DayRange { date, from_at, to_at: end });
        to_at = Some(from_at);
        let Ok(yesterday) = date.yesterday() else { break };
        date = yesterday;
    }
    days.reverse();
    days
}

/// The first millisecond of a day: midnight, or when clocks skip it, what follows.
fn begin(zone: &TimeZone, date: Date) -> Option<i64> {
    let midnight = date.to_zoned_datetime(zone.clone()).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

/// The library's timestamp of ours.
pub(super) fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or(if at.0 < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn hours(zone: &str, year: i16, month: i8, day: i8) -> i64 {
        let zone = TimeZone::get(zone).unwrap();
        let day = date(year, month, day);
        let range = days(&zone, day, day, 1)[0];
        (range.to_at - range.from_at) / 3_600_000
    }

    #[test]
    fn days_have_the_hours_that_their_zone_gives_them() {
        for (zone, year, month, day, expected) in [
            ("Asia/Seoul", 2026, 3, 29, 24),
            ("Europe/Berlin", 2026, 3, 29, 23),
            ("Europe/Berlin", 2026, 10, 25, 25),
            ("America/New_York", 2026, 3, 8, 23),
            ("America/New_York", 2026, 11, 1, 25),
            // Clocks went from 24:00 to 01:00: the day has no midnight.
            ("America/Sao_Paulo", 2018, 11, 4, 23),
            // The island went over the date line and had no such day; what is left is nothing.
            ("Pacific/Apia", 2011, 12, 31, 24),
        ] {
            assert_eq!(hours(zone, year, month, day), expected, "{zone} {year}-{month}-{day}");
        }
    }

    #[test]
    fn days_touch_and_the_last_ones_are_kept() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let all = days(&zone, date(2025, 12, 1), date(2026, 12, 31), 4000);
        assert_eq!(all.len(), 396);
        assert!(all.windows(2).all(|pair| pair[0].to_at == pair[1].from_at));
        assert_eq!(date_of(&zone, Timestamp(all[0].from_at)), date(2025, 12, 1));
        assert_eq!(date_of(&zone, Timestamp(all[0].from_at - 1)), date(2025, 11, 30));
        let last = days(&zone, date(2025, 12, 1), date(2026, 12, 31), 3);
        assert_eq!(last, all[393..]);
        assert!(days(&zone, date(2026, 1, 2), date(2026, 1, 1), 10).is_empty());
    }

    #[test]
    fn the_end_of_time_is_no_fault() {
        let zone = TimeZone::get("Asia/Seoul").unwrap();
        assert!(days(&zone, Date::MIN, Date::MAX, 10).is_empty());
        assert_eq!(date_of(&zone, Timestamp(i64::MAX)).year(), 9999);
        assert_eq!(date_of(&zone, Timestamp(i64::MIN)).year(), -9999);
    }
}
