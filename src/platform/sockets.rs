//! Listening sockets: made so that small answers are not held back, and found again among
//! everybody's, with the process that has them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

/// Connections that may wait until the program accepts; the system may allow fewer.
const BACKLOG_MAX: i32 = 4096;

/// The longest path of a socket, in bytes: `sun_path` with its closing zero. [`within_reach`] knows a
/// way around it.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Folders that are kept open for [`within_reach`]; of more, the oldest are closed.
const FOLDERS_OPEN_MAX: usize = 8;

/// The path by which this process can bind or connect the socket at `path`: itself, or, where that
/// is too long, one through its folder, which is opened and stays so. Good for no other process.
///
/// # Errors
/// The folder cannot be opened.
pub fn within_reach(path: &Path) -> io::Result<Cow<'_, Path>> {
    static OPEN: Mutex<Vec<(PathBuf, OwnedFd)>> = Mutex::new(Vec::new());
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX => {
            (folder, name)
        }
        (_, _) => return Ok(Cow::Borrowed(path)),
    };
    let mut open = OPEN.lock();
    let now = rustix::fs::stat(folder)?;
    let is_same = |descriptor: &OwnedFd| {
        rustix::fs::fstat(descriptor)
            .is_ok_and(|then| (then.st_dev, then.st_ino) == (now.st_dev, now.st_ino))
    };
    open.retain(|(opened, descriptor)| opened != folder || is_same(descriptor));
    let index = match open.iter().position(|(opened, _)| opened == folder) {
        Some(index) => index,
        None => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let descriptor = rustix::fs::open(folder, flags, Mode::empty())?;
            if open.len() >= FOLDERS_OPEN_MAX {
                open.remove(0);
            }
            open.push((folder.to_owned(), descriptor));
            open.len() - 1
        }
    };
    let number = open.get(index).map_or(-1, |(_, descriptor)| descriptor.as_raw_fd());
    Ok(Cow::Owned(Path::new("/proc/self/fd").join(number.to_string()).join(name)))
}

/// A listening socket on this address. What it accepts sends small answers at once (`TCP_NODELAY`
/// is inherited, and the protocol number tells asyncio to set it as well): otherwise every second
/// small write of a Python server waits 40 ms for the other side's acknowledgement.
///
/// # Errors
/// `AddrInUse` if somebody listens there, or what else the system says.
pub fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    // Connections of an earlier listener that linger for a minute are no reason to refuse the port;
    // another listener still is.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG_MAX)?;
    Ok(TcpListener::from(socket))
}

/// A listening socket at this path, for this account only. Nothing may be there yet.
///
/// # Errors
/// The path is taken, or what else the system says.
pub fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(within_reach(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    // Bound with the standard library's backlog of 128; listening again only raises it.
    rustix::net::listen(&listener, BACKLOG_MAX)?;
    Ok(listener)
}

/// A listening TCP socket of anybody on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// The number under which processes hold it.
    pub inode: u64,
    /// Whose it is.
    pub uid: u32,
}

/// The listening sockets that would answer at this address: those bound to just it, or, if there is
/// none, those bound to every address.
pub fn listening_at(address: SocketAddr) -> Vec<Listening> {
    const LISTEN: &str = "0A";
    let all: Vec<Listening> = entries()
        .into_iter()
        .filter(|entry| entry.state == LISTEN)
        .map(|Entry { own: address, inode, uid, .. }| Listening { address, inode, uid })
        .collect();
    answering(address, &all)
}

/// The number and owner of the end of a connection that is bound to `own` and connected to `other`:
/// found among all sockets, where the kernel cannot be asked for one.
pub(super) fn connected(own: SocketAddr, other: SocketAddr) -> Option<(u64, u32)> {
    let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
    entries()
        .into_iter()
        .find(|entry| canonical(entry.own) == own && canonical(entry.other) == other)
        .filter(|entry| entry.inode != 0)
        .map(|entry| (entry.inode, entry.uid))
}

fn answering(address: SocketAddr, all: &[Listening]) -> Vec<Listening> {
    let on_port = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<Listening> {
        all.iter()
            .filter(|socket| {
                socket.address.port() == address.port()
                    && wanted(socket.address.ip().to_canonical())
            })
            .cloned()
            .collect()
    };
    let exact = on_port(&|ip| ip == address.ip().to_canonical());
    if exact.is_empty() { on_port(&|ip| ip.is_unspecified()) } else { exact }
}

/// The number of a socket of ours.
pub fn inode(socket: &impl std::os::fd::AsFd) -> Option<u64> {
    rustix::fs::fstat(socket).ok().map(|found| found.st_ino)
}

/// The sockets that a process holds, by number; empty if it is gone or belongs to somebody else.
pub fn sockets_of(pid: u32) -> BTreeSet<u64> {
    let mut held = BTreeSet::new();
    let _ = each_socket_of(pid, |inode| {
        held.insert(inode);
    });
    held
}

/// Tells each socket that a process holds, by number. The folder is looked up once, and nothing is
/// allocated for a file.
///
/// # Errors
/// The process is gone or belongs to somebody else.
pub fn each_socket_of(pid: u32, mut tell: impl FnMut(u64)) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(format!("/proc/{pid}/fd"), flags, Mode::empty())?;
    // `socket:[18446744073709551615]`; what is longer is cut, and is none.
    let mut target = [0_u8; 32];
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        // Closed meanwhile, or `.` and `..`.
        let Ok(length) = rustix::fs::readlinkat_raw(&folder, entry.file_name(), &mut target) else {
            continue;
        };
        if let Some(inode) = target.get(..length).and_then(socket_inode) {
            tell(inode);
        }
    }
    Ok(())
}

