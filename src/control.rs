//! The control socket, `STATE_DIR/control.sock` (mode 0600): one JSON object a line asks, one
//! answers. The server's side is here, the commands of the shell in [`client`]. What is ordered is
//! carried out by `operate`; nothing is decided here.

pub mod client;
pub mod records;
pub mod secrets;
mod table;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::operate::{Operations, Report};
use crate::platform::sockets::within_reach;

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// Requests that are worked on at once.
const REQUESTS_AT_ONCE_MAX: usize = 16;
/// How long a client may take to send its request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// How a command ended; `main` makes an exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0
    Done,
    /// 1
    Failed,
    /// 69
    NotRunning,
    /// 78
    BadConfiguration,
}

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// What the server knows.
    Status,
    /// Apply the configuration file.
    Reload,
    /// Order a seat.
    Seat {
        /// start, stop, restart or log.
        order: client::SeatOrder,
        /// Whose.
        user: String,
        /// Which; `None`: all of that user's.
        app: Option<String>,
    },
    /// Close a user's WebSockets and end their sessions.
    Kick {
        /// Whom.
        user: String,
    },
    /// Show a text to everybody.
    Notice {
        /// The text.
        text: String,
    },
    /// Hand over to another binary.
    Upgrade {
        /// Which.
        binary: PathBuf,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The exit code of the command: 0, 1 or 78.
    pub exit: u8,
    /// What the command prints; at [`Request::Status`] below the table.
    pub lines: Vec<String>,
    /// What it prints as JSON.
    pub value: Option<serde_json::Value>,
}

impl Reply {
    fn of(report: Report) -> Self {
        Self { exit: report.exit, lines: report.lines, value: None }
    }

    fn refusal(sentence: String) -> Self {
        Self { exit: 1, lines: vec![sentence], value: None }
    }
}

/// Where the socket of a state directory is.
pub fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

/// Binds the control socket. Whoever calls holds the lock of `state_dir`, so a socket that is
/// there is a dead usher's.
///
/// # Errors
/// The socket cannot be made.
pub fn bind(state_dir: &Path) -> io::Result<UnixListener> {
    let path = socket_path(state_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // `state_dir` is 0700, so nobody else can open the socket before its own mode is set.
    let listener = UnixListener::bind(within_reach(&path)?)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Who answers the requests.
#[derive(Clone)]
pub struct Desk {
    places: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX)) }
    }
}

impl Desk {
    /// Returns when every request has its answer, at most after `limit`.
    pub async fn idle(&self, limit: Duration) {
        let all = u32::try_from(REQUESTS_AT_ONCE_MAX).unwrap_or(u32::MAX);
        // The accept loop holds one place while it waits for the next request.
        let _ = tokio::time::timeout(limit, self.places.acquire_many(all - 1)).await;
    }
}

/// Answers requests until the task is dropped.
pub async fn serve(listener: UnixListener, operations: Arc<Operations>, desk: Desk) {
    loop {
        let Ok(place) = Arc::clone(&desk.places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let operations = Arc::clone(&operations);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &operations).await {
                        log::debug!("control: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                log::warn!("control: no connection accepted: {error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, operations: &Operations) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(REQUEST_BYTES_MAX));
    tokio::time::timeout(REQUEST_TIME_MAX, reader.read_line(&mut line)).await??;
    let reply = match serde_json::from_str(&line) {
        Ok(request) => answer(request, operations).await,
        Err(error) => Reply::refusal(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_string(&reply).map_err(io::Error::other)?;
    text.push('\n');
    writer.write_all(text.as_bytes()).await
}

async fn answer(request: Request, operations: &Operations) -> Reply {
    match request {
        Request::Status => {
            Reply { exit: 0, lines: operations.limits(), value: Some(operations.status()) }
        }
        Request::Reload => Reply::of(operations.reload_ordered().await),
        Request::Seat { order, user, app } => {
            Reply::of(operations.order_seats(order.into(), &user, app.as_deref()).await)
        }
        Request::Kick { user } => Reply::of(operations.kick_ordered(&user).await),
        Request::Notice { text } => Reply::of(operations.notice_ordered(&text).await),
        Request::Upgrade { binary } => Reply::of(operations.upgrade_ordered(binary).await),
    }
}
