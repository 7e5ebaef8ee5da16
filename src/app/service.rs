//! Tells the service manager how far usher is (sd_notify(3): a datagram to `NOTIFY_SOCKET`), so that
//! a unit of `Type=notify` knows when people are let in, and which process serves after an upgrade.
//! Without a service manager it does nothing.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const VARIABLE: &str = "NOTIFY_SOCKET";

/// People are let in, by this process.
pub(super) fn serving() {
    tell(&format!("READY=1\nMAINPID={}\nSTATUS=serving", std::process::id()));
}

/// Usher leaves.
pub(super) fn leaving() {
    tell("STOPPING=1\nSTATUS=leaving");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(VARIABLE) else { return };
    if let Err(error) = send(&socket, state) {
        log::warn!("the service manager was not told ({error})");
    }
}

fn send(socket: &OsString, state: &str) -> std::io::Result<()> {
    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        Some(_) | None => SocketAddr::from_pathname(OsStr::new(socket))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        send(&path.into_os_string(), "READY=1").expect("sent");
        let mut heard = [0; 16];
        let length = manager.recv(&mut heard).expect("heard");
        assert_eq!(&heard[..length], b"READY=1");
    }

    #[test]
    fn abstract_names_work_too() {
        let name = format!("usher-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        send(&OsString::from(format!("@{name}")), "READY=1").expect("sent");
        let mut heard = [0; 16];
        assert_eq!(manager.recv(&mut heard).expect("heard"), 7);
    }
}
