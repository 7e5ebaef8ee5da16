//! Seats that are forked from a template: served, marked, measured, stopped and ended like any other.

use std::path::{Path, PathBuf};

use crate::endings::runs;
use crate::fixture::{Fixture, python, python_139, tcp, until, with, within};
use crate::streamlit::get;
use usher::config::{Connect, LaunchMode, Program};
use usher::domain::{Endpoint, Exit, Failure, LaunchKind, UserName};
use usher::launch::{Allowance, Launch, Launcher, Started};

/// Runs where a test asks for it, and writes down what it sees.
pub(crate) const APP: &str = r#"
import json, os, sys
import streamlit as st
st.title("안녕 " + os.environ["USHER_USER"])
seen = {
    "user": os.environ["USHER_USER"], "mark": os.environ["USHER_SEAT"], "cwd": os.getcwd(),
    "secret": st.get_option("server.cookieSecret"), "pid": os.getpid(), "arguments": sys.argv[1:],
    "umask": os.umask(0o077), "modules": sorted(sys.modules),
}
with open(os.environ["USHER_DATA"] + "/seen.part", "w") as file:
    json.dump(seen, file)
os.rename(file.name, os.environ["USHER_DATA"] + "/seen")
"#;

/// Streamlit runs the script when this is asked for.
const RUN: &str = "/app/main/_stcore/script-health-check";

/// A script that is forked.
pub(crate) fn forked(script: &Path, python: &Path, mode: LaunchMode) -> Program {
    Program::Streamlit {
        script: script.to_owned(),
        python: python.to_owned(),
        arguments: vec!["--server.scriptHealthCheckEnabled=true".to_owned()],
        launch: mode,
        preload: Vec::new(),
    }
}

impl Fixture {
    /// The launch of a forked app by kim.
    pub(crate) fn forked(&self, text: &str) -> Launch {
        let script = self.write("앱/main.py", text);
        self.launch(forked(&script, &python(), LaunchMode::Fork))
    }
}

/// The same by another user.
pub(crate) fn by(launch: &Launch, user: &str) -> Launch {
    let mut other = launch.clone();
    other.key.user = UserName::new(user).unwrap();
    other.data_dir = launch.data_dir.with_file_name(user);
    other.cookie_secret = format!("a secret of {user}'s");
    other
}

/// What the script saw in this seat.
pub(crate) fn run(launch: &Launch, started: &Started) -> serde_json::Value {
    let answer = get(&started.endpoint, RUN);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = std::fs::read_to_string(launch.data_dir.join("seen")).unwrap();
    serde_json::from_str(&seen).unwrap()
}

pub(crate) fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn mark(pid: u32) -> String {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let variables = environment.split(|byte| *byte == 0);
    let mark = variables.filter_map(|one| one.strip_prefix(b"USHER_SEAT=")).next().unwrap();
    String::from_utf8_lossy(mark).into_owned()
}

async fn serves(python: PathBuf, connect: Connect) {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let launch = with(launch, |app| {
        app.connect = connect;
        if let Program::Streamlit { python: given, .. } = &mut app.program {
            *given = python;
        }
    });
    let started = fixture.ready(&launch).await;
    assert_eq!(started.kind, LaunchKind::Fork);
    let index = get(&started.endpoint, "/app/main/");
    assert!(index.starts_with("HTTP/1.1 200") && index.contains("<html"), "{index}");
    assert!(get(&started.endpoint, "/").starts_with("HTTP/1.1 404"), "outside of its base path");
    let seen = run(&launch, &started);
    assert_eq!((&seen["user"], &seen["arguments"]), (&"kim".into(), &serde_json::json!([])));
    assert_eq!(seen["pid"], started.pid.unwrap());
    assert_eq!(seen["mark"].as_str().unwrap(), mark(started.pid.unwrap()));
    assert_eq!(seen["secret"], *launch.cookie_secret);
    let record = std::fs::read_to_string(fixture.record()).unwrap();
    assert!(record.contains(r#""launch": "fork""#), "{record}");
    assert!(fixture.log().contains("launch 1 of kim/main: "), "{}", fixture.log());
    assert!(!fixture.log().contains("Traceback"), "{}", fixture.log());
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(0));
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.forget(&started)).await;
    assert!(!fixture.record().exists());
    if let Endpoint::Unix(path) = &started.endpoint {
        assert!(!path.exists());
    }
    assert_eq!(fixture.launchers.why_not_fork(&launch.key.app), None);
}

