//! The only owner of the journal. Takes facts out of the channel, makes visits and records of
//! them, and writes those in batches; does the store's housekeeping in between.
//!
//! Whatever happens to the database costs records, which are counted, and never a request: what
//! cannot be written waits in bounded memory, and the oldest goes first. This file has one round of
//! that work; `books` has the thread that goes round.

mod pending;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arc_swap::ArcSwap;

use super::access_log::AccessLog;
use super::complaint::Complaint;
use super::facts::{EventFact, Fact, StayId};
use super::live::{LiveStay, SeatTraffic};
use super::settings::Settings;
use super::stamp;
use super::visits::{Began, Carried, Visits};
use super::{Account, FACTS_WAITING_MAX};
use crate::clock::{Clock, Moment, Timestamp};
use crate::domain::{Actor, Detail};
use crate::store::{Journal, StoreError, Tidied};
use pending::Pending;

/// One round after the other, at most this far apart, in milliseconds.
pub(super) const ROUND_MS: u64 = 250;
/// Facts that are taken before what they became is written.
const FACTS_PER_BATCH_MAX: usize = 1_000;
/// Open visits are written this often. With [`ROUND_MS`] and [`LAG_MS`] a killed usher loses
/// about a second of a visit, and less than the two that are promised also on a busy machine.
const TICK_MS: u64 = 750;
/// Time is accounted only until so long ago: facts of that time have surely come.
const LAG_MS: u64 = 250;
/// Housekeeping that found nothing to do looks again after this.
const TIDY_AGAIN_MS: u64 = 60_000;
/// The first and the longest wait before a failed write is tried again.
const RETRY_MS: (u64, u64) = (ROUND_MS, 5_000);
/// The wait after what will not mend by itself.
const RETRY_HOPELESS_MS: u64 = 60_000;

/// Opens journals. The program's is a file; tests have one that fails as they wish.
pub(super) trait Shelf: Send {
    /// Opens the journal, and makes it if there is none.
    ///
    /// # Errors
    /// It cannot be opened now.
    fn open(&mut self) -> Result<Box<dyn Journal + Send>, StoreError>;

    /// Puts a broken one out of the way; says where it is now.
    ///
    /// # Errors
    /// It cannot be moved.
    fn set_aside(&mut self, stamp: &str) -> std::io::Result<String>;
}

/// What others may know of the writer.
#[derive(Default)]
pub(super) struct Health {
    /// Why nothing is written at the moment.
    pub(super) problem: ArcSwap<Option<String>>,
}

/// Whether visits are recorded.
#[derive(Clone, Copy)]
enum Recording {
    Off,
    /// Since this moment.
    Since(Moment, Timestamp),
}

/// What [`Writer::new`] connects.
pub(super) struct Parts {
    pub(super) account: Account,
    pub(super) facts: Receiver<Fact>,
    pub(super) shelf: Box<dyn Shelf>,
    pub(super) settings: Arc<ArcSwap<Settings>>,
    pub(super) health: Arc<Health>,
}

/// The writer.
pub(super) struct Writer {
    account: Account,
    clock: Arc<dyn Clock>,
    facts: Receiver<Fact>,
    shelf: Box<dyn Shelf>,
    settings: Arc<ArcSwap<Settings>>,
    health: Arc<Health>,
    journal: Option<Box<dyn Journal + Send>>,
    visits: Visits,
    recording: Recording,
    /// WebSockets that are accounted and were not among the open ones at the latest tick.
    missing: HashSet<StayId>,
    pending: Pending,
    access_log: AccessLog,
    complaint: Complaint,
    next_tick: Moment,
    next_tidy: Moment,
    /// Nothing is written before.
    next_write: Moment,
    failures: u32,
}

impl Writer {
    /// A writer that has not opened anything yet.
    pub(super) fn new(parts: Parts) -> Self {
        let clock = Arc::clone(parts.account.clock());
        let visits = parts.settings.load().visits;
        let now = clock.now();
        Self {
            account: parts.account,
            clock,
            facts: parts.facts,
            shelf: parts.shelf,
            settings: parts.settings,
            health: parts.health,
            journal: None,
            visits: Visits::new(visits.gap_ms),
            recording: if visits.record {
                Recording::Since(Moment(0), Timestamp(0))
            } else {
                Recording::Off
            },
            missing: HashSet::new(),
            pending: Pending::default(),
            access_log: AccessLog::default(),
            complaint: Complaint::default(),
            next_tick: now,
            next_tidy: now,
            next_write: now,
            failures: 0,
        }
    }

    /// One round: everything that was told, what is due, and a slice of housekeeping.
    pub(super) fn round(&mut self) {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.apply(&settings, now);
        self.open_if_due(now);
        self.take_facts(&settings);
        if now >= self.next_tick {
            self.next_tick = now.plus_ms(TICK_MS);
            self.tick(now);
        }
        self.write(now);
        self.tidy(&settings, now);
        let lost = self.access_log.flush(&settings, now);
        self.account.counters().records_lost(lost);
    }

