//! The processes of seats: started, watched, measured and ended, each with everything it started.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::BorrowedFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::members::{Identity, Scan, Seat};
use super::{Started, Usage};
use crate::clock::{Clock, Moment};
use crate::domain::Exit;
use crate::platform::process::{self, Ended, Handle, Order};
use crate::platform::{self, table};

/// A scan serves all seats that are measured together.
const SCAN_AGE_MAX_MS: u64 = 500;
/// Rounds of killing, each of which ends when something ended or after [`ROUND`].
const ROUNDS_MAX: u32 = 400;
/// The longest wait before the processes are listed again.
const ROUND: Duration = Duration::from_millis(25);
/// For a template to tell how its child ended, after the system has told that it did.
const TELLING: Duration = Duration::from_secs(1);
/// Between two looks at a process that the system gives no handle on.
const LOOK: Duration = Duration::from_millis(500);

/// All processes that this usher started or adopted.
pub(super) struct Processes {
    /// As text, as marks begin with it.
    state_dir: String,
    clock: Arc<dyn Clock>,
    children: Mutex<HashMap<u32, Child>>,
    last_scan: Mutex<Option<(Moment, Arc<Scan>)>>,
}

/// A seat as it was at a moment.
pub(super) struct Measured {
    /// When.
    pub(super) at: Moment,
    /// What runs on the machine.
    pub(super) scan: Arc<Scan>,
    /// What of it is the seat's.
    pub(super) members: BTreeSet<Identity>,
    /// What these use.
    pub(super) usage: Usage,
}

/// A process that is our child: somebody always waits for it, so that it never stays a zombie.
#[derive(Clone, Debug)]
struct Child {
    start_ticks: u64,
    exit: watch::Receiver<Option<Exit>>,
}

impl Processes {
    /// None yet.
    pub(super) fn new(state_dir: String, clock: Arc<dyn Clock>) -> Self {
        let (children, last_scan) = (Mutex::default(), Mutex::default());
        Self { state_dir, clock, children, last_scan }
    }

    /// Starts a process in a session of its own with no descriptor of usher's but `handed`. What is
    /// returned has the other ends of its pipes; somebody waits for it already.
    /// Must be called where tokio can be reached. Blocks until the program is executed.
    ///
    /// # Errors
    /// It cannot be executed, or the system has no room for it; nothing is left of it then.
    pub(super) fn spawn(
        &self,
        mut command: Command,
        handed: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Identity, std::process::Child)> {
        platform::detach(&mut command, handed);
        let mut child = command.spawn()?;
        let watched = table::start_ticks(child.id())
            .ok_or_else(|| io::Error::other("the process cannot be seen in /proc"))
            .and_then(|ticks| Ok((ticks, Handle::open(child.id(), ticks)?)));
        match watched {
            Ok((start_ticks, Some(handle))) => {
                self.watch(child.id(), start_ticks, handle);
                Ok(((child.id(), start_ticks), child))
            }
            Ok((_, None)) | Err(_) => {
                child.kill()?;
                child.wait()?;
                Err(watched.err().unwrap_or_else(|| io::Error::other("the process is gone")))
            }
        }
    }

    fn watch(&self, pid: u32, start_ticks: u64, handle: Handle) {
        let (tell, exit) = watch::channel(None);
        self.children.lock().insert(pid, Child { start_ticks, exit });
        tokio::spawn(async move {
            let exit = match handle.ended().await {
                Ok(ended) => exit_of(ended),
                Err(error) => {
                    log::error!("process {pid} cannot be waited for: {error}");
                    wait_without_handle((pid, start_ticks)).await;
                    Exit::Unknown
                }
            };
            tell.send_replace(Some(exit));
        });
    }

