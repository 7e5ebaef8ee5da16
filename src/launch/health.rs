//! Whether a seat answers, and whether what answers is the seat: asked until it does, without a
//! deadline, and without keeping a core busy.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::config::{App, Program};
use crate::domain::Endpoint;
use crate::platform::sockets::within_reach;

/// What Streamlit of every version answers with 200 once it is ready.
const STREAMLIT_HEALTH: &str = "/_stcore/health";
/// For one connection and its answer. Longer than a start takes as a rule: a socket that usher has
/// bound takes the connection at once and answers when the app is there.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two tries, at first and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// As much of an answer as is read: its first line.
const ANSWER_BYTES_MAX: u64 = 256;

/// What is asked, and which answer is a good one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// `None`: that a connection is accepted is answer enough.
    path: Option<String>,
    /// A redirect will do.
    redirect_is_good: bool,
}

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The right one. Of a Unix socket the process that listens there.
    Healthy(Option<u32>),
    /// Somebody listens, but does not give the right answer, or none in time.
    NotYet,
    /// Nobody listens.
    Nobody,
}

impl Question {
    /// The health question of an app.
    pub(super) fn of(app: &App) -> Self {
        let base = if app.strip_prefix { String::new() } else { format!("/app/{}", app.slug) };
        let below = |path: &str| format!("{base}/{}", path.trim_start_matches('/'));
        match &app.program {
            Program::Streamlit { .. } => Self {
                path: Some(below(app.health.as_deref().unwrap_or(STREAMLIT_HEALTH))),
                redirect_is_good: false,
            },
            Program::Command { .. } | Program::Upstream { .. } => {
                Self { path: app.health.as_deref().map(below), redirect_is_good: true }
            }
        }
    }

    /// Asks once.
    pub(super) async fn ask(&self, endpoint: &Endpoint) -> Answer {
        let asked = async {
            match endpoint {
                Endpoint::Tcp(address) => self.ask_tcp(*address).await,
                Endpoint::Unix(path) => self.ask_unix(path).await,
            }
        };
        tokio::time::timeout(TRY_TIMEOUT, asked).await.unwrap_or(Answer::NotYet)
    }

    async fn ask_tcp(&self, address: SocketAddr) -> Answer {
        match TcpStream::connect(address).await {
            Ok(stream) => self.judge(stream, &address.to_string(), None).await,
            Err(_) => Answer::Nobody,
        }
    }

    async fn ask_unix(&self, path: &Path) -> Answer {
        let Ok(path) = within_reach(path) else { return Answer::Nobody };
        let Ok(stream) = UnixStream::connect(path).await else { return Answer::Nobody };
        let listener = stream.peer_cred().ok().and_then(|peer| u32::try_from(peer.pid()?).ok());
        self.judge(stream, "localhost", listener).await
    }

    async fn judge(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        host: &str,
        listener: Option<u32>,
    ) -> Answer {
        let Some(path) = &self.path else { return Answer::Healthy(listener) };
        let good = if self.redirect_is_good { 200..400 } else { 200..300 };
        match status(stream, host, path).await {
            Some(status) if good.contains(&status) => Answer::Healthy(listener),
            Some(_) | None => Answer::NotYet,
        }
    }
}

/// The pauses between tries: short at first, for what starts quickly.
pub(super) struct Pauses(Duration);

impl Pauses {
    /// From the beginning.
    pub(super) fn new() -> Self {
        Self(PAUSE_FIRST)
    }

    /// The next one.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSE_MAX);
    }
}

/// The status of the answer to a GET; `None` if it is no HTTP.
async fn status(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> Option<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: usher\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX);
    while !answer.contains(&b'\n') {
        if limited.read_buf(&mut answer).await.ok()? == 0 {
            break;
        }
    }
    let line = std::str::from_utf8(answer.split(|byte| *byte == b'\n').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let code = rest.split_ascii_whitespace().next()?;
    version.starts_with("HTTP/1.").then(|| code.parse().ok())?
}
