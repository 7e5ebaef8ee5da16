//! What every test of the machine needs, and what the simulation cannot show: answers that the
//! driver never gives, a rule that is broken, a flood.

use std::sync::Arc;

use super::Machine;
use crate::clock::{Moment, Timestamp};
use crate::domain::{
    Actor, AppSlug, Endpoint, Failure, Generation, LaunchKind, Role, SeatKey, SeatState, UserName,
};
use crate::launch::{Allowance, Started};
use crate::supervise::Order;
use crate::supervise::activity::Activity;
use crate::supervise::event::{Action, Event, News, WaiterId};
use crate::supervise::rules::{Limits, RECHECK_MS, SeatRules};

/// A seat's key.
pub(crate) fn key(user: &str, app: &str) -> Arc<SeatKey> {
    Arc::new(SeatKey {
        user: UserName::new(user).expect("a name"),
        app: AppSlug::new(app).expect("a slug"),
    })
}

/// Rules with every limit that ends a ready seat off.
pub(crate) fn rules() -> SeatRules {
    SeatRules {
        role: Role::User,
        fingerprint: 1,
        start_timeout_ms: 60_000,
        idle_timeout_ms: None,
        untouched_timeout_ms: None,
        lifetime_max_ms: None,
        allowance: Allowance::default(),
        stop_grace_ms: 3_000,
        restart_attempts_max: 5,
        restart_within_ms: 600_000,
    }
}

fn of(key: &Arc<SeatKey>, generation: u64, news: News) -> Event {
    Event::Of { key: Arc::clone(key), generation: Generation(generation), news }
}

/// A machine with one ready seat that is stopped after a second without use.
fn one_ready_seat(key: &Arc<SeatKey>) -> Machine {
    let limits = Limits { seats_max: 1, starts_at_once_max: 1, waiting_per_seat_max: 1 };
    let mut machine = Machine::new(limits, Generation(0));
    let rules = Arc::new(SeatRules { idle_timeout_ms: Some(1_000), ..rules() });
    machine.step(Moment(0), Event::AdoptionOver);
    machine.step(Moment(0), Event::Acquire { key: Arc::clone(key), rules, waiter: None });
    let started = Started {
        key: SeatKey::clone(key),
        generation: Generation(1),
        kind: LaunchKind::Upstream,
        pid: None,
        process_started_ticks: None,
        endpoint: Endpoint::Tcp(([127, 0, 0, 1], 9_000).into()),
        launched_at: Timestamp(0),
        fingerprint: 1,
    };
    machine.step(Moment(0), of(key, 1, News::Launched(Arc::new(started))));
    machine.step(Moment(0), of(key, 1, News::Healthy));
    machine
}

/// Somebody who comes again and again between the look and the seal does not make it spin.
#[test]
fn a_seal_that_fails_is_not_tried_again_at_once() {
    let key = key("kim", "main");
    let mut machine = one_ready_seat(&key);
    for round in 1..10 {
        let due = machine.deadline().expect("a look");
        assert!(due >= Moment(round * RECHECK_MS), "round {round}: {due:?}");
        let looks = machine.step(due, Event::Tick);
        assert!(matches!(looks[..], [Action::Observe { .. }]), "{looks:?}");
        let seals = machine.step(due, of(&key, 1, News::Observed(Activity::default())));
        assert!(matches!(seals[..], [Action::SealIfUnused { .. }]), "{seals:?}");
        assert!(machine.step(due, of(&key, 1, News::Busy(Activity::default()))).is_empty());
    }
    let due = machine.deadline().expect("a look");
    machine.step(due, of(&key, 1, News::Observed(Activity::default())));
    let ends = machine.step(due, of(&key, 1, News::Sealed));
    assert!(ends.iter().any(|action| matches!(action, Action::Retire { .. })), "{ends:?}");
}

/// What a release build does when a rule is broken: it says so and fails the one seat.
#[test]
fn a_broken_rule_fails_one_seat() {
    let key = key("kim", "main");
    let mut machine = one_ready_seat(&key);
    machine.fail_for_fault(Moment(5), &key, "a rule");
    assert_eq!(machine.status_of(&key, Moment(5)).state, SeatState::Stopping);
    machine.step(Moment(6), of(&key, 1, News::Cleaned));
    let status = machine.status_of(&key, Moment(6));
    assert_eq!(status.state, SeatState::Failed);
    assert!(matches!(status.failure, Some(Failure::System { .. })));
    // The person's retry is enough to go on.
    let retry = Event::Order {
        key: Arc::clone(&key),
        rules: Some(Arc::new(rules())),
        order: Order::Retry,
        actor: Actor::User(key.user.clone()),
    };
    let actions = machine.step(Moment(7), retry);
    assert!(actions.iter().any(|action| matches!(action, Action::Launch { .. })), "{actions:?}");
}

/// The same refusal again and again is noted once in a while, whoever hammers at the door.
#[test]
fn refusals_do_not_flood_the_record() {
    let mut machine = one_ready_seat(&key("kim", "main"));
    let mut noted = 0;
    for ms in 0..25_000 {
        let (key, rules) = (key("lee", "main"), Arc::new(rules()));
        let waiter = Some(WaiterId(ms));
        let actions = machine.step(Moment(ms), Event::Acquire { key, rules, waiter });
        assert!(actions.iter().any(|action| matches!(action, Action::Refuse { .. })));
        noted += actions.iter().filter(|action| matches!(action, Action::Note { .. })).count();
    }
    assert_eq!(noted, 3);
}
