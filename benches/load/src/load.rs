//! The work: each is done by so many connections at once for so long.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::tls::Encryption;
use crate::wire::{self, Incoming};

/// Every peer gets the same path: it is usher's for an app.
pub(crate) const PREFIX: &str = "/app/bench";

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
    /// The address to call from, where it is not the usual one.
    pub(crate) source: Option<Ipv4Addr>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// In a second.
    pub(crate) rate: f64,
    /// The CPU of one, in microseconds.
    pub(crate) cpu_us: f64,
    /// The median time of one, in microseconds.
    pub(crate) median_us: f64,
}

/// Does work by `connections` at once for `time`, at these places in turns. `cpu_ns` says what was
/// used until now; opening the first connections is not counted.
pub(crate) async fn run(
    places: &[Place],
    work: Work,
    connections: usize,
    time: Duration,
    cpu_ns: impl Fn() -> u64,
) -> io::Result<Done> {
    let mut lines = Vec::new();
    for place in places.iter().cycle().take(connections) {
        let mut line = Line::open(place).await?;
        match &work {
            Work::Echo(_) => line.upgrade(place.port).await?,
            // Who has answered once has accepted the connection.
            Work::Get(_) | Work::Browse(_) | Work::Connect | Work::Upload(_) => {
                line.stream.write_all(&request(place.port, &work)).await?;
                line.stream.flush().await?;
                line.answer().await?;
            }
        }
        lines.push((place.clone(), line));
    }
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut workers = JoinSet::new();
    let (begun, before_ns) = (Instant::now(), cpu_ns());
    for (place, line) in lines {
        workers.spawn(worker(place, line, work.clone(), Arc::clone(&stop), Arc::clone(&count)));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(worked) = workers.join_next().await {
        times.append(&mut worked.map_err(io::Error::other)??);
    }
    let (seconds, used_ns) = (begun.elapsed().as_secs_f64(), cpu_ns() - before_ns);
    times.sort_unstable();
    let median_us = times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    let count = count.load(Ordering::Relaxed);
    let cpu_us = used_ns as f64 / 1e3 / count.max(1) as f64;
    Ok(Done { rate: count as f64 / seconds, cpu_us, median_us })
}

async fn worker(
    place: Place,
    mut line: Line,
    work: Work,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    let request = request(place.port, &work);
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

fn request(port: u16, work: &Work) -> Vec<u8> {
    match work {
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
    }
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

async fn connect(place: &Place) -> io::Result<TcpStream> {
    let door = SocketAddr::from(([127, 0, 0, 1], place.port));
    match place.source {
        None => TcpStream::connect(door).await,
        Some(source) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind((source, 0).into())?;
            socket.connect(door).await
        }
    }
}

impl Line {
    pub(crate) async fn open(place: &Place) -> io::Result<Self> {
        let stream = connect(place).await?;
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

    /// The body of an answer as a browser gets it, and its coding.
    pub(crate) async fn packed(&mut self, port: u16, name: &str) -> io::Result<(Vec<u8>, String)> {
        self.stream.write_all(&browse(port, name)).await?;
        let head = self.good_head().await?;
        let body = self.incoming.take(&mut self.stream, wire::content_length(&head)).await?;
        let coding = wire::header(&head, "content-encoding");
        let coding = coding.ok_or_else(|| io::Error::other(format!("not packed: {head}")))?;
        Ok((body, coding.to_owned()))
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
