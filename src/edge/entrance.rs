//! One connection on its way into Pingora: puts usher's proxy behind it, and says which connection
//! each request came on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::H2Options;
use pingora_core::server::ShutdownWatch;
use pingora_proxy::HttpProxy;

use super::context;
use super::link::Link;
use super::patience::{self, Phase};
use super::proxy::Proxy;
use super::seam::Doorkeeper;

/// A connection's own app.
pub(crate) struct Entrance<D: Doorkeeper> {
    pub link: Arc<Link>,
    pub proxy: Arc<HttpProxy<Proxy<D>>>,
    /// How many requests over HTTP/2 the address may have open at once, on all its connections.
    pub requests_max: Option<u32>,
}

#[async_trait]
impl<D: Doorkeeper> HttpServerApp for Entrance<D> {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if self.link.had_requests() {
            self.link.enter(Phase::Idle);
        }
        // Pingora's timers would run for each read. `patience` has all limits of a connection.
        session.set_read_timeout(None);
        let mut ticket = None;
        if session.is_http2() {
            ticket = self.link.ticket().request(self.requests_max);
            if ticket.is_none() {
                // Without a body, which would wait for a client that need not read it.
                let _ = session.respond_error(429).await;
                return None;
            }
            // Only Pingora knows which of many requests at once the client does not read.
            session.set_write_timeout(Some(Duration::from_millis(patience::READER_STALL_MS)));
            session.set_total_drain_timeout(Some(Duration::from_millis(patience::UPLOAD_STALL_MS)));
        }
        if !*shutdown.borrow() {
            session.set_keepalive(Some(0));
        }
        // A client may send its next request before it has the answer to this one; else Pingora
        // would give up both.
        session.set_pipelining_enabled(true);
        let request = self.proxy.process_new_http(session, shutdown);
        let reused = context::of_link(Arc::clone(&self.link), request).await;
        drop(ticket);
        reused
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.proxy.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.proxy.server_options()
    }
}
