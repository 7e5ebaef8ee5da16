//! The store against real files: what is written is what is read, whatever happens to the file.

mod faults;
mod keeping;
mod lists;
mod statistics;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Database, SqliteJournal, SqliteReports};
use crate::clock::Timestamp;
use crate::domain::{AppSlug, Role, SeatKey, UserName};
use crate::store::{
    Batch, Journal, SlotDelta, StatisticsQuery, Tidied, Upkeep, VisitId, VisitPhase, VisitRecord,
};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) struct Store {
    pub(super) folder: tempfile::TempDir,
    pub(super) database: Database,
    pub(super) journal: SqliteJournal,
    pub(super) reports: SqliteReports,
}

impl Store {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::at(folder.path().join("state/usher.db"));
        let journal = SqliteJournal::open(&database, Timestamp(0)).unwrap();
        let reports = database.reports();
        Self { folder, database, journal, reports }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.database.path().to_owned()
    }

    pub(super) fn write(&mut self, visits: Vec<VisitRecord>) -> Vec<VisitId> {
        let written = self.journal.write(&Batch { visits, ..Batch::default() }).unwrap();
        written.visits.into_iter().map(Option::unwrap).collect()
    }

    pub(super) fn tidy_all(&mut self, now: Timestamp, upkeep: &Upkeep) -> u32 {
        let mut slices = 0;
        while self.journal.tidy(now, upkeep).unwrap() == Tidied::More {
            slices += 1;
            assert!(slices < 10_000, "housekeeping has no end");
        }
        slices
    }

    pub(super) fn count(&self, table: &str) -> i64 {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap()
    }
}

pub(super) fn key(user: &str, app: &str) -> Arc<SeatKey> {
    Arc::new(SeatKey { user: UserName::new(user).unwrap(), app: AppSlug::new(app).unwrap() })
}

pub(super) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// The moment at which a clock of the zone shows this.
pub(super) fn at(zone_name: &str, shown: &str) -> Timestamp {
    let shown: jiff::civil::DateTime = shown.parse().unwrap();
    let instant = shown.to_zoned_datetime(zone(zone_name)).unwrap().timestamp();
    Timestamp(instant.as_millisecond())
}

/// A visit that is over, with all its dwell at one piece from the begin.
pub(super) fn visit(user: &str, app: &str, started_at: Timestamp, dwell_ms: i64) -> VisitRecord {
    let ended_at = started_at.0 + dwell_ms;
    let mut slots = Vec::new();
    let mut from = started_at.0;
    while from < ended_at {
        let slot = from.div_euclid(15 * MINUTE) * 15 * MINUTE;
        let to = ended_at.min(slot + 15 * MINUTE);
        let dwell_ms = u64::try_from(to - from).unwrap();
        slots.push(SlotDelta { slot_at: Timestamp(slot), dwell_ms, active_ms: dwell_ms / 2 });
        from = to;
    }
    VisitRecord {
        id: None,
        key: key(user, app),
        role: Role::User,
        address: "192.168.1.7".to_owned(),
        browser: "Chrome 128 · Windows".to_owned(),
        started_at,
        seen_at: Timestamp(ended_at),
        phase: VisitPhase::Ended("left"),
        dwell_ms: u64::try_from(dwell_ms).unwrap(),
        active_ms: slots.iter().map(|slot| slot.active_ms).sum(),
        requests: 3,
        in_bytes: 10,
        out_bytes: 1000,
        slots,
    }
}

pub(super) fn query(zone_name: &str, from: Date, to: Date, now: Timestamp) -> StatisticsQuery {
    StatisticsQuery { from, to, zone: zone(zone_name), now, user: None, app: None }
}

pub(super) fn upkeep(zone_name: &str) -> Upkeep {
    Upkeep {
        visits_keep_ms: 400 * DAY as u64,
        samples_keep_ms: 30 * DAY as u64,
        zone: zone(zone_name),
    }
}
