//! What is done under the desk's lock: the machine is told, and what it wants done at once is.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Answer, Desk, Inner, Job, Published};
use crate::clock::Moment;
use crate::domain::{Actor, CloseCode, Failure, Generation, SeatKey};
use crate::launch::Started;
use crate::supervise::event::{Action, Event, News, WaiterId};
use crate::supervise::lease::{ReadySeat, ReadyTable};
use crate::supervise::view::Anchor;
use crate::supervise::{Happening, OrderRefused, Refusal, SeatNote, SeatView, render};

/// Events that one event may lead to at once; more would be a fault of the machine.
const ROUNDS_MAX: usize = 32;
/// Notes that wait for the driver. It takes them at once unless it is stuck.
const NOTES_WAITING_MAX: usize = 10_000;

impl Desk {
    /// Tells the machine, and does what it wants done at once.
    pub(super) fn apply(&self, inner: &mut Inner, event: Event) {
        let now = self.clock.now();
        inner.reply = None;
        let mut events = vec![event];
        for _ in 0..ROUNDS_MAX {
            let Some(event) = events.pop() else { break };
            for action in inner.machine.step(now, event) {
                events.extend(self.perform(inner, action));
            }
        }
        if std::mem::take(&mut inner.table_changed) {
            self.table.store(Arc::new(open_seats(&inner.ready)));
        }
        self.wake.notify_one();
    }

    /// Asks the machine something that it answers.
    pub(super) fn ask(&self, inner: &mut Inner, event: Event) -> Result<(), OrderRefused> {
        self.apply(inner, event);
        inner.reply.take().unwrap_or(Err(OrderRefused::NothingThere))
    }

    /// Performs an action, or puts it down for the driver; returns what the machine is to be told
    /// at once.
    fn perform(&self, inner: &mut Inner, action: Action) -> Option<Event> {
        match action {
            Action::Launch { key, generation } => return self.launch(inner, key, generation),
            Action::AbortLaunch { key, generation } => {
                inner.jobs.push(Job::AbortLaunch(key, generation));
            }
            Action::Watch(started) => inner.jobs.push(Job::Watch(started)),
            Action::Probe(started) => return probe(inner, started),
            Action::EndProbe { key, generation } => {
                inner.jobs.push(Job::EndProbe(key, generation));
            }
            Action::Weigh { started, allowance } => {
                inner.jobs.push(Job::Weigh(started, allowance));
            }
            Action::Stop(started) => inner.jobs.push(Job::Stop(started)),
            Action::Clean(started) => inner.jobs.push(Job::Clean(started)),
            Action::SealIfUnused { key, generation } => {
                let seat = current(inner, &key, generation)?;
                let news = match seat.seal_if_unused() {
                    true => News::Sealed,
                    false => News::Busy(seat.activity()),
                };
                return Some(Event::Of { key, generation, news });
            }
            Action::Observe { key, generation } => {
                let news = News::Observed(current(inner, &key, generation)?.activity());
                return Some(Event::Of { key, generation, news });
            }
            Action::Grant { waiter, key, generation } => grant(inner, waiter, &key, generation),
            Action::Refuse { waiter, refusal } => answer(inner, waiter, Err(refusal)),
            Action::Note { key, generation, what, actor } => {
                self.note(inner, key, generation, what, actor);
            }
            Action::Drained => {
                self.drained.send_replace(true);
            }
            Action::Reply(result) => inner.reply = Some(result),
            Action::Publish(started) => self.publish(inner, &started),
            Action::Suspend { key, generation } => suspend(inner, &key, generation),
            Action::Retire { key, generation, code } => retire(inner, &key, generation, code),
        }
        None
    }

    fn launch(
        &self,
        inner: &mut Inner,
        key: Arc<SeatKey>,
        generation: Generation,
    ) -> Option<Event> {
        match render::launch(&inner.snapshot, &self.secret, &key, generation) {
            Some(launch) => {
                inner.jobs.push(Job::Launch(Box::new(launch)));
                None
            }
            // The machine is told of a removal under the same lock, so this does not happen.
            None => {
                let news = News::LaunchFailed(not_configured());
                Some(Event::Of { key, generation, news })
            }
        }
    }

