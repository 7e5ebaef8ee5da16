//! Files that somebody else locks, damages or removes while they are used.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use usher::store::{EventQuery, StoreError};

use crate::rig::{House, until};

fn kinds(house: &House) -> Vec<String> {
    house.events().into_iter().map(|event| event.kind).collect()
}

#[test]
fn a_locked_database_costs_time_only() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path());
    house.event("before", 1);
    house.flush();
    let other = Connection::open(house.books.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    house.event("while locked", 1);
    let problem = until("the lock to be noticed", || {
        house.flush();
        house.books.problem()
    });
    assert!(problem.contains("locked"), "{problem}");
    assert_eq!(kinds(&house), ["before"]);
    other.execute_batch("ROLLBACK").unwrap();
    until("the record", || (kinds(&house).len() == 2).then_some(()));
    assert_eq!((house.books.problem(), house.books.account().counters().lost()), (None, 0));
}

#[test]
fn a_database_that_breaks_while_it_is_used_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path());
    let stay = house.stay("kim");
    for _ in 0..300 {
        house.event("before", 500);
    }
    house.flush();
    let path = house.books.database().to_owned();
    let checkpoint = Connection::open(&path).unwrap();
    checkpoint.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(checkpoint);
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).unwrap();

    // An administrator looks; the answer is an error, and the writer is told of it.
    let mut told = false;
    let aside = until("the broken file to be set aside", || {
        told |= matches!(
            house.books.reports().events(&EventQuery::default()),
            Err(StoreError::Corrupt { .. })
        );
        fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("usher.db.corrupt-"))
    });
    assert!(told);
    until("the new file to serve", || {
        let query = EventQuery::default();
        let rows = house.books.reports().events(&query).ok()?.rows;
        rows.iter().any(|event| event.kind == "database_corrupt").then_some(())
    });
    stay.to_browser(3);
    drop(stay);
    house.flush();
    assert_eq!(house.visits().len(), 1, "the open visit is in the new file");
    assert_eq!(house.visits()[0].out_bytes, 3);
    assert!(fs::metadata(aside).unwrap().len() > 100_000, "what can be rescued is there");
    assert_eq!(house.books.problem(), None);
}

#[test]
fn a_removed_database_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path());
    house.event("before", 1);
    house.flush();
    for part in ["", "-wal", "-shm"] {
        let mut path = house.books.database().as_os_str().to_owned();
        path.push(part);
        fs::remove_file(PathBuf::from(path)).unwrap();
    }
    until("an event in the new file", || {
        house.event("after", 1);
        house.flush();
        let rows = house.books.reports().events(&EventQuery::default()).ok()?.rows;
        rows.iter().any(|event| event.kind == "after").then_some(())
    });
    assert!(!kinds(&house).contains(&"before".to_owned()));
}

#[test]
fn books_that_were_closed_are_one_file_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path());
    house.event("last", 1);
    let stay = house.stay("kim");
    assert!(house.books.stop(Duration::from_secs(30)));
    let files: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, ["usher.db"]);
    let next = House::open(folder.path());
    next.flush();
    assert_eq!(kinds(&next), ["last"]);
    assert_eq!(next.visits()[0].ended_because.as_deref(), Some("usher_stopped"));
    drop(stay);
    assert_eq!(house.books.account().counters().facts_dropped(), 1, "nobody listens any more");
}
