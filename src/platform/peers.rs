//! Who is at the other end of a connection within this machine: the kernel is asked for just that
//! socket, however many there are.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::sockets;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The number under which processes hold it.
    pub inode: u64,
    /// Whose it is.
    pub uid: u32,
}

/// sock_diag(7): sizes and places in requests and answers, in bytes.
const HEADER_BYTES: usize = 16;
const REQUEST_BYTES: u32 = 72;
const UID_AT: usize = HEADER_BYTES + 64;
const INODE_AT: usize = HEADER_BYTES + 68;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const TCP: u8 = 6;
/// "Whichever incarnation of this socket".
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// The end of a TCP connection that is bound to `own` and connected to `other`, both canonical;
/// `None` if there is none, or not any more.
pub fn end(own: SocketAddr, other: SocketAddr) -> Option<End> {
    ask(own, other).unwrap_or_else(|error| {
        log::debug!("the kernel does not tell about single sockets: {error}");
        sockets::connected(own, other).map(|(inode, uid)| End { inode, uid })
    })
}

/// The number of the socket that listens at this address, canonical, and would answer there; `None`
/// if there is none.
pub fn listener(address: SocketAddr) -> Option<u64> {
    let nobody: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    end(address, SocketAddr::new(nobody, 0)).map(|end| end.inode)
}

fn ask(own: SocketAddr, other: SocketAddr) -> io::Result<Option<End>> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    rustix::net::send(&socket, &request(own, other), SendFlags::empty())?;
    let mut buffer = [0_u8; 512];
    // The kernel answers before `send` returns.
    let (_, length) = rustix::net::recv(&socket, &mut buffer, RecvFlags::DONTWAIT)?;
    answer(buffer.get(..length).unwrap_or_default())
}

fn request(own: SocketAddr, other: SocketAddr) -> Vec<u8> {
    const INET: u8 = 2;
    const INET6: u8 = 10;
    let mut bytes = Vec::with_capacity(72);
    bytes.extend(REQUEST_BYTES.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port of the sender
    let family = if own.is_ipv4() { INET } else { INET6 };
    bytes.extend([family, TCP, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // in whatever state
    bytes.extend(own.port().to_be_bytes());
    bytes.extend(other.port().to_be_bytes());
    for ip in [own.ip(), other.ip()] {
        match ip {
            IpAddr::V4(ip) => {
                bytes.extend(ip.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.extend([0; 4]); // on whatever interface
    bytes.extend(NO_COOKIE);
    bytes
}

fn answer(bytes: &[u8]) -> io::Result<Option<End>> {
    const NLMSG_ERROR: u16 = 2;
    let cut = || io::Error::from(io::ErrorKind::InvalidData);
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_ne_bytes).ok_or_else(cut)
    };
    let kind = bytes.get(4..6).and_then(|two| two.try_into().ok()).map(u16::from_ne_bytes);
    match kind.ok_or_else(cut)? {
        SOCK_DIAG_BY_FAMILY => {
            let (uid, inode) = (number(UID_AT)?, number(INODE_AT)?);
            // A socket that no process holds any more has no number.
            Ok((inode != 0).then_some(End { inode: inode.into(), uid }))
        }
        NLMSG_ERROR => {
            let code = number(HEADER_BYTES)?.cast_signed().wrapping_neg();
            let error = io::Error::from_raw_os_error(code);
            if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) }
        }
        _ => Err(cut()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn both_ends_are_told_apart_in_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, _) = listener.accept().unwrap();
            let (near, far) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
            let ends = [ask(near, far), ask(far, near)].map(|end| end.unwrap().unwrap());
            for ((own, other), found) in [(near, far), (far, near)].into_iter().zip(ends) {
                assert_eq!(end(own, other), Some(found));
                assert_eq!(sockets::connected(own, other), Some((found.inode, found.uid)));
            }
            let held = sockets::sockets_of(std::process::id());
            assert_ne!(ends[0].inode, ends[1].inode);
            for found in ends {
                assert!(held.contains(&found.inode));
                assert_eq!(found.uid, crate::platform::own_uid());
            }
            drop((client, server));
            let nobody = SocketAddr::new(far.ip(), 1);
            assert_eq!(ask(near, nobody).unwrap(), None);
            assert_eq!(sockets::connected(near, nobody), None);
        }
    }

    #[test]
    fn the_socket_that_listens_is_found_and_no_connection_of_it() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = TcpListener::bind(address).unwrap();
            let at = socket.local_addr().unwrap();
            let _client = TcpStream::connect(at).unwrap();
            let _server = socket.accept().unwrap();
            let found = listener(at);
            assert_eq!(found, sockets::inode(&socket));
            assert_eq!(found, sockets::listening_at(at).first().map(|one| one.inode));
            drop(socket);
            assert_eq!(listener(at), None);
        }
    }

    #[test]
    fn a_client_that_writes_its_ipv4_as_ipv6_is_found() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapped: SocketAddr = format!("[::ffff:127.0.0.1]:{port}").parse().unwrap();
        let client = TcpStream::connect(mapped).unwrap();
        let plain =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let near = plain(client.local_addr().unwrap());
        let found = ask(near, plain(mapped)).unwrap().unwrap();
        assert!(sockets::sockets_of(std::process::id()).contains(&found.inode));
        assert_eq!(sockets::connected(near, plain(mapped)), Some((found.inode, found.uid)));
    }
}
