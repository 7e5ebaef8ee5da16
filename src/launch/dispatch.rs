//! The [`Launcher`] of the program: picks the kind that an app's entry asks for. Everything after
//! the start is the same for all kinds that have a process.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::fork::{self, NotForked};
use super::health::{Answer, Pauses, Question};
use super::place::Place;
use super::script::{Runnable, Script};
use super::shared::Shared;
use super::template::Templates;
use super::{
    Allowance, Keeping, Launch, Launcher, Started, Usage, command, output, spawn, upstream,
};
use crate::clock::Clock;
use crate::config::{App, LaunchMode, Program};
use crate::domain::{AppSlug, Endpoint, Exit, Failure, LaunchKind, SeatKey};
use crate::platform::sockets;

/// Launches of every kind. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Launchers {
    shared: Arc<Shared>,
    templates: Arc<Templates>,
}

impl Launchers {
    /// Makes the folders below `state_dir` that are missing, for this account only. Call
    /// [`Launcher::survivors`] before the first start.
    ///
    /// # Errors
    /// What the system says of the folders.
    pub fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(state_dir, clock)?);
        let templates = Arc::new(Templates::new(&shared));
        Ok(Self { shared, templates })
    }

    /// The folder that the Streamlit of an app is installed in; `None`: it is no Streamlit app, or
    /// it could not be started either.
    pub async fn streamlit_of(&self, app: &App) -> Option<PathBuf> {
        let Program::Streamlit { script, python, arguments, .. } = &app.program else {
            return None;
        };
        let script = Script { script, python, arguments };
        match Runnable::find(&self.shared, app, script).await {
            Ok(runnable) => Some(runnable.facts.package),
            Err(failure) => {
                log::debug!("{}: {failure}", app.slug);
                None
            }
        }
    }

    /// No start will follow. Seats run on; what is kept warm for further starts ends, or with `keep`
    /// stays for the next usher.
    pub async fn close(&self, keep: bool) {
        self.shared.limits.close();
        self.templates.close(keep).await;
    }

    /// Whether the other end of a connection within this machine is a process of a seat. `peer` and
    /// `local` are as the door sees them, canonical. Blocks for well under a millisecond as a rule.
    pub fn is_from_seat(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        self.shared.origins.is_seat(peer, local)
    }

    async fn start_streamlit(
        &self,
        launch: &Launch,
        script: Script<'_>,
        mode: LaunchMode,
        preload: &[String],
    ) -> Result<Started, Failure> {
        let runnable = Runnable::find(&self.shared, &launch.app, script).await?;
        let place = match mode {
            LaunchMode::Spawn => Place::listening(&self.shared, launch)?,
            LaunchMode::Auto | LaunchMode::Fork => {
                let what = (&runnable, preload);
                match fork::start(&self.shared, &self.templates, launch, what, mode).await {
                    Ok(started) => return Ok(started),
                    Err(NotForked::Failed(failure)) => return Err(failure),
                    Err(NotForked::Spawn(place)) => place,
                }
            }
        };
        spawn::start(&self.shared, launch, runnable, place).await
    }

    /// Runs what blocks for longer than a request should wait; `None` if it panicked.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Option<T> {
        let shared = Arc::clone(&self.shared);
        let done = tokio::task::spawn_blocking(move || work(&shared)).await;
        done.inspect_err(|error| log::error!("launch: {error}")).ok()
    }

    /// Whether the one that answers is the seat: `Ok(false)` if nobody is there any more.
    async fn is_the_seat(&self, started: &Started, listener: Option<u32>) -> Result<bool, Failure> {
        let seat = started.clone();
        let judged = self.blocking(move |shared| match &seat.endpoint {
            Endpoint::Tcp(address) if shared.ports.is_as_made(address.port()) => Ok(true),
            Endpoint::Tcp(address) => {
                let members = shared.processes.members(&seat);
                let held = members.iter().flat_map(|pid| sockets::sockets_of(*pid)).collect();
                judge_port(&sockets::listening_at(*address), &held, address.port())
            }
            // Usher has bound the socket of these itself, in a folder that is its own.
            Endpoint::Unix(_) if seat.kind != LaunchKind::Command => Ok(true),
            Endpoint::Unix(path) => match listener {
                Some(pid) if !shared.processes.members(&seat).contains(&pid) => {
                    let holder = crate::platform::table::name(pid);
                    let cause = format!("{holder} (pid {pid}) listens at {}", path.display());
                    Err(Failure::System { doing: "connecting to the seat", cause })
                }
                Some(_) | None => Ok(true),
            },
        });
        judged.await.unwrap_or(Ok(false))
    }
}

