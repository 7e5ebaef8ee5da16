//! Stage 4: the person's seat, found or launched. Takes a [`SeatPermit`] and returns the
//! [`Lease`] that the proxy forwards with, or a [`Refusal`].
//!
//! `machine` decides everything about seats and does nothing: it is pure. `driver` performs what
//! the machine decided and decides nothing. This file is the handle that everybody else has.
//! It chooses no status code and knows no HTTP.

pub mod activity;
pub mod event;
mod lease;
pub mod machine;
mod note;
mod refusal;
pub mod rules;
mod view;

pub use lease::{Lease, WebSocketLease};
pub use note::{Happening, SeatNote};
pub use refusal::Refusal;
pub use view::{RunsBecause, SeatStatus, SeatView};

use std::sync::Arc;

use tokio::sync::watch;

use crate::authorize::SeatPermit;
use crate::config::Snapshot;
use crate::domain::{Actor, CloseCode, SeatKey, UserName};
use crate::identify::SessionId;

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

/// The handle. Cheap to clone.
///
/// The order of a reload: first [`Supervisor::configure`], then publish the snapshot to the
/// requests. What was removed is refused from then on, and nobody has a permit for what is new
/// before the supervisor knows it. That is why no method here takes a snapshot.
#[derive(Clone)]
pub struct Supervisor {}

impl Supervisor {
    /// A lease if the seat is ready now. The hot path: under a microsecond, no lock, no allocation.
    pub fn ready(&self, _permit: &SeatPermit) -> Option<Lease> {
        todo!("the driver")
    }

    /// Whether the seat is ready now, without using it.
    pub fn is_ready(&self, _key: &SeatKey) -> bool {
        todo!("the driver")
    }

    /// A lease as soon as the seat is ready, which it is started for if need be. However many
    /// wait, it is launched once. Dropping the future abandons the wait, not the start.
    ///
    /// # Errors
    /// Why there is none; [`Refusal::TooSlow`] after `limit_ms`.
    pub async fn acquire(&self, _permit: &SeatPermit, _limit_ms: u64) -> Result<Lease, Refusal> {
        todo!("the driver")
    }

    /// Starts the seat if need be, without waiting: for the waiting page.
    ///
    /// # Errors
    /// Why it cannot be started now.
    pub fn begin(&self, _permit: &SeatPermit) -> Result<SeatView, Refusal> {
        todo!("the driver")
    }

    /// Follows a seat. Who holds the receiver counts as somebody who waits, while it starts.
    pub fn watch(&self, _key: &SeatKey) -> watch::Receiver<SeatView> {
        todo!("the driver")
    }

    /// The seat as its person sees it.
    pub fn view(&self, _key: &SeatKey) -> SeatView {
        todo!("the driver")
    }

    /// All seats that are not Absent, by user and app.
    pub fn seats(&self) -> Vec<SeatStatus> {
        todo!("the driver")
    }

    /// The last lines of the log of a seat's launches, oldest first.
    pub async fn log_tail(&self, _key: &SeatKey, _lines_max: usize) -> Vec<String> {
        todo!("the driver")
    }

    /// Gives an order. Returns when it was taken; [`Supervisor::settled`] waits for its effect.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn order(&self, _key: &SeatKey, _order: Order, _actor: &Actor) -> Result<(), OrderRefused> {
        todo!("the driver")
    }

    /// Waits until the seat is neither starting, probing nor stopping, at most `limit_ms`.
    pub async fn settled(&self, _key: &SeatKey, _limit_ms: u64) -> SeatView {
        todo!("the driver")
    }

    /// The person cancels the start that they wait for.
    ///
    /// # Errors
    /// Somebody else waits too, or there is nothing to cancel.
    pub fn cancel(&self, _permit: &SeatPermit) -> Result<(), OrderRefused> {
        todo!("the driver")
    }

    /// The person wants a failed seat to be tried again: [`Order::Retry`] in their own name.
    ///
    /// # Errors
    /// Why it cannot be started now.
    pub fn retry(&self, _permit: &SeatPermit) -> Result<SeatView, OrderRefused> {
        todo!("the driver")
    }

    /// The person wants the seat to go on: the idle and untouched times begin anew. The lifetime
    /// and the memory are the operator's limits and stay.
    ///
    /// # Errors
    /// There is nothing to keep.
    pub fn keep(&self, _permit: &SeatPermit) -> Result<SeatView, OrderRefused> {
        todo!("the driver")
    }

    /// The script in the app's page reports that the person did something.
    pub fn act(&self, _permit: &SeatPermit) {
        todo!("the driver")
    }

    /// The edge could not connect to a seat (connection refused): the driver looks at once, and
    /// until then nobody gets a lease. An [`Supervisor::acquire`] waits for what comes out of it.
    pub fn suspect(&self, _lease: &Lease) {
        todo!("the driver")
    }

    /// Closes WebSockets; says how many.
    pub fn close_websockets(&self, _which: &Sockets, _code: CloseCode, _actor: &Actor) -> usize {
        todo!("the driver")
    }

    /// Applies a new configuration.
    pub fn configure(&self, _snapshot: Arc<Snapshot>) {
        todo!("the driver")
    }

    /// Refuses everybody from now on and returns when nothing is left to be done, at most after
    /// the longest `stop_grace` and some seconds.
    pub async fn drain(&self, _how: Drain) {
        todo!("the driver")
    }
}
