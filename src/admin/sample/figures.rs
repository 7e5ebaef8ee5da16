//! Sample measurements, statistics and settings.

use jiff::civil::Date;

use super::super::chart::LineChart;
use super::super::described::Time;
use super::super::json;
use super::super::views::configuration::{ConfigurationPage, groups};
use super::super::views::overview::{MachineCharts, Overview};
use super::super::views::records::Filter;
use super::super::views::server::ServerPage;
use super::super::views::statistics::{Found, StatisticsPage};
use super::super::views::{Presence, Range, Word, seat};
use super::people::event_lines;
use crate::clock::Timestamp;
use crate::config::Snapshot;
use crate::pages::words;
use crate::store::{
    Amounts, Day, HourLoad, MachinePoint, SeatPoint, Series, Share, Statistics, Week,
};

/// 2026-11-26 09:59:00 in Seoul.
const NOW: Timestamp = Timestamp(1_795_654_740_000);
const GIB: u64 = 1 << 30;

/// A small file with everything at its default.
fn snapshot() -> Option<Snapshot> {
    let text = "timezone: Asia/Seoul\n\
                apps:\n  main: { title: 5G Feature Manager, script: main.py }\n\
                \x20 sales: { title: 매출 현황, script: sales.py }\n\
                users:\n  - { name: 민수, role: admin, addresses: [192.168.1.100] }\n";
    Snapshot::parse(std::path::Path::new("/srv/usher/conf/usher.yaml"), text).ok()
}

/// Something that goes up and down, the same every time: 0 to 1.
fn wave(place: usize) -> f64 {
    let x = place as f64;
    ((x / 9.0).sin() * 0.5 + (x / 2.3).sin() * 0.28 + (x * 1.7).cos() * 0.1 + 0.9) / 1.8
}

fn machine_series(span_ms: i64) -> Series<MachinePoint> {
    let step_ms = span_ms / 90;
    let point = |place: usize| MachinePoint {
        at: Timestamp(NOW.0 - span_ms + step_ms * place as i64),
        cpu_cores: wave(place) * 2.6,
        cpu_cores_max: 3.4,
        cpu_cores_total: 4.0,
        memory_bytes: 9 * GIB + (wave(place / 3) * 2e9) as u64,
        memory_max_bytes: 12 * GIB,
        memory_total_bytes: 16 * GIB,
        swap_bytes: GIB / 2,
        swap_total_bytes: 2 * GIB,
        disk_bytes: 212 * GIB,
        disk_total_bytes: 480 * GIB,
        network_in_bytes_per_s: wave(place + 40) * 120_000.0,
        network_out_bytes_per_s: wave(place + 11) * 900_000.0,
        load_1m: wave(place) * 2.1,
    };
    // A hole in the middle: usher was upgraded.
    let points = (0..=90).filter(|place| !(50..55).contains(place)).map(point).collect();
    Series { step_ms: u64::try_from(step_ms).unwrap_or(1), points }
}

fn machine_charts(span_ms: i64) -> Option<MachineCharts> {
    Some(MachineCharts::of(&machine_series(span_ms), span_ms, NOW, &snapshot()?))
}

pub(super) fn seat_charts() -> Option<(LineChart, LineChart)> {
    let span_ms = Range::ALL[0].span_ms;
    let step_ms = span_ms / 90;
    let point = |place: usize| SeatPoint {
        at: Timestamp(NOW.0 - span_ms + step_ms * place as i64),
        cpu_cores: (wave(place) - 0.4).max(0.0) * 1.3,
        cpu_cores_max: 1.0,
        memory_bytes: 96_000_000 + (wave(place / 4) * 9e7) as u64,
        memory_max_bytes: 200_000_000,
        threads: Some(14),
        open_files: Some(31),
    };
    let series = Series { step_ms: 40_000, points: (0..=90).map(point).collect() };
    Some(seat::charts(&series, span_ms, NOW, Some(GIB), &snapshot()?))
}

fn machine() -> json::Machine {
    json::Machine {
        cpu_cores: 1.36,
        cpu_cores_total: 4.0,
        load_1m: 1.72,
        memory_bytes: 11 * GIB,
        memory_total_bytes: 16 * GIB,
        swap_bytes: GIB / 2,
        swap_total_bytes: 2 * GIB,
        disk_bytes: 212 * GIB,
        disk_total_bytes: 480 * GIB,
        network_in_bytes_per_s: 48_200.0,
        network_out_bytes_per_s: 812_400.0,
    }
}

fn presences() -> Vec<Presence> {
    let presence = |(place, user): (usize, &&str)| Presence {
        user: (*user).to_owned(),
        app: "main".to_owned(),
        title: ["5G Feature Manager", "매출 현황"][place % 2].to_owned(),
        tabs: 1 + (place % 2) as u32,
        since: Time("2026-11-26T08:58:03.000+09:00".to_owned()),
        for_s: 9_000.0 / (place + 1) as f64,
        acted_s: [Some(8.0), Some(780.0), None][place % 3],
        address: format!("192.168.1.{}", 101 + place),
        browser: "Chrome 156 · Windows 11".to_owned(),
    };
    ["지영", "현우", "서연", "도윤", "하은", "Alexander"].iter().enumerate().map(presence).collect()
}

