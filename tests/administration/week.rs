//! A week of visits, written by hand: three users, two apps, one visit over midnight, one that
//! nobody ended. Its numbers on the page, in the API and in the CSV are those of a query that was
//! written without looking at how usher makes them.

use std::sync::Arc;

use usher::account::{StayEnd, Visitor};
use usher::admin::Outcome;
use usher::clock::{Clock, Timestamp};
use usher::domain::{AppSlug, Role, SeatKey, UserName};
use usher::store::sqlite::{Database, SqliteJournal};
use usher::store::{Batch, Journal, SLOT_MS, SlotDelta, VisitPhase, VisitRecord};

use crate::house::{House, NOW};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// So many days before today, at this time of Seoul.
fn at(days_ago: i64, hour: i64, minute: i64) -> i64 {
    // The sample's now is ten in the morning.
    NOW.0 - 10 * HOUR_MS - days_ago * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS
}

/// User, app, begin, minutes here, minutes active, and whether it has ended.
fn visits() -> Vec<(&'static str, &'static str, i64, i64, i64, bool)> {
    vec![
        ("jiyoung", "main", at(6, 9, 0), 60, 20, true),
        ("jiyoung", "sales", at(6, 9, 30), 10, 10, true),
        ("hana", "sales", at(5, 14, 5), 120, 30, true),
        ("민수", "main", at(4, 23, 30), 90, 45, true),
        ("jiyoung", "main", at(3, 8, 0), 30, 5, true),
        ("jiyoung", "main", at(3, 18, 45), 7, 7, true),
        ("hana", "sales", at(0, 9, 0), 60, 12, false),
    ]
}

/// Presence in quarters of an hour, active time in proportion.
fn slots(begin: i64, minutes: i64, active: i64) -> Vec<SlotDelta> {
    let end = begin + minutes * MINUTE_MS;
    let mut slots = Vec::new();
    let mut at = begin;
    while at < end {
        let slot_at = at - at.rem_euclid(SLOT_MS);
        let until = end.min(slot_at + SLOT_MS);
        let dwell_ms = u64::try_from(until - at).expect("positive");
        slots.push(SlotDelta {
            slot_at: Timestamp(slot_at),
            dwell_ms,
            active_ms: dwell_ms * active.unsigned_abs() / minutes.unsigned_abs(),
        });
        at = until;
    }
    slots
}

fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("var");
    std::fs::create_dir(&state).expect("a folder");
    let database = Database::at(usher::account::database_path(&state));
    let mut journal = SqliteJournal::open(&database, Timestamp(at(7, 0, 0))).expect("a journal");
    let record = |(user, app, begin, minutes, active, has_ended)| VisitRecord {
        id: None,
        key: Arc::new(SeatKey {
            user: UserName::new(user).expect("a name"),
            app: AppSlug::new(app).expect("a slug"),
        }),
        role: if user == "민수" { Role::Admin } else { Role::User },
        address: "192.168.1.101".to_owned(),
        browser: "Chrome 156 · Windows 11".to_owned(),
        started_at: Timestamp(begin),
        seen_at: Timestamp(begin + minutes * MINUTE_MS),
        phase: if has_ended { VisitPhase::Ended("left") } else { VisitPhase::Open },
        dwell_ms: u64::try_from(minutes * MINUTE_MS).expect("positive"),
        active_ms: u64::try_from(active * MINUTE_MS).expect("positive"),
        requests: 10,
        in_bytes: 1_000,
        out_bytes: 50_000,
        slots: slots(begin, minutes, active),
    };
    let batch = Batch { visits: visits().into_iter().map(record).collect(), ..Batch::default() };
    journal.write(&batch).expect("a write");
    drop(journal);
    House::over(folder)
}

