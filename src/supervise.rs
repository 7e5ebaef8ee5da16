//! Stage 4: the person's seat, found or launched. Takes a [`SeatPermit`] and returns the
//! [`Lease`] that the proxy forwards with, or a [`Refusal`].
//!
//! `machine` decides everything about seats and does nothing: it is pure. `driver` performs what
//! the machine decided and decides nothing. This file is the handle that everybody else has.
//! It chooses no status code and knows no HTTP.

pub mod activity;
mod desk;
mod driver;
pub mod event;
mod lease;
pub mod machine;
mod note;
mod refusal;
mod render;
pub mod rules;
mod view;

pub use driver::{Driver, NoteSink};
pub use lease::{Lease, WebSocketLease};
pub use note::{Happening, SeatNote};
pub use refusal::Refusal;
pub use render::SECRET_BYTES;
pub use view::{RunsBecause, SeatStatus, SeatView};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::authorize::SeatPermit;
use crate::clock::Clock;
use crate::config::Snapshot;
use crate::domain::{Actor, AppSlug, CloseCode, SeatKey, SeatState, UserName};
use crate::identify::SessionId;
use crate::launch::{Keeping, Launcher};
use desk::Desk;
use event::{Event, News, WaiterId};

/// How much longer than the longest `stop_grace` a drain may take: killed processes end at once,
/// unless the system is in trouble.
const DRAIN_BEYOND_GRACE_MS: u64 = 5_000;

/// What somebody may order for a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Start it, now, whatever failed before.
    Start,
    /// Stop it, whoever is connected.
    Stop,
    /// Stop it and start it again.
    Restart,
    /// Forget the failures and start it: the person's own way out of Failed and Backoff.
    Retry,
}

impl Order {
    /// The word of logs and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Start => "start",
            Order::Stop => "stop",
            Order::Restart => "restart",
            Order::Retry => "retry",
        }
    }
}

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderRefused {
    /// The seat cannot be started now.
    Refused(Refusal),
    /// Others wait for this start too (409).
    OthersWait,
    /// There is nothing to cancel or keep: no start is under way, no seat is ready.
    NothingThere,
}

/// What a drain does with the seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drain {
    /// They end (1001).
    StopSeats,
    /// They run on and are adopted by the next usher; their WebSockets close (1012).
    KeepSeats,
}

/// Whose WebSockets are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sockets {
    /// Those of all seats of a user.
    OfUser(UserName),
    /// Those of one seat.
    OfSeat(SeatKey),
    /// Those that a cookie session opened.
    OfSession(SessionId),
}

/// What a supervisor is made of.
pub struct Parts {
    /// The configuration at the start.
    pub snapshot: Arc<Snapshot>,
    /// Starts and ends processes.
    pub launcher: Arc<dyn Launcher>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Usher's own secret, of which each user's cookie secret is made.
    pub secret: [u8; SECRET_BYTES],
    /// Where notes about seats go; must not wait.
    pub notes: NoteSink,
}

/// The handle. Cheap to clone.
///
/// The order of a reload: first [`Supervisor::configure`], then publish the snapshot to the
/// requests. What was removed is refused from then on, and nobody has a permit for what is new
/// before the supervisor knows it. That is why no method here takes a snapshot.
#[derive(Clone)]
pub struct Supervisor {
    desk: Arc<Desk>,
}

/// A request that waits; when dropped, it has left.
struct Waiting<'d> {
    desk: &'d Desk,
    key: &'d Arc<SeatKey>,
    waiter: WaiterId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.desk.abandon(self.key, self.waiter);
    }
}

impl Supervisor {
    /// The handle, and the driver, which has to run for anything to happen.
    pub fn new(parts: Parts) -> (Self, Driver) {
        let Parts { snapshot, launcher, clock, secret, notes } = parts;
        let desk = Arc::new(Desk::new(snapshot, launcher, clock, secret));
        (Self { desk: Arc::clone(&desk) }, Driver::new(desk, notes))
    }

    /// A lease if the seat is ready now. The hot path: under a microsecond, no lock, no allocation.
    pub fn ready(&self, permit: &SeatPermit) -> Option<Lease> {
        lease::lease_from(&self.desk.table, permit)
    }

    /// Whether the seat is ready now, without using it.
    pub fn is_ready(&self, key: &SeatKey) -> bool {
        self.desk.table.load().contains_key(key)
    }

    /// A lease as soon as the seat is ready, which it is started for if need be. However many
    /// wait, it is launched once. Dropping the future abandons the wait, not the start.
    ///
    /// # Errors
    /// Why there is none; [`Refusal::TooSlow`] after `limit_ms`.
    pub async fn acquire(&self, permit: &SeatPermit, limit_ms: u64) -> Result<Lease, Refusal> {
        if let Some(lease) = self.ready(permit) {
            return Ok(lease);
        }
        let key = permit.key();
        let (waiter, answer) = self.desk.wait(key)?;
        let _waiting = Waiting { desk: &self.desk, key, waiter };
        match tokio::time::timeout(Duration::from_millis(limit_ms), answer).await {
            Ok(Ok(answer)) => Ok(Lease::new(answer?, permit)),
            // Every waiter is answered; if one was forgotten, it must not wait for ever.
            Ok(Err(_)) => Err(Refusal::Draining),
            Err(_) => Err(Refusal::TooSlow),
        }
    }

    /// Starts the seat if need be, without waiting: for the waiting page.
    ///
    /// # Errors
    /// Why it cannot be started now.
    pub fn begin(&self, permit: &SeatPermit) -> Result<SeatView, Refusal> {
        self.desk.begin(permit.key()).map_err(|refused| match refused {
            OrderRefused::Refused(refusal) => refusal,
            OrderRefused::OthersWait | OrderRefused::NothingThere => Refusal::Cancelled,
        })
    }

