//! Which processes belong to a folder: those that name it in their command line, environment,
//! working directory or an open file. It sees forked seats too, whose command line is their
//! template's, and children that an app left behind.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A living process as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) command: String,
}

/// Every living process, beside this one, that names the folder.
pub(crate) fn naming(folder: &Path) -> Vec<Process> {
    let folder = folder.to_str().expect("a path in UTF-8");
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| *pid != std::process::id() && names(*pid, folder)).map(describe).collect()
}

/// Whether the process lives: one of its threads is there and no zombie. The first may end before
/// the others, which hold the process's files until they have ended too.
pub(crate) fn lives(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.map(|thread| thread.path().join("stat")).any(|path| {
        let status = fs::read_to_string(path).unwrap_or_default();
        let state = status.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    })
}

/// Sends a signal to one process; a process that is gone is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Kills every process that names the folder and waits until none is left.
pub(crate) fn end_all(folder: &Path) {
    let begun = Instant::now();
    loop {
        let left = naming(folder);
        if left.is_empty() || begun.elapsed() > Duration::from_secs(20) {
            return;
        }
        left.iter().for_each(|process| signal(process.pid, Signal::KILL));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The sockets a process holds, as the kernel names them (`socket:[12345]`).
pub(crate) fn sockets(pid: u32) -> Vec<String> {
    links(pid, "fd").into_iter().filter(|link| link.starts_with("socket:")).collect()
}

fn names(pid: u32, folder: &str) -> bool {
    let holds = |file: &str| {
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&content).contains(folder)
    };
    let opens = |link: &String| link.starts_with(folder);
    let working_directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    holds("cmdline")
        || holds("environ")
        || working_directory.starts_with(folder)
        || links(pid, "fd").iter().any(opens)
}

fn links(pid: u32, table: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/{table}")) else { return Vec::new() };
    let read = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    read.filter_map(|link| link.to_str().map(str::to_string)).collect()
}

fn describe(pid: u32) -> Process {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Process { pid, command: String::from_utf8_lossy(&command).replace('\0', " ") }
}
