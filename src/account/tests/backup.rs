//! Copies: by order, by schedule, and back again.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::writer_visits::event;
use super::*;
use crate::account::backup::{BackupError, back_up};
use crate::account::keeper::Keeper;
use crate::domain::LaunchKind;
use crate::store::sqlite::ask;
use crate::store::{EventQuery, StoreError};

const DAY_MS: u64 = 86_400_000;

fn house() -> House {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    for _ in 0..50 {
        house.account.event(event("before"));
    }
    drop(house.stay("jiyoung", "main"));
    house.pass(1_000, 250);
    house
}

fn events(house: &House) -> usize {
    house.database.reports().events(&EventQuery::default()).unwrap().rows.len()
}

fn copy(house: &House, to: &Path) -> Result<crate::account::backup::Copied, BackupError> {
    back_up(house.database.path(), to, &mut |_| true)
}

/// As the documentation says: usher stopped, the file in its place, its companions gone. Gives the
/// place.
fn put_back(house: &mut House, copy: &Path) -> PathBuf {
    assert!(house.writer.finish());
    house.narrow(16);
    let database = house.database.path().to_owned();
    fs::copy(copy, &database).unwrap();
    for part in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{part}", database.display()));
    }
    database
}

#[test]
fn a_copy_is_whole_private_and_can_be_put_back() {
    let mut house = house();
    let to = house.folder.path().join("far/away/copy.db");
    let copied = copy(&house, &to).unwrap();
    assert_eq!(
        (copied.path.as_path(), copied.bytes),
        (to.as_path(), fs::metadata(&to).unwrap().len())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1, "nothing beside it");
    house.account.event(event("after"));
    house.pass(1_000, 250);
    assert_eq!(events(&house), 51);

    let database = put_back(&mut house, &to);
    house.killed_and_started();
    assert_eq!((events(&house), house.visits().len()), (50, 1));
    house.account.event(event("goes on"));
    house.pass(1_000, 250);
    assert_eq!(events(&house), 51);
    assert_eq!(ask(&database, "PRAGMA integrity_check"), ["ok"]);
}

/// Every row of every table, as SQLite writes its values.
fn rows(database: &Path) -> Vec<(String, Vec<String>)> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let rows_of = |table: String| {
        let columns = format!(
            "SELECT group_concat('quote(' || name || ')', ' || ''|'' || ') \
             FROM pragma_table_info('{table}')"
        );
        let columns = ask(database, &columns).concat();
        let rows = ask(database, &format!("SELECT {columns} FROM {table} ORDER BY 1"));
        (table, rows)
    };
    ask(database, tables).into_iter().map(rows_of).collect()
}

/// A start, and a measurement of everything.
fn start_and_measure(house: &House) {
    let (at, key) = (house.clock.wall(), key("hana", "sales"));
    let start = StartFact {
        at,
        key: Arc::clone(&key),
        launch: LaunchKind::Fork,
        start_ms: 230,
        queued_ms: 5,
    };
    house.account.started(start);
    house.account.machine_measured(MachineSample { cpu_cores: 1.5, ..MachineSample::default() });
    let (threads, open_files) = (Some(9), None);
    let seat = SeatSample { key, cpu_cores: 0.5, memory_bytes: 77, threads, open_files };
    house.account.seats_measured(vec![seat]);
}

#[test]
fn what_is_put_back_is_what_was_copied_row_by_row() {
    let mut house = house();
    let mut stay = house.stay("hana", "sales");
    house.pass(90_000, 1_000);
    stay.ends(StayEnd::Kicked);
    drop(stay);
    start_and_measure(&house);
    // Until both visits have ended: a start would end them, which is in another test.
    house.pass(130_000, 1_000);
    let to = house.folder.path().join("copy.db");
    let before = rows(house.database.path());
    for table in ["visits", "presence", "events", "starts", "machine_samples", "seat_samples"] {
        let kept = before.iter().find(|(name, _)| name == table).expect("the table");
        assert!(!kept.1.is_empty(), "nothing in {table} to compare");
    }
    copy(&house, &to).unwrap();
    house.account.event(event("after"));
    house.pass(1_000, 250);
    assert_ne!(rows(house.database.path()), before);

    let database = put_back(&mut house, &to);
    assert_eq!(rows(&database), before);
    house.killed_and_started();
    let but_runs = |mut rows: Vec<(String, Vec<String>)>| {
        rows.retain(|(table, _)| table != "runs");
        rows
    };
    assert_eq!(but_runs(rows(&database)), but_runs(before), "a start adds itself and nothing else");
}

