//! What a happening says, as clauses: the same as its English text, part by part, so that the
//! administrators' pages say it in their language.

use super::Happening;
use crate::domain::{Clause, Detail, Exit, StopReason, Word, signal_name};
use crate::supervise::{Order, Refusal};

impl Happening {
    /// What the event of it says.
    pub fn detail(&self) -> Detail {
        Detail::new(self.to_string(), self.clauses())
    }

    fn clauses(&self) -> Vec<Clause> {
        match self {
            Happening::Launching => vec![Clause::Launching {}],
            Happening::Ready { kind, start_ms, queued_ms } => {
                let queued = (*queued_ms > 0).then_some(Clause::Queued { time: *queued_ms });
                let ready = Clause::Ready { time: *start_ms, how: (*kind).into() };
                queued.into_iter().chain([ready]).collect()
            }
            Happening::Adopted { kind } => vec![Clause::Adopted { how: (*kind).into() }],
            Happening::Gone => vec![Clause::Gone {}],
            Happening::StartFailed { failure, failures, retry_after_ms } => {
                vec![failure.into(), next_try(*failures, *retry_after_ms)]
            }
            Happening::Crashed { failure, ran_ms, failures, retry_after_ms } => {
                let after = Clause::After { time: whole_seconds(*ran_ms) };
                vec![failure.into(), after, next_try(*failures, *retry_after_ms)]
            }
            Happening::Stopping { reason } => why(reason),
            Happening::Stopped { reason, exit: Some(exit), ran_ms } => {
                let mut clauses = why(reason);
                clauses.push(Clause::Ran { time: whole_seconds(*ran_ms) });
                let end = ended(*exit);
                if !clauses.contains(&end) {
                    clauses.push(end);
                }
                clauses
            }
            Happening::Stopped { reason, exit: None, ran_ms: _ } => {
                let mut clauses = vec![Clause::StartEnded {}];
                clauses.extend(why(reason));
                clauses
            }
            Happening::Lingers { since_ms } => {
                vec![Clause::Lingers { time: whole_seconds(*since_ms) }]
            }
            Happening::Refused(refusal) => refused(refusal),
            Happening::Ordered(order) => vec![Clause::Ordered { order: (*order).into() }],
            Happening::Kept => vec![Clause::Kept {}],
            Happening::Closed { websockets } => {
                vec![Clause::Closed { count: *websockets as u64 }]
            }
            Happening::Outdated => vec![Clause::Outdated {}],
            Happening::Violated { rule } => vec![Clause::Violated { rule: (*rule).to_owned() }],
        }
    }
}

impl From<Order> for Word {
    fn from(order: Order) -> Self {
        match order {
            Order::Start | Order::Stop | Order::Restart => Word::of("action", order.as_str()),
            // The word of the button that the person pressed.
            Order::Retry => Word::of("problem", "retry"),
        }
    }
}

fn next_try(failures: u32, retry_after_ms: Option<u64>) -> Clause {
    let failures: u64 = failures.into();
    match retry_after_ms {
        Some(0) => Clause::NextAtRequest {},
        // What fails before there is a process does not count.
        Some(ms) if failures == 0 => Clause::NextIn { time: begun_seconds(ms) },
        Some(ms) => Clause::NextAfterFailures { time: begun_seconds(ms), failures },
        None => Clause::LeftFailed { failures },
    }
}

fn why(reason: &StopReason) -> Vec<Clause> {
    let mut clauses = vec![Clause::because(reason)];
    match reason {
        StopReason::Memory { used_bytes, limit_bytes } if used_bytes > limit_bytes => {
            clauses.push(Clause::MemoryUsed { used: *used_bytes, limit: *limit_bytes });
        }
        StopReason::Memory { used_bytes: _, limit_bytes } => {
            clauses.push(Clause::MemoryLimit { limit: *limit_bytes });
        }
        StopReason::Idle
        | StopReason::Untouched
        | StopReason::Lifetime
        // The event says who it was.
        | StopReason::Ordered(_)
        | StopReason::Cancelled
        | StopReason::Removed
        | StopReason::Replaced
        | StopReason::Shutdown
        | StopReason::StartTimeout => {}
    }
    clauses
}

