//! Starting one template: a process, what it is told, and what it says until it serves. Whoever
//! stops waiting leaves no process behind.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::control::{self, Message};
use super::home::Home;
use super::live::{Birth, Template};
use super::recipe::{Given, Recipe};
use super::record;
use crate::domain::Exit;
use crate::launch::environment::{self, MARK};
use crate::launch::record::remove_file;
use crate::launch::shared::Shared;
use crate::platform::{files, sockets};

/// For the next word of a template that starts: one package may be slow to import from a cold disk.
const WORD_TIMEOUT: Duration = Duration::from_secs(60);
/// For the exit status of a process that has closed its output.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Packages that may end or hang a template one after the other before it is given up for now.
const ATTEMPTS_MAX: u32 = 4;
/// Without an usher and without a seat a template ends after so long.
const ORPHAN_AFTER_S: u32 = 120;

/// Why there is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotHatched {
    /// This environment cannot be forked.
    Refused(String),
    /// It did not work this time.
    Failed(String),
}

/// How one attempt ended.
enum Attempt {
    Hatched(Arc<Template>),
    Not(NotHatched),
    /// Importing this package ended or hung the process.
    Broke(String, String),
}

/// Starts a template and waits until it serves.
///
/// # Errors
/// Why there is none.
pub(super) async fn hatch(
    home: &Arc<Home>,
    recipe: &Recipe,
    given: &Given,
) -> Result<Arc<Template>, NotHatched> {
    for _ in 0..ATTEMPTS_MAX {
        match attempt(home, recipe, given).await {
            Attempt::Hatched(template) => return Ok(template),
            Attempt::Not(why) => return Err(why),
            Attempt::Broke(package, how) => {
                log::warn!("{package} is not imported ahead any more: {how} when it was");
                let (because, detail) = ("broke".to_owned(), how);
                let excluded = control::Excluded { module: package, because, detail };
                home.knowledge.exclude(recipe, &excluded);
            }
        }
    }
    Err(NotHatched::Failed("one package after the other ends it when it is imported".to_owned()))
}

async fn attempt(home: &Arc<Home>, recipe: &Recipe, given: &Given) -> Attempt {
    let (starting_home, starting_recipe) = (Arc::clone(home), recipe.clone());
    let begun = tokio::task::spawn_blocking(move || Egg::lay(&starting_home, &starting_recipe));
    let mut egg = match begun.await.map_err(|error| failed("starting it", &error)) {
        Ok(Ok(egg)) => egg,
        Ok(Err(why)) | Err(why) => return Attempt::Not(why),
    };
    if let Err(error) = egg.tell(home, recipe, given).await {
        return Attempt::Not(failed("telling it what to import", &error));
    }
    egg.hear(home, recipe, given).await
}

/// A process that does not serve yet. It goes when this is dropped.
struct Egg {
    shared: Arc<Shared>,
    number: u64,
    mark: String,
    socket: PathBuf,
    identity: Option<(u32, u64)>,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    hatched: bool,
}

