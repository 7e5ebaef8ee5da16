//! What the writer does when the database does not do what it should.

use std::collections::VecDeque;

use super::writer_visits::event;
use super::*;
use crate::store::{Batch, EventQuery, Journal, StoreError, Tidied, Upkeep, VisitId, Written};

/// A journal in memory that fails as it is told.
#[derive(Default)]
struct Fake {
    fails: VecDeque<StoreError>,
    open_fails: VecDeque<StoreError>,
    opened: usize,
    aside: Vec<String>,
    aside_fails: bool,
    events: Vec<&'static str>,
    batches: Vec<usize>,
    visits: Vec<Option<VisitId>>,
}

#[derive(Clone, Default)]
struct FakeShelf(Arc<Mutex<Fake>>);

impl writer::Shelf for FakeShelf {
    fn open(&mut self) -> Result<Box<dyn Journal + Send>, StoreError> {
        let mut fake = self.0.lock();
        match fake.open_fails.pop_front() {
            Some(error) => Err(error),
            None => {
                fake.opened += 1;
                Ok(Box::new(self.clone()))
            }
        }
    }

    fn set_aside(&mut self, stamp: &str) -> std::io::Result<String> {
        let mut fake = self.0.lock();
        if fake.aside_fails {
            return Err(std::io::Error::other("not allowed"));
        }
        fake.aside.push(stamp.to_owned());
        Ok(format!("usher.db.corrupt-{stamp}"))
    }
}

impl Journal for FakeShelf {
    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError> {
        let mut fake = self.0.lock();
        if let Some(error) = fake.fails.pop_front() {
            return Err(error);
        }
        fake.batches.push(batch.records());
        fake.events.extend(batch.events.iter().map(|event| event.kind));
        fake.visits.extend(batch.visits.iter().map(|visit| visit.id));
        let first = fake.visits.len() as i64;
        let ids = (first..).zip(&batch.visits);
        let visits = ids.map(|(id, visit)| Some(visit.id.unwrap_or(VisitId(id)))).collect();
        Ok(Written { visits })
    }

    fn resume(
        &mut self,
        _: &SeatKey,
        _: Timestamp,
        _: u64,
    ) -> Result<Option<VisitRow>, StoreError> {
        Ok(None)
    }

    fn close_left_open(&mut self) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn tidy(&mut self, _: Timestamp, _: &Upkeep) -> Result<Tidied, StoreError> {
        Ok(Tidied::Done)
    }
}

fn faulty() -> (House, Arc<Mutex<Fake>>) {
    let shelf = FakeShelf::default();
    let fake = Arc::clone(&shelf.0);
    let wall = seoul("2026-07-01T09:00:00");
    (House::with_shelf(wall, |_, _| Box::new(shelf)), fake)
}

fn corrupt() -> StoreError {
    StoreError::Corrupt { cause: "malformed".to_owned() }
}

#[test]
fn what_a_busy_or_full_database_does_not_take_is_written_later() {
    for error in [
        StoreError::Busy,
        StoreError::Full,
        StoreError::Failed { doing: "writing", cause: "I/O error".to_owned() },
    ] {
        let (mut house, fake) = faulty();
        fake.lock().fails.extend(std::iter::repeat_n(error.clone(), 5));
        for _ in 0..100 {
            house.account.event(event("early"));
        }
        let _stay = house.stay("jiyoung", "main");
        house.pass(3_000, 250);
        assert_eq!(house.problem(), Some(error.to_string()));
        assert_eq!(house.lost(), 0);
        house.account.event(event("late"));
        house.pass(20_000, 250);
        assert_eq!(house.problem(), None);
        let fake = fake.lock();
        assert_eq!(fake.events.len(), 101, "each once");
        assert_eq!(fake.events.last(), Some(&"late"));
        assert_eq!((fake.opened, house.lost()), (1, 0));
    }
}

#[test]
fn tries_become_rarer() {
    let (mut house, fake) = faulty();
    fake.lock().fails.extend(std::iter::repeat_n(StoreError::Busy, 1_000));
    house.account.event(event("waits"));
    house.pass(60_000, 250);
    let tries = 1_000 - fake.lock().fails.len();
    assert!((12..30).contains(&tries), "{tries} tries in a minute");
}

#[test]
fn what_waits_is_bounded_the_oldest_goes_and_is_counted() {
    let (mut house, fake) = faulty();
    fake.lock().fails.extend(std::iter::repeat_n(StoreError::Full, 1_000));
    house.account.event(event("oldest"));
    for _ in 0..40 {
        for _ in 0..1_000 {
            house.account.event(event("many"));
        }
        house.pass(250, 250);
    }
    house.account.event(event("newest"));
    fake.lock().fails.clear();
    house.pass(10_000, 250);
    let fake = fake.lock();
    let kept = fake.events.len() as u64;
    assert!((10_000..=12_000).contains(&kept), "{kept}");
    assert_eq!(kept + house.lost(), 40_002, "none unaccounted for");
    assert!(!fake.events.contains(&"oldest") && fake.events.last() == Some(&"newest"));
    assert_eq!(house.account.counters().facts_dropped(), 0);
}

