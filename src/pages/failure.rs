//! Why a seat failed: the closed list, its stable codes and what each sentence mentions.

use super::reason::{Reason, text};
use super::texts::{Parameter, Parameters};
use crate::domain::{Exit, Failure};

/// Why a seat could not be started, or is no longer alive.
#[derive(Debug, Clone, PartialEq)]
pub enum FailureReason {
    /// `script` names no file.
    ScriptMissing {
        /// The path as it was looked for.
        path: String,
    },
    /// `python` names no file that can be run.
    InterpreterMissing {
        /// The path as it was looked for.
        path: String,
    },
    /// The interpreter has no Streamlit.
    StreamlitMissing {
        /// The interpreter.
        interpreter: String,
    },
    /// The first word of `command` is no program.
    CommandMissing {
        /// The word.
        program: String,
    },
    /// `working_directory` is not there.
    DirectoryMissing {
        /// The path as it was looked for.
        path: String,
    },
    /// The operating system forbids reading or running it.
    PermissionDenied {
        /// The path.
        path: String,
    },
    /// Nothing listened in `start_timeout`.
    NotListening {
        /// How long it was waited for, seconds.
        waited_s: f64,
        /// The endpoint, an address with its port or a path.
        endpoint: String,
    },
    /// It listened, but its health path did not answer 200 in `start_timeout`.
    Unhealthy {
        /// How long it was waited for, seconds.
        waited_s: f64,
        /// The last answer.
        status: u16,
    },
    /// It ended by itself.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// Name and number, as in `SIGSEGV (11)`.
        signal: String,
    },
    /// Something else listens on the seat's port.
    PortTaken {
        /// The port.
        port: u16,
        /// Who listens there, if it could be found out.
        holder: Option<PortHolder>,
    },
    /// No port of the app's range is free.
    NoPortLeft {
        /// The range as the configuration has it.
        ports: String,
    },
    /// `restart.attempts` crashes in `restart.within`.
    CrashedTooOften {
        /// How often.
        crashes: u64,
        /// In how many seconds.
        within_s: f64,
    },
    /// Stopped because it used more than `memory_max`.
    MemoryOverLimit {
        /// What it used.
        used_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The operating system made no process.
    NoProcess {
        /// The operating system's words.
        detail: String,
    },
    /// A file of this seat (its log, its socket) could not be written.
    DiskFull {
        /// The path.
        path: String,
    },
    /// An `upstream` that usher does not start does not answer.
    UpstreamUnreachable {
        /// Its address.
        address: String,
    },
}

/// The program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// The program's name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

/// What a person who only wants to work can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// Trying again may help.
    Retry,
    /// Only an administrator can help.
    Ask,
}

impl FailureReason {
    /// Trying again may help; otherwise only an administrator can.
    pub const fn may_pass(&self) -> bool {
        match self.advice() {
            Advice::Retry => true,
            Advice::Ask => false,
        }
    }

    const fn advice(&self) -> Advice {
        match self {
            FailureReason::NotListening { .. }
            | FailureReason::Unhealthy { .. }
            | FailureReason::Exited { .. }
            | FailureReason::Signalled { .. }
            | FailureReason::MemoryOverLimit { .. }
            | FailureReason::NoPortLeft { .. }
            | FailureReason::UpstreamUnreachable { .. }
            | FailureReason::NoProcess { .. } => Advice::Retry,
            FailureReason::ScriptMissing { .. }
            | FailureReason::InterpreterMissing { .. }
            | FailureReason::StreamlitMissing { .. }
            | FailureReason::CommandMissing { .. }
            | FailureReason::DirectoryMissing { .. }
            | FailureReason::PermissionDenied { .. }
            | FailureReason::PortTaken { .. }
            | FailureReason::CrashedTooOften { .. }
            | FailureReason::DiskFull { .. } => Advice::Ask,
        }
    }
}

impl Reason for FailureReason {
    const FAMILY: &'static str = "failure";

