//! A connection to a seat for one WebSocket: never pooled, without buffers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora_core::protocols::{UniqueID, UniqueIDType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::wire::plain_stream;
use crate::domain::Endpoint;
#[cfg(unix)]
use crate::platform::sockets::within_reach;
use crate::platform::streams;

/// A seat listens on this machine, or close by.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The stream.
#[derive(Debug)]
pub(crate) enum SeatStream {
    Tcp {
        stream: TcpStream,
        /// What comes is acknowledged at once, for a server that waits for that.
        acknowledges_at_once: bool,
    },
    #[cfg(unix)]
    Unix(UnixStream),
}

impl SeatStream {
    /// Connects to a seat.
    ///
    /// # Errors
    /// Nobody is there, or nobody answers within [`CONNECT_LIMIT`].
    pub(crate) async fn connect(
        endpoint: &Endpoint,
        acknowledges_at_once: bool,
    ) -> io::Result<Self> {
        tokio::time::timeout(CONNECT_LIMIT, Self::connected(endpoint, acknowledges_at_once))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn connected(endpoint: &Endpoint, acknowledges_at_once: bool) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                #[cfg(unix)]
                if !address.ip().is_loopback() {
                    streams::find_dead_peers(&stream)?;
                }
                Ok(Self::Tcp { stream, acknowledges_at_once })
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => Ok(Self::Unix(UnixStream::connect(within_reach(path)?).await?)),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsyncRead for SeatStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, acknowledges_at_once } => {
                ready!(Pin::new(&mut *stream).poll_read(cx, buffer))?;
                if *acknowledges_at_once {
                    streams::acknowledge_at_once(stream);
                }
                Poll::Ready(Ok(()))
            }
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for SeatStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_write(cx, data),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl UniqueID for SeatStream {
    #[cfg(unix)]
    fn id(&self) -> UniqueIDType {
        use std::os::fd::AsRawFd;
        match self {
            Self::Tcp { stream, .. } => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    #[cfg(windows)]
    fn id(&self) -> UniqueIDType {
        let Self::Tcp { stream, .. } = self;
        std::os::windows::io::AsRawSocket::as_raw_socket(stream) as usize
    }
}

plain_stream!(SeatStream);
