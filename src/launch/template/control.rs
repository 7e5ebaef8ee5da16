//! What usher and a template say to each other; `template.py` has the whole of it at its top. One
//! JSON object a line, each with one name.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::domain::Exit;
use crate::launch::members::Identity;
use crate::platform::passing;
use crate::platform::sockets::within_reach;

/// The protocol that is spoken here.
pub(super) const PROTOCOL: u32 = 1;
/// A longer line is nonsense, in bytes.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// For a template to answer: it never does anything for longer than a fork takes, unless it was
/// stopped or the machine has come to a standstill.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A line from a template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    /// At its start: it is about to import this package.
    Importing(String),
    /// At its start: it leaves this out and begins again.
    Excluded(Excluded),
    /// At its start: it serves.
    Ready(Description),
    /// At its start: it never will.
    Refused(Refused),
    /// What it is.
    Template(Description),
    /// A seat was forked.
    Forked(Name),
    /// The seat is set up.
    Seat(Report),
    /// The seat could not be set up.
    Failed(SetUp),
    /// A seat has ended.
    Exited(Exited),
    /// The request was not granted.
    Error(Denied),
}

/// A module that is not imported ahead.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Excluded {
    /// Its name, or in brackets a step of this start.
    pub(super) module: String,
    /// In a word.
    pub(super) because: String,
    /// In more words.
    pub(super) detail: String,
}

/// Why an environment cannot be forked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Refused {
    /// In a word.
    pub(super) reason: String,
    /// In more words.
    pub(super) detail: String,
}

/// A template as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Description {
    /// [`PROTOCOL`].
    pub(super) protocol: u32,
    /// Its process.
    pub(super) pid: u32,
    /// And the start of that.
    pub(super) start_ticks: u64,
    /// The version of Python.
    pub(super) python: String,
    /// The version of Streamlit.
    pub(super) streamlit: String,
    /// How many modules it has imported.
    pub(super) modules: u64,
    /// What it left out because of what importing it does.
    #[serde(default)]
    pub(super) excluded: Vec<String>,
    /// What could not be imported, and why.
    #[serde(default)]
    pub(super) skipped: BTreeMap<String, String>,
    /// The seats that live.
    #[serde(default)]
    pub(super) children: Vec<Name>,
    /// Those that have ended lately.
    #[serde(default)]
    pub(super) exited: Vec<Exited>,
    /// What is no longer as it was when it started.
    #[serde(default)]
    pub(super) changed: Option<String>,
}

/// A seat's process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Name {
    pid: u32,
    start_ticks: u64,
}

/// What a seat could not be given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Report {
    /// Options that this Streamlit lacks.
    #[serde(default)]
    pub(super) dropped_flags: Vec<String>,
    /// Variables that only the start of a process could have applied.
    #[serde(default)]
    pub(super) stale_environment: Vec<String>,
}

/// Where the set-up of a seat failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct SetUp {
    /// In a word.
    pub(super) step: String,
    /// In more words.
    pub(super) detail: String,
}

/// How a seat ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Exited {
    pid: u32,
    start_ticks: u64,
    code: Option<i32>,
    signal: Option<i32>,
}

/// Why a request was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Denied {
    /// In a word.
    pub(super) code: String,
    /// In more words.
    pub(super) detail: String,
}

impl Name {
    /// The process.
    pub(super) fn identity(&self) -> Identity {
        (self.pid, self.start_ticks)
    }
}

impl Exited {
    /// The process.
    pub(super) fn identity(&self) -> Identity {
        (self.pid, self.start_ticks)
    }

    /// How it ended.
    pub(super) fn exit(&self) -> Exit {
        match (self.code, self.signal) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        }
    }
}

/// The next line; `None` at the end.
///
/// # Errors
/// What the system says, or `InvalidData` for what is no line of a template.
pub(super) async fn next<R>(reader: &mut R) -> io::Result<Option<Message>>
where
    R: tokio::io::AsyncBufRead + Unpin,
{
    let mut line = Vec::new();
    reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    understood(&line)
}

fn understood(line: &[u8]) -> io::Result<Option<Message>> {
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(line).map(Some).map_err(io::Error::from)
}

