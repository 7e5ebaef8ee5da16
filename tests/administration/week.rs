//! The exact numbers of the week in `script`: on the page, in the API, in the page's CSV, by
//! `usher report`, and by queries that were written without looking at how usher makes them. All
//! are asked of the one file that the real account wrote.

use std::process::Command;

use serde_json::Value;
use usher::account::{StayEnd, Visitor};
use usher::admin::Outcome;
use usher::clock::Clock;

use crate::house::House;
use crate::script::house_after_the_week;

const MINUTE_MS: i64 = 60_000;
/// The week, and the Monday after it.
const RANGE: &str = "from=2024-12-30&to=2025-01-06";

/// The visits as the script makes them, oldest first: user, app, seconds here, of them active,
/// requests, why it ended.
///
/// 1. From 9:00 to 10:00 without the minute in which the browser was dead: 3540; two acts. Two
///    requests of the page before it and five during it.
/// 2. From 23:30 to 1:15: 6300, 1800 of them in the old year. Half of the active minute is there.
/// 3. The browser dies after twenty minutes. 4. and 5. ten minutes each, five of them at once.
/// 6. and 7. a minute each, two minutes apart. 8. the first minute of Friday.
/// 9. and 10. were seen for 30 and 20 minutes when usher was killed; the second one comes back
///    for ten more. 11. from a minute before the week's end to nine after it, over a dead tab.
const VISITS: [&str; 11] = [
    "jiyoung main 3540 120 7 left",
    "민수 main 6300 60 0 left",
    "hana sales 1200 0 0 broken",
    "hana sales 600 0 0 left",
    "jiyoung sales 600 0 0 seat_ended",
    "jiyoung main 60 0 0 left",
    "jiyoung main 60 0 0 kicked",
    "민수 sales 60 0 0 left",
    "hana sales 1800 60 0 usher_stopped",
    "jiyoung main 1800 0 0 left",
    "jiyoung main 600 0 0 session_ended",
];

/// Those visits added up by hand. They count in the day in which they began, with their whole
/// length in mean and median; people, dwell and active time where they were spent. Bytes: 50 from
/// the browser for each act and 10 for each request; 500 to it for each WebSocket and 1,000 for
/// each request.
const TABLE: [&str; 22] = [
    "rows,from,to,week,user,app,visits,people,dwell_s,active_s,dwell_mean_s,dwell_median_s,requests,in_bytes,out_bytes",
    // 16,620 / 11 = 1510.909…; the sixth of 60 60 60 600 600 [600] 1200 1800 1800 3540 6300.
    "total,2024-12-30,2025-01-06,,,,11,3,16620.000,240.000,1510.909,600.000,7,270,14500",
    "day,2024-12-30,2024-12-30,,,,1,1,3540.000,120.000,3540.000,3540.000,7,170,8500",
    "day,2024-12-31,2024-12-31,,,,1,1,1800.000,30.000,6300.000,6300.000,0,50,500",
    // 4,500 of 민수 until a quarter past one, 1,200 of hana.
    "day,2025-01-01,2025-01-01,,,,1,2,5700.000,30.000,1200.000,1200.000,0,0,500",
    // Between 60 and 600.
    "day,2025-01-02,2025-01-02,,,,4,2,1320.000,0.000,330.000,330.000,0,0,2000",
    // 60, 1800, 1800.
    "day,2025-01-03,2025-01-03,,,,3,3,3660.000,60.000,1220.000,1800.000,0,50,2000",
    "day,2025-01-04,2025-01-04,,,,0,0,0.000,0.000,,,0,0,0",
    "day,2025-01-05,2025-01-05,,,,1,1,60.000,0.000,600.000,600.000,0,0,1000",
    "day,2025-01-06,2025-01-06,,,,0,1,540.000,0.000,,,0,0,0",
    "week,2024-12-30,2025-01-05,2025-W01,,,11,3,16080.000,240.000,1510.909,600.000,7,270,14500",
    "week,2025-01-06,2025-01-06,2025-W02,,,0,1,540.000,0.000,,,0,0,0",
    // 60 60 [600 600] 1800 3540
    "user,2024-12-30,2025-01-06,,jiyoung,,6,1,6660.000,120.000,1110.000,600.000,7,170,12000",
    "user,2024-12-30,2025-01-06,,민수,,2,1,6360.000,60.000,3180.000,3180.000,0,50,1000",
    "user,2024-12-30,2025-01-06,,hana,,3,1,3600.000,60.000,1200.000,1200.000,0,50,1500",
    // 60 60 [600 1800] 3540 6300
    "app,2024-12-30,2025-01-06,,,main,6,2,12360.000,180.000,2060.000,1200.000,7,220,12000",
    // 60 600 [600] 1200 1800
    "app,2024-12-30,2025-01-06,,,sales,5,3,4260.000,60.000,852.000,600.000,0,50,2500",
    // Of one visit each but jiyoung's at main: 60 60 [600] 1800 3540.
    "seat,2024-12-30,2025-01-06,,민수,main,1,1,6300.000,60.000,6300.000,6300.000,0,50,500",
    "seat,2024-12-30,2025-01-06,,jiyoung,main,5,1,6060.000,120.000,1212.000,600.000,7,170,11500",
    "seat,2024-12-30,2025-01-06,,hana,sales,3,1,3600.000,60.000,1200.000,1200.000,0,50,1500",
    "seat,2024-12-30,2025-01-06,,jiyoung,sales,1,1,600.000,0.000,600.000,600.000,0,0,500",
    "seat,2024-12-30,2025-01-06,,민수,sales,1,1,60.000,0.000,60.000,60.000,0,0,500",
];