    fn code(&self) -> &'static str {
        match self {
            FailureReason::ScriptMissing { .. } => "script_missing",
            FailureReason::InterpreterMissing { .. } => "interpreter_missing",
            FailureReason::StreamlitMissing { .. } => "streamlit_missing",
            FailureReason::CommandMissing { .. } => "command_missing",
            FailureReason::DirectoryMissing { .. } => "directory_missing",
            FailureReason::PermissionDenied { .. } => "permission_denied",
            FailureReason::NotListening { .. } => "not_listening",
            FailureReason::Unhealthy { .. } => "unhealthy",
            FailureReason::Exited { .. } => "exited",
            FailureReason::Signalled { .. } => "signalled",
            FailureReason::PortTaken { holder: Some(_), .. } => "port_taken_by",
            FailureReason::PortTaken { holder: None, .. } => "port_taken",
            FailureReason::NoPortLeft { .. } => "no_port",
            FailureReason::CrashedTooOften { .. } => "crashed_too_often",
            FailureReason::MemoryOverLimit { .. } => "memory_over_limit",
            FailureReason::NoProcess { .. } => "no_process",
            FailureReason::DiskFull { .. } => "disk_full",
            FailureReason::UpstreamUnreachable { .. } => "upstream_unreachable",
        }
    }

    fn parameters(&self) -> Parameters {
        use Parameter::{Bytes, Count, Seconds};
        match self {
            FailureReason::ScriptMissing { path }
            | FailureReason::InterpreterMissing { path }
            | FailureReason::DirectoryMissing { path }
            | FailureReason::PermissionDenied { path }
            | FailureReason::DiskFull { path } => vec![text("path", path)],
            FailureReason::StreamlitMissing { interpreter } => vec![text("path", interpreter)],
            FailureReason::CommandMissing { program } => vec![text("program", program)],
            FailureReason::NotListening { waited_s, endpoint } => {
                vec![("waited", Seconds(*waited_s)), text("endpoint", endpoint)]
            }
            FailureReason::Unhealthy { waited_s, status } => {
                vec![("waited", Seconds(*waited_s)), text("status", &status.to_string())]
            }
            FailureReason::Exited { code } => vec![text("code", &code.to_string())],
            FailureReason::Signalled { signal } => vec![text("signal", signal)],
            FailureReason::PortTaken { port, holder: Some(PortHolder { name, pid }) } => vec![
                text("port", &port.to_string()),
                text("name", name),
                text("pid", &pid.to_string()),
            ],
            FailureReason::PortTaken { port, holder: None } => {
                vec![text("port", &port.to_string())]
            }
            FailureReason::NoPortLeft { ports } => vec![text("ports", ports)],
            FailureReason::CrashedTooOften { crashes, within_s } => {
                vec![("crashes", Count(*crashes)), ("within", Seconds(*within_s))]
            }
            FailureReason::MemoryOverLimit { used_bytes, limit_bytes } => {
                vec![("used", Bytes(*used_bytes)), ("limit", Bytes(*limit_bytes))]
            }
            FailureReason::NoProcess { detail } => vec![text("detail", detail)],
            FailureReason::UpstreamUnreachable { address } => vec![text("address", address)],
        }
    }

    fn hint_key(&self) -> String {
        match self.advice() {
            Advice::Retry => "failure.hint_retry".to_owned(),
            Advice::Ask => "failure.hint_ask".to_owned(),
        }
    }

    fn remedy_key(&self) -> Option<String> {
        Some(format!("failure.{}.remedy", self.code()))
    }
}

impl From<&Failure> for FailureReason {
    fn from(failure: &Failure) -> Self {
        match failure.clone() {
            Failure::ScriptMissing { path } => FailureReason::ScriptMissing { path },
            Failure::ProgramMissing { program, .. } => {
                FailureReason::InterpreterMissing { path: program }
            }
            Failure::StreamlitMissing { python } => {
                FailureReason::StreamlitMissing { interpreter: python }
            }
            Failure::WorkingDirectoryMissing { path } => FailureReason::DirectoryMissing { path },
            Failure::PortTaken { port, holder } => {
                FailureReason::PortTaken { port, holder: port_holder(&holder) }
            }
            Failure::NoPortLeft { first, last } => {
                FailureReason::NoPortLeft { ports: format!("{first}-{last}") }
            }
            Failure::ExitedEarly(exit) | Failure::Crashed(exit) => match exit {
                Exit::Code(code) => FailureReason::Exited { code },
                Exit::Signal(signal) => FailureReason::Signalled { signal: signal.to_string() },
                Exit::Unknown => FailureReason::Signalled { signal: "?".to_owned() },
            },
            Failure::NotReadyInTime { limit_ms } => FailureReason::NotListening {
                waited_s: limit_ms as f64 / 1000.0,
                endpoint: String::new(),
            },
            Failure::UpstreamDown { address } => FailureReason::UpstreamUnreachable { address },
            Failure::System { doing, cause } => {
                FailureReason::NoProcess { detail: format!("{doing}: {cause}") }
            }
        }
    }
}

/// `nginx (pid 812)` in its parts.
fn port_holder(holder: &str) -> Option<PortHolder> {
    let (name, rest) = holder.split_once(" (pid ")?;
    Some(PortHolder { name: name.to_owned(), pid: rest.strip_suffix(')')?.parse().ok()? })
}
