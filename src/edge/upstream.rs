//! Where a forwarded request goes, in Pingora's words.

use std::time::Duration;

use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora_core::{Error, ErrorType, Result};

use super::seam::ToSeat;
use super::seat_stream::CONNECT_LIMIT;
use crate::domain::Endpoint;
#[cfg(unix)]
use crate::platform::sockets::within_reach;

/// uvicorn ends connections that are idle for 5 s; ours are gone before.
const IDLE_LIMIT: Duration = Duration::from_secs(3);
/// Requests that could not be sent twice get a connection of their own, which nobody can have
/// ended meanwhile; it is not kept (they say `Connection: close`). Their group is another one.
const FRESH: u64 = 1 << 63;

/// The peer for a request. `fresh`: on a connection that was never used.
///
/// # Errors
/// An endpoint that this system does not have.
pub(crate) fn peer(forward: &impl ToSeat, fresh: bool) -> Result<Box<HttpPeer>> {
    let mut peer = match forward.endpoint() {
        Endpoint::Tcp(address) => HttpPeer::new(*address, false, String::new()),
        #[cfg(unix)]
        Endpoint::Unix(path) => {
            let path = within_reach(path).map_err(|error| {
                Error::because(ErrorType::ConnectError, "reaching the seat's socket", error)
            })?;
            let path = path.to_str().ok_or_else(|| {
                Error::explain(ErrorType::InternalError, "a socket's path that is no text")
            })?;
            HttpPeer::new_uds(path, false, String::new())?
        }
        #[cfg(not(unix))]
        Endpoint::Unix(_) => {
            return Error::e_explain(ErrorType::InternalError, "no such sockets here");
        }
    };
    let group = forward.connection_group();
    peer.group_key = if fresh { group | FRESH } else { group & !FRESH };
    // WebSockets go another way, and nothing else is switched to.
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    peer.options.connection_timeout = Some(CONNECT_LIMIT);
    // None for reading: a person's work may keep a seat silent for as long as it takes.
    peer.options.idle_timeout = Some(IDLE_LIMIT);
    Ok(Box::new(peer))
}
