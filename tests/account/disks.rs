//! A disk that is full, and then is not.

use crate::disk::Disk;
use crate::rig::{House, until};

#[test]
fn a_full_disk_costs_time_and_not_the_records_that_memory_holds() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(folder.path(), "4m") else {
        eprintln!("no file system could be mounted here (root only): the full disk was not tried;");
        eprintln!("a file that may not grow is, in another test");
        return;
    };
    let house = House::open(&disk.at);
    let stay = house.stay("kim");
    house.event("before", 10);
    house.flush();
    disk.fill();

    let mut told = 1;
    let problem = until("the disk to be full", || {
        for _ in 0..20 {
            house.event("while full", 2_000);
            told += 1;
        }
        house.flush();
        house.books.problem()
    });
    assert!(problem.contains("space") || problem.contains("I/O"), "{problem}");
    assert!(!house.events().is_empty(), "it can still be read");
    stay.to_browser(5);

    disk.empty();
    until("records to be written again", || {
        house.flush();
        house.books.problem().is_none().then_some(())
    });
    drop(stay);
    house.event("after", 10);
    told += 1;
    until("the last event", || {
        house.flush();
        house.events().iter().any(|event| event.kind == "after").then_some(())
    });
    let counters = house.books.account().counters();
    let kept = house.books.reports().storage().unwrap().events;
    assert_eq!((kept + counters.lost(), counters.facts_dropped()), (told, 0));
    assert_eq!(counters.lost(), 0, "so few fit into memory");
    assert_eq!(house.visits()[0].out_bytes, 5);
}
