//! A Streamlit forked from a warm template: a tenth of the time of a start, and what the template
//! has imported is shared by all. Usher binds the socket and passes it on, as when it spawns.
//!
//! Whatever goes wrong here has not happened: the template kills what it forked unless it is told to
//! keep it, and the place is given back, with its listening socket, for a spawned seat.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::begin::{self, Begun};
use super::environment::Environment;
use super::place::Place;
use super::script::Runnable;
use super::shared::Shared;
use super::streamlit::{COOKIE_SECRET, Run};
use super::template::{Answer, Exchange, Spoilt, Template, Templates};
use super::{Launch, Started, environment, output};
use crate::config::LaunchMode;
use crate::domain::{Failure, LaunchKind};
use crate::platform::{self, passing};

/// Why there is no forked seat.
pub(super) enum NotForked {
    /// There could not be a spawned one either.
    Failed(Failure),
    /// Spawn it, at this place.
    Spawn(Place),
}

/// What doing so is called in failures.
const FORKING: &str = "forking from the template";

/// See [`super::Launcher::start`].
pub(super) async fn start(
    shared: &Arc<Shared>,
    templates: &Arc<Templates>,
    launch: &Launch,
    (runnable, preload): (&Runnable, &[String]),
    mode: LaunchMode,
) -> Result<Started, NotForked> {
    let app = &launch.app;
    let found = templates.template_for(app, preload, runnable, mode).await;
    let failed = NotForked::Failed;
    let place = Place::listening(shared, launch).map_err(failed)?;
    let template = match found {
        Ok(template) => template,
        Err(why) => return Err(instead(templates, launch, mode, place, why.reason, why.for_good)),
    };
    let (attempt, place) = match order(shared, templates, launch, runnable, &place) {
        Ok(order) => {
            let (shared, launch, template) =
                (Arc::clone(shared), launch.clone(), Arc::clone(&template));
            let blocking = move || order.carry_out(&shared, &launch, &template, place, mode);
            match tokio::task::spawn_blocking(blocking).await {
                Ok(Outcome::Begun(begun)) => {
                    templates.note_forked(&app.slug);
                    return Ok(begun.keep());
                }
                Ok(Outcome::Failed(failure)) => return Err(failed(failure)),
                Ok(Outcome::Not(answer, place)) => (answer, place),
                Err(error) => return Err(failed(begin::system(FORKING, &error))),
            }
        }
        Err(reason) => (Answer::Unfit(reason), place),
    };
    let (reason, for_good) = judged(templates, launch, &template, attempt);
    Err(instead(templates, launch, mode, place, reason, for_good))
}

/// What is to be said of a template that did not give a seat, and whether it never will.
fn judged(
    templates: &Templates,
    launch: &Launch,
    template: &Template,
    answer: Answer,
) -> (String, bool) {
    match answer {
        Answer::Spoilt(why) => {
            let reason = match &why {
                Spoilt::Changed(what) => format!("{what} changed"),
                Spoilt::Unfit(why) => why.clone(),
                Spoilt::Silent(why) => format!("its template does not answer ({why})"),
            };
            template.spoil(why);
            (reason, false)
        }
        Answer::Unfit(reason) => {
            templates.note_unfit(&launch.app.slug, template, &reason);
            (reason, true)
        }
        Answer::NotNow(reason) => (reason, false),
        Answer::Seat(..) => ("the seat was given up".to_owned(), false),
    }
}

/// With `launch: fork` an app that cannot be forked fails; all else is spawned.
fn instead(
    templates: &Templates,
    launch: &Launch,
    mode: LaunchMode,
    place: Place,
    reason: String,
    for_good: bool,
) -> NotForked {
    match mode {
        LaunchMode::Fork if for_good => NotForked::Failed(begin::system(FORKING, &reason)),
        LaunchMode::Fork | LaunchMode::Auto | LaunchMode::Spawn => {
            templates.note(&launch.app.slug, reason);
            NotForked::Spawn(place)
        }
    }
}

/// What a template is asked for.
struct Order {
    specification: Vec<u8>,
    headline: String,
}

/// What came of it.
enum Outcome {
    Begun(Begun),
    Failed(Failure),
    Not(Answer, Place),
}

