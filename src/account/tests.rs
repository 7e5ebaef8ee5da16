//! The account as a whole, with a clock that is moved by hand.

mod backup;
mod writer_faults;
mod writer_visits;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::books::FileShelf;
use super::*;
use crate::clock::Moment;
use crate::config::{Backups, Logs, Samples, Visits};
use crate::domain::{AppSlug, UserName};
use crate::store::sqlite::Database;
use crate::store::{Limit, Reports, VisitQuery, VisitRow};

/// Settings below a folder.
pub(super) fn settings(folder: &Path) -> Settings {
    const DAY_MS: u64 = 86_400_000;
    Settings {
        visits: Visits { record: true, gap_ms: 120_000, keep_ms: 400 * DAY_MS },
        samples: Samples { every_ms: 5_000, keep_ms: 30 * DAY_MS },
        backups: Backups { every_ms: Some(7 * DAY_MS), keep: 3, directory: folder.join("backups") },
        logs: Logs {
            access: Some(folder.join("log/access.log")),
            rotate_bytes: 50 << 20,
            keep: 10,
            apps: folder.join("log/apps"),
        },
        timezone: TimeZone::get("Asia/Seoul").unwrap(),
    }
}

/// Clocks that stand until they are moved.
pub(super) struct HandClock(Mutex<(u64, i64)>);

impl HandClock {
    pub(super) fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new((1_000_000_000, wall.0))))
    }

    pub(super) fn pass(&self, ms: u64) {
        let mut times = self.0.lock();
        times.0 += ms;
        times.1 += ms as i64;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.lock().0)
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.0.lock().1)
    }
}

/// The account without its threads: the test goes round.
pub(super) struct House {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: Arc<HandClock>,
    pub(super) settings: Arc<ArcSwap<Settings>>,
    pub(super) health: Arc<writer::Health>,
    pub(super) database: Database,
    pub(super) account: Account,
    pub(super) writer: writer::Writer,
}

impl House {
    /// With a database of its own, at this time.
    pub(super) fn new(wall: Timestamp) -> Self {
        Self::with_shelf(wall, |database, clock| Box::new(FileShelf { database, clock }))
    }

    pub(super) fn with_shelf(
        wall: Timestamp,
        shelf: impl FnOnce(Database, Arc<HandClock>) -> Box<dyn writer::Shelf>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::at(wall);
        let database = Database::at(database_path(folder.path()));
        let settings = Arc::new(ArcSwap::from_pointee(settings(folder.path())));
        let health = Arc::default();
        let shelf = shelf(database.clone(), Arc::clone(&clock));
        let (account, writer) = open(&clock, shelf, &settings, &health, FACTS_WAITING_MAX);
        Self { folder, clock, settings, health, database, account, writer }
    }

    /// As if this usher had been killed and another one started: nobody finishes anything.
    pub(super) fn killed_and_started(&mut self) {
        let shelf = Box::new(FileShelf {
            database: self.database.clone(),
            clock: Arc::clone(&self.clock) as _,
        });
        (self.account, self.writer) =
            open(&self.clock, shelf, &self.settings, &self.health, FACTS_WAITING_MAX);
        self.writer.round();
    }

    /// Another channel, with room for so many facts, and nobody who takes them.
    pub(super) fn narrow(&mut self, facts_max: usize) {
        let shelf = Box::new(FileShelf {
            database: self.database.clone(),
            clock: Arc::clone(&self.clock) as _,
        });
        (self.account, self.writer) =
            open(&self.clock, shelf, &self.settings, &self.health, facts_max);
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = Settings::clone(&self.settings.load());
        change(&mut settings);
        self.settings.store(Arc::new(settings));
    }

    /// Time passes, in rounds at most `round_ms` apart.
    pub(super) fn pass(&mut self, ms: u64, round_ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(round_ms);
            self.clock.pass(step);
            self.writer.round();
            left -= step;
        }
    }

    pub(super) fn stay(&self, user: &str, app: &str) -> Stay {
        let role = if user == "minsu" { Role::Admin } else { Role::User };
        let visitor = Visitor { address: [192, 168, 1, 7].into(), browser: "curl/8.5".into() };
        self.account.begin_stay(key(user, app), role, visitor)
    }

    /// All visits, oldest first.
    pub(super) fn visits(&self) -> Vec<VisitRow> {
        let query = VisitQuery { limit: Limit::new(1000), ..VisitQuery::default() };
        let mut rows = self.database.reports().visits(&query).unwrap().rows;
        rows.reverse();
        rows
    }

    pub(super) fn lost(&self) -> u64 {
        self.account.counters().lost()
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.health.problem.load().as_ref().clone()
    }
}

fn open(
    clock: &Arc<HandClock>,
    shelf: Box<dyn writer::Shelf>,
    settings: &Arc<ArcSwap<Settings>>,
    health: &Arc<writer::Health>,
    facts_max: usize,
) -> (Account, writer::Writer) {
    let (facts, told) = sync_channel(facts_max);
    let account = Account::new(Arc::clone(clock) as _, facts);
    let writer = writer::Writer::new(writer::Parts {
        account: account.clone(),
        facts: told,
        shelf,
        settings: Arc::clone(settings),
        health: Arc::clone(health),
    });
    (account, writer)
}

pub(super) fn key(user: &str, app: &str) -> Arc<SeatKey> {
    Arc::new(SeatKey { user: UserName::new(user).unwrap(), app: AppSlug::new(app).unwrap() })
}

/// The moment at which a clock in Seoul shows this.
pub(super) fn seoul(shown: &str) -> Timestamp {
    let shown: jiff::civil::DateTime = shown.parse().unwrap();
    let zone = TimeZone::get("Asia/Seoul").unwrap();
    Timestamp(shown.to_zoned_datetime(zone).unwrap().timestamp().as_millisecond())
}
