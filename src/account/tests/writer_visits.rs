//! Visits through the writer: facts that get lost, ushers that are killed, settings that change.

use super::*;

const SECOND: u64 = 1_000;

#[test]
fn a_killed_usher_loses_less_than_two_seconds() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    house.writer.round();
    for run_ms in [10_000, 13_250, 61_700] {
        let stay = house.stay("jiyoung", "main");
        let before = house.visits().len();
        house.pass(run_ms, 250);
        let kept = house.visits()[before..].to_vec();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept[0].ended_at, None);
        assert!(kept[0].dwell_ms <= run_ms && kept[0].dwell_ms > run_ms - 2_000, "{kept:?}");
        // The facts of a killed usher are never told.
        std::mem::forget(stay);
        house.clock.pass(5 * 60 * SECOND);
        house.killed_and_started();
        let closed = house.visits()[before].clone();
        assert_eq!(closed.ended_at, Some(kept[0].seen_at));
        assert_eq!(closed.ended_because.as_deref(), Some("usher_stopped"));
        assert_eq!(closed.dwell_ms, kept[0].dwell_ms);
    }
}

#[test]
fn who_comes_back_after_a_restart_continues_the_visit() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    let stay = house.stay("jiyoung", "main");
    house.pass(100 * SECOND, 250);
    // A stop in order this time.
    let mut stay = stay;
    stay.ends(StayEnd::UsherStops);
    drop(stay);
    assert!(house.writer.finish());
    let stopped = house.visits();
    assert_eq!(stopped[0].ended_because.as_deref(), Some("usher_stopped"));
    assert_eq!((stopped[0].dwell_ms, stopped.len()), (100 * SECOND, 1));
    house.clock.pass(20 * SECOND);
    house.killed_and_started();
    let stay = house.stay("jiyoung", "main");
    let other = house.stay("jiyoung", "tool");
    house.pass(30 * SECOND, 250);
    let visits = house.visits();
    assert_eq!(visits.len(), 2);
    assert_eq!((visits[0].id, visits[0].ended_at), (stopped[0].id, None));
    drop((stay, other));
    house.pass(130 * SECOND, 250);
    let visits = house.visits();
    assert_eq!((visits[0].dwell_ms, visits[1].dwell_ms), (130 * SECOND, 30 * SECOND));
    assert_eq!(visits[0].ended_at.unwrap().0 - visits[0].started_at.0, 150_000);
}

#[test]
fn who_comes_back_too_late_begins_another() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    let stay = house.stay("jiyoung", "main");
    house.pass(10 * SECOND, 250);
    drop(stay);
    assert!(house.writer.finish());
    house.clock.pass(120 * SECOND);
    house.killed_and_started();
    let _stay = house.stay("jiyoung", "main");
    house.pass(SECOND, 250);
    assert_eq!(house.visits().len(), 2);
}

#[test]
fn a_full_channel_costs_facts_and_not_the_visit() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    house.narrow(1);
    house.account.event(event("first"));
    // Its begin does not fit.
    let stay = house.stay("jiyoung", "main");
    assert_eq!(house.account.counters().facts_dropped(), 1);
    house.pass(10 * SECOND, 250);
    stay.from_browser(70);
    house.account.event(event("second"));
    // Its end does not fit either.
    drop(stay);
    assert_eq!(house.account.counters().facts_dropped(), 2);
    house.pass(5 * SECOND, 250);
    house.pass(130 * SECOND, 250);
    let visits = house.visits();
    assert_eq!(visits.len(), 1);
    assert!(visits[0].dwell_ms.abs_diff(10_000) <= 2_000, "{visits:?}");
    assert_eq!(visits[0].ended_because.as_deref(), Some("broken"));
    assert_eq!(visits[0].started_at, seoul("2026-07-01T09:00:00"));
}

