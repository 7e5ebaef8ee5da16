//! `usher doctor`: finds what would go wrong, and says what to do about it. Looks at the
//! configuration, the ports, the rights, the descriptors and the clock, and then starts every app
//! once behind a door of its own, with one real WebSocket round trip.

mod round_trip;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::handover::Predecessor;
use super::trial::Folder;
use crate::clock::{Clock, OsClock, Timestamp};
use crate::config::{App, Program, Snapshot, User};
use crate::control::Outcome;
use crate::domain::Role;
use crate::identify::{Directory, Person, Proofs};
use crate::launch;
use crate::network::Network;
use crate::operate;
use crate::platform;

/// Below this, a busy afternoon runs out of descriptors: each open tab takes two.
const DESCRIPTORS_WANTED: u64 = 4096;
/// Longer than any `start_timeout` that is left to its default.
const APP_TRIED_WITHIN: Duration = Duration::from_secs(120);

/// What was found, as it is printed.
#[derive(Default)]
struct Findings {
    problems: u32,
}

impl Findings {
    fn good(&self, what: &str) {
        println!("ok       {what}");
    }

    fn warning(&self, what: &str) {
        println!("warning  {what}");
    }

    fn problem(&mut self, what: &str) {
        self.problems += 1;
        println!("problem  {what}");
    }
}

/// `usher doctor`
pub fn doctor(file: &Path) -> Outcome {
    let snapshot = match operate::load(file, crate::admin::sample::problems) {
        Ok((snapshot, _)) => snapshot,
        Err(problems) => {
            for problem in &problems {
                println!("problem  {problem}");
            }
            return Outcome::BadConfiguration;
        }
    };
    let mut findings = Findings::default();
    findings.good(&format!("{} has no problem", file.display()));
    for warning in &snapshot.warnings {
        findings.warning(&warning.to_string());
    }
    listeners(&mut findings, &snapshot);
    state_dir(&mut findings, &snapshot.fixed.state_dir);
    descriptors(&findings);
    clock(&mut findings, file);
    for app in &snapshot.apps {
        ports(&mut findings, app);
        cpu(&findings, app);
    }
    limits(&findings, &snapshot);
    if let Err(sentence) = try_apps(&mut findings, file) {
        findings.problem(&sentence);
    }
    match findings.problems {
        0 => {
            println!("nothing would go wrong");
            Outcome::Done
        }
        problems => {
            println!("{problems} problems");
            Outcome::Failed
        }
    }
}

/// Whether the door's addresses are free, or already ours.
fn listeners(findings: &mut Findings, snapshot: &Snapshot) {
    let fixed = &snapshot.fixed;
    let runs = platform::sockets::within_reach(&crate::control::socket_path(&fixed.state_dir))
        .and_then(std::os::unix::net::UnixStream::connect)
        .is_ok();
    for address in fixed.listen.iter().chain(&fixed.tls_listen).chain(&fixed.admin_listen) {
        match TcpListener::bind(address) {
            Ok(_) => findings.good(&format!("{address} is free")),
            Err(_) if runs => findings.good(&format!("{address}: usher is running")),
            Err(error) => {
                let holder = platform::sockets::holder(&platform::sockets::listening_at(*address));
                let who = if holder.is_empty() { "somebody" } else { &holder };
                findings.problem(&format!(
                    "{address}: {error}; {who} listens there: stop it, or change `listen`"
                ));
            }
        }
    }
}

fn state_dir(findings: &mut Findings, path: &Path) {
    let nearest = path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let probe = nearest.join(format!(".usher-doctor-{}", std::process::id()));
    match fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)) {
        Ok(()) => findings.good(&format!("state_dir {} can be written", path.display())),
        Err(error) => findings.problem(&format!(
            "state_dir {} cannot be written: {error}; make the folder for the account that runs \
             usher, or change `state_dir`",
            path.display()
        )),
    }
}

fn descriptors(findings: &Findings) {
    match platform::descriptors_allowed() {
        Some(allowed) if allowed < DESCRIPTORS_WANTED => findings.warning(&format!(
            "{allowed} open files are allowed, enough for about {} open tabs; raise LimitNOFILE \
             in the unit, or `ulimit -n`",
            allowed / 3
        )),
        Some(allowed) => findings.good(&format!("{allowed} open files are allowed")),
        None => findings.good("as many open files as one likes are allowed"),
    }
}

/// A clock that is behind the file it reads is wrong.
fn clock(findings: &mut Findings, file: &Path) {
    let now = OsClock.wall();
    let written = fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
    let written = written
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Timestamp);
    match written {
        Some(written) if written.0 > now.0 + 60_000 => findings.problem(&format!(
            "the clock is wrong: {} was written {} s from now; set the time, or switch time \
             synchronisation on",
            file.display(),
            (written.0 - now.0) / 1000
        )),
        Some(_) | None => findings.good("the clock agrees with the files"),
    }
}

