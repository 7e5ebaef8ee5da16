//! The side that appends: one connection, owned by the writer thread.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::tidy::Housekeeping;
use super::values::signed;
use super::{
    Database, LOG_BYTES_MAX, STATEMENTS_MAX, WRITER_PATIENCE, check_whole, failed, harden, lists,
    records, schema,
};
use crate::clock::Timestamp;
use crate::domain::SeatKey;
use crate::platform::files;
use crate::store::{Batch, Journal, StoreError, Tidied, Upkeep, VisitRow, Written};

/// The journal.
pub struct SqliteJournal {
    database: Database,
    connection: Connection,
    run: i64,
    file: Option<files::Identity>,
    housekeeping: Housekeeping,
}

impl SqliteJournal {
    /// Opens the file for writing, makes it if there is none, and brings it up to date.
    ///
    /// # Errors
    /// It cannot be opened; nothing was changed.
    pub fn open(database: &Database, now: Timestamp) -> Result<Self, StoreError> {
        let path = database.path();
        make_private(path)?;
        let connection = connect(path)?;
        let mut journal = Self {
            database: database.clone(),
            connection,
            run: 0,
            file: files::identity(path),
            housekeeping: Housekeeping::default(),
        };
        let before = schema::migrate(&mut journal.connection)?;
        if before == 0 {
            log::info!("{} was made", path.display());
        }
        journal.run = journal.begin_run(now).map_err(failed("beginning a run"))?;
        // Readers that opened the file before it had its tables look again.
        database.replaced();
        Ok(journal)
    }

    fn begin_run(&self, now: Timestamp) -> rusqlite::Result<i64> {
        self.connection.query_row(
            "INSERT INTO runs (started_at) VALUES (?1) RETURNING id",
            [now.0],
            |row| row.get(0),
        )
    }

    /// Looks whether the file is still the one that was opened, and whole if somebody doubts it.
    fn guard(&self) -> Result<(), StoreError> {
        let path = self.database.path();
        if self.file != files::identity(path) {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        if self.database.take_suspicion() {
            check_whole(path)?;
        }
        Ok(())
    }
}

impl Journal for SqliteJournal {
    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        self.guard()?;
        let run = self.run;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("beginning a transaction"))?;
        let written =
            records::write(&transaction, run, batch).map_err(failed("writing records"))?;
        transaction.commit().map_err(failed("writing records"))?;
        Ok(written)
    }

    fn resume(
        &mut self,
        key: &SeatKey,
        at: Timestamp,
        gap_ms: u64,
    ) -> Result<Option<VisitRow>, StoreError> {
        let newest = lists::newest_visit(&self.connection, key.user.as_str(), key.app.as_str())
            .map_err(failed("looking for a visit to continue"))?;
        let seen_after = at.0.saturating_sub(signed(gap_ms));
        let Some(visit) = newest.filter(|visit| visit.seen_at.0 > seen_after) else {
            return Ok(None);
        };
        self.connection
            .execute("UPDATE visits SET run = ?1 WHERE id = ?2", params![self.run, visit.id.0])
            .map_err(failed("continuing a visit"))?;
        Ok(Some(visit))
    }

    fn close_left_open(&mut self) -> Result<u64, StoreError> {
        let closed = self
            .connection
            .execute(
                "UPDATE visits SET ended_at = seen_at, \
                 ended_because = coalesce(ended_because, 'usher_stopped') \
                 WHERE ended_at IS NULL AND run <> ?1",
                [self.run],
            )
            .map_err(failed("closing visits that were left open"))?;
        Ok(closed as u64)
    }

    fn tidy(&mut self, now: Timestamp, upkeep: &Upkeep) -> Result<Tidied, StoreError> {
        self.guard()?;
        self.housekeeping.slice(&mut self.connection, now, upkeep).map_err(failed("tidying up"))
    }
}

/// The file that is to hold names and addresses is nobody else's business, from its first byte.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Failed {
        doing: "making the database",
        cause: format!("{}: {error}", path.display()),
    };
    if let Some(folder) = path.parent() {
        files::make_private_folder(folder).map_err(failed)?;
    }
    files::append_private(path).map_err(failed)?;
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let doing = "opening the database";
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed(doing))?;
    settle(&connection).map_err(failed(doing))?;
    Ok(connection)
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(WRITER_PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    harden(connection)?;
    // Only an empty file can still choose this.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        log::warn!(
            "the database has no write-ahead log here ({mode}); readers and the writer wait"
        );
    }
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)
}