#[test]
fn a_copy_that_fails_leaves_what_was_there_and_nothing_else() {
    let house = house();
    let to = house.folder.path().join("copies/copy.db");
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(&to, "an older copy").unwrap();
    let ended = back_up(house.database.path(), &to, &mut |_| false);
    // A small database is copied in one step, after which ending it changes nothing.
    assert!(ended.is_ok());
    fs::write(&to, "an older copy").unwrap();
    let missing = back_up(&house.folder.path().join("nowhere.db"), &to, &mut |_| true).unwrap_err();
    assert!(matches!(missing, BackupError::Store(StoreError::Missing { .. })), "{missing}");
    assert_eq!(fs::read_to_string(&to).unwrap(), "an older copy");
    assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
    let itself = copy(&house, house.database.path()).unwrap_err();
    assert!(matches!(itself, BackupError::Itself), "{itself}");
    fs::write(house.folder.path().join("file"), "").unwrap();
    let refused = copy(&house, &house.folder.path().join("file/copy.db")).unwrap_err();
    assert!(matches!(refused, BackupError::System { doing: "making", .. }), "{refused}");
    assert_eq!(events(&house), 50);
}

struct Kept {
    house: House,
    keeper: Keeper,
    status: Arc<ArcSwap<BackupStatus>>,
}

impl Kept {
    fn new() -> Self {
        let house = house();
        let (keeper, status) = Self::keeper(&house);
        Self { house, keeper, status }
    }

    fn keeper(house: &House) -> (Keeper, Arc<ArcSwap<BackupStatus>>) {
        let status: Arc<ArcSwap<BackupStatus>> = Arc::default();
        let keeper = Keeper::new(
            house.account.clone(),
            house.database.path().to_owned(),
            Arc::clone(&house.settings),
            Arc::clone(&status),
            Arc::new(AtomicBool::new(false)),
        );
        (keeper, status)
    }

    fn pass(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(600_000);
            self.house.clock.pass(step);
            self.keeper.round();
            left -= step;
        }
        self.house.writer.round();
    }

    fn copies(&self) -> Vec<String> {
        let folder = self.house.settings.load().backups.directory.clone();
        let mut names: Vec<String> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn copies_are_made_by_schedule_and_the_oldest_go() {
    let mut kept = Kept::new();
    kept.keeper.round();
    assert!(kept.copies().is_empty(), "a start has enough to do");
    kept.pass(700_000);
    assert_eq!(
        kept.copies(),
        ["usher-2026-07-01T091000.db".to_owned()].map(|name| name.replace("1000", "1001"))
    );
    let first = kept.status.load().newest_at.unwrap();
    assert_eq!(kept.status.load().next_at, Some(Timestamp(first.0 + 7 * DAY_MS as i64)));
    let folder = kept.house.settings.load().backups.directory.clone();
    fs::write(folder.join("mine.db"), "").unwrap();
    kept.pass(30 * DAY_MS);
    let copies = kept.copies();
    assert_eq!(copies.len(), 4, "three and what is not usher's: {copies:?}");
    assert!(copies[0] == "mine.db" && copies[3].starts_with("usher-2026-07-29T"), "{copies:?}");
    let made = EventQuery { kind: Some("backup_made".to_owned()), ..EventQuery::default() };
    assert_eq!(kept.house.database.reports().events(&made).unwrap().rows.len(), 5);
}

#[test]
fn a_copy_that_was_due_while_usher_was_off_is_made_after_the_start() {
    let mut kept = Kept::new();
    kept.pass(DAY_MS);
    assert_eq!(kept.copies().len(), 1);
    kept.house.clock.pass(10 * DAY_MS);
    (kept.keeper, kept.status) = Kept::keeper(&kept.house);
    kept.keeper.round();
    assert_eq!(kept.copies().len(), 1);
    kept.pass(DAY_MS);
    assert_eq!(kept.copies().len(), 2);
    // Started again a little later, it is not due.
    (kept.keeper, kept.status) = Kept::keeper(&kept.house);
    kept.pass(DAY_MS);
    assert_eq!(kept.copies().len(), 2);
}

#[test]
fn a_copy_that_cannot_be_made_is_told_and_tried_again() {
    let mut kept = Kept::new();
    let folder: PathBuf = kept.house.settings.load().backups.directory.clone();
    fs::write(&folder, "in the way").unwrap();
    kept.pass(1_200_000);
    assert!(kept.status.load().problem.as_ref().unwrap().contains("backups"));
    let failed = EventQuery { kind: Some("backup_failed".to_owned()), ..EventQuery::default() };
    let tries = kept.house.database.reports().events(&failed).unwrap().rows.len();
    assert_eq!(tries, 1, "not every second");
    fs::remove_file(&folder).unwrap();
    kept.pass(3_600_000);
    assert_eq!((kept.copies().len(), kept.status.load().problem.clone()), (1, None));
    kept.house.configure(|settings| settings.backups.every_ms = None);
    kept.pass(30 * DAY_MS);
    assert_eq!((kept.copies().len(), kept.status.load().next_at), (1, None));
}