/// How the running usher keeps limits; without one, how one that is started like this would.
fn limits(findings: &Findings, snapshot: &Snapshot) {
    if !snapshot.apps.iter().any(|app| app.has_limit()) {
        return;
    }
    match crate::control::client::limits(&snapshot.fixed.state_dir) {
        Some(sentence) => findings.good(&format!("the running usher: {sentence}")),
        None => findings.good(&launch::keeping_here().to_string()),
    }
}

/// A limit that is none.
fn cpu(findings: &Findings, app: &App) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let limit = app.cpu_max_millicores.map(|millicores| f64::from(millicores) / 1000.0);
    if let Some(limit) = limit.filter(|limit| *limit >= cores as f64) {
        findings.warning(&format!(
            "app {}: cpu_max: {limit} limits nothing: this machine has {cores} cores",
            app.slug
        ));
    }
}

/// How many ports of the app's range are free.
fn ports(findings: &mut Findings, app: &App) {
    if matches!(app.program, Program::Upstream { .. }) {
        return;
    }
    let (first, last) = app.ports;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let free = (first..=last).filter(is_free).count();
    if free == 0 {
        findings.problem(&format!(
            "app {}: no port of {first}-{last} is free; change `ports`",
            app.slug
        ));
    } else {
        findings.good(&format!("app {}: {free} ports of {first}-{last} are free", app.slug));
    }
}

/// Starts every app behind a door in a folder of its own.
///
/// # Errors
/// The trial itself failed.
fn try_apps(findings: &mut Findings, file: &Path) -> Result<(), String> {
    let folder = Folder::make().map_err(|error| format!("no folder for the trial: {error}"))?;
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        free.local_addr().map_err(|error| error.to_string())?.port()
    };
    let door = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("no threads: {error}"))?;
    runtime.block_on(async {
        let (snapshot, pages) = operate::load(file, crate::admin::sample::problems)
            .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
        let apps = snapshot.apps.clone();
        let snapshot = for_trial(snapshot, folder.path(), door);
        let (handovers, _wishes) = mpsc::channel(1);
        let mut nobody = Predecessor::nobody();
        let house = super::build(snapshot, pages, handovers, &mut nobody).await?;
        for app in apps {
            let log = folder.path().join("apps");
            // The logs of one app at a time.
            let _ = fs::remove_dir_all(&log);
            let tried = tokio::time::timeout(APP_TRIED_WITHIN, round_trip::of(door, &app)).await;
            match tried {
                Ok(Ok(what)) => {
                    let with = streamlit_version(&log).unwrap_or_default();
                    findings.good(&format!("app {}: {what}{with}", app.slug));
                    if let Some(reason) = house.supervisor.why_not_fork(&app.slug) {
                        findings.warning(&format!(
                            "app {}: its seats are spawned, not forked from a template, which \
                             takes longer and more memory: {reason}",
                            app.slug
                        ));
                    }
                }
                Ok(Err(what)) => findings.problem(&format!("app {}: {what}", app.slug)),
                Err(_) => findings.problem(&format!(
                    "app {}: no answer within {} s; its messages are below {}",
                    app.slug,
                    APP_TRIED_WITHIN.as_secs(),
                    log.display()
                )),
            }
        }
        super::leave(house, super::Leaving::Stop).await;
        Ok(())
    })
}

/// The version of Streamlit that the latest launch below a folder of logs wrote down.
fn streamlit_version(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut versions = entries.filter_map(|path| {
        if path.is_dir() {
            return streamlit_version(&path);
        }
        let log = fs::read_to_string(path).ok()?;
        let version = log.rsplit("with Streamlit ").next()?.split_whitespace().next()?;
        version.starts_with(|c: char| c.is_ascii_digit()).then(|| format!(" (Streamlit {version})"))
    });
    versions.next()
}

/// The configuration with a door of its own, state of its own, and this machine as the user who
/// has the most apps.
fn for_trial(mut snapshot: Snapshot, folder: &Path, door: SocketAddr) -> Snapshot {
    snapshot.fixed.listen = vec![door];
    snapshot.fixed.tls_listen = Vec::new();
    snapshot.fixed.admin_listen = Vec::new();
    snapshot.fixed.state_dir = folder.join("state");
    snapshot.tls = None;
    snapshot.logs.access = None;
    snapshot.logs.apps = folder.join("apps");
    snapshot.backups.every_ms = None;
    snapshot.warnings = Vec::new();
    let most = (0..snapshot.users.len()).max_by_key(|at| snapshot.users[*at].apps.len());
    let at = most.unwrap_or_default();
    snapshot.users = snapshot
        .users
        .iter()
        .map(|user| Arc::new(User { port: None, ..User::clone(user) }))
        .collect();
    let people = snapshot.users.iter().enumerate().map(|(index, user)| Person {
        name: user.name.clone(),
        role: Role::User,
        index,
        needs: Proofs { address: true, ..Proofs::default() },
    });
    let here = Network::new(Ipv4Addr::LOCALHOST.into(), 32).map(|network| (network, at));
    snapshot.directory = Directory::new(people.collect(), here.into_iter().collect());
    snapshot
}
