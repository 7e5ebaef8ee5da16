//! Lists and their pages.

use super::*;
use crate::domain::{Actor, Clause, Detail, LaunchKind, StopReason};
use crate::store::{Cursor, EventQuery, EventRecord, Limit, Reports, StartRecord, VisitQuery};

#[test]
fn what_is_written_is_read() {
    let mut store = Store::new();
    let mut record = visit("김민수", "main", Timestamp(1_000_000), 5_000);
    record.role = Role::Admin;
    record.phase = VisitPhase::Open;
    let [id] = store.write(vec![record.clone()])[..] else { panic!("one visit") };
    let row = store.reports.visit(id).unwrap().unwrap();
    assert_eq!((row.user.as_str(), row.app.as_str(), row.role), ("김민수", "main", Role::Admin));
    assert_eq!((row.ended_at, row.ended_because.as_deref()), (None, None));
    assert_eq!((row.started_at, row.seen_at), (record.started_at, record.seen_at));
    assert_eq!(store.reports.open_visits().unwrap(), [row]);

    record.id = Some(id);
    record.phase = VisitPhase::Gap("broken");
    record.dwell_ms = 6_000;
    record.slots.clear();
    store.write(vec![record.clone()]);
    let row = store.reports.visit(id).unwrap().unwrap();
    assert_eq!((row.dwell_ms, row.ended_at, row.ended_because), (6_000, None, None), "in a gap");

    record.phase = VisitPhase::Ended("left");
    record.seen_at = Timestamp(1_006_000);
    store.write(vec![record]);
    let row = store.reports.visit(id).unwrap().unwrap();
    assert_eq!(row.ended_at, Some(Timestamp(1_006_000)));
    assert_eq!(row.ended_because.as_deref(), Some("left"));
    assert!(store.reports.open_visits().unwrap().is_empty());
    assert_eq!(store.reports.visit(VisitId(id.0 + 1)).unwrap(), None);
}

