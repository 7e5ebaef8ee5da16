//! What an event says beside its kind: the English text, for logs, the API and tools, and the same
//! as clauses, each a text of the pages' tables with its values, so that a page says it in its
//! language. The list of clauses is closed: a test of the pages holds both tables to it.

mod made;

use super::{Exit, Failure, LaunchKind, StopReason};

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    text: String,
    clauses: Vec<Clause>,
}

impl Detail {
    /// The same twice: in English, and as clauses.
    pub fn new(text: impl Into<String>, clauses: Vec<Clause>) -> Self {
        Self { text: text.into(), clauses }
    }

    /// Nothing: the kind of the event, who caused it and from where say all.
    pub fn none() -> Self {
        Self::default()
    }

    /// The English text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The clauses, in the order in which they are said.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }
}

/// A word that the tables have a text for, by the key of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// `WORD` of the section `LIST`.
    pub fn of(list: &str, word: &str) -> Self {
        Self(format!("{list}.{word}"))
    }

    /// A word by its key.
    pub fn by_key(key: String) -> Self {
        Self(key)
    }

    /// The key of its text.
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl From<&StopReason> for Word {
    fn from(reason: &StopReason) -> Self {
        Word::of("stops_because", reason.as_str())
    }
}

impl From<LaunchKind> for Word {
    fn from(kind: LaunchKind) -> Self {
        Word::of("launch", kind.as_str())
    }
}

/// What stands in a clause's text where the text has its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// From outside, shown as it is: a path, a name, what a system said.
    Text(String),
    /// A word of the tables.
    Word(Word),
    /// A number of things.
    Count(u64),
    /// A time, in milliseconds.
    Milliseconds(u64),
    /// A size.
    Bytes(u64),
}

/// The Rust type of each kind of value.
macro_rules! value_type {
    (Text) => {
        String
    };
    (Word) => {
        Word
    };
    ($number:ident) => {
        u64
    };
}

/// Each clause: its name here, the key of its text, and the values that the text has.
macro_rules! clauses {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $code:literal { $($value:ident: $kind:ident),* }
    )+) => {
        /// A part of what an event says. Some texts are those that other pages show too.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Clause {
            $(
                $(#[doc = $doc])+
                $name {
                    $(
                        #[doc = concat!("`{", stringify!($value), "}` of the text.")]
                        $value: value_type!($kind),
                    )*
                },
            )+
        }

        impl Clause {
            /// Every code, with the names of its values.
            pub const ALL: &'static [(&'static str, &'static [&'static str])] =
                &[$(($code, &[$(stringify!($value)),*]),)+];

            /// The key of its text.
            pub fn code(&self) -> &'static str {
                match self {
                    $(Clause::$name { .. } => $code,)+
                }
            }

            /// Its values, by name.
            pub fn values(&self) -> Vec<(&'static str, Value)> {
                match self {
                    $(Clause::$name { $($value),* } => {
                        vec![$((stringify!($value), Value::$kind($value.to_owned())),)*]
                    })+
                }
            }
        }
    };
}

