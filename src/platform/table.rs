//! What runs on this machine, as `/proc` tells: whose child, in which session, since when, and what
//! it uses.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;

/// One process at the moment of the reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// The number of the process that made its session.
    pub session: u32,
    /// Its start, in clock ticks since boot.
    pub start_ticks: u64,
    /// Whether it has ended and nobody has waited for it yet.
    pub ended: bool,
    /// Whether a signal has stopped it until another lets it go on.
    pub stopped: bool,
    /// CPU time of itself and of the children that it waited for, user and system, in clock ticks.
    pub cpu_ticks: u64,
    /// Its threads.
    pub threads: u32,
    /// The name of what it runs, at most 15 bytes.
    pub name: String,
}

/// All processes, by number.
#[derive(Clone, Debug, Default)]
pub struct Table {
    processes: BTreeMap<u32, Process>,
}

impl Table {
    /// Reads the table: one small file per process.
    pub fn read() -> Self {
        let processes = numbers().filter_map(process).map(|process| (process.pid, process));
        Self { processes: processes.collect() }
    }

    /// A table of these processes, for a decision that is tested without them.
    pub fn of(processes: impl IntoIterator<Item = Process>) -> Self {
        Self { processes: processes.into_iter().map(|process| (process.pid, process)).collect() }
    }

    /// The process of this number.
    pub fn get(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }
}

/// The process of this number now.
pub fn process(pid: u32) -> Option<Process> {
    // Names are bytes of the program's choosing, so this need not be UTF-8.
    let line = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&line))
}

/// The start of a process, in clock ticks since boot; `None` if there is none of this number.
pub fn start_ticks(pid: u32) -> Option<u64> {
    process(pid).map(|process| process.start_ticks)
}

/// The name of what a process runs, at most 15 bytes; empty if it is gone.
pub fn name(pid: u32) -> String {
    process(pid).map(|process| process.name).unwrap_or_default()
}

/// Tells one start of the machine from another; empty where the system does not say.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Clock ticks in a second.
pub fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// The numbers of the processes that run now.
pub fn numbers() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The value of a variable in the environment that a process was started with; `None` if it has
/// none, is gone, or belongs to somebody else.
pub fn environment_value(pid: u32, name: &str) -> Option<String> {
    /// Larger environments are cut: the kernel allows a few MiB.
    const ENVIRONMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
    let mut environment = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// Memory that only this process has, in bytes: about 0.4 ms for a Python of 60 MiB. Where the
/// system does not tell, resident memory without what is shared.
pub fn own_memory_bytes(pid: u32) -> Option<u64> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(rollup) => Some(private_bytes(&rollup)),
        Err(_) => fs::read_to_string(format!("/proc/{pid}/statm")).ok().and_then(|statm| {
            let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse().ok());
            let (resident, shared): (u64, u64) = (pages.next()??, pages.next()??);
            let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
            Some(resident.saturating_sub(shared).saturating_mul(page_bytes))
        }),
    }
}

/// The open descriptors of a process; 0 if it is gone or belongs to somebody else.
pub fn open_files(pid: u32) -> u32 {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .map_or(0, |entries| u32::try_from(entries.count()).unwrap_or(u32::MAX))
}

fn private_bytes(rollup: &str) -> u64 {
    let kib = |line: &str| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok();
    rollup
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(kib)
        .fold(0, |sum, kib| sum.saturating_add(kib.saturating_mul(1024)))
}

/// proc(5): `pid (name) state ppid pgrp session …`, where the name may contain blanks and brackets.
fn parse(pid: u32, line: &str) -> Option<Process> {
    let (head, tail) = line.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let small = |index: usize| u32::try_from(number(index)?).ok();
    Some(Process {
        pid,
        parent: small(1)?,
        session: small(3)?,
        start_ticks: number(19)?,
        ended: matches!(*fields.first()?, "Z" | "X" | "x"),
        stopped: *fields.first()? == "T",
        cpu_ticks: (11..=14).filter_map(number).fold(0, u64::saturating_add),
        threads: small(17)?,
        name: head.split_once('(')?.1.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "812 (a) S 9 (b) R 1 812 800 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 7 0 555 1 2";
        let parsed = parse(812, line).unwrap();
        assert_eq!(parsed.name, "a) S 9 (b");
        assert_eq!((parsed.parent, parsed.session, parsed.ended), (1, 800, false));
        assert_eq!((parsed.cpu_ticks, parsed.threads, parsed.start_ticks), (100, 7, 555));
        assert!(!parsed.stopped && parse(812, &line.replace(" R ", " T ")).unwrap().stopped);
        assert!(parse(1, "1 (x) Z 0 0").is_none(), "a cut line is no process");
    }

    #[test]
    fn this_process_is_in_the_table() {
        let own = std::process::id();
        let table = Table::read();
        let process = table.get(own).unwrap();
        assert!(!process.ended && process.threads >= 1);
        assert_eq!(start_ticks(own), Some(process.start_ticks));
        assert!(own_memory_bytes(own).unwrap() > 100_000);
        assert!(open_files(own) >= 3);
        assert!(environment_value(own, "PATH").is_some());
        assert_eq!(environment_value(own, "PAT"), None);
    }

    #[test]
    fn private_memory_is_what_the_rollup_calls_private() {
        let rollup = "55-7f ---p 00000000 00:00 0    [rollup]\nRss:  100 kB\nPss: 80 kB\n\
                      Shared_Clean: 10 kB\nPrivate_Clean: 3 kB\nPrivate_Dirty: 40 kB\n\
                      Private_Hugetlb: 2 kB\n";
        assert_eq!(private_bytes(rollup), 45 * 1024);
    }
}
