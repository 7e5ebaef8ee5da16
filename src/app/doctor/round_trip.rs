//! One visit to an app as a browser makes it: the health path, then a WebSocket, a ping, a pong.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::{App, Program};

/// The largest head that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A ping of four bytes, masked with zeros (RFC 6455 section 5.2).
const PING: [u8; 10] = [0x89, 0x84, 0, 0, 0, 0, b'p', b'i', b'n', b'g'];
/// Its pong from the server, which masks nothing.
const PONG: [u8; 6] = [0x8a, 0x04, b'p', b'i', b'n', b'g'];
/// More frames than an app sends before it answers a ping.
const FRAMES_READ_MAX: usize = 64;

/// Visits the app by the door.
///
/// # Errors
/// What went wrong, in a sentence.
pub(super) async fn of(door: SocketAddr, app: &App) -> Result<String, String> {
    let path = match (&app.program, &app.health) {
        (_, Some(health)) => health.as_str(),
        (Program::Streamlit { .. }, None) => "/_stcore/health",
        (Program::Command { .. } | Program::Upstream { .. }, None) => "/",
    };
    let (status, reason) = get(door, &format!("/app/{}{path}", app.slug)).await?;
    if status >= 500 {
        return Err(match reason {
            Some(reason) => reason,
            None => format!("it answers {status} at {path}"),
        });
    }
    match app.program {
        Program::Streamlit { .. } => {
            websocket(door, &format!("/app/{}/_stcore/stream", app.slug)).await?;
            Ok("it starts, and a WebSocket goes through".to_owned())
        }
        Program::Command { .. } => Ok(format!("it starts, and answers {status}")),
        Program::Upstream { .. } => Ok(format!("it answers {status}")),
    }
}

fn broken(error: &io::Error) -> String {
    format!("the connection broke: {error}")
}

/// The status of a GET, and usher's own reason if the seat could not be had.
async fn get(door: SocketAddr, path: &str) -> Result<(u16, Option<String>), String> {
    let mut stream = TcpStream::connect(door).await.map_err(|error| broken(&error))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {door}\r\nAccept: application/json\r\n\
         Accept-Language: en\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
    let status = status(&head(&mut stream).await?)?;
    let mut body = Vec::new();
    let read = stream.take(HEAD_BYTES_MAX as u64).read_to_end(&mut body).await;
    read.map_err(|error| broken(&error))?;
    let reason = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|answer| answer["error"]["message"].as_str().map(ToOwned::to_owned));
    Ok((status, reason))
}

/// Opens a WebSocket and waits for the pong to a ping.
async fn websocket(door: SocketAddr, path: &str) -> Result<(), String> {
    let mut stream = TcpStream::connect(door).await.map_err(|error| broken(&error))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {door}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dXNoZXIgZG9jdG9yISEhIQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| broken(&error))?;
    match status(&head(&mut stream).await?)? {
        101 => {}
        other => return Err(format!("a WebSocket is answered with {other}")),
    }
    stream.write_all(&PING).await.map_err(|error| broken(&error))?;
    for _ in 0..FRAMES_READ_MAX {
        if frame(&mut stream).await.map_err(|error| broken(&error))? == PONG {
            return Ok(());
        }
    }
    Err("a ping over the WebSocket has no answer".to_owned())
}

/// The next frame of the server, head and payload.
async fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 2];
    stream.read_exact(&mut frame).await?;
    let more = match frame[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut length = vec![0; more];
    stream.read_exact(&mut length).await?;
    let payload = match more {
        0 => u64::from(frame[1] & 0x7f),
        _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    frame.extend(&length);
    let payload = stream.take(payload).read_to_end(&mut frame).await;
    payload.map(|_| frame)
}

async fn head(stream: &mut TcpStream) -> Result<String, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err("its answer has no end of its head".to_owned());
        }
        head.push(stream.read_u8().await.map_err(|error| broken(&error))?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn status(head: &str) -> Result<u16, String> {
    head.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| "what it answers is no HTTP".to_owned())
}
