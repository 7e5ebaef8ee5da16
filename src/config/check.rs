//! Nodes to a [`Snapshot`], or every problem at once. Each part reads its keys as far as they go;
//! what fits together is judged afterwards on what could be read, so that one mistake does not
//! hide the next. The result is all or nothing.

mod apps;
mod door;
mod files;
mod people;
mod ports;
mod records;
mod users;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Clock, OsClock, Timestamp};

use super::file::{self, FILE_BYTES_MAX, Node, Place};
use super::keys::{self, top};
use super::report::{Report, wrong};
use super::scope::Scope;
use super::{Problem, Snapshot};

impl Snapshot {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn load(file: &Path) -> Result<Self, Vec<Problem>> {
        Self::parse(file, &text_of(file)?)
    }

    /// Checks a text as if it were the content of `file`, which need not exist.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the file.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Vec<Problem>> {
        let report = Report::new(file);
        let parsed = file::parse(text);
        for fault in parsed.faults {
            report.problem(fault.place, fault.path, wrong(fault.sentence, fault.hint));
        }
        let checked = parsed.root.and_then(|root| check(&report, file, &root));
        match checked {
            Some(snapshot) if report.is_clean() => {
                let (warnings, in_force) = report.take_rest();
                Ok(Snapshot { warnings, in_force, ..snapshot })
            }
            Some(_) | None => Err(report.into_problems()),
        }
    }
}

/// Where the running server of a file is to be found: its `state_dir`, absolute. The rest of the
/// file may be wrong; who asks a server to reload a broken file shall reach it.
///
/// # Errors
/// The file cannot be read as YAML, or these settings are wrong.
pub fn state_dir_of(file: &Path) -> Result<PathBuf, Vec<Problem>> {
    let text = text_of(file)?;
    let parsed = file::parse(&text);
    let report = Report::new(file);
    let Some(root) = &parsed.root else {
        for fault in parsed.faults {
            report.problem(fault.place, fault.path, wrong(fault.sentence, fault.hint));
        }
        return Err(report.into_problems());
    };
    let scope = Scope::of_some_keys(&report, &keys::TOP, root);
    let base = Base::of(file, &scope);
    match scope.read(&top::STATE_DIR) {
        Some(path) if report.is_clean() => Ok(base.resolve(&path)),
        Some(_) | None => Err(report.into_problems()),
    }
}

fn text_of(file: &Path) -> Result<String, Vec<Problem>> {
    let refused = |sentence: String, hint: &str, place: Place| {
        let report = Report::new(file);
        report.problem(place, String::new(), wrong(sentence, hint));
        report.into_problems()
    };
    let bytes = read(file).map_err(|error| {
        let sentence = format!("the file cannot be read: {error}");
        refused(
            sentence,
            "name another file with -c; conf/minimal.yaml is one to begin with",
            Place::START,
        )
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let (sentence, hint) = encoding_problem(error.as_bytes());
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        refused(sentence.to_owned(), hint, end_of(&String::from_utf8_lossy(good)))
    })
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed, for telling a file that is too large.
    let limit = FILE_BYTES_MAX as u64 + 1;
    std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn encoding_problem(bytes: &[u8]) -> (&'static str, &'static str) {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        ("the file is UTF-16", "save it as UTF-8")
    } else {
        ("the file is not UTF-8 here", "save it as UTF-8")
    }
}

fn end_of(text: &str) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let last = text.rsplit('\n').next().unwrap_or("");
    Place {
        line: number(text.bytes().filter(|b| *b == b'\n').count() + 1),
        column: number(last.chars().count() + 1),
    }
}

/// `None` if there was a problem; there may also have been one if there is a snapshot.
fn check(report: &Report, file: &Path, root: &Node) -> Option<Snapshot> {
    let scope = Scope::root(report, &keys::TOP, root);
    let base = Base::of(file, &scope);
    let doors = door::doors(&scope, &base);
    let callers = door::callers(&scope);
    let look = door::look(&scope, &base);
    let oidc = door::oidc(&scope, &base);
    let apps = apps::read(&scope, &base);
    let users = users::read(&scope, &apps);
    let records = records::read(&scope, &base);
    ports::check(&scope, &doors.listeners, &apps, &users);
    if let Some(fixed) = &doors.fixed {
        apps::check_sockets(&apps, &fixed.state_dir);
    }
    people::warn(&scope, &doors, &callers, &users);
    // From here on nothing is told any more: either all is there, or a problem was told.
    let (fixed, admin) = (doors.fixed?, doors.admin?);
    let (apps, users) = (apps::complete(apps)?, users::complete(users)?);
    let (directory, policy) = people::tables(&users, &admin, !fixed.admin_listen.is_empty());
    Some(Snapshot {
        file: file.to_owned(),
        base: base.folder,
        fixed,
        hosts: callers.hosts?,
        trusted_proxies: callers.trusted_proxies?,
        timezone: look.timezone?,
        language: look.language?,
        apps: apps.into_iter().map(Arc::new).collect(),
        users: users.into_iter().map(Arc::new).collect(),
        directory,
        policy,
        admin,
        sessions: records.sessions?,
        visits: records.visits?,
        samples: records.samples?,
        backups: records.backups?,
        limits: records.limits?,
        logs: records.logs?,
        metrics_allow: callers.metrics_allow?,
        templates: look.templates?,
        tls: doors.tls?,
        oidc: oidc?,
        trusted_login_header: callers.trusted_login_header?,
        warnings: Vec::new(),
        in_force: Vec::new(),
    })
}

/// What the file is read relative to.
struct Base {
    /// The folder that relative paths start from.
    folder: PathBuf,
    /// When: certificates are good for a time.
    now: Timestamp,
}

impl Base {
    fn of(file: &Path, scope: &Scope<'_>) -> Self {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let beside = absolute.parent().unwrap_or(Path::new("/"));
        let directory = scope.read(&top::DIRECTORY).unwrap_or_default();
        let folder = beside.join(directory);
        if scope.is_set(&top::DIRECTORY) && !folder.is_dir() {
            let sentence = format!("{} is no folder", folder.display());
            scope.problem(&top::DIRECTORY, wrong(sentence, "it is relative to this file's folder"));
        }
        // `conf/..` is shown as what it is; where a link is on the way, only the system knows.
        Self { folder: plain_path(&folder), now: OsClock.wall() }
    }

    /// The absolute form of a path of the file.
    fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path).components().collect()
    }

    /// A program: a name without a folder is looked for in PATH.
    fn program(&self, path: &Path) -> PathBuf {
        if path.components().count() > 1 { self.resolve(path) } else { path.to_owned() }
    }
}

#[cfg(unix)]
fn plain_path(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.components().collect())
}

/// Canonical paths have a form on Windows that not every program understands.
#[cfg(not(unix))]
fn plain_path(folder: &Path) -> PathBuf {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}
