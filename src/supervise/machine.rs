//! The seats' state machine: everything that is decided about seats, and nothing that is done.
//!
//! `step(now, event)` takes what happened and returns what shall be done; `deadline()` says when
//! it wants to be asked next; `status()` says what it knows. No clock, no process, no task, no
//! log: the driver has those and decides nothing. Late news of an old launch changes nothing.
//!
//! ```text
//! Absent ──acquire──▶ Queued ─▶ Launching(g) ──launched──▶ Probing(g) ──healthy──▶ Ready(g)
//!   ▲                               │ failed, late              │                     │ a rule, an order,
//!   │                               ▼                           ▼                     ▼ it ended by itself
//!   └── expiry ── Backoff ◀──── Stopping(g): aborting, terminating, cleaning ◀────────┘
//!                    Failed ◀───────┘  and, if somebody waits, back to Queued
//! ```
//!
//! This file has the types, the dispatch and the deadlines. `starting` leads to Ready, `ending`
//! away from it, `resting` watches what is Ready, `ordering` obeys people, `changing` the
//! configuration, `telling` answers questions and `checking` has what must always hold.

mod changing;
mod checking;
mod ended;
mod ending;
mod failures;
mod history;
mod ordering;
mod resting;
mod seat;
mod starting;
mod telling;
#[cfg(test)]
pub(super) mod tests;

pub use checking::Violation;
pub use telling::Status;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::event::{Action, Event, News, WaiterId};
use super::rules::{Limits, REFUSAL_NOTED_EVERY_MS, REFUSALS_NOTED_MAX, SeatRules};
use super::{Drain, Happening, OrderRefused, Refusal};
use crate::clock::Moment;
use crate::domain::{Actor, Generation, SeatKey};
use ended::Ended;
use history::History;
use seat::{Seat, State};

/// All seats. A copy is a world of its own, which is how all that can happen is tried.
#[derive(Clone, Debug)]
pub struct Machine {
    limits: Limits,
    /// Every seat that is not Absent. A seat is taken out while it is worked on.
    seats: BTreeMap<Arc<SeatKey>, Seat>,
    /// The Queued seats, first come first.
    queue: VecDeque<Arc<SeatKey>>,
    /// The highest generation that was given out or adopted.
    generation_last: Generation,
    /// Processes of earlier ushers may still turn up: nothing is launched.
    adopting: bool,
    draining: Option<Drain>,
    /// Whether [`Action::Drained`] was said.
    drained: bool,
    /// Processes without a seat that are being ended.
    strays: BTreeSet<(Arc<SeatKey>, Generation)>,
    history: History,
    ended: Ended,
    refusals_noted: BTreeMap<(Arc<SeatKey>, &'static str), Moment>,
    /// The latest moment that was seen; time never goes back in here.
    now: Moment,
    actions: Vec<Action>,
    violations: u64,
}

impl Machine {
    /// A machine without seats, waiting for [`Event::AdoptionOver`]. Generations go on after
    /// `generation_last`, which has to be higher than those of earlier ushers: their clock.
    pub fn new(limits: Limits, generation_last: Generation) -> Self {
        Self {
            limits,
            seats: BTreeMap::new(),
            queue: VecDeque::new(),
            generation_last,
            adopting: true,
            draining: None,
            drained: false,
            strays: BTreeSet::new(),
            history: History::default(),
            ended: Ended::default(),
            refusals_noted: BTreeMap::new(),
            now: Moment::default(),
            actions: Vec::new(),
            violations: 0,
        }
    }

    /// Takes what happened; returns what shall be done, in this order.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        let ticked = matches!(event, Event::Tick);
        self.dispatch(self.now, event);
        self.launch_next(self.now);
        self.tell_drained();
        self.check(ticked);
        std::mem::take(&mut self.actions)
    }

