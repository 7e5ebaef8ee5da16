//! Records that wait to be written, in bounded memory: the oldest of a kind are lost first.

use crate::account::facts::{EventFact, StartFact};
use crate::clock::Timestamp;
use crate::observe::{MachineSample, SeatSample};
use crate::store::{Batch, EventRecord, StartRecord, VisitRecord};

/// Records of one kind that wait, at most; a few more until they are counted.
pub(super) const WAITING_MAX: usize = 10_000;

/// What waits.
#[derive(Default)]
pub(super) struct Pending {
    batch: Batch,
    lost: u64,
}

impl Pending {
    pub(super) fn event(&mut self, event: EventFact) {
        self.batch.events.push(EventRecord {
            at: event.at,
            kind: event.kind,
            actor: event.actor,
            key: event.key,
            address: event.address.map(|address| address.to_string()),
            detail: event.detail,
        });
        self.lost += trim(&mut self.batch.events);
    }

    pub(super) fn start(&mut self, start: StartFact) {
        let StartFact { at, key, launch, start_ms, queued_ms } = start;
        self.batch.starts.push(StartRecord { at, key, launch, start_ms, queued_ms });
        self.lost += trim(&mut self.batch.starts);
    }

    pub(super) fn machine(&mut self, at: Timestamp, sample: MachineSample) {
        self.batch.machine.push((at, sample));
        self.lost += trim(&mut self.batch.machine);
    }

    pub(super) fn seats(&mut self, at: Timestamp, samples: Vec<SeatSample>) {
        self.batch.seats.extend(samples.into_iter().map(|sample| (at, sample)));
        self.lost += trim(&mut self.batch.seats);
    }

    /// How many wait.
    pub(super) fn records(&self) -> usize {
        self.batch.records()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// What waits, with the present records of visits, which their keeper holds on to.
    pub(super) fn with(&mut self, visits: Vec<VisitRecord>) -> &Batch {
        self.batch.visits = visits;
        &self.batch
    }

    /// All of it was written.
    pub(super) fn written(&mut self) {
        self.batch = Batch::default();
    }

    /// Gives all of it up; says how many.
    pub(super) fn take_all(&mut self) -> u64 {
        self.batch.visits.clear();
        std::mem::take(&mut self.batch).records() as u64
    }

    /// How many were lost since this was called last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

/// Drops the oldest when there are too many, not one by one. Says how many.
fn trim<T>(records: &mut Vec<T>) -> u64 {
    if records.len() <= WAITING_MAX + WAITING_MAX / 8 {
        return 0;
    }
    let lost = records.len() - WAITING_MAX;
    records.drain(..lost);
    lost as u64
}
