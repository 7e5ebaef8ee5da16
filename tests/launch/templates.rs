//! The templates themselves: begun before they are needed, replaced, found again, and never in
//! anybody's way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::Signal;

use crate::endings::{runs, signal};
use crate::fixture::{Fixture, python, until, with, within};
use crate::fork::{APP, by, forked, parent, run};
use usher::config::{App, LaunchMode, Program};
use usher::domain::{Exit, Failure, LaunchKind};
use usher::launch::{Allowance, Launch, Launcher};

/// A virtual environment with all the packages of the one under test, in which others may be put.
struct Environment {
    site: PathBuf,
    python: PathBuf,
}

impl Environment {
    fn new(fixture: &Fixture) -> Self {
        let real = python();
        let real_root = real.parent().unwrap().parent().unwrap();
        let library = std::fs::read_dir(real_root.join("lib")).unwrap().flatten().next().unwrap();
        let real_site = library.path().join("site-packages");
        let root = fixture.path("venv");
        let site = root.join("lib").join(library.file_name()).join("site-packages");
        std::fs::create_dir_all(&site).unwrap();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let python = root.join("bin/python");
        std::os::unix::fs::symlink(real.canonicalize().unwrap(), &python).unwrap();
        std::fs::copy(real_root.join("pyvenv.cfg"), root.join("pyvenv.cfg")).unwrap();
        for entry in std::fs::read_dir(&real_site).unwrap().flatten() {
            if entry.file_name() != "__pycache__" {
                link(&entry.path(), &site.join(entry.file_name()));
            }
        }
        Self { site, python }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.site.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Another version of an installed file. The folders around it become this environment's own.
    fn edit(&self, name: &str, old: &str, new: &str) {
        let mut path = self.site.clone();
        for part in Path::new(name) {
            path.push(part);
            let real = path.canonicalize().unwrap();
            if path.is_symlink() && real.is_dir() {
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
                for entry in std::fs::read_dir(&real).unwrap().flatten() {
                    if entry.file_name() != "__pycache__" {
                        link(&entry.path(), &path.join(entry.file_name()));
                    }
                }
            } else if path.is_symlink() {
                std::fs::remove_file(&path).unwrap();
                std::fs::copy(&real, &path).unwrap();
            }
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{name} has no {old}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    }
}

fn link(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}

fn in_mode(launch: &Launch, mode: LaunchMode) -> Launch {
    with(launch.clone(), |app| {
        if let Program::Streamlit { launch, .. } = &mut app.program {
            *launch = mode;
        }
    })
}

/// Ends a seat and all that is known of it.
async fn end(fixture: &Fixture, started: &usher::launch::Started) {
    within(fixture.launchers.kill(started)).await;
    within(fixture.launchers.forget(started)).await;
}

/// The living processes of this folder that are templates.
fn templates(fixture: &Fixture) -> Vec<u32> {
    let is_template = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        runs(*pid) && String::from_utf8_lossy(&line).contains("/template.py")
    };
    let pids = fixture.processes().into_iter().map(|pid| u32::try_from(pid).unwrap());
    pids.filter(is_template).collect()
}

/// The templates that are written down: those that serve.
fn recorded(fixture: &Fixture) -> Vec<u32> {
    let folder = std::fs::read_dir(fixture.state_dir().join("templates")).unwrap();
    folder
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with("template.") && name.ends_with(".json")
        })
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap())
        .map(|record| u32::try_from(record["pid"].as_u64().unwrap()).unwrap())
        .collect()
}

async fn prepare(fixture: &Fixture, apps: &[&Arc<App>]) {
    let apps: Vec<Arc<App>> = apps.iter().map(|app| Arc::clone(app)).collect();
    fixture.launchers.prepare(&apps);
}

async fn survivors_then_prepare(fixture: &Fixture, apps: &[&Arc<App>]) {
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    prepare(fixture, apps).await;
}

