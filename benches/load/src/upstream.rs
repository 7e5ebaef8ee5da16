//! The app behind every peer: as little as can be, so that the peer is what is measured.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{self, Incoming};

pub(crate) const SMALL: &[u8] = b"ok\n";
pub(crate) const LARGE_BYTES: usize = 100_000;

/// Listens and serves for as long as the runtime lives; returns the port.
pub(crate) async fn serve() -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(accept(listener));
    Ok(port)
}

/// The same as a program of its own.
pub(crate) async fn serve_alone(port: u16) -> io::Result<()> {
    accept(TcpListener::bind(("127.0.0.1", port)).await?).await;
    Ok(())
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream));
    }
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    let small = answer(SMALL);
    let large = answer(&vec![b'x'; LARGE_BYTES]);
    let mut incoming = Incoming::default();
    loop {
        let Some(head) = incoming.head(&mut stream).await? else { return Ok(()) };
        if head.contains("/ws ") {
            stream.write_all(wire::SWITCHING).await?;
            return echo(stream, incoming).await;
        }
        incoming.skip(&mut stream, wire::content_length(&head)).await?;
        stream.write_all(if head.contains("/large ") { &large } else { &small }).await?;
    }
}

fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends every frame back. Clients mask with zeros, so that there is nothing to undo.
async fn echo(mut stream: TcpStream, mut incoming: Incoming) -> io::Result<()> {
    let mut out = Vec::new();
    loop {
        let Some(payload) = incoming.frame(&mut stream).await? else {
            // A client that is done.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await? > 0 {}
            return Ok(());
        };
        out.clear();
        wire::frame(&mut out, &payload, false);
        stream.write_all(&out).await?;
    }
}
