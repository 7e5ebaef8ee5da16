//! The side that reads: connections of its own, read-only, kept for the next question.

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{Database, days, failed, lists, open_reader, schema, series};
use crate::clock::Timestamp;
use crate::store::{
    EventQuery, EventRow, LastSeen, Limit, MachinePoint, Page, Reports, SampleQuery, SeatPoint,
    Series, StartRow, Statistics, StatisticsQuery, Storage, StoreError, USERS_ASKED_MAX, VisitId,
    VisitQuery, VisitRow,
};

/// Connections that are kept while nobody asks.
const KEPT_MAX: usize = 4;

/// Reports from the file.
pub struct SqliteReports {
    database: Database,
    kept: Mutex<Vec<Reader>>,
}

struct Reader {
    generation: u64,
    connection: Connection,
}

impl SqliteReports {
    pub(super) fn new(database: Database) -> Self {
        Self { database, kept: Mutex::default() }
    }

    fn ask<T>(
        &self,
        doing: &'static str,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = self.reader()?;
        let answer = question(&reader.connection).map_err(failed(doing));
        match &answer {
            // Nobody needs a connection to a broken file again; the writer looks after the file.
            Err(StoreError::Corrupt { .. }) => self.database.suspect(),
            Ok(_) | Err(_) => self.keep(reader),
        }
        answer
    }

    fn reader(&self) -> Result<Reader, StoreError> {
        let generation = self.database.generation();
        let mut kept = self.kept.lock();
        kept.retain(|reader| reader.generation == generation);
        if let Some(reader) = kept.pop() {
            return Ok(reader);
        }
        drop(kept);
        let opened = open_reader(self.database.path());
        if let Err(StoreError::Corrupt { .. }) = &opened {
            self.database.suspect();
        }
        Ok(Reader { generation, connection: opened? })
    }

    fn keep(&self, reader: Reader) {
        let mut kept = self.kept.lock();
        if kept.len() < KEPT_MAX {
            kept.push(reader);
        }
    }
}

impl Reports for SqliteReports {
    fn visits(&self, query: &VisitQuery) -> Result<Page<VisitRow>, StoreError> {
        self.ask("reading visits", |connection| lists::visits(connection, query))
    }

    fn visit(&self, id: VisitId) -> Result<Option<VisitRow>, StoreError> {
        self.ask("reading a visit", |connection| lists::visit_of(connection, id))
    }

    fn open_visits(&self) -> Result<Vec<VisitRow>, StoreError> {
        self.ask("reading open visits", lists::open_visits)
    }

    fn events(&self, query: &EventQuery) -> Result<Page<EventRow>, StoreError> {
        self.ask("reading events", |connection| lists::events(connection, query))
    }

    fn starts(
        &self,
        user: Option<&str>,
        app: &str,
        limit: Limit,
    ) -> Result<Vec<StartRow>, StoreError> {
        self.ask("reading starts", |connection| lists::starts(connection, user, app, limit))
    }

    fn last_seen(&self, users: &[&str]) -> Result<Vec<Option<LastSeen>>, StoreError> {
        let users = &users[..users.len().min(USERS_ASKED_MAX)];
        self.ask("reading who was seen", |connection| lists::last_seen(connection, users))
    }

    fn machine(&self, query: &SampleQuery) -> Result<Series<MachinePoint>, StoreError> {
        self.ask("reading samples", |connection| series::machine(connection, query))
    }

    fn seat(
        &self,
        user: &str,
        app: &str,
        query: &SampleQuery,
    ) -> Result<Series<SeatPoint>, StoreError> {
        self.ask("reading samples", |connection| series::seat(connection, user, app, query))
    }

    fn statistics(&self, query: &StatisticsQuery) -> Result<Statistics, StoreError> {
        self.ask("reading statistics", |connection| days::statistics(connection, query))
    }

    fn storage(&self) -> Result<Storage, StoreError> {
        let path = self.database.path().to_owned();
        let bytes = ["", "-wal"]
            .iter()
            .filter_map(|part| std::fs::metadata(super::with_suffix(&path, part)).ok())
            .map(|metadata| metadata.len())
            .sum();
        self.ask("reading the size", |connection| {
            // The numbers of rows that were deleted are at the beginning.
            let rows = |table: &str| -> rusqlite::Result<u64> {
                let sql = format!("SELECT coalesce(max(id) - min(id) + 1, 0) FROM {table}");
                connection
                    .prepare_cached(&sql)?
                    .query_row([], |row| super::values::unsigned(row, 0))
            };
            let oldest: Option<i64> = connection
                .prepare_cached("SELECT min(started_at) FROM visits")?
                .query_row([], |row| row.get(0))?;
            Ok(Storage {
                path,
                bytes,
                schema: schema::KNOWN,
                visits: rows("visits")?,
                events: rows("events")?,
                oldest_visit_at: oldest.map(Timestamp),
            })
        })
    }
}
