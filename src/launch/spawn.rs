//! A Streamlit of its own for one seat, started anew: works wherever `python -m streamlit run` does.
//!
//! Usher binds the socket and hands it over ([`SEAT_PROGRAM`]), so there is no race for the port,
//! nobody else can be behind it, connections wait instead of being refused, and small answers leave
//! at once.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use super::begin::{self, Plan};
use super::environment;
use super::interpreter;
use super::place::Place;
use super::shared::Shared;
use super::streamlit::{COOKIE_SECRET, Run};
use super::{Launch, Started};
use crate::domain::{Failure, LaunchKind};

/// Runs Streamlit on a socket that it is given.
const SEAT_PROGRAM: &str = include_str!("seat.py");

/// The program of a Streamlit app, of [`crate::config::Program::Streamlit`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    /// The script; absolute.
    pub(super) script: &'a Path,
    /// The interpreter: a path, or a name to look for in PATH.
    pub(super) python: &'a Path,
    /// After the script.
    pub(super) arguments: &'a [String],
}

/// See [`super::Launcher::start`].
pub(super) async fn start(
    shared: &Arc<Shared>,
    launch: &Launch,
    script: Script<'_>,
) -> Result<Started, Failure> {
    let mut environment = environment::of_app(std::env::vars_os(), launch);
    begin::check_working_directory(&launch.app.working_directory)?;
    if !script.script.is_file() {
        return Err(Failure::ScriptMissing { path: script.script.display().to_string() });
    }
    let python =
        interpreter::find_program(script.python, &launch.app.working_directory, &environment)?;
    let program = shared
        .program("seat.py", SEAT_PROGRAM)
        .map_err(|error| begin::system("writing the seat's program", &error))?;
    let facts = shared.interpreters.facts(&python, &program, &environment).await?;

    let mut place = Place::listening(shared, launch)?;
    let endpoint = place.endpoint();
    let run = Run::new(launch, script.script, script.arguments, &endpoint, &environment);
    environment.entry(COOKIE_SECRET.into()).or_insert_with(|| launch.cookie_secret.clone().into());
    let handed = place.take_listener();
    let request = request(&run, handed.as_ref().map(AsRawFd::as_raw_fd));
    let headline = format!(
        "{} runs {} with Streamlit {} on {endpoint}",
        python.display(),
        script.script.display(),
        facts.streamlit,
    );
    let plan = Plan {
        kind: LaunchKind::Spawn,
        program: python,
        arguments: vec![program.into(), script.script.into(), request.into()],
        environment,
        place,
        handed,
        headline,
    };
    begin::begin(shared, launch, plan).await
}

fn request(run: &Run, socket: Option<i32>) -> String {
    serde_json::json!({
        "socket": socket,
        "flags": run.flags,
        "args": run.arguments,
        "watch_config": run.watches,
    })
    .to_string()
}
