//! Plain and encrypted: who came by the plain listener is sent to the encrypted one, and browsers
//! are told to use that alone.

use std::net::SocketAddr;

use http::StatusCode;
use http::header::{self, HeaderValue};

use super::Asking;
use crate::answer::Answer;
use crate::config::Snapshot;
use crate::request::{Client, Door};

/// What a port of `https` need not be named for.
const HTTPS_PORT: u16 = 443;

impl Asking<'_> {
    /// The redirect to the same place over TLS, for who came by the plain listener without a
    /// trusted proxy: such a proxy has its own say about what browsers use.
    pub(super) fn to_encrypted(&self, client: &Client<'_>) -> Option<Answer> {
        let snapshot = &self.in_force.snapshot;
        let connection = self.head.connection;
        let redirects = snapshot.tls.as_ref().is_some_and(|tls| tls.redirect);
        if !redirects || connection.tls || connection.door == Door::Admin || client.through_proxy {
            return None;
        }
        let port = encrypted_port(snapshot, connection.local)?;
        let place = self.head.parts.uri.path_and_query().map_or("/", |place| place.as_str());
        let host = client.host_name();
        let location = if port == HTTPS_PORT {
            format!("https://{host}{place}")
        } else {
            format!("https://{host}:{port}{place}")
        };
        let mut answer = Answer::redirect(StatusCode::PERMANENT_REDIRECT, &location);
        // What was to be sent is sent again over there.
        answer.keep_alive = self.head.parts.method.is_safe();
        Some(answer)
    }

    /// For how many seconds browsers are to use TLS alone, where they are told.
    pub(super) fn hsts_s(&self) -> Option<u64> {
        let tls = self.in_force.snapshot.tls.as_ref().filter(|_| self.head.connection.tls)?;
        tls.hsts_ms.map(|ms| ms / 1000)
    }
}

/// Tells the browser.
pub(super) fn tell_hsts(answer: &mut Answer, hsts_s: Option<u64>) {
    if let Some(hsts_s) = hsts_s
        && let Ok(value) = HeaderValue::from_str(&format!("max-age={hsts_s}"))
    {
        answer.set(header::STRICT_TRANSPORT_SECURITY, value);
    }
}

/// The port of the encrypted listener that is reached by the same address, or else of the first.
fn encrypted_port(snapshot: &Snapshot, local: Option<SocketAddr>) -> Option<u16> {
    let listeners = &snapshot.fixed.tls_listen;
    let is_reached = |listener: &&SocketAddr| {
        local.is_some_and(|local| {
            listener.ip().is_unspecified() || listener.ip().to_canonical() == local.ip()
        })
    };
    listeners.iter().find(is_reached).or(listeners.first()).map(SocketAddr::port)
}