/// Of the sockets that would answer, all have to be the seat's: several may share a port.
fn judge_port(
    listening: &[sockets::Listening],
    held: &std::collections::BTreeSet<u64>,
    port: u16,
) -> Result<bool, Failure> {
    let foreign: Vec<_> =
        listening.iter().filter(|socket| !held.contains(&socket.inode)).cloned().collect();
    if foreign.is_empty() {
        return Ok(!listening.is_empty());
    }
    Err(Failure::PortTaken { port, holder: sockets::holder(&foreign) })
}

#[async_trait]
impl Launcher for Launchers {
    async fn start(&self, launch: &Launch) -> Result<Started, Failure> {
        match &launch.app.program {
            Program::Streamlit { script, python, arguments, launch: mode, preload } => {
                self.shared.remember_log(&launch.key, &launch.log_file);
                let script = Script { script, python, arguments };
                self.start_streamlit(launch, script, *mode, preload).await
            }
            Program::Command { argv } => {
                self.shared.remember_log(&launch.key, &launch.log_file);
                command::start(&self.shared, launch, argv).await
            }
            Program::Upstream { address } => {
                Ok(upstream::started(launch, *address, self.shared.clock.wall()))
            }
        }
    }

    async fn healthy(&self, app: &App, started: &Started) -> Result<(), Failure> {
        let question = Question::of(app);
        let mut pauses = Pauses::new();
        let mut is_known = false;
        loop {
            let answer = question.ask(&started.endpoint).await;
            match (started.kind, answer) {
                (LaunchKind::Upstream, Answer::Healthy(_)) => return Ok(()),
                (LaunchKind::Upstream, Answer::Nobody) => {
                    return Err(Failure::UpstreamDown { address: started.endpoint.to_string() });
                }
                (LaunchKind::Upstream, Answer::NotYet) | (_, Answer::Nobody) => {}
                // A wrong answer may be somebody else's: then there is no use in waiting.
                (_, Answer::NotYet) => {
                    is_known = is_known || self.is_the_seat(started, None).await?;
                }
                (_, Answer::Healthy(listener)) => {
                    if self.is_the_seat(started, listener).await? {
                        return Ok(());
                    }
                }
            }
            pauses.pause().await;
        }
    }

    async fn exited(&self, started: &Started) -> Exit {
        let exit = self.shared.processes.exited(started).await;
        self.shared.limits.exit_of(started, exit)
    }

    async fn stop(&self, started: &Started) {
        let seat = started.clone();
        self.blocking(move |shared| {
            shared.limits.let_go(&seat);
            shared.processes.stop(&seat);
        })
        .await;
    }

    async fn kill(&self, started: &Started) {
        let seat = started.clone();
        self.blocking(move |shared| shared.processes.end(&seat)).await;
    }

    async fn forget(&self, started: &Started) {
        if started.kind != LaunchKind::Upstream {
            let seat = started.clone();
            self.blocking(move |shared| shared.clean(&seat)).await;
        }
    }

    async fn survivors(&self) -> Vec<Started> {
        let templates = Arc::clone(&self.templates);
        let looked = self.blocking(move |shared| {
            let found = templates.find();
            let seats = shared.survivors(&found.marks_and_sockets());
            (found, seats)
        });
        let Some((found, seats)) = looked.await else { return Vec::new() };
        self.templates.adopt(found, &seats).await;
        seats
    }

    fn vanished(&self) -> Vec<Started> {
        self.shared.vanished()
    }

    fn prepare(&self, apps: &[Arc<App>]) {
        self.templates.prepare(apps);
    }

    fn why_not_fork(&self, app: &AppSlug) -> Option<String> {
        self.templates.why_not(app)
    }

    fn weigh(&self, started: &Started, allowance: Allowance) -> Option<Usage> {
        let found = self.shared.processes.measure(started)?;
        let is_slowed_down = self.shared.limits.measured(started, allowance, &found);
        Some(Usage { is_slowed_down, ..found.usage })
    }

    fn keeping(&self) -> Keeping {
        self.shared.limits.keeping()
    }

    async fn log_tail(&self, key: &SeatKey, lines_max: usize) -> Vec<String> {
        let key = key.clone();
        let tail = self.blocking(move |shared| {
            shared.log_file(&key).map(|path| output::tail(&path, lines_max))
        });
        tail.await.flatten().unwrap_or_default()
    }
}
