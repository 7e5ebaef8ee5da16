//! What usher asks of the operating system beyond the standard library, and the only place that may
//! use `unsafe`. It decides nothing and knows no noun of usher's.
//!
//! `files` makes what only this account can read, `process` waits for and signals processes by handles that a reused number cannot mislead, `table`
//! lists what runs, `passing` hands open descriptors to another process, `sockets` makes listening sockets and says who else has one, `peers` says whose
//! the other end of a connection is, `streams` sets the options of connections. All of it is Linux
//! today; another system needs these modules and [`detach`] anew, and nothing else.

pub mod files;
pub mod own;
pub mod passing;
pub mod peers;
pub mod process;
pub mod sockets;
pub mod streams;
pub mod table;
pub mod terminal;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Makes the command run in a session of its own, away from usher's terminal and process group, with
/// default signals, and with no descriptor of usher's beyond the standard three and `handed`, which
/// keeps its number.
/// `handed` has to stay open until the command is spawned.
#[expect(unsafe_code, reason = "the standard library has no safe way to call setsid in the child")]
pub fn detach(command: &mut Command, handed: Option<BorrowedFd<'_>>) {
    let handed = handed.map(|descriptor| descriptor.as_raw_fd());
    // SAFETY: the closure runs between fork and exec of a threaded process, so it may only make
    // async-signal-safe calls: `prepare_child` makes system calls on plain numbers and neither
    // allocates nor locks.
    unsafe {
        command.pre_exec(move || prepare_child(handed));
    }
}

const FIRST_BEYOND_STANDARD: RawFd = 3;

const FIRST_REALTIME_SIGNAL: libc::c_int = 32;

/// For kernels before 5.11 that cannot mark a range: the descriptors that are marked one by one.
const MARKED_ONE_BY_ONE_MAX: RawFd = 65_536;

#[expect(unsafe_code, reason = "plain system calls on numbers, in the child before exec")]
fn prepare_child(handed: Option<RawFd>) -> io::Result<()> {
    // SAFETY: setsid, signal, close_range and fcntl take numbers only, touch no memory of ours and are
    // async-signal-safe. The pipe on which the standard library reports a failed exec is already
    // marked close-on-exec, so marking it again changes nothing.
    unsafe {
        if libc::setsid() == -1 {
            return Err(io::Error::last_os_error());
        }
        // What a shell or `nohup` made usher ignore is not ignored by an app.
        for signal in 1..FIRST_REALTIME_SIGNAL {
            libc::signal(signal, libc::SIG_DFL);
        }
        let marked = libc::syscall(
            libc::SYS_close_range,
            FIRST_BEYOND_STANDARD,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
        if marked == -1 {
            for descriptor in FIRST_BEYOND_STANDARD..MARKED_ONE_BY_ONE_MAX {
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        match handed {
            Some(descriptor) if libc::fcntl(descriptor, libc::F_SETFD, 0) == -1 => {
                Err(io::Error::last_os_error())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Waits for a descriptor to become readable in the event loop of the caller.
///
/// # Errors
/// The event loop does not take it.
#[expect(unsafe_code, reason = "tokio asks for a promise that the type already keeps")]
async fn readable(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: an `OwnedFd` is open, and stays the same descriptor until it is dropped, which the
    // `AsyncFd` that owns it does after it has left the event loop.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }
        .map_err(|refused| io::Error::other(refused.to_string()))?;
    drop(watched.readable().await?);
    Ok(watched.into_inner())
}

/// The rights that new files of this process lack.
pub fn own_umask() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(umask.trim(), 8).ok()
}

/// The number that every open file, process and socket of this user carries.
pub fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// The name and home directory of an account, from `/etc/passwd`.
pub fn account(uid: u32) -> Option<(String, String)> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, number, _, _, home, ..] if number.parse() == Ok(uid) => {
                Some(((*name).to_owned(), (*home).to_owned()))
            }
            _ => None,
        }
    })
}

/// From now on this thread only gets what time others leave.
pub fn yield_to_others() {
    /// The least of all.
    const NICENESS: i32 = 19;
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::debug!("the thread keeps its priority: {error}");
    }
}

/// Raises the limit of open files to what the system allows this process: every WebSocket needs
/// two. Says nothing if the system refuses; `usher doctor` tells.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    if limits.current != limits.maximum {
        let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!("the limit of open files stays at {:?}: {error}", limits.current);
        }
    }
}

/// How many files this process may have open at most; `None`: as many as it likes.
pub fn descriptors_allowed() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum
}

/// The machine's own name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Takes over a descriptor that this process was started with. From now on it is closed when a
/// process is started.
///
/// # Errors
/// There is no such descriptor.
#[expect(unsafe_code, reason = "a number from the environment becomes a descriptor of ours")]
pub fn inherited_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
    if number < FIRST_BEYOND_STANDARD {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: the borrow lives for two system calls that say whether the number is open at all.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(borrowed)?;
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, was given to this process at its start, and nobody else owns it: this
    // runs once, before anything is opened that could get the number.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

/// Keeps a descriptor open in the next process that is started.
///
/// # Errors
/// What the system said.
pub fn pass_on(descriptor: BorrowedFd<'_>) -> io::Result<RawFd> {
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
    Ok(descriptor.as_raw_fd())
}
