//! The nouns that every stage shares: users, roles, seats, endpoints, and why things end.
//!
//! Plain values without I/O, time or serialisation: YAML, rows, JSON and pages have structs of
//! their own and convert. Everything here was checked when it was made.

mod detail;

pub use detail::{Clause, Detail, Value, Word, port_holder, signal_name};

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The longest user name, in bytes of UTF-8.
pub const USER_NAME_BYTES_MAX: usize = 64;
/// The longest slug of an app, in bytes.
pub const APP_SLUG_BYTES_MAX: usize = 48;

/// A configured user's name. Letters, digits (of any script) and `-_.@`, at most
/// [`USER_NAME_BYTES_MAX`] bytes: it appears in paths, headers (percent-encoded) and file names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(Arc<str>);

/// An app's name in URLs: `[a-z0-9-]`, at most [`APP_SLUG_BYTES_MAX`] bytes, not starting with `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppSlug(Arc<str>);

/// Why a name was refused; a sentence without the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(pub &'static str);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl UserName {
    /// Checks and keeps a name.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let allowed = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
        match text {
            "" => Err(BadName("a user needs a name")),
            "." | ".." => Err(BadName("a user's name cannot be '.' or '..'")),
            _ if text.len() > USER_NAME_BYTES_MAX => {
                Err(BadName("a user's name has at most 64 bytes"))
            }
            _ if !text.chars().all(allowed) => {
                Err(BadName("a user's name has letters, digits and - _ . @ only"))
            }
            _ => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AppSlug {
    /// Checks and keeps a slug.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn new(text: &str) -> Result<Self, BadName> {
        if text.is_empty() || text.len() > APP_SLUG_BYTES_MAX {
            return Err(BadName("an app's name has 1 to 48 characters"));
        }
        if !Self::has_form(text) {
            return Err(BadName(
                "an app's name has lower-case letters, digits and '-' only, and does not begin with '-'",
            ));
        }
        Ok(Self(text.into()))
    }

    /// Whether a path segment could be a slug, whatever the configuration says.
    pub fn has_form(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= APP_SLUG_BYTES_MAX
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a user may do beside using their own seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees and orders everything.
    Admin,
    /// Uses their own seats.
    User,
}

impl Role {
    /// The word of the configuration file, of headers and of rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::User => "user",
        }
    }
}

/// The two languages of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// 한국어
    Korean,
    /// English
    English,
}

impl Language {
    /// Both of them.
    pub const ALL: [Language; 2] = [Language::Korean, Language::English];

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Language::Korean => "ko",
            Language::English => "en",
        }
    }
}

/// One user's own running copy of one app.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatKey {
    /// Whose seat it is.
    pub user: UserName,
    /// Which app it runs.
    pub app: AppSlug,
}

/// The number of a launch of a seat. It only grows, so that late news of an old process is
/// recognised and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The one after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where a seat's process listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An address of this machine, loopback unless the app is an `upstream`.
    Tcp(SocketAddr),
    /// A socket below `state_dir`.
    Unix(Arc<Path>),
}

/// How a seat's process came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaunchKind {
    /// Forked from a warm template process.
    Fork,
    /// `python -m streamlit run`.
    Spawn,
    /// The app's own command.
    Command,
    /// Nothing was started: it runs already.
    Upstream,
}

impl LaunchKind {
    /// All of them.
    pub const ALL: [LaunchKind; 4] =
        [LaunchKind::Fork, LaunchKind::Spawn, LaunchKind::Command, LaunchKind::Upstream];

    /// The word of JSON, metrics and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            LaunchKind::Fork => "fork",
            LaunchKind::Spawn => "spawn",
            LaunchKind::Command => "command",
            LaunchKind::Upstream => "upstream",
        }
    }
}

/// Who caused something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A person at their own seat.
    User(UserName),
    /// An administrator, by page or API.
    Admin(UserName),
    /// Somebody with a shell on this machine (`usher …`, a signal).
    Operator,
    /// Usher itself: a rule, a limit, a fault.
    Usher,
}

