//! A cgroup (version 2) for each seat with a limit, below usher's own: the kernel slows down who
//! uses too much CPU, and ends who uses too much memory, all of it at once.
//!
//! A cgroup with limits for its children may have no process of its own, so usher sits in a leaf:
//!
//! ```text
//! …/usher.service        usher's own: systemd has delegated it, or nobody else is in it
//! ├── door               usher, its templates, seats without limits
//! ├── seat-1f0c…         one launch of one seat
//! └── seat-92ab…
//! ```
//!
//! systemd puts usher into `door` by itself (`DelegateSubgroup=door`). In a unit without that usher
//! keeps its hands off: what systemd manages has one master, and after a restart that leaves seats
//! behind it could put nobody into a cgroup with limits for its children.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::launch::Allowance;
use crate::platform::files;

/// What the name of a seat's cgroup begins with.
pub(super) const SEAT: &str = "seat-";
/// Usher's own leaf.
const DOOR: &str = "door";
/// What limits need.
const CONTROLLERS: [&str; 2] = ["cpu", "memory"];
/// The kernel's bandwidth control counts in this time.
const PERIOD_US: u64 = 100_000;
/// Set by systemd for all that it starts.
const BY_SYSTEMD: &str = "INVOCATION_ID";

/// Where a process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// The folder of its cgroup.
    folder: PathBuf,
    /// Its number.
    pid: u32,
    /// Whether systemd has started it.
    by_systemd: bool,
}

impl Ground {
    /// Of this process.
    ///
    /// # Errors
    /// Why there is no cgroup to be used.
    pub(super) fn of_this_process() -> Result<Self, String> {
        let read = |name: &str| {
            fs::read_to_string(name).map_err(|error| format!("{name} cannot be read: {error}"))
        };
        let folder = folder(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)?;
        let by_systemd = std::env::var_os(BY_SYSTEMD).is_some();
        Ok(Self { folder, pid: std::process::id(), by_systemd })
    }

    /// The cgroup that is usher's, and whether usher is in its leaf already.
    fn own(&self) -> (&Path, bool) {
        match self.folder.parent() {
            Some(parent) if self.folder.ends_with(DOOR) => (parent, true),
            Some(_) | None => (&self.folder, false),
        }
    }

    /// Whether usher may divide its cgroup. Changes nothing.
    pub(super) fn may_divide(&self) -> Result<(), String> {
        let (own, is_in_leaf) = self.own();
        let read = |name: &str| words(own, name).map_err(|error| told(own, name, &error));
        let controllers = read("cgroup.controllers")?;
        let missing: Vec<&str> =
            CONTROLLERS.into_iter().filter(|wanted| !controllers.contains(*wanted)).collect();
        if !missing.is_empty() {
            let (own, missing) = (own.display(), missing.join(" and "));
            return Err(format!("the cgroup {own} has no controller for {missing}"));
        }
        files::may_write(own).map_err(|error| told(own, "", &error))?;
        if is_in_leaf {
            return Ok(());
        }
        if self.by_systemd {
            return Err("the unit of systemd has no `DelegateSubgroup=door` (systemd 254 and \
                        later; see conf/usher.service)"
                .to_owned());
        }
        let others = read("cgroup.procs")?.iter().any(|pid| *pid != self.pid.to_string());
        let own = own.display();
        match others {
            true => Err(format!("usher is not alone in its cgroup {own}")),
            false if !self.folder.join("cgroup.type").exists() => {
                Err(format!("{own} is the machine's own cgroup"))
            }
            false => Ok(()),
        }
    }
}

/// Usher's cgroup, with those of seats in it.
pub(super) struct Tree {
    own: PathBuf,
    seats: Mutex<BTreeMap<String, Seat>>,
    /// Those that could not be removed yet.
    left: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Seat {
    /// What the kernel was told.
    told: Option<Allowance>,
    /// How often the kernel had slowed it down at the last look.
    throttled: u64,
    /// It is complained about once.
    complained: bool,
    /// It is to end: a measurement that was under way changes nothing any more.
    ends: bool,
}

impl Seat {
    /// A seat that this usher has nothing told the kernel of, perhaps one that was taken over.
    fn seen(folder: &Path) -> Self {
        Self { throttled: number(folder, "cpu.stat", "nr_throttled"), ..Self::default() }
    }
}

impl Tree {
    /// Makes the ground ready for seats.
    ///
    /// # Errors
    /// Why that may not or cannot be.
    pub(super) fn prepare(ground: &Ground) -> Result<Self, String> {
        ground.may_divide()?;
        let (own, is_in_leaf) = ground.own();
        if !is_in_leaf {
            let door = own.join(DOOR);
            make(&door)
                .and_then(|()| write(&door, "cgroup.procs", &ground.pid.to_string()))
                .map_err(|error| told(&door, "cgroup.procs", &error))?;
        }
        let name = "cgroup.subtree_control";
        let enabled = words(own, name).map_err(|error| told(own, name, &error))?;
        if !CONTROLLERS.iter().all(|wanted| enabled.contains(*wanted)) {
            write(own, name, "+cpu +memory").map_err(|error| told(own, name, &error))?;
        }
        // One that cannot make a cgroup finds out now, not at the first seat.
        let probe = own.join(format!("{SEAT}probe"));
        make(&probe)
            .and_then(|()| fs::remove_dir(&probe))
            .map_err(|error| format!("no cgroup can be made in {}: {error}", own.display()))?;
        Ok(Self::at(own))
    }

    fn at(own: &Path) -> Self {
        Self { own: own.to_owned(), seats: Mutex::default(), left: Mutex::default() }
    }

