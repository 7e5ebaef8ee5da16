//! The machine behind one lock, with everything that has to be done under it at once: leases are
//! granted and refused, ready seats published and sealed, views told. What takes time is put down
//! as a [`Job`] for the driver.

mod perform;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot, watch};

use super::event::{Event, WaiterId};
use super::lease::{Hold, ReadySeat, ReadyTable};
use super::machine::Machine;
use super::render::{self, SECRET_BYTES};
use super::view::Anchor;
use super::{Happening, Order, OrderRefused, Refusal, SeatNote, SeatStatus, SeatView};
use crate::clock::{Clock, Moment};
use crate::config::{App, Snapshot};
use crate::domain::{Actor, CloseCode, Generation, SeatKey};
use crate::identify::SessionId;
use crate::launch::{Allowance, Launch, Launcher, Started};

/// What a waiter gets: a lease of the seat, or why not.
pub(super) type Answer = Result<Hold, Refusal>;

/// What the driver has to do, each of it in a task of its own.
#[derive(Debug)]
pub(super) enum Job {
    Launch(Box<Launch>),
    AbortLaunch(Arc<SeatKey>, Generation),
    Watch(Arc<Started>),
    Probe(Arc<Started>, Arc<App>),
    EndProbe(Arc<SeatKey>, Generation),
    Weigh(Arc<Started>, Allowance),
    Stop(Arc<Started>),
    Clean(Arc<Started>),
}

/// What the driver finds when it looks.
pub(super) struct Work {
    pub(super) jobs: Vec<Job>,
    pub(super) notes: Vec<SeatNote>,
    pub(super) deadline: Option<Moment>,
    pub(super) drained: bool,
}

/// Everything that handles, leases and the driver share.
pub(super) struct Desk {
    pub(super) table: ArcSwap<ReadyTable>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) launcher: Arc<dyn Launcher>,
    /// The driver has something to do.
    pub(super) wake: Notify,
    pub(super) drained: watch::Sender<bool>,
    secret: [u8; SECRET_BYTES],
    inner: Mutex<Inner>,
}

struct Inner {
    machine: Machine,
    snapshot: Arc<Snapshot>,
    waiting: HashMap<WaiterId, oneshot::Sender<Answer>>,
    waiters: u64,
    /// Seats that are published or suspended.
    ready: HashMap<Arc<SeatKey>, Published>,
    published: u64,
    /// Who follows a seat.
    followed: HashMap<Arc<SeatKey>, watch::Sender<SeatView>>,
    jobs: Vec<Job>,
    notes: Vec<SeatNote>,
    notes_lost: u64,
    anchor: Anchor,
    /// The answer to the event that is being told, if it asks for one.
    reply: Option<Result<(), OrderRefused>>,
    /// The shared table has to be made anew.
    table_changed: bool,
}

struct Published {
    seat: Arc<ReadySeat>,
    suspended: bool,
}