    /// Everything that was told, and the end of every visit: usher leaves. Says whether all of it
    /// was written.
    pub(super) fn finish(&mut self) -> bool {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        self.next_write = now;
        self.open_if_due(now);
        self.take_facts(&settings);
        for stay in self.account.stays() {
            self.begin(&stay);
            self.read(&stay);
        }
        self.read_traffic(now);
        self.visits.end_all(now);
        self.recording = Recording::Off;
        self.write(now);
        let lost = self.access_log.close(&settings);
        self.account.counters().records_lost(lost);
        self.pending.is_empty() && self.visits.records().is_empty()
    }

    /// What can no longer be written counts as lost.
    pub(super) fn give_up(&mut self) {
        let records = self.pending.take_all() + self.visits.records().len() as u64;
        self.account.counters().records_lost(records);
        if records > 0 {
            log::error!("{records} records could not be written before the end");
        }
    }

    fn apply(&mut self, settings: &Settings, now: Moment) {
        self.visits.set_gap(settings.visits.gap_ms);
        match (self.recording, settings.visits.record) {
            (Recording::Off, true) => self.recording = Recording::Since(now, self.clock.wall()),
            (Recording::Since(..), false) => {
                self.visits.end_all(now);
                self.recording = Recording::Off;
            }
            (Recording::Off, false) | (Recording::Since(..), true) => {}
        }
    }

    fn open_if_due(&mut self, now: Moment) {
        if self.journal.is_some() || now < self.next_write {
            return;
        }
        match self.shelf.open() {
            Ok(mut journal) => {
                // What cannot be closed now is closed at the next start.
                match journal.close_left_open() {
                    Ok(0) => {}
                    Ok(visits) => log::info!("{visits} visits of the run before were closed"),
                    Err(error) => log::warn!("visits of the run before stay open: {error}"),
                }
                self.journal = Some(journal);
                self.next_tidy = now;
            }
            Err(error) => self.failed(&error, now),
        }
    }

    fn take_facts(&mut self, settings: &Settings) {
        // As many as fit into the channel: rounds go on however fast facts come.
        for _ in 0..FACTS_WAITING_MAX {
            let Ok(fact) = self.facts.try_recv() else { return };
            self.take(fact, settings);
            if self.pending.records() >= FACTS_PER_BATCH_MAX {
                let now = self.clock.now();
                self.write(now);
            }
        }
    }

    fn take(&mut self, fact: Fact, settings: &Settings) {
        match fact {
            Fact::StayBegan(stay) => self.begin(&stay),
            Fact::StayEnded(stay, end, at) => {
                self.begin(&stay);
                self.read(&stay);
                self.read_traffic_of(&stay, at);
                self.visits.ended(stay.id, end, at);
                self.missing.remove(&stay.id);
            }
            Fact::Event(event) => self.pending.event(event),
            Fact::Access(line) => {
                let lost = self.access_log.write(settings, &line);
                self.account.counters().records_lost(lost);
            }
            Fact::Started(start) => self.pending.start(start),
            Fact::Machine(at, sample) => self.pending.machine(at, sample),
            Fact::Seats(at, samples) => self.pending.seats(at, samples),
        }
        self.account.counters().records_lost(self.pending.take_lost());
    }

    /// A WebSocket was opened. Told twice, it counts once.
    fn begin(&mut self, stay: &LiveStay) {
        let Recording::Since(since, since_wall) = self.recording else { return };
        if self.visits.knows(stay.id) {
            return;
        }
        // Of one that was open already when visits began to be recorded, the rest counts.
        let (now, at) =
            if stay.began < since { (since, since_wall) } else { (stay.began, stay.began_at) };
        self.read_traffic_of(stay, now);
        let began = Began {
            id: stay.id,
            key: &stay.key,
            role: stay.role,
            address: stay.visitor.address,
            browser: &stay.visitor.browser,
            now,
            at,
        };
        let resumed = match (&mut self.journal, self.visits.begins_visit(&stay.key, now)) {
            // If it cannot be read, a new visit begins: it is a matter of one row more.
            (Some(journal), true) => {
                journal.resume(&stay.key, at, self.visits.gap_ms()).unwrap_or(None)
            }
            (Some(_) | None, _) => None,
        };
        self.visits.began(&began, resumed);
    }

    fn read(&mut self, stay: &LiveStay) {
        let bytes = stay.bytes();
        self.visits.read(stay.id, bytes, stay.take_acts());
    }

    fn read_traffic(&mut self, now: Moment) {
        for (key, traffic) in self.account.traffic() {
            self.visits.carried(&key, carried(&traffic), now);
        }
    }

    fn read_traffic_of(&mut self, stay: &LiveStay, now: Moment) {
        if let Some(traffic) = self.account.traffic_of(&stay.key) {
            self.visits.carried(&stay.key, carried(&traffic), now);
        }
    }

