//! A Streamlit app with everything that has to be there to run it, however it is started: looked up
//! once per start, so that a fault has the same name and the same place whichever way is taken.

use std::path::{Path, PathBuf};

use super::begin;
use super::environment::{self, Environment};
use super::interpreter::{self, Facts};
use super::shared::Shared;
use crate::config::App;
use crate::domain::Failure;

/// Runs Streamlit on a socket that it is given, and says what an interpreter has.
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

/// A script that can be run.
#[derive(Clone, Debug)]
pub(super) struct Runnable {
    /// The script; a file.
    pub(super) script: PathBuf,
    /// After the script.
    pub(super) arguments: Vec<String>,
    /// The interpreter; executable.
    pub(super) python: PathBuf,
    /// Usher's own program for a spawned seat.
    pub(super) program: PathBuf,
    /// What the interpreter has.
    pub(super) facts: Facts,
    /// What every seat of this app gets; nothing of one user's.
    pub(super) environment: Environment,
}

impl Runnable {
    /// Looks whether all is there.
    ///
    /// # Errors
    /// What is missing.
    pub(super) async fn find(
        shared: &Shared,
        app: &App,
        script: Script<'_>,
    ) -> Result<Self, Failure> {
        let environment = environment::of_app(std::env::vars_os(), app);
        begin::check_working_directory(&app.working_directory)?;
        if !script.script.is_file() {
            return Err(Failure::ScriptMissing { path: script.script.display().to_string() });
        }
        let python =
            interpreter::find_program(script.python, &app.working_directory, &environment)?;
        let program = shared
            .program("seat.py", SEAT_PROGRAM)
            .map_err(|error| begin::system("writing the seat's program", &error))?;
        let facts = shared.interpreters.facts(&python, &program, &environment).await?;
        let (script, arguments) = (script.script.to_owned(), script.arguments.to_vec());
        Ok(Self { script, arguments, python, program, facts, environment })
    }
}
