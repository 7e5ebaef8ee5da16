//! A bare connection: bytes out, bytes in.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// A TCP connection to the door.
pub(crate) struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One HTTP answer as text, with what its status line says.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes as they are. A door that has hung up shows it when its answer is read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads until the text is there; gives everything up to and with it.
    pub(crate) async fn read_to(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.unread, end.as_bytes()) {
                let taken: Vec<u8> = self.unread.drain(..at + end.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            assert!(self.more().await > 0, "closed before {end:?}: {:?}", self.unread_text());
        }
    }

    /// Reads one answer that has a Content-Length, or no body.
    pub(crate) async fn answer(&mut self) -> RawAnswer {
        let head = self.read_to("\r\n\r\n").await;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let length = header(&head, "content-length").and_then(|value| value.parse().ok());
        while self.unread.len() < length.unwrap_or(0) && self.more().await > 0 {}
        let body = self.unread.drain(..length.unwrap_or(0).min(self.unread.len())).collect();
        RawAnswer { status, head, body }
    }

    /// The same, or nothing if the door hangs up before an answer's head is whole.
    pub(crate) async fn answer_or_end(&mut self) -> Option<RawAnswer> {
        while find(&self.unread, b"\r\n\r\n").is_none() {
            if self.more().await == 0 {
                return None;
            }
        }
        Some(self.answer().await)
    }

    /// Reads so many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more().await > 0, "closed after {} of {count} bytes", self.unread.len());
        }
        self.unread.drain(..count).collect()
    }

    /// The status of the next answer; 0 if the door hangs up without one.
    pub(crate) async fn status(&mut self) -> u16 {
        soon("a status line, or the end", self.status_whenever()).await
    }

    /// The same without a deadline.
    pub(crate) async fn status_whenever(&mut self) -> u16 {
        while find(&self.unread, b"\r\n").is_none() {
            if self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                return 0;
            }
        }
        let line = self.unread_text();
        line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// Reads once; 0 when the door has closed or reset the connection.
    async fn more(&mut self) -> usize {
        let read = self.stream.read_buf(&mut self.unread);
        soon("bytes from the door", read).await.unwrap_or(0)
    }

    fn unread_text(&self) -> String {
        String::from_utf8_lossy(&self.unread).into_owned()
    }
}

impl RawAnswer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
