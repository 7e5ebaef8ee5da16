//! What this process itself uses, as `/proc/self` tells.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::table;

/// What this process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnUsage {
    /// CPU time since its start, user and system, in seconds. Its children's is not counted.
    pub cpu_s: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Open files and sockets.
    pub open_files: u64,
    /// How many it may have open; `None`: no limit.
    pub open_files_max: Option<u64>,
}

/// Measures; `None` where the system does not say. Blocks for a moment that grows with the number
/// of open files: some milliseconds for ten thousand.
pub fn usage() -> Option<OwnUsage> {
    let line = fs::read_to_string("/proc/self/stat").ok()?;
    let (cpu_ticks, threads, resident_pages) = parse(&line)?;
    let page_bytes = u64::try_from(rustix::param::page_size()).ok()?;
    Some(OwnUsage {
        cpu_s: cpu_ticks as f64 / table::ticks_per_second() as f64,
        memory_bytes: resident_pages.saturating_mul(page_bytes),
        threads,
        // The folder itself is open while it is read.
        open_files: fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as u64,
        open_files_max: getrlimit(Resource::Nofile).current,
    })
}

/// CPU ticks, threads and resident pages of proc(5)'s `stat`.
fn parse(line: &str) -> Option<(u64, u32, u64)> {
    let (_, tail) = line.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((number(11)?.saturating_add(number(12)?), u32::try_from(number(17)?).ok()?, number(21)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_not_counted() {
        let line = "812 (a) S 9 (b) R 1 812 800 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 7 0 555 9 77";
        assert_eq!(parse(line), Some((30, 7, 77)));
        assert_eq!(parse("812 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let own = usage().expect("Linux says");
        assert!(own.memory_bytes > 1 << 20 && own.threads >= 1);
        assert!(own.open_files >= 3 && own.open_files_max.is_none_or(|max| own.open_files <= max));
    }
}
