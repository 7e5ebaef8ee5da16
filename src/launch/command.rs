//! Any program that listens where it is told: it binds by itself, so its port may be taken in
//! between, and what answers is checked before it is believed.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::begin::{self, Plan};
use super::environment;
use super::interpreter;
use super::place::Place;
use super::shared::Shared;
use super::{Launch, Started};
use crate::domain::{Endpoint, Failure, LaunchKind};

/// See [`super::Launcher::start`].
pub(super) async fn start(
    shared: &Arc<Shared>,
    launch: &Launch,
    argv: &[String],
) -> Result<Started, Failure> {
    let environment = environment::of_app(std::env::vars_os(), &launch.app);
    let working_directory = &launch.app.working_directory;
    begin::check_working_directory(working_directory)?;
    let Some((name, rest)) = argv.split_first() else {
        return Err(Failure::ProgramMissing {
            program: String::new(),
            cause: "the command is empty".to_owned(),
        });
    };
    let program = interpreter::find_program(Path::new(name), working_directory, &environment)?;
    let place = Place::free(shared, launch)?;
    let names = Names::of(launch, &place.endpoint());
    let arguments: Vec<String> = rest.iter().map(|argument| names.fill_in(argument)).collect();
    let headline = std::iter::once(name).chain(&arguments).cloned().collect::<Vec<_>>().join(" ");
    let plan = Plan {
        kind: LaunchKind::Command,
        program,
        arguments: arguments.into_iter().map(OsString::from).collect(),
        environment,
        place,
        handed: None,
        headline,
    };
    begin::begin(shared, launch, plan).await
}

/// What stands for `{port}` and its like.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn of(launch: &Launch, endpoint: &Endpoint) -> Self {
        let (place, address) = match endpoint {
            Endpoint::Tcp(address) => ("{port}", address.port().to_string()),
            Endpoint::Unix(path) => ("{socket}", path.display().to_string()),
        };
        Self(vec![
            (place, address),
            ("{base_path}", launch.base_path.clone()),
            ("{user}", launch.key.user.as_str().to_owned()),
            ("{data}", launch.data_dir.display().to_string()),
        ])
    }

    /// From left to right and once: a value that looks like a name stays as it is. Other text in
    /// braces is the program's own.
    fn fill_in(&self, argument: &str) -> String {
        let mut filled = String::with_capacity(argument.len());
        let mut rest = argument;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            match self.0.iter().find(|(name, _)| from.starts_with(name)) {
                Some((name, value)) => {
                    filled.push_str(value);
                    rest = &from[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &from[1..];
                }
            }
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once() {
        let names = Names(vec![
            ("{port}", "8501".to_owned()),
            ("{user}", "{port}".to_owned()),
            ("{base_path}", String::new()),
        ]);
        for (argument, expected) in [
            ("--port={port}", "--port=8501"),
            ("{port}{port}", "85018501"),
            ("{user}", "{port}"),
            ("-b{base_path}/x", "-b/x"),
            ("{socket} {{port} {", "{socket} {8501 {"),
            ("포트 {port}", "포트 8501"),
        ] {
            assert_eq!(names.fill_in(argument), expected);
        }
    }
}
