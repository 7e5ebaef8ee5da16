//! One visit: how its dwell, its active time and its slots grow. Pure; time is an argument.
//!
//! Lengths are measured on the monotonic clock. The wall clock is read once, when the visit begins
//! here, and every time of the visit follows from it: if somebody sets the clock meanwhile, the
//! visit neither grows nor shrinks.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::facts::StayId;
use super::Began;
use crate::clock::{Moment, Timestamp};
use crate::domain::{Role, SeatKey};
use crate::store::{SLOT_MS, SlotDelta, VisitId, VisitPhase, VisitRecord, VisitRow};

/// A person is active for this long after each act.
pub(super) const ACTIVE_MS: u64 = 60_000;

/// One visit.
pub(super) struct Visit {
    /// Its number, once it was written.
    pub(super) id: Option<VisitId>,
    /// It belongs to another run now and is written no more.
    pub(super) disowned: bool,
    /// Something of it has not been written.
    pub(super) changed: bool,
    key: Arc<SeatKey>,
    role: Role,
    address: String,
    browser: String,
    started_at: Timestamp,
    /// One moment on both clocks.
    anchor: (Moment, Timestamp),
    /// Its open WebSockets, with the bytes of each that were counted.
    stays: HashMap<StayId, (u64, u64)>,
    /// Until when its time is accounted; in a gap, when the last WebSocket was closed.
    until: Moment,
    /// Why the last WebSocket was closed.
    because: Option<&'static str>,
    /// Times in which the person is active, apart and in order, as far as they are not accounted.
    active: Vec<(Moment, Moment)>,
    dwell_ms: u64,
    active_ms: u64,
    requests: u64,
    in_bytes: u64,
    out_bytes: u64,
    slots: Vec<SlotDelta>,
}

impl Visit {
    /// A visit that begins with this WebSocket.
    pub(super) fn begin(began: &Began<'_>) -> Self {
        Self {
            id: None,
            disowned: false,
            changed: true,
            key: Arc::clone(began.key),
            role: began.role,
            address: began.address.to_string(),
            browser: super::super::browser::name(began.browser),
            started_at: began.at,
            anchor: (began.now, began.at),
            stays: HashMap::from([(began.id, (0, 0))]),
            until: began.now,
            because: None,
            active: Vec::new(),
            dwell_ms: 0,
            active_ms: 0,
            requests: 0,
            in_bytes: 0,
            out_bytes: 0,
            slots: Vec::new(),
        }
    }

    /// A visit of an earlier run that goes on with this WebSocket.
    pub(super) fn resume(row: VisitRow, began: &Began<'_>) -> Self {
        Self {
            id: Some(row.id),
            role: row.role,
            address: row.address,
            browser: row.browser,
            started_at: row.started_at,
            dwell_ms: row.dwell_ms,
            active_ms: row.active_ms,
            requests: row.requests,
            in_bytes: row.in_bytes,
            out_bytes: row.out_bytes,
            ..Self::begin(began)
        }
    }

    /// Another WebSocket was opened.
    pub(super) fn join(&mut self, id: StayId, now: Moment) {
        self.changed = true;
        if self.stays.is_empty() {
            self.until = self.until.max(now);
        }
        self.stays.insert(id, (0, 0));
    }

    /// A WebSocket has carried so many bytes since it was opened.
    pub(super) fn carried(&mut self, id: StayId, in_bytes: u64, out_bytes: u64) {
        let Some(counted) = self.stays.get_mut(&id) else { return };
        self.in_bytes += in_bytes.saturating_sub(counted.0);
        self.out_bytes += out_bytes.saturating_sub(counted.1);
        self.changed |= *counted != (in_bytes, out_bytes);
        *counted = (in_bytes, out_bytes);
    }

    /// The person did something at both of these moments, and perhaps between them.
    pub(super) fn acted(&mut self, first: Moment, last: Moment) {
        let mut added = (first.max(self.until), last.plus_ms(ACTIVE_MS));
        self.active.retain(|(from, to)| {
            let apart = *to < added.0 || added.1 < *from;
            if !apart {
                added = (added.0.min(*from), added.1.max(*to));
            }
            apart
        });
        let place = self.active.partition_point(|(from, _)| *from < added.0);
        self.active.insert(place, added);
    }

