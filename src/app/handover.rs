//! Handing over to another binary: the running usher starts it with the listening sockets, it
//! prepares and says so, the running one lets go of seats and `state_dir`, the new one takes them
//! and says that it serves. The sockets are open all the time, so nobody is refused; if the new
//! one never gets ready, the running one goes on as if nothing had been asked.
//!
//! The two talk over a socket pair, one line each way: `prepared`, `yours`, `serving`.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::doors::Wanted;
use crate::control::Desk;
use crate::edge::Listener;
use crate::launch::successor;
use crate::operate::Report;
use crate::request::Door;

/// The environment variable that tells a new usher of its predecessor: descriptor numbers, the
/// channel's first, then `main=` and `admin=` sockets.
const VARIABLE: &str = "USHER_HANDOVER";
/// For the new usher to load its configuration.
const PREPARED_WITHIN: Duration = Duration::from_secs(20);
/// For the new usher to adopt the seats and open its doors.
const SERVING_WITHIN: Duration = Duration::from_secs(20);

/// For a new usher that gives up to have ended.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// For the answer to reach whoever asked.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// The running usher, as a new one sees it.
pub(super) struct Predecessor {
    channel: Option<StdUnixStream>,
    sockets: Vec<(Door, TcpListener)>,
}

impl Predecessor {
    /// Looks whether somebody hands over to this process.
    pub(super) fn found() -> Self {
        let told = std::env::var(VARIABLE).ok();
        match told.as_deref().and_then(successor::inherited) {
            Some(inherited) => Self {
                channel: Some(inherited.channel),
                sockets: inherited
                    .main
                    .into_iter()
                    .map(|socket| (Door::Main, socket))
                    .chain(inherited.admin.into_iter().map(|socket| (Door::Admin, socket)))
                    .collect(),
            },
            None => Self::nobody(),
        }
    }

    /// There is none.
    pub(super) fn nobody() -> Self {
        Self { channel: None, sockets: Vec::new() }
    }

    /// The listeners that were handed over, and new ones for addresses that the configuration has
    /// besides.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub(super) fn listeners(&mut self, wanted: &[Wanted<'_>]) -> Result<Vec<Listener>, String> {
        let mut listeners = Vec::new();
        for wanted in wanted {
            let at = self.sockets.iter().position(|(had, socket)| {
                *had == wanted.door
                    && socket.local_addr().is_ok_and(|local| local == wanted.address)
            });
            listeners.push(match at {
                Some(at) => wanted.adopt(self.sockets.remove(at).1)?,
                None => wanted.listen()?,
            });
        }
        Ok(listeners)
    }

    /// Says that everything that can fail has gone well, and waits until the seats are free.
    ///
    /// # Errors
    /// The running usher changed its mind, or is gone.
    pub(super) async fn tell_prepared_and_wait(&mut self) -> Result<(), String> {
        let Some(channel) = &self.channel else { return Ok(()) };
        let failed = |error: io::Error| format!("the usher before did not hand over: {error}");
        let channel = channel.try_clone().map_err(failed)?;
        channel.set_nonblocking(true).map_err(failed)?;
        let mut channel = UnixStream::from_std(channel).map_err(failed)?;
        channel.write_all(b"prepared\n").await.map_err(failed)?;
        match heard(&mut channel).await.map_err(failed)?.as_str() {
            "yours" => Ok(()),
            _ => Err("the usher before kept the seats".to_owned()),
        }
    }

    /// Says that this usher serves.
    pub(super) fn tell_serving(&mut self) {
        if let Some(mut channel) = self.channel.take() {
            // The other end has gone if nobody listens; that changes nothing here.
            let _ = channel.set_nonblocking(false);
            let _ = io::Write::write_all(&mut channel, b"serving\n");
        }
    }
}

/// A new usher that has prepared itself.
pub(super) struct Successor {
    process: successor::Process,
    channel: UnixStream,
    answer: Option<oneshot::Sender<Report>>,
}

impl Successor {
    /// Whoever asked for the upgrade is answered when it is done.
    pub(super) fn answering(mut self, answer: oneshot::Sender<Report>) -> Self {
        self.answer = Some(answer);
        self
    }

    /// The seats and `state_dir` are free: the new usher takes them.
    pub(super) async fn take_over(mut self, desk: &Desk) {
        let pid = self.process.pid();
        let served = async {
            self.channel.write_all(b"yours\n").await?;
            heard(&mut self.channel).await
        };
        let report = match tokio::time::timeout(SERVING_WITHIN, served).await {
            Ok(Ok(line)) if line == "serving" => {
                log::info!("usher (pid {pid}) serves now");
                Report::done(format!("the new usher serves, pid {pid}"))
            }
            Ok(Ok(_) | Err(_)) | Err(_) => {
                log::error!("the new usher (pid {pid}) took over and did not begin to serve");
                Report::failed(format!("the new usher, pid {pid}, did not begin to serve"))
            }
        };
        if let Some(answer) = self.answer {
            let _ = answer.send(report);
            desk.idle(ANSWERED_WITHIN).await;
        }
    }
}

/// Starts the binary and waits until it has prepared itself.
///
/// # Errors
/// Why it did not, in a sentence; it is gone then.
pub(super) async fn begin(
    binary: &Path,
    file: &Path,
    listeners: &[Listener],
) -> Result<Successor, String> {
    let (ours, theirs) = StdUnixStream::pair().map_err(|error| error.to_string())?;
    ours.set_nonblocking(true).map_err(|error| error.to_string())?;
    let mut sockets: Vec<(Door, OwnedFd)> = Vec::new();
    for listener in listeners {
        let socket = listener.duplicate().map_err(|error| error.to_string())?;
        sockets.push((listener.door(), socket.into()));
    }
    let of =
        |door| sockets.iter().filter(move |(at, _)| *at == door).map(|(_, socket)| socket.as_fd());
    let (main, admin) = (of(Door::Main).collect::<Vec<_>>(), of(Door::Admin).collect::<Vec<_>>());
    let mut process = successor::start(binary, file, VARIABLE, theirs.as_fd(), &main, &admin)
        .map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
    drop(theirs);
    let mut channel = UnixStream::from_std(ours).map_err(|error| error.to_string())?;
    match tokio::time::timeout(PREPARED_WITHIN, heard(&mut channel)).await {
        Ok(Ok(line)) if line == "prepared" => Ok(Successor { process, channel, answer: None }),
        Ok(_) => {
            // It holds the listening sockets until it is gone, and is waited for by nobody else.
            process.gone(ENDED_WITHIN).await;
            Err(format!(
                "{} ended without getting ready; its messages are in this log. Everything goes on \
                 as before",
                binary.display()
            ))
        }
        Err(_) => {
            process.kill();
            Err(format!("{} did not get ready in time; it was ended", binary.display()))
        }
    }
}

async fn heard(channel: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(channel).read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}
