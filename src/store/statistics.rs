//! What statistics say: visits, people and times per day, week, user and app, and when people are
//! here. Only the shape; `digest` has the arithmetic.
//!
//! A visit counts where it began: its day, its week. Dwell and active time count where they were
//! spent, so that the total of a day never exceeds the day's hours however long the visits were.
//! Mean and median are of the whole dwell of the visits that began there.

use jiff::civil::Date;

/// The most days of one answer; of a longer range the last ones.
pub const DAYS_MAX: usize = 4_000;

/// Sums over some visits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Visits that began.
    pub visits: u64,
    /// Different users who were here.
    pub people: u64,
    /// Dwell that was spent.
    pub dwell_ms: u64,
    /// Active time that was spent.
    pub active_ms: u64,
    /// The mean of the whole dwell of the visits that began; `None` without any.
    pub dwell_mean_ms: Option<u64>,
    /// Its median: of an even number of visits, the mean of the two in the middle.
    pub dwell_median_ms: Option<u64>,
    /// HTTP requests of the visits that began.
    pub requests: u64,
    /// Bytes from the browsers of the visits that began.
    pub in_bytes: u64,
    /// Bytes to them.
    pub out_bytes: u64,
}

/// One day of the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// What happened.
    pub amounts: Amounts,
}

/// One ISO week of the zone: Monday to Sunday, as far as the range goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// The year that the week counts in.
    pub year: i16,
    /// 1 to 53.
    pub week: i8,
    /// Its Monday, even if the range begins later.
    pub monday: Date,
    /// What happened.
    pub amounts: Amounts,
}

/// A user's, an app's, or a user's at an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The user; `None`: all of them.
    pub user: Option<String>,
    /// The app; `None`: all of them.
    pub app: Option<String>,
    /// What happened.
    pub amounts: Amounts,
}

/// One hour of the week, over all weeks of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourLoad {
    /// How long this hour of the week was in the range, in all: an hour per week, less or more
    /// where clocks were changed or the range begins inside.
    pub length_ms: u64,
    /// Visits that began in it.
    pub visits: u64,
    /// Dwell that was spent in it. Divided by `length_ms`: how many were here at once, on average.
    pub dwell_ms: u64,
    /// Active time that was spent in it.
    pub active_ms: u64,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The first day that is counted.
    pub from: Date,
    /// The last.
    pub to: Date,
    /// All of it.
    pub totals: Amounts,
    /// Every day from `from` to `to`, at most [`DAYS_MAX`].
    pub days: Vec<Day>,
    /// Every week that has a day in the range.
    pub weeks: Vec<Week>,
    /// Every user who was here, longest dwell first, at most [`super::ROWS_MAX`].
    pub users: Vec<Share>,
    /// Every app that was used, longest dwell first.
    pub apps: Vec<Share>,
    /// Every pair of user and app, longest dwell first, at most [`super::ROWS_MAX`].
    pub seats: Vec<Share>,
    /// By day of the week (Monday first) and hour of the day.
    pub hours: [[HourLoad; 24]; 7],
}