#[tokio::test]
async fn starlette_on_a_port() {
    serves(python(), Connect::Tcp).await;
}

#[tokio::test]
async fn starlette_on_a_socket() {
    serves(python(), Connect::Unix).await;
}

#[tokio::test]
async fn tornado_on_a_port() {
    serves(python_139(), Connect::Tcp).await;
}

#[tokio::test]
async fn tornado_on_a_socket() {
    serves(python_139(), Connect::Unix).await;
}

#[tokio::test]
async fn each_seat_has_what_is_its_user_s() {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let lee = by(&launch, "lee");
    let (first, second) = (fixture.ready(&launch).await, fixture.ready(&lee).await);
    assert_eq!(parent(first.pid.unwrap()), parent(second.pid.unwrap()), "of one template");
    let (kims, lees) = (run(&launch, &first), run(&lee, &second));
    for (seen, launch) in [(&kims, &launch), (&lees, &lee)] {
        assert_eq!(seen["user"], launch.key.user.as_str());
        assert_eq!(seen["secret"], *launch.cookie_secret);
        assert_eq!(seen["cwd"], launch.app.working_directory.to_str().unwrap());
        assert!(seen["mark"].as_str().unwrap().ends_with(&format!(":{}:1", launch.key)));
    }
    assert_eq!(kims["umask"], lees["umask"]);
    for started in [first, second] {
        within(fixture.launchers.kill(&started)).await;
    }
}

#[tokio::test]
async fn ten_at_once_are_ten_seats() {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let launches: Vec<Launch> = (0..10).map(|number| by(&launch, &format!("u{number}"))).collect();
    let ready = launches.iter().map(|launch| fixture.ready(launch));
    let started = futures_util::future::join_all(ready).await;
    let mut pids: Vec<u32> = started.iter().map(|one| one.pid.unwrap()).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 10);
    for (launch, started) in launches.iter().zip(&started) {
        assert_eq!(started.kind, LaunchKind::Fork);
        assert_eq!(run(launch, started)["user"], launch.key.user.as_str());
    }
    for started in &started {
        within(fixture.launchers.kill(started)).await;
    }
}

#[tokio::test]
async fn nothing_stays_open_when_a_seat_has_gone() {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let open = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let whole_life = async || {
        let started = fixture.ready(&launch).await;
        let template = parent(started.pid.unwrap());
        within(fixture.launchers.kill(&started)).await;
        assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Signal(9));
        within(fixture.launchers.forget(&started)).await;
        template
    };
    let template = whole_life().await;
    let of_template = open(template);
    for _ in 0..5 {
        assert_eq!(whole_life().await, template);
    }
    until("the template has as many as before", || open(template) == of_template).await;
    // Other tests run in this process, so what is counted is of this launcher: its sockets.
    let socket =
        format!("{}/sockets/template", fixture.state_dir().canonicalize().unwrap().display());
    let connections = std::fs::read_to_string("/proc/net/unix").unwrap();
    let connected = connections.lines().filter(|line| line.contains(&socket)).count();
    assert_eq!(connected, 2, "one that listens, and one connection of a watcher: {connections}");
}

