//! Sample users, seats, visits and events.

use super::super::described::Time;
use super::super::views::records::{EventsPage, Filter, Place, VisitsPage};
use super::super::views::seat::{Running, SeatPage};
use super::super::views::seats::{FailureLine, SeatLine, SeatsPage, StateCount, actions};
use super::super::views::users::{UserLine, UserSeat, UsersPage};
use super::super::views::{BAD_KINDS, EventLine, Range, VisitLine, Word};
use super::super::{documents, json};
use super::{figures, happened};
use crate::domain::{Detail, Exit, Failure, SeatState};
use crate::pages::words;

const NAMES: [&str; 8] = ["지영", "현우", "서연", "도윤", "하은", "박준호", "Alexander", "이수민"];
const APPS: [(&str, &str); 2] = [("main", "5G Feature Manager"), ("sales", "매출 현황")];

fn time(text: &str) -> Time {
    Time(format!("2026-11-26T{text}.000+09:00"))
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn apps() -> Vec<(String, String)> {
    APPS.iter().map(|(slug, title)| ((*slug).to_owned(), (*title).to_owned())).collect()
}

fn user(place: usize, name: &str) -> UserLine {
    let is_here = place.is_multiple_of(3);
    let is_known = place != 4;
    let addresses: &[&str] = match place {
        0 => &["192.168.1.101", "10.20.0.0/24"],
        5 => &["192.168.1.105", "10.20.1.5", "10.20.2.5", "10.20.3.5", "2001:db8::/64", "::1"],
        6 => &[],
        _ => &["192.168.1.110"],
    };
    let role = if place == 1 { "admin" } else { "user" };
    let proofs: &[&'static str] = if place == 1 { &["address", "password"] } else { &["address"] };
    let state = [SeatState::Ready, SeatState::Absent, SeatState::Failed][place % 3];
    let seats = APPS.iter().take(1 + place % 2).map(|(slug, title)| UserSeat {
        app: (*slug).to_owned(),
        title: (*title).to_owned(),
        state: state.as_str(),
    });
    UserLine {
        user: json::User {
            name: name.to_owned(),
            role,
            addresses: texts(addresses),
            apps: texts(&["main", "sales"]),
            proofs: proofs.to_vec(),
            has_code: place == 1,
            websockets: u32::from(is_here) * 2,
            here_since: is_here.then(|| time("08:58:03")),
            last_seen_at: is_known.then(|| time("09:40:11")),
            last_address: is_known.then(|| "192.168.1.101".to_owned()),
            last_browser: is_known.then(|| "Chrome 156 · Windows 11".to_owned()),
            last_app: is_known.then(|| "main".to_owned()),
        },
        proofs: proofs.iter().map(|word| Word::of(words::PROOFS, word)).collect(),
        seats: seats.collect(),
        is_self: place == 1,
        seen_s: is_known.then_some(4_800.0 * (place + 1) as f64),
        here_s: is_here.then_some(2_520.0),
        last_title: is_known.then(|| "5G Feature Manager".to_owned()),
    }
}

pub(super) fn users(some: bool) -> UsersPage {
    let users: Vec<UserLine> = if some {
        NAMES.iter().enumerate().map(|(place, name)| user(place, name)).collect()
    } else {
        Vec::new()
    };
    UsersPage {
        found: users.len() * 7,
        total: 200,
        search: if some { String::new() } else { "없는 사람".to_owned() },
        before: None,
        after: some.then(|| "/admin/users?page=1".to_owned()),
        first: usize::from(some),
        last: users.len(),
        users,
    }
}

fn seat_line(place: usize, name: &str, state: SeatState) -> SeatLine {
    let (app, title) = APPS[place % 2];
    let runs = state == SeatState::Ready;
    let tabs = if runs { [2, 1, 0][place % 3] } else { 0 };
    let why = ["acts", "tab_open", "used_lately", "computes"][place % 4];
    let stops = runs && place % 4 != 3;
    SeatLine {
        user: name.to_owned(),
        app: app.to_owned(),
        title: title.to_owned(),
        state: state.as_str(),
        since: time("08:58:03"),
        for_s: 2_520.0 * (place + 1) as f64,
        pid: (runs || state == SeatState::Stopping).then_some(41_200 + place as u32 * 31),
        cpu_cores: runs.then_some([0.02, 0.34, 0.0, 1.82][place % 4]),
        cpu_max: (place % 2 == 1).then(|| "1.5".to_owned()),
        is_slowed_down: runs && place % 4 == 3,
        memory_bytes: runs.then_some(96_000_000 + place as u64 * 41_000_000),
        memory_max_bytes: (place % 2 == 1).then_some(2 << 30),
        tabs,
        waiting: u32::from(state == SeatState::Probing) * 2,
        acted_s: runs.then_some([12.0, 780.0, 3_900.0][place % 3]),
        runs_because: match state {
            SeatState::Ready => Some(Word::of(words::RUNS_BECAUSE, why)),
            SeatState::Starting | SeatState::Probing => {
                Some(Word::of(words::RUNS_BECAUSE, "asked"))
            }
            SeatState::Absent | SeatState::Stopping | SeatState::Backoff | SeatState::Failed => {
                None
            }
        },
        stops_at: stops.then(|| time("17:31:00")),
        stops_in_s: stops.then_some(28_740.0),
        stops_because: if state == SeatState::Stopping {
            Some(Word::of(words::STOPS_BECAUSE, "ordered"))
        } else {
            stops.then(|| Word::of(words::STOPS_BECAUSE, "untouched"))
        },
        queue_place: (state == SeatState::Starting).then_some(3),
        failure: matches!(state, SeatState::Failed | SeatState::Backoff)
            .then(|| FailureLine::of(&Failure::ExitedEarly(Exit::Code(1)))),
        next_try_in_s: (state == SeatState::Backoff).then_some(14.0),
        is_outdated: place == 3,
        actions: actions(state, tabs),
    }
}

pub(super) fn seats(some: bool) -> SeatsPage {
    let states = [
        SeatState::Ready,
        SeatState::Ready,
        SeatState::Ready,
        SeatState::Ready,
        SeatState::Probing,
        SeatState::Failed,
        SeatState::Backoff,
        SeatState::Stopping,
    ];
    let lines = NAMES.iter().zip(states).enumerate();
    let mut lines: Vec<SeatLine> =
        lines.map(|(place, (name, state))| seat_line(place, name, state)).collect();
    lines.push(seat_line(0, "김예준", SeatState::Starting));
    let counts = [(SeatState::Ready, 4), (SeatState::Probing, 1), (SeatState::Failed, 1)];
    let count = |(state, count): (SeatState, usize)| StateCount { state: state.as_str(), count };
    SeatsPage {
        seats: if some { lines } else { Vec::new() },
        states: if some { counts.map(count).to_vec() } else { Vec::new() },
        limit: 100,
        users: texts(&NAMES),
        apps: apps(),
    }
}

/// The page of a seat in the states that its template distinguishes.
pub(super) fn seat_pages() -> Vec<(&'static str, serde_json::Value)> {
    let charts = figures::seat_charts();
    let page = |state: SeatState, is_full: bool| SeatPage {
        user: "지영".to_owned(),
        app: "main".to_owned(),
        title: "5G Feature Manager".to_owned(),
        state: state.as_str(),
        actions: actions(state, 1),
        running: (state != SeatState::Absent).then(|| running(state)),
        range: Range::ALL[0],
        ranges: Range::words(),
        charts: charts.clone().filter(|_| is_full),
        log_lines: if is_full { texts(&LOG) } else { Vec::new() },
        visits: if is_full { visit_lines().into_iter().take(5).collect() } else { Vec::new() },
        events: if is_full { event_lines().into_iter().take(6).collect() } else { Vec::new() },
    };
    vec![
        ("seat", super::value(page(SeatState::Ready, true))),
        ("seat-failed", super::value(page(SeatState::Failed, true))),
        ("seat-starting", super::value(page(SeatState::Starting, false))),
        ("seat-absent", super::value(page(SeatState::Absent, false))),
    ]
}

fn running(state: SeatState) -> Running {
    let runs = state == SeatState::Ready;
    Running {
        line: seat_line(0, "지영", state),
        endpoint: runs.then(|| "127.0.0.1:8503".to_owned()),
        launch: runs.then(|| Word::of(words::LAUNCHES, "fork")),
        launched_at: runs.then(|| time("08:58:02")),
        start_took_s: runs.then_some(0.43),
        requested_s: runs.then_some(8.0),
        failures: u32::from(!runs) * 3,
        limits_kept: runs.then_some("measured"),
    }
}

const LOG: [&str; 7] = [
    "--- usher: 2026-11-26T08:58:02+09:00 launch 7: streamlit run src/main.py",
    "  You can now view your Streamlit app in your browser.",
    "  URL: http://127.0.0.1:8503/app/main",
    "2026-11-26 08:58:09.120 loaded 4,812 features from data/5g_features.json",
    "2026-11-26 08:59:41.007 filtered 312 rows for region=서울",
    "2026-11-26 09:12:15.551 /srv/apps/src/features.py:48: FutureWarning: the default of observed=False is deprecated and will be changed to True in a future version of pandas",
    "2026-11-26 09:31:02.402 exported 312 rows to export_20261126.xlsx",
];

fn visit(place: usize) -> json::Visit {
    let hours = 9 - place as u32 / 2;
    let goes_on = place < 2;
    let ends = ["left", "left", "seat_ended", "broken", "kicked", "usher_stopped", "something_new"];
    json::Visit {
        id: 1_200 - place as i64,
        user: NAMES[place % 8].to_owned(),
        role: if place % 8 == 1 { "admin" } else { "user" },
        app: APPS[place % 2].0.to_owned(),
        address: format!("192.168.1.{}", 101 + place % 8),
        browser: ["Chrome 156 · Windows 11", "Safari 26 · iPhone", "Firefox 151 · Linux"]
            [place % 3]
            .to_owned(),
        started_at: time(&format!("{hours:02}:{:02}:03", 58 - place)),
        ended_at: (!goes_on).then(|| time("10:12:44")),
        dwell_s: 754.0 * (place * place + 1) as f64,
        active_s: 310.0 * (place + 1) as f64,
        requests: 120 + place as u64 * 37,
        in_bytes: 18_300 * (place as u64 + 1),
        out_bytes: 4_812_000 * (place as u64 + 1),
        ended_because: (!goes_on).then(|| ends[place % 7].to_owned()),
    }
}

fn visit_lines() -> Vec<VisitLine> {
    let line = |place: usize| {
        let visit = visit(place);
        VisitLine {
            title: APPS[place % 2].1.to_owned(),
            ended: visit.ended_because.as_deref().map(|word| Word::of(words::VISIT_ENDS, word)),
            has_seat: place != 5,
            visit,
        }
    };
    (0..12).map(line).collect()
}

/// Every kind of event, and one that a newer usher may have written.
pub(super) fn event_lines() -> Vec<EventLine> {
    lines_of(happened::events())
}

pub(super) fn lines_of(events: Vec<(&'static str, Detail)>) -> Vec<EventLine> {
    let line = |(place, (kind, detail)): (usize, (&'static str, Detail))| {
        let seated = kind.starts_with("seat_");
        let actor = words::ACTORS[place % 4];
        EventLine {
            event: json::Event {
                id: 9_000 - place as i64,
                at: time(&format!("09:{:02}:41", 59 - place % 60)),
                kind: kind.to_owned(),
                actor: actor.to_owned(),
                actor_name: (place % 4 > 1).then(|| NAMES[place % 8].to_owned()),
                user: seated.then(|| NAMES[place % 8].to_owned()),
                app: seated.then(|| APPS[place % 2].0.to_owned()),
                address: (!seated).then(|| "192.168.1.200".to_owned()),
                detail: detail.text().to_owned(),
                clauses: detail
                    .clauses()
                    .iter()
                    .map(|clause| documents::clause(&clause.into()))
                    .collect(),
            },
            kind: Word::of(words::EVENT_KINDS, kind),
            actor: Word::of(words::ACTORS, actor),
            title: seated.then(|| APPS[place % 2].1.to_owned()),
            is_bad: BAD_KINDS.contains(&kind),
        }
    };
    events.into_iter().enumerate().map(line).collect()
}

fn filter(is_set: bool) -> Filter {
    Filter {
        from: if is_set { "2026-11-01".to_owned() } else { String::new() },
        app: if is_set { "sales".to_owned() } else { String::new() },
        is_set,
        users: texts(&NAMES),
        apps: apps(),
        kinds: words::EVENT_KINDS,
        ..Filter::default()
    }
}

fn place(is_between: bool) -> Place {
    Place {
        newest: is_between.then(|| "/admin/visits".to_owned()),
        older: is_between.then(|| "/admin/visits?after=1764115200000-17".to_owned()),
    }
}

/// With rows, without, or unreadable.
pub(super) fn visits(some: Option<bool>) -> VisitsPage {
    VisitsPage {
        filter: filter(some == Some(false)),
        visits: some.map(|some| if some { visit_lines() } else { Vec::new() }),
        place: place(some == Some(true)),
        csv: "/admin/visits.csv".to_owned(),
        csv_rows_max: 20_000,
    }
}

pub(super) fn events(some: Option<bool>) -> EventsPage {
    EventsPage {
        filter: filter(some == Some(false)),
        events: some.map(|some| if some { event_lines() } else { Vec::new() }),
        place: place(some == Some(true)),
    }
}
