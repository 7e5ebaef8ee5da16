//! Slows seats down where there is no cgroup: those that were found to use more CPU than they may
//! are stopped and go on (SIGSTOP, SIGCONT) many times a second, as `pace` says.
//!
//! A seat that keeps to its limit is never touched: it is only measured, once a second, so that a
//! short burst passes. For those that are held there is one thread, which ends with the last.
//! Whoever lets a seat go makes it run on: before it is to end, when usher leaves, and at the next
//! start if usher was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::pace::{self, Pace};
use crate::clock::{Clock, Moment};
use crate::launch::members::{Identity, Scan, Seat};
use crate::launch::processes::Measured;
use crate::platform::process::{Handle, Order};
use crate::platform::table;

/// The processes of a held seat are listed anew after so long: it may have started more.
const SCAN_AGE_MAX_MS: u64 = 100;
/// A seat that had not to wait for so many measurements is only measured again.
const CALM_MEASUREMENTS: u32 = 3;
/// The longest sleep of the thread.
const SLEEP_MAX_MS: u64 = 500;

/// See the file.
pub(super) struct Pacer {
    clock: Arc<dyn Clock>,
    cores: u32,
    scan: Arc<Scan>,
    scanned_at: Moment,
    /// What each seat with a limit had used when it was measured last, in microseconds.
    used: BTreeMap<Seat, (Moment, u64)>,
    held: BTreeMap<Seat, Held>,
    has_thread: bool,
}

/// A seat at its limit.
struct Held {
    pace: Pace,
    look_at: Moment,
    stopped: BTreeMap<Identity, Handle>,
    /// Whether it had to wait since it was measured last.
    waited: bool,
    calm_measurements: u32,
}

impl Pacer {
    /// Holds nobody.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Mutex<Self>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Arc::new(Mutex::new(Self {
            clock,
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            scan: Arc::default(),
            scanned_at: Moment::default(),
            used: BTreeMap::new(),
            held: BTreeMap::new(),
            has_thread: false,
        }))
    }

    /// A seat was measured: from now on it is held, or no longer. Returns whether it had to wait.
    pub(super) fn measured(
        pacer: &Arc<Mutex<Self>>,
        seat: &Seat,
        cpu_max_millicores: Option<u32>,
        found: &Measured,
    ) -> bool {
        let mut this = pacer.lock();
        let Some(millicores) = cpu_max_millicores else {
            this.let_go(seat);
            return false;
        };
        let now = (found.at, found.usage.cpu_ms.saturating_mul(1000));
        let before = this.used.insert(seat.clone(), now);
        if let Some(held) = this.held.get_mut(seat) {
            held.pace.set(millicores);
            let waited = std::mem::take(&mut held.waited);
            held.calm_measurements = if waited { 0 } else { held.calm_measurements + 1 };
            if held.calm_measurements >= CALM_MEASUREMENTS {
                log::debug!("{seat} keeps to its cpu_max again");
                this.held.remove(seat).into_iter().for_each(Held::run_on);
            }
            return waited;
        }
        if !before.is_some_and(|before| pace::exceeds(before, now, millicores)) {
            return false;
        }
        this.hold(seat, millicores, found);
        if !this.has_thread {
            this.has_thread = begin_thread(pacer);
        }
        this.has_thread
    }

    fn hold(&mut self, seat: &Seat, millicores: u32, found: &Measured) {
        log::debug!("{seat} uses more than its cpu_max and is slowed down");
        let now = self.clock.now();
        (self.scan, self.scanned_at) = (Arc::clone(&found.scan), found.at);
        let held = Held {
            pace: Pace::new(millicores, now, used_us(&found.members)),
            look_at: now,
            stopped: BTreeMap::new(),
            waited: true,
            calm_measurements: 0,
        };
        self.held.insert(seat.clone(), held);
    }

    /// Nothing slows it down any more.
    pub(super) fn let_go(&mut self, seat: &Seat) {
        self.used.remove(seat);
        self.held.remove(seat).into_iter().for_each(Held::run_on);
    }

    /// Nobody is held any more.
    pub(super) fn let_all_go(&mut self) {
        self.used.clear();
        std::mem::take(&mut self.held).into_values().for_each(Held::run_on);
    }

    /// Looks at those whose time has come. Returns for how long there is nothing to do; `None`:
    /// nobody is held.
    fn turn(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        if self.held.values().any(|held| held.look_at <= now)
            && now.since_ms(self.scanned_at) >= SCAN_AGE_MAX_MS
        {
            (self.scan, self.scanned_at) = (Arc::new(self.scan.again()), now);
        }
        for (seat, held) in &mut self.held {
            if held.look_at <= now {
                held.look(now, &self.scan.members(seat), self.cores);
            }
        }
        let next = self.held.values().map(|held| held.look_at).min();
        self.has_thread = next.is_some();
        next.map(|at| Duration::from_millis(at.since_ms(now).clamp(1, SLEEP_MAX_MS)))
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.let_all_go();
    }
}