/// The same for people: weeks, days, users, apps, and users at apps, who are one person each.
const ROWS: [&str; 20] = [
    "2025-W02 from 6 Jan | 0 | 1 | 9 min | 0 s | – | –",
    "2025-W01 from 30 Dec | 11 | 3 | 4 h 28 min | 4 min | 25 min 11 s | 10 min",
    "Mon 6 January 2025 | 0 | 1 | 9 min | 0 s | – | –",
    "Sun 5 January 2025 | 1 | 1 | 1 min | 0 s | 10 min | 10 min",
    "Sat 4 January 2025 | 0 | 0 | 0 s | 0 s | – | –",
    "Fri 3 January 2025 | 3 | 3 | 1 h 1 min | 1 min | 20 min 20 s | 30 min",
    "Thu 2 January 2025 | 4 | 2 | 22 min | 0 s | 5 min 30 s | 5 min 30 s",
    "Wed 1 January 2025 | 1 | 2 | 1 h 35 min | 30 s | 20 min | 20 min",
    "Tue 31 December 2024 | 1 | 1 | 30 min | 30 s | 1 h 45 min | 1 h 45 min",
    "Mon 30 December 2024 | 1 | 1 | 59 min | 2 min | 59 min | 59 min",
    "jiyoung | 6 | 1 h 51 min | 2 min | 18 min 30 s | 10 min",
    "민수 | 2 | 1 h 46 min | 1 min | 53 min | 53 min",
    "hana | 3 | 1 h | 1 min | 20 min | 20 min",
    "5G &lt;Feature&gt; Manager | 6 | 2 | 3 h 26 min | 3 min | 34 min 20 s | 20 min",
    "매출 현황 | 5 | 3 | 1 h 11 min | 1 min | 14 min 12 s | 10 min",
    "민수 | 5G &lt;Feature&gt; Manager | 1 | 1 h 45 min | 1 min | 1 h 45 min | 1 h 45 min",
    "jiyoung | 5G &lt;Feature&gt; Manager | 5 | 1 h 41 min | 2 min | 20 min 12 s | 10 min",
    "hana | 매출 현황 | 3 | 1 h | 1 min | 20 min | 20 min",
    "jiyoung | 매출 현황 | 1 | 10 min | 0 s | 10 min | 10 min",
    "민수 | 매출 현황 | 1 | 1 min | 0 s | 1 min | 1 min",
];

fn csv() -> String {
    TABLE.map(|line| format!("{line}\r\n")).concat()
}