/// Totals by a query of its own: visits, people, dwell and its median in seconds.
fn asked_directly(house: &House) -> (i64, i64, f64, f64) {
    let path = usher::account::database_path(&house.folder.path().join("var"));
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(path, flags).expect("the database");
    let (count, people, dwell_ms) = database
        .query_row("SELECT count(*), count(DISTINCT user), sum(dwell_ms) FROM visits", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
        })
        .expect("an answer");
    let median_ms: i64 = database
        .query_row(
            "SELECT dwell_ms FROM visits ORDER BY dwell_ms LIMIT 1 OFFSET (SELECT count(*) FROM \
             visits) / 2",
            [],
            |row| row.get(0),
        )
        .expect("an answer");
    (count, people, dwell_ms as f64 / 1000.0, median_ms as f64 / 1000.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_has_the_exact_numbers() {
    let house = house();
    let told = house.document("/statistics?from=2026-11-20&to=2026-11-26").await;
    let (count, people, dwell_s, median_s) = asked_directly(&house);
    assert_eq!((count, people, dwell_s, median_s), (7, 3, 377.0 * 60.0, 60.0 * 60.0));
    let totals = &told["totals"];
    assert_eq!((&totals["visits"], &totals["people"]), (&count.into(), &people.into()));
    assert_eq!(
        (&totals["dwell_s"], &totals["dwell_median_s"]),
        (&dwell_s.into(), &median_s.into())
    );
    assert_eq!(totals["active_s"], 129.0 * 60.0);
    let days: Vec<(&str, u64, u64, f64)> = told["days"]
        .as_array()
        .expect("days")
        .iter()
        .map(|day| {
            let number = |key: &str| day[key].as_u64().expect("a number");
            let dwell = day["dwell_s"].as_f64().expect("a number") / 60.0;
            (day["date"].as_str().expect("a day"), number("visits"), number("people"), dwell)
        })
        .collect();
    assert_eq!(
        days,
        [
            ("2026-11-20", 2, 1, 70.0),
            ("2026-11-21", 1, 1, 120.0),
            ("2026-11-22", 1, 1, 30.0),
            ("2026-11-23", 2, 2, 97.0),
            ("2026-11-24", 0, 0, 0.0),
            ("2026-11-25", 0, 0, 0.0),
            ("2026-11-26", 1, 1, 60.0),
        ]
    );
    let weeks: Vec<_> = told["weeks"].as_array().expect("weeks").iter().collect();
    assert_eq!((&weeks[0]["week"], &weeks[0]["visits"]), (&"2026-W47".into(), &4.into()));
    assert_eq!((&weeks[1]["week"], &weeks[1]["visits"]), (&"2026-W48".into(), &3.into()));
    assert_eq!((&weeks[1]["people"], &weeks[1]["dwell_s"]), (&3.into(), &(157.0 * 60.0).into()));
    let busiest = told["hours"]
        .as_array()
        .expect("hours")
        .iter()
        .find(|hour| hour["weekday"] == 6 && hour["hour"] == 15);
    assert_eq!(busiest.expect("an hour")["dwell_s"], 3_600.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_the_csv_say_the_same() {
    let house = house();
    let page = house.page("/statistics?from=2026-11-20&to=2026-11-26").await;
    for number in
        [">7</p>", ">3</p>", ">6 h 17 min</p>", ">2 h 9 min</p>", ">53 min 51 s</p>", ">1 h</p>"]
    {
        assert!(page.contains(number), "{number} in {page}");
    }
    assert!(page.contains("Fri 20 November 2026 to Thu 26 November 2026"), "{page}");
    let Ok(Outcome::File { name, content_type, content }) =
        house.get("/statistics.csv?from=2026-11-20&to=2026-11-26").await
    else {
        panic!("no file")
    };
    assert_eq!(
        (name.as_str(), content_type),
        ("statistics-2026-11-20-2026-11-26.csv", "text/csv; charset=utf-8")
    );
    let text = String::from_utf8(content.to_vec()).expect("text");
    assert!(text.starts_with('\u{feff}'), "spreadsheets know it for UTF-8");
    for line in [
        "total,2026-11-20,2026-11-26,,,,7,3,22620.000,7740.000,3231.428,3600.000,",
        "day,2026-11-23,2026-11-23,,,,2,2,5820.000,",
        "user,2026-11-20,2026-11-26,,hana,,2,1,10800.000,2520.000,",
        "app,2026-11-20,2026-11-26,,,sales,3,2,11400.000,",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_visits_hold_to_their_filters_everywhere() {
    let house = house();
    let count = async |query: &str| {
        let told = house.document(&format!("/visits?{query}")).await;
        let count = told["visits"].as_array().expect("a list").len();
        let page = house.page(&format!("/visits?{query}")).await;
        let table = page.split("<tbody>").nth(1).unwrap_or_default();
        assert_eq!(table.matches("<tr>").count(), count, "{query}");
        let Ok(Outcome::File { content, .. }) = house.get(&format!("/visits.csv?{query}")).await
        else {
            panic!("no file")
        };
        let text = String::from_utf8(content.to_vec()).expect("text");
        assert_eq!(text.lines().count(), count + 1, "{query}: with a header");
        count
    };
    assert_eq!(count("").await, 7);
    assert_eq!(count("user=jiyoung").await, 4);
    assert_eq!(count("app=sales").await, 3);
    assert_eq!(count("user=jiyoung&app=sales").await, 1);
    assert_eq!(count("from=2026-11-22&to=2026-11-22").await, 1);
    assert_eq!(count("from=2026-11-22T23:31").await, 3);
    assert_eq!(count("to=2026-11-20T00:30:00Z").await, 1);
    assert_eq!(count("user=nobody").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_goes_on_until_it_has_ended() {
    let house = house();
    let visitor =
        Visitor { address: [10, 20, 0, 7].into(), browser: "Mozilla/5.0 Firefox/151.0".into() };
    let permit = house.seat_permit("jiyoung", "sales");
    let mut stay = house.books.account().stay(&permit, visitor);
    house.clock.advance(90_000);
    stay.acted(house.clock.wall());
    house.flush().await;
    let newest = house.document("/visits?user=jiyoung").await["visits"][0].clone();
    assert!(newest["ended_at"].is_null() && newest["ended_because"].is_null(), "{newest}");
    assert_eq!(newest["started_at"], "2026-11-26T10:00:00.000+09:00");
    assert_eq!((&newest["address"], &newest["app"]), (&"10.20.0.7".into(), &"sales".into()));
    assert!(house.page("/visits?user=jiyoung").await.contains("Here now"));
    let overview = house.page("/").await;
    for words in ["1 person", "here for 1 min", "in use", "10.20.0.7 · Firefox 151"] {
        assert!(overview.contains(words), "{words} in {overview}");
    }
    assert!(house.page("/users").await.contains("Here now · 1 min"));
    stay.ends(StayEnd::Left);
    drop(stay);
    house.clock.advance(10 * MINUTE_MS);
    house.flush().await;
    let ended = house.document("/visits?user=jiyoung").await["visits"][0].clone();
    assert_eq!(ended["ended_at"], "2026-11-26T10:01:30.000+09:00");
    assert_eq!((&ended["dwell_s"], &ended["ended_because"]), (&90.0.into(), &"left".into()));
    assert!(house.page("/").await.contains("Nobody has an app open right now."));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_were_last_seen_when_their_visits_say() {
    let house = house();
    let told = house.document("/users").await;
    let seen: Vec<_> = told["users"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| user["last_seen_at"].as_str().expect("a time"))
        .collect();
    assert_eq!(
        seen,
        [
            "2026-11-23T01:00:00.000+09:00",
            "2026-11-23T18:52:00.000+09:00",
            "2026-11-26T10:00:00.000+09:00"
        ]
    );
    let page = house.page("/users?search=HANA").await;
    assert!(page.contains("1–1 of 1") && !page.contains(">jiyoung<"), "{page}");
}
