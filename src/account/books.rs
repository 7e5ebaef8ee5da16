//! The account at work: its two threads, and the handle that the program holds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::keeper::{self, BackupStatus, Keeper};
use super::settings::Settings;
use super::writer::{self, Health, Parts, Shelf, Writer};
use super::{Account, FACTS_WAITING_MAX};
use crate::clock::{Clock, saturating_ms};
use crate::store::sqlite::{Database, SqliteJournal};
use crate::store::{Journal, Reports, StoreError};

/// The wait between two tries to write the rest when usher leaves.
const LAST_TRIES_EVERY: Duration = Duration::from_millis(50);

/// The database of a state directory.
pub fn database_path(state_dir: &Path) -> PathBuf {
    state_dir.join("usher.db")
}

/// The account at work. Dropping it ends its threads as [`Books::stop`] does, without waiting.
pub struct Books {
    account: Account,
    database: Database,
    reports: Arc<dyn Reports>,
    settings: Arc<ArcSwap<Settings>>,
    health: Arc<Health>,
    backups: Arc<ArcSwap<BackupStatus>>,
    orders: Arc<Mutex<Orders>>,
    writer: Option<JoinHandle<()>>,
    keeper: Option<JoinHandle<()>>,
    leaving: Arc<AtomicBool>,
}

/// What the writer's thread is asked beside its rounds.
#[derive(Default)]
struct Orders {
    /// To be answered when everything that was told has been written, or was tried to.
    flushes: Vec<SyncSender<()>>,
    /// To write the rest within so long, answer whether it was possible, and end.
    stop: Option<(Duration, SyncSender<bool>)>,
}

impl Books {
    /// Begins to keep account in `state_dir`, which must be this usher's alone. A database that
    /// cannot be opened is no error: records wait for it, and are lost if it takes too long.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn open(state_dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let (facts, told) = sync_channel(FACTS_WAITING_MAX);
        let account = Account::new(Arc::clone(&clock), facts);
        let database = Database::at(database_path(state_dir));
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let health = Arc::new(Health::default());
        let shelf = Box::new(FileShelf { database: database.clone(), clock: Arc::clone(&clock) });
        let writer = Writer::new(Parts {
            account: account.clone(),
            facts: told,
            shelf,
            settings: Arc::clone(&settings),
            health: Arc::clone(&health),
        });
        let (leaving, backups) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let keeper = Keeper::new(
            account.clone(),
            database.path().to_owned(),
            Arc::clone(&settings),
            Arc::clone(&backups),
            Arc::clone(&leaving),
        );
        let orders = Arc::default();
        let writer = go_round(writer, Arc::clone(&orders), clock)?;
        let keeper = keep(keeper, Arc::clone(&leaving))?;
        let (writer, keeper) = (Some(writer), Some(keeper));
        let reports = Arc::new(database.reports());
        Ok(Self {
            account,
            database,
            reports,
            settings,
            health,
            backups,
            orders,
            writer,
            keeper,
            leaving,
        })
    }

    /// The handle that tells.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The side that reads. Its methods block for milliseconds.
    pub fn reports(&self) -> Arc<dyn Reports> {
        Arc::clone(&self.reports)
    }

    /// The database's file.
    pub fn database(&self) -> &Path {
        self.database.path()
    }

    /// Other settings apply from the next round on.
    pub fn configure(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Why records are not written at the moment; `None`: they are.
    pub fn problem(&self) -> Option<String> {
        self.health.problem.load().as_ref().clone()
    }

    /// The scheduled copies.
    pub fn backups(&self) -> Arc<BackupStatus> {
        self.backups.load_full()
    }

    /// Returns when everything that was told before has been written, or could not be, or after
    /// `limit`; says whether the writer answered. Blocks.
    pub fn flush(&self, limit: Duration) -> bool {
        let (answer, answered) = sync_channel(1);
        self.orders.lock().flushes.push(answer);
        self.wake();
        answered.recv_timeout(limit).is_ok()
    }

    /// Ends all visits, writes what waits, within `limit`, and ends the threads. Says whether all
    /// of it was written. Blocks.
    pub fn stop(&self, limit: Duration) -> bool {
        let (answer, answered) = sync_channel(1);
        self.tell_to_stop(limit, answer);
        // The writer holds to the limit by itself; a write that is under way may take a moment.
        answered.recv_timeout(limit + Duration::from_millis(500)).unwrap_or(false)
    }

    fn tell_to_stop(&self, limit: Duration, answer: SyncSender<bool>) {
        self.leaving.store(true, Ordering::Relaxed);
        self.orders.lock().stop = Some((limit, answer));
        self.wake();
        if let Some(keeper) = &self.keeper {
            keeper.thread().unpark();
        }
    }

    fn wake(&self) {
        if let Some(writer) = &self.writer {
            writer.thread().unpark();
        }
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        if !self.leaving.load(Ordering::Relaxed) {
            let (answer, _nobody_waits) = sync_channel(1);
            self.tell_to_stop(Duration::ZERO, answer);
        }
    }
}

/// The writer's thread.
fn go_round(
    mut writer: Writer,
    orders: Arc<Mutex<Orders>>,
    clock: Arc<dyn Clock>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("usher-writer".to_owned()).spawn(move || {
        loop {
            // Taken before the round: it covers what was told before they were given.
            let Orders { flushes, stop } = std::mem::take(&mut *orders.lock());
            if let Some((limit, answer)) = stop {
                let written = finish(&mut writer, limit, clock.as_ref());
                // Who is answered finds the database closed, and in one file.
                drop(writer);
                // Nobody may be waiting any more.
                let _ = answer.try_send(written);
                return;
            }
            writer.round();
            for answer in flushes {
                let _ = answer.try_send(());
            }
            thread::park_timeout(Duration::from_millis(writer::ROUND_MS));
        }
    })
}

fn finish(writer: &mut Writer, limit: Duration, clock: &dyn Clock) -> bool {
    let deadline = clock.now().plus_ms(saturating_ms(limit));
    while !writer.finish() {
        if clock.now() >= deadline {
            writer.give_up();
            return false;
        }
        thread::park_timeout(LAST_TRIES_EVERY);
    }
    true
}

/// The keeper's thread.
fn keep(mut keeper: Keeper, leaving: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("usher-keeper".to_owned()).spawn(move || {
        while !leaving.load(Ordering::Relaxed) {
            keeper.round();
            thread::park_timeout(Duration::from_millis(keeper::ROUND_MS));
        }
    })
}

/// The shelf of the program: one file.
pub(super) struct FileShelf {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
}

impl Shelf for FileShelf {
    fn open(&mut self) -> Result<Box<dyn Journal + Send>, StoreError> {
        Ok(Box::new(SqliteJournal::open(&self.database, self.clock.wall())?))
    }

    fn set_aside(&mut self, stamp: &str) -> io::Result<String> {
        Ok(self.database.set_aside(stamp)?.display().to_string())
    }
}