/// A number of the API as the CSV writes it.
fn written(amounts: &Value, name: &str) -> String {
    match (&amounts[name], name.ends_with("_s")) {
        (Value::Null, _) => String::new(),
        (number, true) => format!("{:.3}", number.as_f64().expect("seconds")),
        (number, false) => number.to_string(),
    }
}

/// What the API said, as lines of the CSV.
fn lines_of(told: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |rows: &str, from: String, to: String, amounts: &Value| {
        let names = ["week", "user", "app"].map(|name| text(&amounts[name]));
        let numbers: Vec<String> =
            TABLE[0].split(',').skip(6).map(|name| written(amounts, name)).collect();
        format!("{rows},{from},{to},{},{}", names.join(","), numbers.join(","))
    };
    let (from, to) = (text(&told["from"]), text(&told["to"]));
    let list = |name: &str| told[name].as_array().expect("a list").clone();
    let mut lines =
        vec![TABLE[0].to_owned(), line("total", from.clone(), to.clone(), &told["totals"])];
    lines.extend(
        list("days").iter().map(|day| line("day", text(&day["date"]), text(&day["date"]), day)),
    );
    let ends = ["2025-01-05", "2025-01-06"].map(str::to_owned);
    lines.extend(
        list("weeks")
            .iter()
            .zip(ends)
            .map(|(week, end)| line("week", text(&week["monday"]), end, week)),
    );
    for (rows, name) in [("user", "users"), ("app", "apps"), ("seat", "seats")] {
        lines.extend(list(name).iter().map(|share| line(rows, from.clone(), to.clone(), share)));
    }
    lines
}

/// What a question in SQL is answered by the file, as text.
fn by_sql(house: &House, sql: &str) -> Vec<String> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(house.books.database(), flags);
    let database = database.expect("the database");
    let mut select = database.prepare(sql).expect("a question");
    let columns = select.column_count();
    let rows = select.query_map([], |row| {
        let value = |column| match row.get_unwrap(column) {
            rusqlite::types::Value::Integer(integer) => integer.to_string(),
            rusqlite::types::Value::Real(real) => format!("{real:.3}"),
            rusqlite::types::Value::Text(text) => text,
            nothing @ (rusqlite::types::Value::Null | rusqlite::types::Value::Blob(_)) => {
                panic!("{nothing:?}")
            }
        };
        Ok((0..columns).map(value).collect::<Vec<_>>().join(" "))
    });
    rows.expect("an answer").map(|row| row.expect("a row")).collect()
}

/// The cells of every row of every table on the page, without their tags.
fn rows_of(page: &str) -> Vec<String> {
    let rows = page.split("<tbody>").skip(1).flat_map(|table| {
        let table = table.split("</tbody>").next().unwrap_or_default();
        table.split("</tr>").filter(|row| row.contains("<t"))
    });
    rows.map(|row| {
        let cells = row.split("</td>").flat_map(|part| part.split("</th>"));
        let cells: Vec<String> = cells.map(without_tags).filter(|cell| !cell.is_empty()).collect();
        cells.join(" | ")
    })
    .collect()
}