clauses! {
    /// A launch began.
    Launching "detail.launching" {}
    /// A request waited in the queue of starts.
    Queued "detail.queued" { time: Milliseconds }
    /// The seat became ready.
    Ready "detail.ready" { time: Milliseconds, how: Word }
    /// A process of an earlier usher was taken over.
    Adopted "detail.adopted" { how: Word }
    /// A process ended while no usher was there.
    Gone "detail.gone" {}
    /// How long after its launch a seat failed.
    After "detail.after" { time: Milliseconds }
    /// The next request starts it again.
    NextAtRequest "detail.next_at_request" {}
    /// It may be tried again after a time.
    NextIn "detail.next_in" { time: Milliseconds }
    /// It may be tried again after a time, and how often it failed.
    NextAfterFailures "detail.next_after_failures" { time: Milliseconds, failures: Count }
    /// It failed so often that it is no longer started.
    LeftFailed "detail.left_failed" { failures: Count }
    /// It was left failed before.
    StaysFailed "detail.stays_failed" {}
    /// A start was ended before the seat was ready.
    StartEnded "detail.start_ended" {}
    /// Why something ends or was refused.
    Because "detail.because" { why: Word }
    /// How much memory it used, and might.
    MemoryUsed "detail.memory_used" { used: Bytes, limit: Bytes }
    /// How much memory it might use.
    MemoryLimit "detail.memory_limit" { limit: Bytes }
    /// How long it ran.
    Ran "detail.ran" { time: Milliseconds }
    /// What its process returned.
    ExitCode "detail.exit_code" { status: Text }
    /// Which signal ended its process.
    ExitSignal "detail.exit_signal" { signal: Text }
    /// Nobody knows how its process ended.
    ExitUnknown "detail.exit_unknown" {}
    /// Its process does not end.
    Lingers "detail.lingers" { time: Milliseconds }
    /// An order was given.
    Ordered "detail.ordered" { order: Word }
    /// The person wants the seat to go on.
    Kept "detail.kept" {}
    /// Connections were closed.
    Closed "detail.closed" { count: Count }
    /// There were none to close.
    NoneClosed "detail.none_closed" {}
    /// The configuration of a seat changed.
    Outdated "detail.outdated" {}
    /// A fault in usher.
    Violated "detail.violated" { rule: Text }

    /// [`Failure::ScriptMissing`]
    ScriptMissing "failure.script_missing.what" { path: Text }
    /// [`Failure::ProgramMissing`]
    ProgramMissing "failure.program_missing.what" { program: Text, cause: Text }
    /// [`Failure::StreamlitMissing`]
    StreamlitMissing "failure.streamlit_missing.what" { path: Text }
    /// [`Failure::WorkingDirectoryMissing`]
    DirectoryMissing "failure.directory_missing.what" { path: Text }
    /// [`Failure::NotReadyInTime`]
    NotReady "failure.not_ready.what" { waited: Milliseconds }
    /// [`Exit::Code`]
    Exited "failure.exited.what" { code: Text }
    /// [`Exit::Signal`]
    Signalled "failure.signalled.what" { signal: Text }
    /// [`Exit::OutOfMemory`]
    OutOfMemory "failure.out_of_memory.what" { mib: Text }
    /// [`Exit::Unknown`]
    ExitedUnseen "failure.gone.what" {}
    /// [`Failure::PortTaken`], by somebody.
    PortTaken "failure.port_taken.what" { port: Text }
    /// [`Failure::PortTaken`], by somebody who is known.
    PortTakenBy "failure.port_taken_by.what" { port: Text, name: Text, pid: Text }
    /// [`Failure::NoPortLeft`]
    NoPort "failure.no_port.what" { ports: Text }
    /// [`Failure::System`]
    NoProcess "failure.no_process.what" { detail: Text }
    /// [`Failure::UpstreamDown`]
    UpstreamUnreachable "failure.upstream_unreachable.what" { address: Text }
    /// As many seats run as may.
    SeatsTaken "full.seats_taken.what" { limit: Count }
    /// As many requests wait as may.
    TooManyWaiting "full.too_many_waiting.what" { limit: Count }

    /// All connections of a user were closed.
    UserKicked "told.user_kicked" { user: Text, count: Count }
    /// A user had no connection to close.
    NobodyKicked "detail.nobody_kicked" { user: Text }
    /// What a notice says.
    Notice "detail.notice" { text: Text }
    /// Which program is to take over.
    Upgrade "detail.upgrade" { path: Text }
    /// A configuration was applied.
    Reloaded "told.reloaded" { count: Count }
    /// What it changed.
    Changes "detail.changes" { changes: Text }
    /// A configuration was refused.
    ReloadRefused "told.reload_refused" { count: Count }
    /// The first problem of a file.
    Problem "detail.problem" { problem: Text }
    /// A certificate expires soon.
    CertificateExpires "detail.certificate_expires" { file: Text, days: Count }
    /// A certificate has expired.
    CertificateExpired "detail.certificate_expired" { file: Text }
    /// A copy of the database was made.
    BackupMade "detail.backup_made" { path: Text, size: Bytes }
    /// What went wrong.
    Cause "detail.cause" { cause: Text }
    /// Where a broken database is now.
    SetAside "detail.set_aside" { path: Text }
    /// A request was turned away.
    TurnedAway "detail.turned_away" { why: Word, request: Text }

    /// A person signed out.
    SignedOut "detail.session_signed_out" { user: Text }
    /// They signed in again from the same browser.
    SignedInAgain "detail.session_replaced" { user: Text }
    /// A session was not used for too long.
    SessionIdle "detail.session_idle" { user: Text }
    /// A session was too old.
    SessionTooOld "detail.session_lifetime" { user: Text }
    /// An administrator ended a session.
    SessionKicked "detail.session_kicked" { user: Text }
    /// What a session rested on changed.
    SessionChanged "detail.session_changed" { user: Text }
    /// A session made way for a newer one.
    SessionsTooMany "detail.session_too_many" { user: Text }
}