/// The leader, a child by fork and one by exec, and a daemon that left the session without an exec:
/// it has no mark but what was copied.
const FAMILY: &str = r#"
import os, subprocess, sys, time
import streamlit as st
folder = os.environ["USHER_DATA"] + "/"
def live(name):
    os.closerange(3, 1000)  # also the connection on which the test waits
    with open(folder + name + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(folder + name + ".part", folder + name)
    time.sleep(1000)
if os.fork() == 0:
    live("child")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        live("daemon")
    os._exit(0)
os.wait()
subprocess.Popen(["sh", "-c", "echo $$ > $USHER_DATA/exec.part; mv $USHER_DATA/exec.part $USHER_DATA/exec; sleep 1000"], start_new_session=True)
with open(folder + "seen", "w") as file:
    file.write("{}")
"#;

async fn family(fixture: &Fixture, launch: &Launch) -> (Started, Vec<u32>) {
    let started = fixture.ready(launch).await;
    run(launch, &started);
    let names = ["child", "daemon", "exec"].map(|name| launch.data_dir.join(name));
    until("all are there", || names.iter().all(|name| name.exists())).await;
    let number = |path: &PathBuf| std::fs::read_to_string(path).unwrap().trim().parse().unwrap();
    (started, names.iter().map(number).collect())
}

#[tokio::test]
async fn kill_ends_all_that_a_forked_seat_has_started_and_nothing_else() {
    let fixture = Fixture::new();
    let launch = fixture.forked(FAMILY);
    let lee = by(&launch, "lee");
    let (first, relatives) = family(&fixture, &launch).await;
    let (second, others) = family(&fixture, &lee).await;
    assert!(fixture.launchers.weigh(&first, Allowance::default()).unwrap().threads >= 5);
    within(fixture.launchers.kill(&first)).await;
    assert_eq!(within(fixture.launchers.exited(&first)).await, Exit::Signal(9));
    assert!(!relatives.iter().chain(&first.pid).any(|pid| runs(*pid)), "they are gone");
    assert!(others.iter().chain(&second.pid).all(|pid| runs(*pid)), "these stay");
    assert!(runs(parent(second.pid.unwrap())), "and so does the template");
    within(fixture.launchers.kill(&second)).await;
    assert!(!others.iter().any(|pid| runs(*pid)));
}

#[tokio::test]
async fn what_a_dead_forked_seat_left_behind_is_ended_by_the_next_usher() {
    let mut fixture = Fixture::new();
    let launch = fixture.forked(FAMILY);
    let (started, relatives) = family(&fixture, &launch).await;
    crate::endings::signal(started.pid.unwrap(), rustix::process::Signal::KILL);
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Signal(9));
    assert!(relatives.iter().all(|pid| runs(*pid)));
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    assert!(!relatives.iter().any(|pid| runs(*pid)));
    assert!(!fixture.record().exists());
}

/// Connects to the door by itself and by a daemon.
const CALLER: &str = r#"
import os, socket, sys
import streamlit
door = ("127.0.0.1", int(sys.argv[1]))
with socket.create_connection(door) as s:
    s.recv(1)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with socket.create_connection(door) as s:
            s.recv(1)
    os._exit(0)
os.wait()
with open(os.environ["USHER_DATA"] + "/seen", "w") as file:
    file.write("{}")
"#;

