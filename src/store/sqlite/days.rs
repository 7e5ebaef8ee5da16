//! Statistics: days are read from their digests, or made of visits and presence where there is none.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use super::values::unsigned;
use crate::clock::Timestamp;
use crate::store::calendar::{self, DayRange};
use crate::store::digest::{Digest, DigestShare, DigestSlot, slot_index};
use crate::store::fold::Fold;
use crate::store::names::Names;
use crate::store::{DAYS_MAX, Statistics, StatisticsQuery};

/// The answer to a question about whole days.
pub(super) fn statistics(
    connection: &Connection,
    query: &StatisticsQuery,
) -> rusqlite::Result<Statistics> {
    // Of one moment, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let mut fold = Fold::new(query);
    let mut digest = Digest::default();
    for range in days_with_records(&snapshot, query)? {
        if !read_kept(&snapshot, &range, &mut digest)? {
            digest = make(&snapshot, &range)?;
        }
        fold.day(&range, &digest);
    }
    Ok(fold.finish())
}

/// The days that were asked for, from the first with a record to today.
fn days_with_records(
    connection: &Connection,
    query: &StatisticsQuery,
) -> rusqlite::Result<Vec<DayRange>> {
    let Some(oldest) = oldest_record(connection)? else { return Ok(Vec::new()) };
    let first = query.from.max(calendar::date_of(&query.zone, oldest));
    let last = query.to.min(calendar::date_of(&query.zone, query.now));
    Ok(calendar::days(&query.zone, first, last, DAYS_MAX))
}

/// When the oldest visit or presence was; `None`: there is nothing.
pub(super) fn oldest_record(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let oldest: Option<i64> = connection
        .prepare_cached(
            "SELECT min(at) FROM (SELECT (SELECT min(started_at) FROM visits) AS at \
             UNION ALL SELECT (SELECT min(slot_at) FROM presence))",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(oldest.map(Timestamp))
}

/// Reads the digest of a day; false: there is none that can be read.
fn read_kept(
    connection: &Connection,
    range: &DayRange,
    digest: &mut Digest,
) -> rusqlite::Result<bool> {
    let mut select =
        connection.prepare_cached("SELECT body FROM digests WHERE from_at = ?1 AND to_at = ?2")?;
    let body = |row: &Row<'_>| Ok(digest.refill(row.get_ref(0)?.as_blob()?));
    Ok(select.query_row([range.from_at, range.to_at], body).optional()?.unwrap_or(false))
}

/// The digest of a day from its records.
pub(super) fn make(connection: &Connection, range: &DayRange) -> rusqlite::Result<Digest> {
    let mut shares = Shares::default();
    let mut visits = connection.prepare_cached(
        "SELECT user, app, dwell_ms, requests, in_bytes, out_bytes \
         FROM visits INDEXED BY visits_by_start WHERE started_at >= ?1 AND started_at < ?2",
    )?;
    let mut rows = visits.query([range.from_at, range.to_at])?;
    while let Some(row) = rows.next()? {
        let share = shares.of(row)?;
        share.dwells_ms.push(unsigned(row, 2)?);
        share.requests = share.requests.saturating_add(unsigned(row, 3)?);
        share.in_bytes = share.in_bytes.saturating_add(unsigned(row, 4)?);
        share.out_bytes = share.out_bytes.saturating_add(unsigned(row, 5)?);
    }
    let mut presence = connection.prepare_cached(
        "SELECT user, app, slot_at, visits, dwell_ms, active_ms \
         FROM presence WHERE slot_at >= ?1 AND slot_at < ?2 ORDER BY slot_at",
    )?;
    let mut rows = presence.query([range.from_at, range.to_at])?;
    while let Some(row) = rows.next()? {
        let slot = DigestSlot {
            index: slot_index(row.get(2)?, range.from_at),
            visits: unsigned(row, 3)?,
            dwell_ms: unsigned(row, 4)?,
            active_ms: unsigned(row, 5)?,
        };
        shares.of(row)?.slots.push(slot);
    }
    Ok(shares.digest())
}

/// Shares by user and app, while rows are read.
#[derive(Default)]
struct Shares {
    users: Names,
    apps: Names,
    shares: HashMap<(u32, u32), DigestShare>,
}

impl Shares {
    /// The share of a row whose first columns are user and app.
    fn of(&mut self, row: &Row<'_>) -> rusqlite::Result<&mut DigestShare> {
        let (user, app) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        let key = (self.users.number(user), self.apps.number(app));
        let new = || DigestShare::new(user.to_owned(), app.to_owned());
        Ok(self.shares.entry(key).or_insert_with(new))
    }

    fn digest(self) -> Digest {
        let mut shares: Vec<DigestShare> = self.shares.into_values().collect();
        shares.sort_by(|one, other| (&one.user, &one.app).cmp(&(&other.user, &other.app)));
        Digest { shares }
    }
}