impl Held {
    fn look(&mut self, now: Moment, members: &BTreeSet<Identity>, cores: u32) {
        let turn = self.pace.look(now, used_us(members), cores);
        self.look_at = now.plus_ms(turn.look_in_ms);
        if turn.runs {
            self.go_on();
        } else {
            self.waited = true;
            self.stop(members);
        }
    }

    /// Stops all of them, and remembers whom: what the app itself has stopped stays its own.
    fn stop(&mut self, members: &BTreeSet<Identity>) {
        for member in members {
            if self.stopped.contains_key(member) || !runs(*member) {
                continue;
            }
            match Handle::open(member.0, member.1) {
                Ok(Some(handle)) => match handle.order(Order::Pause) {
                    Ok(()) => {
                        self.stopped.insert(*member, handle);
                    }
                    Err(error) => log::debug!("process {} cannot be stopped: {error}", member.0),
                },
                Ok(None) => {}
                Err(error) => log::debug!("process {} cannot be stopped: {error}", member.0),
            }
        }
    }

    fn go_on(&mut self) {
        for (member, handle) in std::mem::take(&mut self.stopped) {
            if let Err(error) = handle.order(Order::Resume) {
                log::error!("process {} cannot go on: {error}", member.0);
            }
        }
    }

    fn run_on(mut self) {
        self.go_on();
    }
}

/// Makes whatever of these is stopped go on.
pub(super) fn wake(members: &BTreeSet<Identity>) {
    for (pid, start_ticks) in members {
        let is_stopped = table::process(*pid)
            .is_some_and(|found| found.stopped && found.start_ticks == *start_ticks);
        if is_stopped
            && let Ok(Some(handle)) = Handle::open(*pid, *start_ticks)
            && let Err(error) = handle.order(Order::Resume)
        {
            log::error!("process {pid} was stopped and cannot go on: {error}");
        }
    }
}

/// The CPU time that these used, and those that they waited for.
fn used_us(members: &BTreeSet<Identity>) -> u64 {
    let ticks = members
        .iter()
        .filter_map(|(pid, start_ticks)| {
            table::process(*pid).filter(|found| found.start_ticks == *start_ticks)
        })
        .fold(0_u64, |sum, found| sum.saturating_add(found.cpu_ticks));
    ticks.saturating_mul(1_000_000) / table::ticks_per_second()
}

fn runs((pid, start_ticks): Identity) -> bool {
    table::process(pid).is_some_and(|found| found.start_ticks == start_ticks && !found.stopped)
}

/// The pacer while its thread runs: should that panic, nobody stays stopped.
struct Surviving(Arc<Mutex<Pacer>>);

impl Drop for Surviving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut pacer = self.0.lock();
            pacer.let_all_go();
            pacer.has_thread = false;
        }
    }
}

/// Says whether there is one.
fn begin_thread(pacer: &Arc<Mutex<Pacer>>) -> bool {
    let pacer = Arc::clone(pacer);
    let thread = std::thread::Builder::new().name("usher-pace".to_owned());
    let begun = thread.spawn(move || {
        let pacer = Surviving(pacer);
        loop {
            let Some(pause) = pacer.0.lock().turn() else { return };
            std::thread::sleep(pause);
        }
    });
    if let Err(error) = &begun {
        log::error!("no thread to keep seats within cpu_max: {error}");
    }
    begun.is_ok()
}