    /// Follows a seat. Who holds the receiver counts as somebody who waits, while it starts.
    pub fn watch(&self, key: &SeatKey) -> watch::Receiver<SeatView> {
        self.desk.follow(&Arc::new(key.clone()))
    }

    /// How long starts took before this usher, newest first: what is usual outlives it.
    pub fn recall(&self, starts: impl IntoIterator<Item = (SeatKey, u64)>) {
        for (key, start_ms) in starts {
            self.desk.tell(event::Event::Recall { key: Arc::new(key), start_ms });
        }
    }

    /// The seat as its person sees it.
    pub fn view(&self, key: &SeatKey) -> SeatView {
        self.desk.view(&Arc::new(key.clone()))
    }

    /// All seats that are not Absent, by user and app.
    pub fn seats(&self) -> Vec<SeatStatus> {
        self.desk.statuses()
    }

    /// Why seats of this app are not forked from a template although they might be, for people.
    pub fn why_not_fork(&self, app: &AppSlug) -> Option<String> {
        self.desk.launcher.why_not_fork(app)
    }

    /// How seats are held to `cpu_max` and `memory_max`.
    pub fn keeping(&self) -> Keeping {
        self.desk.launcher.keeping()
    }

    /// The last lines of the log of a seat's launches, oldest first.
    pub async fn log_tail(&self, key: &SeatKey, lines_max: usize) -> Vec<String> {
        self.desk.launcher.log_tail(key, lines_max).await
    }

    /// Gives an order. Returns when it was taken; [`Supervisor::settled`] waits for its effect.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn order(&self, key: &SeatKey, order: Order, actor: &Actor) -> Result<(), OrderRefused> {
        self.desk.order(key, order, actor.clone())
    }

    /// Waits until the seat is neither starting, probing nor stopping, at most `limit_ms`.
    pub async fn settled(&self, key: &SeatKey, limit_ms: u64) -> SeatView {
        let mut seat = self.watch(key);
        let is_settled = |view: &SeatView| match view.state {
            SeatState::Starting | SeatState::Probing | SeatState::Stopping => false,
            SeatState::Absent | SeatState::Ready | SeatState::Backoff | SeatState::Failed => true,
        };
        let settled = seat.wait_for(is_settled);
        let limit = Duration::from_millis(limit_ms);
        match tokio::time::timeout(limit, settled).await {
            Ok(Ok(view)) => view.clone(),
            Ok(Err(_)) | Err(_) => self.view(key),
        }
    }

    /// The person cancels the start that they wait for.
    ///
    /// # Errors
    /// Somebody else waits too, or there is nothing to cancel.
    pub fn cancel(&self, permit: &SeatPermit) -> Result<(), OrderRefused> {
        self.desk.cancel(permit.key())
    }

    /// The person wants a failed seat to be tried again: [`Order::Retry`] in their own name.
    ///
    /// # Errors
    /// Why it cannot be started now.
    pub fn retry(&self, permit: &SeatPermit) -> Result<SeatView, OrderRefused> {
        let key = permit.key();
        self.desk.order(key, Order::Retry, Actor::User(key.user.clone()))?;
        Ok(self.desk.view(key))
    }

    /// The person wants the seat to go on: the idle and untouched times begin anew. The lifetime
    /// and the memory are the operator's limits and stay.
    ///
    /// # Errors
    /// There is nothing to keep.
    pub fn keep(&self, permit: &SeatPermit) -> Result<SeatView, OrderRefused> {
        self.desk.keep(permit.key())
    }

    /// The script in the app's page reports that the person did something. From the first report
    /// on, data frames from the browser are no longer taken for acts.
    pub fn act(&self, permit: &SeatPermit) {
        if let Some(seat) = self.desk.table.load().get(&**permit.key()) {
            seat.act(self.desk.clock.now());
        }
    }

    /// The edge could not connect to a seat (connection refused): the driver looks at once, and
    /// until then nobody gets a lease. An [`Supervisor::acquire`] waits for what comes out of it.
    pub fn suspect(&self, lease: &Lease) {
        let (key, generation) = (Arc::clone(lease.key()), lease.generation());
        self.desk.tell(Event::Of { key, generation, news: News::Suspected });
    }

    /// Closes WebSockets; says how many.
    pub fn close_websockets(&self, which: &Sockets, code: CloseCode, actor: &Actor) -> usize {
        let session = match which {
            Sockets::OfSession(session) => Some(*session),
            Sockets::OfUser(_) | Sockets::OfSeat(_) => None,
        };
        let is_meant = |key: &SeatKey| match which {
            Sockets::OfUser(user) => key.user == *user,
            Sockets::OfSeat(seat) => key == seat,
            Sockets::OfSession(_) => true,
        };
        self.desk.close_websockets(is_meant, session, code, actor)
    }

    /// Applies a new configuration.
    pub fn configure(&self, snapshot: Arc<Snapshot>) {
        self.desk.configure(snapshot);
    }

    /// Refuses everybody from now on and returns when nothing is left to be done, at most after
    /// the longest `stop_grace` and some seconds.
    pub async fn drain(&self, how: Drain) {
        let mut drained = self.desk.drained.subscribe();
        self.desk.tell(Event::Drain(how));
        let limit_ms = self.desk.longest_grace_ms() + DRAIN_BEYOND_GRACE_MS;
        let over = drained.wait_for(|drained| *drained);
        if tokio::time::timeout(Duration::from_millis(limit_ms), over).await.is_err() {
            log::error!("not all seats have ended within {} s", limit_ms / 1000);
        }
    }

    /// How many rules of the machine were broken since the start. Anything but 0 is a fault.
    pub fn violations(&self) -> u64 {
        self.desk.violations()
    }
}
