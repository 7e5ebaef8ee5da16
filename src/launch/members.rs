//! Which processes are a seat's: those of its session, what they started, and whatever else carries
//! its mark, such as a daemon that left the session.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::environment::{self, MARK};
use super::{Started, Usage};
use crate::platform::process;
use crate::platform::table::{self, Process, Table};

/// The processes of this machine and the marks of those that are some seat's of one state folder.
#[derive(Debug, Default)]
pub(super) struct Scan {
    table: Table,
    marks: BTreeMap<u32, String>,
}

/// A process, and the start that tells it from a later one of the same number.
pub(super) type Identity = (u32, u64);

/// A seat, as its processes are recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seat {
    mark: String,
    leader: Identity,
}

impl Seat {
    /// The seat of what was started; `None` for an upstream.
    pub(super) fn of(state_dir: &str, started: &Started) -> Option<Self> {
        let leader = (started.pid?, started.process_started_ticks?);
        let mark = environment::mark(state_dir, &started.key, started.generation.0);
        Some(Self { mark, leader })
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mark)
    }
}

impl Scan {
    /// Looks at all processes: two small files each.
    pub(super) fn read(state_dir: &str) -> Self {
        let table = Table::read();
        let beginning = environment::mark_beginning(state_dir);
        let marks = table.iter().filter(|process| !process.ended).filter_map(|process| {
            let mark = table::environment_value(process.pid, MARK)?;
            mark.starts_with(&beginning).then_some((process.pid, mark))
        });
        let scan = Self { marks: marks.collect(), table };
        scan.reap_orphans();
        scan
    }

    /// Looks again, for less: what is new is known by its session and its parents.
    pub(super) fn again(&self) -> Self {
        let table = Table::read();
        let start_ticks = |table: &Table, pid| table.get(pid).map(|found| found.start_ticks);
        let is_same = |pid: &u32| start_ticks(&table, *pid) == start_ticks(&self.table, *pid);
        let marks = self.marks.iter().filter(|(pid, _)| is_same(pid));
        let marks = marks.map(|(pid, mark)| (*pid, mark.clone())).collect();
        Self { marks, table }
    }

    /// The living processes of a seat.
    pub(super) fn members(&self, seat: &Seat) -> BTreeSet<Identity> {
        let (leader, since) = seat.leader;
        // While the leader or its remains are there, its number as a session means it and no other.
        let session_is_its = self.table.get(leader).is_some_and(|found| found.start_ticks == since);
        let belongs = |process: &&Process| {
            let mark = self.marks.get(&process.pid);
            // A seat that was forked this moment is in its template's session still.
            let is_leader = process.pid == leader && process.start_ticks == since;
            let in_session = process.session == leader
                && process.start_ticks >= since
                && (session_is_its || mark.is_some());
            is_leader || in_session || mark == Some(&seat.mark)
        };
        let mut members: BTreeSet<Identity> = self.others().filter(belongs).map(identity).collect();
        self.add_descendants(&mut members);
        members
    }

    /// The living processes that carry just this mark.
    pub(super) fn marked(&self, mark: &str) -> BTreeSet<Identity> {
        let is_marked =
            |process: &&Process| self.marks.get(&process.pid).is_some_and(|has| has == mark);
        self.others().filter(is_marked).map(identity).collect()
    }

    /// The living processes that carry a mark of this state folder and are none of these seats' and
    /// carry none of these templates' marks.
    pub(super) fn strays(&self, seats: &[Seat], templates: &[String]) -> BTreeSet<Identity> {
        let known: BTreeSet<Identity> = seats.iter().flat_map(|seat| self.members(seat)).collect();
        let is_ours = |process: &&Process| {
            self.marks.get(&process.pid).is_some_and(|mark| !templates.contains(mark))
        };
        self.others().filter(is_ours).map(identity).filter(|stray| !known.contains(stray)).collect()
    }

    /// What these processes use together. Costs a few reads per process.
    pub(super) fn usage(&self, members: &BTreeSet<Identity>) -> Usage {
        let mut usage = Usage::default();
        let mut ticks: u64 = 0;
        for process in members.iter().filter_map(|(pid, _)| self.table.get(*pid)) {
            ticks = ticks.saturating_add(process.cpu_ticks);
            usage.threads = usage.threads.saturating_add(process.threads);
            usage.open_files = usage.open_files.saturating_add(table::open_files(process.pid));
            let memory = table::own_memory_bytes(process.pid).unwrap_or_default();
            usage.memory_bytes = usage.memory_bytes.saturating_add(memory);
        }
        usage.cpu_ms = ticks.saturating_mul(1000) / table::ticks_per_second();
        usage
    }

    /// All living processes but the system's first and usher itself.
    fn others(&self) -> impl Iterator<Item = &Process> {
        const FIRST: u32 = 1;
        let own = std::process::id();
        self.table
            .iter()
            .filter(move |process| !process.ended && process.pid != FIRST && process.pid != own)
    }

