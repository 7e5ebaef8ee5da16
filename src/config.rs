//! What the operator wants: one checked, immutable [`Snapshot`] of the configuration file.
//!
//! `file` mirrors the YAML with the position of every value, `check` turns it into a [`Snapshot`]
//! or into every [`Problem`] at once, `watch` notices that the file changed. A request uses one
//! snapshot from start to end; nothing here does I/O on the request path.

mod check;
mod differences;
mod file;
mod fingerprint;
mod keys;
mod kinds;
mod nearest;
mod report;
mod schema;
mod scope;
mod table;
#[cfg(test)]
mod tests;
pub mod watch;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::authorize::Policy;
use crate::certificates::{Chain, ClientAuthorities};
use crate::domain::{AppSlug, Language, Role, UserName};
use crate::identify::Directory;
use crate::network::NetworkSet;

/// A checked configuration. Cheap to share; never changed.
#[derive(Debug)]
pub struct Snapshot {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The folder that relative paths of the file start from (`directory:`); absolute.
    pub base: PathBuf,
    /// What only a new start applies.
    pub fixed: Fixed,
    /// Names the door answers to beside address literals, localhost and the machine's own names;
    /// lower case.
    pub hosts: Vec<String>,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted_proxies: NetworkSet,
    /// The zone of days and weeks in statistics.
    pub timezone: jiff::tz::TimeZone,
    /// The language of the pages; `None`: the browser's.
    pub language: Option<Language>,
    /// The apps in the order of the file; never empty.
    pub apps: Vec<Arc<App>>,
    /// The users in the order of the file; never empty.
    pub users: Vec<Arc<User>>,
    /// Address to user.
    pub directory: Directory,
    /// Who may do what.
    pub policy: Policy,
    /// The administrators' pages.
    pub admin: Admin,
    /// Cookie sessions.
    pub sessions: Sessions,
    /// What is recorded of visits.
    pub visits: Visits,
    /// What is measured.
    pub samples: Samples,
    /// Copies of the database.
    pub backups: Backups,
    /// The limits.
    pub limits: Limits,
    /// The log files.
    pub logs: Logs,
    /// Who may read `/metrics`.
    pub metrics_allow: NetworkSet,
    /// A folder whose files replace built-in templates.
    pub templates: Option<PathBuf>,
    /// TLS; `None` if absent.
    pub tls: Option<Tls>,
    /// OpenID Connect; `None` if absent.
    pub oidc: Option<Oidc>,
    /// The header in which a trusted proxy names the login; lower case.
    pub trusted_login_header: Option<String>,
    /// What is worth a warning, though not an error.
    pub warnings: Vec<Problem>,
    /// Every setting but the users', as it is in force, defaults included; in the order of the
    /// table of keys. Shows no secret.
    pub in_force: Vec<Setting>,
}

/// One setting in the notation of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Such as `apps.main.idle_timeout`.
    pub path: String,
    /// Such as `30m`; the same for equal values.
    pub value: String,
}

/// Settings that a reload reports but does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Where plain HTTP is served; may be empty when TLS is on.
    pub listen: Vec<SocketAddr>,
    /// Where TLS is served; empty without TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// Where the administrators' pages alone are served; empty: everywhere.
    pub admin_listen: Vec<SocketAddr>,
    /// Proxy worker threads, at least 1.
    pub threads: usize,
    /// Database, control socket, app sockets, logs; absolute.
    pub state_dir: PathBuf,
}

/// What a seat's socket adds to the path of `state_dir`, in bytes: `/sockets/`, twelve digits, a
/// point, and the milliseconds of a year before 2286.
pub const SEAT_SOCKET_BYTES: usize = 35;

