//! Who is here now, made of the open WebSockets. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::browser;
use super::live::LiveStay;
use crate::clock::Timestamp;
use crate::domain::{Role, SeatKey};

/// Somebody who has an app open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Who, and at which app.
    pub key: Arc<SeatKey>,
    /// Their role.
    pub role: Role,
    /// From where the WebSocket came that is open longest.
    pub address: IpAddr,
    /// Its browser, for people.
    pub browser: String,
    /// Since when it is open. The visit may have begun earlier.
    pub since: Timestamp,
    /// Open WebSockets.
    pub websockets: usize,
    /// When the person did something last; `None`: not yet.
    pub last_act_at: Option<Timestamp>,
}

/// One for each user and app, longest first.
pub(super) fn of(stays: &[Arc<LiveStay>]) -> Vec<Presence> {
    let mut by_key: HashMap<&Arc<SeatKey>, Vec<&LiveStay>> = HashMap::new();
    for stay in stays {
        by_key.entry(&stay.key).or_default().push(stay);
    }
    let mut present: Vec<Presence> = by_key.into_values().filter_map(together).collect();
    present.sort_by(|one, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
    present
}

fn together(stays: Vec<&LiveStay>) -> Option<Presence> {
    let acts = stays.iter().map(|stay| stay.last_act_at.load(Ordering::Relaxed));
    let last_act_at = acts.max().filter(|at| *at != 0).map(Timestamp);
    let websockets = stays.len();
    let first = stays.into_iter().min_by_key(|stay| (stay.began_at, stay.id))?;
    Some(Presence {
        key: Arc::clone(&first.key),
        role: first.role,
        address: first.visitor.address,
        browser: browser::name(&first.visitor.browser),
        since: first.began_at,
        websockets,
        last_act_at,
    })
}