    /// Watches a process that is a template's child: how it ends, the template tells in `told`;
    /// that it ended, the system. Must be called where tokio can be reached.
    ///
    /// # Errors
    /// The system gives no handle, such as for want of descriptors.
    pub(super) fn watch_forked(
        &self,
        (pid, start_ticks): Identity,
        mut told: watch::Receiver<Option<Exit>>,
    ) -> io::Result<()> {
        let handle = Handle::open(pid, start_ticks)?;
        let (tell, exit) = watch::channel(None);
        self.children.lock().insert(pid, Child { start_ticks, exit });
        tokio::spawn(async move {
            let ended = async {
                match handle {
                    Some(handle) => handle.ended().await.unwrap_or(Ended::Unknown),
                    None => Ended::Unknown,
                }
            };
            let ended = tokio::select! {
                // A template that is gone tells nothing any more: then the sender is dropped.
                Ok(exit) = exit_told(&mut told) => Ok(exit),
                ended = ended => Err(ended),
            };
            let exit = match ended {
                Ok(exit) => exit,
                // Where usher is the first process, it inherits the children of a dead template.
                Err(Ended::Unknown) => tokio::time::timeout(TELLING, exit_told(&mut told))
                    .await
                    .map_or(Exit::Unknown, |told| told.unwrap_or(Exit::Unknown)),
                Err(ended) => exit_of(ended),
            };
            tell.send_replace(Some(exit));
        });
        Ok(())
    }

    /// Returns when the process has ended.
    pub(super) async fn exited(&self, started: &Started) -> Exit {
        match identity(started) {
            Some(identity) => self.exit_of(identity).await,
            None => std::future::pending().await,
        }
    }

    /// Returns when this process has ended.
    pub(super) async fn exit_of(&self, identity: Identity) -> Exit {
        let (pid, start_ticks) = identity;
        let child = self.children.lock().get(&pid).cloned();
        if let Some(mut child) = child.filter(|child| child.start_ticks == start_ticks) {
            // Who waits for it may have gone, with the event loop that it was started in.
            if let Ok(exit) = child.exit.wait_for(Option::is_some).await {
                return exit.unwrap_or(Exit::Unknown);
            }
        }
        match Handle::open(pid, start_ticks) {
            Ok(Some(handle)) => match handle.ended().await {
                Ok(ended) => return exit_of(ended),
                Err(error) => log::error!("process {pid} cannot be watched: {error}"),
            },
            Ok(None) => return Exit::Unknown,
            Err(error) => log::error!("process {pid} cannot be watched: {error}"),
        }
        wait_without_handle(identity).await;
        Exit::Unknown
    }

    /// Asks all processes of the seat to end. Blocks for a look at all processes.
    pub(super) fn stop(&self, started: &Started) {
        if let Some(seat) = self.seat(started) {
            let members = Scan::read(&self.state_dir).members(&seat);
            order_all(&members, Order::Terminate, &mut BTreeSet::new());
        }
    }

    /// Ends all processes of the seat, and returns when they are gone. Blocks meanwhile.
    pub(super) fn end(&self, started: &Started) {
        if let Some(seat) = self.seat(started) {
            self.end_all(&format!("the seat {}", started.key), |scan| scan.members(&seat));
        }
    }

    /// Ends whatever carries this mark of a template: the template, and what is not yet a seat.
    /// Blocks until it is gone.
    pub(super) fn end_template(&self, mark: &str) {
        self.end_all("a template", |scan| scan.marked(mark));
    }

    /// Ends whatever carries a mark of this state folder and is no process of these seats and
    /// carries none of these templates' marks. Blocks until it is gone.
    pub(super) fn end_strays(&self, adopted: &[Started], templates: &[String]) {
        let seats: Vec<Seat> = adopted.iter().filter_map(|started| self.seat(started)).collect();
        self.end_all("strays", |scan| scan.strays(&seats, templates));
    }

    /// Whether this very process runs.
    pub(super) fn lives(&self, started: &Started) -> bool {
        identity(started).is_some_and(lives)
    }

    /// The processes of the seat that run now.
    pub(super) fn members(&self, started: &Started) -> BTreeSet<u32> {
        let members = self.seat(started).map(|seat| Scan::read(&self.state_dir).members(&seat));
        members.unwrap_or_default().iter().map(|(pid, _)| *pid).collect()
    }

    /// The processes of these seats that run now.
    pub(super) fn members_of_all(&self, all: &[Started]) -> BTreeSet<Identity> {
        let scan = Scan::read(&self.state_dir);
        all.iter().filter_map(|one| self.seat(one)).flat_map(|seat| scan.members(&seat)).collect()
    }

