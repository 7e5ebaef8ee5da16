//! What the people at the door were promised, told without the machine: who waits gets exactly
//! one answer, nobody is stopped who uses their seat, and so on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use usher::clock::Moment;
use usher::domain::{Generation, SeatKey, StopReason};
use usher::launch::Usage;
use usher::supervise::event::{Action, WaiterId};
use usher::supervise::rules::{Limits, SeatRules};
use usher::supervise::{Drain, Happening, Refusal};

use crate::world::{Launch, ReadySeat};

#[derive(Clone)]
pub(crate) struct Promises {
    /// Who waits, for which seat.
    pub(crate) waiting: BTreeMap<WaiterId, usize>,
    pub(crate) limits: Limits,
    pub(crate) draining: Option<Drain>,
    pub(crate) drained: bool,
    /// What has happened, in words: a simulation in which nothing happens proves nothing.
    pub(crate) seen: BTreeSet<&'static str>,
    generation_last: BTreeMap<usize, u64>,
    /// When a launch became ready, was kept, was measured: by generation.
    ready_at: BTreeMap<u64, Moment>,
    kept_at: BTreeMap<u64, Moment>,
    weights: BTreeMap<u64, Usage>,
    /// When a seat that failed may be tried again.
    next_tries: BTreeMap<usize, Moment>,
}