/// The most bytes that the path of a socket may have.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A program that users run.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// Its name in URLs.
    pub slug: AppSlug,
    /// Its name for people.
    pub title: String,
    /// What it runs.
    pub program: Program,
    /// Whether the app sees `/x` where the browser asked for `/app/SLUG/x`.
    pub strip_prefix: bool,
    /// Where it runs; absolute.
    pub working_directory: PathBuf,
    /// Environment variables beside those of DESIGN section 5.
    pub environment: BTreeMap<String, String>,
    /// Loopback ports for users who have none of their own, first and last.
    pub ports: (u16, u16),
    /// How usher reaches it.
    pub connect: Connect,
    /// From the launch to the first healthy answer.
    pub start_timeout_ms: u64,
    /// `None`: never.
    pub idle_timeout_ms: Option<u64>,
    /// `None`: never.
    pub untouched_timeout_ms: Option<u64>,
    /// `None`: no limit.
    pub lifetime_max_ms: Option<u64>,
    /// `None`: no limit.
    pub memory_max_bytes: Option<u64>,
    /// Thousandths of a core; `None`: no limit.
    pub cpu_max_millicores: Option<u32>,
    /// From TERM to KILL.
    pub stop_grace_ms: u64,
    /// Crashes within [`App::restart_within_ms`] before the seat is left failed.
    pub restart_attempts_max: u32,
    /// The window of [`App::restart_attempts_max`].
    pub restart_within_ms: u64,
    /// Whether the small script is added to the app's index page.
    pub notices: bool,
    /// The path, below the app's own root, that answers 200 when the app is ready; `None`: the
    /// kind's own (Streamlit `/_stcore/health`, others: a TCP connection is enough).
    pub health: Option<String>,
}

impl App {
    /// Whether its seats are held to an amount of memory or CPU.
    pub fn has_limit(&self) -> bool {
        self.memory_max_bytes.is_some() || self.cpu_max_millicores.is_some()
    }
}

/// What an app runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Program {
    /// A Streamlit script.
    Streamlit {
        /// The script; absolute.
        script: PathBuf,
        /// The interpreter that has Streamlit: an absolute path, or a name to look for in PATH.
        python: PathBuf,
        /// After the script.
        arguments: Vec<String>,
        /// From a template process or by itself.
        launch: LaunchMode,
        /// Modules that the template imports beside what it learned.
        preload: Vec<String>,
    },
    /// Any program; `{port}`, `{base_path}`, `{socket}`, `{user}`, `{data}` are replaced.
    Command {
        /// Program and arguments; never empty.
        argv: Vec<String>,
    },
    /// Something that runs already.
    Upstream {
        /// Where, unless the user's entry has an address of its own.
        address: SocketAddr,
    },
}

/// `launch:` of a Streamlit app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchMode {
    /// Fork where it works, else spawn.
    Auto,
    /// Fork, or fail.
    Fork,
    /// Spawn.
    Spawn,
}

/// `connect:` of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// A loopback port.
    Tcp,
    /// A socket below `state_dir`.
    Unix,
}

/// A configured user.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Their name.
    pub name: UserName,
    /// Their role.
    pub role: Role,
    /// The networks they call from, in canonical form: (first address, prefix length).
    pub addresses: Vec<(IpAddr, u8)>,
    /// Their name at the outside identity provider.
    pub login: Option<String>,
    /// Their port for the first app.
    pub port: Option<u16>,
    /// Where their copy of an `upstream` app runs.
    pub upstream: Option<SocketAddr>,
    /// The apps they may use, in the order of `apps`; never empty.
    pub apps: Vec<AppSlug>,
    /// An argon2id hash (PHC string).
    pub password: Option<String>,
    /// A base32 TOTP secret.
    pub totp: Option<String>,
    /// What they have to prove; never empty.
    pub proofs: Vec<Proof>,
}

/// One thing a user can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// They call from one of their addresses.
    Address,
    /// They know the password (and TOTP, if the entry has it).
    Password,
    /// The outside provider vouches for them.
    Oidc,
}

/// `admin:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Absolute path without a trailing slash, such as `/admin`.
    pub path: String,
    /// Whether admins without a password are refused.
    pub password_required: bool,
}

/// `sessions:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Ends after so long without a request.
    pub idle_timeout_ms: u64,
    /// Ends so long after the sign-in.
    pub lifetime_max_ms: u64,
}

/// `visits:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visits {
    /// Whether visits are recorded at all.
    pub record: bool,
    /// Two stays with a shorter gap are one visit.
    pub gap_ms: u64,
    /// Records older than this are deleted.
    pub keep_ms: u64,
}