#[test]
fn facts_are_written_in_batches() {
    let (mut house, fake) = faulty();
    for _ in 0..2_500 {
        house.account.event(event("one"));
    }
    house.pass(250, 250);
    assert_eq!(fake.lock().batches, [1_000, 1_000, 500]);
}

#[test]
fn a_corrupt_database_is_set_aside_and_the_open_visits_begin_in_the_new_one() {
    let (mut house, fake) = faulty();
    let _stay = house.stay("jiyoung", "main");
    house.pass(5_000, 250);
    fake.lock().fails.push_back(corrupt());
    house.account.event(event("not lost"));
    house.pass(2_000, 250);
    let fake = fake.lock();
    assert_eq!((fake.aside.as_slice(), fake.opened), (&["2026-07-01T090005".to_owned()][..], 2));
    assert_eq!(fake.events, ["not lost", "database_corrupt"]);
    let anew = fake.visits.iter().filter(|id| id.is_none()).count();
    assert_eq!(anew, 2, "it has no number in the new file: {:?}", fake.visits);
    assert_eq!((house.lost(), house.problem()), (0, None));
}

#[test]
fn a_corrupt_database_at_the_start_is_set_aside_too() {
    let (mut house, fake) = faulty();
    fake.lock().open_fails.push_back(corrupt());
    house.account.event(event("first"));
    house.pass(1_000, 250);
    let fake = fake.lock();
    assert_eq!((fake.aside.len(), fake.opened), (1, 1));
    assert_eq!(fake.events, ["database_corrupt", "first"]);
}

#[test]
fn one_that_cannot_be_set_aside_is_left_and_tried_again_after_a_while() {
    let (mut house, fake) = faulty();
    fake.lock().aside_fails = true;
    fake.lock().open_fails.extend(std::iter::repeat_n(corrupt(), 1_000));
    house.pass(110_000, 250);
    assert_eq!(1_000 - fake.lock().open_fails.len(), 2);
    assert!(house.problem().unwrap().contains("malformed"));
}

#[test]
fn a_newer_schema_is_neither_written_nor_set_aside() {
    let (mut house, fake) = faulty();
    let newer = StoreError::NewerSchema { found: 9, known: 2 };
    fake.lock().open_fails.extend([newer.clone(), newer]);
    house.account.event(event("waits"));
    house.pass(70_000, 250);
    assert!(house.problem().unwrap().contains("newer usher"));
    house.pass(60_000, 250);
    assert_eq!((house.problem(), fake.lock().aside.len()), (None, 0));
    assert_eq!(fake.lock().events, ["waits"]);
}

#[test]
fn a_removed_database_is_begun_anew() {
    let (mut house, fake) = faulty();
    let _stay = house.stay("jiyoung", "main");
    house.pass(2_000, 250);
    fake.lock().fails.push_back(StoreError::Missing { path: "usher.db".into() });
    house.pass(2_000, 250);
    assert_eq!((fake.lock().opened, house.lost(), house.problem()), (2, 0, None));
}

#[test]
fn records_that_are_never_accepted_do_not_hold_up_those_that_follow() {
    let (mut house, fake) = faulty();
    fake.lock().fails.push_back(StoreError::Refused { cause: "NOT NULL".to_owned() });
    house.account.event(event("bad"));
    house.pass(250, 250);
    assert_eq!(house.lost(), 1);
    house.account.event(event("good"));
    house.pass(2_000, 250);
    assert_eq!(fake.lock().events, ["good"]);
}

#[test]
fn at_the_end_what_cannot_be_written_is_counted() {
    let (mut house, fake) = faulty();
    house.pass(250, 250);
    fake.lock().fails.extend(std::iter::repeat_n(StoreError::Full, 2));
    let _stay = house.stay("jiyoung", "main");
    house.account.event(event("late"));
    assert!(!house.writer.finish());
    assert!(!house.writer.finish());
    house.writer.give_up();
    assert_eq!(house.lost(), 2, "the event and the visit");
}

#[test]
fn with_the_real_file_a_corrupt_one_costs_no_record_that_comes_later() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    std::fs::create_dir_all(house.folder.path()).unwrap();
    std::fs::write(house.database.path(), "no database at all. ".repeat(100)).unwrap();
    house.account.event(event("first"));
    house.pass(1_000, 250);
    let rows = house.database.reports().events(&EventQuery::default()).unwrap().rows;
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["database_corrupt", "first"]);
    let aside = house.folder.path().join("usher.db.corrupt-2026-07-01T090000");
    assert!(std::fs::read_to_string(&aside).unwrap().starts_with("no database"), "{aside:?}");
    assert!(rows[0].detail.contains("usher.db.corrupt-2026-07-01T090000"), "{}", rows[0].detail);
}
