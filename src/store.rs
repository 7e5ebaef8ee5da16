//! What is kept: visits, events, starts and samples, in one file below `state_dir`.
//!
//! [`Journal`] appends and has one owner, the account's writer thread. [`Reports`] reads, from as
//! many threads as ask. Every query has a fixed upper bound on its rows. Times are UTC
//! milliseconds; days and weeks are made of them when somebody asks, in the zone they ask for.
//! This module decides nothing about visits and knows no page.

mod batch;
mod calendar;
mod clauses;
mod digest;
mod fold;
mod names;
mod query;
mod rows;
mod sessions;
pub mod sqlite;
mod statistics;

pub use batch::{
    Batch, EventRecord, SLOT_MS, SlotDelta, StartRecord, VisitPhase, VisitRecord, Written,
};
pub use clauses::ClauseRow;
pub use query::{
    BadCursor, Cursor, EventQuery, Limit, POINTS_MAX, Page, ROWS_MAX, SampleQuery, StatisticsQuery,
    USERS_ASKED_MAX, VisitQuery,
};
pub use rows::{
    EventRow, LastSeen, MachinePoint, SeatPoint, Series, StartRow, Storage, VisitId, VisitRow,
};
pub use sessions::SqliteShelf;
pub use statistics::{Amounts, DAYS_MAX, Day, HourLoad, Share, Statistics, Week};

use std::fmt;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::domain::SeatKey;

/// Why the store could not do what was asked. Nobody's request fails because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Somebody else holds the lock; later it may work.
    Busy,
    /// No space on the disk, or a limit on the file's size.
    Full,
    /// The file is no database, or a broken one.
    Corrupt {
        /// What the database library said.
        cause: String,
    },
    /// The records themselves were not accepted; they never will be.
    Refused {
        /// What was said.
        cause: String,
    },
    /// A newer usher wrote the file.
    NewerSchema {
        /// The file's version.
        found: u32,
        /// The newest that this usher knows.
        known: u32,
    },
    /// An older usher wrote the file, and none of this version has opened it for writing yet.
    OlderSchema {
        /// The file's version; 0: it is empty.
        found: u32,
        /// The one that is needed.
        known: u32,
    },
    /// There is no file.
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Anything else that the system or the library refuses.
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What was said.
        cause: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Busy => f.write_str("the database is locked by somebody else"),
            StoreError::Full => f.write_str("no space is left for the database"),
            StoreError::Corrupt { cause } => write!(f, "the database is corrupt: {cause}"),
            StoreError::Refused { cause } => write!(f, "the records were not accepted: {cause}"),
            StoreError::NewerSchema { found, known } => write!(
                f,
                "a newer usher wrote the database (schema {found}, this usher knows {known}); run \
                 that usher, or restore a backup of before the upgrade"
            ),
            StoreError::OlderSchema { found, known } => write!(
                f,
                "the database is of an older usher (schema {found}, needed is {known}); it is \
                 brought up to date when `usher serve` starts"
            ),
            StoreError::Missing { path } => write!(f, "there is no {}", path.display()),
            StoreError::Failed { doing, cause } => write!(f, "{doing}: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What housekeeping is to hold to.
#[derive(Clone, Debug, PartialEq)]
pub struct Upkeep {
    /// How long visits, starts and events are kept.
    pub visits_keep_ms: u64,
    /// How long samples are kept; they are thinned on their way.
    pub samples_keep_ms: u64,
    /// The zone for whose days statistics are prepared.
    pub zone: TimeZone,
}

/// What one slice of housekeeping did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tidied {
    /// There may be more to do.
    More,
    /// Nothing is left to do for now.
    Done,
}

/// The side that appends. One owner, one thread; every method takes milliseconds and blocks.
pub trait Journal {
    /// Writes a batch in one transaction: all of it or nothing.
    ///
    /// # Errors
    /// Nothing of it was written.
    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError>;

    /// The visit of a user at an app that this person's coming back at `at` continues: the newest
    /// one, if it was seen less than `gap_ms` before. It belongs to this run from then on.
    ///
    /// # Errors
    /// It could not be read; a new visit begins.
    fn resume(
        &mut self,
        key: &SeatKey,
        at: Timestamp,
        gap_ms: u64,
    ) -> Result<Option<VisitRow>, StoreError>;

    /// Closes the visits that earlier runs left open, with what was last written. Says how many.
    ///
    /// # Errors
    /// Nothing was closed.
    fn close_left_open(&mut self) -> Result<u64, StoreError>;

    /// Does one small slice of housekeeping: thins and deletes what is old, prepares statistics of
    /// days that are over, gives pages back to the file system.
    ///
    /// # Errors
    /// The slice was not done.
    fn tidy(&mut self, now: Timestamp, upkeep: &Upkeep) -> Result<Tidied, StoreError>;
}

/// The side that reads. Every method blocks for milliseconds: call it from a thread that may.
pub trait Reports: Send + Sync {
    /// Visits that began in a time, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    fn visits(&self, query: &VisitQuery) -> Result<Page<VisitRow>, StoreError>;

    /// One visit.
    ///
    /// # Errors
    /// The database cannot be read.
    fn visit(&self, id: VisitId) -> Result<Option<VisitRow>, StoreError>;

    /// Visits that are under way or within their gap, newest first, at most [`ROWS_MAX`].
    ///
    /// # Errors
    /// The database cannot be read.
    fn open_visits(&self) -> Result<Vec<VisitRow>, StoreError>;

    /// Events, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    fn events(&self, query: &EventQuery) -> Result<Page<EventRow>, StoreError>;

    /// The newest starts of a seat (`Some`), or of all of an app's seats by whoever, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    fn starts(
        &self,
        user: Option<&str>,
        app: &str,
        limit: Limit,
    ) -> Result<Vec<StartRow>, StoreError>;

    /// When each of these users was last seen, in their order; at most [`USERS_ASKED_MAX`] are
    /// looked up.
    ///
    /// # Errors
    /// The database cannot be read.
    fn last_seen(&self, users: &[&str]) -> Result<Vec<Option<LastSeen>>, StoreError>;

    /// The machine over a time, in steps that fit into the number of points asked for.
    ///
    /// # Errors
    /// The database cannot be read.
    fn machine(&self, query: &SampleQuery) -> Result<Series<MachinePoint>, StoreError>;

    /// A seat over a time.
    ///
    /// # Errors
    /// The database cannot be read.
    fn seat(
        &self,
        user: &str,
        app: &str,
        query: &SampleQuery,
    ) -> Result<Series<SeatPoint>, StoreError>;

    /// Visits, people, dwell and active time per day, week, user and app.
    ///
    /// # Errors
    /// The database cannot be read.
    fn statistics(&self, query: &StatisticsQuery) -> Result<Statistics, StoreError>;

    /// How much is kept, for the server page.
    ///
    /// # Errors
    /// The database cannot be read.
    fn storage(&self) -> Result<Storage, StoreError>;
}