pub(super) fn overview(is_busy: bool) -> Overview {
    let notice = json::Notice {
        id: 2,
        at: Time("2026-11-26T09:30:00.000+09:00".to_owned()),
        by: "민수".to_owned(),
        text: "오늘 18시에 서버를 업그레이드합니다. 5분쯤 걸립니다.".to_owned(),
    };
    let people = if is_busy { presences() } else { Vec::new() };
    Overview {
        machine: machine(),
        seats: if is_busy { 11 } else { 0 },
        seats_limit: 100,
        seats_failed: u64::from(is_busy),
        people_count: people.len(),
        people,
        charts: machine_charts(15 * 60_000)
            .filter(|_| is_busy)
            .map(|charts| (charts.cpu, charts.memory)),
        events: if is_busy { event_lines().into_iter().take(8).collect() } else { Vec::new() },
        notices: if is_busy { vec![notice] } else { Vec::new() },
        notice_bytes_max: 2000,
    }
}

pub(super) fn server(is_whole: bool) -> ServerPage {
    let process = json::Process {
        version: "0.1.0".to_owned(),
        pid: 812,
        state: "serving",
        started_at: Time("2026-11-02T07:00:12.000+09:00".to_owned()),
        cpu_s: is_whole.then_some(4_218.0),
        memory_bytes: is_whole.then_some(48_200_000),
        threads: is_whole.then_some(9),
        open_files: is_whole.then_some(212),
        open_files_max: is_whole.then_some(20_000),
    };
    let database = json::Database {
        path: "/srv/usher/var/usher.db".to_owned(),
        size_bytes: 412_000_000,
        visits: 482_113,
        events: 1_204_556,
        oldest_visit_at: Some(Time("2025-10-22T09:12:00.000+09:00".to_owned())),
    };
    let counts = json::Counts {
        answers_1xx: 0,
        answers_2xx: 8_412_556,
        answers_3xx: 41_233,
        answers_4xx: 1_204,
        answers_5xx: 12,
        unanswered: 341,
        websockets_opened: 48_120,
        websockets_open: 31,
        in_bytes: 41_200_000_000,
        out_bytes: 912_000_000_000,
        facts_dropped: 0,
        records_lost: u64::from(is_whole) * 7,
    };
    ServerPage {
        phase: Word::of(words::PHASES, "serving"),
        up_s: 2_084_400.0,
        charts: machine_charts(Range::ALL[2].span_ms).filter(|_| is_whole),
        range: Range::ALL[2],
        ranges: Range::words(),
        answers: vec![
            ("2xx", counts.answers_2xx),
            ("3xx", counts.answers_3xx),
            ("4xx", counts.answers_4xx),
            ("5xx", counts.answers_5xx),
            ("-", counts.unanswered),
        ],
        server: json::Server {
            machine: machine(),
            process,
            database: is_whole.then_some(database),
            records_problem: (!is_whole).then(|| "no space is left for the database".to_owned()),
            backups: backups(is_whole),
            certificates: if is_whole { certificates() } else { Vec::new() },
            counts,
        },
    }
}

fn backups(are_made: bool) -> json::Backups {
    let time = |text: &str| Time(format!("{text}T03:00:00.000+09:00"));
    json::Backups {
        newest_at: are_made.then(|| time("2026-11-22")),
        newest: are_made.then(|| "/srv/usher/var/backups/usher-20261122-030000.db".to_owned()),
        next_at: are_made.then(|| time("2026-11-29")),
        problem: (!are_made).then(|| "no space is left for the copy".to_owned()),
    }
}

fn certificates() -> Vec<json::Certificate> {
    let certificate = |name: &str, until: Option<&str>, problem: Option<&str>| json::Certificate {
        file: format!("/srv/usher/conf/tls/{name}.pem"),
        names: until.iter().map(|_| name.to_owned()).collect(),
        until: until.map(|day| Time(format!("{day}T00:00:00.000+09:00"))),
        problem: problem.map(str::to_owned),
    };
    vec![
        certificate("feature.example.com", Some("2027-02-11"), None),
        certificate("old.example.com", Some("2026-12-01"), Some("it expires on 2026-12-01")),
        certificate("broken.example.com", None, Some("the file has no certificate")),
    ]
}

fn amounts(place: usize, weight: f64) -> Amounts {
    let visits = (wave(place) * 40.0 * weight).round() as u64;
    let dwell_ms = visits * 2_520_000;
    Amounts {
        visits,
        people: visits.min(11),
        dwell_ms,
        active_ms: dwell_ms * 2 / 5,
        dwell_mean_ms: (visits > 0).then_some(2_520_000),
        dwell_median_ms: (visits > 0).then_some(1_440_000),
        requests: visits * 240,
        in_bytes: visits * 180_000,
        out_bytes: visits * 9_400_000,
    }
}

