//! A week at a small server, with numbers that were worked out by hand: three users, two apps, a
//! visit over midnight and the end of a month, one over the end of the week, one whose browser
//! dies, tabs beside each other, gaps that are bridged and one that is not.

use std::collections::HashMap;

use serde_json::Value;

use super::*;
use crate::account::report::{self, Format};
use crate::store::sqlite::ask;
use crate::store::{Amounts, Statistics, StatisticsQuery};

enum Act {
    /// Requests go to the seat before or while somebody is there.
    Asks(u64),
    /// A WebSocket of this tab is opened.
    Opens(&'static str),
    /// The person does something in it.
    Acts(&'static str),
    /// It ends.
    Ends(&'static str, StayEnd),
}
use Act::{Acts, Asks, Ends, Opens};

/// When, who, at what, what.
const SCRIPT: [(&str, &str, &str, Act); 31] = [
    ("2026-06-29T08:59:50", "jiyoung", "main", Asks(2)),
    ("2026-06-29T09:00:00", "jiyoung", "main", Opens("a")),
    ("2026-06-29T09:00:30", "jiyoung", "main", Acts("a")),
    ("2026-06-29T09:05:00", "jiyoung", "main", Acts("a")),
    ("2026-06-29T09:10:00", "jiyoung", "main", Opens("b")),
    ("2026-06-29T09:20:00", "jiyoung", "main", Ends("b", StayEnd::Left)),
    ("2026-06-29T09:30:00", "jiyoung", "main", Ends("a", StayEnd::Broken)),
    ("2026-06-29T09:31:00", "jiyoung", "main", Opens("a")),
    ("2026-06-29T09:45:00", "jiyoung", "main", Asks(5)),
    ("2026-06-29T10:00:00", "jiyoung", "main", Ends("a", StayEnd::Left)),
    ("2026-06-30T23:30:00", "minsu", "main", Opens("a")),
    ("2026-06-30T23:59:30", "minsu", "main", Acts("a")),
    ("2026-07-01T01:15:00", "minsu", "main", Ends("a", StayEnd::Left)),
    ("2026-07-01T14:00:00", "hana", "tool", Opens("a")),
    ("2026-07-01T14:20:00", "hana", "tool", Ends("a", StayEnd::Broken)),
    ("2026-07-02T09:00:00", "hana", "main", Opens("a")),
    ("2026-07-02T09:05:00", "hana", "tool", Opens("a")),
    ("2026-07-02T09:10:00", "hana", "main", Ends("a", StayEnd::Left)),
    ("2026-07-02T09:15:00", "hana", "tool", Ends("a", StayEnd::SeatEnded)),
    ("2026-07-02T11:00:00", "jiyoung", "main", Opens("a")),
    ("2026-07-02T11:01:00", "jiyoung", "main", Ends("a", StayEnd::Left)),
    // Two minutes later: as long as the gap, so another visit.
    ("2026-07-02T11:03:00", "jiyoung", "main", Opens("a")),
    ("2026-07-02T11:04:00", "jiyoung", "main", Ends("a", StayEnd::Kicked)),
    ("2026-07-03T00:00:00", "minsu", "tool", Opens("a")),
    ("2026-07-03T00:01:00", "minsu", "tool", Ends("a", StayEnd::Left)),
    ("2026-07-04T12:00:00", "hana", "main", Asks(9)),
    ("2026-07-05T23:59:00", "jiyoung", "main", Opens("a")),
    ("2026-07-06T00:04:00", "jiyoung", "main", Opens("b")),
    ("2026-07-06T00:04:30", "jiyoung", "main", Ends("a", StayEnd::Broken)),
    ("2026-07-06T00:09:00", "jiyoung", "main", Ends("b", StayEnd::SessionEnded)),
    ("2026-07-06T09:00:00", "minsu", "main", Asks(1)),
];

fn play() -> House {
    let mut house = House::new(seoul("2026-06-29T08:00:00"));
    let mut tabs: HashMap<(&str, &str, &str), Stay> = HashMap::new();
    for (at, user, app, act) in &SCRIPT {
        let wait_ms = seoul(at).0 - house.clock.wall().0;
        let round_ms = if tabs.is_empty() { 600_000 } else { 20_000 };
        house.pass(u64::try_from(wait_ms).unwrap(), round_ms);
        match act {
            Asks(requests) => {
                for _ in 0..*requests {
                    let passage = house.account.begin_passage(&key(user, app));
                    passage.from_browser(10);
                    passage.to_browser(1_000);
                }
            }
            Opens(tab) => {
                let stay = house.stay(user, app);
                stay.to_browser(500);
                tabs.insert((user, app, tab), stay);
            }
            Acts(tab) => {
                let stay = &tabs[&(*user, *app, *tab)];
                stay.from_browser(50);
                stay.acted(house.clock.wall());
            }
            Ends(tab, end) => {
                let mut stay = tabs.remove(&(*user, *app, *tab)).unwrap();
                stay.ends(*end);
            }
        }
        house.writer.round();
    }
    house
}

fn statistics(house: &House) -> Statistics {
    let query = StatisticsQuery {
        from: jiff::civil::date(2026, 1, 1),
        to: jiff::civil::date(2026, 12, 31),
        zone: TimeZone::get("Asia/Seoul").unwrap(),
        now: house.clock.wall(),
        user: None,
        app: None,
    };
    house.database.reports().statistics(&query).unwrap()
}

/// visits, people, dwell, active, mean, median; lengths in seconds, without a mean 0.
fn numbers(amounts: &Amounts) -> [u64; 6] {
    let seconds = |ms: Option<u64>| ms.unwrap_or(0) / 1000;
    [
        amounts.visits,
        amounts.people,
        amounts.dwell_ms / 1000,
        amounts.active_ms / 1000,
        seconds(amounts.dwell_mean_ms),
        seconds(amounts.dwell_median_ms),
    ]
}

const DAYS: [(&str, [u64; 6]); 8] = [
    ("2026-06-29", [1, 1, 3540, 120, 3540, 3540]),
    ("2026-06-30", [1, 1, 1800, 30, 6300, 6300]),
    ("2026-07-01", [1, 2, 5700, 30, 1200, 1200]),
    ("2026-07-02", [4, 2, 1320, 0, 330, 330]),
    ("2026-07-03", [1, 1, 60, 0, 60, 60]),
    ("2026-07-04", [0, 0, 0, 0, 0, 0]),
    ("2026-07-05", [1, 1, 60, 0, 600, 600]),
    ("2026-07-06", [0, 1, 540, 0, 0, 0]),
];
const TOTALS: [u64; 6] = [9, 3, 13_020, 180, 1446, 600];

#[test]
fn the_visits_of_the_week() {
    let house = play();
    let visits: Vec<String> = house
        .visits()
        .iter()
        .map(|visit| {
            let VisitRow { user, app, dwell_ms, active_ms, requests, .. } = visit;
            let (dwell_s, active_s) = (*dwell_ms as f64 / 1e3, *active_ms as f64 / 1e3);
            let lasted_s = (visit.ended_at.unwrap().0 - visit.started_at.0) as f64 / 1e3;
            let because = visit.ended_because.as_deref().unwrap();
            format!("{user} {app} {lasted_s} {dwell_s} {active_s} {requests} {because}")
        })
        .collect();
    assert_eq!(
        visits,
        [
            "jiyoung main 3600 3540 120 7 left",
            "minsu main 6300 6300 60 0 left",
            "hana tool 1200 1200 0 0 broken",
            "hana main 600 600 0 0 left",
            "hana tool 600 600 0 0 seat_ended",
            "jiyoung main 60 60 0 0 left",
            "jiyoung main 60 60 0 0 kicked",
            "minsu tool 60 60 0 0 left",
            "jiyoung main 600 600 0 0 session_ended",
        ]
    );
    let first = &house.visits()[0];
    assert_eq!((first.in_bytes, first.out_bytes), (2 * 50 + 7 * 10, 3 * 500 + 7 * 1000));
    assert_eq!((first.role, house.visits()[1].role), (Role::User, Role::Admin));
    assert_eq!((house.lost(), house.account.counters().facts_dropped()), (0, 0));
}

#[test]
fn the_statistics_of_the_week() {
    let house = play();
    let statistics = statistics(&house);
    let days: Vec<(String, [u64; 6])> =
        statistics.days.iter().map(|day| (day.date.to_string(), numbers(&day.amounts))).collect();
    assert_eq!(days, DAYS.map(|(date, numbers)| (date.to_owned(), numbers)));
    assert_eq!(numbers(&statistics.totals), TOTALS);
    assert_eq!(statistics.totals.dwell_mean_ms, Some(1_446_666));
    let weeks: Vec<(i8, [u64; 6])> =
        statistics.weeks.iter().map(|week| (week.week, numbers(&week.amounts))).collect();
    assert_eq!(weeks, [(27, [9, 3, 12_480, 180, 1446, 600]), (28, [0, 1, 540, 0, 0, 0])]);
    let name = |name: &str| Some(name.to_owned());
    let users: Vec<_> = statistics
        .users
        .iter()
        .map(|share| (share.user.clone(), numbers(&share.amounts)))
        .collect();
    assert_eq!(
        users,
        [
            (name("minsu"), [2, 1, 6_360, 60, 3180, 3180]),
            (name("jiyoung"), [4, 1, 4_260, 120, 1065, 330]),
            (name("hana"), [3, 1, 2_400, 0, 800, 600]),
        ]
    );
    let apps: Vec<_> =
        statistics.apps.iter().map(|share| (share.app.clone(), numbers(&share.amounts))).collect();
    assert_eq!(
        apps,
        [
            (name("main"), [6, 3, 11_160, 180, 1860, 600]),
            (name("tool"), [3, 2, 1_860, 0, 620, 600]),
        ]
    );
    // Thursday, nine o'clock: hana twice, twenty minutes together.
    let hour = statistics.hours[3][9];
    assert_eq!((hour.visits, hour.dwell_ms, hour.length_ms), (2, 1_200_000, 3_600_000));
    // Monday comes twice, the second one until nine.
    assert_eq!(statistics.hours[0][8].length_ms, 2 * 3_600_000);
    assert_eq!(
        (statistics.hours[0][9].length_ms, statistics.hours[0][9].dwell_ms),
        (3_600_000, 3_540_000)
    );
}

#[test]
fn the_week_as_csv_and_json() {
    let house = play();
    let statistics = statistics(&house);
    let zone = TimeZone::get("Asia/Seoul").unwrap();
    let text = |format| {
        let mut bytes = Vec::new();
        report::write(&mut bytes, &statistics, format, &zone).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let csv = text(Format::Csv);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(
        lines[..3],
        [
            "rows,from,to,week,user,app,visits,people,dwell_s,active_s,dwell_mean_s,dwell_median_s,requests,in_bytes,out_bytes",
            "total,2026-06-29,2026-07-06,,,,9,3,13020.000,180.000,1446.666,600.000,7,220,13000",
            "day,2026-06-29,2026-06-29,,,,1,1,3540.000,120.000,3540.000,3540.000,7,170,8500",
        ]
    );
    assert!(lines.contains(&"day,2026-07-04,2026-07-04,,,,0,0,0.000,0.000,,,0,0,0"));
    assert!(lines.contains(&"week,2026-07-06,2026-07-06,2026-W28,,,0,1,540.000,0.000,,,0,0,0"));
    assert!(lines.contains(
        &"user,2026-06-29,2026-07-06,,hana,,3,1,2400.000,0.000,800.000,600.000,0,0,1500"
    ));
    assert!(lines.contains(
        &"seat,2026-06-29,2026-07-06,,hana,tool,2,1,1800.000,0.000,900.000,900.000,0,0,1000"
    ));
    let rows = |rows: &str| lines.iter().filter(|line| line.starts_with(rows)).count();
    assert_eq!(["day,", "week,", "user,", "app,", "seat,"].map(rows), [8, 2, 3, 2, 5]);
    assert!(lines.iter().all(|line| line.split(',').count() == 15));

    let json: Value = serde_json::from_str(&text(Format::Json)).unwrap();
    assert_eq!((&json["from"], &json["timezone"]), (&"2026-06-29".into(), &"Asia/Seoul".into()));
    let numbers = |amounts: &Value| {
        ["visits", "people", "dwell_s", "active_s", "dwell_mean_s", "dwell_median_s"]
            .map(|name| amounts[name].as_f64().unwrap_or(0.0) as u64)
    };
    assert_eq!(numbers(&json["totals"]), TOTALS);
    for (day, (date, expected)) in json["days"].as_array().unwrap().iter().zip(DAYS) {
        assert_eq!((day["date"].as_str().unwrap(), numbers(day)), (date, expected));
    }
    assert_eq!(json["weeks"][1]["week"], "2026-W28");
    assert_eq!(json["users"][0]["user"], "minsu");
    assert!(json["users"][0].get("app").is_none());
    assert_eq!(json["hours"].as_array().unwrap().len(), 7 * 24);
    assert_eq!(json["hours"][3 * 24 + 9]["people_mean"].as_f64().unwrap(), 1.0 / 3.0);
}

/// The same numbers by questions that share nothing with the program but the tables.
#[test]
fn the_week_by_sql() {
    let house = play();
    let path = house.database.path();
    assert_eq!(
        ask(
            path,
            "SELECT user, count(*), sum(dwell_ms) / 1000, sum(active_ms) / 1000, sum(requests) \
                   FROM visits GROUP BY user ORDER BY user"
        ),
        ["hana 3 2400 0 0", "jiyoung 4 4260 120 7", "minsu 2 6360 60 0"]
    );
    assert_eq!(
        ask(
            path,
            "SELECT date(slot_at / 1000, 'unixepoch', '+9 hours') AS day, sum(visits), \
                   count(DISTINCT user), sum(dwell_ms) / 1000, sum(active_ms) / 1000 \
                   FROM presence GROUP BY day ORDER BY day"
        ),
        DAYS.iter()
            .filter(|(_, numbers)| numbers[1] > 0)
            .map(|(date, [visits, people, dwell, active, ..])| {
                format!("{date} {visits} {people} {dwell} {active}")
            })
            .collect::<Vec<_>>()
    );
    assert_eq!(
        ask(
            path,
            "SELECT app, strftime('%W', started_at / 1000, 'unixepoch', '+9 hours'), \
                   avg(dwell_ms) / 1000 FROM visits GROUP BY app ORDER BY app"
        ),
        ["main 26 1860", "tool 26 620"]
    );
    assert_eq!(
        ask(
            path,
            "SELECT max(ended_at - started_at) / 1000, count(*) FILTER (WHERE ended_at IS NULL) \
                   FROM visits"
        ),
        ["6300 0"]
    );
}