#[tokio::test]
async fn apps_that_share_an_environment_share_a_template_that_is_there_before_its_first_seat() {
    let fixture = Fixture::new();
    let launch = in_mode(&fixture.forked("import wave\n"), LaunchMode::Auto);
    let script = fixture.write("other.py", &format!("import plistlib\n{APP}"));
    let mut other = fixture.launch(forked(&script, &python(), LaunchMode::Auto));
    let slug = usher::domain::AppSlug::new("other").unwrap();
    other.key.app = slug.clone();
    let mut other = with(other, |app| app.slug = slug);
    other.base_path = "/app/other".to_owned();
    let spawned = in_mode(&launch, LaunchMode::Spawn);
    survivors_then_prepare(&fixture, &[&spawned.app, &other.app]).await;
    until("a template is there", || recorded(&fixture).len() == 1).await;
    prepare(&fixture, &[&launch.app, &other.app]).await;
    let first = recorded(&fixture);
    until("one that has read both scripts takes its place", || {
        let now = recorded(&fixture);
        now.len() == 1 && now != first
    })
    .await;
    let started = fixture.ready(&other).await;
    assert_eq!(parent(started.pid.unwrap()), recorded(&fixture)[0]);
    assert_eq!(started.kind, LaunchKind::Fork);
    let path = "/app/other/_stcore/script-health-check";
    assert!(crate::streamlit::get(&started.endpoint, path).starts_with("HTTP/1.1 200"));
    let seen = std::fs::read_to_string(other.data_dir.join("seen")).unwrap();
    assert!(seen.contains("\"wave\"") && seen.contains("\"plistlib\""), "{seen}");
    // When no app is to be forked any more it goes, but not before its seat.
    prepare(&fixture, &[&spawned.app]).await;
    let again = in_mode(&other, LaunchMode::Spawn);
    let again = Launch { generation: again.generation.next(), ..by(&again, "lee") };
    let spawned = fixture.ready(&again).await;
    assert_eq!(recorded(&fixture).len(), 1);
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(0));
    until("it has gone", || templates(&fixture).is_empty() && recorded(&fixture).is_empty()).await;
    end(&fixture, &spawned).await;
}

#[tokio::test]
async fn a_template_that_dies_costs_no_seat_and_no_start() {
    let fixture = Fixture::new();
    let launch = in_mode(&fixture.forked(APP), LaunchMode::Auto);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    signal(template, Signal::KILL);
    let second = fixture.ready(&by(&launch, "lee")).await;
    assert!(runs(first.pid.unwrap()));
    assert_eq!(run(&launch, &first)["user"], "kim");
    until("there is another", || recorded(&fixture).iter().any(|pid| *pid != template)).await;
    let third = fixture.ready(&by(&launch, "park")).await;
    assert_eq!(third.kind, LaunchKind::Fork);
    assert_ne!(parent(third.pid.unwrap()), template);
    // Of the first nobody can tell how it ended, but that it did.
    within(fixture.launchers.stop(&first)).await;
    assert_eq!(within(fixture.launchers.exited(&first)).await, Exit::Unknown);
    for started in [&first, &second, &third] {
        end(&fixture, started).await;
    }
}

#[tokio::test]
async fn a_template_that_was_stopped_is_ended_and_the_seat_spawned() {
    let fixture = Fixture::new();
    let launch = in_mode(&fixture.forked(APP), LaunchMode::Auto);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    signal(template, Signal::STOP);
    let second = fixture.ready(&by(&launch, "lee")).await;
    assert_eq!(second.kind, LaunchKind::Spawn);
    until("it is gone", || !runs(template)).await;
    until("there is another", || recorded(&fixture).iter().any(|pid| *pid != template)).await;
    for started in [&first, &second] {
        end(&fixture, started).await;
    }
}