impl Egg {
    fn lay(home: &Home, recipe: &Recipe) -> Result<Self, NotHatched> {
        let number = home.next_number();
        let socket = home.shared.template_socket_path(number);
        let mark = environment::template_mark(&home.shared.state_name(), number);
        let mut egg = Self {
            shared: Arc::clone(&home.shared),
            number,
            mark,
            socket,
            identity: None,
            input: None,
            output: None,
            hatched: false,
        };
        remove_file(&egg.socket);
        let listener = sockets::listen_unix(&egg.socket)
            .map_err(|error| failed("making its socket", &error))?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&listener);
        let mut command = command(home, recipe, &egg.mark)?;
        command.arg("--listen-fd").arg(number.to_string());
        let (identity, mut child) = egg
            .shared
            .processes
            .spawn(command, Some(listener.as_fd()))
            .map_err(|error| failed("starting it", &error))?;
        egg.identity = Some(identity);
        egg.input = child.stdin.take();
        egg.output = child.stdout.take();
        Ok(egg)
    }

    async fn tell(&mut self, home: &Home, recipe: &Recipe, given: &Given) -> std::io::Result<()> {
        let configuration = serde_json::json!({
            "preload": recipe.preload,
            "scripts": given.scripts,
            "learned": given.learned,
            "exclude": home.knowledge.excluded(recipe),
            "orphan_after_s": ORPHAN_AFTER_S,
        });
        if let Some(input) = self.input.take() {
            let mut input = tokio::process::ChildStdin::from_std(input)?;
            match input.write_all(configuration.to_string().as_bytes()).await {
                // It has ended already, and its last words say why.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        Ok(())
    }

    async fn hear(mut self, home: &Home, recipe: &Recipe, given: &Given) -> Attempt {
        let output = self.output.take().map(tokio::process::ChildStdout::from_std);
        let Some(Ok(output)) = output else {
            return Attempt::Not(NotHatched::Failed("it has no output".to_owned()));
        };
        let mut reader = tokio::io::BufReader::new(output);
        let mut importing = None;
        loop {
            match tokio::time::timeout(WORD_TIMEOUT, control::next(&mut reader)).await {
                Ok(Ok(Some(message))) => match message {
                    Message::Importing(package) => importing = Some(package),
                    Message::Excluded(excluded) => {
                        importing = None;
                        self.exclude(home, recipe, &excluded);
                    }
                    Message::Ready(_) => return self.serve(home, recipe, given).await,
                    Message::Refused(refused) => {
                        let control::Refused { reason, detail } = refused;
                        return Attempt::Not(NotHatched::Refused(format!("{reason}: {detail}")));
                    }
                    other @ (Message::Template(_)
                    | Message::Forked(_)
                    | Message::Seat(_)
                    | Message::Failed(_)
                    | Message::Exited(_)
                    | Message::Error(_)) => {
                        return Attempt::Not(failed("starting it", &format!("{other:?}")));
                    }
                },
                Ok(Ok(None)) => return broke(importing, &self.end().await),
                Ok(Err(error)) => return Attempt::Not(failed("listening to it", &error)),
                Err(_) => {
                    let how = format!("nothing happened for {} s", WORD_TIMEOUT.as_secs());
                    return broke(importing, &how);
                }
            }
        }
    }

    fn exclude(&self, home: &Home, recipe: &Recipe, excluded: &control::Excluded) {
        let control::Excluded { module, because, detail } = excluded;
        log::info!(
            "template {}: {module} is not imported ahead ({because}: {detail})",
            self.number
        );
        // Names in brackets are steps of this one start.
        if !module.starts_with('(') {
            home.knowledge.exclude(recipe, excluded);
        }
    }

    async fn serve(mut self, home: &Home, recipe: &Recipe, given: &Given) -> Attempt {
        let Some(identity) = self.identity else {
            return Attempt::Not(NotHatched::Failed("it has no process".to_owned()));
        };
        let birth = Birth {
            key: recipe.key(),
            number: self.number,
            identity,
            mark: self.mark.clone(),
            socket: self.socket.clone(),
            given: given.clone(),
        };
        let template = match Template::listen(birth).await {
            Ok(template) => template,
            Err(error) => return Attempt::Not(failed("listening to it", &error)),
        };
        let boot_id = self.shared.boot_id();
        if let Err(error) =
            record::write(&home.folder, &template.birth, boot_id, &home.programs.version)
        {
            return Attempt::Not(failed("recording it", &error));
        }
        self.hatched = true;
        home.admit(&template);
        Attempt::Hatched(template)
    }

    /// How the process ended.
    async fn end(&self) -> String {
        let Some(identity) = self.identity else { return "it never began".to_owned() };
        let exit = self.shared.processes.exit_of(identity);
        match tokio::time::timeout(EXIT_TIMEOUT, exit).await.unwrap_or(Exit::Unknown) {
            Exit::Unknown => "it fell silent".to_owned(),
            exit @ (Exit::Code(_) | Exit::Signal(_) | Exit::OutOfMemory { .. }) => {
                format!("it ended with {exit}")
            }
        }
    }
}

impl Drop for Egg {
    fn drop(&mut self) {
        if !self.hatched {
            self.shared.processes.end_template(&self.mark);
            if let Some(identity) = self.identity {
                self.shared.processes.forget_process(identity);
            }
            remove_file(&self.socket);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "processes are started in src/launch")]
fn command(home: &Home, recipe: &Recipe, mark: &str) -> Result<Command, NotHatched> {
    let program = home
        .programs
        .write(&home.shared)
        .map_err(|error| failed("writing its programs", &error))?;
    let log = home.log_path(&recipe.key());
    remove_file(&log);
    let log = files::create_private(&log).map_err(|error| failed("opening its log", &error))?;
    let mut command = Command::new(&recipe.python);
    command.arg("-I").arg(program);
    command.env_clear().envs(&recipe.environment).env(MARK, mark);
    command.current_dir(&recipe.working_directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    Ok(command)
}

fn broke(importing: Option<String>, how: &str) -> Attempt {
    match importing {
        Some(package) => Attempt::Broke(package, how.to_owned()),
        None => Attempt::Not(NotHatched::Failed(how.to_owned())),
    }
}

fn failed(doing: &str, error: &dyn std::fmt::Display) -> NotHatched {
    NotHatched::Failed(format!("{doing}: {error}"))
}