fn without_tags(html: &str) -> String {
    let texts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_visits_are_those_of_the_script() {
    let house = house_after_the_week().await;
    let told = house.document(&format!("/visits?{RANGE}")).await;
    let visits: Vec<String> = told["visits"]
        .as_array()
        .expect("a list")
        .iter()
        .rev()
        .map(|visit| {
            let words =
                ["user", "app", "ended_because"].map(|key| visit[key].as_str().expect("a word"));
            let seconds = ["dwell_s", "active_s"].map(|key| visit[key].as_f64().expect("seconds"));
            let [user, app, because] = words;
            format!("{user} {app} {} {} {} {because}", seconds[0], seconds[1], visit["requests"])
        })
        .collect();
    assert_eq!(visits, VISITS);
    let killed = &told["visits"][2];
    assert_eq!(killed["ended_at"], "2025-01-03T18:30:00.000+09:00", "when it was seen last");
    let roles = by_sql(&house, "SELECT DISTINCT user, role FROM visits ORDER BY user");
    assert_eq!(roles, ["hana user", "jiyoung user", "민수 admin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_has_the_exact_numbers() {
    let house = house_after_the_week().await;
    let told = house.document(&format!("/statistics?{RANGE}")).await;
    assert_eq!(told["timezone"], "Asia/Seoul");
    assert_eq!(lines_of(&told), TABLE);
    let hours = told["hours"].as_array().expect("hours");
    let hour = |weekday: u64, hour: u64| {
        let found = hours.iter().find(|it| it["weekday"] == weekday && it["hour"] == hour);
        let found = found.expect("an hour");
        let number = |key: &str| found[key].as_f64().expect("a number");
        (number("visits"), number("dwell_s"), number("people_mean"))
    };
    assert_eq!(hours.len(), 7 * 24);
    // On Thursday at nine, hana and jiyoung have twenty minutes together.
    assert_eq!(hour(4, 9), (2.0, 1_200.0, 1.0 / 3.0));
    // On Friday at six, hana's 30 minutes and jiyoung's 20 and 10.
    assert_eq!(hour(5, 18), (2.0, 3_600.0, 1.0));
    // Monday at nine comes twice.
    assert_eq!(hour(1, 9), (1.0, 3_540.0, 3_540.0 / 7_200.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_csv_and_usher_report_have_them() {
    let house = house_after_the_week().await;
    let Ok(Outcome::File { name, content_type, content }) =
        house.get(&format!("/statistics.csv?{RANGE}")).await
    else {
        panic!("no file")
    };
    assert_eq!(
        (name.as_str(), content_type),
        ("statistics-2024-12-30-2025-01-06.csv", "text/csv; charset=utf-8")
    );
    let text = String::from_utf8(content.to_vec()).expect("text");
    assert_eq!(
        text.strip_prefix('\u{feff}'),
        Some(csv().as_str()),
        "spreadsheets know it for UTF-8"
    );

    assert_eq!(report(&house, "csv"), csv());
    let told = serde_json::from_str(&report(&house, "json")).expect("JSON");
    assert_eq!(lines_of(&told), TABLE);
}

/// The real command, beside the server that has the database open.
#[expect(clippy::disallowed_methods, reason = "the command is a process of its own")]
fn report(house: &House, format: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
    command.args(["report", "--from", "2024-12-30", "--to", "2025-01-06", "--format", format]);
    command.arg("-c").arg(house.folder.path().join("usher.yaml"));
    let output = command.output().expect("usher starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_them() {
    let house = house_after_the_week().await;
    let page = house.page(&format!("/statistics?{RANGE}")).await;
    assert!(page.contains("Mon 30 December 2024 to Mon 6 January 2025"), "{page}");
    for number in
        [">11</p>", ">3</p>", ">4 h 37 min</p>", ">4 min</p>", ">25 min 11 s</p>", ">10 min</p>"]
    {
        assert!(page.contains(number), "{number} in {page}");
    }
    let (_, tables) = page.split_once(r#"aria-labelledby="weeks-title""#).expect("the tables");
    assert_eq!(rows_of(tables), ROWS);
}

/// Questions that share nothing with the program but the tables. Here the sums.
#[tokio::test(flavor = "multi_thread")]
async fn sql_finds_the_same() {
    let house = house_after_the_week().await;
    let sums = "count(*), count(DISTINCT user), sum(dwell_ms) / 1000.0, sum(active_ms) / 1000.0, \
                avg(dwell_ms) / 1000, sum(requests), sum(in_bytes), sum(out_bytes)";
    let of = |by: &str| {
        by_sql(&house, &format!("SELECT {by}, {sums} FROM visits GROUP BY {by} ORDER BY {by}"))
    };
    assert_eq!(
        by_sql(&house, &format!("SELECT {sums} FROM visits")),
        ["11 3 16620.000 240.000 1510.909 7 270 14500"]
    );
    assert_eq!(
        of("user"),
        [
            "hana 3 1 3600.000 60.000 1200.000 0 50 1500",
            "jiyoung 6 1 6660.000 120.000 1110.000 7 170 12000",
            "민수 2 1 6360.000 60.000 3180.000 0 50 1000",
        ]
    );
    assert_eq!(
        of("app"),
        [
            "main 6 2 12360.000 180.000 2060.000 7 220 12000",
            "sales 5 3 4260.000 60.000 852.000 0 50 2500",
        ]
    );
    // Nothing is left open, and nobody was here for longer than from the begin to the end: only
    // the two visits with a bridged gap, of a minute and of half a minute, were shorter.
    assert_eq!(
        by_sql(
            &house,
            "SELECT count(*) FILTER (WHERE ended_at IS NULL), \
             group_concat((ended_at - started_at - dwell_ms) / 1000, ' ') FROM visits \
             WHERE ended_at IS NULL OR ended_at - started_at <> dwell_ms"
        ),
        ["0 60 30"]
    );
}

/// Days, weeks and medians.
#[tokio::test(flavor = "multi_thread")]
async fn sql_finds_the_same_days() {
    let house = house_after_the_week().await;
    // What began on a day of Seoul.
    assert_eq!(
        by_sql(
            &house,
            "SELECT date(started_at / 1000, 'unixepoch', '+9 hours') AS day, \
             strftime('%G-W%V', started_at / 1000, 'unixepoch', '+9 hours'), count(*), \
             avg(dwell_ms) / 1000 FROM visits GROUP BY day ORDER BY day"
        ),
        [
            "2024-12-30 2025-W01 1 3540.000",
            "2024-12-31 2025-W01 1 6300.000",
            "2025-01-01 2025-W01 1 1200.000",
            "2025-01-02 2025-W01 4 330.000",
            "2025-01-03 2025-W01 3 1220.000",
            "2025-01-05 2025-W01 1 600.000",
        ]
    );
    // What was spent on it.
    assert_eq!(
        by_sql(
            &house,
            "SELECT date(slot_at / 1000, 'unixepoch', '+9 hours') AS day, \
             count(DISTINCT user), sum(dwell_ms) / 1000.0, sum(active_ms) / 1000.0 \
             FROM presence GROUP BY day ORDER BY day"
        ),
        [
            "2024-12-30 1 3540.000 120.000",
            "2024-12-31 1 1800.000 30.000",
            "2025-01-01 2 5700.000 30.000",
            "2025-01-02 2 1320.000 0.000",
            "2025-01-03 3 3660.000 60.000",
            "2025-01-05 1 60.000 0.000",
            "2025-01-06 1 540.000 0.000",
        ]
    );
    // The middle of all, and of each app: one visit, or two whose mean it is.
    assert_eq!(
        by_sql(
            &house,
            "WITH placed AS (SELECT app, dwell_ms, \
             row_number() OVER (PARTITION BY app ORDER BY dwell_ms) AS place, \
             count(*) OVER (PARTITION BY app) AS among, \
             row_number() OVER (ORDER BY dwell_ms) AS place_of_all FROM visits) \
             SELECT app, avg(dwell_ms) / 1000 FROM placed \
             WHERE place IN ((among + 1) / 2, (among + 2) / 2) GROUP BY app \
             UNION ALL SELECT 'all', dwell_ms / 1000.0 FROM placed WHERE place_of_all = 6"
        ),
        ["main 1200.000", "sales 600.000", "all 600.000"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_visits_hold_to_their_filters_everywhere() {
    let house = house_after_the_week().await;
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
    assert_eq!(count("").await, 11);
    assert_eq!(count("user=jiyoung").await, 6);
    assert_eq!(count("app=sales").await, 5);
    assert_eq!(count("user=jiyoung&app=sales").await, 1);
    assert_eq!(count("from=2025-01-01&to=2025-01-01").await, 1);
    assert_eq!(count("from=2024-12-31T23:31").await, 9);
    assert_eq!(count("to=2024-12-31T00:30:00Z").await, 1);
    assert_eq!(count("user=nobody").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_goes_on_until_it_has_ended() {
    let house = House::new();
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
    let house = house_after_the_week().await;
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
            "2025-01-03T00:01:00.000+09:00",
            "2025-01-06T00:09:00.000+09:00",
            "2025-01-03T18:30:00.000+09:00"
        ]
    );
    let page = house.page("/users?search=HANA").await;
    assert!(page.contains("1–1 of 1") && !page.contains(">jiyoung<"), "{page}");
}