/// `samples:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples {
    /// Between two measurements.
    pub every_ms: u64,
    /// Samples older than this are deleted.
    pub keep_ms: u64,
}

/// `backups:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backups {
    /// Between two backups; `None`: no scheduled backup.
    pub every_ms: Option<u64>,
    /// How many are kept.
    pub keep: u32,
    /// Where; absolute.
    pub directory: PathBuf,
}

/// `limits:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seats that may run at once.
    pub seats_max: u32,
    /// Launches under way at once.
    pub starts_at_once_max: u32,
    /// Requests held for one seat.
    pub waiting_per_seat_max: u32,
    /// Open connections from one address.
    pub connections_per_address_max: u32,
    /// Requests per second from one address; `None`: no limit.
    pub requests_per_second_max: Option<u32>,
    /// The body of one request.
    pub upload_max_bytes: u64,
    /// Failed sign-ins, per address and per user.
    pub login_attempts: Attempts,
    /// Failed TOTP codes, per user.
    pub totp_attempts: Attempts,
}

/// `"5/15m"`: so many within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many.
    pub attempts_max: u32,
    /// Within which time.
    pub within_ms: u64,
}

/// `logs:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// The access log; absolute. `None`: none.
    pub access: Option<PathBuf>,
    /// A log is rotated when it is larger.
    pub rotate_bytes: u64,
    /// How many rotated files are kept.
    pub keep: u32,
    /// The folder of the apps' logs; absolute.
    pub apps: PathBuf,
}

/// `tls:`
#[derive(Clone, Debug, PartialEq)]
pub struct Tls {
    /// Certificate and key files; the first answers where no name fits; never empty.
    pub certificates: Vec<CertificateFiles>,
    /// The authorities of one of which a client needs a certificate, and their file.
    pub client_ca: Option<(PathBuf, ClientAuthorities)>,
    /// Whether the plain listener redirects.
    pub redirect: bool,
    /// `max-age` of Strict-Transport-Security; `None`: no such header.
    pub hsts_ms: Option<u64>,
}

/// A PEM chain and its key: the files, absolute, and what was in them when they were checked.
#[derive(Clone, Debug, PartialEq)]
pub struct CertificateFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// What was in them: right, and of now.
    pub chain: Chain,
}

/// `oidc:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The issuer's URL.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// The file that holds the secret; absolute.
    pub client_secret_file: PathBuf,
}

/// One thing that is wrong in the file, with its place and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named on the command line.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Such as `users[1].addresses[0]`; empty for the file itself.
    pub path: String,
    /// A sentence that says what is wrong.
    pub sentence: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", OneLine(&self.path))?;
        }
        write!(f, "{}", OneLine(&self.sentence))?;
        if !self.hint.is_empty() {
            write!(f, " ({})", OneLine(&self.hint))?;
        }
        Ok(())
    }
}

/// Text with its control characters escaped: a value of the file may have line ends in it, and a
/// problem is one line.
struct OneLine<'t>(&'t str);

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Those beyond ASCII that some programs take for line ends, too.
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        self.0.chars().try_for_each(|c| match breaks(c) {
            true => write!(f, "{}", c.escape_default()),
            false => std::fmt::Write::write_char(f, c),
        })
    }
}

impl Tls {
    /// All files, for whoever watches them.
    pub fn files(&self) -> Vec<PathBuf> {
        let pairs = self.certificates.iter().flat_map(|one| [&one.certificate, &one.key]);
        pairs.chain(self.client_ca.iter().map(|(file, _)| file)).cloned().collect()
    }
}

impl Snapshot {
    /// The app of this name.
    pub fn app(&self, slug: &str) -> Option<&Arc<App>> {
        self.apps.iter().find(|app| app.slug.as_str() == slug)
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.name.as_str() == name)
    }
}

/// The JSON Schema of the configuration file, for editors; pretty-printed.
pub fn schema() -> String {
    format!("{:#}", schema::of_file())
}

pub use check::state_dir_of;
