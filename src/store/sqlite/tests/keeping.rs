//! How long things are kept, and how finely.

use super::*;
use crate::domain::{Actor, Detail};
use crate::observe::{MachineSample, SeatSample};
use crate::store::{EventRecord, Reports, SampleQuery};

fn machine(cpu_cores: f64, memory_bytes: u64) -> MachineSample {
    MachineSample {
        cpu_cores,
        memory_bytes,
        memory_total_bytes: 1 << 40,
        ..MachineSample::default()
    }
}

fn seat(user: &str, cpu_cores: f64, memory_bytes: u64) -> SeatSample {
    let (threads, open_files) = (Some(memory_bytes as u32), None);
    SeatSample { key: key(user, "main"), cpu_cores, memory_bytes, threads, open_files }
}

/// Three days of samples each ten seconds, whose values are their minute's number.
fn three_days(store: &mut Store, begin: i64) {
    let mut batch = Batch::default();
    for at in (begin..begin + 3 * DAY).step_by(10_000) {
        let minute = ((at - begin) / MINUTE) as u64;
        batch.machine.push((Timestamp(at), machine(minute as f64, 2 * minute)));
        for user in ["a", "b"] {
            batch.seats.push((Timestamp(at), seat(user, minute as f64, 2 * minute)));
        }
    }
    store.journal.write(&batch).unwrap();
}

