//! Many tell at once.

use std::thread;
use std::time::Duration;

use usher::account::AccessFact;
use usher::clock::{Clock, OsClock};
use usher::domain::UserName;

use crate::rig::House;

const THREADS: u64 = 4;
const STAYS: u64 = 100;

/// Whatever the order in which threads tell, no byte is counted twice or lost, and nobody waits.
#[test]
fn what_many_threads_tell_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path());
    thread::scope(|scope| {
        for number in 0..THREADS {
            let house = &house;
            scope.spawn(move || {
                let user = ["kim", "lee"][number as usize % 2];
                let permit = house.permit(user);
                for stay_number in 0..STAYS {
                    let stay = house.stay(user);
                    stay.from_browser(3);
                    stay.acted(OsClock.wall());
                    let passage = house.books.account().passage(&permit);
                    passage.to_browser(7);
                    if stay_number % 10 == 0 {
                        thread::sleep(Duration::from_millis(20));
                    }
                    stay.to_browser(11);
                    house.books.account().access(line(user));
                }
            });
        }
    });
    assert!(house.books.stop(Duration::from_secs(30)));
    let visits = house.visits();
    assert_eq!(visits.len(), 2, "every gap was shorter than a minute: {visits:?}");
    let sum = |of: fn(&usher::store::VisitRow) -> u64| visits.iter().map(of).sum::<u64>();
    let all = THREADS * STAYS;
    assert_eq!(sum(|visit| visit.requests), all);
    assert_eq!((sum(|visit| visit.in_bytes), sum(|visit| visit.out_bytes)), (3 * all, 18 * all));
    assert!(sum(|visit| visit.dwell_ms) >= 2 * 200, "{visits:?}");
    let counters = house.books.account().counters();
    assert_eq!((counters.lost(), counters.facts_dropped(), counters.websockets_open()), (0, 0, 0));
    let log = folder.path().join("log/access.log");
    let lines = std::fs::read_to_string(log).unwrap().lines().count() as u64;
    assert_eq!(lines, all);
}

fn line(user: &str) -> AccessFact {
    AccessFact {
        at: OsClock.wall(),
        address: [127, 0, 0, 2].into(),
        user: Some(UserName::new(user).unwrap()),
        method: http::Method::GET,
        path: "/app/main/".into(),
        status: 200,
        took_us: 1,
        in_bytes: 0,
        out_bytes: 7,
        incident: None,
    }
}
