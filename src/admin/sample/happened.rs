//! Sample events: what happens to seats as the supervisor notes it, and the rest as `operate`, `gate`
//! and the account record it.

use crate::domain::{Detail, Exit, Failure, LaunchKind, StopReason, UserName, Word};
use crate::pages::{Reason, RestrictedReason};
use crate::supervise::{Happening, Order, Refusal};
use crate::trust::sessions::Over;

/// Events with their kinds: each kind at least once.
pub(super) fn events() -> Vec<(&'static str, Detail)> {
    let seats = happenings().into_iter().map(|what| (what.code(), what.detail()));
    seats.chain(others()).collect()
}

fn happenings() -> Vec<Happening> {
    let crashed = |exit, failures, retry_after_ms| Happening::Crashed {
        failure: Failure::Crashed(exit),
        ran_ms: 612_345,
        failures,
        retry_after_ms,
    };
    let stopped = |reason, exit, ran_ms| Happening::Stopped { reason, exit, ran_ms };
    let memory = StopReason::Memory { used_bytes: 2_469_606_195, limit_bytes: 2 << 30 };
    vec![
        Happening::Launching,
        Happening::Ready { kind: LaunchKind::Fork, start_ms: 430, queued_ms: 0 },
        Happening::Ready { kind: LaunchKind::Spawn, start_ms: 3_412, queued_ms: 2_100 },
        Happening::Adopted { kind: LaunchKind::Spawn },
        Happening::Gone,
        crashed(Exit::Signal(11), 1, Some(0)),
        crashed(Exit::Code(1), 3, Some(1_900)),
        Happening::StartFailed {
            failure: Failure::ScriptMissing { path: "/srv/apps/src/main.py".to_owned() },
            failures: 5,
            retry_after_ms: None,
        },
        Happening::Stopping { reason: StopReason::Idle },
        stopped(StopReason::Untouched, Some(Exit::Signal(15)), 28_845_000),
        Happening::Stopping { reason: memory },
        stopped(StopReason::Cancelled, None, 0),
        Happening::Lingers { since_ms: 30_000 },
        Happening::Refused(Refusal::Full { seats_max: 100 }),
        Happening::Ordered(Order::Restart),
        Happening::Kept,
        Happening::Closed { websockets: 2 },
        Happening::Outdated,
        Happening::Violated { rule: "a ready seat has an endpoint" },
    ]
}

fn others() -> Vec<(&'static str, Detail)> {
    let problem = "conf/usher.yaml:12:5: apps.main.titel: unknown key; did you mean title?";
    let changes = ["apps: main changed (idle_timeout)", "users: 서연 added"].map(str::to_owned);
    let certificate = "/etc/usher/cert.pem";
    let expires = format!("{certificate} expires on 2026-12-05, in 9 days");
    let turned_away = |reason: RestrictedReason, request: &str| {
        let why = Word::by_key(reason.title_key());
        Detail::turned_away(reason.code(), why, request.to_owned())
    };
    let payroll = RestrictedReason::NotGranted { app: "payroll".to_owned() };
    let mut others = vec![
        ("kicked", Detail::seat_kicked(2)),
        ("notice", Detail::notice("오늘 18시에 서버를 업그레이드합니다. 5분쯤 걸립니다.")),
        ("upgrade", Detail::upgrade("/opt/usher/usher-2.1")),
        ("reloaded", Detail::reloaded(&changes)),
        ("reload_refused", Detail::reload_refused(problem, 2)),
        ("stranger", turned_away(RestrictedReason::Stranger, "GET /")),
        ("refused", turned_away(payroll, "GET /app/payroll/")),
        ("signed_in", Detail::none()),
        ("sign_in_failed", Detail::none()),
        ("certificate_expires", {
            Detail::certificate_expires(expires, certificate.to_owned(), Some(9))
        }),
        ("database_corrupt", {
            let aside = "usher.db.corrupt-2026-11-26T095811";
            Detail::set_aside("database disk image is malformed", aside)
        }),
        ("backup_made", Detail::backup_made("/srv/backups/usher-2026-11-26T040000.db", 48 << 20)),
        ("backup_failed", Detail::backup_failed("No space left on device (os error 28)")),
        ("something_new", Detail::new("what a newer usher says", Vec::new())),
    ];
    // A name that is none has no event here, and this one is a name.
    if let Ok(user) = UserName::new("지영") {
        others.push(("kicked", Detail::user_kicked(&user, 2)));
        others.push(("session_ended", Over::Idle.detail(&user)));
    }
    others
}

