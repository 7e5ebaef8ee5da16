//! What can happen to a file.

use std::fs;

use rusqlite::Connection;

use super::*;
use crate::store::{Reports, StoreError, VisitQuery, sqlite::copy_to};

fn many(store: &mut Store) {
    let visits = (0..2_000).map(|n| visit("a", "main", Timestamp(n * 1000), 10));
    store.write(visits.collect());
}

fn visits(store: &Store) -> Result<usize, StoreError> {
    store.reports.visits(&VisitQuery::default()).map(|page| page.rows.len())
}

#[cfg(unix)]
#[test]
fn the_files_are_nobody_elses() {
    use std::os::unix::fs::PermissionsExt;
    let mut store = Store::new();
    many(&mut store);
    for part in ["", "-wal", "-shm"] {
        let path = super::super::with_suffix(&store.path(), part);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{part}");
    }
}

#[test]
fn what_is_no_database_is_corrupt_and_can_be_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::at(folder.path().join("usher.db"));
    fs::write(database.path(), "this is no database, but long enough to be looked at".repeat(50))
        .unwrap();
    let refused = SqliteJournal::open(&database, Timestamp(0)).err().unwrap();
    assert!(matches!(refused, StoreError::Corrupt { .. }), "{refused}");
    let aside = database.set_aside("2026-07-01").unwrap();
    assert_eq!(aside, folder.path().join("usher.db.corrupt-2026-07-01"));
    assert!(fs::read_to_string(aside).unwrap().starts_with("this is no database"));
    SqliteJournal::open(&database, Timestamp(0)).unwrap();
}