fn steps(store: &Store, table: &str) -> Vec<(i64, i64)> {
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let sql = format!("SELECT step_ms, count(*) FROM {table} GROUP BY step_ms");
    let mut select = connection.prepare(&sql).unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn samples_are_thinned_as_they_age_and_their_means_and_peaks_stay() {
    let mut store = Store::new();
    let begin = 20_000 * DAY;
    three_days(&mut store, begin);
    let now = Timestamp(begin + 3 * DAY);
    let query = SampleQuery { from: Timestamp(begin), to: now, points_max: 100, now };
    let hourly = |store: &Store| {
        let series = store.reports.machine(&query).unwrap();
        assert_eq!(series.step_ms, HOUR as u64);
        assert_eq!(series.points.len(), 72);
        series.points
    };
    let before = hourly(&store);
    assert_eq!((before[5].cpu_cores, before[5].cpu_cores_max), (329.5, 359.0));
    let seats_before = store.reports.seat("b", "main", &query).unwrap();

    store.tidy_all(now, &upkeep("UTC"));
    // Two hours as measured, the rest of two days in minutes, the first day in hours.
    let expected = [(0, 2 * 360), (MINUTE, 46 * 60), (HOUR, 24)];
    assert_eq!(steps(&store, "machine_samples"), expected);
    assert_eq!(steps(&store, "seat_samples"), expected.map(|(step, rows)| (step, 2 * rows)));
    assert_eq!(hourly(&store), before);
    assert_eq!(store.reports.seat("b", "main", &query).unwrap(), seats_before);
    assert_eq!(seats_before.points[71].threads, Some(2 * (72 * 60 - 1)));
    assert_eq!(seats_before.points[71].open_files, None);

    let late = Timestamp(begin + 40 * DAY);
    store.tidy_all(late, &Upkeep { samples_keep_ms: 400 * DAY as u64, ..upkeep("UTC") });
    assert_eq!(steps(&store, "machine_samples"), [(DAY, 3)]);
    let query = SampleQuery { to: late, now: late, ..query };
    let series = store.reports.machine(&query).unwrap();
    assert_eq!(series.step_ms, DAY as u64);
    assert_eq!(series.points[0].cpu_cores, 719.5);
    assert_eq!(series.points[0].memory_max_bytes, 2 * 1439);

    store.tidy_all(Timestamp(begin + 33 * DAY), &upkeep("UTC"));
    assert!(
        steps(&store, "machine_samples").is_empty() && steps(&store, "seat_samples").is_empty()
    );
}

#[test]
fn samples_that_come_late_join_the_step_that_is_there() {
    let mut store = Store::new();
    let begin = 20_000 * DAY;
    let at = |seconds: i64| Timestamp(begin + seconds * 1000);
    let write = |store: &mut Store, seconds: i64, cpu: f64| {
        let machine = vec![(at(seconds), machine(cpu, 0))];
        store.journal.write(&Batch { machine, ..Batch::default() }).unwrap();
    };
    write(&mut store, 0, 1.0);
    write(&mut store, 10, 3.0);
    let now = Timestamp(begin + 3 * HOUR);
    store.tidy_all(now, &upkeep("UTC"));
    // The clock was set back, and the same minute comes again.
    write(&mut store, 20, 8.0);
    store.tidy_all(now, &upkeep("UTC"));
    assert_eq!(steps(&store, "machine_samples"), [(MINUTE, 1)]);
    let query = SampleQuery { from: at(0), to: now, points_max: 1000, now };
    let point = store.reports.machine(&query).unwrap().points[0];
    assert_eq!((point.cpu_cores, point.cpu_cores_max), (4.0, 8.0));
}

#[test]
fn a_measurement_that_is_no_number_is_no_reason_to_lose_the_others() {
    let mut store = Store::new();
    let machine = vec![(Timestamp(5), machine(f64::NAN, 7))];
    store.journal.write(&Batch { machine, ..Batch::default() }).unwrap();
    let (from, to) = (Timestamp(0), Timestamp(1000));
    let query = SampleQuery { from, to, points_max: 10, now: to };
    let points = store.reports.machine(&query).unwrap().points;
    assert_eq!((points[0].cpu_cores, points[0].memory_bytes), (0.0, 7));
}

#[test]
fn records_are_deleted_when_they_are_old_and_open_visits_are_not() {
    let mut store = Store::new();
    let now = Timestamp(20_000 * DAY);
    let old = |days: i64| Timestamp(now.0 - days * DAY);
    let mut visits: Vec<VisitRecord> = (0..5_000)
        .map(|n| visit("a", "main", Timestamp(old(401).0 - n * MINUTE), MINUTE))
        .collect();
    visits.push(visit("a", "main", old(399), MINUTE));
    let mut open = visit("b", "main", old(500), 500 * DAY);
    open.phase = VisitPhase::Open;
    visits.push(open);
    store.write(visits);
    let event = |at: Timestamp| EventRecord {
        at,
        kind: "reloaded",
        actor: Actor::Operator,
        key: None,
        address: None,
        detail: Detail::none(),
    };
    let events = vec![event(old(401)), event(old(399))];
    store.journal.write(&Batch { events, ..Batch::default() }).unwrap();

    let slices = store.tidy_all(now, &upkeep("Asia/Seoul"));
    assert!(slices > 5, "not all at once: {slices}");
    assert_eq!((store.count("visits"), store.count("events")), (2, 1));
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let oldest: i64 =
        connection.query_row("SELECT min(slot_at) FROM presence", [], |row| row.get(0)).unwrap();
    assert!(oldest >= old(400).0);
    assert_eq!(store.tidy_all(now, &upkeep("Asia/Seoul")), 0, "nothing is left to do");
}

#[test]
fn what_is_exactly_as_old_as_it_is_kept_stays_and_a_millisecond_more_goes() {
    let mut store = Store::new();
    let (now, keep) = (Timestamp(20_000 * DAY), upkeep("Asia/Seoul"));
    let limit = |keep_ms: u64| now.0 - i64::try_from(keep_ms).unwrap();
    let (visits_from, samples_from) = (limit(keep.visits_keep_ms), limit(keep.samples_keep_ms));
    let begins = [visits_from, visits_from - 1].map(Timestamp);
    store.write(begins.map(|at| visit("a", "main", at, MINUTE)).into());
    let events = begins.map(|at| EventRecord {
        at,
        kind: "reloaded",
        actor: Actor::Operator,
        key: None,
        address: None,
        detail: Detail::none(),
    });
    let machine = [samples_from, samples_from - 1].map(|at| (Timestamp(at), machine(1.0, 1)));
    let (events, machine) = (events.into(), machine.into());
    store.journal.write(&Batch { events, machine, ..Batch::default() }).unwrap();

    store.tidy_all(now, &keep);
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    for (sql, oldest) in [
        ("SELECT count(*), min(started_at) FROM visits", visits_from),
        ("SELECT count(*), min(at) FROM events", visits_from),
        ("SELECT count(*), min(at) FROM machine_samples", samples_from),
    ] {
        let found: (i64, i64) =
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(found, (1, oldest), "{sql}");
    }
}

#[test]
fn the_file_becomes_smaller_when_much_was_deleted() {
    let mut store = Store::new();
    let visits = (0..150_000).map(|n| visit("a", "main", Timestamp(n * 1000), 1));
    store.write(visits.collect());
    let size = |store: &Store| store.reports.storage().unwrap();
    let before = size(&store);
    assert!(before.visits == 150_000 && before.oldest_visit_at == Some(Timestamp(0)));
    store.tidy_all(Timestamp(500 * DAY), &upkeep("UTC"));
    let pages = |pragma: &str| -> i64 {
        let connection = rusqlite::Connection::open(store.path()).unwrap();
        connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
    };
    assert!(pages("freelist_count") <= 2_000);
    assert!(pages("page_count") < 2_200, "{}", pages("page_count"));
    assert_eq!(size(&store).visits, 0);
}