impl Promises {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            waiting: BTreeMap::new(),
            limits,
            draining: None,
            drained: false,
            seen: BTreeSet::new(),
            generation_last: BTreeMap::new(),
            ready_at: BTreeMap::new(),
            kept_at: BTreeMap::new(),
            weights: BTreeMap::new(),
            next_tries: BTreeMap::new(),
        }
    }

    // ------------------------------------------------------------------ who waits

    pub(crate) fn waits(&mut self, waiter: WaiterId, seat: usize) {
        self.waiting.insert(waiter, seat);
    }

    pub(crate) fn leaves(&mut self) -> Option<(WaiterId, usize)> {
        self.waiting.pop_first()
    }

    pub(crate) fn granted(&mut self, waiter: WaiterId, seat: usize) {
        let waited_for = self.waiting.remove(&waiter);
        assert_eq!(waited_for, Some(seat), "granted to somebody who does not wait for it");
        assert!(self.draining.is_none(), "granted while usher leaves");
    }

    pub(crate) fn refused(&mut self, waiter: WaiterId, refusal: &Refusal) {
        assert!(self.waiting.remove(&waiter).is_some(), "refused to somebody who does not wait");
        self.seen.insert(refusal.code());
        match refusal {
            Refusal::Draining => assert!(self.draining.is_some(), "usher does not leave"),
            Refusal::Full { seats_max } => assert_eq!(*seats_max, self.limits.seats_max),
            Refusal::BackingOff { retry_after_ms, .. } => assert!(*retry_after_ms > 0),
            Refusal::TooManyWaiting { waiting_max } => {
                assert_eq!(*waiting_max, self.limits.waiting_per_seat_max);
            }
            Refusal::Failed { .. } | Refusal::TooSlow | Refusal::Cancelled | Refusal::Removed => {}
        }
    }

    pub(crate) fn nobody_waits_after_a_failed_start(&self, seat: usize) {
        self.nobody_waits(seat, "a failed start answers at once");
    }

    pub(crate) fn nobody_waits_for_what_was_removed(&self, seat: usize) {
        self.nobody_waits(seat, "what was removed is refused at once");
    }

    fn nobody_waits(&self, seat: usize, rule: &str) {
        assert!(!self.waiting.values().any(|waits| *waits == seat), "{rule}");
    }

    // ------------------------------------------------------------------ what is done

    pub(crate) fn see(&mut self, now: Moment, action: &Action, keys: &[Arc<SeatKey>]) {
        match action {
            Action::Launch { key, generation } => {
                let seat = keys.iter().position(|other| other == key).expect("a key");
                assert!(self.draining.is_none(), "launched while usher leaves");
                let last = self.generation_last.insert(seat, generation.0);
                assert!(last.is_none_or(|last| last < generation.0), "generations only grow");
            }
            Action::Publish(started) => {
                assert!(self.draining.is_none(), "published while usher leaves");
                self.ready_at.entry(started.generation.0).or_insert(now);
            }
            Action::Stop(_)
            | Action::Clean(_)
            | Action::AbortLaunch { .. }
            | Action::Watch(_)
            | Action::Probe(_)
            | Action::EndProbe { .. }
            | Action::Suspend { .. }
            | Action::SealIfUnused { .. }
            | Action::Retire { .. }
            | Action::Observe { .. }
            | Action::Weigh { .. }
            | Action::Grant { .. }
            | Action::Refuse { .. }
            | Action::Reply(_)
            | Action::Note { .. }
            | Action::Drained => {}
        }
    }

    /// A seat that failed waits for its next try, or for somebody who acts.
    pub(crate) fn failed_or_forgiven(&mut self, now: Moment, seat: usize, what: &Happening) {
        match what {
            Happening::StartFailed { retry_after_ms, .. }
            | Happening::Crashed { retry_after_ms, .. } => {
                let never = Moment(u64::MAX);
                self.next_tries.insert(seat, retry_after_ms.map_or(never, |ms| now.plus_ms(ms)));
            }
            // Another process that lives has taken the failed one's place, or somebody acted.
            Happening::Adopted { .. } | Happening::Ordered(_) => self.forgive(seat),
            Happening::Launching
            | Happening::Ready { .. }
            | Happening::Stopping { .. }
            | Happening::Stopped { .. }
            | Happening::Lingers { .. }
            | Happening::Gone
            | Happening::Refused(_)
            | Happening::Kept
            | Happening::Closed { .. }
            | Happening::Outdated
            | Happening::Violated { .. } => {}
        }
    }

    pub(crate) fn forgive(&mut self, seat: usize) {
        self.next_tries.remove(&seat);
    }

    pub(crate) fn next_try_at(&self, seat: usize) -> Moment {
        self.next_tries.get(&seat).copied().unwrap_or_default()
    }

    pub(crate) fn kept(&mut self, generation: u64, now: Moment) {
        self.kept_at.insert(generation, now);
    }

    pub(crate) fn weighed(&mut self, generation: u64, usage: Usage) {
        self.weights.insert(generation, usage);
    }

    /// Nobody is stopped by a rule that does not apply to them.
    pub(crate) fn noted(
        &mut self,
        now: Moment,
        generation: Option<Generation>,
        what: &Happening,
        rules: Option<&SeatRules>,
        ready: Option<&ReadySeat>,
    ) {
        self.seen.insert(what.code());
        if let Happening::Stopping { reason } | Happening::Stopped { reason, .. } = what {
            self.seen.insert(reason.as_str());
        }
        let (Happening::Stopping { reason }, Some(rules), Some(generation)) =
            (what, rules, generation)
        else {
            return;
        };
        let generation = generation.0;
        let Some(ready) = ready.filter(|ready| ready.generation == generation) else { return };
        let activity = &ready.activity;
        let since = |marks: &[Option<Moment>]| {
            let known = [self.ready_at.get(&generation), self.kept_at.get(&generation)];
            let latest = marks.iter().flatten().chain(known.into_iter().flatten()).max();
            now.since_ms(*latest.expect("it was ready"))
        };
        match reason {
            StopReason::Idle => {
                assert_eq!(ready.requests + ready.sockets, 0, "idle with somebody connected");
                let idle_ms = since(&[activity.last_request_at, activity.last_socket_at]);
                assert!(idle_ms >= rules.idle_timeout_ms.expect("a limit"), "idle too early");
            }
            StopReason::Untouched => {
                assert!(ready.sockets > 0, "untouched without a tab");
                let marks =
                    [activity.last_act_at, activity.last_socket_at, activity.last_app_data_at];
                let untouched_ms = since(&marks);
                let limit_ms = rules.untouched_timeout_ms.expect("a limit");
                assert!(untouched_ms >= limit_ms, "untouched too early");
            }
            StopReason::Memory { used_bytes, limit_bytes } => {
                assert!(used_bytes > limit_bytes, "within its memory");
                assert_eq!(self.weights[&generation].memory_bytes, *used_bytes);
            }
            StopReason::Replaced => {}
            StopReason::Shutdown => assert!(self.draining.is_some(), "usher does not leave"),
            StopReason::Lifetime
            | StopReason::Ordered(_)
            | StopReason::Cancelled
            | StopReason::Removed
            | StopReason::StartTimeout => {}
        }
    }

    // ------------------------------------------------------------------ usher's coming and going

    /// A process of an earlier usher turned up.
    pub(crate) fn adopted(&mut self, launch: Launch) {
        let last = self.generation_last.entry(launch.seat).or_default();
        *last = launch.generation.max(*last);
    }

    pub(crate) fn drains(&mut self, how: Drain) {
        if self.draining != Some(Drain::StopSeats) {
            self.draining = Some(how);
            self.drained = false;
        }
    }

    pub(crate) fn drained(&mut self, alive: bool) {
        let how = self.draining.expect("usher leaves");
        assert!(how == Drain::KeepSeats || !alive, "drained with a process alive");
        assert!(self.waiting.is_empty(), "drained while somebody waits");
        assert!(!self.drained, "drained twice");
        self.drained = true;
    }
}
