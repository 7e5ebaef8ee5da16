//! One process: found without mistaking a later one for it, signalled, waited for.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    waitid,
};

/// How a process ended, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was no child of ours.
    Unknown,
}

/// What one asks a process to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// SIGTERM: end in your own way.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGSTOP: stand still.
    Pause,
    /// SIGCONT: go on.
    Resume,
}

/// A handle on one process that stays with it: a later process of the same number is not reached.
#[derive(Debug)]
pub struct Handle {
    descriptor: OwnedFd,
}

impl Handle {
    /// The process of this number that was started at `start_ticks`; `None` if it is gone.
    ///
    /// # Errors
    /// The system gives no handle, such as for want of descriptors.
    pub fn open(pid: u32, start_ticks: u64) -> io::Result<Option<Self>> {
        let Some(number) = number(pid) else { return Ok(None) };
        match pidfd_open(number, PidfdFlags::empty()) {
            // Only what is checked after the handle was taken is true of the handle's process.
            Ok(descriptor) if super::table::start_ticks(pid) == Some(start_ticks) => {
                Ok(Some(Self { descriptor }))
            }
            Ok(_) | Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends the signal; a process that is gone is no error.
    ///
    /// # Errors
    /// The process belongs to somebody else.
    pub fn order(&self, order: Order) -> io::Result<()> {
        let signal = match order {
            Order::Terminate => Signal::TERM,
            Order::Kill => Signal::KILL,
            Order::Pause => Signal::STOP,
            Order::Resume => Signal::CONT,
        };
        match pidfd_send_signal(&self.descriptor, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the end, and takes the exit status if the process is our child, so that no zombie
    /// stays.
    ///
    /// # Errors
    /// There is no event loop to wait in.
    pub async fn ended(self) -> io::Result<Ended> {
        let descriptor = super::readable(self.descriptor).await?;
        Ok(reap(&descriptor))
    }
}

/// Waits until one of them has ended or the time is over, and removes those that have ended: dead,
/// though their parents may not have looked yet.
pub fn wait_for_ends<K: Ord>(handles: &mut BTreeMap<K, Handle>, patience: Duration) {
    let mut polled: Vec<PollFd<'_>> =
        handles.values().map(|handle| PollFd::new(&handle.descriptor, PollFlags::IN)).collect();
    let timeout = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    if let Err(error) = rustix::event::poll(&mut polled, Some(&timeout)) {
        log::debug!("waiting for processes: {error}");
    }
    let mut ended =
        polled.iter().map(|one| !one.revents().is_empty()).collect::<Vec<_>>().into_iter();
    handles.retain(|_, _| !ended.next().unwrap_or(false));
}

/// Takes the status of an ended child that nobody waits for; no effect on others.
pub fn reap_orphan(pid: u32) {
    if let Some(number) = number(pid)
        && let Err(error) =
            waitid(WaitId::Pid(number), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    {
        log::debug!("process {pid} was waited for by somebody else: {error}");
    }
}

fn reap(descriptor: &OwnedFd) -> Ended {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(descriptor.as_fd()), options) {
        Ok(Some(status)) => how(&status),
        Ok(None) | Err(_) => Ended::Unknown,
    }
}

fn how(status: &WaitIdStatus) -> Ended {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unknown,
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}