impl Clause {
    /// Why something ends or was refused.
    pub fn because(why: impl Into<Word>) -> Self {
        Clause::Because { why: why.into() }
    }
}

impl From<&Failure> for Clause {
    fn from(failure: &Failure) -> Self {
        match failure.clone() {
            Failure::ScriptMissing { path } => Clause::ScriptMissing { path },
            Failure::ProgramMissing { program, cause } => Clause::ProgramMissing { program, cause },
            Failure::StreamlitMissing { python } => Clause::StreamlitMissing { path: python },
            Failure::WorkingDirectoryMissing { path } => Clause::DirectoryMissing { path },
            Failure::PortTaken { port, holder } => match port_holder(&holder) {
                Some((name, pid)) => Clause::PortTakenBy {
                    port: port.to_string(),
                    name: name.to_owned(),
                    pid: pid.to_string(),
                },
                None => Clause::PortTaken { port: port.to_string() },
            },
            Failure::NoPortLeft { first, last } => {
                Clause::NoPort { ports: format!("{first}-{last}") }
            }
            Failure::ExitedEarly(exit) | Failure::Crashed(exit) => match exit {
                Exit::Code(code) => Clause::Exited { code: code.to_string() },
                Exit::Signal(signal) => Clause::Signalled { signal: signal_name(signal) },
                Exit::OutOfMemory { limit_bytes } => {
                    Clause::OutOfMemory { mib: (limit_bytes >> 20).to_string() }
                }
                Exit::Unknown => Clause::ExitedUnseen {},
            },
            Failure::NotReadyInTime { limit_ms } => Clause::NotReady { waited: limit_ms },
            Failure::UpstreamDown { address } => Clause::UpstreamUnreachable { address },
            Failure::System { doing, cause } => {
                Clause::NoProcess { detail: format!("{doing}: {cause}") }
            }
        }
    }
}

/// A signal as people look it up: with its name where it is one that ends programs every day.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        other => return other.to_string(),
    };
    format!("{name} ({signal})")
}

/// `nginx (pid 812)` in its parts.
pub fn port_holder(holder: &str) -> Option<(&str, u32)> {
    let (name, rest) = holder.split_once(" (pid ")?;
    Some((name, rest.strip_suffix(')')?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_a_text_with_its_values() {
        let clause = Clause::Ready { time: 430, how: LaunchKind::Fork.into() };
        assert_eq!(clause.code(), "detail.ready");
        let how = Value::Word(Word::of("launch", "fork"));
        assert_eq!(clause.values(), [("time", Value::Milliseconds(430)), ("how", how)]);
        assert!(Clause::ALL.contains(&("detail.ready", &["time", "how"])));
    }

    #[test]
    fn no_code_stands_twice() {
        let mut codes: Vec<_> = Clause::ALL.iter().map(|(code, _)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Clause::ALL.len());
    }

    #[test]
    fn who_holds_a_port_is_in_its_sentence_if_it_is_known() {
        for (holder, code) in [
            ("nginx (pid 812)", "failure.port_taken_by.what"),
            ("", "failure.port_taken.what"),
            ("nginx (pid x)", "failure.port_taken.what"),
        ] {
            let failure = Failure::PortTaken { port: 80, holder: holder.to_owned() };
            assert_eq!(Clause::from(&failure).code(), code, "{holder}");
        }
    }
}
