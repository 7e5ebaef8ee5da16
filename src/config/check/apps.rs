//! `apps`: what each app runs, and the settings that go with that kind of program.

use std::net::SocketAddr;
use std::path::Path;

use super::{Base, files};
use crate::config::keys::{app, restart, top};
use crate::config::kinds::{AppName, Scalar as _};
use crate::config::report::{quoted, wrong};
use crate::config::scope::Scope;
use crate::config::table::Key;
use crate::config::{App, Connect, Program, SEAT_SOCKET_BYTES, SOCKET_PATH_BYTES_MAX};
use crate::domain::AppSlug;

/// What `{…}` stands for in a command.
const PLACEHOLDERS: [&str; 5] = ["port", "base_path", "socket", "user", "data"];

/// An app as far as it could be read.
pub(super) struct Draft<'c> {
    /// Its mapping.
    pub(super) scope: Scope<'c>,
    /// Its name, if it is one.
    pub(super) slug: Option<AppSlug>,
    /// What it runs, if that is clear.
    pub(super) kind: Option<Kind>,
    /// See [`App::connect`].
    pub(super) connect: Option<Connect>,
    /// Where it runs, if it is an upstream.
    pub(super) upstream: Option<SocketAddr>,
    /// All of it, if nothing is wrong.
    app: Option<App>,
}

/// The three kinds of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `script`
    Script,
    /// `command`
    Command,
    /// `upstream`
    Upstream,
}

impl Kind {
    fn key(self) -> &'static str {
        match self {
            Kind::Script => app::SCRIPT.name,
            Kind::Command => app::COMMAND.name,
            Kind::Upstream => app::UPSTREAM.name,
        }
    }
}

/// Reads all apps in the order of the file.
pub(super) fn read<'c>(scope: &Scope<'c>, base: &Base) -> Vec<Draft<'c>> {
    let draft = |(entry, inner): (&crate::config::file::Entry, Scope<'c>)| {
        let slug = AppName
            .parse(&entry.key, true)
            .map_err(|wrong| inner.problem_with_name(entry.place, wrong))
            .ok();
        one(inner, slug, base)
    };
    scope.named(&top::APPS).into_iter().map(draft).collect()
}

/// Tells where a program is to bind a socket by itself whose path is too long for that.
pub(super) fn check_sockets(drafts: &[Draft<'_>], state_dir: &Path) {
    let most = SOCKET_PATH_BYTES_MAX - SEAT_SOCKET_BYTES;
    let has = state_dir.as_os_str().len();
    if has <= most {
        return;
    }
    for draft in drafts {
        if (draft.kind, draft.connect) == (Some(Kind::Command), Some(Connect::Unix)) {
            let sentence = format!(
                "the path of the program's socket would be too long: `state_dir` has {has} bytes"
            );
            let hint = format!("use `connect: tcp`, or a `state_dir` of at most {most} bytes");
            draft.scope.problem(&app::CONNECT, wrong(sentence, hint));
        }
    }
}

/// The apps, if nothing is wrong with any.
pub(super) fn complete(drafts: Vec<Draft<'_>>) -> Option<Vec<App>> {
    drafts.into_iter().map(|draft| draft.app).collect()
}

fn one<'c>(scope: Scope<'c>, slug: Option<AppSlug>, base: &Base) -> Draft<'c> {
    let kind = kind(&scope);
    let connect = scope.read(&app::CONNECT);
    let program = program(&scope, kind, connect, base);
    tell_useless(&scope, kind, connect);
    let upstream = match &program {
        Some(Program::Upstream { address }) => Some(*address),
        Some(Program::Streamlit { .. } | Program::Command { .. }) | None => None,
    };
    let app = rest(&scope, slug.clone(), program, connect, base);
    Draft { scope, slug, kind, connect, upstream, app }
}

fn kind(scope: &Scope<'_>) -> Option<Kind> {
    let set = [
        (Kind::Script, scope.is_set(&app::SCRIPT)),
        (Kind::Command, scope.is_set(&app::COMMAND)),
        (Kind::Upstream, scope.is_set(&app::UPSTREAM)),
    ];
    let kinds: Vec<Kind> = set.iter().filter(|(_, set)| *set).map(|(kind, _)| *kind).collect();
    match kinds.as_slice() {
        [kind] => Some(*kind),
        [] => {
            let hint = "such as `script: src/main.py`";
            scope.problem_here(wrong("needs `script`, `command` or `upstream`", hint));
            None
        }
        several => {
            let names: Vec<_> = several.iter().map(|kind| quoted(kind.key())).collect();
            let sentence = format!("has {} at once", names.join(" and "));
            scope.problem_here(wrong(sentence, "keep one of them"));
            None
        }
    }
}

fn program(
    scope: &Scope<'_>,
    kind: Option<Kind>,
    connect: Option<Connect>,
    base: &Base,
) -> Option<Program> {
    // All are read in any case: what is wrong with them is worth telling.
    let script = scope.read(&app::SCRIPT);
    let argv = scope.read(&app::COMMAND);
    let upstream = scope.read(&app::UPSTREAM);
    let python = scope.read(&app::PYTHON).map(|path| base.program(&path));
    let arguments = scope.read(&app::ARGUMENTS);
    let (launch, preload) = (scope.read(&app::LAUNCH), scope.read(&app::PRELOAD));
    match kind? {
        Kind::Script => {
            let script = base.resolve(&script??);
            files::expect(scope, &app::SCRIPT, &script, "the script");
            let python = python?;
            files::expect_program(scope, &app::PYTHON, &python);
            Some(Program::Streamlit {
                script,
                python,
                arguments: arguments?.into_iter().map(|item| item.value).collect(),
                launch: launch?,
                preload: preload?.into_iter().map(|item| item.value).collect(),
            })
        }
        Kind::Command => {
            let argv = argv??.into_iter().map(|item| item.value).collect();
            command(scope, argv, connect, base)
        }
        Kind::Upstream => Some(Program::Upstream { address: upstream?? }),
    }
}