    /// What the seat is and uses; `None` if it is gone.
    pub(super) fn measure(&self, started: &Started) -> Option<Measured> {
        let seat = self.seat(started).filter(|_| self.lives(started))?;
        let (at, scan) = self.recent_scan();
        let members = scan.members(&seat);
        Some(Measured { at, usage: scan.usage(&members), members, scan })
    }

    /// Nobody will ask for this process any more.
    pub(super) fn forget(&self, started: &Started) {
        if let Some(identity) = identity(started) {
            self.forget_process(identity);
        }
    }

    /// Nobody will ask for this process any more.
    pub(super) fn forget_process(&self, (pid, start_ticks): Identity) {
        let mut children = self.children.lock();
        if children.get(&pid).is_some_and(|child| child.start_ticks == start_ticks) {
            children.remove(&pid);
        }
    }

    fn seat(&self, started: &Started) -> Option<Seat> {
        Seat::of(&self.state_dir, started)
    }

    fn recent_scan(&self) -> (Moment, Arc<Scan>) {
        let now = self.clock.now();
        let mut last = self.last_scan.lock();
        if let Some((at, scan)) = &*last
            && now.since_ms(*at) < SCAN_AGE_MAX_MS
        {
            return (*at, Arc::clone(scan));
        }
        let scan = Arc::new(Scan::read(&self.state_dir));
        *last = Some((now, Arc::clone(&scan)));
        (now, scan)
    }

    fn end_all(&self, whose: &str, select: impl Fn(&Scan) -> BTreeSet<Identity>) {
        let mut refused = BTreeSet::new();
        let mut dying = BTreeMap::new();
        for _ in 0..ROUNDS_MAX {
            // Who was killed is not found any more once its parent is gone, yet still has to die.
            let members = select(&Scan::read(&self.state_dir));
            let new: BTreeSet<Identity> = members
                .into_iter()
                .filter(|member| !refused.contains(member) && !dying.contains_key(member))
                .collect();
            if new.is_empty() && dying.is_empty() {
                return;
            }
            dying.extend(order_all(&new, Order::Kill, &mut refused));
            process::wait_for_ends(&mut dying, ROUND);
        }
        log::error!("processes of {whose} do not end although they were killed");
    }
}

/// Whether this very process runs.
pub(super) fn lives((pid, start_ticks): Identity) -> bool {
    table::process(pid).is_some_and(|found| found.start_ticks == start_ticks && !found.ended)
}

/// The exit that a template tells; an error if it never will.
async fn exit_told(
    told: &mut watch::Receiver<Option<Exit>>,
) -> Result<Exit, watch::error::RecvError> {
    Ok(told.wait_for(Option::is_some).await?.unwrap_or(Exit::Unknown))
}

/// Who may not be signalled is noted, so that it is tried and logged once.
fn order_all(
    members: &BTreeSet<Identity>,
    order: Order,
    refused: &mut BTreeSet<Identity>,
) -> BTreeMap<Identity, Handle> {
    let mut ordered = BTreeMap::new();
    for (pid, start_ticks) in members {
        let signalled = Handle::open(*pid, *start_ticks).and_then(|handle| {
            if let Some(handle) = handle {
                handle.order(order)?;
                ordered.insert((*pid, *start_ticks), handle);
            }
            Ok(())
        });
        match signalled {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                log::error!("process {pid} cannot be ended: {error}");
                refused.insert((*pid, *start_ticks));
            }
            // Such as for want of descriptors: the next round tries again.
            Err(error) => log::warn!("process {pid} cannot be ended yet: {error}"),
        }
    }
    ordered
}

async fn wait_without_handle((pid, start_ticks): Identity) {
    while table::start_ticks(pid) == Some(start_ticks) {
        tokio::time::sleep(LOOK).await;
    }
}

fn identity(started: &Started) -> Option<Identity> {
    Some((started.pid?, started.process_started_ticks?))
}

fn exit_of(ended: Ended) -> Exit {
    match ended {
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal(signal) => Exit::Signal(signal),
        Ended::Unknown => Exit::Unknown,
    }
}