#[test]
fn pages_have_every_row_once_and_keep_their_place_while_rows_are_added() {
    let mut store = Store::new();
    // Several at the same millisecond, so that the number decides.
    let visits = (0..250).map(|n| visit("a", "main", Timestamp(1_000 * (n / 7)), 10));
    store.write(visits.collect());
    let mut query = VisitQuery { limit: Limit::new(40), ..VisitQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.reports.visits(&query).unwrap();
        assert!(page.rows.len() <= 40);
        seen.extend(page.rows.iter().map(|row| Cursor { at: row.started_at, id: row.id.0 }));
        store.write(vec![visit("a", "main", Timestamp(9_000_000), 10)]);
        match page.after {
            Some(after) => query.after = Some(after.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 250);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first, none twice");
}

#[test]
fn visits_are_found_by_user_app_and_time() {
    let mut store = Store::new();
    let mut visits = Vec::new();
    for n in 0..100 {
        let (user, app) = (["a", "b", "c"][n % 3], ["main", "tool"][n % 2]);
        visits.push(visit(user, app, Timestamp(n as i64 * 1_000), 10));
    }
    store.write(visits);
    let asks = [
        (None::<&str>, None::<&str>, None, None),
        (Some("a"), None, None, None),
        (None, Some("tool"), None, None),
        (Some("b"), Some("main"), None, None),
        (None, None, Some(10_000), Some(20_000)),
        (Some("c"), None, Some(10_000), None),
        (Some("c"), Some("tool"), None, Some(50_000)),
        (Some("nobody"), None, None, None),
    ];
    for (user, app, from, to) in asks {
        let query = VisitQuery {
            user: user.map(str::to_owned),
            app: app.map(str::to_owned),
            from: from.map(Timestamp),
            to: to.map(Timestamp),
            limit: Limit::new(1000),
            after: None,
        };
        let found: Vec<i64> =
            store.reports.visits(&query).unwrap().rows.iter().map(|row| row.started_at.0).collect();
        let expected: Vec<i64> = (0..100_usize)
            .rev()
            .filter(|n| user.is_none_or(|user| user == ["a", "b", "c"][n % 3]))
            .filter(|n| app.is_none_or(|app| app == ["main", "tool"][n % 2]))
            .map(|n| n as i64 * 1_000)
            .filter(|at| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to))
            .collect();
        assert_eq!(found, expected, "{query:?}");
    }
}

fn event(at: i64, kind: &'static str, actor: Actor, user: Option<&str>) -> EventRecord {
    EventRecord {
        at: Timestamp(at),
        kind,
        actor,
        key: user.map(|user| (*key(user, "main")).clone()),
        address: Some("::1".to_owned()),
        detail: Detail::new("why", vec![Clause::because(&StopReason::Idle)]),
    }
}

#[test]
fn a_users_events_are_those_about_them_and_those_by_them() {
    let mut store = Store::new();
    let name = |name: &str| UserName::new(name).unwrap();
    let events = vec![
        event(1, "seat_ready", Actor::Usher, Some("a")),
        event(2, "seat_kept", Actor::User(name("a")), Some("a")),
        event(3, "kicked", Actor::Admin(name("a")), Some("b")),
        event(4, "seat_ready", Actor::Usher, Some("b")),
        event(5, "reloaded", Actor::Operator, None),
    ];
    store.journal.write(&Batch { events, ..Batch::default() }).unwrap();
    let times = |query: EventQuery| -> Vec<i64> {
        store.reports.events(&query).unwrap().rows.iter().map(|row| row.at.0).collect()
    };
    assert_eq!(times(EventQuery::default()), [5, 4, 3, 2, 1]);
    let of = |user: &str| EventQuery { user: Some(user.to_owned()), ..EventQuery::default() };
    assert_eq!(times(of("a")), [3, 2, 1]);
    assert_eq!(times(of("b")), [4, 3]);
    let kind = Some("seat_ready".to_owned());
    assert_eq!(times(EventQuery { kind: kind.clone(), ..of("a") }), [1]);
    assert_eq!(times(EventQuery { kind, ..EventQuery::default() }), [4, 1]);
    let app = Some("main".to_owned());
    assert_eq!(times(EventQuery { app, ..EventQuery::default() }), [4, 3, 2, 1]);

    let mut query = EventQuery { limit: Limit::new(1), ..of("a") };
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let page = store.reports.events(&query).unwrap();
        seen.extend(page.rows.iter().map(|row| row.at.0));
        let Some(after) = page.after else { break };
        query.after = Some(after);
    }
    assert_eq!(seen, [3, 2, 1]);
    let newest = &store.reports.events(&of("a")).unwrap().rows[0];
    assert_eq!((newest.actor.as_str(), newest.actor_name.as_deref()), ("admin", Some("a")));
    assert_eq!((newest.user.as_deref(), newest.app.as_deref()), (Some("b"), Some("main")));
}

#[test]
fn starts_of_a_seat_and_of_an_app() {
    let mut store = Store::new();
    let start = |at: i64, user: &str, app: &str| StartRecord {
        at: Timestamp(at),
        key: key(user, app),
        launch: LaunchKind::Fork,
        start_ms: 100 + at as u64,
        queued_ms: 0,
    };
    let starts = vec![start(1, "a", "main"), start(2, "b", "main"), start(3, "a", "tool")];
    store.journal.write(&Batch { starts, ..Batch::default() }).unwrap();
    let times = |user: Option<&str>, app: &str, rows: usize| -> Vec<i64> {
        let rows = store.reports.starts(user, app, Limit::new(rows)).unwrap();
        rows.iter().map(|row| row.at.0).collect()
    };
    assert_eq!(times(None, "main", 10), [2, 1]);
    assert_eq!(times(Some("a"), "main", 10), [1]);
    assert_eq!(times(None, "main", 1), [2]);
    assert_eq!(
        store.reports.starts(Some("a"), "tool", Limit::default()).unwrap()[0].launch,
        "fork"
    );
}

#[test]
fn when_somebody_was_seen_last() {
    let mut store = Store::new();
    store.write(vec![
        visit("a", "main", Timestamp(1_000), 500),
        visit("a", "tool", Timestamp(5_000), 700),
        visit("b", "main", Timestamp(2_000), 10),
    ]);
    let seen = store.reports.last_seen(&["b", "nobody", "a"]).unwrap();
    let times: Vec<_> = seen.iter().map(|seen| seen.as_ref().map(|seen| seen.at.0)).collect();
    assert_eq!(times, [Some(2_010), None, Some(5_700)]);
    assert_eq!(seen[2].as_ref().unwrap().app, "tool");
}
