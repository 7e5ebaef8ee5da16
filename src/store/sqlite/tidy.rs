//! Housekeeping in small slices, between writes: samples are thinned, what is too old is deleted,
//! days that are over get their digest, and pages go back to the file system. A slice takes
//! milliseconds, so that facts never wait long behind it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::days;
use super::series::mean;
use super::values::signed;
use crate::clock::Timestamp;
use crate::store::calendar::{self, DayRange};
use crate::store::{DAYS_MAX, Tidied, Upkeep};

/// Rows that one slice deletes, at most; a few more where many have the same time.
const ROWS_DELETED_MAX: i64 = 1_000;
/// Free pages that are left in the file for what comes next.
const PAGES_FREE_MAX: i64 = 2_000;
/// Pages that one slice gives back.
const PAGES_GIVEN_BACK_MAX: u32 = 128;

/// One step of thinning.
pub(super) struct Rung {
    /// The step of the samples that are thinned; 0: as measured.
    from_ms: i64,
    /// The step that they get.
    pub(super) to_ms: i64,
    /// How old they are then.
    pub(super) after_ms: i64,
    /// How much time one slice thins.
    window_ms: i64,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How samples are thinned as they age. The steps stand in the queries of `series` too.
pub(super) const LADDER: [Rung; 3] = [
    Rung { from_ms: 0, to_ms: MINUTE_MS, after_ms: 2 * HOUR_MS, window_ms: 10 * MINUTE_MS },
    Rung { from_ms: MINUTE_MS, to_ms: HOUR_MS, after_ms: 2 * DAY_MS, window_ms: HOUR_MS },
    Rung { from_ms: HOUR_MS, to_ms: DAY_MS, after_ms: 32 * DAY_MS, window_ms: DAY_MS },
];

/// What housekeeping remembers between slices.
#[derive(Default)]
pub(super) struct Housekeeping {
    /// The next kind of work.
    next: usize,
}

/// The kinds of work, each a function that does one slice and says whether it did anything.
type Work = fn(&Transaction<'_>, Timestamp, &Upkeep) -> rusqlite::Result<bool>;
const WORK: [Work; 5] = [thin, expire_samples, expire_records, forget_digests, make_digest];

impl Housekeeping {
    /// Does the first slice that there is work for.
    pub(super) fn slice(
        &mut self,
        connection: &mut Connection,
        now: Timestamp,
        upkeep: &Upkeep,
    ) -> rusqlite::Result<Tidied> {
        for _ in 0..WORK.len() {
            let Some(work) = WORK.get(self.next) else { break };
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if work(&transaction, now, upkeep)? {
                transaction.commit()?;
                return Ok(Tidied::More);
            }
            drop(transaction);
            self.next = (self.next + 1) % WORK.len();
        }
        give_back_pages(connection)
    }
}

/// Puts the oldest samples that are too fine for their age into coarser steps.
fn thin(transaction: &Transaction<'_>, now: Timestamp, _: &Upkeep) -> rusqlite::Result<bool> {
    for rung in &LADDER {
        let settled = (now.0 - rung.after_ms).div_euclid(rung.to_ms) * rung.to_ms;
        for table in [&MACHINE, &SEATS] {
            let oldest: Option<i64> = transaction
                .prepare_cached(table.oldest)?
                .query_row([rung.from_ms], |row| row.get(0))?;
            let Some(oldest) = oldest.filter(|oldest| *oldest < settled) else { continue };
            let from_at = oldest.div_euclid(rung.to_ms) * rung.to_ms;
            let to_at = (from_at + rung.window_ms).min(settled);
            let values = params![rung.from_ms, rung.to_ms, from_at, to_at];
            transaction.prepare_cached(table.thin)?.execute(values)?;
            let values = params![rung.from_ms, to_at];
            transaction.prepare_cached(table.delete)?.execute(values)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// A table of samples, in the statements that thinning needs.
struct Samples {
    oldest: &'static str,
    /// Coarse rows of the window that are there already (a clock was set back) are put in too.
    thin: &'static str,
    delete: &'static str,
    nth: &'static str,
}

const MACHINE: Samples = Samples {
    oldest: "SELECT min(at) FROM machine_samples WHERE step_ms = ?1",
    thin: concat!(
        "INSERT OR REPLACE INTO machine_samples SELECT ?2, at / ?2 * ?2, sum(measured), ",
        mean!("cpu_cores"),
        ", max(cpu_cores_max), max(cpu_cores_total), CAST(",
        mean!("memory_bytes"),
        " AS INTEGER), max(memory_max_bytes), max(memory_total_bytes), CAST(",
        mean!("swap_bytes"),
        " AS INTEGER), max(swap_total_bytes), CAST(",
        mean!("disk_bytes"),
        " AS INTEGER), max(disk_total_bytes), ",
        mean!("network_in_bytes_per_s"),
        ", ",
        mean!("network_out_bytes_per_s"),
        ", ",
        mean!("load_1m"),
        " FROM machine_samples WHERE step_ms IN (?1, ?2) AND at >= ?3 AND at < ?4 \
          GROUP BY at / ?2"
    ),
    delete: "DELETE FROM machine_samples WHERE step_ms = ?1 AND at < ?2",
    nth: "SELECT at FROM machine_samples WHERE step_ms = ?1 AND at < ?2 ORDER BY at \
          LIMIT 1 OFFSET ?3",
};

const SEATS: Samples = Samples {
    oldest: "SELECT min(at) FROM seat_samples WHERE step_ms = ?1",
    thin: concat!(
        "INSERT OR REPLACE INTO seat_samples SELECT ?2, at / ?2 * ?2, user, app, sum(measured), ",
        mean!("cpu_cores"),
        ", max(cpu_cores_max), CAST(",
        mean!("memory_bytes"),
        " AS INTEGER), max(memory_max_bytes), max(threads), max(open_files) \
          FROM seat_samples WHERE step_ms IN (?1, ?2) AND at >= ?3 AND at < ?4 \
          GROUP BY at / ?2, user, app"
    ),
    delete: "DELETE FROM seat_samples WHERE step_ms = ?1 AND at < ?2",
    nth: "SELECT at FROM seat_samples WHERE step_ms = ?1 AND at < ?2 ORDER BY at \
          LIMIT 1 OFFSET ?3",
};

/// Deletes samples that are older than they are kept.
fn expire_samples(
    transaction: &Transaction<'_>,
    now: Timestamp,
    upkeep: &Upkeep,
) -> rusqlite::Result<bool> {
    let cutoff = now.0.saturating_sub(signed(upkeep.samples_keep_ms));
    for step_ms in [0].into_iter().chain(LADDER.iter().map(|rung| rung.to_ms)) {
        for table in [&MACHINE, &SEATS] {
            let nth: Option<i64> = transaction
                .prepare_cached(table.nth)?
                .query_row(params![step_ms, cutoff, ROWS_DELETED_MAX], |row| row.get(0))
                .optional()?;
            let before = nth.map_or(cutoff, |at| at + 1);
            let deleted = transaction.prepare_cached(table.delete)?.execute([step_ms, before])?;
            if deleted > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Deletes visits, events, starts and runs that are older than they are kept.
fn expire_records(
    transaction: &Transaction<'_>,
    now: Timestamp,
    upkeep: &Upkeep,
) -> rusqlite::Result<bool> {
    const STATEMENTS: [&str; 4] = [
        "DELETE FROM visits WHERE id IN (SELECT id FROM visits INDEXED BY visits_by_start \
         WHERE started_at < ?1 AND ended_at IS NOT NULL ORDER BY started_at LIMIT ?2)",
        "DELETE FROM events WHERE id IN (SELECT id FROM events INDEXED BY events_by_time \
         WHERE at < ?1 ORDER BY at LIMIT ?2)",
        // Numbers grow with time, so the oldest are among the first.
        "DELETE FROM starts WHERE at < ?1 AND id IN (SELECT id FROM starts ORDER BY id LIMIT ?2)",
        "DELETE FROM runs WHERE started_at < ?1 AND id IN \
         (SELECT id FROM runs WHERE id < (SELECT max(id) FROM runs) ORDER BY id LIMIT ?2)",
    ];
    let cutoff = now.0.saturating_sub(signed(upkeep.visits_keep_ms));
    for sql in STATEMENTS {
        if transaction.prepare_cached(sql)?.execute([cutoff, ROWS_DELETED_MAX])? > 0 {
            return Ok(true);
        }
    }
    let nth: Option<i64> = transaction
        .prepare_cached(
            "SELECT slot_at FROM presence WHERE slot_at < ?1 ORDER BY slot_at LIMIT 1 OFFSET ?2",
        )?
        .query_row([cutoff, ROWS_DELETED_MAX], |row| row.get(0))
        .optional()?;
    let before = nth.map_or(cutoff, |at| at + 1);
    let deleted =
        transaction.prepare_cached("DELETE FROM presence WHERE slot_at < ?1")?.execute([before])?;
    Ok(deleted > 0)
}

/// Deletes the digests of days that are not days of the zone, or of which records were deleted.
fn forget_digests(
    transaction: &Transaction<'_>,
    now: Timestamp,
    upkeep: &Upkeep,
) -> rusqlite::Result<bool> {
    let days = days_over(transaction, now, upkeep)?;
    let wanted: BTreeSet<(i64, i64)> = days.iter().map(|day| (day.from_at, day.to_at)).collect();
    let unwanted = digests(transaction)?.into_iter().filter(|key| !wanted.contains(key));
    let mut delete =
        transaction.prepare_cached("DELETE FROM digests WHERE from_at = ?1 AND to_at = ?2")?;
    let mut deleted = 0;
    for (from_at, to_at) in unwanted.take(100) {
        deleted += delete.execute([from_at, to_at])?;
    }
    Ok(deleted > 0)
}

/// Makes the digest of the newest day that has none.
fn make_digest(
    transaction: &Transaction<'_>,
    now: Timestamp,
    upkeep: &Upkeep,
) -> rusqlite::Result<bool> {
    let days = days_over(transaction, now, upkeep)?;
    let have: BTreeSet<(i64, i64)> = digests(transaction)?.into_iter().collect();
    let missing = days.iter().rev().find(|day| !have.contains(&(day.from_at, day.to_at)));
    let Some(day) = missing else { return Ok(false) };
    let digest = days::make(transaction, day)?;
    transaction
        .prepare_cached("INSERT INTO digests (from_at, to_at, body) VALUES (?1, ?2, ?3)")?
        .execute(params![day.from_at, day.to_at, digest.encode()])?;
    Ok(true)
}

fn digests(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut select = transaction.prepare_cached("SELECT from_at, to_at FROM digests")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// The days of the zone whose records are complete and change no more.
fn days_over(
    transaction: &Transaction<'_>,
    now: Timestamp,
    upkeep: &Upkeep,
) -> rusqlite::Result<Vec<DayRange>> {
    let Some(oldest) = days::oldest_record(transaction)? else { return Ok(Vec::new()) };
    // The visit that is open longest may still add to the day it began on.
    let open: Option<i64> = transaction
        .prepare_cached(
            "SELECT min(started_at) FROM visits INDEXED BY visits_open WHERE ended_at IS NULL",
        )?
        .query_row([], |row| row.get(0))?;
    let settled = open.unwrap_or(now.0).min(now.0);
    let expired = now.0.saturating_sub(signed(upkeep.visits_keep_ms));
    let first = calendar::date_of(&upkeep.zone, oldest);
    let last = calendar::date_of(&upkeep.zone, Timestamp(settled));
    let mut days = calendar::days(&upkeep.zone, first, last, DAYS_MAX);
    days.retain(|day| day.to_at <= settled && day.from_at >= expired);
    Ok(days)
}

/// Gives some of many free pages back.
fn give_back_pages(connection: &Connection) -> rusqlite::Result<Tidied> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free <= PAGES_FREE_MAX {
        return Ok(Tidied::Done);
    }
    let sql = format!("PRAGMA incremental_vacuum({PAGES_GIVEN_BACK_MAX})");
    let mut vacuum = connection.prepare(&sql)?;
    // It gives back a page at each step.
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    let left: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    Ok(if left < free { Tidied::More } else { Tidied::Done })
}