fn ended(exit: Exit) -> Clause {
    match exit {
        Exit::Code(status) => Clause::ExitCode { status: status.to_string() },
        Exit::Signal(signal) => Clause::ExitSignal { signal: signal_name(signal) },
        Exit::OutOfMemory { limit_bytes } => Clause::MemoryLimit { limit: limit_bytes },
        Exit::Unknown => Clause::ExitUnknown {},
    }
}

fn refused(refusal: &Refusal) -> Vec<Clause> {
    match refusal {
        Refusal::Full { seats_max } => vec![Clause::SeatsTaken { limit: (*seats_max).into() }],
        Refusal::TooManyWaiting { waiting_max } => {
            vec![Clause::TooManyWaiting { limit: (*waiting_max).into() }]
        }
        Refusal::Failed { failure, retry_after_ms: Some(ms) }
        | Refusal::BackingOff { failure, retry_after_ms: ms } => {
            vec![failure.into(), Clause::NextIn { time: begun_seconds(*ms) }]
        }
        Refusal::Failed { failure, retry_after_ms: None } => {
            vec![failure.into(), Clause::StaysFailed {}]
        }
        Refusal::TooSlow => vec![Clause::because(&StopReason::StartTimeout)],
        Refusal::Draining => vec![Clause::because(&StopReason::Shutdown)],
        Refusal::Cancelled => vec![Clause::because(&StopReason::Cancelled)],
        Refusal::Removed => vec![Clause::because(&StopReason::Removed)],
    }
}

/// Nobody wants the milliseconds of ten minutes.
fn whole_seconds(ms: u64) -> u64 {
    ms / 1000 * 1000
}

/// A wait is over when the last second of it is.
fn begun_seconds(ms: u64) -> u64 {
    ms.div_ceil(1000) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, LaunchKind};

    fn codes(what: &Happening) -> Vec<&'static str> {
        what.detail().clauses().iter().map(Clause::code).collect()
    }

    #[test]
    fn a_happening_says_its_parts_in_order() {
        let failure = Failure::Crashed(Exit::Signal(11));
        let crash = |retry_after_ms| Happening::Crashed {
            failure: failure.clone(),
            ran_ms: 612_345,
            failures: 2,
            retry_after_ms,
        };
        let failed = ["failure.signalled.what", "detail.after"];
        for (retry_after_ms, next) in [
            (Some(0), "detail.next_at_request"),
            (Some(1), "detail.next_after_failures"),
            (None, "detail.left_failed"),
        ] {
            assert_eq!(codes(&crash(retry_after_ms)), [failed[0], failed[1], next]);
        }
        let ready =
            |queued_ms| Happening::Ready { kind: LaunchKind::Fork, start_ms: 430, queued_ms };
        assert_eq!(codes(&ready(0)), ["detail.ready"]);
        assert_eq!(codes(&ready(3_000)), ["detail.queued", "detail.ready"]);
        let stopped = |exit| Happening::Stopped { reason: StopReason::Idle, exit, ran_ms: 1 };
        assert_eq!(codes(&stopped(None)), ["detail.start_ended", "detail.because"]);
        let ended = ["detail.because", "detail.ran", "detail.exit_code"];
        assert_eq!(codes(&stopped(Some(Exit::Code(0)))), ended);
    }

    #[test]
    fn times_are_as_in_the_english_text() {
        let failure = Failure::Crashed(Exit::Code(1));
        let what = Happening::Crashed {
            failure,
            ran_ms: 61_999,
            failures: 3,
            retry_after_ms: Some(1_001),
        };
        let detail = what.detail();
        assert!(detail.text().contains("after 61 s") && detail.text().contains("in 2 s"));
        assert_eq!(detail.clauses()[1], Clause::After { time: 61_000 });
        assert_eq!(detail.clauses()[2], Clause::NextAfterFailures { time: 2_000, failures: 3 });
    }

    #[test]
    fn memory_is_said_as_it_was_measured() {
        let stopping = |used_bytes| Happening::Stopping {
            reason: StopReason::Memory { used_bytes, limit_bytes: 512 },
        };
        assert_eq!(codes(&stopping(600)), ["detail.because", "detail.memory_used"]);
        assert_eq!(codes(&stopping(500)), ["detail.because", "detail.memory_limit"]);
    }
}