    /// Makes sure that these processes are in the seat's cgroup and that it has these limits.
    /// Returns whether the kernel slowed it down since the last time.
    pub(super) fn keep(&self, name: &str, allowance: Allowance, pids: &BTreeSet<u32>) -> bool {
        let folder = self.own.join(name);
        let mut seats = self.seats.lock();
        if allowance == Allowance::default() && !folder.is_dir() {
            seats.remove(name);
            return false;
        }
        let seat = seats.entry(name.to_owned()).or_insert_with(|| Seat::seen(&folder));
        if seat.ends {
            return false;
        }
        let kept = (|| {
            make(&folder)?;
            if seat.told != Some(allowance) {
                limit(&folder, allowance)?;
                seat.told = Some(allowance);
            }
            gather(&folder, pids)
        })();
        match kept {
            Ok(true) => seat.complained = false,
            // It has ended just now, and was forgotten.
            Ok(false) => {
                drop(seats);
                self.remove(name);
                return false;
            }
            Err(error) if seat.complained => log::debug!("{}: {error}", folder.display()),
            Err(error) => {
                log::error!("limits cannot be kept by cgroup {}: {error}", folder.display());
                seat.complained = true;
            }
        }
        let throttled = number(&folder, "cpu.stat", "nr_throttled");
        throttled > std::mem::replace(&mut seat.throttled, throttled)
    }

    /// It is to end, which nothing shall slow down.
    pub(super) fn let_go(&self, name: &str) {
        if let Some(seat) = self.seats.lock().get_mut(name) {
            seat.ends = true;
        }
        let folder = self.own.join(name);
        if folder.is_dir()
            && let Err(error) = write(&folder, "cpu.max", &cpu_max(None))
        {
            log::debug!("{}: {error}", folder.display());
        }
    }

    /// The limit for which the kernel has ended the seat, if it has.
    pub(super) fn killed_for_memory(&self, name: &str) -> Option<u64> {
        let folder = self.own.join(name);
        if number(&folder, "memory.events", "oom_kill") == 0 {
            return None;
        }
        fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse().ok()
    }

    /// Nothing is left in it.
    pub(super) fn remove(&self, name: &str) {
        self.seats.lock().remove(name);
        let mut left = self.left.lock();
        left.insert(name.to_owned());
        // A process that has just died may still be counted: then it is the next one's turn.
        left.retain(|name| match fs::remove_dir(self.own.join(name)) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
    }

    /// Removes what earlier ushers left and is not one of these.
    pub(super) fn remove_others(&self, names: &BTreeSet<String>) {
        let entries = fs::read_dir(&self.own).into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            if name.starts_with(SEAT) && !names.contains(&name) {
                self.remove(&name);
            }
        }
    }
}

/// Tells the kernel.
fn limit(folder: &Path, allowance: Allowance) -> io::Result<()> {
    write(folder, "cpu.max", &cpu_max(allowance.cpu_max_millicores))?;
    // If it has to end, then all of it: half an app is of no use.
    write(folder, "memory.oom.group", "1")?;
    let (memory, swap) = match allowance.memory_max_bytes {
        Some(bytes) => (bytes.to_string(), "0"),
        None => ("max".to_owned(), "max"),
    };
    write(folder, "memory.max", &memory)?;
    match write(folder, "memory.swap.max", swap) {
        // A kernel without swap.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written,
    }
}

/// Puts into it who is not. What is gone since is no error. Says whether anybody is in it.
fn gather(folder: &Path, pids: &BTreeSet<u32>) -> io::Result<bool> {
    /// "No such process", which is no kind of error in the standard library.
    const GONE: i32 = 3;
    let inside = words(folder, "cgroup.procs")?;
    let mut is_inhabited = !inside.is_empty();
    for pid in pids.iter().map(u32::to_string).filter(|pid| !inside.contains(pid)) {
        match write(folder, "cgroup.procs", &pid) {
            Ok(()) => is_inhabited = true,
            Err(error) if error.raw_os_error() == Some(GONE) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(is_inhabited)
}

fn cpu_max(millicores: Option<u32>) -> String {
    match millicores {
        Some(millicores) => {
            format!("{} {PERIOD_US}", u64::from(millicores) * (PERIOD_US / 1000))
        }
        None => format!("max {PERIOD_US}"),
    }
}

/// The folder of a process's cgroup, from proc(5)'s `mountinfo` and `cgroup`.
fn folder(mountinfo: &str, cgroup: &str) -> Result<PathBuf, String> {
    let (root, at) = mountinfo
        .lines()
        .find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            let (root, at) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup2 ").then(|| (root, at.replace("\\040", " ")))
        })
        .ok_or("no cgroup2 is mounted")?;
    let path = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .ok_or("usher is in no cgroup of version 2")?;
    let below = Path::new(path)
        .strip_prefix(root)
        .map_err(|_| format!("the cgroup {path} is not below what is mounted at {at}"))?;
    // Joining an empty path would leave a slash at the end.
    Ok(Path::new(&at).join(below).components().collect())
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes to a file that the kernel has made.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    use io::Write;
    fs::OpenOptions::new().write(true).open(folder.join(name))?.write_all(text.as_bytes())
}

fn words(folder: &Path, name: &str) -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string(folder.join(name))?;
    Ok(text.split_whitespace().map(ToOwned::to_owned).collect())
}

/// A number of a file of `name number` lines; 0 if it has none.
fn number(folder: &Path, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(of).unwrap_or_default()
}

fn told(folder: &Path, name: &str, error: &io::Error) -> String {
    format!("{}: {error}", folder.join(name).display())
}

#[cfg(test)]
mod tests;
