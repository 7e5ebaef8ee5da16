//! Starting another usher in the place of this one: a process with the listening sockets and a
//! channel, told of them by one environment variable.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::platform;

/// Between two looks at a process that is about to end.
const LOOK: Duration = Duration::from_millis(10);

/// What a new usher was started with.
pub struct Inherited {
    /// The channel to the usher before.
    pub channel: UnixStream,
    /// Listening sockets of the main door.
    pub main: Vec<TcpListener>,
    /// Listening sockets of the administrators' door.
    pub admin: Vec<TcpListener>,
}

/// The new usher's process. It lives on when this is dropped.
pub struct Process(Child);

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Returns when it is gone, as it is about to be; ends it if that takes longer than `limit`.
    pub async fn gone(&mut self, limit: Duration) {
        let gone = async {
            while matches!(self.0.try_wait(), Ok(None)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(limit, gone).await.is_err() {
            self.kill();
        }
    }

    /// Ends it, and returns when it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `binary serve -c file` with these descriptors, named in `variable`.
///
/// # Errors
/// What the system said.
#[expect(clippy::disallowed_methods, reason = "processes are started in src/launch")]
pub fn start(
    binary: &Path,
    file: &Path,
    variable: &str,
    channel: BorrowedFd<'_>,
    main: &[BorrowedFd<'_>],
    admin: &[BorrowedFd<'_>],
) -> io::Result<Process> {
    // Copies, so that the descriptors themselves stay closed to all others that are started. What
    // another process that is started just now inherits of these, it closes before it begins.
    let copy = |descriptor: &BorrowedFd<'_>| descriptor.try_clone_to_owned();
    let channel = copy(&channel)?;
    let main = main.iter().map(copy).collect::<io::Result<Vec<_>>>()?;
    let admin = admin.iter().map(copy).collect::<io::Result<Vec<_>>>()?;
    let told =
        format!("{};{};{}", platform::pass_on(channel.as_fd())?, numbers(&main)?, numbers(&admin)?);
    Command::new(binary)
        .arg("serve")
        .arg("-c")
        .arg(file)
        .env(variable, told)
        .stdin(Stdio::null())
        .spawn()
        .map(Process)
}

fn numbers(descriptors: &[OwnedFd]) -> io::Result<String> {
    let numbers = descriptors
        .iter()
        .map(|descriptor| platform::pass_on(descriptor.as_fd()).map(|number| number.to_string()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(numbers.join(","))
}

/// Reads what [`start`] told; `None` if it makes no sense, as when somebody set the variable by
/// hand.
pub fn inherited(told: &str) -> Option<Inherited> {
    let mut parts = told.split(';');
    let channel = descriptors(parts.next()?)?.pop()?;
    let sockets = |part: &str| {
        Some(descriptors(part)?.into_iter().map(TcpListener::from).collect::<Vec<_>>())
    };
    let main = sockets(parts.next()?)?;
    let admin = sockets(parts.next()?)?;
    Some(Inherited { channel: channel.into(), main, admin })
}

fn descriptors(part: &str) -> Option<Vec<OwnedFd>> {
    part.split(',')
        .filter(|number| !number.is_empty())
        .map(|number| {
            let number: RawFd = number.parse().ok()?;
            platform::inherited_descriptor(number).ok()
        })
        .collect()
}