/// The number in the name that the kernel gives to an open socket.
fn socket_inode(target: &[u8]) -> Option<u64> {
    let number = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Who has these sockets, for people: `nginx (pid 812)`; at least whose it is where the process
/// cannot be seen; empty if there are none.
pub fn holder(sockets: &[Listening]) -> String {
    let Some(first) = sockets.first() else { return String::new() };
    let holds = |pid: &u32| {
        let held = sockets_of(*pid);
        sockets.iter().any(|socket| held.contains(&socket.inode))
    };
    match super::table::numbers().find(holds) {
        Some(pid) => format!("{} (pid {pid})", super::table::name(pid)),
        None => match super::account(first.uid) {
            Some((name, _)) => format!("a program of the account {name}"),
            None => format!("a program of the account number {}", first.uid),
        },
    }
}

type ParseIp = fn(&str) -> Option<IpAddr>;

/// A TCP socket as the kernel lists it.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    own: SocketAddr,
    other: SocketAddr,
    state: String,
    inode: u64,
    uid: u32,
}

fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    for (file, ip) in [("/proc/net/tcp", ipv4 as ParseIp), ("/proc/net/tcp6", ipv6 as ParseIp)] {
        let text = fs::read_to_string(file).unwrap_or_default();
        all.extend(text.lines().filter_map(|line| entry(line, ip)));
    }
    all
}

/// A line of `/proc/net/tcp`: `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout
/// inode …`.
fn entry(line: &str, ip: ParseIp) -> Option<Entry> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let address = |field: &str| {
        let (address, port) = field.split_once(':')?;
        Some(SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?))
    };
    Some(Entry {
        own: address(fields.get(1)?)?,
        other: address(fields.get(2)?)?,
        state: (*fields.get(3)?).to_owned(),
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn ipv4(hex: &str) -> Option<IpAddr> {
    let word = u32::from_str_radix(hex, 16).ok()?;
    Some(Ipv4Addr::from(word.to_ne_bytes()).into())
}

fn ipv6(hex: &str) -> Option<IpAddr> {
    let mut octets = [0; 16];
    for (index, four) in octets.chunks_exact_mut(4).enumerate() {
        let word = u32::from_str_radix(hex.get(index * 8..index * 8 + 8)?, 16).ok()?;
        four.copy_from_slice(&word.to_ne_bytes());
    }
    Some(Ipv6Addr::from(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    #[test]
    fn a_socket_of_any_length_is_within_reach_and_follows_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("x".repeat(120));
        let path = folder.join("socket");
        assert!(within_reach(&path).is_err(), "there is no folder yet");
        // The folder that comes later under this name is another one.
        for _ in 0..2 {
            fs::create_dir(&folder).unwrap();
            let listener = listen_unix(&path).unwrap();
            std::os::unix::net::UnixStream::connect(within_reach(&path).unwrap()).unwrap();
            assert!(listener.accept().is_ok() && path.exists());
            fs::remove_dir_all(&folder).unwrap();
        }
        assert_eq!(within_reach(Path::new("/run/s")).unwrap(), Path::new("/run/s"));
    }

    #[test]
    fn our_own_listener_is_found_with_its_holder() {
        let listener = listen_tcp(loopback(0)).unwrap();
        let address = listener.local_addr().unwrap();
        let found = listening_at(address);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].address, found[0].uid), (address, super::super::own_uid()));
        assert!(sockets_of(std::process::id()).contains(&found[0].inode));
        assert!(holder(&found).ends_with(&format!("(pid {})", std::process::id())));
        assert_eq!(listen_tcp(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(listening_at(address).is_empty());
        assert_eq!(holder(&[]), "");
        let unseen = Listening { inode: 1, ..found[0].clone() };
        let (account, _) = super::super::account(unseen.uid).unwrap();
        assert_eq!(holder(&[unseen]), format!("a program of the account {account}"));
    }

    #[test]
    fn what_is_accepted_does_not_hold_small_answers_back() {
        let listener = listen_tcp(loopback(0)).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }

    #[test]
    fn the_exact_address_answers_before_the_wildcard() {
        let socket =
            |address: &str, inode| Listening { address: address.parse().unwrap(), inode, uid: 0 };
        let all = [
            socket("0.0.0.0:80", 1),
            socket("[::]:81", 2),
            socket("127.0.0.1:80", 3),
            socket("[::ffff:127.0.0.1]:82", 4),
            socket("127.0.0.2:83", 5),
        ];
        for (port, inodes) in [(80, vec![3]), (81, vec![2]), (82, vec![4]), (83, vec![])] {
            let found: Vec<u64> =
                answering(loopback(port), &all).iter().map(|socket| socket.inode).collect();
            assert_eq!(found, inodes, "port {port}");
        }
    }

    #[test]
    fn lines_of_the_kernel_are_understood() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 12345 1 0000000000000000 100 0 0 10 0";
        let expected = Entry {
            own: loopback(8080),
            other: "0.0.0.0:0".parse().unwrap(),
            state: "0A".to_owned(),
            inode: 12345,
            uid: 1000,
        };
        assert_eq!(entry(line, ipv4), Some(expected));
        assert_eq!(entry("  sl  local_address rem_address   st", ipv4), None);
        assert_eq!(
            ipv6("0000000000000000FFFF00000100007F"),
            Some("::ffff:127.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn a_socket_file_is_for_this_account_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _listener = listen_unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(listen_unix(&path).is_err(), "it is taken");
    }
}