    fn dispatch(&mut self, now: Moment, event: Event) {
        match event {
            Event::Acquire { key, rules, waiter } => {
                self.with_seat(&key, Some(&rules), |machine, seat| {
                    machine.acquire(now, seat, waiter);
                });
            }
            Event::Abandon { key, waiter } => {
                if let Some(seat) = self.seats.get_mut(&key) {
                    seat.waiters.retain(|other| *other != waiter);
                }
            }
            Event::Of { key, generation, news } => self.news(now, &key, generation, news),
            Event::Order { key, rules, order, actor } => {
                self.order(now, &key, rules, order, actor);
            }
            Event::Cancel { key, watchers } => {
                self.with_seat(&key, None, |machine, seat| machine.cancel(now, seat, watchers));
            }
            Event::Keep { key, actor } => {
                self.with_seat(&key, None, |machine, seat| machine.keep(now, seat, actor));
            }
            Event::Configured { limits, rules } => self.configured(now, limits, &rules),
            Event::Recall { key, start_ms } => self.history.recall(&key, start_ms),
            Event::Adopt { started, age_ms, rules } => self.adopt(now, started, age_ms, rules),
            Event::AdoptionOver => self.adopting = false,
            Event::Drain(how) => self.drain(now, how),
            Event::Tick => self.tick(now),
        }
    }

    /// News of a launch that is not the seat's own changes nothing.
    fn news(&mut self, now: Moment, key: &Arc<SeatKey>, generation: Generation, news: News) {
        if self.seats.get(key).is_none_or(|seat| seat.generation != generation) {
            return self.late(key, generation, news);
        }
        self.with_seat(key, None, |machine, seat| match news {
            News::Launched(started) => machine.launched(now, seat, started),
            News::LaunchFailed(failure) => machine.launch_failed(now, seat, failure),
            News::Healthy => machine.healthy(now, seat),
            News::Unhealthy(failure) => machine.unhealthy(now, seat, failure),
            News::Exited(exit) => machine.exited(now, seat, exit),
            News::Cleaned => machine.cleaned(now, seat),
            News::Suspected => machine.suspected(now, seat),
            News::Observed(activity) => machine.observed(now, seat, activity),
            News::Sealed => machine.sealed(now, seat),
            News::Busy(activity) => machine.busy(now, seat, activity),
            News::Weighed(usage) => machine.weighed(now, seat, usage),
        });
    }

    /// Late news changes no seat. Only a process that turns up when nobody wants it any more has
    /// to go.
    fn late(&mut self, key: &Arc<SeatKey>, generation: Generation, news: News) {
        match news {
            News::Launched(started) => self.end_stray(key, started),
            News::Cleaned => {
                self.strays.remove(&(Arc::clone(key), generation));
            }
            News::LaunchFailed(_)
            | News::Healthy
            | News::Unhealthy(_)
            | News::Exited(_)
            | News::Suspected
            | News::Observed(_)
            | News::Sealed
            | News::Busy(_)
            | News::Weighed(_) => {}
        }
    }

    /// Takes a seat out of the table, works on it, and puts it back unless it is Absent. A seat
    /// that is not there is made if there are rules for it; otherwise it is Absent without any.
    fn with_seat(
        &mut self,
        key: &Arc<SeatKey>,
        rules: Option<&Arc<SeatRules>>,
        work: impl FnOnce(&mut Self, &mut Seat),
    ) {
        let absent = || {
            let none = || Arc::new(SeatRules::of_stray(0));
            Seat::absent(Arc::clone(key), rules.map_or_else(none, Arc::clone), self.now)
        };
        let mut seat = self.seats.remove(key).unwrap_or_else(absent);
        work(self, &mut seat);
        if !matches!(seat.state, State::Absent) {
            self.seats.insert(Arc::clone(&seat.key), seat);
        }
    }

    /// The moment at which [`Event::Tick`] is wanted; `None`: only when something happens.
    pub fn deadline(&self) -> Option<Moment> {
        self.seats.values().filter_map(|seat| self.deadline_of(seat)).min()
    }

