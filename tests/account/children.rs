//! Processes that end as no process should: this program runs itself again, as a child that is
//! killed or may write only so much.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use usher::clock::{Clock, OsClock};
use usher::store::Reports;
use usher::store::sqlite::Database;
use usher::store::{VisitQuery, VisitRow};

use crate::rig::{House, until};

const ROLE: &str = "USHER_TEST_CHILD";
const STATE_DIR: &str = "USHER_TEST_STATE_DIR";

/// What the child does; as a test among the others it does nothing.
#[test]
fn what_a_child_does() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let state_dir = std::env::var_os(STATE_DIR).expect("a state directory");
    let house = House::open(Path::new(&state_dir));
    match role.as_str() {
        "visits" => {
            let began = OsClock.wall().0;
            let stay = house.stay("kim");
            println!("\nbegan {began}");
            loop {
                std::thread::sleep(Duration::from_millis(50));
                stay.to_browser(1);
            }
        }
        "limited" => until_limited(&house),
        other => panic!("no such role: {other}"),
    }
}

/// The process may not write files beyond a size.
fn until_limited(house: &House) {
    let mut told = 0;
    let problem = until("the limit", || {
        for _ in 0..50 {
            house.event("told", 4_000);
            told += 1;
        }
        house.flush();
        house.books.problem()
    });
    println!("\nproblem {problem}");
    for _ in 0..50 {
        house.event("told", 4_000);
        told += 1;
    }
    let counters = house.books.account().counters();
    assert_eq!(counters.facts_dropped(), 0, "nobody waited and nothing was dropped");
    assert!(!house.books.stop(Duration::from_millis(500)), "not all of it can be written");
    let path = house.books.database().to_owned();
    let query = usher::store::EventQuery::default();
    let rows = Database::at(path).reports().storage().unwrap().events;
    println!("accounted {told} {rows} {}", counters.lost());
    assert!(!house.books.reports().events(&query).unwrap().rows.is_empty());
}

#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn child(role: &str, state_dir: &Path, prefix: &[&str]) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut command = match prefix {
        [] => Command::new(&own),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&own);
            command
        }
    };
    command.args(["--exact", "children::what_a_child_does", "--nocapture"]);
    command.env(ROLE, role).env(STATE_DIR, state_dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

fn visit_of(state_dir: &Path) -> Option<VisitRow> {
    let database = Database::at(usher::account::database_path(state_dir));
    database.reports().visits(&VisitQuery::default()).ok()?.rows.into_iter().next()
}

#[test]
fn a_killed_usher_loses_less_than_two_seconds_of_a_visit() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("visits", folder.path(), &[]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let began: i64 = lines
        .find_map(|line| line.unwrap().strip_prefix("began ").map(str::to_owned))
        .expect("it begins")
        .parse()
        .unwrap();
    let open = until("three seconds of the visit", || {
        visit_of(folder.path()).filter(|visit| visit.dwell_ms >= 3_000)
    });
    assert_eq!((open.ended_at, open.ended_because), (None, None));
    child.kill().unwrap();
    let killed = OsClock.wall().0;
    child.wait().unwrap();

    let house = House::open(folder.path());
    house.flush();
    let [visit] = &house.visits()[..] else { panic!("one visit: {:?}", house.visits()) };
    let lived_ms = u64::try_from(killed - began).unwrap();
    assert!(visit.dwell_ms + 2_000 > lived_ms, "{} of {lived_ms} ms", visit.dwell_ms);
    assert!(visit.dwell_ms <= lived_ms + 10, "{} of {lived_ms} ms", visit.dwell_ms);
    assert_eq!(visit.ended_at, Some(visit.seen_at));
    assert_eq!(visit.ended_because.as_deref(), Some("usher_stopped"));
    assert!(visit.out_bytes > 10);

    // The person is back at once: it was one visit.
    let stay = house.stay("kim");
    until("the visit to go on", || {
        let visits = house.visits();
        (visits.len() == 1 && visits[0].ended_at.is_none() && visits[0].seen_at > visit.seen_at)
            .then_some(())
    });
    drop(stay);
}

/// The limit makes the system say "file too large" where a full disk says "no space", at the same
/// calls; it needs no rights.
#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_costs_records_and_every_one_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    // In blocks of 512 bytes. The signal would end the process before it is told.
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""];
    let mut child = child("limited", folder.path(), &limited).spawn().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    let accounted = said
        .lines()
        .find_map(|line| line.strip_prefix("accounted "))
        .unwrap_or_else(|| panic!("{said}"));
    let numbers: Vec<u64> = accounted.split(' ').map(|number| number.parse().unwrap()).collect();
    let [told, kept, lost] = numbers[..] else { panic!("{accounted}") };
    assert!(kept > 0 && lost >= 50, "{accounted}");
    assert_eq!(told, kept + lost);
}
