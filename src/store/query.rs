//! What may be asked, with its bounds. A query that cannot be too large needs no check behind it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// The most rows of one answer.
pub const ROWS_MAX: usize = 1000;
/// The most points of one series.
pub const POINTS_MAX: usize = 1000;
/// The most users that one question names.
pub const USERS_ASKED_MAX: usize = 10_000;

/// How many rows are wanted: 1 to [`ROWS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// So many, or the nearest that is allowed.
    pub fn new(rows: usize) -> Self {
        Self(rows.clamp(1, ROWS_MAX))
    }

    /// The number.
    pub fn rows(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

/// The place in a list after which the next page begins. As text it is `MILLISECONDS-NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The time of the last row seen.
    pub at: Timestamp,
    /// Its number.
    pub id: i64,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`after` is what an earlier answer gave as `after`")
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (at, id) = text.rsplit_once('-').ok_or(BadCursor)?;
        Ok(Self {
            at: Timestamp(at.parse().map_err(|_| BadCursor)?),
            id: id.parse().map_err(|_| BadCursor)?,
        })
    }
}

/// Some rows of a list, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Ask with this for the next ones; `None`: there are no more.
    pub after: Option<Cursor>,
}

/// Which visits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisitQuery {
    /// Those that began then or later.
    pub from: Option<Timestamp>,
    /// Those that began before.
    pub to: Option<Timestamp>,
    /// Those of this user.
    pub user: Option<String>,
    /// Those at this app.
    pub app: Option<String>,
    /// Those after this place, which are older.
    pub after: Option<Cursor>,
    /// How many.
    pub limit: Limit,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Those of then or later.
    pub from: Option<Timestamp>,
    /// Those before.
    pub to: Option<Timestamp>,
    /// Those that are about this user's seats, or that this user caused.
    pub user: Option<String>,
    /// Those that are about this app's seats.
    pub app: Option<String>,
    /// Those of this kind.
    pub kind: Option<String>,
    /// Those after this place, which are older.
    pub after: Option<Cursor>,
    /// How many.
    pub limit: Limit,
}

/// Which samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleQuery {
    /// From then.
    pub from: Timestamp,
    /// Until before then.
    pub to: Timestamp,
    /// In at most so many points, 2 to [`POINTS_MAX`].
    pub points_max: usize,
    /// Now, to know how much of the time was thinned.
    pub now: Timestamp,
}

/// Statistics over whole days of a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsQuery {
    /// The first day. Days before the first record are left out.
    pub from: Date,
    /// The last day, which is counted too. Days that have not begun are left out.
    pub to: Date,
    /// Whose days and weeks.
    pub zone: TimeZone,
    /// Now, to know which days have begun.
    pub now: Timestamp,
    /// Only this user's visits.
    pub user: Option<String>,
    /// Only visits at this app.
    pub app: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_being_text() {
        for cursor in [
            Cursor { at: Timestamp(1_767_225_600_123), id: 7 },
            Cursor { at: Timestamp(-5), id: 0 },
            Cursor { at: Timestamp(0), id: i64::MAX },
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "-", "7", "7-", "a-1", "1-b", "1--", "99999999999999999999-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }

    #[test]
    fn a_limit_is_always_allowed() {
        assert_eq!(
            [0, 1, 50, 1000, 1001, usize::MAX].map(|rows| Limit::new(rows).rows()),
            [1, 1, 50, 1000, 1000, 1000]
        );
    }
}
