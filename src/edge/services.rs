//! The doors: listening sockets, and the connections that come in by them.
//!
//! Pingora's own server is not used: it sleeps when it is told to end, takes the process's signals,
//! and hands sockets over only to itself. The loop here accepts, counts, and gives each connection
//! to Pingora.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::ServerApp;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::{ALPN, Stream};
use pingora_proxy::HttpProxy;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::connections::Connections;
use super::entrance::Entrance;
use super::link::{Link, Unreadable};
use super::patience::Phase;
use super::proxy::Proxy;
use super::seam::Doorkeeper;
use super::wire::Wire;
use crate::certificates::Served;
use crate::clock::Clock;
use crate::platform::streams;
use crate::request::{Connection, Door};

/// Connections that may wait until they are accepted; the system may allow fewer.
const BACKLOG_MAX: u32 = 4096;
/// Without descriptors for new connections, the next try waits for others to end.
const PAUSE_WHEN_EXHAUSTED: Duration = Duration::from_millis(200);
/// What a connection above the limit of its address gets.
const TOO_MANY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 48\r\n\
    Retry-After: 10\r\n\
    Connection: close\r\n\r\n\
    Too many connections are open from your address\n";
/// What a head gets that is too large to be read.
const HEAD_TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 37\r\n\
    Connection: close\r\n\r\n\
    The head of the request is too large\n";
/// What a head gets that begins with no line of a request.
const MALFORMED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 25\r\n\
    Connection: close\r\n\r\n\
    The request is malformed\n";
/// An address may have so many requests over HTTP/2 open as it may have connections, times this:
/// one connection would take a hundred, and each is worth some 33 KiB while nobody reads its answer.
const REQUESTS_PER_CONNECTION: u32 = 4;
/// For a refusal to leave.
const REFUSAL_LIMIT: Duration = Duration::from_secs(5);
/// A client that was let in just before usher leaves has so long for its first request.
pub(super) const FIRST_REQUESTS_LIMIT: Duration = Duration::from_millis(250);
/// Refusals of connections that are under way at once; beyond that, connections are just closed.
const REFUSALS_AT_ONCE_MAX: usize = 64;

/// Whether the other end of a connection is a process of a seat.
pub type FromSeat = Arc<dyn Fn(SocketAddr, SocketAddr) -> bool + Send + Sync>;

/// A listening socket.
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    door: Door,
    tls: Option<Arc<Served>>,
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct CannotListen {
    /// Which.
    pub address: SocketAddr,
    /// What the system said.
    pub cause: io::Error,
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.cause)
    }
}

impl std::error::Error for CannotListen {}

impl Listener {
    /// Listens on an address. `beside` are the other addresses that are listened on: `[::]` leaves
    /// IPv4 to `0.0.0.0` if that is one of them with the same port.
    ///
    /// # Errors
    /// Why that is not possible.
    pub fn bind(
        address: SocketAddr,
        door: Door,
        beside: &[SocketAddr],
    ) -> Result<Self, CannotListen> {
        Self::bound(address, beside)
            .map(|socket| Self { socket, address, door, tls: None })
            .map_err(|cause| CannotListen { address, cause })
    }

    fn bound(address: SocketAddr, beside: &[SocketAddr]) -> io::Result<std::net::TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Connections that linger from an earlier run are no reason to refuse the port; on Windows
        // the option means something else.
        #[cfg(unix)]
        {
            socket.set_reuseaddr(true)?;
            if address.is_ipv6() {
                streams::set_ipv6_only(&socket, leaves_ipv4(address, beside))?;
            }
        }
        #[cfg(not(unix))]
        let _ = beside;
        socket.bind(address)?;
        socket.listen(BACKLOG_MAX)?.into_std()
    }

    /// Takes over a socket that listens already.
    ///
    /// # Errors
    /// It is no listening TCP socket.
    pub fn adopt(socket: std::net::TcpListener, door: Door) -> io::Result<Self> {
        let address = socket.local_addr()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, door, tls: None })
    }

    /// Serves TLS on it.
    #[must_use]
    pub fn with_tls(mut self, served: Arc<Served>) -> Self {
        self.tls = Some(served);
        self
    }

    /// Whether TLS is served on it.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The address, with the port that the system chose if none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap_or(self.address)
    }

    /// Which door it is.
    pub fn door(&self) -> Door {
        self.door
    }

    /// Another handle of the socket, to hand it over.
    ///
    /// # Errors
    /// What the system said.
    pub fn duplicate(&self) -> io::Result<std::net::TcpListener> {
        self.socket.try_clone()
    }
}

fn leaves_ipv4(address: SocketAddr, beside: &[SocketAddr]) -> bool {
    address.ip().is_unspecified()
        && beside.iter().any(|other| other.is_ipv4() && other.port() == address.port())
}

/// What all doors share.
pub(crate) struct Hall<D: Doorkeeper> {
    pub keeper: Arc<D>,
    pub clock: Arc<dyn Clock>,
    pub connections: Arc<Connections>,
    pub proxy: Arc<HttpProxy<Proxy<D>>>,
    pub leaving: watch::Receiver<bool>,
    pub from_seat: FromSeat,
    pub refusals: tokio::sync::Semaphore,
}

/// One door.
struct OpenDoor {
    door: Door,
    tls: Option<Arc<Served>>,
}

impl<D: Doorkeeper> Hall<D> {
    pub(crate) fn refusals() -> tokio::sync::Semaphore {
        tokio::sync::Semaphore::new(REFUSALS_AT_ONCE_MAX)
    }

