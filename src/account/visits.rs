//! Visits are made of facts here. Pure: facts and time come in, records go out; no clock, no file.
//!
//! A visit is one stay of a user at an app, from the first WebSocket to the last. Gaps shorter
//! than `visits.gap` are bridged. Several tabs count once. Dwell is the time with a WebSocket
//! open, active time is what lies within a minute after an act and within dwell.

mod traffic;
mod visit;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::facts::{StayEnd, StayId, USHER_STOPPED};
use crate::clock::{Moment, Timestamp};
use crate::domain::{Role, SeatKey};
use crate::store::{VisitId, VisitRecord, VisitRow};
use traffic::Traffic;
use visit::Visit;

pub(super) use traffic::Carried;

/// Visits that are over and wait to be written, at most; the oldest are lost first.
const ENDED_WAITING_MAX: usize = 10_000;

/// A WebSocket that was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began<'a> {
    /// Its number.
    pub(super) id: StayId,
    /// The seat.
    pub(super) key: &'a Arc<SeatKey>,
    /// The person's role.
    pub(super) role: Role,
    /// From where.
    pub(super) address: IpAddr,
    /// The `User-Agent`.
    pub(super) browser: &'a str,
    /// When, on the monotonic clock.
    pub(super) now: Moment,
    /// The same on the wall.
    pub(super) at: Timestamp,
}

/// All visits that are under way or not written.
pub(super) struct Visits {
    gap_ms: u64,
    open: HashMap<Arc<SeatKey>, Visit>,
    stays: HashMap<StayId, Arc<SeatKey>>,
    traffic: HashMap<Arc<SeatKey>, Traffic>,
    ended: VecDeque<Visit>,
    /// Visits that could not be kept.
    lost: u64,
    /// What the latest [`Visits::records`] were records of.
    offered: Vec<Offered>,
}

/// Where a record came from.
enum Offered {
    Open(Arc<SeatKey>),
    /// The first ones of `ended`.
    Ended,
}

impl Visits {
    /// None yet.
    pub(super) fn new(gap_ms: u64) -> Self {
        Self {
            gap_ms,
            open: HashMap::new(),
            stays: HashMap::new(),
            traffic: HashMap::new(),
            ended: VecDeque::new(),
            lost: 0,
            offered: Vec::new(),
        }
    }

    /// Gaps shorter than this are bridged from now on.
    pub(super) fn set_gap(&mut self, gap_ms: u64) {
        self.gap_ms = gap_ms;
    }

    /// The gap.
    pub(super) fn gap_ms(&self) -> u64 {
        self.gap_ms
    }

    /// Whether this WebSocket is accounted already.
    pub(super) fn knows(&self, id: StayId) -> bool {
        self.stays.contains_key(&id)
    }

    /// The WebSockets that are accounted.
    pub(super) fn stays(&self) -> impl Iterator<Item = StayId> {
        self.stays.keys().copied()
    }

    /// Whether a WebSocket opened at `now` begins a visit rather than joining one; then an earlier
    /// run may have left one to be resumed.
    pub(super) fn begins_visit(&self, key: &SeatKey, now: Moment) -> bool {
        self.open.get(key).is_none_or(|visit| visit.is_over(now, self.gap_ms))
    }

    /// A WebSocket was opened. `resumed` is the visit of an earlier run that it continues.
    pub(super) fn began(&mut self, began: &Began<'_>, resumed: Option<VisitRow>) {
        if self.knows(began.id) {
            return;
        }
        if self.begins_visit(began.key, began.now) {
            self.end(began.key);
            let mut visit = match resumed {
                Some(row) => Visit::resume(row, began),
                None => Visit::begin(began),
            };
            let traffic = self.traffic.entry(Arc::clone(began.key)).or_default();
            let before = traffic.take(began.now, self.gap_ms);
            visit.requested(before.requests, before.in_bytes, before.out_bytes);
            self.open.insert(Arc::clone(began.key), visit);
        } else if let Some(visit) = self.open.get_mut(began.key) {
            visit.join(began.id, began.now);
        }
        self.stays.insert(began.id, Arc::clone(began.key));
    }

