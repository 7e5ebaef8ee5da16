//! The bytes of a [`Link`], in the shape that Pingora wants them.
//!
//! It stands in for Pingora's own stream, and differs in three things: it has no read buffer (an
//! idle connection holds no memory for it), the small head of an answer and its body leave in one
//! system call whatever the body's size, and what goes on is noted in the link, where it is judged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pingora_core::protocols::{UniqueID, UniqueIDType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::link::{Link, Unreadable};
use super::patience::Phase;
use crate::platform::streams;

/// Writes up to this size wait for more until they are flushed.
const SMALL_WRITES_BYTES: usize = 2048;
/// The most bytes that may come before a request's head is complete.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The most header lines that Pingora's parser takes; more of them it calls malformed.
const HEAD_LINES_MAX: usize = 256;
/// The line of the request, and the empty one.
const OTHER_LINES: usize = 2;
/// So many header lines need at least so many bytes.
const HEAD_LINES_BYTES_MIN: usize = HEAD_LINES_MAX * 4;

/// A client's connection.
pub(crate) struct Wire {
    link: Arc<Link>,
    /// Small writes that have not been flushed.
    unsent: Vec<u8>,
    small_writes_bytes: usize,
    head: HeadMeter,
    /// Whether the lines of a head can be seen: not under TLS.
    sees_lines: bool,
}

impl Wire {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let sees_lines = !link.connection().tls;
        Self {
            link,
            unsent: Vec::new(),
            small_writes_bytes: SMALL_WRITES_BYTES,
            head: HeadMeter::default(),
            sees_lines,
        }
    }

    /// From now on writes leave at once, and no memory is kept for small ones. What was not sent
    /// before must have been flushed.
    pub(crate) fn write_through(&mut self) {
        debug_assert!(self.unsent.is_empty(), "unflushed bytes would come late");
        self.small_writes_bytes = 0;
        self.unsent = Vec::new();
    }

    fn meter(&mut self, piece: &[u8]) -> io::Result<()> {
        let phase = self.link.phase();
        match phase {
            Phase::Idle => {
                self.link.enter(Phase::Head);
                self.head = HeadMeter::default();
            }
            Phase::Fresh | Phase::Head => {}
            Phase::Uploading | Phase::Serving | Phase::Multiplexed | Phase::Tunnel => {
                return Ok(());
            }
        }
        let Some(fault) = self.head.fault(piece, self.sees_lines) else { return Ok(()) };
        self.link.refuse_head(fault);
        Err(io::Error::new(io::ErrorKind::InvalidData, "the head of the request is refused"))
    }

    /// Sends what was held back and `data`, as far as the socket takes it; says how much of `data`
    /// went.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if self.unsent.is_empty() && data.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if self.link.socket().poll_write_ready(cx)?.is_pending() {
                self.link.note_written(None);
                return Poll::Pending;
            }
            let socket = self.link.socket();
            let sent = match (&*self.unsent, data) {
                (unsent, []) => socket.try_write(unsent),
                ([], data) => socket.try_write(data),
                (unsent, data) => {
                    socket.try_write_vectored(&[IoSlice::new(unsent), IoSlice::new(data)])
                }
            };
            let written = match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => written,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => continue,
                Err(cause) => return Poll::Ready(Err(cause)),
            };
            self.link.note_written(Some(written));
            if written < self.unsent.len() {
                self.unsent.drain(..written);
                continue;
            }
            let of_data = written - self.unsent.len();
            self.unsent.clear();
            if of_data > 0 || data.is_empty() {
                return Poll::Ready(Ok(of_data));
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match streams::poll_read(self.link.socket(), cx, buffer) {
            Poll::Pending => {
                self.link.note_read(None);
                Poll::Pending
            }
            Poll::Ready(Err(cause)) => Poll::Ready(Err(cause)),
            Poll::Ready(Ok(())) => {
                let piece = &buffer.filled()[before..];
                self.link.note_read(Some(piece.len()));
                Poll::Ready(self.meter(piece))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.len() + data.len() <= self.small_writes_bytes {
            self.unsent.extend_from_slice(data);
            return Poll::Ready(Ok(data.len()));
        }
        self.poll_send(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx, &[]))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.unreadable().is_some() {
            // An answer is still to be written, by the one who knows why.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_send(cx, &[]))?;
        Poll::Ready(streams::end_sending(self.link.socket()))
    }
}

impl UniqueID for Wire {
    #[cfg(unix)]
    fn id(&self) -> UniqueIDType {
        std::os::fd::AsRawFd::as_raw_fd(self.link.socket())
    }

    #[cfg(windows)]
    fn id(&self) -> UniqueIDType {
        std::os::windows::io::AsRawSocket::as_raw_socket(self.link.socket()) as usize
    }
}

/// What Pingora wants of a stream beside bytes and a number: nothing here has TLS of its own or a
/// history to tell.
macro_rules! plain_stream {
    ($stream:ty) => {
        #[async_trait::async_trait]
        impl pingora_core::protocols::Shutdown for $stream {
            async fn shutdown(&mut self) {
                // A peer that has left already is no news.
                let _ = tokio::io::AsyncWriteExt::shutdown(self).await;
            }
        }

        impl pingora_core::protocols::Ssl for $stream {}

        impl pingora_core::protocols::Peek for $stream {}

        impl pingora_core::protocols::GetTimingDigest for $stream {
            fn get_timing_digest(&self) -> Vec<Option<pingora_core::protocols::TimingDigest>> {
                Vec::new()
            }
        }

        impl pingora_core::protocols::GetProxyDigest for $stream {
            fn get_proxy_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora_core::protocols::raw_connect::ProxyDigest>> {
                None
            }
        }

        impl pingora_core::protocols::GetSocketDigest for $stream {
            fn get_socket_digest(
                &self,
            ) -> Option<std::sync::Arc<pingora_core::protocols::SocketDigest>> {
                None
            }
        }
    };
}
pub(crate) use plain_stream;

plain_stream!(Wire);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({})", self.link.connection().peer)
    }
}

