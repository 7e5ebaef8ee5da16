//! Stage 5, the only one that names Pingora: carries requests, answers and WebSockets between
//! browsers and seats as the gate decided, and decides nothing itself.
//!
//! A connection comes in by `services`, is a `link` whose bytes go through a `wire`, and is handed
//! to Pingora by `entrance`. `proxy` has Pingora's hooks: they ask the gate (through `seam`) and do
//! what it says, with `headers` and `upstream` for a request to a seat, `reply` for an answer of
//! usher's own, `opening` and `handshake` for a WebSocket, which then runs as a `tunnel` or as one
//! of usher's `own`. What clients may take their time for is in `patience`.

mod body;
mod buffers;
mod connections;
mod context;
mod entrance;
mod frames;
mod framing;
mod handshake;
mod headers;
mod index_page;
mod insertion;
mod keeper;
mod link;
mod opening;
mod own;
mod patience;
mod proxy;
mod pump;
mod reply;
mod seam;
mod seat_stream;
mod services;
mod tunnel;
mod upstream;
mod wire;

pub use seam::{Admitted, Changes, Doorkeeper, Mishap, ToSeat, Tunnelled, Verdict};
pub use services::{CannotListen, FromSeat, Listener};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pingora_core::apps::HttpServerApp;
use pingora_core::server::configuration::ServerConf;
use tokio::sync::watch;

use crate::clock::Clock;
use connections::Connections;
use proxy::Proxy;
use services::{FIRST_REQUESTS_LIMIT, Hall};

/// Connections to seats that are kept for the next request.
const POOLED_CONNECTIONS_MAX: usize = 512;
/// More tries than a request ever has; `proxy` counts them.
const TRIES_MAX: usize = 4;
/// Between two looks at who is silent.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What an [`Edge`] needs.
pub struct EdgeParts<D: Doorkeeper> {
    /// Who decides.
    pub keeper: Arc<D>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Tells connections from seats' processes; asked once for each connection from this machine.
    pub from_seat: FromSeat,
    /// Worker threads of the runtime that this runs in.
    pub threads: usize,
}

/// The doors, open or closing. Has to be made and used within a tokio runtime.
pub struct Edge<D: Doorkeeper> {
    hall: Arc<Hall<D>>,
    leaving: watch::Sender<bool>,
}

impl<D: Doorkeeper> Edge<D> {
    /// Doors that are still closed.
    pub fn new(parts: EdgeParts<D>) -> Self {
        let (leaving, is_leaving) = watch::channel(false);
        let connections = Arc::new(Connections::default());
        let proxy = Proxy {
            keeper: Arc::clone(&parts.keeper),
            clock: Arc::clone(&parts.clock),
            connections: Arc::clone(&connections),
            leaving: is_leaving.clone(),
        };
        let conf = ServerConf {
            threads: parts.threads,
            upstream_keepalive_pool_size: POOLED_CONNECTIONS_MAX.div_ceil(parts.threads.max(1)),
            max_retries: TRIES_MAX,
            ..ServerConf::default()
        };
        let mut proxy = pingora_proxy::http_proxy(&Arc::new(conf), proxy);
        proxy.server_options = Some(patience::of_multiplexed());
        let hall = Arc::new(Hall {
            keeper: parts.keeper,
            clock: parts.clock,
            connections,
            proxy: Arc::new(proxy),
            leaving: is_leaving,
            from_seat: parts.from_seat,
            refusals: Hall::<D>::refusals(),
        });
        tokio::spawn(sweep(Arc::downgrade(&hall.connections), Arc::clone(&hall.clock)));
        Self { hall, leaving }
    }

    /// Lets people in by this listener, until [`Edge::drain`].
    ///
    /// # Errors
    /// What the system said.
    pub fn open(&self, listener: &Listener) -> io::Result<()> {
        self.hall.open(listener)
    }

    /// Connections that are open now, WebSockets among them.
    pub fn connections(&self) -> usize {
        self.hall.connections.count()
    }

    /// Lets nobody in any more, ends idle connections, closes WebSockets (1012), and returns when
    /// the last connection has ended. After `limit` the rest is cut off; says how many were.
    pub async fn drain(&self, limit: Duration) -> usize {
        /// For connections that are cut off to be gone.
        const CUT_OFF_LIMIT: Duration = Duration::from_secs(1);
        self.leaving.send_replace(true);
        let connections = &self.hall.connections;
        // Whether all have ended or not: it goes on.
        let _ = tokio::time::timeout(FIRST_REQUESTS_LIMIT, connections.emptied()).await;
        self.hall.proxy.http_cleanup().await;
        if tokio::time::timeout(limit, connections.emptied()).await.is_ok() {
            return 0;
        }
        let left = connections.count();
        connections.hang_up_all();
        let _ = tokio::time::timeout(CUT_OFF_LIMIT, connections.emptied()).await;
        left
    }
}

async fn sweep(connections: std::sync::Weak<Connections>, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(connections) = connections.upgrade() else { return };
        connections.sweep(clock.now());
    }
}

#[cfg(test)]
mod tests;
