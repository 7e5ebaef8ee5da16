//! Why a seat failed: the closed list, its stable codes and what each sentence mentions.

use super::reason::{Reason, text};
use super::texts::{Parameter, Parameters};
use crate::domain::{Exit, Failure, port_holder, signal_name};

/// Why a seat could not be started, or is no longer alive.
#[derive(Debug, Clone, PartialEq)]
pub enum FailureReason {
    /// `script` names no file.
    ScriptMissing {
        /// The path as it was looked for.
        path: String,
    },
    /// `python`, or the first word of `command`, names no file that can be run.
    ProgramMissing {
        /// The program as it was looked for.
        program: String,
        /// The operating system's words.
        cause: String,
    },
    /// The interpreter has no Streamlit.
    StreamlitMissing {
        /// The interpreter.
        interpreter: String,
    },
    /// `working_directory` is not there.
    DirectoryMissing {
        /// The path as it was looked for.
        path: String,
    },
    /// Its health path did not answer 200 in `start_timeout`.
    NotReady {
        /// How long it was waited for, seconds.
        waited_s: f64,
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
    /// The system ended it, for it wanted more memory than `memory_max`.
    OutOfMemory {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is gone, and nobody was told how.
    Gone,
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
    /// The operating system refused something that a launch needs.
    NoProcess {
        /// The operating system's words.
        detail: String,
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
            FailureReason::NotReady { .. }
            | FailureReason::Exited { .. }
            | FailureReason::Signalled { .. }
            | FailureReason::OutOfMemory { .. }
            | FailureReason::Gone
            | FailureReason::NoPortLeft { .. }
            | FailureReason::UpstreamUnreachable { .. }
            | FailureReason::NoProcess { .. } => Advice::Retry,
            FailureReason::ScriptMissing { .. }
            | FailureReason::ProgramMissing { .. }
            | FailureReason::StreamlitMissing { .. }
            | FailureReason::DirectoryMissing { .. }
            | FailureReason::PortTaken { .. } => Advice::Ask,
        }
    }
}

impl Reason for FailureReason {
    const FAMILY: &'static str = "failure";

    fn code(&self) -> &'static str {
        match self {
            FailureReason::ScriptMissing { .. } => "script_missing",
            FailureReason::ProgramMissing { .. } => "program_missing",
            FailureReason::StreamlitMissing { .. } => "streamlit_missing",
            FailureReason::DirectoryMissing { .. } => "directory_missing",
            FailureReason::NotReady { .. } => "not_ready",
            FailureReason::Exited { .. } => "exited",
            FailureReason::Signalled { .. } => "signalled",
            FailureReason::OutOfMemory { .. } => "out_of_memory",
            FailureReason::Gone => "gone",
            FailureReason::PortTaken { holder: Some(_), .. } => "port_taken_by",
            FailureReason::PortTaken { holder: None, .. } => "port_taken",
            FailureReason::NoPortLeft { .. } => "no_port",
            FailureReason::NoProcess { .. } => "no_process",
            FailureReason::UpstreamUnreachable { .. } => "upstream_unreachable",
        }
    }

    fn parameters(&self) -> Parameters {
        match self {
            FailureReason::ScriptMissing { path } | FailureReason::DirectoryMissing { path } => {
                vec![text("path", path)]
            }
            FailureReason::ProgramMissing { program, cause } => {
                vec![text("program", program), text("cause", cause)]
            }
            FailureReason::StreamlitMissing { interpreter } => vec![text("path", interpreter)],
            FailureReason::NotReady { waited_s } => {
                vec![("waited", Parameter::Seconds(*waited_s))]
            }
            FailureReason::Exited { code } => vec![text("code", &code.to_string())],
            FailureReason::Signalled { signal } => vec![text("signal", signal)],
            FailureReason::OutOfMemory { limit_bytes } => {
                vec![text("mib", &(limit_bytes >> 20).to_string())]
            }
            FailureReason::Gone => Vec::new(),
            FailureReason::PortTaken { port, holder: Some(PortHolder { name, pid }) } => vec![
                text("port", &port.to_string()),
                text("name", name),
                text("pid", &pid.to_string()),
            ],
            FailureReason::PortTaken { port, holder: None } => {
                vec![text("port", &port.to_string())]
            }
            FailureReason::NoPortLeft { ports } => vec![text("ports", ports)],
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
            Failure::ProgramMissing { program, cause } => {
                FailureReason::ProgramMissing { program, cause }
            }
            Failure::StreamlitMissing { python } => {
                FailureReason::StreamlitMissing { interpreter: python }
            }
            Failure::WorkingDirectoryMissing { path } => FailureReason::DirectoryMissing { path },
            Failure::PortTaken { port, holder } => {
                let holder = port_holder(&holder)
                    .map(|(name, pid)| PortHolder { name: name.to_owned(), pid });
                FailureReason::PortTaken { port, holder }
            }
            Failure::NoPortLeft { first, last } => {
                FailureReason::NoPortLeft { ports: format!("{first}-{last}") }
            }
            Failure::ExitedEarly(exit) | Failure::Crashed(exit) => match exit {
                Exit::Code(code) => FailureReason::Exited { code },
                Exit::Signal(signal) => FailureReason::Signalled { signal: signal_name(signal) },
                Exit::OutOfMemory { limit_bytes } => FailureReason::OutOfMemory { limit_bytes },
                Exit::Unknown => FailureReason::Gone,
            },
            Failure::NotReadyInTime { limit_ms } => {
                FailureReason::NotReady { waited_s: limit_ms as f64 / 1000.0 }
            }
            Failure::UpstreamDown { address } => FailureReason::UpstreamUnreachable { address },
            Failure::System { doing, cause } => {
                FailureReason::NoProcess { detail: format!("{doing}: {cause}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Clause, Value};

    /// One of each.
    fn failures() -> Vec<Failure> {
        let text = |text: &str| text.to_owned();
        vec![
            Failure::ScriptMissing { path: text("/srv/main.py") },
            Failure::ProgramMissing { program: text("python"), cause: text("no such file") },
            Failure::StreamlitMissing { python: text("/usr/bin/python3") },
            Failure::WorkingDirectoryMissing { path: text("/srv") },
            Failure::PortTaken { port: 80, holder: text("nginx (pid 812)") },
            Failure::PortTaken { port: 80, holder: String::new() },
            Failure::NoPortLeft { first: 1, last: 9 },
            Failure::ExitedEarly(Exit::Code(1)),
            Failure::Crashed(Exit::Signal(11)),
            Failure::Crashed(Exit::OutOfMemory { limit_bytes: 512 << 20 }),
            Failure::Crashed(Exit::Unknown),
            Failure::NotReadyInTime { limit_ms: 60_000 },
            Failure::UpstreamDown { address: text("127.0.0.1:9000") },
            Failure::System { doing: "forking", cause: text("no memory") },
        ]
    }

    #[test]
    fn an_event_and_a_page_say_the_same_of_a_failure() {
        for failure in failures() {
            let (reason, clause) = (FailureReason::from(&failure), Clause::from(&failure));
            assert_eq!(clause.code(), format!("failure.{}.what", reason.code()));
            let values = clause.values().into_iter().map(|(name, value)| match value {
                Value::Text(text) => (name, Parameter::Text(text)),
                Value::Milliseconds(ms) => (name, Parameter::Seconds(ms as f64 / 1000.0)),
                Value::Word(_) | Value::Count(_) | Value::Bytes(_) => panic!("{failure}"),
            });
            assert_eq!(values.collect::<Parameters>(), reason.parameters(), "{failure}");
        }
    }
}
