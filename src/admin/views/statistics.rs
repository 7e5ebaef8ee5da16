//! The statistics: visits, people and times by day, week, user, app and hour.

use serde::Serialize;

use super::super::api::{days_of, today};
use super::super::asked::Asked;
use super::super::chart::{BarChart, Bars, HeatMap, Unit, bars, heat};
use super::super::{Admin, documents, json};
use super::records::Filter;
use super::title_of;
use crate::config::Snapshot;
use crate::pages::{AdminReason, words};
use crate::store::Statistics;

/// With more days than this, a bar is a week.
const DAYS_OF_BARS_MAX: usize = 92;
/// The most lines of the tables of people and seats; the CSV has all.
const SHARES_SHOWN_MAX: usize = 50;

/// A line of a table of shares.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct ShareLine {
    pub(in crate::admin) share: json::Share,
    /// The app's name for people.
    pub(in crate::admin) title: Option<String>,
}

/// The charts.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Charts {
    /// `day` or `week`.
    pub(in crate::admin) by: &'static str,
    pub(in crate::admin) visits: BarChart,
    pub(in crate::admin) people: BarChart,
    pub(in crate::admin) dwell: BarChart,
    pub(in crate::admin) hours: HeatMap,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Found {
    pub(in crate::admin) from: String,
    pub(in crate::admin) to: String,
    pub(in crate::admin) timezone: Option<String>,
    pub(in crate::admin) totals: json::Amounts,
    pub(in crate::admin) charts: Charts,
    pub(in crate::admin) days: Vec<json::Day>,
    pub(in crate::admin) weeks: Vec<json::Week>,
    pub(in crate::admin) users: Vec<ShareLine>,
    /// Users that are not shown.
    pub(in crate::admin) users_more: usize,
    pub(in crate::admin) apps: Vec<ShareLine>,
    pub(in crate::admin) seats: Vec<ShareLine>,
    pub(in crate::admin) seats_more: usize,
}

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct StatisticsPage {
    pub(in crate::admin) filter: Filter,
    /// The range that is chosen; none: from and to are.
    pub(in crate::admin) range: Option<String>,
    /// The address of each range.
    pub(in crate::admin) ranges: Vec<(&'static str, String)>,
    /// None: the records cannot be read.
    pub(in crate::admin) found: Option<Found>,
    /// The address of the same as CSV.
    pub(in crate::admin) csv: String,
}

impl Admin {
    pub(in crate::admin) async fn statistics_page(
        &self,
        asked: &Asked<'_>,
    ) -> Result<StatisticsPage, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let query = self.statistics_query(asked)?;
        let mut filter = Filter::of(asked);
        (filter.from, filter.to) = (query.from.to_string(), query.to.to_string());
        let named = asked.parameter("range").filter(|range| days_of(range).is_some());
        let ends_today = query.to == today(snapshot, query.now);
        let has_ends = asked.parameter("from").is_some() || !ends_today;
        let range = (!has_ends).then(|| named.unwrap_or_else(|| "30d".to_owned()));
        let found = match self.statistics(query).await {
            Ok(found) => Some(Found::of(&found, snapshot)),
            Err(AdminReason::RecordsUnreadable { .. }) => None,
            Err(reason) => return Err(reason),
        };
        let address = |word: &'static str| {
            let changed = [("range", Some(word)), ("from", None), ("to", None)];
            (word, asked.address_with(&changed))
        };
        let csv = asked.address_with(&[
            ("from", Some(&filter.from)),
            ("to", Some(&filter.to)),
            ("range", None),
        ]);
        Ok(StatisticsPage {
            range,
            ranges: words::DAYS.iter().copied().map(address).collect(),
            found,
            csv: csv.replacen("/statistics?", "/statistics.csv?", 1),
            filter,
        })
    }
}

impl Found {
    /// What was found, drawn.
    pub(in crate::admin) fn of(found: &Statistics, snapshot: &Snapshot) -> Self {
        let told = documents::statistics(found, snapshot);
        let charts = charts(&told);
        let line = |share: json::Share| ShareLine {
            title: share.app.as_deref().map(|app| title_of(snapshot, app)),
            share,
        };
        let some = |shares: Vec<json::Share>| -> (Vec<ShareLine>, usize) {
            let more = shares.len().saturating_sub(SHARES_SHOWN_MAX);
            (shares.into_iter().take(SHARES_SHOWN_MAX).map(line).collect(), more)
        };
        let (users, users_more) = some(told.users);
        let (seats, seats_more) = some(told.seats);
        Self {
            from: told.from.0,
            to: told.to.0,
            timezone: told.timezone,
            totals: told.totals,
            charts,
            days: told.days,
            weeks: told.weeks,
            users,
            users_more,
            apps: told.apps.into_iter().map(line).collect(),
            seats,
            seats_more,
        }
    }
}

fn charts(told: &json::Statistics) -> Charts {
    let by_day = told.days.len() <= DAYS_OF_BARS_MAX;
    let rows: Vec<(&str, &json::Amounts)> = if by_day {
        told.days.iter().map(|day| (day.date.0.as_str(), &day.amounts)).collect()
    } else {
        told.weeks.iter().map(|week| (week.monday.0.as_str(), &week.amounts)).collect()
    };
    let draw = |unit, value: &dyn Fn(&json::Amounts) -> (f64, f64)| {
        let bar = |(at, amounts): &(&str, &json::Amounts)| {
            let (whole, part) = value(amounts);
            Bars { at: (*at).to_owned(), whole, part }
        };
        bars(unit, &rows.iter().map(bar).collect::<Vec<_>>())
    };
    let mut hours = [[0.0; 24]; 7];
    for hour in &told.hours {
        let weekday = hours.get_mut(hour.weekday.saturating_sub(1) as usize);
        if let Some(place) = weekday.and_then(|row| row.get_mut(hour.hour as usize)) {
            *place = hour.people_mean.unwrap_or(0.0);
        }
    }
    Charts {
        by: if by_day { "day" } else { "week" },
        visits: draw(Unit::Count, &|amounts| (amounts.visits as f64, 0.0)),
        people: draw(Unit::Count, &|amounts| (amounts.people as f64, 0.0)),
        dwell: draw(Unit::Seconds, &|amounts| (amounts.dwell_s, amounts.active_s)),
        hours: heat(&hours),
    }
}