#[tokio::test]
async fn a_forked_seat_that_calls_at_the_door_is_known() {
    let fixture = Fixture::new();
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let local = door.local_addr().unwrap();
    let launch = with(fixture.forked(CALLER), |app| {
        if let Program::Streamlit { arguments, .. } = &mut app.program {
            arguments.push(local.port().to_string());
        }
    });
    let started = fixture.ready(&launch).await;
    let endpoint = started.endpoint.clone();
    let asked = tokio::task::spawn_blocking(move || get(&endpoint, RUN));
    for caller in ["itself", "a daemon"] {
        let (_call, peer) = within(door.accept()).await.unwrap();
        assert!(fixture.launchers.is_from_seat(peer, local), "{caller}");
    }
    within(asked).await.unwrap();
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn memory_is_what_the_others_do_not_share() {
    let fixture = Fixture::new();
    let text = format!("import pandas, altair\n{APP}");
    let launch = fixture.forked(&text);
    let lee = by(&launch, "lee");
    let (first, second) = (fixture.ready(&launch).await, fixture.ready(&lee).await);
    let seen = run(&launch, &first);
    run(&lee, &second);
    for module in ["pandas", "pyarrow", "altair"] {
        assert!(seen["modules"].as_array().unwrap().contains(&module.into()), "{module}");
    }
    for started in [&first, &second] {
        let usage = fixture.launchers.weigh(started, Allowance::default()).unwrap();
        let resident = resident_bytes(started.pid.unwrap());
        assert!(usage.memory_bytes > 4 << 20, "{usage:?}");
        assert!(usage.memory_bytes < resident / 2, "{usage:?} of {resident}");
        assert!(usage.cpu_ms < 5_000 && usage.open_files > 3, "{usage:?}");
        within(fixture.launchers.kill(started)).await;
        assert_eq!(fixture.launchers.weigh(started, Allowance::default()), None);
    }
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn who_stops_waiting_for_a_fork_leaves_nothing() {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let started = fixture.ready(&launch).await;
    let template = parent(started.pid.unwrap());
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.forget(&started)).await;
    for number in 0..10 {
        let launch = by(&launch, &format!("u{number}"));
        let start = fixture.launchers.start(&launch);
        // Given up after so many wakings, each at another point of the way.
        let given_up = GiveUp { inner: Box::pin(start), polls_left: number };
        if let Some(started) = given_up.await {
            let started = started.unwrap();
            within(fixture.launchers.kill(&started)).await;
            within(fixture.launchers.forget(&started)).await;
        }
    }
    until("only the template is left", || {
        fixture.processes().iter().all(|pid| u32::try_from(*pid).unwrap() == template)
    })
    .await;
    let records = || std::fs::read_dir(fixture.state_dir().join("seats")).unwrap().count();
    until("no record is left", || records() == 0).await;
}

/// A future that is dropped when it has been polled so often.
struct GiveUp<F> {
    inner: std::pin::Pin<Box<F>>,
    polls_left: u32,
}

impl<F: Future> Future for GiveUp<F> {
    type Output = Option<F::Output>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        if self.polls_left == 0 {
            return std::task::Poll::Ready(None);
        }
        self.polls_left -= 1;
        self.inner.as_mut().poll(cx).map(Some)
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_forked() {
    let fixture = Fixture::new();
    let launch = fixture.forked(APP);
    let part = fixture.record().with_extension("part");
    std::fs::create_dir(&part).unwrap();
    let failed = fixture.launchers.start(&launch).await.unwrap_err();
    assert!(matches!(failed, Failure::System { doing: "recording the seat", .. }), "{failed}");
    until("only the template is left", || fixture.processes().len() == 1).await;
    std::fs::remove_dir(&part).unwrap();
    let started = fixture.ready(&launch).await;
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn an_app_with_a_fault_in_its_set_up_is_spawned_or_fails_by_its_name() {
    let fixture = Fixture::new();
    let lib = fixture.write("lib/streamlit_of_mine.py", "").parent().unwrap().to_owned();
    let launch = with(fixture.forked(APP), |app| {
        app.environment.insert("PYTHONPATH".to_owned(), lib.display().to_string());
        app.environment.insert("PYTHONHASHSEED".to_owned(), "7".to_owned());
    });
    // A hash seed is read when an interpreter starts. With `fork` the app does without.
    let started = fixture.ready(&launch).await;
    assert_eq!(started.kind, LaunchKind::Fork);
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.forget(&started)).await;
    let auto = with(launch, |app| {
        if let Program::Streamlit { launch, .. } = &mut app.program {
            *launch = LaunchMode::Auto;
        }
    });
    for _ in 0..2 {
        let started = fixture.ready(&auto).await;
        assert_eq!(started.kind, LaunchKind::Spawn);
        assert_eq!(run(&auto, &started)["user"], "kim");
        within(fixture.launchers.kill(&started)).await;
        within(fixture.launchers.forget(&started)).await;
    }
    let why = fixture.launchers.why_not_fork(&auto.key.app).unwrap();
    assert!(why.contains("PYTHONHASHSEED"), "{why}");
}

#[tokio::test]
async fn what_is_missing_is_named_as_for_a_spawned_seat() {
    let fixture = Fixture::new();
    let missing = fixture.path("none.py");
    let launch = fixture.launch(forked(&missing, &python(), LaunchMode::Fork));
    let failed = fixture.launchers.start(&launch).await.unwrap_err();
    assert_eq!(failed, Failure::ScriptMissing { path: missing.display().to_string() });
    let port = crate::fixture::listener();
    let own_port = Some(crate::fixture::port_of(&port));
    let launch = Launch { own_port, ..fixture.forked(APP) };
    let failed = within(fixture.launchers.start(&launch)).await.unwrap_err();
    assert!(matches!(failed, Failure::PortTaken { .. }), "{failed}");
    drop(port);
    let started = fixture.ready(&launch).await;
    assert_eq!(Some(tcp(&started).port()), own_port);
    within(fixture.launchers.kill(&started)).await;
}
