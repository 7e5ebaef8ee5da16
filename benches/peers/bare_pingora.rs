//! Pingora and nothing else, built like usher (same profile, same allocator): what usher adds is the
//! difference. One thread; passes every request on to one address.
//!
//! Usage: `bare_pingora LISTEN_PORT UPSTREAM_PORT TLS_PORT FOLDER`; the folder has `cert.pem` and `key.pem`.
#![expect(clippy::expect_used, reason = "a peer that cannot start has nothing to measure")]

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bare {
    upstream: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, encrypted, folder] = &words[..] else { panic!("see the usage") };
    let conf = ServerConf { threads: 1, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let bare = Bare { upstream: format!("127.0.0.1:{upstream}").parse().expect("an address") };
    let mut service = http_proxy_service(&server.configuration, bare);
    service.add_tcp(&format!("127.0.0.1:{listen}"));
    let (certificate, key) = (format!("{folder}/cert.pem"), format!("{folder}/key.pem"));
    let encrypted = format!("127.0.0.1:{encrypted}");
    service.add_tls(&encrypted, &certificate, &key).expect("a certificate and its key");
    server.add_service(service);
    server.run_forever();
}
