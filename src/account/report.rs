//! Statistics as text for other programs: `usher report`, the page's download, the API.
//!
//! CSV is one table whose first column says what the row sums up (`total`, `day`, `week`, `user`,
//! `app`, `seat`), so that a spreadsheet can filter it. JSON has the same by name. Lengths are
//! seconds with three decimals.

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::store::{Amounts, HourLoad, Share, Statistics};

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with a header.
    Csv,
    /// One object.
    Json,
}

/// Writes statistics that were made in `zone`.
///
/// # Errors
/// What `out` says.
pub fn write(
    out: &mut dyn Write,
    statistics: &Statistics,
    format: Format,
    zone: &TimeZone,
) -> io::Result<()> {
    match format {
        Format::Csv => write_csv(out, statistics),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &document(statistics, zone))?;
            out.write_all(b"\n")
        }
    }
}

const HEADER: &str = "rows,from,to,week,user,app,visits,people,dwell_s,active_s,dwell_mean_s,\
    dwell_median_s,requests,in_bytes,out_bytes";

fn write_csv(out: &mut dyn Write, statistics: &Statistics) -> io::Result<()> {
    writeln!(out, "{HEADER}\r")?;
    let (from, to) = (statistics.from.to_string(), statistics.to.to_string());
    write_row(out, ["total", &from, &to, "", "", ""], &statistics.totals)?;
    for day in &statistics.days {
        let date = day.date.to_string();
        write_row(out, ["day", &date, &date, "", "", ""], &day.amounts)?;
    }
    for week in &statistics.weeks {
        let sunday = week.monday.saturating_add(jiff::Span::new().days(6));
        // A week at the edge has only those of its days that are in the range.
        let from = week.monday.max(statistics.from).to_string();
        let to = sunday.min(statistics.to).to_string();
        let name = week_name(week.year, week.week);
        write_row(out, ["week", &from, &to, &name, "", ""], &week.amounts)?;
    }
    for (rows, shares) in
        [("user", &statistics.users), ("app", &statistics.apps), ("seat", &statistics.seats)]
    {
        for share in shares {
            let user = quoted(share.user.as_deref().unwrap_or_default());
            let app = quoted(share.app.as_deref().unwrap_or_default());
            write_row(out, [rows, &from, &to, "", &user, &app], &share.amounts)?;
        }
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, names: [&str; 6], amounts: &Amounts) -> io::Result<()> {
    let Amounts { visits, people, requests, in_bytes, out_bytes, .. } = amounts;
    let [dwell, active] = [amounts.dwell_ms, amounts.active_ms].map(in_seconds);
    let [mean, median] = [amounts.dwell_mean_ms, amounts.dwell_median_ms]
        .map(|ms| ms.map(in_seconds).unwrap_or_default());
    write!(out, "{},{visits},{people},{dwell},{active},{mean},{median},", names.join(","))?;
    writeln!(out, "{requests},{in_bytes},{out_bytes}\r")
}

fn in_seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// A field that cannot be mistaken for two. Names have no such characters today.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// `2026-W27`
fn week_name(year: i16, week: i8) -> String {
    format!("{year:04}-W{week:02}")
}

/// Statistics as JSON shows them.
#[derive(Debug, Serialize)]
pub struct Document {
    from: String,
    to: String,
    timezone: Option<String>,
    totals: AmountsJson,
    days: Vec<DayJson>,
    weeks: Vec<WeekJson>,
    users: Vec<ShareJson>,
    apps: Vec<ShareJson>,
    seats: Vec<ShareJson>,
    hours: Vec<HourJson>,
}

#[derive(Debug, Serialize)]
struct AmountsJson {
    visits: u64,
    people: u64,
    dwell_s: f64,
    active_s: f64,
    dwell_mean_s: Option<f64>,
    dwell_median_s: Option<f64>,
    requests: u64,
    in_bytes: u64,
    out_bytes: u64,
}

#[derive(Debug, Serialize)]
struct DayJson {
    date: String,
    #[serde(flatten)]
    amounts: AmountsJson,
}

#[derive(Debug, Serialize)]
struct WeekJson {
    week: String,
    monday: String,
    #[serde(flatten)]
    amounts: AmountsJson,
}

#[derive(Debug, Serialize)]
struct ShareJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<String>,
    #[serde(flatten)]
    amounts: AmountsJson,
}

#[derive(Debug, Serialize)]
struct HourJson {
    /// 1 is Monday.
    weekday: usize,
    hour: usize,
    visits: u64,
    dwell_s: f64,
    active_s: f64,
    /// How many were here at once, on average; null: the range has no such hour.
    people_mean: Option<f64>,
}

/// Statistics that were made in `zone`, as JSON shows them.
pub fn document(statistics: &Statistics, zone: &TimeZone) -> Document {
    let day = |day: &crate::store::Day| DayJson {
        date: day.date.to_string(),
        amounts: amounts(&day.amounts),
    };
    let week = |week: &crate::store::Week| WeekJson {
        week: week_name(week.year, week.week),
        monday: week.monday.to_string(),
        amounts: amounts(&week.amounts),
    };
    let shares = |shares: &[Share]| -> Vec<ShareJson> {
        let share = |share: &Share| ShareJson {
            user: share.user.clone(),
            app: share.app.clone(),
            amounts: amounts(&share.amounts),
        };
        shares.iter().map(share).collect()
    };
    Document {
        from: statistics.from.to_string(),
        to: statistics.to.to_string(),
        timezone: zone.iana_name().map(str::to_owned),
        totals: amounts(&statistics.totals),
        days: statistics.days.iter().map(day).collect(),
        weeks: statistics.weeks.iter().map(week).collect(),
        users: shares(&statistics.users),
        apps: shares(&statistics.apps),
        seats: shares(&statistics.seats),
        hours: hours(&statistics.hours),
    }
}

fn amounts(amounts: &Amounts) -> AmountsJson {
    AmountsJson {
        visits: amounts.visits,
        people: amounts.people,
        dwell_s: seconds(amounts.dwell_ms),
        active_s: seconds(amounts.active_ms),
        dwell_mean_s: amounts.dwell_mean_ms.map(seconds),
        dwell_median_s: amounts.dwell_median_ms.map(seconds),
        requests: amounts.requests,
        in_bytes: amounts.in_bytes,
        out_bytes: amounts.out_bytes,
    }
}

fn hours(loads: &[[HourLoad; 24]; 7]) -> Vec<HourJson> {
    let hour = |weekday: usize, hour: usize, load: &HourLoad| HourJson {
        weekday: weekday + 1,
        hour,
        visits: load.visits,
        dwell_s: seconds(load.dwell_ms),
        active_s: seconds(load.active_ms),
        people_mean: (load.length_ms > 0).then(|| load.dwell_ms as f64 / load.length_ms as f64),
    };
    loads
        .iter()
        .enumerate()
        .flat_map(|(weekday, day)| {
            day.iter().enumerate().map(move |(index, load)| hour(weekday, index, load))
        })
        .collect()
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
