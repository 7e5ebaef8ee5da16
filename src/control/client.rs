//! The commands of the shell: they print and tell how it went. All but `check` talk to the running
//! server, which they find by the `state_dir` of the configuration file.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Outcome, Reply, Request, socket_path, table};
use crate::config::{self, Snapshot};
use crate::operate;
use crate::platform::sockets::within_reach;

/// How long an order may take before the command gives up waiting.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(150);

/// `usher seat ORDER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatOrder {
    /// Start it, and wait until it is ready
    Start,
    /// Stop it, and wait until it has ended
    Stop,
    /// Stop it and start it again
    Restart,
    /// Print the end of its log
    Log,
}

impl From<SeatOrder> for operate::SeatOrder {
    fn from(order: SeatOrder) -> Self {
        match order {
            SeatOrder::Start => operate::SeatOrder::Start,
            SeatOrder::Stop => operate::SeatOrder::Stop,
            SeatOrder::Restart => operate::SeatOrder::Restart,
            SeatOrder::Log => operate::SeatOrder::Log,
        }
    }
}

/// How many of what: `1 app`, `2 apps`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `usher check`: every problem on standard output.
pub fn check(file: &Path) -> Outcome {
    match Snapshot::load(file) {
        Ok(snapshot) => {
            for warning in &snapshot.warnings {
                println!("{warning}");
            }
            println!(
                "{}: no problem, {}; {}, {}",
                file.display(),
                counted(snapshot.warnings.len(), "warning"),
                counted(snapshot.apps.len(), "app"),
                counted(snapshot.users.len(), "user")
            );
            Outcome::Done
        }
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            Outcome::BadConfiguration
        }
    }
}

/// `usher check --schema`
pub fn schema() -> Outcome {
    println!("{}", config::schema());
    Outcome::Done
}

/// `usher status`
pub fn status(file: &Path, json: bool) -> Outcome {
    ask(file, &Request::Status, |reply| {
        let Some(value) = &reply.value else { return };
        if json {
            println!("{value:#}");
        } else {
            print!("{}", table::status(value));
            print_lines(reply);
        }
    })
}

/// `usher reload`
pub fn reload(file: &Path) -> Outcome {
    ask(file, &Request::Reload, print_lines)
}

/// `usher seat …`
pub fn seat(file: &Path, order: SeatOrder, user: &str, app: Option<&str>) -> Outcome {
    let request = Request::Seat { order, user: user.to_owned(), app: app.map(ToOwned::to_owned) };
    ask(file, &request, print_lines)
}

/// `usher kick`
pub fn kick(file: &Path, user: &str) -> Outcome {
    ask(file, &Request::Kick { user: user.to_owned() }, print_lines)
}

/// `usher notice`
pub fn notice(file: &Path, text: &str) -> Outcome {
    ask(file, &Request::Notice { text: text.to_owned() }, print_lines)
}

/// `usher upgrade`
pub fn upgrade(file: &Path) -> Outcome {
    match std::env::current_exe() {
        Ok(binary) => ask(file, &Request::Upgrade { binary }, print_lines),
        Err(error) => {
            eprintln!("usher: this binary cannot be found: {error}");
            Outcome::Failed
        }
    }
}

/// What was asked for goes to standard output, problems of the configuration too; what went wrong
/// goes to standard error.
fn print_lines(reply: &Reply) {
    for line in &reply.lines {
        match reply.exit {
            1 => eprintln!("{line}"),
            _ => println!("{line}"),
        }
    }
}

fn ask(file: &Path, request: &Request, print: impl FnOnce(&Reply)) -> Outcome {
    let state_dir = match config::state_dir_of(file) {
        Ok(state_dir) => state_dir,
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            return Outcome::BadConfiguration;
        }
    };
    match converse(&socket_path(&state_dir), request) {
        Ok(reply) => {
            print(&reply);
            match reply.exit {
                0 => Outcome::Done,
                78 => Outcome::BadConfiguration,
                _ => Outcome::Failed,
            }
        }
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            eprintln!("usher: no server is running for {} ({error})", state_dir.display());
            Outcome::NotRunning
        }
        Err(error) => {
            eprintln!("usher: the server did not answer: {error}");
            Outcome::Failed
        }
    }
}

/// How the running server of a state directory keeps limits, if one runs and an app has one.
pub fn limits(state_dir: &Path) -> Option<String> {
    let reply = converse(&socket_path(state_dir), &Request::Status).ok()?;
    reply.lines.into_iter().next()
}

fn converse(socket: &Path, request: &Request) -> std::io::Result<Reply> {
    let mut stream = UnixStream::connect(within_reach(socket)?)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(std::io::Error::new(ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_str(&line)?)
}
