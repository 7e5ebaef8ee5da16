//! The store in SQLite: one file with a write-ahead log, one connection that writes, others that
//! read. The only place that names the library.

mod backup;
mod days;
mod journal;
mod lists;
mod readers;
mod records;
mod schema;
mod series;
mod tidy;
mod values;

pub use backup::{BackupProgress, copy_to};
pub use journal::SqliteJournal;
pub use readers::SqliteReports;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// How long the writer waits for a lock that somebody else holds before it tries again later.
const WRITER_PATIENCE: Duration = Duration::from_millis(250);
/// How long a reader waits. With a write-ahead log it waits only while a file is being opened.
const READER_PATIENCE: Duration = Duration::from_millis(1000);
/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;
/// The write-ahead log is cut to this when it was larger.
const LOG_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// The one file, as its writer and its readers share it. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    /// Grows when the file is replaced, so that readers open the new one.
    generation: AtomicU64,
    /// A reader met a fault in the file; the writer has to look.
    suspected: AtomicBool,
}

impl Database {
    /// The database at `path`, which need not exist yet.
    pub fn at(path: PathBuf) -> Self {
        let shared =
            Shared { path, generation: AtomicU64::new(0), suspected: AtomicBool::new(false) };
        Self { shared: Arc::new(shared) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The side that reads.
    pub fn reports(&self) -> SqliteReports {
        SqliteReports::new(self.clone())
    }

    /// Sets a broken file aside, with what belongs to it: `usher.db` becomes
    /// `usher.db.corrupt-STAMP`. Says where it is now.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn set_aside(&self, stamp: &str) -> io::Result<PathBuf> {
        let path = self.path();
        let aside = with_suffix(path, &format!(".corrupt-{stamp}"));
        fs::rename(path, &aside)?;
        // Under the names that SQLite looks for, so that tools can rescue what is in them.
        for part in ["-wal", "-shm"] {
            match fs::rename(with_suffix(path, part), with_suffix(&aside, part)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        self.replaced();
        Ok(aside)
    }

    fn replaced(&self) {
        self.shared.suspected.store(false, Ordering::Release);
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    fn suspect(&self) {
        self.shared.suspected.store(true, Ordering::Release);
    }

    fn take_suspicion(&self) -> bool {
        self.shared.suspected.swap(false, Ordering::AcqRel)
    }
}

/// `a/usher.db` and `-wal` make `a/usher.db-wal`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A connection that reads only.
fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(failed("opening the database"))?;
    connection.busy_timeout(READER_PATIENCE).map_err(failed("opening the database"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    harden(&connection).map_err(failed("opening the database"))?;
    schema::must_be_newest(&connection)?;
    Ok(connection)
}

/// A file that somebody damaged or made is not to run code or to lead the library astray.
fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "temp_store", "memory")
}

/// Whether the file is whole, by a connection of its own that has nothing in memory.
fn check_whole(path: &Path) -> Result<(), StoreError> {
    let connection = open_reader(path)?;
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed("checking the database"))?;
    if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt { cause: said }) }
}

/// Turns what the library says into what it means for us.
fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |error| {
        let cause = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Corrupt { cause }
            }
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                StoreError::Refused { cause }
            }
            Some(_) | None => StoreError::Failed { doing, cause },
        }
    }
}

/// What a question in SQL is answered, as text: for tests that count by themselves.
#[cfg(test)]
pub(crate) fn ask(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let value = |row: &rusqlite::Row<'_>, column: usize| match row.get_unwrap(column) {
        rusqlite::types::Value::Null => "null".to_owned(),
        rusqlite::types::Value::Integer(integer) => integer.to_string(),
        rusqlite::types::Value::Real(real) => real.to_string(),
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Blob(blob) => format!("{} bytes", blob.len()),
    };
    let line = |row: &rusqlite::Row<'_>| {
        Ok((0..columns).map(|column| value(row, column)).collect::<Vec<_>>().join(" "))
    };
    select.query_map([], line).unwrap().map(Result::unwrap).collect()
}

#[cfg(test)]
mod tests;
