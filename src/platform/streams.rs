//! What accepted and made connections need beyond tokio: options that find dead peers, the cure for
//! delayed acknowledgements, and reads and shutdowns through a shared handle.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// From the last byte of a silent peer to the first probe, in seconds.
#[cfg(unix)]
const KEEPALIVE_IDLE_S: u64 = 60;
/// Between two probes, in seconds.
#[cfg(unix)]
const KEEPALIVE_INTERVAL_S: u64 = 10;
/// Probes without an answer before the peer counts as dead.
#[cfg(unix)]
const KEEPALIVE_PROBES: u32 = 4;
/// Sent data without an acknowledgement for so long means that the peer is dead.
#[cfg(target_os = "linux")]
const USER_TIMEOUT_MS: u32 = 90_000;

/// Makes every connection that this listener accepts find out that its peer has vanished, and send
/// small answers at once. On Linux accepted sockets inherit these options from the listener.
///
/// # Errors
/// What the system said.
#[cfg(unix)]
pub fn prepare_listener(listener: &impl std::os::fd::AsFd) -> io::Result<()> {
    find_dead_peers(listener)?;
    rustix::net::sockopt::set_tcp_nodelay(listener, true)?;
    Ok(())
}

/// See the other; here accepted sockets are prepared one by one.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn prepare_listener<T>(_listener: &T) -> io::Result<()> {
    Ok(())
}

/// TCP keepalive, and on Linux a limit for unacknowledged data.
///
/// # Errors
/// What the system said.
#[cfg(unix)]
pub fn find_dead_peers(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
    use std::time::Duration;

    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(KEEPALIVE_IDLE_S))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(KEEPALIVE_INTERVAL_S))?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(socket, USER_TIMEOUT_MS)?;
    Ok(())
}

/// Whether a listener on `[::]` shall leave IPv4 to somebody else.
///
/// # Errors
/// What the system said.
#[cfg(unix)]
pub fn set_ipv6_only(socket: &impl std::os::fd::AsFd, only: bool) -> io::Result<()> {
    Ok(rustix::net::sockopt::set_ipv6_v6only(socket, only)?)
}

/// Acknowledges what arrives at once instead of up to 40 ms later. The system forgets it, so it is
/// asked for again after each read. Only a hint: failures do not matter.
#[cfg(target_os = "linux")]
pub fn acknowledge_at_once(socket: &impl std::os::fd::AsFd) {
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
}

/// See the other; elsewhere there is no such option.
#[cfg(not(target_os = "linux"))]
pub fn acknowledge_at_once<T>(_socket: &T) {}

/// [`acknowledge_at_once`] for a socket that somebody else owns. A number that is no TCP socket
/// (any more) is refused by the system, and nothing happens.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the owner of the descriptor hands out its number only")]
pub fn acknowledge_at_once_by_number(descriptor: i32) {
    if descriptor < 0 {
        return;
    }
    // SAFETY: the number is not -1, it is used within this call alone, and the caller's session
    // keeps the socket open meanwhile.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) };
    acknowledge_at_once(&socket);
}

/// Whether bytes have arrived that nobody has read yet.
#[cfg(unix)]
pub fn has_unread(socket: &TcpStream) -> bool {
    rustix::io::ioctl_fionread(socket).is_ok_and(|unread| unread > 0)
}

/// See the other; elsewhere nobody can tell.
#[cfg(not(unix))]
pub fn has_unread(_socket: &TcpStream) -> bool {
    false
}

/// Ends both directions of a connection whoever holds it: its reader sees the end, its writer an
/// error.
#[cfg(unix)]
pub fn hang_up(socket: &TcpStream) {
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

/// Ends the sending direction.
#[cfg(unix)]
pub fn end_sending(socket: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(socket, rustix::net::Shutdown::Write) {
        // The peer has gone already, which is what was wanted.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(cause) => Err(cause.into()),
    }
}

/// Reads through a shared handle as `TcpStream`'s own `poll_read` does: a short read means that
/// the socket is empty, so that waiting for more costs no further system call.
#[cfg(unix)]
#[expect(unsafe_code, reason = "reads into memory that was not initialised")]
pub fn poll_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let room = buffer.remaining();
    if room == 0 {
        return Poll::Ready(Ok(()));
    }
    loop {
        ready!(socket.poll_read_ready(cx))?;
        let mut received = 0;
        // SAFETY: `recv` only writes to it.
        let space = unsafe { buffer.unfilled_mut() };
        let outcome = socket.try_io(tokio::io::Interest::READABLE, || {
            let ((filled, _), _) =
                rustix::net::recv(socket, &mut *space, rustix::net::RecvFlags::empty())?;
            received = filled.len();
            if received > 0 && received < room {
                // Tells tokio that there is no more; what was received counts nevertheless.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        });
        if received > 0 {
            // SAFETY: `recv` wrote so many bytes.
            unsafe { buffer.assume_init(received) };
            buffer.advance(received);
            return Poll::Ready(Ok(()));
        }
        match outcome {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}