pub(super) fn event(kind: &'static str) -> EventFact {
    EventFact {
        at: seoul("2026-07-01T09:00:00"),
        kind,
        actor: crate::domain::Actor::Operator,
        key: None,
        address: None,
        detail: crate::domain::Detail::none(),
    }
}

#[test]
fn a_short_visit_between_two_rounds_is_a_visit() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    let stay = house.stay("jiyoung", "main");
    house.clock.pass(40);
    stay.acted(house.clock.wall());
    stay.to_browser(9);
    house.clock.pass(60);
    drop(stay);
    house.pass(130 * SECOND, 250);
    let visits = house.visits();
    assert_eq!((visits[0].dwell_ms, visits[0].active_ms, visits[0].out_bytes), (100, 60, 9));
}

#[test]
fn nothing_is_recorded_of_visits_while_that_is_off() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    let stay = house.stay("jiyoung", "main");
    house.pass(10 * SECOND, 250);
    house.configure(|settings| settings.visits.record = false);
    house.pass(10 * SECOND, 250);
    let other = house.stay("hana", "main");
    house.pass(10 * SECOND, 250);
    drop(other);
    house.pass(SECOND, 250);
    assert_eq!(house.visits().len(), 1);
    assert!(house.visits()[0].dwell_ms <= 10_250);
    assert!(house.visits()[0].ended_at.is_some());
    house.configure(|settings| {
        settings.visits.record = true;
        settings.visits.gap_ms = 5_000;
    });
    house.pass(10 * SECOND, 250);
    drop(stay);
    house.pass(10 * SECOND, 250);
    let visits = house.visits();
    assert_eq!(visits.len(), 2, "what is open when it is on again counts from then");
    assert!(visits[1].dwell_ms.abs_diff(10_000) <= 500, "{visits:?}");
    assert!(visits[1].ended_at.is_some(), "the shorter gap applies");
}

#[test]
fn starts_and_samples_are_kept() {
    let mut house = House::new(seoul("2026-07-01T09:00:00"));
    let at = house.clock.wall();
    let (launch, start_ms, queued_ms) = (crate::domain::LaunchKind::Fork, 230, 5);
    house.account.started(StartFact { at, key: key("hana", "main"), launch, start_ms, queued_ms });
    house.account.machine_measured(MachineSample { cpu_cores: 1.5, ..MachineSample::default() });
    house.account.seats_measured(vec![SeatSample {
        key: key("hana", "main"),
        cpu_cores: 0.5,
        memory_bytes: 77,
        threads: Some(9),
        open_files: Some(11),
    }]);
    house.pass(SECOND, 250);
    let reports = house.database.reports();
    assert_eq!(reports.starts(Some("hana"), "main", Limit::default()).unwrap()[0].start_ms, 230);
    let query = crate::store::SampleQuery {
        from: Timestamp(at.0 - 1000),
        to: Timestamp(at.0 + 1000),
        points_max: 10,
        now: at,
    };
    assert_eq!(reports.machine(&query).unwrap().points[0].cpu_cores, 1.5);
    let seat = reports.seat("hana", "main", &query).unwrap().points[0];
    assert_eq!((seat.memory_bytes, seat.threads, seat.open_files), (77, Some(9), Some(11)));
}

#[test]
fn who_is_here_is_told_by_user_and_app() {
    let house = House::new(seoul("2026-07-01T09:00:00"));
    let first = house.stay("jiyoung", "main");
    house.clock.pass(5_000);
    let second = house.stay("jiyoung", "main");
    let _other = house.stay("hana", "main");
    second.acted(house.clock.wall());
    let present = house.account.present();
    assert_eq!(present.len(), 2);
    assert_eq!((present[0].key.clone(), present[0].websockets), (key("jiyoung", "main"), 2));
    assert_eq!(present[0].since, first.live().began_at);
    assert_eq!(present[0].last_act_at, Some(house.clock.wall()));
    assert_eq!((present[0].browser.as_str(), present[1].last_act_at), ("curl/8.5", None));
}
