//! Loopback ports for seats: from the app's range or the user's own, none handed out twice, none
//! that somebody else listens on.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use parking_lot::Mutex;

use super::Launch;
use crate::domain::Failure;
use crate::platform::{peers, sockets};

/// The ports of the seats that live, whether or not they listen yet.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// With the number of the socket that was made for it, if it is the seat's to listen on.
    handed_out: Mutex<BTreeMap<u16, Option<u64>>>,
}

/// A port for one launch, with a socket that listens on it already. Dropped before it is kept, it
/// is free again.
#[derive(Debug)]
pub(super) struct Claim {
    ports: Arc<Ports>,
    port: u16,
    listener: Option<TcpListener>,
}

impl Ports {
    /// A port for this launch.
    ///
    /// # Errors
    /// The user's own port is taken, or no port of the range is left.
    pub(super) fn claim(self: &Arc<Self>, launch: &Launch) -> Result<Claim, Failure> {
        match launch.own_port {
            Some(port) => self.claim_own(port),
            None => self.claim_of_range(launch.app.ports, &launch.reserved_ports),
        }
    }

    /// Notes that a seat which was found running has this port.
    pub(super) fn adopt(&self, port: u16) {
        self.handed_out.lock().insert(port, None);
    }

    /// Whether what listens at this port now is the socket that was made for its seat. Others may
    /// be asked for it only if not: nobody else can have taken its place.
    pub(super) fn is_as_made(&self, port: u16) -> bool {
        let made = self.handed_out.lock().get(&port).copied().flatten();
        made.is_some() && peers::listener(loopback(port)) == made
    }

    /// The seat that had this port is gone.
    pub(super) fn release(&self, port: u16) {
        self.handed_out.lock().remove(&port);
    }

    fn claim_own(self: &Arc<Self>, port: u16) -> Result<Claim, Failure> {
        let address = loopback(port);
        match sockets::listen_tcp(address) {
            Ok(listener) => {
                self.handed_out.lock().insert(port, sockets::inode(&listener));
                Ok(self.claimed(port, listener))
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let holder = sockets::holder(&sockets::listening_at(address));
                Err(Failure::PortTaken { port, holder })
            }
            Err(error) => Err(Failure::System {
                doing: "listening on the user's own port",
                cause: format!("{address}: {error}"),
            }),
        }
    }

    fn claim_of_range(
        self: &Arc<Self>,
        (first, last): (u16, u16),
        reserved: &[u16],
    ) -> Result<Claim, Failure> {
        // Held while trying, so that two launches never fight for one port.
        let mut handed_out = self.handed_out.lock();
        for port in first..=last {
            if reserved.contains(&port) || handed_out.contains_key(&port) {
                continue;
            }
            match sockets::listen_tcp(loopback(port)) {
                Ok(listener) => {
                    handed_out.insert(port, sockets::inode(&listener));
                    return Ok(self.claimed(port, listener));
                }
                Err(error) => log::debug!("port {port} is not free: {error}"),
            }
        }
        Err(Failure::NoPortLeft { first, last })
    }

    fn claimed(self: &Arc<Self>, port: u16, listener: TcpListener) -> Claim {
        Claim { ports: Arc::clone(self), port, listener: Some(listener) }
    }
}

impl Claim {
    /// Where the seat is to listen.
    pub(super) fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// The listening socket, unless it was taken.
    pub(super) fn listener(&self) -> Option<&TcpListener> {
        self.listener.as_ref()
    }

    /// The listening socket, to hand it over; or to drop it for a program that binds by itself.
    /// The port stays claimed.
    pub(super) fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    /// The seat lives: its port is released with it, by [`Ports::release`].
    pub(super) fn keep(mut self) {
        self.port = KEPT;
    }
}

/// No seat has port 0.
const KEPT: u16 = 0;

impl Drop for Claim {
    fn drop(&mut self) {
        if self.port != KEPT {
            self.ports.release(self.port);
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