/// So many days until the sample's today, weekends quiet.
fn found(days: usize) -> Statistics {
    let last = Date::constant(2026, 11, 26);
    let back =
        |days: usize| last.saturating_sub(jiff::Span::new().days(i64::try_from(days).unwrap_or(0)));
    let weekday = |date: Date| date.weekday().to_monday_zero_offset();
    let day = |place: usize| {
        let date = back(days.saturating_sub(1) - place);
        let weight = if weekday(date) > 4 { 0.0 } else { 1.0 };
        Day { date, amounts: amounts(place, weight) }
    };
    let week = |place: usize| {
        let monday = back(weekday(last) as usize + 7 * place);
        let iso = monday.iso_week_date();
        Week { year: iso.year(), week: iso.week(), monday, amounts: amounts(place, 5.0) }
    };
    let mut weeks: Vec<Week> = (0..days.div_ceil(7)).map(week).collect();
    weeks.reverse();
    let share = |(place, (user, app)): (usize, (Option<&str>, Option<&str>))| Share {
        user: user.map(str::to_owned),
        app: app.map(str::to_owned),
        amounts: amounts(place, 3.0),
    };
    let names = ["지영", "현우", "서연", "도윤", "하은", "박준호", "Alexander"];
    let people = names.iter().map(|name| (Some(*name), None)).enumerate();
    let seats = names.iter().flat_map(|name| [(Some(*name), Some("main"))]).enumerate();
    let apps = [(None, Some("main")), (None, Some("sales"))].into_iter().enumerate();
    let mut hours = [[HourLoad::default(); 24]; 7];
    for (day, row) in hours.iter_mut().enumerate() {
        for (hour, load) in row.iter_mut().enumerate() {
            let at_work = day < 5 && (8..20).contains(&hour) && days > 0;
            load.length_ms = 3_600_000;
            load.dwell_ms =
                if at_work { (wave(day * 5 + hour) * 2e7) as u64 } else { u64::from(hour == 21) };
        }
    }
    let is_empty = days == 0;
    Statistics {
        from: back(days.max(7) - 1),
        to: last,
        totals: if is_empty { Amounts::default() } else { amounts(5, days as f64) },
        days: (0..days).map(day).collect(),
        weeks,
        users: if is_empty { Vec::new() } else { people.map(share).collect() },
        apps: if is_empty { Vec::new() } else { apps.map(share).collect() },
        seats: if is_empty { Vec::new() } else { seats.map(share).collect() },
        hours,
    }
}

/// Statistics of so many days; `None`: the records cannot be read.
pub(super) fn statistics(days: Option<usize>) -> StatisticsPage {
    let range = days.map(|days| if days == 365 { "365d" } else { "30d" }.to_owned());
    StatisticsPage {
        filter: Filter {
            from: "2026-10-28".to_owned(),
            to: "2026-11-26".to_owned(),
            users: Vec::new(),
            apps: vec![("main".to_owned(), "5G Feature Manager".to_owned())],
            ..Filter::default()
        },
        range,
        ranges: words::DAYS
            .iter()
            .map(|word| (*word, format!("/admin/statistics?range={word}")))
            .collect(),
        found: days.and_then(|days| Some(Found::of(&found(days), &snapshot()?))),
        csv: "/admin/statistics.csv?from=2026-10-28&to=2026-11-26".to_owned(),
    }
}

pub(super) fn configuration(is_bad: bool) -> ConfigurationPage {
    let problem = |line, path: &str, sentence: &str, hint: &str| json::Problem {
        file: "/srv/usher/conf/usher.yaml".to_owned(),
        line,
        column: 5,
        path: path.to_owned(),
        sentence: sentence.to_owned(),
        hint: hint.to_owned(),
    };
    let warning = problem(
        41,
        "users[0].password",
        "an administrator on loopback has no password",
        "set one with `usher password`",
    );
    let problems = vec![
        problem(12, "apps.main.titel", "there is no such key here", "did you mean `title`?"),
        problem(3, "", "is no valid YAML", ""),
    ];
    let settings: Vec<json::Setting> = snapshot()
        .iter()
        .flat_map(|snapshot| &snapshot.in_force)
        .map(|setting| json::Setting { path: setting.path.clone(), value: setting.value.clone() })
        .collect();
    ConfigurationPage {
        groups: groups(&settings),
        users: 200,
        apps: 2,
        configuration: json::Configuration {
            file: "/srv/usher/conf/usher.yaml".to_owned(),
            loaded_at: Time("2026-11-26T07:00:12.000+09:00".to_owned()),
            problems: if is_bad { problems } else { Vec::new() },
            warnings: vec![warning],
            settings,
        },
    }
}