    fn publish(&self, inner: &mut Inner, started: &Arc<Started>) {
        inner.table_changed = true;
        let same = |published: &&mut Published| published.seat.is_of(started);
        if let Some(published) = inner.ready.get_mut(&started.key).filter(same) {
            published.suspended = false;
            return;
        }
        let Some(app) = inner.snapshot.app(started.key.app.as_str()).map(Arc::clone) else {
            return;
        };
        inner.published += 1;
        let key = Arc::new(started.key.clone());
        let clock = Arc::clone(&self.clock);
        let seat =
            ReadySeat::new(Arc::clone(&key), app, Arc::clone(started), inner.published, clock);
        inner.ready.insert(key, Published { seat: Arc::new(seat), suspended: false });
    }

    pub(super) fn note(
        &self,
        inner: &mut Inner,
        key: Arc<SeatKey>,
        generation: Option<Generation>,
        what: Happening,
        actor: Actor,
    ) {
        if inner.notes.len() < NOTES_WAITING_MAX {
            inner.notes.push(SeatNote { at: self.clock.wall(), key, generation, what, actor });
        } else {
            inner.notes_lost += 1;
        }
    }

    /// The machine sees what happened at a ready seat until now.
    pub(super) fn look_at(&self, inner: &mut Inner, key: &Arc<SeatKey>) {
        if let Some(published) = inner.ready.get(key) {
            let generation = published.seat.generation();
            let news = News::Observed(published.seat.activity());
            self.apply(inner, Event::Of { key: Arc::clone(key), generation, news });
        }
    }

    pub(super) fn view_in(&self, inner: &mut Inner, key: &Arc<SeatKey>) -> SeatView {
        let (now, anchor) = self.anchor(inner);
        anchor.view(&inner.machine.status_of(key, now), now)
    }

    pub(super) fn tell_followers(&self, inner: &mut Inner) {
        if inner.followed.is_empty() {
            return;
        }
        let (now, anchor) = self.anchor(inner);
        let machine = &inner.machine;
        inner.followed.retain(|key, sender| {
            let view = anchor.view(&machine.status_of(key, now), now);
            sender.send_if_modified(|told| {
                let changed = *told != view;
                *told = view;
                changed
            });
            sender.receiver_count() > 0
        });
    }

    /// Now, and how moments are told as times of day.
    pub(super) fn anchor(&self, inner: &mut Inner) -> (Moment, Anchor) {
        let now = self.clock.now();
        inner.anchor.follow(now, self.clock.wall());
        (now, inner.anchor)
    }
}

fn not_configured() -> Failure {
    let cause = "the seat is not in the configuration".to_owned();
    Failure::System { doing: "rendering the launch", cause }
}

fn probe(inner: &mut Inner, started: Arc<Started>) -> Option<Event> {
    match inner.snapshot.app(started.key.app.as_str()) {
        Some(app) => {
            inner.jobs.push(Job::Probe(started, Arc::clone(app)));
            None
        }
        // A stray of an app that is gone: it is being ended in the same step.
        None => None,
    }
}

fn current<'i>(
    inner: &'i Inner,
    key: &SeatKey,
    generation: Generation,
) -> Option<&'i Arc<ReadySeat>> {
    inner.ready.get(key).map(|published| &published.seat).filter(|s| s.generation() == generation)
}

fn suspend(inner: &mut Inner, key: &SeatKey, generation: Generation) {
    let same = |published: &&mut Published| published.seat.generation() == generation;
    if let Some(published) = inner.ready.get_mut(key).filter(same) {
        published.suspended = true;
        inner.table_changed = true;
    }
}

fn retire(inner: &mut Inner, key: &SeatKey, generation: Generation, code: CloseCode) {
    if let Some(seat) = current(inner, key, generation) {
        seat.end(code);
        inner.ready.remove(key);
        inner.table_changed = true;
    }
}

fn grant(inner: &mut Inner, waiter: WaiterId, key: &SeatKey, generation: Generation) {
    let hold = current(inner, key, generation).and_then(ReadySeat::hold);
    // A seat is sealed under the same lock, so there is always one to be had.
    answer(inner, waiter, hold.ok_or(Refusal::TooSlow));
}

fn answer(inner: &mut Inner, waiter: WaiterId, answer: Answer) {
    if let Some(sender) = inner.waiting.remove(&waiter) {
        // Who has left gives the lease back by dropping it.
        let _ = sender.send(answer);
    }
}

fn open_seats(ready: &HashMap<Arc<SeatKey>, Published>) -> ReadyTable {
    let open = ready.iter().filter(|(_, published)| !published.suspended);
    open.map(|(key, published)| (Arc::clone(key), Arc::clone(&published.seat))).collect()
}
