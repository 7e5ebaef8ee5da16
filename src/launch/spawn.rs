//! A Streamlit of its own for one seat, started anew: works wherever `python -m streamlit run` does.
//!
//! Usher binds the socket and hands it over (`seat.py`), so there is no race for the port, nobody
//! else can be behind it, connections wait instead of being refused, and small answers leave at
//! once.

use std::os::fd::AsRawFd;
use std::sync::Arc;

use super::begin::{self, Plan};
use super::place::Place;
use super::script::Runnable;
use super::shared::Shared;
use super::streamlit::{COOKIE_SECRET, Run};
use super::{Launch, Started};
use crate::domain::{Failure, LaunchKind};

/// See [`super::Launcher::start`]. At `place` a socket listens already.
pub(super) async fn start(
    shared: &Arc<Shared>,
    launch: &Launch,
    runnable: Runnable,
    mut place: Place,
) -> Result<Started, Failure> {
    let Runnable { script, arguments, python, program, facts, mut environment } = runnable;
    let endpoint = place.endpoint();
    let run = Run::new(launch, &script, &arguments, &endpoint, &environment);
    environment.entry(COOKIE_SECRET.into()).or_insert_with(|| launch.cookie_secret.clone().into());
    let handed = place.take_listener();
    let request = request(&run, handed.as_ref().map(AsRawFd::as_raw_fd));
    let headline = format!(
        "{} runs {} with Streamlit {} on {endpoint}",
        python.display(),
        script.display(),
        facts.streamlit,
    );
    let plan = Plan {
        kind: LaunchKind::Spawn,
        program: python,
        arguments: vec![program.into(), script.into(), request.into()],
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
