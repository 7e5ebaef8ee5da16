//! Samples over a time, put together into as few points as were asked for. Thinned and fresh
//! samples are in one table and never cover the same moment, so one query reads both.

use rusqlite::{Connection, Row};

use super::tidy::LADDER;
use super::values::{time, unsigned};
#[cfg(test)]
use crate::clock::Timestamp;
use crate::store::{MachinePoint, POINTS_MAX, SampleQuery, SeatPoint, Series};

/// A week, in milliseconds.
const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// Lengths that people recognise, in milliseconds.
const STEPS_MS: [i64; 17] = {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    [
        SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        WEEK_MS,
    ]
};

/// The step of a query: so long that the points fit, and not shorter than the steps to which the
/// oldest part of the time has been thinned.
fn step_ms(query: &SampleQuery) -> i64 {
    let length_ms = query.to.0.saturating_sub(query.from.0).max(1);
    let age_ms = query.now.0.saturating_sub(query.from.0);
    let thinned = LADDER.iter().rev().find(|rung| age_ms > rung.after_ms);
    // Steps begin at multiples of themselves, so there may be one more than the length has.
    let fits = length_ms.saturating_add(points(query) - 2) / (points(query) - 1);
    let least = fits.max(thinned.map_or(1, |rung| rung.to_ms));
    let nice = STEPS_MS.into_iter().find(|step| *step >= least);
    nice.unwrap_or_else(|| least.saturating_add(WEEK_MS - 1) / WEEK_MS * WEEK_MS)
}

fn points(query: &SampleQuery) -> i64 {
    i64::try_from(query.points_max.clamp(2, POINTS_MAX)).unwrap_or(2)
}

/// A mean that gives each row the weight of the measurements it is made of.
macro_rules! mean {
    ($column:literal) => {
        concat!("sum(", $column, " * 1.0 * measured) / sum(measured)")
    };
}
pub(super) use mean;

/// The machine over a time.
pub(super) fn machine(
    connection: &Connection,
    query: &SampleQuery,
) -> rusqlite::Result<Series<MachinePoint>> {
    const SQL: &str = concat!(
        "SELECT at / ?3 * ?3 AS step, ",
        mean!("cpu_cores"),
        ", max(cpu_cores_max), max(cpu_cores_total), ",
        mean!("memory_bytes"),
        ", max(memory_max_bytes), max(memory_total_bytes), ",
        mean!("swap_bytes"),
        ", max(swap_total_bytes), ",
        mean!("disk_bytes"),
        ", max(disk_total_bytes), ",
        mean!("network_in_bytes_per_s"),
        ", ",
        mean!("network_out_bytes_per_s"),
        ", ",
        mean!("load_1m"),
        " FROM machine_samples WHERE step_ms IN (0, 60000, 3600000, 86400000) \
          AND at >= ?1 / ?3 * ?3 AND at < ?2 GROUP BY step ORDER BY step LIMIT ?4"
    );
    let point = |row: &Row<'_>| {
        Ok(MachinePoint {
            at: time(row, 0)?,
            cpu_cores: row.get(1)?,
            cpu_cores_max: row.get(2)?,
            cpu_cores_total: row.get(3)?,
            memory_bytes: rounded(row, 4)?,
            memory_max_bytes: unsigned(row, 5)?,
            memory_total_bytes: unsigned(row, 6)?,
            swap_bytes: rounded(row, 7)?,
            swap_total_bytes: unsigned(row, 8)?,
            disk_bytes: rounded(row, 9)?,
            disk_total_bytes: unsigned(row, 10)?,
            network_in_bytes_per_s: row.get(11)?,
            network_out_bytes_per_s: row.get(12)?,
            load_1m: row.get(13)?,
        })
    };
    let step_ms = step_ms(query);
    let mut select = connection.prepare_cached(SQL)?;
    let rows = select.query_map((query.from.0, query.to.0, step_ms, points(query)), point)?;
    series(step_ms, rows.collect())
}

/// A seat over a time.
pub(super) fn seat(
    connection: &Connection,
    user: &str,
    app: &str,
    query: &SampleQuery,
) -> rusqlite::Result<Series<SeatPoint>> {
    const SQL: &str = concat!(
        "SELECT at / ?3 * ?3 AS step, ",
        mean!("cpu_cores"),
        ", max(cpu_cores_max), ",
        mean!("memory_bytes"),
        ", max(memory_max_bytes), max(threads), max(open_files) \
          FROM seat_samples INDEXED BY seat_samples_by_seat WHERE user = ?5 AND app = ?6 \
          AND at >= ?1 / ?3 * ?3 AND at < ?2 GROUP BY step ORDER BY step LIMIT ?4"
    );
    let point = |row: &Row<'_>| {
        Ok(SeatPoint {
            at: time(row, 0)?,
            cpu_cores: row.get(1)?,
            cpu_cores_max: row.get(2)?,
            memory_bytes: rounded(row, 3)?,
            memory_max_bytes: unsigned(row, 4)?,
            threads: row.get(5)?,
            open_files: row.get(6)?,
        })
    };
    let step_ms = step_ms(query);
    let mut select = connection.prepare_cached(SQL)?;
    let values = (query.from.0, query.to.0, step_ms, points(query), user, app);
    let rows = select.query_map(values, point)?;
    series(step_ms, rows.collect())
}

fn series<P>(step_ms: i64, points: rusqlite::Result<Vec<P>>) -> rusqlite::Result<Series<P>> {
    Ok(Series { step_ms: u64::try_from(step_ms).unwrap_or(0), points: points? })
}

/// A mean of bytes.
fn rounded(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, f64>(column)?.max(0.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_fit_the_points_and_are_not_finer_than_what_is_kept() {
        const HOUR: i64 = 3_600_000;
        let now = 1000 * 24 * HOUR;
        for (from_ago, to_ago, points_max, expected) in [
            (HOUR, 0, 1000, 5_000),
            (HOUR, 0, 61, 60_000),
            (HOUR, 0, 60, 120_000),
            (24 * HOUR, 0, 300, 300_000),
            (24 * HOUR, 23 * HOUR, 1000, 60_000),
            (7 * 24 * HOUR, 0, 300, HOUR),
            (60 * 24 * HOUR, 0, 1000, 24 * HOUR),
            (900 * 24 * HOUR, 0, 3, 455 * 24 * HOUR),
            (HOUR, HOUR, 0, 1_000),
        ] {
            let from = Timestamp(now - from_ago);
            let to = Timestamp(now - to_ago);
            let query = SampleQuery { from, to, points_max, now: Timestamp(now) };
            assert_eq!(step_ms(&query), expected, "{from_ago} {to_ago} {points_max}");
        }
    }
}
