//! What an app is given: exactly this environment, these descriptors, this folder.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use crate::fixture::{Fixture, free_port, listener, tcp, with, within};
use usher::domain::Exit;
use usher::launch::{Launch, Launcher};

const TELL: &str = r#"
import json, os, sys
links = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{fd}")}
print("told", json.dumps({"environment": dict(os.environ), "descriptors": links,
    "cwd": os.getcwd(), "session": os.getsid(0) == os.getpid(), "pid": os.getpid(),
    "umask": os.umask(0), "arguments": sys.argv[1:],
    "signals": [line.split()[1] for line in open("/proc/self/status") if line[:6] in ("SigBlk", "SigIgn")]}))
print("to stderr", file=sys.stderr)
"#;

async fn told(fixture: &Fixture, launch: &Launch) -> serde_json::Value {
    let started = fixture.launchers.start(launch).await.unwrap();
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(0));
    fixture.launchers.forget(&started).await;
    let log = fixture.log();
    let line = log.lines().find_map(|line| line.strip_prefix("told ")).expect(&log);
    assert!(log.contains("\nto stderr\n"), "{log}");
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn the_environment_is_exactly_this() {
    let fixture = Fixture::new();
    let launch = with(fixture.python(TELL), |app| {
        for (name, value) in [("MODE", "빠르게"), ("LANG", "ko_KR.UTF-8"), ("USHER_USER", "boss")]
        {
            app.environment.insert(name.to_owned(), value.to_owned());
        }
    });
    let told = told(&fixture, &launch).await;
    let mut environment: BTreeMap<String, String> =
        serde_json::from_value(told["environment"].clone()).unwrap();
    let port = environment.remove("PORT").unwrap().parse::<u16>().unwrap();
    assert!((launch.app.ports.0..=launch.app.ports.1).contains(&port));
    let state = fixture.state_dir().canonicalize().unwrap();
    for (name, value) in [
        ("MODE", "빠르게"),
        ("LANG", "ko_KR.UTF-8"),
        ("PYTHONUNBUFFERED", "1"),
        ("USHER_USER", "kim"),
        ("USHER_ROLE", "admin"),
        ("USHER_APP", "main"),
        ("USHER_DATA", &launch.data_dir.display().to_string()),
        ("USHER_SEAT", &format!("{}:kim/main:1", state.display())),
    ] {
        assert_eq!(environment.remove(name).as_deref(), Some(value), "{name}");
    }
    // The rest is usher's own, by name: of the many variables that cargo sets for this test none.
    for (name, value) in environment {
        let known = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "TMPDIR"].contains(&&*name)
            || ["LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"].contains(&&*name)
            || ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "LC_CTYPE"].contains(&&*name)
            || name.to_lowercase().ends_with("_proxy")
            || ["XDG_", "CUDA_", "NVIDIA_"].iter().any(|beginning| name.starts_with(beginning));
        assert!(known, "{name}={value}");
        if let Ok(own) = std::env::var(&name) {
            assert_eq!(own, value, "{name}");
        }
    }
}

#[tokio::test]
async fn no_descriptor_comes_along() {
    let fixture = Fixture::new();
    // One that somebody forgot to mark close-on-exec, as a shell may leave it.
    let forgotten = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&forgotten, rustix::io::FdFlags::empty()).unwrap();
    let launch = fixture.python(TELL);
    let told = told(&fixture, &launch).await;
    let log = launch.log_file.display().to_string();
    assert_eq!(told["descriptors"], serde_json::json!({"0": "/dev/null", "1": log, "2": log}));
    assert_eq!(told["session"], true);
    assert_eq!(told["cwd"], fixture.path("").canonicalize().unwrap().to_str().unwrap());
    let signals = |index: usize| {
        u64::from_str_radix(told["signals"][index].as_str().unwrap(), 16).unwrap() & 0x7fff_ffff
    };
    let of_python = 1 << (13 - 1) | 1 << (25 - 1); // SIGPIPE and SIGXFSZ, which it ignores itself
    assert_eq!((signals(0), signals(1)), (0, of_python), "blocked and ignored signals");
}

