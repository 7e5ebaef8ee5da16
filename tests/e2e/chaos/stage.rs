//! What all who take part know of each other: whether it is over, since when usher is left alone,
//! how often what happened, and what must not have happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::rig::Door;

use super::SEATS;

/// What one time of chaos is.
pub(super) struct Stage {
    folder: PathBuf,
    ports: (u16, u16),
    calm: AtomicBool,
    over: AtomicBool,
    undisturbed_since: Mutex<Option<Instant>>,
    counts: Mutex<BTreeMap<String, u64>>,
    broken: Mutex<Vec<String>>,
    kills: Mutex<Vec<SystemTime>>,
}

impl Stage {
    pub(super) fn of(door: &Door) -> Self {
        let first = door.seat_ports().0;
        let folder = door.path("var").canonicalize().expect("the state folder");
        Self {
            folder,
            ports: (first, first + u16::try_from(SEATS).expect("few") - 1),
            calm: AtomicBool::new(false),
            over: AtomicBool::new(false),
            undisturbed_since: Mutex::new(Some(Instant::now())),
            counts: Mutex::default(),
            broken: Mutex::default(),
            kills: Mutex::default(),
        }
    }

    /// The state folder, with which the marks of all seats' processes begin.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The ports of all seats.
    pub(super) fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// People leave.
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Whether people should leave.
    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed) || self.is_over()
    }

    /// It is over, for the watch too.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Usher is about to be disturbed; nothing is promised until [`Stage::left_alone`] and a while.
    pub(super) fn disturbed(&self) {
        *self.undisturbed_since.lock().expect("no panic") = None;
    }

    /// From now on usher is left alone.
    pub(super) fn left_alone(&self) {
        *self.undisturbed_since.lock().expect("no panic") = Some(Instant::now());
    }

    /// Since when it is, if it has been for so long.
    pub(super) fn undisturbed_for(&self, time: Duration) -> Option<Instant> {
        let since = *self.undisturbed_since.lock().expect("no panic");
        since.filter(|since| since.elapsed() >= time)
    }

    /// Usher was killed and could not write down what it knew last.
    pub(super) fn killed(&self) {
        self.kills.lock().expect("no panic").push(SystemTime::now());
    }

    pub(super) fn kills(&self) -> Vec<SystemTime> {
        self.kills.lock().expect("no panic").clone()
    }

    pub(super) fn count(&self, what: &str) {
        *self.counts.lock().expect("no panic").entry(what.to_owned()).or_default() += 1;
    }

    /// A promise was broken: that ends it.
    pub(super) fn broken(&self, how: String) {
        eprintln!("BROKEN: {how}");
        self.broken.lock().expect("no panic").push(how);
        self.end();
    }

    /// What happened how often.
    pub(super) fn told(&self) -> String {
        let counts = self.counts.lock().expect("no panic");
        let lines = counts.iter().map(|(what, count)| format!("{count:6} {what}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Passes only if no promise was broken so far.
    pub(super) fn assert_unbroken(&self) {
        let broken = self.broken.lock().expect("no panic").clone();
        assert!(broken.is_empty(), "{broken:#?}\n{}", self.told());
    }

    /// Passes only if no promise was broken, and if it was chaos indeed.
    pub(super) fn assert_well(&self) {
        self.assert_unbroken();
        let counts = self.counts.lock().expect("no panic");
        const NEEDED: [&str; 4] = [
            "answers of the own app",
            "WebSockets of the own app",
            "Streamlit runs",
            "looks at an undisturbed usher",
        ];
        for needed in NEEDED {
            assert!(
                counts.get(needed).is_some_and(|count| *count >= 20),
                "few {needed}: {counts:?}"
            );
        }
    }
}
