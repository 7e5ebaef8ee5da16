//! How processes end and are ended: with the true status, with everything they started, and with
//! no zombie.

use std::path::Path;

use crate::fixture::{Fixture, until, within};
use usher::domain::Exit;
use usher::launch::{Allowance, Launcher, Started};

/// Beside itself a family: a child that ignores TERM, a daemon that left the session, and a child
/// of its own session without the mark. Each writes its number to a file when it is there.
const FAMILY: &str = r#"
import os, signal, sys, time

def live(name, ignore=False):
    if ignore:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(name + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(name + ".part", name)
    while os.path.exists(name):  # so that not even a failed test leaves anything
        time.sleep(0.5)

if len(sys.argv) > 1:
    live(sys.argv[1])
if os.fork() == 0:
    live("stubborn", ignore=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        live("daemon", ignore=True)
    os._exit(0)
os.wait()
if os.fork() == 0:
    os.setsid()
    os.execve(sys.executable, [sys.executable, __file__, "unmarked"], {})
live("leader")
"#;

const NAMES: [&str; 4] = ["leader", "stubborn", "daemon", "unmarked"];

async fn family(fixture: &Fixture) -> (Started, [u32; 4]) {
    let started = fixture.launchers.start(&fixture.python(FAMILY)).await.unwrap();
    until("all are there", || NAMES.iter().all(|name| fixture.path(name).exists())).await;
    let number =
        |name: &str| std::fs::read_to_string(fixture.path(name)).unwrap().parse::<u32>().unwrap();
    (started, NAMES.map(number))
}

/// It is gone for good or was ended and only its parent has not looked yet.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Sends a signal to a process that lives.
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn the_exit_is_told_as_it_was() {
    let fixture = Fixture::new();
    for (program, expected) in [
        ("raise SystemExit(0)", Exit::Code(0)),
        ("import os; os._exit(3)", Exit::Code(3)),
        ("raise ValueError", Exit::Code(1)),
        ("import os; os.kill(os.getpid(), 15)", Exit::Signal(15)),
        ("import os; os.kill(os.getpid(), 11)", Exit::Signal(11)),
    ] {
        let started = fixture.launchers.start(&fixture.python(program)).await.unwrap();
        assert_eq!(within(fixture.launchers.exited(&started)).await, expected, "{program}");
        // Asked again, it says the same; and nobody is left to be waited for.
        assert_eq!(within(fixture.launchers.exited(&started)).await, expected, "{program}");
        assert!(!exists(started.pid.unwrap()), "{program}: a zombie");
        fixture.launchers.forget(&started).await;
    }
}

#[tokio::test]
async fn nobody_has_to_ask_for_an_exit() {
    let fixture = Fixture::new();
    let started = fixture.launchers.start(&fixture.python("")).await.unwrap();
    until("it is gone, not a zombie", || !exists(started.pid.unwrap())).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(0));
}

#[tokio::test]
async fn kill_ends_everything_that_was_started() {
    let fixture = Fixture::new();
    let (started, family) = family(&fixture).await;
    assert!(family.iter().all(|pid| runs(*pid)));
    assert!(fixture.launchers.weigh(&started, Allowance::default()).unwrap().threads >= 4);
    within(fixture.launchers.kill(&started)).await;
    assert_eq!(family.map(runs), [false; 4], "when kill returns they are gone");
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Signal(9));
    // What is gone may be ended again.
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(fixture.launchers.weigh(&started, Allowance::default()), None);
    fixture.launchers.forget(&started).await;
    fixture.launchers.forget(&started).await;
}

#[tokio::test]
async fn stop_asks_everything_that_was_started() {
    let fixture = Fixture::new();
    let (started, family) = family(&fixture).await;
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Signal(15));
    let [_, stubborn, daemon, unmarked] = family;
    until("who does not refuse has ended", || !runs(unmarked)).await;
    assert!(runs(stubborn) && runs(daemon), "these refuse");
    // The leader is gone; its session and its mark still tell.
    within(fixture.launchers.kill(&started)).await;
    assert_eq!(family.map(runs), [false; 4]);
}

#[tokio::test]
async fn other_seats_are_left_alone() {
    let fixture = Fixture::new();
    let program = "import time; time.sleep(1000)";
    let launch = fixture.python(program);
    let mut other = launch.clone();
    other.key.user = usher::domain::UserName::new("kimchi").unwrap();
    let first = fixture.launchers.start(&launch).await.unwrap();
    let second = fixture.launchers.start(&other).await.unwrap();
    within(fixture.launchers.kill(&first)).await;
    assert!(runs(second.pid.unwrap()));
    within(fixture.launchers.stop(&second)).await;
    assert_eq!(within(fixture.launchers.exited(&second)).await, Exit::Signal(15));
}

#[tokio::test]
async fn use_is_that_of_all_processes_together() {
    let fixture = Fixture::new();
    let program = r#"
import os, time
if os.fork() == 0:
    block = b"x" * (64 << 20)
    while time.process_time() < 0.3: pass
    files = [open("/dev/null") for _ in range(50)]
    open("there", "w").close()
time.sleep(1000)
"#;
    let started = fixture.launchers.start(&fixture.python(program)).await.unwrap();
    until("it has worked", || fixture.path("there").exists()).await;
    let usage = fixture.launchers.weigh(&started, Allowance::default()).unwrap();
    assert!(usage.memory_bytes > 64 << 20 && usage.memory_bytes < 128 << 20, "{usage:?}");
    assert!(usage.cpu_ms >= 290, "{usage:?}");
    assert_eq!(usage.threads, 2, "{usage:?}");
    assert!(usage.open_files >= 56, "{usage:?}");
    within(fixture.launchers.kill(&started)).await;
}