#[cfg(test)]
mod tests {
    use super::super::super::views::records::EventsPage;
    use super::super::{PageName, Sample, people, views};
    use super::*;
    use crate::domain::{Actor, Language};
    use crate::pages::Pages;
    use crate::pages::words::{EVENT_KINDS, STOPS_BECAUSE};

    #[test]
    fn every_kind_has_a_sample() {
        let events = events();
        let lacking: Vec<_> =
            EVENT_KINDS.iter().filter(|kind| events.iter().all(|(of, _)| of != *kind)).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }

    /// One of each. Who adds one is sent here by the compiler.
    fn reasons() -> Vec<StopReason> {
        let all = vec![
            StopReason::Idle,
            StopReason::Untouched,
            StopReason::Lifetime,
            StopReason::Memory { used_bytes: 1, limit_bytes: 2 },
            StopReason::Ordered(Actor::Operator),
            StopReason::Cancelled,
            StopReason::Removed,
            StopReason::Replaced,
            StopReason::Shutdown,
            StopReason::StartTimeout,
        ];
        for reason in &all {
            match reason {
                StopReason::Idle
                | StopReason::Untouched
                | StopReason::Lifetime
                | StopReason::Memory { .. }
                | StopReason::Ordered(_)
                | StopReason::Cancelled
                | StopReason::Removed
                | StopReason::Replaced
                | StopReason::Shutdown
                | StopReason::StartTimeout => {}
            }
        }
        let words: Vec<_> = all.iter().map(StopReason::as_str).collect();
        assert_eq!(words, STOPS_BECAUSE);
        all
    }

    /// One of each, as well.
    fn orders() -> Vec<Order> {
        let all = [Order::Start, Order::Stop, Order::Restart, Order::Retry];
        for order in all {
            match order {
                Order::Start | Order::Stop | Order::Restart | Order::Retry => {}
            }
        }
        all.to_vec()
    }

    /// One of each, as well.
    fn refusals() -> Vec<Refusal> {
        let failure = Failure::NoPortLeft { first: 1, last: 2 };
        let failed = |retry_after_ms| Refusal::Failed { failure: failure.clone(), retry_after_ms };
        let all = vec![
            Refusal::Full { seats_max: 1 },
            Refusal::TooManyWaiting { waiting_max: 1 },
            failed(Some(1)),
            failed(None),
            Refusal::BackingOff { failure: failure.clone(), retry_after_ms: 1 },
            Refusal::TooSlow,
            Refusal::Draining,
            Refusal::Cancelled,
            Refusal::Removed,
        ];
        for refusal in &all {
            match refusal {
                Refusal::Full { .. }
                | Refusal::TooManyWaiting { .. }
                | Refusal::Failed { .. }
                | Refusal::BackingOff { .. }
                | Refusal::TooSlow
                | Refusal::Draining
                | Refusal::Cancelled
                | Refusal::Removed => {}
            }
        }
        all
    }

    fn happenings() -> Vec<Happening> {
        let exits =
            [Exit::Code(1), Exit::Signal(9), Exit::OutOfMemory { limit_bytes: 1 }, Exit::Unknown];
        let stopped = exits.map(Some).into_iter().chain([None]).map(|exit| Happening::Stopped {
            reason: StopReason::Idle,
            exit,
            ran_ms: 1,
        });
        let stopping = reasons().into_iter().map(|reason| Happening::Stopping { reason });
        let adopted = LaunchKind::ALL.into_iter().map(|kind| Happening::Adopted { kind });
        let ordered = orders().into_iter().map(Happening::Ordered);
        let refused = refusals().into_iter().map(Happening::Refused);
        stopped.chain(stopping).chain(adopted).chain(ordered).chain(refused).collect()
    }

    #[test]
    fn every_word_that_an_event_can_have_is_said_in_both_languages() {
        let pages = Pages::load(None).expect("the built-in pages");
        for what in happenings() {
            let page = EventsPage {
                events: Some(people::lines_of(vec![(what.code(), what.detail())])),
                ..people::events(Some(true))
            };
            let template = views::templates(PageName::Events).0;
            let sample = Sample::new("one", template, PageName::Events, page);
            for language in Language::ALL {
                let response = sample.render(&pages, language);
                let html = String::from_utf8_lossy(&response.body).into_owned();
                assert!(!html.contains("<span lang=\"en\">"), "{language:?}: {what:?}");
            }
        }
    }
}