/// Why a seat that ran is being ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// No WebSocket open and no request for `idle_timeout`.
    Idle,
    /// A tab was open, but nobody touched it and the app computed nothing for `untouched_timeout`.
    Untouched,
    /// It had run for `lifetime_max`.
    Lifetime,
    /// It used more memory than `memory_max`.
    Memory {
        /// What was measured, in bytes.
        used_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Somebody ordered it.
    Ordered(Actor),
    /// The user cancelled the start while waiting.
    Cancelled,
    /// Its user or app is no longer in the configuration, or the user's entry changed.
    Removed,
    /// Its app's configuration or environment changed.
    Replaced,
    /// Usher shuts down.
    Shutdown,
    /// It did not become ready within `start_timeout`.
    StartTimeout,
}

impl StopReason {
    /// The word of JSON, metrics and rows.
    pub fn as_str(&self) -> &'static str {
        match self {
            StopReason::Idle => "idle",
            StopReason::Untouched => "untouched",
            StopReason::Lifetime => "lifetime",
            StopReason::Memory { .. } => "memory",
            StopReason::Ordered(_) => "ordered",
            StopReason::Cancelled => "cancelled",
            StopReason::Removed => "removed",
            StopReason::Replaced => "replaced",
            StopReason::Shutdown => "shutdown",
            StopReason::StartTimeout => "start_timeout",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// The system ended it, for it wanted more memory than `memory_max`.
    OutOfMemory {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is gone, but was not our child, so nobody told us how.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
            Exit::OutOfMemory { limit_bytes } => {
                write!(f, "over memory_max ({} MiB)", limit_bytes >> 20)
            }
            Exit::Unknown => f.write_str("gone"),
        }
    }
}

/// Why a seat could not be had. Pages have a text for each in both languages; the log has
/// [`Failure::fmt`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The script is not there.
    ScriptMissing {
        /// Where it was looked for.
        path: String,
    },
    /// The interpreter or the command is not there, or cannot be executed.
    ProgramMissing {
        /// What was to be executed.
        program: String,
        /// What the system said.
        cause: String,
    },
    /// The interpreter has no Streamlit.
    StreamlitMissing {
        /// The interpreter.
        python: String,
    },
    /// The working directory is not there.
    WorkingDirectoryMissing {
        /// Where it was looked for.
        path: String,
    },
    /// Somebody else listens on the port that this seat must have.
    PortTaken {
        /// The port.
        port: u16,
        /// Who listens there, such as `nginx (pid 812)`; empty when nobody could tell.
        holder: String,
    },
    /// All ports of the range are in use.
    NoPortLeft {
        /// The first port of the range.
        first: u16,
        /// The last.
        last: u16,
    },
    /// The process ended before it was ready.
    ExitedEarly(Exit),
    /// The process ended after it had been ready.
    Crashed(Exit),
    /// It did not answer within `start_timeout`.
    NotReadyInTime {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The configured upstream does not answer.
    UpstreamDown {
        /// Its address.
        address: String,
    },
    /// The system refused something that a launch needs.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        cause: String,
    },
}

impl Failure {
    /// A stable word for JSON, metrics and rows.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::ScriptMissing { .. } => "script_missing",
            Failure::ProgramMissing { .. } => "program_missing",
            Failure::StreamlitMissing { .. } => "streamlit_missing",
            Failure::WorkingDirectoryMissing { .. } => "working_directory_missing",
            Failure::PortTaken { .. } => "port_taken",
            Failure::NoPortLeft { .. } => "no_port_left",
            Failure::ExitedEarly(_) => "exited_early",
            Failure::Crashed(_) => "crashed",
            Failure::NotReadyInTime { .. } => "not_ready_in_time",
            Failure::UpstreamDown { .. } => "upstream_down",
            Failure::System { .. } => "system",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::ScriptMissing { path } => write!(f, "the script {path} does not exist"),
            Failure::ProgramMissing { program, cause } => {
                write!(f, "{program} cannot be executed: {cause}")
            }
            Failure::StreamlitMissing { python } => write!(
                f,
                "{python} has no Streamlit; install it there or name another interpreter in `python`"
            ),
            Failure::WorkingDirectoryMissing { path } => {
                write!(f, "the working directory {path} does not exist")
            }
            Failure::PortTaken { port, holder } if holder.is_empty() => {
                write!(f, "port {port} is taken by another program")
            }
            Failure::PortTaken { port, holder } => write!(f, "port {port} is taken by {holder}"),
            Failure::NoPortLeft { first, last } => {
                write!(f, "no port left: all of {first}-{last} are in use")
            }
            Failure::ExitedEarly(exit) => {
                write!(f, "the process ended before it was ready ({exit})")
            }
            Failure::Crashed(exit) => write!(f, "the process ended by itself ({exit})"),
            Failure::NotReadyInTime { limit_ms } => {
                write!(f, "no answer within {} s of the launch", limit_ms / 1000)
            }
            Failure::UpstreamDown { address } => write!(f, "{address} does not answer"),
            Failure::System { doing, cause } => write!(f, "{doing}: {cause}"),
        }
    }
}

