//! `cpu_max` and `memory_max`: how a seat is kept within what it may use.
//!
//! Where usher may, each seat with a limit has a cgroup of its own (`cgroup`) and the kernel keeps
//! it there. Elsewhere the seat is measured once a second: of its memory the machine of seats
//! decides, and a seat over its CPU is slowed down (`pacer`, by the rule in `pace`).
//!
//! Either way CPU is a matter of slowing down, never of ending, and of seats that are ready: a start
//! may take what it can get, for somebody waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use self::cgroup::{Ground, Tree};
use self::pacer::Pacer;
use super::members::{Identity, Seat};
use super::processes::Measured;
use super::shared::digest;
use super::{Allowance, Keeping, Started, environment};
use crate::clock::Clock;
use crate::domain::Exit;

mod cgroup;
mod pace;
mod pacer;

/// See the file.
pub(super) struct Limits {
    state_dir: String,
    way: Way,
}

enum Way {
    Cgroup(Tree),
    Measured { why: String, pacer: Arc<Mutex<Pacer>> },
}

/// See [`super::keeping_here`].
pub(super) fn keeping_here() -> Keeping {
    match Ground::of_this_process().and_then(|ground| ground.may_divide()) {
        Ok(()) => Keeping::Cgroup,
        Err(why) => Keeping::Measured { why },
    }
}

impl Limits {
    /// Finds out whether usher may make cgroups, and moves this process to where it may.
    pub(super) fn new(state_dir: String, clock: &Arc<dyn Clock>) -> Self {
        let way = match Ground::of_this_process().and_then(|ground| Tree::prepare(&ground)) {
            Ok(tree) => Way::Cgroup(tree),
            Err(why) => Way::Measured { why, pacer: Pacer::new(Arc::clone(clock)) },
        };
        Self { state_dir, way }
    }

    /// How limits are kept.
    pub(super) fn keeping(&self) -> Keeping {
        match &self.way {
            Way::Cgroup(_) => Keeping::Cgroup,
            Way::Measured { why, .. } => Keeping::Measured { why: why.clone() },
        }
    }

    /// There is a process. Its memory counts from now on.
    pub(super) fn begun(&self, started: &Started, allowance: Allowance) {
        let Some(pid) = started.pid.filter(|_| allowance != Allowance::default()) else { return };
        match &self.way {
            Way::Cgroup(tree) => {
                let memory_only = Allowance { cpu_max_millicores: None, ..allowance };
                tree.keep(&self.name(started), memory_only, &BTreeSet::from([pid]));
            }
            Way::Measured { .. } => {}
        }
    }

    /// It was measured just now: it is kept within its allowance. Returns whether it was slowed
    /// down since the last time.
    pub(super) fn measured(
        &self,
        started: &Started,
        allowance: Allowance,
        found: &Measured,
    ) -> bool {
        match &self.way {
            Way::Cgroup(tree) => {
                let pids = found.members.iter().map(|(pid, _)| *pid).collect();
                tree.keep(&self.name(started), allowance, &pids)
            }
            Way::Measured { pacer, .. } => {
                let Some(seat) = Seat::of(&self.state_dir, started) else { return false };
                Pacer::measured(pacer, &seat, allowance.cpu_max_millicores, found)
            }
        }
    }

    /// It is to end: nothing slows it down any more.
    pub(super) fn let_go(&self, started: &Started) {
        match &self.way {
            Way::Cgroup(tree) => tree.let_go(&self.name(started)),
            Way::Measured { pacer, .. } => {
                if let Some(seat) = Seat::of(&self.state_dir, started) {
                    pacer.lock().let_go(&seat);
                }
            }
        }
    }

    /// How a process ended, with the reason if that was its memory.
    pub(super) fn exit_of(&self, started: &Started, exit: Exit) -> Exit {
        match &self.way {
            Way::Cgroup(tree) => match tree.killed_for_memory(&self.name(started)) {
                Some(limit_bytes) => Exit::OutOfMemory { limit_bytes },
                None => exit,
            },
            Way::Measured { .. } => exit,
        }
    }

    /// Nothing of it is left.
    pub(super) fn forget(&self, started: &Started) {
        self.let_go(started);
        if let Way::Cgroup(tree) = &self.way {
            tree.remove(&self.name(started));
        }
    }

    /// Earlier ushers left these seats and no others. `members` are the processes of all of them:
    /// one that a killed usher was slowing down goes on.
    pub(super) fn survived(&self, seats: &[Started], members: &BTreeSet<Identity>) {
        pacer::wake(members);
        if let Way::Cgroup(tree) = &self.way {
            tree.remove_others(&seats.iter().map(|seat| self.name(seat)).collect());
        }
    }

    /// Usher leaves: nothing that stays is slowed down by somebody who is gone.
    pub(super) fn close(&self) {
        match &self.way {
            // The kernel goes on.
            Way::Cgroup(_) => {}
            Way::Measured { pacer, .. } => pacer.lock().let_all_go(),
        }
    }

    /// The name of a launch's cgroup.
    fn name(&self, started: &Started) -> String {
        let mark = environment::mark(&self.state_dir, &started.key, started.generation.0);
        format!("{}{}", cgroup::SEAT, digest(mark.as_bytes()))
    }
}
