//! Something that runs already: nothing is started, watched or ended.

use std::net::SocketAddr;

use super::{Launch, Started};
use crate::clock::Timestamp;
use crate::domain::{Endpoint, LaunchKind};

/// The seat of a user at an upstream: their own address, or the app's.
pub(super) fn started(launch: &Launch, address: SocketAddr, launched_at: Timestamp) -> Started {
    Started {
        key: launch.key.clone(),
        generation: launch.generation,
        kind: LaunchKind::Upstream,
        pid: None,
        process_started_ticks: None,
        endpoint: Endpoint::Tcp(launch.own_upstream.unwrap_or(address)),
        launched_at,
        fingerprint: launch.fingerprint,
    }
}