impl Desk {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        launcher: Arc<dyn Launcher>,
        clock: Arc<dyn Clock>,
        secret: [u8; SECRET_BYTES],
    ) -> Self {
        // Generations only grow, over restarts as well: the clock has gone on since the last one,
        // and by more than one launch a millisecond.
        let generation_last = Generation(u64::try_from(clock.wall().0).unwrap_or_default());
        let inner = Inner {
            machine: Machine::new(render::limits(&snapshot), generation_last),
            snapshot,
            waiting: HashMap::new(),
            waiters: 0,
            ready: HashMap::new(),
            published: 0,
            followed: HashMap::new(),
            jobs: Vec::new(),
            notes: Vec::new(),
            notes_lost: 0,
            anchor: Anchor::new(clock.now(), clock.wall()),
            reply: None,
            table_changed: false,
        };
        Self {
            table: ArcSwap::default(),
            clock,
            launcher,
            wake: Notify::new(),
            drained: watch::Sender::new(false),
            secret,
            inner: Mutex::new(inner),
        }
    }

    // === what the driver says and asks ===

    /// Tells the machine something that needs no answer.
    pub(super) fn tell(&self, event: Event) {
        self.apply(&mut self.inner.lock(), event);
    }

    /// An earlier usher's process.
    pub(super) fn adopt(&self, started: Started) {
        let mut inner = self.inner.lock();
        let age_ms = self.clock.wall().0.saturating_sub(started.launched_at.0);
        let rules = render::rules(&inner.snapshot, &started.key);
        let age_ms = u64::try_from(age_ms).unwrap_or_default();
        self.apply(&mut inner, Event::Adopt { started: Arc::new(started), age_ms, rules });
    }

    /// What the driver has to do now. Who follows a seat is told here, once for all that happened
    /// since the last time.
    pub(super) fn work(&self) -> Work {
        let mut inner = self.inner.lock();
        self.tell_followers(&mut inner);
        if inner.notes_lost > 0 {
            log::error!("{} notes about seats were lost", inner.notes_lost);
            inner.notes_lost = 0;
        }
        Work {
            jobs: std::mem::take(&mut inner.jobs),
            notes: std::mem::take(&mut inner.notes),
            deadline: inner.machine.deadline(),
            drained: *self.drained.borrow(),
        }
    }

    // === what the handle asks ===

    /// Begins to wait for a seat; `Err` if it is not configured.
    pub(super) fn wait(
        &self,
        key: &Arc<SeatKey>,
    ) -> Result<(WaiterId, oneshot::Receiver<Answer>), Refusal> {
        let mut inner = self.inner.lock();
        let rules = render::rules(&inner.snapshot, key).ok_or(Refusal::Removed)?;
        let waiter = WaiterId(inner.waiters);
        inner.waiters += 1;
        let (sender, receiver) = oneshot::channel();
        inner.waiting.insert(waiter, sender);
        let key = Arc::clone(key);
        self.apply(&mut inner, Event::Acquire { key, rules, waiter: Some(waiter) });
        Ok((waiter, receiver))
    }

    /// Ends a wait, if it has not ended.
    pub(super) fn abandon(&self, key: &Arc<SeatKey>, waiter: WaiterId) {
        let mut inner = self.inner.lock();
        if inner.waiting.remove(&waiter).is_some() {
            self.apply(&mut inner, Event::Abandon { key: Arc::clone(key), waiter });
        }
    }

    /// Starts a seat if need be.
    pub(super) fn begin(&self, key: &Arc<SeatKey>) -> Result<SeatView, OrderRefused> {
        let mut inner = self.inner.lock();
        let removed = OrderRefused::Refused(Refusal::Removed);
        let rules = render::rules(&inner.snapshot, key).ok_or(removed)?;
        let event = Event::Acquire { key: Arc::clone(key), rules, waiter: None };
        self.ask(&mut inner, event)?;
        Ok(self.view_in(&mut inner, key))
    }

    /// Passes an order on; `make` gets the seat's rules.
    pub(super) fn order(
        &self,
        key: &SeatKey,
        order: Order,
        actor: Actor,
    ) -> Result<(), OrderRefused> {
        let mut inner = self.inner.lock();
        let rules = render::rules(&inner.snapshot, key);
        let key = Arc::new(key.clone());
        self.ask(&mut inner, Event::Order { key, rules, order, actor })
    }

    pub(super) fn cancel(&self, key: &Arc<SeatKey>) -> Result<(), OrderRefused> {
        let mut inner = self.inner.lock();
        let watchers = inner.followed.get(key).map_or(0, watch::Sender::receiver_count);
        self.ask(&mut inner, Event::Cancel { key: Arc::clone(key), watchers })
    }

    pub(super) fn keep(&self, key: &Arc<SeatKey>) -> Result<SeatView, OrderRefused> {
        let mut inner = self.inner.lock();
        let actor = Actor::User(key.user.clone());
        self.ask(&mut inner, Event::Keep { key: Arc::clone(key), actor })?;
        self.look_at(&mut inner, key);
        Ok(self.view_in(&mut inner, key))
    }

    pub(super) fn configure(&self, snapshot: Arc<Snapshot>) {
        let mut inner = self.inner.lock();
        inner.snapshot = Arc::clone(&snapshot);
        let known = inner.machine.keys();
        let rules = known.filter_map(|key| Some((Arc::clone(key), render::rules(&snapshot, key)?)));
        let (limits, rules) = (render::limits(&snapshot), rules.collect());
        self.apply(&mut inner, Event::Configured { limits, rules });
        self.launcher.prepare(&snapshot.apps);
    }

    /// Has the launcher make ready what will be asked of it.
    pub(super) fn prepare(&self) {
        self.launcher.prepare(&self.inner.lock().snapshot.apps);
    }

    /// The longest that a drain can take, if every process ends when it is killed.
    pub(super) fn longest_grace_ms(&self) -> u64 {
        let inner = self.inner.lock();
        inner.snapshot.apps.iter().map(|app| app.stop_grace_ms).max().unwrap_or_default()
    }

    pub(super) fn violations(&self) -> u64 {
        self.inner.lock().machine.violations()
    }

    pub(super) fn follow(&self, key: &Arc<SeatKey>) -> watch::Receiver<SeatView> {
        let mut inner = self.inner.lock();
        self.look_at(&mut inner, key);
        let view = self.view_in(&mut inner, key);
        match inner.followed.get(key) {
            // Others follow it, and were last told when the driver last worked.
            Some(sender) => {
                sender.send_if_modified(|told| {
                    let changed = *told != view;
                    *told = view;
                    changed
                });
                sender.subscribe()
            }
            None => {
                let sender = watch::Sender::new(view);
                let follower = sender.subscribe();
                inner.followed.insert(Arc::clone(key), sender);
                follower
            }
        }
    }

    pub(super) fn view(&self, key: &Arc<SeatKey>) -> SeatView {
        let mut inner = self.inner.lock();
        self.look_at(&mut inner, key);
        self.view_in(&mut inner, key)
    }

    /// Every seat, seen just now.
    pub(super) fn statuses(&self) -> Vec<SeatStatus> {
        let mut inner = self.inner.lock();
        let keys: Vec<_> = inner.ready.keys().map(Arc::clone).collect();
        keys.iter().for_each(|key| self.look_at(&mut inner, key));
        let (now, anchor) = self.anchor(&mut inner);
        inner.machine.status(now).into_iter().map(|status| anchor.status(status)).collect()
    }

    /// Closes WebSockets of the seats that are meant, or those of a session; says how many.
    pub(super) fn close_websockets(
        &self,
        is_meant: impl Fn(&SeatKey) -> bool,
        session: Option<SessionId>,
        code: CloseCode,
        actor: &Actor,
    ) -> usize {
        let mut inner = self.inner.lock();
        let meant = inner.ready.iter().filter(|(key, _)| is_meant(key));
        let closed: Vec<_> = meant
            .map(|(key, published)| {
                let seat = &published.seat;
                (Arc::clone(key), seat.generation(), seat.close_websockets(session, code))
            })
            .filter(|(_, _, websockets)| *websockets > 0)
            .collect();
        let total = closed.iter().map(|(_, _, websockets)| websockets).sum();
        for (key, generation, websockets) in closed {
            let what = Happening::Closed { websockets };
            self.note(&mut inner, key, Some(generation), what, actor.clone());
        }
        self.wake.notify_one();
        total
    }
}