fn order(
    shared: &Shared,
    templates: &Templates,
    launch: &Launch,
    runnable: &Runnable,
    place: &Place,
) -> Result<Order, String> {
    let endpoint = place.endpoint();
    let Runnable { script, arguments, environment, .. } = runnable;
    let run = Run::new(launch, script, arguments, &endpoint, environment);
    let mut environment = environment.clone();
    environment.entry(COOKIE_SECRET.into()).or_insert_with(|| launch.cookie_secret.clone().into());
    environment::identify(&mut environment, launch, &endpoint, &shared.state_name());
    let variables = as_text(&environment)?;
    let working_directory = &launch.app.working_directory;
    let specification = serde_json::json!({
        "script": script,
        "cwd": working_directory,
        "env": variables,
        "args": run.arguments,
        "flags": run.flags,
        "cookie_secret": variables.get(COOKIE_SECRET),
        // As `python -m streamlit` does.
        "sys_path": [working_directory],
        "umask": platform::own_umask(),
        "title": format!("{}: streamlit run {}", launch.key, script.display()),
        "watch_config": run.watches,
        "learn": templates.learned_path(runnable),
    });
    let headline = format!(
        "launch {} of {}: {} on {endpoint}, forked from",
        launch.generation.0,
        launch.key,
        script.display(),
    );
    Ok(Order { specification: specification.to_string().into_bytes(), headline })
}

fn as_text(environment: &Environment) -> Result<BTreeMap<&str, &str>, String> {
    environment
        .iter()
        .map(|(name, value)| match (name.to_str(), value.to_str()) {
            (Some(name), Some(value)) => Ok((name, value)),
            (_, _) => Err(format!("the variable {} is not UTF-8", name.display())),
        })
        .collect()
}

impl Order {
    fn carry_out(
        self,
        shared: &Arc<Shared>,
        launch: &Launch,
        template: &Template,
        place: Place,
        mode: LaunchMode,
    ) -> Outcome {
        let headline = format!("{} {}", self.headline, template.headline());
        let (memory, log) = match given(&self, shared, launch, &headline) {
            Ok(given) => given,
            Err(failure) => return Outcome::Failed(failure),
        };
        let Some(listener) = place.listener() else {
            return Outcome::Not(Answer::NotNow("nobody listens".to_owned()), place);
        };
        let exchange = Exchange::begin(template.socket(), [memory.as_fd(), listener, log.as_fd()]);
        let mut exchange = match exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                let why = Spoilt::Silent(error.to_string());
                return Outcome::Not(Answer::Spoilt(why), place);
            }
        };
        let identity = match exchange.outcome() {
            Answer::Seat(identity, stale) if stale.is_empty() || mode == LaunchMode::Fork => {
                tell_stale(launch, &stale);
                identity
            }
            Answer::Seat(_, stale) => {
                let stale = stale.join(", ");
                let reason = format!("{stale} can only be applied when a process starts");
                return Outcome::Not(Answer::Unfit(reason), place);
            }
            other @ (Answer::Spoilt(_) | Answer::Unfit(_) | Answer::NotNow(_)) => {
                return Outcome::Not(other, place);
            }
        };
        if let Err(error) = shared.processes.watch_forked(identity, template.exit_of(identity)) {
            return Outcome::Failed(begin::system("watching the seat", &error));
        }
        let started = Started {
            key: launch.key.clone(),
            generation: launch.generation,
            kind: LaunchKind::Fork,
            pid: Some(identity.0),
            process_started_ticks: Some(identity.1),
            endpoint: place.endpoint(),
            launched_at: shared.clock.wall(),
            fingerprint: launch.fingerprint,
        };
        match Begun::recorded(shared, started, place, launch) {
            Ok(begun) => {
                // A template that is gone just now holds nothing any more.
                if let Err(error) = exchange.keep() {
                    log::debug!("{}: {error}", launch.key);
                }
                Outcome::Begun(begun)
            }
            Err(failure) => Outcome::Failed(failure),
        }
    }
}

/// What goes to the seat besides its socket: the specification, which the template does not read,
/// and the log.
fn given(
    order: &Order,
    shared: &Shared,
    launch: &Launch,
    headline: &str,
) -> Result<(OwnedFd, File), Failure> {
    begin::make_data_folder(launch)?;
    let log = output::open(&launch.log_file, shared.clock.wall(), headline)
        .map_err(|error| begin::system("opening the app's log", &error))?;
    let memory = passing::memory_file("usher-seat", &order.specification)
        .map_err(|error| begin::system(FORKING, &error))?;
    Ok((memory, log))
}

fn tell_stale(launch: &Launch, stale: &[String]) {
    if !stale.is_empty() {
        let stale = stale.join(", ");
        log::warn!("{}: {stale} can only be applied when a process starts", launch.key);
    }
}
