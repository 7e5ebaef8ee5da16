//! Seats that want more than they may have: slowed down or ended, and by nothing else disturbed.
//! Each test passes whether the kernel keeps the limits (a cgroup of version 2 that is this
//! process's own) or usher measures; `scripts/in_own_cgroup.sh` runs them in
//! a kernel of their own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use usher::clock::{Clock, OsClock};
use usher::domain::Exit;
use usher::launch::{Allowance, Keeping, Launcher, Started, Usage};

use crate::fixture::{Fixture, tcp, until, with, within};

/// Answers with the number of requests so far, beside two processes that want a core each.
const BUSY: &str = r#"
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(5))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here")
    def log_message(self, *_): pass
for _ in range(2):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while True: pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Takes 200 MiB as soon as somebody watches.
const HOARD: &str = r#"
import time
while "seat-" not in open("/proc/self/cgroup").read(): time.sleep(0.01)
hoard = [b"x" * (1 << 20) for _ in range(200)]
time.sleep(1000)
"#;

const SECOND: Duration = Duration::from_secs(1);

fn cores(cpu_max_millicores: u32) -> Allowance {
    Allowance { cpu_max_millicores: Some(cpu_max_millicores), memory_max_bytes: None }
}

/// As the driver of seats does it once a second.
fn weigh(fixture: &Fixture, started: &Started, allowance: Allowance) -> Usage {
    fixture.launchers.weigh(started, allowance).expect("it runs")
}

/// Measures it until it is seen at its limit.
async fn held(fixture: &Fixture, started: &Started, allowance: Allowance) {
    let until_held = async {
        while !weigh(fixture, started, allowance).is_slowed_down {
            tokio::time::sleep(SECOND).await;
        }
    };
    within(until_held).await;
}