#[test]
fn a_file_that_breaks_while_it_is_used_is_noticed_and_a_new_one_serves() {
    let mut store = Store::new();
    many(&mut store);
    // Into the file itself, so that what is broken there is what is read.
    let connection = Connection::open(store.path()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    assert_eq!(visits(&store), Ok(100));
    let mut bytes = fs::read(store.path()).unwrap();
    for byte in &mut bytes[8192..] {
        *byte = 0xa5;
    }
    fs::write(store.path(), bytes).unwrap();
    // A connection that has read nothing yet.
    let reports = store.database.reports();
    let said = reports.visits(&VisitQuery::default()).unwrap_err();
    assert!(matches!(said, StoreError::Corrupt { .. }), "{said}");
    let said = store.journal.write(&Batch::default()).unwrap_err();
    assert!(matches!(said, StoreError::Corrupt { .. }), "the reader's suspicion holds: {said}");
    store.database.set_aside("now").unwrap();
    store.journal = SqliteJournal::open(&store.database, Timestamp(0)).unwrap();
    assert_eq!(visits(&store), Ok(0), "the pool opens the new file");
    many(&mut store);
    assert_eq!(visits(&store), Ok(100));
    let parts: Vec<String> = fs::read_dir(store.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(parts.contains(&"usher.db.corrupt-now".to_owned()), "{parts:?}");
}

#[test]
fn a_suspicion_without_ground_changes_nothing() {
    let mut store = Store::new();
    many(&mut store);
    store.database.suspect();
    many(&mut store);
    assert_eq!(store.count("visits"), 4_000);
}

#[test]
fn a_file_that_somebody_removed_is_missed() {
    let mut store = Store::new();
    many(&mut store);
    fs::remove_file(store.path()).unwrap();
    let said = store.journal.write(&Batch::default()).unwrap_err();
    assert_eq!(said, StoreError::Missing { path: store.path() });
    assert_eq!(
        store.database.reports().visits(&VisitQuery::default()),
        Err(StoreError::Missing { path: store.path() })
    );
}

#[test]
fn a_locked_file_is_busy_for_a_moment_and_readers_do_not_care() {
    let mut store = Store::new();
    many(&mut store);
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let visits_now = vec![visit("a", "main", Timestamp(9), 1)];
    let batch = Batch { visits: visits_now, ..Batch::default() };
    assert_eq!(store.journal.write(&batch), Err(StoreError::Busy));
    assert_eq!(visits(&store), Ok(100));
    other.execute_batch("ROLLBACK").unwrap();
    store.journal.write(&batch).unwrap();
    assert_eq!(store.count("visits"), 2_001);
}

#[test]
fn a_newer_file_is_refused_by_writer_and_reader() {
    let store = Store::new();
    Connection::open(store.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = |error: &StoreError| matches!(error, StoreError::NewerSchema { found: 99, .. });
    assert!(newer(&SqliteJournal::open(&store.database, Timestamp(0)).err().unwrap()));
    assert!(newer(&store.reports.visits(&VisitQuery::default()).unwrap_err()));
}

#[test]
fn a_file_that_nobody_writes_can_be_read_and_an_empty_one_says_so() {
    let mut store = Store::new();
    many(&mut store);
    let Store { folder, database, journal, reports } = store;
    drop((journal, reports));
    assert!(!super::super::with_suffix(database.path(), "-wal").exists(), "closed in order");
    let page = database.reports().visits(&VisitQuery::default()).unwrap();
    assert_eq!(page.rows.len(), 100);
    let empty = Database::at(folder.path().join("empty.db"));
    fs::write(empty.path(), "").unwrap();
    let said = empty.reports().visits(&VisitQuery::default()).unwrap_err();
    assert!(matches!(said, StoreError::OlderSchema { found: 0, .. }), "{said}");
}

#[test]
fn a_visit_belongs_to_one_run() {
    let mut store = Store::new();
    let mut open = visit("a", "main", Timestamp(1_000), 500);
    open.phase = VisitPhase::Open;
    open.id = Some(store.write(vec![open.clone()])[0]);
    let mut gap = visit("b", "main", Timestamp(1_000), 400);
    gap.phase = VisitPhase::Gap("broken");
    gap.id = Some(store.write(vec![gap.clone()])[0]);

    let mut next = SqliteJournal::open(&store.database, Timestamp(2_000)).unwrap();
    assert_eq!(next.close_left_open().unwrap(), 2);
    assert_eq!(next.close_left_open().unwrap(), 0);
    let row = store.reports.visit(gap.id.unwrap()).unwrap().unwrap();
    assert_eq!(row.ended_because.as_deref(), Some("broken"), "why the last WebSocket ended");
    let row = store.reports.visit(open.id.unwrap()).unwrap().unwrap();
    assert_eq!(row.ended_because.as_deref(), Some("usher_stopped"));
    assert_eq!(row.ended_at, Some(Timestamp(1_500)));

    assert_eq!(
        next.resume(&open.key, Timestamp(9_000), 7_500).unwrap(),
        None,
        "as long as the gap"
    );
    assert_eq!(next.resume(&key("a", "tool"), Timestamp(1_600), 7_500).unwrap(), None);
    let resumed = next.resume(&open.key, Timestamp(8_999), 7_500).unwrap().unwrap();
    assert_eq!((resumed.id, resumed.dwell_ms), (open.id.unwrap(), 500));
    // The run before, which had not ended yet, has no say any more.
    let slots = store.count("presence");
    open.dwell_ms = 77;
    open.slots = vec![SlotDelta { slot_at: Timestamp(DAY), dwell_ms: 1, active_ms: 0 }];
    let batch = Batch { visits: vec![open.clone()], ..Batch::default() };
    assert_eq!(store.journal.write(&batch).unwrap().visits, [None]);
    assert_eq!(store.count("presence"), slots);
    assert_eq!(next.write(&batch).unwrap().visits, [open.id]);
    assert_eq!(store.reports.visit(open.id.unwrap()).unwrap().unwrap().dwell_ms, 77);
}

#[test]
fn a_copy_is_of_one_moment_while_more_is_written() {
    let mut store = Store::new();
    for _ in 0..20 {
        many(&mut store);
    }
    let copy = store.folder.path().join("copy.db");
    fs::write(&copy, "").unwrap();
    let (mut steps, mut more) = (0, 0);
    let source = store.path();
    copy_to(&source, &copy, &mut |progress| {
        steps += 1;
        assert!(progress.pages_done <= progress.pages);
        more += store.write(vec![visit("late", "main", Timestamp(1), 1)]).len();
        true
    })
    .unwrap();
    assert!(steps > 1 && more > 1, "it was written to meanwhile: {steps}");
    assert!(!super::super::with_suffix(&copy, "-wal").exists());
    let copied = Connection::open(&copy).unwrap();
    let (all, late): (i64, i64) = copied
        .query_row("SELECT count(*), sum(user = 'late') FROM visits", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!((all, late), (40_000, 0));

    let said = copy_to(&source, &copy, &mut |_| false).unwrap_err();
    assert!(said.to_string().contains("ended before"), "{said}");
}
