//! What the proxy and everybody else tells the writer. Plain values; what they mean for visits is
//! decided in `visits`.

use std::net::IpAddr;
use std::sync::Arc;

use super::LiveStay;
use crate::clock::{Moment, Timestamp};
use crate::domain::{Actor, Detail, LaunchKind, SeatKey, UserName};
use crate::observe::{MachineSample, SeatSample};

/// Why a visit ended whose usher stopped, also one that was killed: the word of rows.
pub(super) const USHER_STOPPED: &str = "usher_stopped";

/// Who came, from where, with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The true address.
    pub address: IpAddr,
    /// The `User-Agent`, at most 256 bytes; the writer makes a short name of it.
    pub browser: Arc<str>,
}

/// The number of one WebSocket's stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StayId(pub u64);

/// Why a WebSocket ended, for the visit that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StayEnd {
    /// The browser closed it or went away.
    Left,
    /// The seat ended.
    SeatEnded,
    /// The cookie session ended.
    SessionEnded,
    /// An administrator closed it, or the user may no longer.
    Kicked,
    /// Usher stops, restarts or upgrades.
    UsherStops,
    /// The connection broke.
    Broken,
}

impl StayEnd {
    /// The word of JSON and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            StayEnd::Left => "left",
            StayEnd::SeatEnded => "seat_ended",
            StayEnd::SessionEnded => "session_ended",
            StayEnd::Kicked => "kicked",
            StayEnd::UsherStops => USHER_STOPPED,
            StayEnd::Broken => "broken",
        }
    }
}

/// Something that an administrator may want to read later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFact {
    /// When.
    pub at: Timestamp,
    /// A stable word, such as `seat_started`.
    pub kind: &'static str,
    /// Who caused it.
    pub actor: Actor,
    /// Which seat it is about.
    pub key: Option<SeatKey>,
    /// From which address it was caused.
    pub address: Option<IpAddr>,
    /// What it says.
    pub detail: Detail,
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFact {
    /// When the request began.
    pub at: Timestamp,
    /// The true address.
    pub address: IpAddr,
    /// The user's name; `None`: a stranger.
    pub user: Option<UserName>,
    /// The method.
    pub method: http::Method,
    /// Path and query as sent.
    pub path: Box<str>,
    /// The status that was sent; 0: none.
    pub status: u16,
    /// From the head to the end.
    pub took_us: u64,
    /// Bytes of the request's body, or from the browser.
    pub in_bytes: u64,
    /// Bytes of the answer's body, or to the browser.
    pub out_bytes: u64,
    /// The incident number on the page.
    pub incident: Option<u32>,
}

/// A seat became ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFact {
    /// When.
    pub at: Timestamp,
    /// Which seat.
    pub key: Arc<SeatKey>,
    /// How it came to be.
    pub launch: LaunchKind,
    /// From the launch.
    pub start_ms: u64,
    /// In the queue before.
    pub queued_ms: u64,
}

/// What the writer is told.
#[derive(Debug)]
pub enum Fact {
    /// A WebSocket of a seat was opened; its counters are among the live ones.
    StayBegan(Arc<LiveStay>),
    /// It ended; its counters are final.
    StayEnded(Arc<LiveStay>, StayEnd, Moment),
    /// An event.
    Event(EventFact),
    /// A line of the access log.
    Access(Box<AccessFact>),
    /// A seat became ready.
    Started(StartFact),
    /// The machine was measured.
    Machine(Timestamp, MachineSample),
    /// The seats were measured.
    Seats(Timestamp, Vec<SeatSample>),
}
