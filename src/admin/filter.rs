//! Filters as addresses carry them: `from`, `to`, `user`, `app`, `kind`, `after`, `limit`. A value
//! that cannot be read is refused with an example of a right one, never passed over.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::asked::Asked;
use crate::clock::Timestamp;
use crate::pages::AdminReason;
use crate::store::{Cursor, EventQuery, Limit, VisitQuery};

/// Which end of a range a day stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A day begins at its midnight.
    From,
    /// A day is counted too: the range ends at the next midnight.
    To,
}

/// A time of the configured zone: RFC 3339, a local time without an offset, or a day.
fn time(text: &str, end: End, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(exact) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(exact.as_millisecond()));
    }
    let local = if text.contains(['T', ' ']) {
        text.parse::<DateTime>().ok()?
    } else {
        let day = text.parse::<Date>().ok()?;
        let day = match end {
            End::From => day,
            End::To => day.tomorrow().ok()?,
        };
        day.to_datetime(jiff::civil::Time::midnight())
    };
    let zoned = local.to_zoned_datetime(zone.clone()).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

fn bad(name: &'static str, value: String, example: &'static str) -> AdminReason {
    AdminReason::BadParameter { name, value, example }
}

impl Asked<'_> {
    pub(super) fn zone(&self) -> &TimeZone {
        &self.in_force.snapshot.timezone
    }

    fn time_parameter(
        &self,
        name: &'static str,
        end: End,
    ) -> Result<Option<Timestamp>, AdminReason> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        match time(&text, end, self.zone()) {
            Some(time) => Ok(Some(time)),
            None => Err(bad(name, text, "2026-11-26")),
        }
    }

    /// A parameter that is a day.
    pub(super) fn day_parameter(&self, name: &'static str) -> Result<Option<Date>, AdminReason> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad(name, text, "2026-11-26"))
    }

    fn after(&self) -> Result<Option<Cursor>, AdminReason> {
        let Some(text) = self.parameter("after") else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad("after", text, "1764115200000-17"))
    }

    /// How many rows are wanted.
    pub(super) fn limit(&self, otherwise: usize) -> Result<Limit, AdminReason> {
        let Some(text) = self.parameter("limit") else { return Ok(Limit::new(otherwise)) };
        text.parse().map(Limit::new).map_err(|_| bad("limit", text, "100"))
    }

    /// The visits that are asked for.
    pub(super) fn visit_query(&self, rows: usize) -> Result<VisitQuery, AdminReason> {
        Ok(VisitQuery {
            from: self.time_parameter("from", End::From)?,
            to: self.time_parameter("to", End::To)?,
            user: self.parameter("user"),
            app: self.parameter("app"),
            after: self.after()?,
            limit: self.limit(rows)?,
        })
    }

    /// The events that are asked for.
    pub(super) fn event_query(&self, rows: usize) -> Result<EventQuery, AdminReason> {
        Ok(EventQuery {
            from: self.time_parameter("from", End::From)?,
            to: self.time_parameter("to", End::To)?,
            user: self.parameter("user"),
            app: self.parameter("app"),
            kind: self.parameter("kind"),
            after: self.after()?,
            limit: self.limit(rows)?,
        })
    }

    /// The same address with other values of some parameters; `None` takes one away.
    pub(super) fn address_with(&self, changed: &[(&str, Option<&str>)]) -> String {
        let kept = form_urlencoded::parse(self.query().as_bytes())
            .filter(|(name, value)| {
                let is_changed = changed.iter().any(|(other, _)| other == name);
                !value.is_empty() && name != "told" && !is_changed
            })
            .map(|(name, value)| (name.into_owned(), value.into_owned()));
        let added = changed
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain(added))
            .finish();
        let path = self.path(self.rest);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_zone() {
        let zone = TimeZone::get("Asia/Seoul").expect("a zone");
        let midnight = 1_764_082_800_000; // 2025-11-26T00:00:00+09:00
        for (text, end, expected) in [
            ("2025-11-26", End::From, Some(midnight)),
            ("2025-11-26", End::To, Some(midnight + 86_400_000)),
            ("2025-11-26T09:30", End::To, Some(midnight + 34_200_000)),
            ("2025-11-26 09:30:01", End::From, Some(midnight + 34_201_000)),
            ("2025-11-26T00:30:00+00:00", End::From, Some(midnight + 34_200_000)),
            ("2025-11-25T15:00:00Z", End::To, Some(midnight)),
            ("yesterday", End::From, None),
            ("2025-13-01", End::From, None),
            ("", End::From, None),
        ] {
            assert_eq!(time(text, end, &zone).map(|time| time.0), expected, "{text} {end:?}");
        }
    }

    #[test]
    fn a_day_begins_when_the_clocks_say_even_if_they_jump() {
        // Midnight does not exist on the day on which Beirut's clocks go forward.
        let zone = TimeZone::get("Asia/Beirut").expect("a zone");
        let from = time("2025-03-30", End::From, &zone).expect("a time");
        let to = time("2025-03-30", End::To, &zone).expect("a time");
        assert_eq!(to.0 - from.0, 23 * 3_600_000);
    }
}