    fn deadline_of(&self, seat: &Seat) -> Option<Moment> {
        match &seat.state {
            State::Absent | State::Queued | State::Failed { .. } => None,
            State::Launching { launched_at } => Some(seat.start_deadline(*launched_at)),
            // Usher leaves and the seat stays: its rules are the next usher's.
            State::Probing(_) | State::Ready(_) if self.draining.is_some() => None,
            State::Probing(probing) => Some(seat.probe_deadline(probing)),
            State::Ready(ready) => ready.deadline(),
            State::Stopping(stopping) => Some(stopping.deadline()),
            // Who follows the seat is told when the next try may be.
            State::Backoff { until, .. } if *until > self.now => Some(*until),
            State::Backoff { expires_at, .. } => Some(*expires_at),
        }
    }

    fn tick(&mut self, now: Moment) {
        let is_due = |seat: &&Seat| self.deadline_of(seat).is_some_and(|at| at <= now);
        let due: Vec<_> =
            self.seats.values().filter(is_due).map(|seat| Arc::clone(&seat.key)).collect();
        for key in due {
            self.with_seat(&key, None, |machine, seat| match seat.state {
                State::Absent | State::Queued | State::Failed { .. } => {}
                State::Launching { .. } | State::Probing(_) => machine.start_is_late(now, seat),
                State::Ready(_) => machine.ready_is_due(now, seat),
                State::Stopping(_) => machine.stopping_is_due(now, seat),
                State::Backoff { expires_at, .. } if expires_at <= now => {
                    seat.enter(now, State::Absent);
                }
                State::Backoff { .. } => {}
            });
        }
    }

    /// Seats that take a place: `limits.seats`.
    fn occupied(&self) -> usize {
        self.seats.values().filter(|seat| seat.is_occupied()).count()
    }

    /// Launches under way: `limits.starts_at_once`.
    fn starting(&self) -> usize {
        self.seats.values().filter(|seat| seat.is_starting()).count()
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn reply(&mut self, result: Result<(), OrderRefused>) {
        self.act(Action::Reply(result));
    }

    fn note(&mut self, seat: &Seat, what: Happening, actor: Actor) {
        let generation = Some(seat.generation).filter(|generation| *generation != Generation(0));
        self.act(Action::Note { key: Arc::clone(&seat.key), generation, what, actor });
    }

    /// Answers somebody who wanted the seat: a waiter, or who only asked for the start.
    fn refuse(&mut self, now: Moment, seat: &Seat, waiter: Option<WaiterId>, refusal: Refusal) {
        self.note_refusal(now, seat, &refusal);
        match waiter {
            Some(waiter) => self.act(Action::Refuse { waiter, refusal }),
            None => self.reply(Err(OrderRefused::Refused(refusal))),
        }
    }

    /// Answers everybody who waits for the seat.
    fn refuse_all(&mut self, seat: &mut Seat, refusal: &Refusal) {
        for waiter in seat.waiters.drain(..) {
            self.actions.push(Action::Refuse { waiter, refusal: refusal.clone() });
        }
    }

    fn note_refusal(&mut self, now: Moment, seat: &Seat, refusal: &Refusal) {
        let lately = |at: &Moment| now.since_ms(*at) < REFUSAL_NOTED_EVERY_MS;
        let same = (Arc::clone(&seat.key), refusal.code());
        if self.refusals_noted.get(&same).is_some_and(lately) {
            return;
        }
        if self.refusals_noted.len() >= REFUSALS_NOTED_MAX {
            self.refusals_noted.retain(|_, at| lately(at));
        }
        if self.refusals_noted.len() < REFUSALS_NOTED_MAX {
            self.refusals_noted.insert(same, now);
            let actor = Actor::User(seat.key.user.clone());
            self.note(seat, Happening::Refused(refusal.clone()), actor);
        }
    }
}
