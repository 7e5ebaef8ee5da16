//! Seats that are forked from a template: served, marked, measured, stopped and ended like any other.

use std::path::{Path, PathBuf};

use crate::fixture::{Fixture, python, python_139, with, within};
use crate::streamlit::get;
use usher::config::{Connect, LaunchMode, Program};
use usher::domain::{Endpoint, Exit, LaunchKind};
use usher::launch::{Launch, Launcher, Started};

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

/// What the script saw in this seat.
pub(crate) fn run(launch: &Launch, started: &Started) -> serde_json::Value {
    let answer = get(&started.endpoint, RUN);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = std::fs::read_to_string(launch.data_dir.join("seen")).unwrap();
    serde_json::from_str(&seen).unwrap()
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