/// Bounds the memory that a head may take before there is one, and sees what Pingora would mend: it
/// escapes the spaces of a target, which another server could read as its end.
#[derive(Default)]
struct HeadMeter {
    bytes: usize,
    lines: usize,
    line_is_empty: bool,
    complete: bool,
}

impl HeadMeter {
    /// Why the piece may not be part of a head.
    fn fault(&mut self, piece: &[u8], sees_lines: bool) -> Option<Unreadable> {
        if sees_lines && self.bytes == 0 && has_odd_target(piece) {
            return Some(Unreadable::Malformed);
        }
        self.bytes += piece.len();
        // The usual head is far smaller than any that has too many lines, and is not looked at.
        if sees_lines && self.bytes > HEAD_LINES_BYTES_MIN {
            self.count_lines(piece);
        }
        let fits = self.bytes <= HEAD_BYTES_MAX && self.lines <= HEAD_LINES_MAX + OTHER_LINES;
        (!fits).then_some(Unreadable::HeadTooLarge)
    }

    fn count_lines(&mut self, piece: &[u8]) {
        for byte in piece {
            if self.complete {
                return;
            }
            match byte {
                b'\n' => {
                    self.lines += 1;
                    self.complete = self.line_is_empty;
                    self.line_is_empty = true;
                }
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
        }
    }
}

/// Whether the request's line, if the piece has it, has more than method, target and version.
fn has_odd_target(piece: &[u8]) -> bool {
    let line = piece.trim_ascii_start().split(|byte| *byte == b'\n').next();
    line.is_some_and(|line| line.iter().filter(|byte| **byte == b' ').count() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_request_has_three_words() {
        for (piece, odd) in [
            ("GET / HTTP/1.1\r\nHost: a b c\r\n\r\n", false),
            ("\r\nGET / HTTP/1.1\r\n", false),
            ("PRI * HTTP/2.0\r\n\r\n", false),
            ("GET /a b HTTP/1.1\r\n", true),
            ("GET /a HTTP/1.1 HTTP/1.1\r\n", true),
            ("", false),
        ] {
            assert_eq!(has_odd_target(piece.as_bytes()), odd, "{piece:?}");
        }
        let mut meter = HeadMeter::default();
        assert_eq!(meter.fault(b"GET /a b c", true), Some(Unreadable::Malformed));
        assert_eq!(HeadMeter::default().fault(b"GET /a b c", false), None);
    }

    #[test]
    fn heads_have_a_size() {
        let head = |lines: usize, line: &str| {
            format!("GET / HTTP/1.1\r\n{}\r\n", format!("{line}\r\n").repeat(lines))
        };
        for (expected, text) in [
            (true, head(10, "Accept: */*")),
            (true, head(HEAD_LINES_MAX, "a: b")),
            (false, head(HEAD_LINES_MAX + 1, "a: b")),
            (true, head(1, &"x".repeat(60_000))),
            (false, head(1, &"x".repeat(70_000))),
            (true, format!("{}{}", head(40, &"y".repeat(40)), "\n".repeat(3000))),
        ] {
            for size in [1, 1000, 4096, text.len()] {
                let mut meter = HeadMeter::default();
                let taken =
                    text.as_bytes().chunks(size).all(|piece| meter.fault(piece, true).is_none());
                // Lines of the first kilobyte are not counted when they come alone.
                let few = size < 1024 && text.len() < HEAD_BYTES_MAX;
                assert_eq!(taken, expected || few, "{} bytes by {size}", text.len());
            }
        }
        let mut sealed = HeadMeter::default();
        assert_eq!(sealed.fault(&[b'\n'; 60_000], false), None, "ciphertext has no lines");
        assert_eq!(sealed.fault(&[b'\n'; 6_000], false), Some(Unreadable::HeadTooLarge));
    }
}