    /// HTTP requests went to the seat.
    pub(super) fn requested(&mut self, requests: u64, in_bytes: u64, out_bytes: u64) {
        self.requests += requests;
        self.in_bytes += in_bytes;
        self.out_bytes += out_bytes;
        self.changed |= requests + in_bytes + out_bytes > 0;
    }

    /// A WebSocket was closed. If it was the last one, the gap begins.
    pub(super) fn leave(&mut self, id: StayId, because: &'static str, now: Moment) {
        // While others are open, nothing ends, and `advance` goes on with them.
        if self.stays.contains_key(&id) && self.stays.len() == 1 {
            self.advance(now);
            self.because = Some(because);
            self.changed = true;
        }
        self.stays.remove(&id);
    }

    /// Accounts the time until `to`, if a WebSocket is open.
    pub(super) fn advance(&mut self, to: Moment) {
        let from = self.until;
        if self.stays.is_empty() || to <= from {
            return;
        }
        self.add_dwell(from, to);
        for (begin, end) in std::mem::take(&mut self.active) {
            let (begin_here, end_here) = (begin.max(from), end.min(to));
            if begin_here < end_here {
                self.add_active(begin_here, end_here);
            }
            if end > to {
                self.active.push((begin, end));
            }
        }
        self.until = to;
        self.because = None;
        self.changed = true;
    }

    fn add_dwell(&mut self, from: Moment, to: Moment) {
        self.dwell_ms += to.since_ms(from);
        self.add_to_slots(from, to, |slot, ms| slot.dwell_ms += ms);
    }

    fn add_active(&mut self, from: Moment, to: Moment) {
        self.active_ms += to.since_ms(from);
        self.add_to_slots(from, to, |slot, ms| slot.active_ms += ms);
    }

    fn add_to_slots(&mut self, from: Moment, to: Moment, add: impl Fn(&mut SlotDelta, u64)) {
        let (mut from, to) = (self.wall(from).0, self.wall(to).0);
        while from < to {
            let slot_at = from.div_euclid(SLOT_MS) * SLOT_MS;
            let until = to.min(slot_at + SLOT_MS);
            let ms = u64::try_from(until - from).unwrap_or(0);
            add(self.slot(Timestamp(slot_at)), ms);
            from = until;
        }
    }

    fn slot(&mut self, slot_at: Timestamp) -> &mut SlotDelta {
        // The newest is the last; between two writes there are one or two.
        let found = self.slots.iter().rposition(|slot| slot.slot_at == slot_at);
        let index = found.unwrap_or_else(|| {
            self.slots.push(SlotDelta { slot_at, dwell_ms: 0, active_ms: 0 });
            self.slots.len() - 1
        });
        &mut self.slots[index]
    }

    fn wall(&self, moment: Moment) -> Timestamp {
        let since_ms = moment.0 as i64 - self.anchor.0.0 as i64;
        Timestamp(self.anchor.1.0 + since_ms)
    }

    /// Whether no WebSocket has been open for the whole gap. Of a person who comes back at `now`,
    /// this says whether a new visit begins.
    pub(super) fn is_over(&self, now: Moment, gap_ms: u64) -> bool {
        self.stays.is_empty() && now.since_ms(self.until) >= gap_ms
    }

    /// Its open WebSockets.
    pub(super) fn stays(&self) -> Vec<StayId> {
        self.stays.keys().copied().collect()
    }

    /// Its present values. `ended`: nobody will come back to it.
    pub(super) fn record(&self, ended: bool) -> VisitRecord {
        let because = self.because.unwrap_or(super::super::facts::USHER_STOPPED);
        let phase = match (ended, self.stays.is_empty()) {
            (true, _) => VisitPhase::Ended(because),
            (false, true) => VisitPhase::Gap(because),
            (false, false) => VisitPhase::Open,
        };
        VisitRecord {
            id: self.id,
            key: Arc::clone(&self.key),
            role: self.role,
            address: self.address.clone(),
            browser: self.browser.clone(),
            started_at: self.started_at,
            seen_at: self.wall(self.until),
            phase,
            dwell_ms: self.dwell_ms,
            active_ms: self.active_ms,
            requests: self.requests,
            in_bytes: self.in_bytes,
            out_bytes: self.out_bytes,
            slots: self.slots.clone(),
        }
    }

    /// The values of [`Visit::record`] were written under this number; `None`: it is another
    /// run's visit now.
    pub(super) fn written(&mut self, id: Option<VisitId>) {
        self.disowned = id.is_none();
        self.id = id;
        self.changed = false;
        self.slots.clear();
    }
}
