//! From a plan to a recorded process: the same for every kind that has a process of its own. Until
//! the process is handed out, dropping it ends it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::environment::{self, Environment};
use super::place::Place;
use super::shared::Shared;
use super::{Allowance, Launch, Started, output};
use crate::domain::{Failure, LaunchKind};
use crate::platform::files;

/// What is to be started.
pub(super) struct Plan {
    /// How it is called.
    pub(super) kind: LaunchKind,
    /// An executable file.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<OsString>,
    /// What [`environment::of_app`] made, and what this kind adds.
    pub(super) environment: Environment,
    /// Where it will listen.
    pub(super) place: Place,
    /// The socket that listens there already; the process gets it under the same number.
    pub(super) handed: Option<OwnedFd>,
    /// For the first line of the log.
    pub(super) headline: String,
}

/// Whether the working directory is there.
///
/// # Errors
/// It is not.
pub(super) fn check_working_directory(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    Err(Failure::WorkingDirectoryMissing { path: path.display().to_string() })
}

/// Starts and records it. If the caller stops waiting, nothing is left behind.
///
/// # Errors
/// Why there is no process.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    launch: &Launch,
    plan: Plan,
) -> Result<Started, Failure> {
    let (shared, launch) = (Arc::clone(shared), launch.clone());
    // Forking and writing take milliseconds that no request should wait for.
    match tokio::task::spawn_blocking(move || Begun::new(&shared, &launch, plan)).await {
        Ok(begun) => Ok(begun?.keep()),
        Err(error) => Err(system("starting a process", &error)),
    }
}

/// A process that nobody else knows of yet.
pub(super) struct Begun {
    shared: Arc<Shared>,
    started: Started,
    place: Option<Place>,
}

impl Begun {
    fn new(shared: &Arc<Shared>, launch: &Launch, mut plan: Plan) -> Result<Self, Failure> {
        make_data_folder(launch)?;
        let endpoint = plan.place.endpoint();
        let launched_at = shared.clock.wall();
        environment::identify(&mut plan.environment, launch, &endpoint, &shared.state_name());

        let command = command(shared, launch, &plan)?;
        let ((pid, start_ticks), _) = shared
            .processes
            .spawn(command, plan.handed.as_ref().map(AsFd::as_fd))
            .map_err(|error| not_executed(&plan.program, &error))?;
        let started = Started {
            key: launch.key.clone(),
            generation: launch.generation,
            kind: plan.kind,
            pid: Some(pid),
            process_started_ticks: Some(start_ticks),
            endpoint,
            launched_at,
            fingerprint: launch.fingerprint,
        };
        Self::recorded(shared, started, plan.place, launch)
    }

    /// Writes down what was started; it is ended if that fails. For a full disk nobody is turned
    /// away: the seat is not written down then, so the next usher ends it rather than adopts it.
    ///
    /// # Errors
    /// It cannot be written, and not for want of space.
    pub(super) fn recorded(
        shared: &Arc<Shared>,
        started: Started,
        place: Place,
        launch: &Launch,
    ) -> Result<Self, Failure> {
        let Launch { app, log_file, .. } = launch;
        let allowance = Allowance {
            cpu_max_millicores: app.cpu_max_millicores,
            memory_max_bytes: app.memory_max_bytes,
        };
        let begun = Self { shared: Arc::clone(shared), started, place: Some(place) };
        match shared.record(&begun.started, log_file) {
            Err(error) if files::is_want_of_space(&error) => {
                let key = &begun.started.key;
                log::warn!("seat {key}: it is not written down and ends with this usher: {error}");
            }
            written => written.map_err(|error| system("recording the seat", &error))?,
        }
        shared.limits.begun(&begun.started, allowance);
        Ok(begun)
    }

    /// Somebody knows of it from now on.
    pub(super) fn keep(mut self) -> Started {
        if let Some(place) = self.place.take() {
            place.keep();
        }
        self.started.clone()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.shared.processes.end(&self.started);
            self.shared.clean(&self.started);
        }
    }
}

/// Makes the user's folder. An app that needs it on a full disk says so by itself; others need not
/// suffer.
///
/// # Errors
/// It cannot be made, and not for want of space.
pub(super) fn make_data_folder(launch: &Launch) -> Result<(), Failure> {
    match files::make_private_folder(&launch.data_dir) {
        Err(error) if files::is_want_of_space(&error) => {
            log::warn!("{}: {error}; {} starts without", launch.data_dir.display(), launch.key);
            Ok(())
        }
        made => made.map_err(|error| system("making the user's data folder", &error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "processes are started in this module")]
fn command(shared: &Shared, launch: &Launch, plan: &Plan) -> Result<Command, Failure> {
    let unwritable = |error| system("opening the app's log", &error);
    let headline = format!("launch {} of {}: {}", launch.generation.0, launch.key, plan.headline);
    let log = output::open(&launch.log_file, shared.clock.wall(), &headline).map_err(unwritable)?;
    let log_too = log.try_clone().map_err(unwritable)?;
    let mut command = Command::new(&plan.program);
    command.args(&plan.arguments).env_clear().envs(&plan.environment);
    command.current_dir(&launch.app.working_directory);
    command.stdin(Stdio::null()).stdout(log).stderr(log_too);
    Ok(command)
}

/// The system was short of something, or the file is not what can be executed.
fn not_executed(program: &Path, error: &io::Error) -> Failure {
    use io::ErrorKind::{Other, OutOfMemory, WouldBlock};
    if matches!(error.kind(), OutOfMemory | WouldBlock | Other) {
        return system("starting a process", error);
    }
    Failure::ProgramMissing { program: program.display().to_string(), cause: error.to_string() }
}

/// What the system refused, for people.
pub(super) fn system(doing: &'static str, error: &dyn std::fmt::Display) -> Failure {
    Failure::System { doing, cause: error.to_string() }
}
