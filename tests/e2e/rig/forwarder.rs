//! A byte-transparent forwarder: a browser cannot choose its source address, so this connects to
//! the door from another one for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Accepts on a loopback port of its own and connects to the door from `source`, until it is
/// dropped.
pub(crate) struct Forwarder {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// Begins to forward to `door` from `source`.
    pub(crate) async fn open(source: IpAddr, door: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let task = tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                tokio::spawn(carry(browser, source, door));
            }
        });
        Self { address, task }
    }

    /// Where the browser finds the door.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut browser: TcpStream, source: IpAddr, door: SocketAddr) -> Option<()> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(source, 0)).ok()?;
    let mut onward = socket.connect(door).await.ok()?;
    onward.set_nodelay(true).ok()?;
    browser.set_nodelay(true).ok()?;
    copy_bidirectional(&mut browser, &mut onward).await.ok()?;
    Some(())
}