/// The states of DESIGN section 7, as everybody outside `supervise` sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeatState {
    /// Nothing runs.
    Absent,
    /// Queued, or being launched.
    Starting,
    /// Launched; its health endpoint does not answer yet.
    Probing,
    /// It may be used.
    Ready,
    /// It was told to end and has not ended yet.
    Stopping,
    /// It failed; the next try waits.
    Backoff,
    /// It failed too often: somebody has to act.
    Failed,
}

impl SeatState {
    /// All of them, in the order of a seat's life.
    pub const ALL: [SeatState; 7] = [
        SeatState::Absent,
        SeatState::Starting,
        SeatState::Probing,
        SeatState::Ready,
        SeatState::Stopping,
        SeatState::Backoff,
        SeatState::Failed,
    ];

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            SeatState::Absent => "absent",
            SeatState::Starting => "starting",
            SeatState::Probing => "probing",
            SeatState::Ready => "ready",
            SeatState::Stopping => "stopping",
            SeatState::Backoff => "backoff",
            SeatState::Failed => "failed",
        }
    }
}

/// The WebSocket close codes of the contract (DESIGN section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1001: the seat ended.
    SeatEnded,
    /// 1012: usher restarts or upgrades.
    UsherRestarts,
    /// 4001: the cookie session ended.
    SessionEnded,
    /// 4003: kicked, or no longer allowed.
    Kicked,
}

impl CloseCode {
    /// The number on the wire (RFC 6455 section 7.4).
    pub fn code(self) -> u16 {
        match self {
            CloseCode::SeatEnded => 1001,
            CloseCode::UsherRestarts => 1012,
            CloseCode::SessionEnded => 4001,
            CloseCode::Kicked => 4003,
        }
    }

    /// The short text beside it; ASCII.
    pub fn text(self) -> &'static str {
        match self {
            CloseCode::SeatEnded => "the seat ended",
            CloseCode::UsherRestarts => "usher restarts",
            CloseCode::SessionEnded => "the session ended",
            CloseCode::Kicked => "no longer allowed",
        }
    }
}

macro_rules! shown_as_text {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
shown_as_text!(UserName, AppSlug);

impl fmt::Display for SeatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.app)
    }
}

impl fmt::Debug for SeatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "{address}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(name) => write!(f, "{name}"),
            Actor::Admin(name) => write!(f, "admin {name}"),
            Actor::Operator => f.write_str("operator"),
            Actor::Usher => f.write_str("usher"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_have_one_form() {
        for (text, good) in [
            ("main", true),
            ("a", true),
            ("5g-2", true),
            ("", false),
            ("-a", false),
            ("Main", false),
            ("a_b", false),
            ("a/b", false),
            ("앱", false),
            (&"a".repeat(49), false),
        ] {
            assert_eq!(AppSlug::new(text).is_ok(), good, "{text}");
            assert_eq!(AppSlug::has_form(text), good, "{text}");
        }
    }

    #[test]
    fn names_are_safe_in_paths_and_logs() {
        for (text, good) in [
            ("minsu", true),
            ("김민수", true),
            ("a.b@c-d_e", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a b", false),
            ("a\nb", false),
        ] {
            assert_eq!(UserName::new(text).is_ok(), good, "{text:?}");
        }
    }
}
