//! Where a seat is to listen: a port that was claimed, or a socket file; given back unless the seat
//! comes to live there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::Launch;
use super::ports::Claim;
use super::record::remove_file;
use super::shared::Shared;
use crate::config::Connect;
use crate::domain::{Endpoint, Failure};
use crate::platform::sockets;

/// The place of one launch.
pub(super) enum Place {
    /// A loopback port on which a socket of ours listens.
    Port(Claim),
    /// A path at which nothing is, or a socket of ours.
    Socket(SocketFile),
}

/// A socket's path; what is there goes when this is dropped.
pub(super) struct SocketFile {
    path: PathBuf,
    listener: Option<UnixListener>,
    kept: bool,
}

impl Place {
    /// A place for this launch with a listening socket: from now on connections wait there.
    ///
    /// # Errors
    /// No port is free, or the system makes no socket.
    pub(super) fn listening(shared: &Shared, launch: &Launch) -> Result<Self, Failure> {
        match launch.app.connect {
            Connect::Tcp => shared.ports.claim(launch).map(Place::Port),
            Connect::Unix => {
                let mut file = SocketFile::new(shared, launch);
                let listener = sockets::listen_unix(&file.path).map_err(|error| {
                    Failure::System { doing: LISTENING, cause: file.explained(&error) }
                })?;
                file.listener = Some(listener);
                Ok(Place::Socket(file))
            }
        }
    }

    /// A place for a program that binds by itself; a port is known to have been free.
    ///
    /// # Errors
    /// No port is free, or the path is too long for a program that has to bind it.
    pub(super) fn free(shared: &Shared, launch: &Launch) -> Result<Self, Failure> {
        match launch.app.connect {
            Connect::Tcp => {
                let mut claim = shared.ports.claim(launch)?;
                drop(claim.take_listener());
                Ok(Place::Port(claim))
            }
            Connect::Unix => {
                let file = SocketFile::new(shared, launch);
                file.check_length()?;
                Ok(Place::Socket(file))
            }
        }
    }

    /// The endpoint to connect to.
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Place::Port(claim) => Endpoint::Tcp(claim.address()),
            Place::Socket(file) => Endpoint::Unix(file.path.as_path().into()),
        }
    }

    /// The socket that listens here, to pass a copy of it on.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Place::Port(claim) => claim.listener().map(AsFd::as_fd),
            Place::Socket(file) => file.listener.as_ref().map(AsFd::as_fd),
        }
    }

    /// The socket that listens here, to hand it over.
    pub(super) fn take_listener(&mut self) -> Option<OwnedFd> {
        match self {
            Place::Port(claim) => claim.take_listener().map(OwnedFd::from),
            Place::Socket(file) => file.listener.take().map(OwnedFd::from),
        }
    }

    /// The seat lives here now.
    pub(super) fn keep(self) {
        match self {
            Place::Port(claim) => claim.keep(),
            Place::Socket(mut file) => file.kept = true,
        }
    }
}

const LISTENING: &str = "making the seat's socket";

impl SocketFile {
    fn new(shared: &Shared, launch: &Launch) -> Self {
        let path = shared.socket_path(&launch.key, launch.generation);
        remove_file(&path);
        Self { path, listener: None, kept: false }
    }

    /// Usher knows a way around the limit; a program that is told the path does not.
    fn check_length(&self) -> Result<(), Failure> {
        let most = sockets::SOCKET_PATH_BYTES_MAX;
        if self.path.as_os_str().as_bytes().len() <= most {
            return Ok(());
        }
        let cause = format!(
            "{} is longer than the {most} bytes that a socket's path may have; move state_dir, or \
             use `connect: tcp`",
            self.path.display()
        );
        Err(Failure::System { doing: LISTENING, cause })
    }

    fn explained(&self, error: &std::io::Error) -> String {
        format!("{}: {error}", self.path.display())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.kept {
            remove_file(&self.path);
        }
    }
}