/// A connection on which every seat is told of, and what the template is now.
///
/// # Errors
/// Nobody answers there, or not in time, or not in our language.
pub(super) async fn watch(
    socket: &Path,
) -> io::Result<(Description, tokio::io::BufReader<tokio::net::UnixStream>)> {
    ask(socket, b"{\"op\":\"watch\"}\n").await
}

/// What the template is now.
///
/// # Errors
/// As for [`watch`].
pub(super) async fn stat(socket: &Path) -> io::Result<Description> {
    Ok(ask(socket, b"{\"op\":\"stat\"}\n").await?.0)
}

async fn ask(
    socket: &Path,
    request: &[u8],
) -> io::Result<(Description, tokio::io::BufReader<tokio::net::UnixStream>)> {
    let asked = async {
        let mut stream = tokio::net::UnixStream::connect(within_reach(socket)?).await?;
        stream.write_all(request).await?;
        let mut reader = tokio::io::BufReader::new(stream);
        match next(&mut reader).await? {
            Some(Message::Template(description)) if description.protocol == PROTOCOL => {
                Ok((description, reader))
            }
            Some(other) => Err(io::Error::other(format!("it answers {other:?}"))),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    };
    tokio::time::timeout(ANSWER_TIMEOUT, asked).await?
}

/// A request for a seat. The template kills what it forked for it if this is dropped before
/// [`Exchange::keep`]. Blocks.
pub(in crate::launch) struct Exchange {
    stream: BufReader<UnixStream>,
}

impl Exchange {
    /// Asks for a seat: its specification, its listening socket, its log.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(in crate::launch) fn begin(socket: &Path, given: [BorrowedFd<'_>; 3]) -> io::Result<Self> {
        let stream = UnixStream::connect(within_reach(socket)?)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        passing::send(&stream, b"{\"op\":\"fork\",\"hold\":true}\n", &given)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// The next answer; `None` at the end.
    ///
    /// # Errors
    /// `WouldBlock` if there is none in time.
    pub(super) fn next(&mut self) -> io::Result<Option<Message>> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        understood(&line)
    }

    /// The seat stays, whatever becomes of the connection.
    ///
    /// # Errors
    /// The template is gone; so is its hold.
    pub(in crate::launch) fn keep(self) -> io::Result<()> {
        let mut stream = self.stream.into_inner();
        stream.write_all(b"{\"op\":\"keep\"}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_template_are_understood() {
        for (line, expected) in [
            (r#"{"importing": "polars"}"#, Message::Importing("polars".to_owned())),
            (
                r#"{"forked": {"pid": 7, "start_ticks": 9, "fork_us": 1500}}"#,
                Message::Forked(Name { pid: 7, start_ticks: 9 }),
            ),
            (
                r#"{"seat": {"dropped_flags": ["a.b"], "stale_environment": []}}"#,
                Message::Seat(Report {
                    dropped_flags: vec!["a.b".to_owned()],
                    stale_environment: Vec::new(),
                }),
            ),
            (
                r#"{"exited": {"pid": 7, "start_ticks": 9, "code": null, "signal": 9}}"#,
                Message::Exited(Exited { pid: 7, start_ticks: 9, code: None, signal: Some(9) }),
            ),
            (
                r#"{"error": {"code": "full", "detail": "400 seats"}}"#,
                Message::Error(Denied { code: "full".to_owned(), detail: "400 seats".to_owned() }),
            ),
        ] {
            assert_eq!(understood(line.as_bytes()).unwrap(), Some(expected), "{line}");
        }
        for line in ["x", "{}", "[]", r#"{"sing": 1}"#, r#"{"forked": {"pid": -1}}"#] {
            assert!(understood(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(understood(b"").unwrap(), None);
    }

    #[test]
    fn exits_are_told_as_they_were() {
        for (code, signal, expected) in [
            (Some(3), None, Exit::Code(3)),
            (None, Some(15), Exit::Signal(15)),
            (None, None, Exit::Unknown),
        ] {
            let exited = Exited { pid: 1, start_ticks: 1, code, signal };
            assert_eq!(exited.exit(), expected);
        }
    }
}
