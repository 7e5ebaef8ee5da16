//! Programs are found as a shell would find them; interpreters are asked once what they have.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::environment::Environment;
use crate::domain::Failure;
use crate::platform::files::{self, Stamp};

/// How long an interpreter may take to say what it has: a cold disk needs seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// As much of what it says besides, in bytes, for the failure.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;
/// Interpreters that are remembered; beyond, all are asked anew.
const REMEMBERED_MAX: usize = 64;

/// What an interpreter has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Streamlit's version.
    pub(super) streamlit: String,
    /// The folder that it is installed in.
    pub(super) package: PathBuf,
}

/// The interpreters that were asked, and what would change their answers.
#[derive(Debug, Default)]
pub(super) struct Interpreters {
    known: Mutex<HashMap<Question, Known>>,
}

/// Two apps with one interpreter may see different packages.
type Question = (PathBuf, Option<OsString>);

#[derive(Debug)]
struct Known {
    facts: Facts,
    stamps: [Option<Stamp>; 2],
}

#[derive(Deserialize)]
struct Answer {
    streamlit: Option<String>,
    package: Option<PathBuf>,
}

impl Interpreters {
    /// What this interpreter has; asked only if it was not before, or changed since.
    ///
    /// # Errors
    /// It cannot be executed, is no Python, or has no Streamlit. None of these is remembered.
    pub(super) async fn facts(
        &self,
        python: &Path,
        program: &Path,
        environment: &Environment,
    ) -> Result<Facts, Failure> {
        let question = (python.to_owned(), environment.get(OsStr::new("PYTHONPATH")).cloned());
        if let Some(known) = self.known.lock().get(&question)
            && known.stamps == stamps(python, &known.facts.package)
        {
            return Ok(known.facts.clone());
        }
        let facts = ask(python, program, environment).await?;
        let known = Known { stamps: stamps(python, &facts.package), facts: facts.clone() };
        let mut all = self.known.lock();
        if all.len() >= REMEMBERED_MAX {
            all.clear();
        }
        all.insert(question, known);
        Ok(facts)
    }
}

/// The program of this name or path: with a slash it is relative to the working directory, without
/// it is looked for in the seat's own PATH.
///
/// # Errors
/// There is none that can be executed.
pub(super) fn find_program(
    name: &Path,
    working_directory: &Path,
    environment: &Environment,
) -> Result<PathBuf, Failure> {
    let missing = |cause: &str| Failure::ProgramMissing {
        program: name.display().to_string(),
        cause: cause.to_owned(),
    };
    if name.components().count() != 1 || name.is_absolute() {
        let path = working_directory.join(name);
        return match std::fs::metadata(&path) {
            Ok(metadata) if files::is_executable(&metadata) => Ok(path),
            Ok(_) => Err(missing("it is not an executable file")),
            Err(error) => Err(missing(&error.to_string())),
        };
    }
    let folders = environment.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default();
    std::env::split_paths(folders)
        .map(|folder| working_directory.join(folder).join(name))
        .find(|path| std::fs::metadata(path).is_ok_and(|metadata| files::is_executable(&metadata)))
        .ok_or_else(|| missing("there is no such program in PATH"))
}

/// What changes when something is installed for an interpreter or removed, or when it is replaced
/// itself; as text, so that it can be written down. `package` is Streamlit's folder.
pub(super) fn surroundings(python: &Path, package: &Path) -> String {
    let of_environment = python.parent().and_then(Path::parent).map(|it| it.join("pyvenv.cfg"));
    [Some(python), Some(package), package.parent(), of_environment.as_deref()]
        .into_iter()
        .map(|path| path.and_then(files::stamp).map_or("-".to_owned(), |stamp| stamp.to_string()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn stamps(python: &Path, package: &Path) -> [Option<Stamp>; 2] {
    [files::stamp(python), files::stamp(package)]
}

async fn ask(python: &Path, program: &Path, environment: &Environment) -> Result<Facts, Failure> {
    let shown = || python.display().to_string();
    let executed = async {
        let (output, complaint, status) = output_of(python, program, environment).await?;
        std::io::Result::Ok((output, complaint, status))
    };
    let (output, complaint, status) = match tokio::time::timeout(ANSWER_TIMEOUT, executed).await {
        Ok(Ok(executed)) => executed,
        Ok(Err(error)) => {
            return Err(Failure::ProgramMissing { program: shown(), cause: error.to_string() });
        }
        Err(_) => {
            return Err(Failure::System {
                doing: "asking the interpreter for Streamlit",
                cause: format!("{}: no answer in {} s", shown(), ANSWER_TIMEOUT.as_secs()),
            });
        }
    };
    let Ok(answer) = serde_json::from_slice::<Answer>(&output) else {
        let last_line = complaint.lines().rev().find(|line| !line.trim().is_empty());
        let said = last_line.map(|line| format!(": {line}")).unwrap_or_default();
        let cause = format!("it does not run Python programs ({status}{said})");
        return Err(Failure::ProgramMissing { program: shown(), cause });
    };
    match (answer.streamlit, answer.package) {
        (Some(streamlit), Some(package)) => Ok(Facts { streamlit, package }),
        (None, _) | (_, None) => Err(Failure::StreamlitMissing { python: shown() }),
    }
}

#[expect(clippy::disallowed_methods, reason = "processes are started in this module")]
async fn output_of(
    python: &Path,
    program: &Path,
    environment: &Environment,
) -> std::io::Result<(Vec<u8>, String, std::process::ExitStatus)> {
    let mut command = std::process::Command::new(python);
    command.arg(program).arg("--ask").env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    crate::platform::detach(&mut command, None);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let (mut output, mut complaint) = (Vec::new(), Vec::new());
    let (answers, complaints) = (child.stdout.take(), child.stderr.take());
    let read = async {
        if let Some(pipe) = answers {
            pipe.take(ANSWER_BYTES_MAX).read_to_end(&mut output).await?;
        }
        std::io::Result::Ok(())
    };
    let read_besides = async {
        if let Some(pipe) = complaints {
            pipe.take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint).await?;
        }
        std::io::Result::Ok(())
    };
    tokio::try_join!(read, read_besides)?;
    let status = child.wait().await?;
    Ok((output, String::from_utf8_lossy(&complaint).into_owned(), status))
}
