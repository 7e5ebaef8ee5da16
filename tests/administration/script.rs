//! A week at a small server: three users, two apps, a visit over midnight and the end of a year,
//! one over the end of the week, browsers that die, tabs beside each other, gaps that are bridged
//! and one that is not, and an usher that is killed. It goes the whole way: the handles that the
//! proxy has, the writer's thread, the file. Only the clock is moved by hand.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::OnceCell;
use usher::account::{Stay, StayEnd, Visitor, database_path};
use usher::clock::{Clock, Timestamp};

use crate::fake::HandClock;
use crate::house::House;

/// What a person's browser does.
enum Act {
    /// Requests go to the seat: 10 bytes there and 1,000 back, each.
    Asks(u64),
    /// A WebSocket of this tab is opened, and 500 bytes come.
    Opens(&'static str),
    /// The person does something in it, which is 50 bytes.
    Acts(&'static str),
    /// It ends, and the proxy says why.
    Ends(&'static str, StayEnd),
    /// It dies: the proxy's handle goes, and nobody says anything.
    Dies(&'static str),
    /// Usher is killed, and another one starts where it was.
    UsherIsKilled,
}
use Act::{Acts, Asks, Dies, Ends, Opens, UsherIsKilled};
use StayEnd::{Kicked, Left, SeatEnded, SessionEnded};

/// When by a clock in Seoul, who, at which app, what. A Monday to the next one, of which the first
/// is in another year than its week.
const SCRIPT: [(&str, &str, &str, Act); 36] = [
    ("2024-12-30T08:59:50", "jiyoung", "main", Asks(2)),
    ("2024-12-30T09:00:00", "jiyoung", "main", Opens("a")),
    ("2024-12-30T09:00:30", "jiyoung", "main", Acts("a")),
    ("2024-12-30T09:05:00", "jiyoung", "main", Acts("a")),
    ("2024-12-30T09:10:00", "jiyoung", "main", Opens("b")),
    ("2024-12-30T09:20:00", "jiyoung", "main", Ends("b", Left)),
    ("2024-12-30T09:30:00", "jiyoung", "main", Dies("a")),
    ("2024-12-30T09:31:00", "jiyoung", "main", Opens("a")),
    ("2024-12-30T09:45:00", "jiyoung", "main", Asks(5)),
    ("2024-12-30T10:00:00", "jiyoung", "main", Ends("a", Left)),
    ("2024-12-31T23:30:00", "민수", "main", Opens("a")),
    ("2024-12-31T23:59:30", "민수", "main", Acts("a")),
    ("2025-01-01T01:15:00", "민수", "main", Ends("a", Left)),
    ("2025-01-01T14:00:00", "hana", "sales", Opens("a")),
    ("2025-01-01T14:20:00", "hana", "sales", Dies("a")),
    ("2025-01-02T09:00:00", "hana", "sales", Opens("a")),
    ("2025-01-02T09:05:00", "jiyoung", "sales", Opens("a")),
    ("2025-01-02T09:10:00", "hana", "sales", Ends("a", Left)),
    ("2025-01-02T09:15:00", "jiyoung", "sales", Ends("a", SeatEnded)),
    ("2025-01-02T11:00:00", "jiyoung", "main", Opens("a")),
    ("2025-01-02T11:01:00", "jiyoung", "main", Ends("a", Left)),
    // Two minutes later: as long as the gap, so another visit.
    ("2025-01-02T11:03:00", "jiyoung", "main", Opens("a")),
    ("2025-01-02T11:04:00", "jiyoung", "main", Ends("a", Kicked)),
    ("2025-01-03T00:00:00", "민수", "sales", Opens("a")),
    ("2025-01-03T00:01:00", "민수", "sales", Ends("a", Left)),
    ("2025-01-03T18:00:00", "hana", "sales", Opens("a")),
    ("2025-01-03T18:10:00", "hana", "sales", Acts("a")),
    ("2025-01-03T18:10:00", "jiyoung", "main", Opens("a")),
    // What was accounted is a quarter of a second old: both were seen last at 18:30.
    ("2025-01-03T18:30:00.250", "", "", UsherIsKilled),
    // Only jiyoung's tab is still there, and comes back to its visit.
    ("2025-01-03T18:30:30", "jiyoung", "main", Opens("a")),
    ("2025-01-03T18:40:30", "jiyoung", "main", Ends("a", Left)),
    ("2025-01-04T12:00:00", "hana", "sales", Asks(9)),
    ("2025-01-05T23:59:00", "jiyoung", "main", Opens("a")),
    ("2025-01-06T00:04:00", "jiyoung", "main", Opens("b")),
    ("2025-01-06T00:04:30", "jiyoung", "main", Dies("a")),
    ("2025-01-06T00:09:00", "jiyoung", "main", Ends("b", SessionEnded)),
];
const BEGINS: &str = "2024-12-30T08:00:00";
/// When somebody asks for the numbers.
const ENDS: &str = "2025-01-06T10:00:00";
/// While somebody is here, the writer's ticks are so far apart at most; the last one before usher
/// is killed comes due at that very moment.
const STEP_MS: i64 = 45_000;

/// The open ones, by user, app and tab.
type Tabs = HashMap<(&'static str, &'static str, &'static str), Stay>;

/// An usher that has the week behind it. The week is played once, and everybody who asks has its
/// file in a folder of their own.
pub(crate) async fn house_after_the_week() -> House {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let file = FILE.get_or_init(play).await;
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("var");
    std::fs::create_dir(&state).expect("a folder");
    std::fs::write(database_path(&state), file).expect("the database");
    House::at(folder, Arc::new(HandClock::at(seoul(ENDS))))
}

/// Plays the week; the database that it leaves.
async fn play() -> Vec<u8> {
    let clock = Arc::new(HandClock::at(seoul(BEGINS)));
    let mut house = House::at(tempfile::tempdir().expect("a folder"), clock);
    let mut tabs = Tabs::new();
    for (at, user, app, act) in &SCRIPT {
        pass(&house, seoul(at), !tabs.is_empty()).await;
        house = perform(house, &mut tabs, (user, app), act).await;
        house.flush().await;
    }
    pass(&house, seoul(ENDS), false).await;
    expect_nothing_lost(&house);
    house.stop_books().await;
    whole(house.books.database())
}

/// The database in one file: a scheduled copy may be under way, whose reader holds the log back.
fn whole(database: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(database).expect("the database");
    connection.busy_timeout(Duration::from_secs(30)).expect("patience");
    let held_back: bool = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .expect("a checkpoint");
    assert!(!held_back, "somebody still reads");
    std::fs::read(database).expect("the database")
}

/// Time passes until `to`.
async fn pass(house: &House, to: Timestamp, is_somebody_here: bool) {
    loop {
        let left_ms = to.0 - house.clock.wall().0;
        let step_ms = if is_somebody_here { left_ms.min(STEP_MS) } else { left_ms };
        house.clock.advance(step_ms);
        house.flush().await;
        if step_ms == left_ms {
            return;
        }
    }
}

/// Does it; the usher that runs then.
async fn perform(
    house: House,
    tabs: &mut Tabs,
    (user, app): (&'static str, &'static str),
    act: &'static Act,
) -> House {
    match act {
        Asks(requests) => {
            for _ in 0..*requests {
                let passage = house.books.account().passage(&house.seat_permit(user, app));
                passage.from_browser(10);
                passage.to_browser(1_000);
            }
        }
        Opens(tab) => {
            let visitor = Visitor { address: [192, 168, 1, 7].into(), browser: "curl/8.5".into() };
            let stay = house.books.account().stay(&house.seat_permit(user, app), visitor);
            stay.to_browser(500);
            assert!(tabs.insert((user, app, tab), stay).is_none(), "{tab} is open");
        }
        Acts(tab) => {
            let stay = &tabs[&(user, app, *tab)];
            stay.from_browser(50);
            stay.acted(house.clock.wall());
        }
        Ends(tab, why) => tabs.remove(&(user, app, *tab)).expect("an open tab").ends(*why),
        Dies(tab) => drop(tabs.remove(&(user, app, *tab)).expect("an open tab")),
        UsherIsKilled => {
            let next = killed_and_started(&house);
            tabs.clear();
            return next;
        }
    }
    house
}

/// Another usher finds what a killed one leaves: its files as they are at that moment.
fn killed_and_started(house: &House) -> House {
    expect_nothing_lost(house);
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("var");
    std::fs::create_dir(&state).expect("a folder");
    let database = house.books.database();
    // Housekeeping must not write into what is being copied.
    let lock = rusqlite::Connection::open(database).expect("the database");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    for name in ["usher.db", "usher.db-wal"] {
        std::fs::copy(database.with_file_name(name), state.join(name)).expect("a copy");
    }
    House::at(folder, Arc::clone(&house.clock))
}

fn expect_nothing_lost(house: &House) {
    let counters = house.books.account().counters();
    assert_eq!((counters.lost(), counters.facts_dropped()), (0, 0));
    assert_eq!(house.books.problem(), None);
}

/// The moment at which a clock in Seoul shows this.
fn seoul(shown: &str) -> Timestamp {
    let shown: jiff::civil::DateTime = shown.parse().expect("a date and a time");
    let zone = TimeZone::get("Asia/Seoul").expect("the zone");
    Timestamp(shown.to_zoned_datetime(zone).expect("a moment").timestamp().as_millisecond())
}