    /// Open visits grow until a moment ago.
    fn tick(&mut self, now: Moment) {
        let live = self.account.stays();
        for stay in &live {
            // Told to a full channel, or open since before visits were recorded.
            self.begin(stay);
            self.read(stay);
        }
        self.end_missing(&live);
        self.read_traffic(now);
        self.visits.advance(Moment(now.0.saturating_sub(LAG_MS)));
    }

    /// Ends the WebSockets whose end was told to a full channel: they are not open any more, and
    /// a whole tick later nobody has said why.
    fn end_missing(&mut self, live: &[Arc<LiveStay>]) {
        let open: HashSet<StayId> = live.iter().map(|stay| stay.id).collect();
        let missing: HashSet<StayId> =
            self.visits.stays().filter(|id| !open.contains(id)).collect();
        for id in missing.intersection(&self.missing) {
            // Not a moment later than what is accounted already.
            self.visits.ended(*id, super::StayEnd::Broken, Moment(0));
        }
        self.missing = missing;
    }

    fn write(&mut self, now: Moment) {
        let lost = self.visits.take_lost();
        self.account.counters().records_lost(lost);
        if now < self.next_write {
            return;
        }
        let Some(journal) = &mut self.journal else { return };
        let batch = self.pending.with(self.visits.records());
        if batch.is_empty() {
            return;
        }
        match journal.write(batch) {
            Ok(written) => {
                self.visits.written(&written.visits);
                self.pending.written();
                self.recovered();
            }
            Err(error) => self.failed(&error, now),
        }
    }

    fn recovered(&mut self) {
        if self.failures > 0 {
            self.failures = 0;
            self.health.problem.store(Arc::new(None));
            log::info!("records are written again");
        }
    }

    /// The journal could not be opened or written: what now?
    fn failed(&mut self, error: &StoreError, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.health.problem.store(Arc::new(Some(error.to_string())));
        let doublings = self.failures.saturating_sub(1).min(10);
        let wait_ms = (RETRY_MS.0 << doublings).min(RETRY_MS.1);
        match error {
            StoreError::Busy | StoreError::Full | StoreError::Failed { .. } => {
                self.complain(error, now);
                self.next_write = now.plus_ms(wait_ms);
            }
            StoreError::Refused { .. } => {
                self.complain(error, now);
                let lost = self.pending.take_all();
                self.account.counters().records_lost(lost);
                self.visits.given_up();
                self.next_write = now.plus_ms(wait_ms);
            }
            StoreError::Corrupt { .. } => self.begin_anew(error, now),
            StoreError::Missing { path } => {
                log::error!("{} was removed or replaced; a new database is begun", path.display());
                self.journal = None;
                self.visits.forget_numbers();
                self.next_write = now;
            }
            StoreError::NewerSchema { .. } | StoreError::OlderSchema { .. } => {
                self.complain(error, now);
                self.next_write = now.plus_ms(RETRY_HOPELESS_MS);
            }
        }
    }

    /// Sets a broken database aside. The next round begins another.
    fn begin_anew(&mut self, error: &StoreError, now: Moment) {
        // First the file is closed, so that it can be moved on every system.
        self.journal = None;
        let stamp = stamp(self.clock.wall(), &self.settings.load().timezone);
        match self.shelf.set_aside(&stamp) {
            Ok(aside) => {
                log::error!("{error}; it was set aside as {aside}, and a new one is begun");
                self.visits.forget_numbers();
                self.next_write = now;
                self.pending.event(EventFact {
                    at: self.clock.wall(),
                    kind: "database_corrupt",
                    actor: Actor::Usher,
                    key: None,
                    address: None,
                    detail: Detail::set_aside(&error.to_string(), &aside),
                });
            }
            Err(refused) => {
                self.complaint.tell(now, || format!("{error}; it cannot be set aside: {refused}"));
                self.next_write = now.plus_ms(RETRY_HOPELESS_MS);
            }
        }
    }

    fn complain(&mut self, error: &StoreError, now: Moment) {
        let counters = self.account.counters();
        let (waiting, lost) = (self.pending.records(), counters.lost());
        self.complaint.tell(now, || {
            format!("records are not written: {error}; {waiting} wait, {lost} were lost")
        });
    }

    fn tidy(&mut self, settings: &Settings, now: Moment) {
        if now < self.next_tidy || now < self.next_write {
            return;
        }
        let Some(journal) = &mut self.journal else { return };
        match journal.tidy(self.clock.wall(), &settings.upkeep()) {
            Ok(Tidied::More) => {}
            Ok(Tidied::Done) => self.next_tidy = now.plus_ms(TIDY_AGAIN_MS),
            Err(error) => self.failed(&error, now),
        }
    }
}

fn carried(traffic: &SeatTraffic) -> Carried {
    let (requests, in_bytes, out_bytes) = traffic.totals();
    Carried { requests, in_bytes, out_bytes }
}
