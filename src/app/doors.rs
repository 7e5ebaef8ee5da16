//! Which doors the configuration wants, and opening them.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificates::Served;
use crate::config::{Fixed, Snapshot, Tls};
use crate::edge::Listener;
use crate::platform::sockets;
use crate::request::Door;

/// A door that the configuration wants.
pub(super) struct Wanted<'f> {
    /// Where.
    pub(super) address: SocketAddr,
    /// Which.
    pub(super) door: Door,
    /// What TLS is served with; `None`: it is plain.
    pub(super) tls: Option<Arc<Served>>,
    /// The addresses of the same key.
    beside: &'f [SocketAddr],
}

/// What TLS is served with; `None` if it is not.
pub(super) fn served(snapshot: &Snapshot) -> Result<Option<Arc<Served>>, String> {
    let Some(tls) = &snapshot.tls else { return Ok(None) };
    Served::new(chains(tls), authorities(tls)).map(|served| Some(Arc::new(served)))
}

fn chains(tls: &Tls) -> Vec<crate::certificates::Chain> {
    tls.certificates.iter().map(|files| files.chain.clone()).collect()
}

fn authorities(tls: &Tls) -> Option<crate::certificates::ClientAuthorities> {
    tls.client_ca.as_ref().map(|(_, authorities)| authorities.clone())
}

/// All doors. With TLS, the administrators' own door has it too.
pub(super) fn wanted<'f>(fixed: &'f Fixed, tls: Option<&Arc<Served>>) -> Vec<Wanted<'f>> {
    let of = |addresses: &'f [SocketAddr], door, tls: Option<&Arc<Served>>| {
        let tls = tls.cloned();
        addresses.iter().map(move |address| Wanted {
            address: *address,
            door,
            tls: tls.clone(),
            beside: addresses,
        })
    };
    of(&fixed.listen, Door::Main, None)
        .chain(of(&fixed.tls_listen, Door::Main, tls))
        .chain(of(&fixed.admin_listen, Door::Admin, tls))
        .collect()
}

impl Wanted<'_> {
    /// Listens.
    pub(super) fn listen(&self) -> Result<Listener, String> {
        let bound = Listener::bind(self.address, self.door, self.beside);
        bound.map(|listener| self.with_tls(listener)).map_err(|error| {
            let holder = sockets::holder(&sockets::listening_at(self.address));
            if holder.is_empty() {
                error.to_string()
            } else {
                format!("{error}: {holder} listens there; stop it, or change `listen`")
            }
        })
    }

    /// Takes over a socket that listens already.
    pub(super) fn adopt(&self, socket: std::net::TcpListener) -> Result<Listener, String> {
        Listener::adopt(socket, self.door)
            .map(|listener| self.with_tls(listener))
            .map_err(|error| format!("{}: {error}", self.address))
    }

    fn with_tls(&self, listener: Listener) -> Listener {
        match &self.tls {
            Some(served) => listener.with_tls(Arc::clone(served)),
            None => listener,
        }
    }
}

/// Says in the log where people can come in.
pub(super) fn tell(listeners: &[Listener]) {
    let version = env!("CARGO_PKG_VERSION");
    for listener in listeners {
        let address = listener.address();
        let host = if address.ip().is_unspecified() {
            SocketAddr::new([127, 0, 0, 1].into(), address.port())
        } else {
            address
        };
        let scheme = if listener.is_tls() { "https" } else { "http" };
        match listener.door() {
            Door::Main => log::info!("usher {version} serves {address}: open {scheme}://{host}/"),
            Door::Admin => log::info!("administrators: open {scheme}://{host}/"),
        }
    }
}