#[tokio::test]
async fn what_is_installed_is_seen_by_the_next_template() {
    let fixture = Fixture::new();
    let environment = Environment::new(&fixture);
    environment.write("rates.py", "VALUE = 'old'\n");
    environment.write("rates-1.0.dist-info/METADATA", "");
    let text = format!("import rates\n{APP}");
    let launch = in_mode(&fixture.forked(&text), LaunchMode::Auto);
    let launch = with(launch, |app| {
        if let Program::Streamlit { python, .. } = &mut app.program {
            python.clone_from(&environment.python);
        }
    });
    let first = fixture.ready(&launch).await;
    assert_eq!(first.kind, LaunchKind::Fork);
    let template = parent(first.pid.unwrap());
    std::fs::remove_dir_all(environment.site.join("rates-1.0.dist-info")).unwrap();
    environment.write("rates-2.0.dist-info/METADATA", "");
    // No seat comes from the old one any more, even before anybody has looked.
    let second = fixture.ready(&by(&launch, "lee")).await;
    assert_eq!(second.kind, LaunchKind::Spawn);
    until("there is another", || recorded(&fixture).iter().any(|pid| *pid != template)).await;
    let third = fixture.ready(&by(&launch, "park")).await;
    assert_eq!(third.kind, LaunchKind::Fork);
    assert_ne!(parent(third.pid.unwrap()), template);
    assert!(runs(template), "it stays with its seat");
    end(&fixture, &first).await;
    until("and goes with it", || !runs(template)).await;
    for started in [&second, &third] {
        end(&fixture, started).await;
    }
}

#[tokio::test]
async fn an_unknown_streamlit_is_spawned_and_says_why() {
    let fixture = Fixture::new();
    let environment = Environment::new(&fixture);
    let file = "streamlit/web/server/starlette/starlette_server.py";
    environment.edit(file, "_bind_socket(", "_make_socket(");
    let launch = in_mode(&fixture.forked(APP), LaunchMode::Auto);
    let launch = with(launch, |app| {
        if let Program::Streamlit { python, .. } = &mut app.program {
            python.clone_from(&environment.python);
        }
    });
    let started = fixture.ready(&launch).await;
    assert_eq!(started.kind, LaunchKind::Spawn);
    assert_eq!(run(&launch, &started)["user"], "kim");
    let why = fixture.launchers.why_not_fork(&launch.key.app).unwrap();
    assert!(why.contains("self_test") && why.contains("binds its socket"), "{why}");
    end(&fixture, &started).await;
    // Who insists is told the same.
    let insisting = in_mode(&launch, LaunchMode::Fork);
    let failed = within(fixture.launchers.start(&insisting)).await.unwrap_err();
    let Failure::System { doing, cause } = failed else { panic!("{failed}") };
    assert_eq!(doing, "forking from the template");
    assert!(cause.contains("self_test"), "{cause}");
    assert!(templates(&fixture).is_empty());
}

#[tokio::test]
async fn what_starts_threads_or_dies_when_imported_is_left_to_the_seats() {
    let fixture = Fixture::new();
    let environment = Environment::new(&fixture);
    let sleeper = "import threading, time\n\
                   threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n";
    environment.write("sleeps.py", sleeper);
    let dies = "import os\nif os.environ['USHER_SEAT'].count('template'): os._exit(9)\n";
    environment.write("dies.py", dies);
    let text = format!("import sleeps, dies, wave\n{APP}");
    let launch = with(fixture.forked(&text), |app| {
        if let Program::Streamlit { python, .. } = &mut app.program {
            python.clone_from(&environment.python);
        }
    });
    let started = fixture.ready(&launch).await;
    assert_eq!(started.kind, LaunchKind::Fork);
    let seen = run(&launch, &started);
    let modules = seen["modules"].as_array().unwrap();
    assert!(["sleeps", "dies", "wave"].iter().all(|name| modules.contains(&(*name).into())));
    end(&fixture, &started).await;
    let known = std::fs::read_dir(fixture.state_dir().join("templates")).unwrap().flatten();
    let excluded = known
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("excluded."))
        .map(|entry| std::fs::read_to_string(entry.path()).unwrap())
        .collect::<String>();
    assert!(excluded.contains("sleeps") && excluded.contains("dies"), "{excluded}");
    assert!(!excluded.contains("wave"), "{excluded}");
}