#[tokio::test]
async fn the_log_has_a_line_for_each_launch_and_the_data_folder_is_private() {
    let fixture = Fixture::new();
    let launch = fixture.python(TELL);
    told(&fixture, &launch).await;
    let again = Launch { generation: launch.generation.next(), ..launch.clone() };
    told(&fixture, &again).await;
    let log = fixture.log();
    let headers: Vec<&str> = log.lines().filter(|line| line.starts_with("--- usher: ")).collect();
    assert_eq!(headers.len(), 2, "appended: {log}");
    assert!(headers[0].contains(" launch 1 of kim/main: "), "{log}");
    assert!(headers[1].contains(" launch 2 of kim/main: ") && headers[1].contains("program.py"));
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&launch.log_file), 0o600);
    for folder in [&launch.data_dir, &fixture.state_dir(), &fixture.state_dir().join("sockets")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    let tail = fixture.launchers.log_tail(&launch.key, 100).await;
    assert!(tail[0].contains(" launch 2 of "), "only of the newest launch: {tail:?}");
    assert_eq!(fixture.launchers.log_tail(&launch.key, 1).await, ["to stderr"]);
}

#[tokio::test]
async fn a_command_s_arguments_are_filled_in() {
    let fixture = Fixture::new();
    let launch = fixture.python(TELL);
    let launch = with(launch, |app| {
        if let usher::config::Program::Command { argv } = &mut app.program {
            let more = ["--port={port}", "{base_path}", "{user}", "{data}", "{other}"];
            argv.extend(more.map(str::to_owned));
        }
    });
    let own_port = free_port();
    let launch = Launch { own_port: Some(own_port), ..launch };
    let told = told(&fixture, &launch).await;
    let data = launch.data_dir.display().to_string();
    let expected = [&format!("--port={own_port}"), "/app/main", "kim", &data, "{other}"];
    assert_eq!(told["arguments"], serde_json::json!(expected));
    assert_eq!(told["environment"]["PORT"], own_port.to_string());
}

#[tokio::test]
async fn the_place_is_as_the_record_says() {
    let fixture = Fixture::new();
    let launch = fixture.python("import time; time.sleep(100)");
    let started = fixture.launchers.start(&launch).await.unwrap();
    let record = std::fs::read_to_string(fixture.record()).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["pid"], started.pid.unwrap());
    assert_eq!(record["endpoint"]["tcp"], tcp(&started).to_string());
    assert_eq!((&record["user"], &record["app"]), (&"kim".into(), &"main".into()));
    assert_eq!((&record["generation"], &record["fingerprint"]), (&1.into(), &42.into()));
    fixture.launchers.kill(&started).await;
    fixture.launchers.forget(&started).await;
    assert!(!fixture.record().exists());
}

/// Connects by itself, by a short-lived child, and by one that left the session and its environment.
const CALLERS: &str = r#"
import os, socket, subprocess, sys
door = ("127.0.0.1", int(sys.argv[1]))
call = f"import socket; s = socket.create_connection({door}); s.recv(1)"
with socket.create_connection(door) as s:
    s.recv(1)
subprocess.run([sys.executable, "-c", call])
subprocess.run([sys.executable, "-c", call], env={}, start_new_session=True)
"#;

#[tokio::test]
async fn a_seat_that_calls_at_the_door_is_known() {
    let fixture = Fixture::new();
    let door = listener();
    let local = door.local_addr().unwrap();
    let launch = with(fixture.python(CALLERS), |app| {
        if let usher::config::Program::Command { argv } = &mut app.program {
            argv.push(local.port().to_string());
        }
    });
    let started = fixture.launchers.start(&launch).await.unwrap();
    let door = tokio::net::TcpListener::from_std({
        door.set_nonblocking(true).unwrap();
        door
    })
    .unwrap();
    for caller in ["itself", "its child", "a child of another session"] {
        // Between them somebody else of this machine, who is not taken for a seat.
        let own = tokio::net::TcpStream::connect(local).await.unwrap();
        let mut calls =
            [within(door.accept()).await.unwrap(), within(door.accept()).await.unwrap()];
        calls.sort_by_key(|(_, peer)| *peer == own.local_addr().unwrap());
        let from_seat =
            calls.each_ref().map(|(_, peer)| fixture.launchers.is_from_seat(*peer, local));
        assert_eq!(from_seat, [true, false], "{caller}");
    }
    within(fixture.launchers.exited(&started)).await;
    let gone = "127.0.0.1:1".parse().unwrap();
    assert!(!fixture.launchers.is_from_seat(gone, local));
}
