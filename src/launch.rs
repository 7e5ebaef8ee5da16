//! How a seat's process comes to be, is watched and is ended: the trait [`Launcher`] and its
//! contract. Processes are started below this module only. It knows nothing of users' requests,
//! states or retries: those are `supervise`'s.
//!
//! [`Launchers`] (`dispatch`) picks the kind: `fork` for Streamlit where a `template` is to be had,
//! else `spawn`; `command`, `upstream`. A kind
//! makes a plan out of the `environment`, a `place` to listen at (`ports`) and what the
//! `interpreter` has; `begin` turns it into a recorded process (`record`, `output`). From then on
//! all kinds are alike: `processes` watches, measures and ends, `members` says which processes are
//! meant, `limits` holds them to what they may use, `health` asks whether they answer, `origin`
//! whose a connection is.
//!
//! Whatever a seat starts stays its own: a seat is its session, the descendants of it, and whatever
//! carries its mark (`USHER_SEAT` in the environment: state folder, seat, generation). So what an
//! app starts ends with it, and what an usher started that was killed before it could write the
//! record is found all the same.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::config;
use crate::domain::{AppSlug, Endpoint, Exit, Failure, Generation, LaunchKind, Role, SeatKey};

mod begin;
mod command;
mod dispatch;
mod environment;
mod fork;
mod health;
mod interpreter;
mod limits;
mod members;
mod origin;
mod output;
mod place;
mod ports;
mod processes;
mod record;
mod script;
mod shared;
mod spawn;
mod streamlit;
pub mod successor;
mod template;
mod upstream;

pub use dispatch::Launchers;

/// Everything a launcher needs to know about one launch; rendered, nothing left to look up.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Whose seat.
    pub key: SeatKey,
    /// Which launch of it.
    pub generation: Generation,
    /// The person's role, for the app.
    pub role: Role,
    /// The app's settings.
    pub app: Arc<config::App>,
    /// This user's own port for this app, if they have one.
    pub own_port: Option<u16>,
    /// Ports of the app's range that belong to users and must not be taken.
    pub reserved_ports: Arc<[u16]>,
    /// Where this user's `upstream` runs, if they have one of their own.
    pub own_upstream: Option<std::net::SocketAddr>,
    /// `/app/SLUG`, or empty if the prefix is stripped.
    pub base_path: String,
    /// The app's log file for this seat; standard output and error go there.
    pub log_file: PathBuf,
    /// This user's folder for this app (`USHER_DATA`).
    pub data_dir: PathBuf,
    /// Where sockets and records of seats live.
    pub state_dir: PathBuf,
    /// Signs Streamlit's cookies; the same for all launches of this user, different between users.
    pub cookie_secret: String,
    /// The largest upload, in bytes, so that the app agrees with the door.
    pub upload_max_bytes: u64,
    /// Of everything in the configuration that a running process cannot take over later; copied
    /// into [`Started`], so that a new usher knows whether what it finds is still wanted.
    pub fingerprint: u64,
}

/// A process that was started or adopted, as it is recorded in `state_dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its seat.
    pub key: SeatKey,
    /// Its launch.
    pub generation: Generation,
    /// How it came to be.
    pub kind: LaunchKind,
    /// Its process; `None` for an upstream.
    pub pid: Option<u32>,
    /// The system's start time of that process (clock ticks since boot), which tells it from a
    /// later process with the same number.
    pub process_started_ticks: Option<u64>,
    /// Where it listens, or will.
    pub endpoint: Endpoint,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// The fingerprint of the configuration that it was launched with.
    pub fingerprint: u64,
}

/// What a seat's processes use, all of its session together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since the start, user and system, of living and reaped processes.
    pub cpu_ms: u64,
    /// Resident memory that is not shared with the template or other seats, where the system
    /// tells; else resident memory.
    pub memory_bytes: u64,
    /// Threads.
    pub threads: u32,
    /// Open files.
    pub open_files: u32,
    /// Whether it was slowed down since the last measurement, for it wants more CPU than it may
    /// have.
    pub is_slowed_down: bool,
}

