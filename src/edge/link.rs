//! One accepted connection, as everybody sees it who has to do with it: the socket, what it
//! proves, and what it is at. Its bytes go through [`super::wire::Wire`]; how long it may be
//! silent is `patience`'s business.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;

use super::buffers::Buffer;
use super::connections::Ticket;
use super::patience::{Phase, Seen};
use crate::platform::streams;
use crate::request::Connection;

/// While a request is held whose client goes on sending, its leaving is looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a client that still sends is listened to after the answer, so that it gets to read it.
const LINGER: Duration = Duration::from_secs(10);
/// A client that sends nothing for so long after the answer is not waited for.
const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// Why a connection was refused before its request could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The head is too large, or has too many lines.
    HeadTooLarge,
    /// The line of the request is none.
    Malformed,
}

/// An open connection of a client. Closed when the last one who has it drops it.
pub(crate) struct Link {
    socket: TcpStream,
    connection: Connection,
    ticket: Ticket,
    phase: AtomicU8,
    requests: AtomicU32,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    awaits_client: AtomicBool,
    client_reads_nothing: AtomicBool,
    unreadable: OnceLock<Unreadable>,
    lingers: AtomicBool,
}

impl Link {
    pub(crate) fn new(socket: TcpStream, connection: Connection, ticket: Ticket) -> Self {
        Self {
            socket,
            connection,
            ticket,
            phase: AtomicU8::new(Phase::Fresh.number()),
            requests: AtomicU32::new(0),
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            awaits_client: AtomicBool::new(false),
            client_reads_nothing: AtomicBool::new(false),
            unreadable: OnceLock::new(),
            lingers: AtomicBool::new(false),
        }
    }

    /// The socket, for reading and writing by one task at a time.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// What the connection proves.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Its entry among the open connections.
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// What it is at.
    pub(crate) fn phase(&self) -> Phase {
        Phase::of_number(self.phase.load(Ordering::Relaxed))
    }

    /// It comes to be at something else. HTTP/2 is always at many things.
    pub(crate) fn enter(&self, phase: Phase) {
        if self.phase() != Phase::Multiplexed {
            self.phase.store(phase.number(), Ordering::Relaxed);
        }
    }

    /// The head of a request is complete.
    pub(crate) fn begin_request(&self, phase: Phase) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.enter(phase);
    }

    /// Whether it has had a request.
    pub(crate) fn had_requests(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// For `patience`. Bytes that wait to be read are not the client's fault.
    pub(crate) fn seen(&self) -> Seen {
        let phase = self.phase();
        // Asking the system is for uploads, which are few; WebSockets are many.
        let waits_to_be_read = || phase == Phase::Uploading && streams::has_unread(&self.socket);
        Seen {
            phase,
            requests: self.requests.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            awaits_client: self.awaits_client.load(Ordering::Relaxed) && !waits_to_be_read(),
            client_reads_nothing: self.client_reads_nothing.load(Ordering::Relaxed),
        }
    }

    /// So many bytes came; `None`: it is waited for them.
    pub(crate) fn note_read(&self, bytes: Option<usize>) {
        self.awaits_client.store(bytes.is_none(), Ordering::Relaxed);
        if let Some(bytes) = bytes {
            add(&self.received_bytes, bytes);
        }
    }

    /// So many bytes went; `None`: the client has to read first.
    pub(crate) fn note_written(&self, bytes: Option<usize>) {
        self.client_reads_nothing.store(bytes.is_none(), Ordering::Relaxed);
        if let Some(bytes) = bytes {
            add(&self.sent_bytes, bytes);
        }
    }

    /// Refuses the head that is being read; the answer is written when the reader has given up.
    pub(crate) fn refuse_head(&self, why: Unreadable) {
        let _ = self.unreadable.set(why);
    }

    /// Why it was refused, if it was.
    pub(crate) fn unreadable(&self) -> Option<Unreadable> {
        self.unreadable.get().copied()
    }

    /// After the answer the connection ends although the client may still be sending.
    pub(crate) fn will_linger(&self) {
        self.lingers.store(true, Ordering::Relaxed);
    }

    /// Whether [`Link::linger`] is due.
    pub(crate) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Ends both directions, whoever reads or writes.
    pub(crate) fn hang_up(&self) {
        streams::hang_up(&self.socket);
    }

    /// Returns when the client has left. Reads nothing.
    pub(crate) async fn left(&self) {
        loop {
            let mut byte = [0];
            match self.socket.peek(&mut byte).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            match self.socket.ready(Interest::READABLE).await {
                Ok(ready) if ready.is_read_closed() => return,
                Ok(_) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(_) => return,
            }
        }
    }

    /// Ends the sending direction and throws away what the client still sends, for a while. Closing
    /// at once would reset the connection, and the client could lose the answer.
    pub(crate) async fn linger(&self) {
        if streams::end_sending(&self.socket).is_err() {
            return;
        }
        let listen = async {
            let mut buffer = Buffer::take();
            loop {
                let read = tokio::time::timeout(LINGER_SILENCE, self.read(buffer.bytes_mut()));
                match read.await {
                    Ok(Ok(1..)) => {}
                    Ok(Ok(0) | Err(_)) | Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, listen).await;
    }

    /// Writes to the bare socket. Only when nobody else does any more.
    pub(crate) async fn say(&self, mut text: &[u8]) -> std::io::Result<()> {
        while !text.is_empty() {
            self.socket.writable().await?;
            match self.socket.try_write(text) {
                Ok(written) => text = &text[written..],
                Err(cause) if cause.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    async fn read(&self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        poll_fn(|cx| streams::poll_read(&self.socket, cx, &mut buffer)).await?;
        Ok(buffer.filled().len())
    }
}

/// One task at a time counts, so a load and a store are enough.
fn add(counter: &AtomicU64, bytes: usize) {
    counter.store(counter.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
}
