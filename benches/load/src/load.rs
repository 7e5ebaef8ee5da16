//! The work: each is done by so many connections at once for so long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::tls::Encryption;
use crate::wire::{self, Incoming};

/// Every peer gets the same path: it is usher's for an app.
const PREFIX: &str = "/app/bench";

/// A kind of work.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// GET of an answer of this name, on connections that are kept.
    Get(&'static str),
    /// The same as a browser asks for it, which takes every coding.
    Browse(String),
    /// The first on a connection for each.
    Connect,
    /// POST of so many bytes.
    Upload(usize),
    /// A WebSocket message of so many bytes, there and back.
    Echo(usize),
}

/// Where the work is taken.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) encryption: Option<Encryption>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) count: u64,
    pub(crate) seconds: f64,
    /// The median time of one, in microseconds.
    pub(crate) median_us: f64,
}

/// Does work by `connections` at once for `time`.
pub(crate) async fn run(
    place: &Place,
    work: Work,
    connections: usize,
    time: Duration,
) -> io::Result<Done> {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..connections {
        workers.spawn(worker(place.clone(), work.clone(), Arc::clone(&stop), Arc::clone(&count)));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(worked) = workers.join_next().await {
        times.append(&mut worked.map_err(io::Error::other)??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let median_us = times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    Ok(Done { count: count.load(Ordering::Relaxed), seconds, median_us })
}

async fn worker(
    place: Place,
    work: Work,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let port = place.port;
    let mut line = Line::open(&place).await?;
    if let Work::Echo(_) = work {
        line.upgrade(port).await?;
    }
    let request = match &work {
        Work::Get(name) => get(port, name),
        Work::Browse(name) => browse(port, name),
        Work::Connect => get(port, "small"),
        Work::Upload(bytes) => {
            let head = format!(
                "POST {PREFIX}/small HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {bytes}\r\n\r\n"
            );
            [head.into_bytes(), vec![b'x'; *bytes]].concat()
        }
        Work::Echo(bytes) => {
            let mut out = Vec::new();
            wire::frame(&mut out, &vec![b'x'; *bytes], true);
            out
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        if let Work::Connect = work {
            line = Line::open(&place).await?;
        }
        line.stream.write_all(&request).await?;
        line.stream.flush().await?;
        match &work {
            Work::Echo(bytes) => {
                let payload = line.incoming.frame(&mut line.stream).await?;
                if payload.is_none_or(|payload| payload.len() != *bytes) {
                    return Err(io::Error::other("not what was sent came back"));
                }
            }
            Work::Get(_) | Work::Browse(_) | Work::Connect | Work::Upload(_) => {
                line.answer().await?;
            }
        }
        count.fetch_add(1, Ordering::Relaxed);
        // Enough for a median, and no more to sort.
        if times.len() < 20_000 {
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}

fn get(port: u16, name: &str) -> Vec<u8> {
    format!("GET {PREFIX}/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n").into_bytes()
}

fn browse(port: u16, name: &str) -> Vec<u8> {
    format!(
        "GET {PREFIX}/{name} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: */*\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
    )
    .into_bytes()
}

/// What bytes go over: plain or encrypted.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// One connection.
pub(crate) struct Line {
    stream: Box<dyn Duplex>,
    incoming: Incoming,
}

impl Line {
    pub(crate) async fn open(place: &Place) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", place.port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match &place.encryption {
            Some(encryption) => Box::new(encryption.connect(stream).await?),
            None => Box::new(stream),
        };
        Ok(Self { stream, incoming: Incoming::default() })
    }

    /// Becomes a WebSocket.
    pub(crate) async fn upgrade(&mut self, port: u16) -> io::Result<()> {
        let request = format!(
            "GET {PREFIX}/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.incoming.head(&mut self.stream).await?.unwrap_or_default();
        if head.contains(" 101 ") {
            Ok(())
        } else {
            Err(io::Error::other(format!("no WebSocket: {head}")))
        }
    }

    /// The text at a path below the app's.
    pub(crate) async fn text(&mut self, port: u16, name: &str) -> io::Result<String> {
        self.stream.write_all(&get(port, name)).await?;
        let head = self.good_head().await?;
        let body = self.incoming.take(&mut self.stream, wire::content_length(&head)).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// How many bytes the body of an answer has for a browser.
    pub(crate) async fn weigh(&mut self, port: u16, name: &str) -> io::Result<usize> {
        self.stream.write_all(&browse(port, name)).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> io::Result<usize> {
        let head = self.good_head().await?;
        self.incoming.skip_body(&mut self.stream, &head).await
    }

    async fn good_head(&mut self) -> io::Result<String> {
        let Some(head) = self.incoming.head(&mut self.stream).await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(format!("not 200: {head}")));
        }
        Ok(head)
    }
}
