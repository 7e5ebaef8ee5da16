//! As much of HTTP/1.1 and WebSocket as both ends here need, and no more: each knows the other.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

pub(crate) const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What has come and was not taken yet.
#[derive(Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        self.bytes.reserve(32 << 10);
        Ok(stream.read_buf(&mut self.bytes).await? > 0)
    }

    /// The next head with its empty line; `None` at the end.
    pub(crate) async fn head(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.bytes.drain(..end + 4).collect();
                return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
            }
            if !self.more(stream).await? {
                return Ok(None);
            }
        }
    }

    /// Reads and forgets so many bytes.
    pub(crate) async fn skip(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        mut bytes: usize,
    ) -> io::Result<()> {
        loop {
            let here = bytes.min(self.bytes.len());
            self.bytes.drain(..here);
            bytes -= here;
            if bytes == 0 {
                return Ok(());
            }
            if !self.more(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next so many bytes.
    pub(crate) async fn take(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        bytes: usize,
    ) -> io::Result<Vec<u8>> {
        while self.bytes.len() < bytes {
            if !self.more(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.bytes.drain(..bytes).collect())
    }

    /// Reads and forgets the body that follows this head; returns its length.
    pub(crate) async fn skip_body(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        head: &str,
    ) -> io::Result<usize> {
        if header(head, "transfer-encoding") == Some("chunked") {
            return self.skip_chunks(stream).await;
        }
        let bytes = content_length(head);
        self.skip(stream, bytes).await?;
        Ok(bytes)
    }

    async fn skip_chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let mut sum = 0;
        loop {
            let size = self.line(stream).await?;
            let bytes = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            self.skip(stream, bytes + 2).await?;
            sum += bytes;
            if bytes == 0 {
                return Ok(sum);
            }
        }
    }

    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
        loop {
            if let Some(end) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.bytes.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more(stream).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next frame's payload; `None` at the end or at a close frame.
    pub(crate) async fn frame(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some((start, length)) = frame_at(&self.bytes)
                && self.bytes.len() >= start + length
            {
                if self.bytes[0] & 0xf == 8 {
                    return Ok(None);
                }
                let frame: Vec<u8> = self.bytes.drain(..start + length).collect();
                return Ok(Some(frame[start..].to_vec()));
            }
            if !self.more(stream).await? {
                return Ok(None);
            }
        }
    }
}

/// Where the payload of the first frame begins, and how long it is.
fn frame_at(bytes: &[u8]) -> Option<(usize, usize)> {
    let second = *bytes.get(1)?;
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    match second & 0x7f {
        126 => Some((4 + mask, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)))),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            Some((10 + mask, usize::try_from(length).ok()?))
        }
        short => Some((2 + mask, usize::from(short))),
    }
}

/// Writes a binary frame, masked with zeros as a client or bare as a server.
pub(crate) fn frame(out: &mut Vec<u8>, payload: &[u8], masked: bool) {
    let mask = if masked { 0x80 } else { 0 };
    out.push(0x82);
    match payload.len() {
        length @ 0..=125 => out.push(mask | length as u8),
        length => {
            out.push(mask | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
}

pub(crate) fn content_length(head: &str) -> usize {
    header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The value of the first header of this name.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