/// An answer of the app itself.
fn ask(started: &Started) -> String {
    let mut stream = TcpStream::connect(tcp(started)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
}

/// The folder of a process's cgroup, if the kernel keeps limits.
fn cgroup(fixture: &Fixture, pid: u32) -> Option<PathBuf> {
    match fixture.launchers.keeping() {
        Keeping::Measured { .. } => None,
        Keeping::Cgroup => {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
            let mounted = line.split(' ').nth(4).unwrap();
            let path = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
            let path = path.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
            Some(PathBuf::from(mounted).join(path))
        }
    }
}

async fn is_held_at(cpu_max_millicores: u32) {
    let fixture = Fixture::new();
    let allowance = cores(cpu_max_millicores);
    let launch = with(fixture.python(BUSY), |app| {
        app.cpu_max_millicores = allowance.cpu_max_millicores;
    });
    let started = fixture.ready(&launch).await;
    held(&fixture, &started, allowance).await;

    let (begun, before) = (OsClock.now(), weigh(&fixture, &started, allowance));
    let mut answers = 0;
    for _ in 0..6 {
        let next = OsClock.now().plus_ms(1_000);
        while OsClock.now() < next {
            assert!(ask(&started).ends_with("here"));
            answers += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(weigh(&fixture, &started, allowance).is_slowed_down, "and it is told");
    }
    let after = weigh(&fixture, &started, allowance);
    let used_ms = after.cpu_ms - before.cpu_ms;
    let used_millicores = used_ms * 1000 / OsClock.now().since_ms(begun);
    println!(
        "{}: {used_millicores} of {cpu_max_millicores} millicores used, {answers} answers",
        fixture.launchers.keeping().as_str()
    );
    // The system tells CPU time in ticks of 10 ms a process.
    let allowed = u64::from(cpu_max_millicores);
    assert!(used_millicores <= allowed + allowed / 10 + 10, "{used_millicores} of {allowed}");
    assert!(answers > 6, "it answers at its limit: {answers}");
    within(fixture.launchers.kill(&started)).await;
    fixture.launchers.forget(&started).await;
}

#[tokio::test]
async fn half_a_core_is_half_a_core_and_the_app_answers() {
    is_held_at(500).await;
}

#[tokio::test]
async fn a_twentieth_of_a_core_is_enough_to_answer() {
    is_held_at(50).await;
}

#[tokio::test]
async fn who_is_held_ends_in_its_own_way_when_asked_to() {
    let fixture = Fixture::new();
    let launch = with(fixture.python(BUSY), |app| app.cpu_max_millicores = Some(50));
    let started = fixture.ready(&launch).await;
    held(&fixture, &started, cores(50)).await;
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(5));
    within(fixture.launchers.kill(&started)).await;
    fixture.launchers.forget(&started).await;
    fixture.nothing_left().await;
}

#[tokio::test]
async fn a_limit_is_raised_and_taken_away_while_it_runs() {
    let fixture = Fixture::new();
    let launch = with(fixture.python(BUSY), |app| app.cpu_max_millicores = Some(100));
    let started = fixture.ready(&launch).await;
    held(&fixture, &started, cores(100)).await;
    // More than the machine has: whoever held it before lets it go.
    let calm = async {
        while weigh(&fixture, &started, cores(64_000)).is_slowed_down {
            tokio::time::sleep(SECOND).await;
        }
    };
    within(calm).await;
    held(&fixture, &started, cores(100)).await;
    assert!(
        !weigh(&fixture, &started, Allowance::default()).is_slowed_down || {
            // The kernel tells what happened until now.
            !weigh(&fixture, &started, Allowance::default()).is_slowed_down
        }
    );
    let pid = started.pid.unwrap();
    until("it runs", || !is_stopped(pid)).await;
    within(fixture.launchers.kill(&started)).await;
    fixture.launchers.forget(&started).await;
}

#[tokio::test]
async fn usher_lets_everybody_go_before_it_leaves() {
    let fixture = Fixture::new();
    let launch = with(fixture.python(BUSY), |app| app.cpu_max_millicores = Some(50));
    let started = fixture.ready(&launch).await;
    held(&fixture, &started, cores(50)).await;
    fixture.launchers.close(true).await;
    assert!(!is_stopped(started.pid.unwrap()));
    assert!(ask(&started).ends_with("here"));
}

#[tokio::test]
async fn whom_a_killed_usher_had_stopped_goes_on_at_the_next_start() {
    use rustix::process::{Pid, Signal, kill_process};
    let mut fixture = Fixture::new();
    let started = fixture.ready(&fixture.python(BUSY)).await;
    let pid = started.pid.unwrap();
    let number = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(number, Signal::STOP).unwrap();
    until("it stands still", || is_stopped(pid)).await;
    fixture.start_again();
    assert_eq!(fixture.launchers.survivors().await, std::slice::from_ref(&started));
    until("it goes on", || !is_stopped(pid)).await;
    assert!(ask(&started).ends_with("here"));
}

#[tokio::test]
async fn each_seat_with_a_limit_has_a_cgroup_that_goes_with_it() {
    let mut fixture = Fixture::new();
    if let Keeping::Measured { why } = fixture.launchers.keeping() {
        println!("skipped: usher may not make cgroups here: {why}");
        return;
    }
    let free = fixture.ready(&fixture.python(BUSY)).await;
    let door = cgroup(&fixture, free.pid.unwrap()).unwrap();
    assert!(door.ends_with("door"), "{}: without a limit it stays", door.display());
    within(fixture.launchers.kill(&free)).await;
    fixture.launchers.forget(&free).await;

    let launch = with(fixture.python(BUSY), |app| app.cpu_max_millicores = Some(500));
    let started = fixture.ready(&launch).await;
    weigh(&fixture, &started, cores(500));
    let folder = cgroup(&fixture, started.pid.unwrap()).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("cpu.max")).unwrap(), "50000 100000\n");
    let inside = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap();
    assert_eq!(inside.lines().count(), 3, "with what it has started");

    // The next usher finds it as it is, and removes what belongs to nobody.
    let left = folder.with_file_name("seat-left");
    std::fs::create_dir(&left).unwrap();
    fixture.start_again();
    assert_eq!(fixture.launchers.survivors().await, std::slice::from_ref(&started));
    assert!(folder.exists() && !left.exists());
    within(fixture.launchers.kill(&started)).await;
    fixture.launchers.forget(&started).await;
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_kernel_ends_who_takes_too_much_memory_and_the_reason_is_known() {
    let fixture = Fixture::new();
    if let Keeping::Measured { why } = fixture.launchers.keeping() {
        println!("skipped: usher may not make cgroups here: {why}");
        return;
    }
    const LIMIT_BYTES: u64 = 64 << 20;
    let launch = with(fixture.python(HOARD), |app| app.memory_max_bytes = Some(LIMIT_BYTES));
    let started = fixture.launchers.start(&launch).await.unwrap();
    let exit = within(fixture.launchers.exited(&started)).await;
    assert_eq!(exit, Exit::OutOfMemory { limit_bytes: LIMIT_BYTES });
    within(fixture.launchers.kill(&started)).await;
    fixture.launchers.forget(&started).await;
}