    /// Accepts connections from now on, until usher leaves.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn open(self: &Arc<Self>, listener: &Listener) -> io::Result<()> {
        let socket = listener.duplicate()?;
        socket.set_nonblocking(true)?;
        streams::prepare_listener(&socket)?;
        let socket = TcpListener::from_std(socket)?;
        let door = Arc::new(OpenDoor { door: listener.door, tls: listener.tls.clone() });
        tokio::spawn(Arc::clone(self).accept(socket, door));
        Ok(())
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, door: Arc<OpenDoor>) {
        let mut leaving = self.leaving.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = leaving.wait_for(|leaving| *leaving) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.welcome(socket, peer, &door),
                Err(cause) if is_exhausted(&cause) => {
                    log::warn!("no new connections for now: {cause}");
                    tokio::time::sleep(PAUSE_WHEN_EXHAUSTED).await;
                }
                // The client has given up meanwhile.
                Err(cause) => log::debug!("accept: {cause}"),
            }
        }
    }

    fn welcome(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, door: &Arc<OpenDoor>) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let most = self.keeper.connections_max(peer.ip());
        let now = self.clock.now();
        match self.connections.enter(peer.ip(), most, now) {
            Some(ticket) => {
                let (hall, door) = (Arc::clone(self), Arc::clone(door));
                tokio::spawn(async move { hall.serve(socket, peer, &door, ticket).await });
            }
            None if door.tls.is_none() => {
                let hall = Arc::clone(self);
                tokio::spawn(async move { hall.refuse(socket).await });
            }
            None => drop(socket),
        }
    }

    /// Tells a client that it has too many connections, unless too many are being told.
    async fn refuse(&self, mut socket: TcpStream) {
        let Ok(_permit) = self.refusals.try_acquire() else { return };
        let _ = tokio::time::timeout(REFUSAL_LIMIT, async {
            socket.write_all(TOO_MANY).await?;
            socket.shutdown().await?;
            // The request that is on its way may come in, or the answer would be lost with it.
            let mut request = super::buffers::Buffer::take();
            while tokio::io::AsyncReadExt::read(&mut socket, request.bytes_mut()).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }

    async fn serve(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        door: &OpenDoor,
        ticket: super::connections::Ticket,
    ) {
        let local = socket.local_addr().ok().map(canonical);
        #[cfg(not(target_os = "linux"))]
        let _ = socket.set_nodelay(true);
        let connection = Connection {
            peer,
            local,
            tls: door.tls.is_some(),
            door: door.door,
            from_seat: local.is_some_and(|local| self.comes_from_seat(peer, local)),
        };
        let link = Arc::new(Link::new(socket, connection, ticket));
        self.connections.attach(&link);
        let wire = Wire::new(Arc::clone(&link));
        let stream: Stream = match &door.tls {
            None => Box::new(wire),
            Some(served) => {
                // With what is served now: it may have been replaced since the last connection.
                let acceptor = Acceptor::from_server_config(served.config());
                match Box::pin(acceptor.tls_handshake(wire)).await {
                    Ok(stream) => Box::new(stream),
                    Err(cause) => {
                        log::debug!("{peer}: {cause}");
                        return;
                    }
                }
            }
        };
        let is_multiplexed = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let proxy = Arc::clone(&self.proxy);
        let requests_max = self.keeper.connections_max(peer.ip());
        let requests_max = requests_max.map(|most| most.saturating_mul(REQUESTS_PER_CONNECTION));
        let entrance = Arc::new(Entrance { link: Arc::clone(&link), proxy, requests_max });
        if is_multiplexed {
            link.enter(Phase::Multiplexed);
            // Few connections are, and those that are not shall not carry what these need.
            Box::pin(self.serve_multiplexed(stream, &link, &entrance)).await;
        } else {
            entrance.process_new(stream, &self.leaving).await;
        }
        drop(entrance);
        if let Some(why) = link.unreadable() {
            let answer = match why {
                Unreadable::HeadTooLarge => HEAD_TOO_LARGE,
                Unreadable::Malformed => MALFORMED,
            };
            if !link.connection().tls {
                let _ = tokio::time::timeout(REFUSAL_LIMIT, link.say(answer)).await;
            }
            link.linger().await;
        } else if link.lingers() {
            link.linger().await;
        }
    }

    /// Pingora would tell an HTTP/2 client to go away as soon as usher leaves, also one that was
    /// just let in and whose first request is under way: to that client the door would be closed.
    async fn serve_multiplexed(&self, stream: Stream, link: &Link, entrance: &Arc<Entrance<D>>) {
        let (leave, leaving) = watch::channel(false);
        let mut served = std::pin::pin!(entrance.process_new(stream, &leaving));
        let mut usher_leaves = self.leaving.clone();
        let time_to_leave = async {
            let _ = usher_leaves.wait_for(|leaving| *leaving).await;
            if !link.had_requests() {
                tokio::time::sleep(FIRST_REQUESTS_LIMIT).await;
            }
        };
        tokio::select! {
            _ = &mut served => {}
            () = time_to_leave => {
                leave.send_replace(true);
                served.await;
            }
        }
    }

    /// Only a process of this machine can be a seat's.
    fn comes_from_seat(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let is_near = peer.ip().is_loopback() || peer.ip() == local.ip();
        is_near && (self.from_seat)(peer, local)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}

/// Whether there are no descriptors or no memory for another connection.
fn is_exhausted(cause: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    cause.raw_os_error().is_some_and(|code| [ENOMEM, ENFILE, EMFILE, ENOBUFS].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_as_long_as_they_say() {
        for answer in [TOO_MANY, HEAD_TOO_LARGE, MALFORMED] {
            let text = std::str::from_utf8(answer).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{text}");
        }
    }
}