    /// A WebSocket has carried so many bytes since it was opened, and the person acted first and
    /// last at these moments.
    pub(super) fn read(&mut self, id: StayId, bytes: (u64, u64), acts: Option<(Moment, Moment)>) {
        let Some(visit) = self.visit_of(id) else { return };
        visit.carried(id, bytes.0, bytes.1);
        if let Some((first, last)) = acts {
            visit.acted(first, last);
        }
    }

    /// A seat has carried so much over HTTP since the start.
    pub(super) fn carried(&mut self, key: &Arc<SeatKey>, total: Carried, now: Moment) {
        let traffic = match self.traffic.get_mut(key) {
            Some(traffic) => traffic,
            None => self.traffic.entry(Arc::clone(key)).or_default(),
        };
        let news = traffic.news(total);
        match self.open.get_mut(key) {
            Some(visit) => visit.requested(news.requests, news.in_bytes, news.out_bytes),
            None => traffic.wait(news, now, self.gap_ms),
        }
    }

    /// A WebSocket was closed.
    pub(super) fn ended(&mut self, id: StayId, end: StayEnd, now: Moment) {
        if let Some(visit) = self.visit_of(id) {
            visit.leave(id, end.as_str(), now);
        }
        self.stays.remove(&id);
    }

    /// Accounts the time until `to`, and ends the visits whose gap is over.
    pub(super) fn advance(&mut self, to: Moment) {
        for visit in self.open.values_mut() {
            visit.advance(to);
        }
        let gap_ms = self.gap_ms;
        let over: Vec<Arc<SeatKey>> = self
            .open
            .iter()
            .filter(|(_, visit)| visit.is_over(to, gap_ms))
            .map(|(key, _)| Arc::clone(key))
            .collect();
        for key in over {
            self.end(&key);
        }
    }

    /// Ends everything: usher stops, or visits are recorded no more.
    pub(super) fn end_all(&mut self, now: Moment) {
        let keys: Vec<Arc<SeatKey>> = self.open.keys().cloned().collect();
        for key in keys {
            if let Some(visit) = self.open.get_mut(&key) {
                for id in visit.stays() {
                    visit.leave(id, USHER_STOPPED, now);
                }
            }
            self.end(&key);
        }
        self.stays.clear();
    }

    /// The records of what has changed since they were written last.
    pub(super) fn records(&mut self) -> Vec<VisitRecord> {
        self.offered.clear();
        let mut records = Vec::new();
        for visit in &self.ended {
            records.push(visit.record(true));
            self.offered.push(Offered::Ended);
        }
        for (key, visit) in &self.open {
            if visit.changed && !visit.disowned {
                records.push(visit.record(false));
                self.offered.push(Offered::Open(Arc::clone(key)));
            }
        }
        records
    }

    /// The latest records were written, under these numbers.
    pub(super) fn written(&mut self, ids: &[Option<VisitId>]) {
        for (offered, id) in std::mem::take(&mut self.offered).into_iter().zip(ids) {
            match offered {
                Offered::Ended => drop(self.ended.pop_front()),
                Offered::Open(key) => {
                    if let Some(visit) = self.open.get_mut(&key) {
                        visit.written(*id);
                    }
                }
            }
        }
    }

    /// The latest records can never be written: those of visits that are over are given up.
    pub(super) fn given_up(&mut self) {
        let ended = self.offered.iter().filter(|offered| matches!(offered, Offered::Ended)).count();
        self.ended.drain(..ended.min(self.ended.len()));
        self.lost += ended as u64;
        self.offered.clear();
    }

    /// The database is another one: what has a number there has none here.
    pub(super) fn forget_numbers(&mut self) {
        for visit in self.open.values_mut().chain(&mut self.ended) {
            visit.id = None;
            visit.changed = true;
        }
    }

    /// How many visits were lost since this was called last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn visit_of(&mut self, id: StayId) -> Option<&mut Visit> {
        let key = self.stays.get(&id)?;
        self.open.get_mut(key)
    }

    fn end(&mut self, key: &Arc<SeatKey>) {
        let Some(visit) = self.open.remove(key) else { return };
        if visit.disowned {
            return;
        }
        if self.ended.len() == ENDED_WAITING_MAX {
            self.ended.pop_front();
            self.lost += 1;
        }
        self.ended.push_back(visit);
    }
}