    fn add_descendants(&self, members: &mut BTreeSet<Identity>) {
        let mut parents: BTreeSet<u32> = members.iter().map(|(pid, _)| *pid).collect();
        // Each round adds at least one process or is the last.
        loop {
            let children = self.others().filter(|process| parents.contains(&process.parent));
            let added: Vec<Identity> =
                children.map(identity).filter(|child| !members.contains(child)).collect();
            if added.is_empty() {
                return;
            }
            parents = added.iter().map(|(pid, _)| *pid).collect();
            members.extend(added);
        }
    }

    /// Where usher is the first process (in a container), the orphans of seats become its children,
    /// and nobody else waits for them. The leaders of sessions are left to who started them.
    fn reap_orphans(&self) {
        let own = std::process::id();
        let own_session = self.table.get(own).map(|process| process.session);
        let is_orphan = |process: &&Process| {
            process.ended
                && process.parent == own
                && process.session != process.pid
                && Some(process.session) != own_session
        };
        for orphan in self.table.iter().filter(is_orphan) {
            process::reap_orphan(orphan.pid);
        }
    }
}

fn identity(process: &Process) -> Identity {
    (process.pid, process.start_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEAT: &str = "/state:kim/main:3";

    fn process(pid: u32, parent: u32, session: u32, start_ticks: u64) -> Process {
        Process {
            pid,
            parent,
            session,
            start_ticks,
            ended: false,
            stopped: false,
            cpu_ticks: 0,
            threads: 1,
            name: String::new(),
        }
    }

    fn scan(processes: &[Process], marks: &[(u32, &str)]) -> Scan {
        Scan {
            table: Table::of(processes.iter().cloned()),
            marks: marks.iter().map(|(pid, mark)| (*pid, (*mark).to_owned())).collect(),
        }
    }

    fn found(scan: &Scan) -> Vec<u32> {
        let seat = Seat { mark: SEAT.to_owned(), leader: (100, 50) };
        scan.members(&seat).iter().map(|(pid, _)| *pid).collect()
    }

    #[test]
    fn a_seat_is_its_session_its_descendants_and_what_carries_its_mark() {
        let processes = [
            process(1, 0, 1, 0),
            process(100, 1, 100, 50),   // the leader
            process(101, 100, 100, 60), // its child
            process(102, 101, 102, 61), // a child that left the session, with another environment
            process(103, 102, 103, 62), // and a child of that
            process(104, 1, 104, 70),   // a daemon
            process(105, 1, 105, 71),   // of another launch
            process(106, 1, 106, 72),   // somebody else's
        ];
        let marks = [(100, SEAT), (104, SEAT), (105, "/state:kim/main:2")];
        assert_eq!(found(&scan(&processes, &marks)), [100, 101, 102, 103, 104]);
    }

    #[test]
    fn a_seat_that_was_just_forked_is_its_leader() {
        let processes = [process(90, 1, 90, 40), process(100, 90, 90, 50)];
        let template = "/state:template:1:_";
        assert_eq!(found(&scan(&processes, &[(90, template), (100, template)])), [100]);
    }

    #[test]
    fn a_reused_number_is_not_the_leader() {
        let processes = [process(100, 1, 100, 99), process(107, 100, 100, 100)];
        assert_eq!(found(&scan(&processes, &[])), [0; 0]);
    }

    #[test]
    fn when_the_leader_is_gone_only_marked_members_of_its_session_count() {
        let processes = [process(101, 1, 100, 60), process(102, 1, 100, 61)];
        // A forked seat's members carry the mark of the template.
        let marks = [(101, "/state:template:1")];
        assert_eq!(found(&scan(&processes, &marks)), [101]);
    }

    #[test]
    fn a_leader_that_nobody_waited_for_still_names_its_session() {
        let mut leader = process(100, 1, 100, 50);
        leader.ended = true;
        assert_eq!(found(&scan(&[leader, process(101, 1, 100, 60)], &[])), [101]);
    }

    #[test]
    fn strays_are_what_no_known_seat_accounts_for() {
        let processes = [
            process(100, 1, 100, 50),
            process(101, 100, 100, 60),
            process(200, 1, 200, 10),
            process(300, 1, 300, 11),
        ];
        let marks =
            [(100, SEAT), (101, SEAT), (200, "/state:lee/main:1"), (300, "/state:template:7:_")];
        let scan = scan(&processes, &marks);
        let seat = Seat { mark: SEAT.to_owned(), leader: (100, 50) };
        let template = "/state:template:7:_".to_owned();
        let strays = scan.strays(std::slice::from_ref(&seat), std::slice::from_ref(&template));
        assert_eq!(strays, BTreeSet::from([(200, 10)]));
        assert_eq!(scan.strays(&[seat], &[]), BTreeSet::from([(200, 10), (300, 11)]));
        assert_eq!(scan.strays(&[], &[]).len(), 4);
        assert_eq!(scan.marked(&template), BTreeSet::from([(300, 11)]));
    }
}