/// What a seat may use, all of its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Thousandths of a core; `None`: what it can get. Who wants more is slowed down.
    pub cpu_max_millicores: Option<u32>,
    /// `None`: what it can get. Who takes more is ended.
    pub memory_max_bytes: Option<u64>,
}

/// How seats are held to their allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Each has a cgroup of its own, and the kernel holds it.
    Cgroup,
    /// Usher measures once a second.
    Measured {
        /// Why there is no cgroup, for people.
        why: String,
    },
}

/// How an usher that is started as this process was would hold seats. Changes nothing.
pub fn keeping_here() -> Keeping {
    limits::keeping_here()
}

impl Keeping {
    /// A stable word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Keeping::Cgroup => "cgroup",
            Keeping::Measured { .. } => "measured",
        }
    }
}

impl fmt::Display for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keeping::Cgroup => f.write_str("the kernel keeps cpu_max and memory_max (cgroup)"),
            Keeping::Measured { why } => {
                write!(f, "cpu_max and memory_max are measured once a second: {why}")
            }
        }
    }
}

/// Starts, probes, watches and ends the processes of seats.
///
/// The contract, after ntpd-rs' `Spawner`: return at once on failure; no retry, back-off or
/// overall deadline inside, for the state machine owns them. Ending is idempotent, and ending what
/// is gone succeeds. A started process is recorded in `state_dir` before `start` returns, so that a
/// new usher finds it. If the future of `start` is dropped, no process is left behind. What is
/// ended is the whole session of the process: nothing it started survives it.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the process of a launch. Its endpoint need not answer yet.
    ///
    /// # Errors
    /// Why there is no process.
    async fn start(&self, launch: &Launch) -> Result<Started, Failure>;

    /// Returns once the started process answers its health question, however long that takes; the
    /// caller has the deadline. Makes sure that what answers is the process that was started.
    ///
    /// # Errors
    /// The answer comes from somebody else, or can never come.
    async fn healthy(&self, app: &config::App, started: &Started) -> Result<(), Failure>;

    /// Returns when the process has ended; pending for ever for an upstream. What it started may
    /// still run: [`Launcher::kill`] ends that, and [`Launcher::forget`] has to follow.
    async fn exited(&self, started: &Started) -> Exit;

    /// Asks the process and everything it started to end (TERM).
    async fn stop(&self, started: &Started);

    /// Ends the process and everything it started (KILL), and returns when they are gone.
    async fn kill(&self, started: &Started);

    /// Cleans up after the end: the record, the socket file. Nothing of the process is left.
    async fn forget(&self, started: &Started);

    /// What earlier ushers started and still runs, is what it claims to be (process number and
    /// start time), and so may be adopted. What does not belong is ended. To be called once, before
    /// the first start: a process that is being started has no record yet.
    async fn survivors(&self) -> Vec<Started>;

    /// What earlier ushers started and was found ended by [`Launcher::survivors`], each told once:
    /// nobody saw it end.
    fn vanished(&self) -> Vec<Started> {
        Vec::new()
    }

    /// These are the apps from now on: makes ready, in the background, what makes their starts
    /// quick, and lets go of what no app needs any more. Returns at once. To be called after
    /// [`Launcher::survivors`].
    fn prepare(&self, _apps: &[Arc<config::App>]) {}

    /// Why seats of this app are not forked although they might be, for people; `None` if they are
    /// or would be, or if it is not configured so.
    fn why_not_fork(&self, _app: &AppSlug) -> Option<String> {
        None
    }

    /// What the process and everything it started use now, and holds them to what they may use;
    /// `None` if it is gone or unknown. To be called once a second where there is a limit.
    /// Blocks for a few reads of `/proc` per process.
    fn weigh(&self, started: &Started, allowance: Allowance) -> Option<Usage>;

    /// How seats are held to their allowance.
    fn keeping(&self) -> Keeping;

    /// The last lines of a launch's log, at most `lines_max` and 64 KiB, oldest first.
    async fn log_tail(&self, key: &SeatKey, lines_max: usize) -> Vec<String>;
}