fn command(
    scope: &Scope<'_>,
    mut argv: Vec<String>,
    connect: Option<Connect>,
    base: &Base,
) -> Option<Program> {
    if connect == Some(Connect::Unix) && !argv.iter().any(|argument| argument.contains("{socket}"))
    {
        let hint = "pass {socket} in an argument, or use `connect: tcp`";
        scope.problem(&app::COMMAND, wrong("nothing tells the program its socket", hint));
    }
    for argument in &argv {
        if let Some(name) = unknown_placeholder(argument) {
            let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            let sentence = format!("{{{name}}} stands for nothing and is passed as it is");
            scope.warning(&app::COMMAND, wrong(sentence, format!("known are {known}")));
        }
    }
    let first = argv.first_mut().filter(|first| !first.is_empty());
    let Some(first) = first else {
        scope.problem(&app::COMMAND, wrong("names no program", "the first item is the program"));
        return None;
    };
    let program = base.program(Path::new(first.as_str()));
    files::expect_program(scope, &app::COMMAND, &program);
    *first = program.to_str()?.to_owned();
    Some(Program::Command { argv })
}

/// The first `{word}` that is not replaced; other braces are the program's own business.
fn unknown_placeholder(argument: &str) -> Option<&str> {
    argument
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .filter(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        })
        .find(|name| !PLACEHOLDERS.contains(name))
}

/// Tells settings that have no effect on this kind of program.
fn tell_useless(scope: &Scope<'_>, kind: Option<Kind>, connect: Option<Connect>) {
    let Some(kind) = kind else { return };
    if kind != Kind::Script {
        useless(scope, &app::PYTHON, kind);
        useless(scope, &app::ARGUMENTS, kind);
        useless(scope, &app::LAUNCH, kind);
        useless(scope, &app::PRELOAD, kind);
    }
    if kind == Kind::Upstream {
        useless(scope, &app::WORKING_DIRECTORY, kind);
        useless(scope, &app::ENVIRONMENT, kind);
        useless(scope, &app::PORTS, kind);
        useless(scope, &app::CONNECT, kind);
        useless(scope, &app::MEMORY_MAX, kind);
        useless(scope, &app::CPU_MAX, kind);
    }
    if kind != Kind::Upstream && connect == Some(Connect::Unix) && scope.is_set(&app::PORTS) {
        let hint = "remove it, or use `connect: tcp`";
        scope.problem(&app::PORTS, wrong("has no effect with `connect: unix`", hint));
    }
}

fn useless<K>(scope: &Scope<'_>, key: &Key<K>, kind: Kind) {
    if scope.is_set(key) {
        let sentence = format!("has no effect on an app with {}", quoted(kind.key()));
        scope.problem(key, wrong(sentence, "remove it"));
    }
}

fn rest(
    scope: &Scope<'_>,
    slug: Option<AppSlug>,
    program: Option<Program>,
    connect: Option<Connect>,
    base: &Base,
) -> Option<App> {
    let name = slug.as_ref().map_or(String::new(), AppSlug::to_string);
    let title = scope.read_or(&app::TITLE, || (name.clone(), name.clone()));
    let strip_prefix = scope.read(&app::STRIP_PREFIX);
    let working_directory =
        scope.read(&app::WORKING_DIRECTORY).map(|path| base.resolve(&path)).inspect(|path| {
            files::expect(scope, &app::WORKING_DIRECTORY, path, "the working directory");
        });
    let environment = scope.read(&app::ENVIRONMENT);
    let ports = scope.read(&app::PORTS);
    let start_timeout_ms = scope.read(&app::START_TIMEOUT);
    let idle_timeout_ms = scope.read(&app::IDLE_TIMEOUT);
    let untouched_timeout_ms = scope.read(&app::UNTOUCHED_TIMEOUT);
    let lifetime_max_ms = scope.read(&app::LIFETIME_MAX);
    let memory_max_bytes = scope.read(&app::MEMORY_MAX);
    let cpu_max_millicores = scope.read(&app::CPU_MAX);
    let stop_grace_ms = scope.read(&app::STOP_GRACE);
    let crashes = scope.group(&app::RESTART);
    let restart_attempts_max = crashes.read(&restart::ATTEMPTS);
    let restart_within_ms = crashes.read(&restart::WITHIN);
    let notices = scope.read(&app::NOTICES);
    let health = scope.read(&app::HEALTH);
    Some(App {
        slug: slug?,
        title: title?,
        program: program?,
        strip_prefix: strip_prefix?,
        working_directory: working_directory?,
        environment: environment?,
        ports: ports?,
        connect: connect?,
        start_timeout_ms: start_timeout_ms?,
        idle_timeout_ms: idle_timeout_ms?,
        untouched_timeout_ms: untouched_timeout_ms?,
        lifetime_max_ms: lifetime_max_ms?,
        memory_max_bytes: memory_max_bytes?,
        cpu_max_millicores: cpu_max_millicores?,
        stop_grace_ms: stop_grace_ms?,
        restart_attempts_max: restart_attempts_max?,
        restart_within_ms: restart_within_ms?,
        notices: notices?,
        health: health?,
    })
}