#[tokio::test]
async fn much_that_was_learned_makes_another_template() {
    let fixture = Fixture::new();
    // Nobody who reads it can tell what this imports.
    let text = format!("__import__('importlib').import_module('pandas')\n{APP}");
    let launch = fixture.forked(&text);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    run(&launch, &first);
    until("a better one is there", || recorded(&fixture).iter().any(|pid| *pid != template)).await;
    let kim = by(&launch, "lee");
    let second = fixture.ready(&kim).await;
    assert_ne!(parent(second.pid.unwrap()), template);
    let library = std::fs::read_to_string(format!("/proc/{}/maps", parent(second.pid.unwrap())));
    assert!(library.unwrap().contains("/pandas/"), "it has imported it ahead");
    assert!(runs(template), "the first goes with its seat");
    for started in [&first, &second] {
        end(&fixture, started).await;
    }
    until("it has gone", || !runs(template)).await;
}

#[tokio::test]
async fn the_next_usher_takes_over_templates_and_hears_how_their_seats_end() {
    let mut fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, std::slice::from_ref(&first));
    assert!(fixture.launchers.weigh(&first, Allowance::default()).unwrap().memory_bytes > 0);
    prepare(&fixture, &[&launch.app]).await;
    let second = fixture.ready(&by(&launch, "lee")).await;
    assert_eq!(parent(second.pid.unwrap()), template);
    within(fixture.launchers.stop(&first)).await;
    assert_eq!(within(fixture.launchers.exited(&first)).await, Exit::Code(0));
    end(&fixture, &first).await;
    end(&fixture, &second).await;
    // One that no app needs any more goes.
    fixture.start_again();
    survivors_then_prepare(&fixture, &[&in_mode(&launch, LaunchMode::Spawn).app]).await;
    until("it has gone", || !runs(template) && recorded(&fixture).is_empty()).await;
    fixture.nothing_left().await;
}

#[tokio::test]
async fn a_template_of_before_that_cannot_be_used_is_ended() {
    let mut fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    signal(template, Signal::STOP);
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, std::slice::from_ref(&first));
    until("it was ended", || !runs(template)).await;
    assert!(runs(first.pid.unwrap()), "and its seat was not");
    end(&fixture, &first).await;
    // What is not written down is a stray.
    let second = fixture.ready(&launch).await;
    let template = parent(second.pid.unwrap());
    end(&fixture, &second).await;
    for entry in std::fs::read_dir(fixture.state_dir().join("templates")).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    assert!(!runs(template));
    assert!(fixture.processes().is_empty());
}

#[tokio::test]
async fn at_the_end_templates_go_or_stay_as_the_seats_do() {
    let mut fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let first = fixture.ready(&launch).await;
    let template = parent(first.pid.unwrap());
    within(fixture.launchers.close(true)).await;
    assert!(runs(template));
    let refused = in_mode(&by(&launch, "lee"), LaunchMode::Auto);
    let spawned = fixture.ready(&refused).await;
    assert_eq!(spawned.kind, LaunchKind::Spawn, "no template is asked any more");
    end(&fixture, &spawned).await;
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, std::slice::from_ref(&first));
    // One that is starting goes in any case.
    let other = with(launch.clone(), |app| {
        app.environment.insert("OTHER".to_owned(), "1".to_owned());
    });
    prepare(&fixture, &[&launch.app, &other.app]).await;
    until("it is on its way", || templates(&fixture).len() == 2).await;
    within(fixture.launchers.close(false)).await;
    assert_eq!(templates(&fixture), [0; 0]);
    assert!(recorded(&fixture).is_empty());
    assert!(runs(first.pid.unwrap()));
    end(&fixture, &first).await;
    assert!(fixture.processes().is_empty());
}
