//! Real Streamlit, of the version on Starlette and of the one on Tornado.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::fixture::{Fixture, python, python_139, streamlit, with, within};
use usher::config::{Connect, Program};
use usher::domain::{Endpoint, Exit, LaunchKind};
use usher::launch::{Launch, Launcher, Started};

const APP: &str = r#"
import os, sys
import streamlit as st
st.title("안녕 " + os.environ["USHER_USER"])
"#;

/// The answer to a GET.
pub(crate) fn get(endpoint: &Endpoint, path: &str) -> String {
    fn exchange(mut stream: impl Read + Write, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
    match endpoint {
        Endpoint::Tcp(address) => exchange(std::net::TcpStream::connect(address).unwrap(), path),
        Endpoint::Unix(socket) => {
            exchange(std::os::unix::net::UnixStream::connect(socket).unwrap(), path)
        }
    }
}

fn command_line(started: &Started) -> String {
    let line = std::fs::read(format!("/proc/{}/cmdline", started.pid.unwrap())).unwrap();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

async fn serves(python: PathBuf, connect: Connect) {
    let fixture = Fixture::new();
    let script = fixture.write("앱/main.py", APP);
    // Nothing of the working directory stands in for what Streamlit imports.
    fixture.write("click.py", "raise SystemExit('this is the wrong one')");
    let launch = fixture.launch(streamlit(&script, &python));
    let launch = with(launch, |app| app.connect = connect);
    let started = fixture.ready(&launch).await;
    assert_eq!(started.kind, LaunchKind::Spawn);
    match (&started.endpoint, connect) {
        (Endpoint::Tcp(_), Connect::Tcp) | (Endpoint::Unix(_), Connect::Unix) => {}
        (other, _) => panic!("{other}"),
    }
    let index = get(&started.endpoint, "/app/main/");
    assert!(index.starts_with("HTTP/1.1 200") && index.contains("<html"), "{index}");
    assert!(get(&started.endpoint, "/").starts_with("HTTP/1.1 404"), "outside of its base path");
    let line = command_line(&started);
    assert!(!line.contains(&launch.cookie_secret), "{line}");
    assert!(!fixture.log().contains("Traceback"), "{}", fixture.log());
    within(fixture.launchers.stop(&started)).await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(0));
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.forget(&started)).await;
    if let Endpoint::Unix(path) = &started.endpoint {
        assert!(!path.exists());
    }
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

/// The script's second run is of this process: what it finds is what `streamlit run` gives it.
#[tokio::test]
async fn an_app_s_own_wishes_count() {
    let fixture = Fixture::new();
    let script = fixture.write("main.py", APP);
    fixture.write(".streamlit/config.toml", "[runner]\npostScriptGC = true\n");
    let program = Program::Streamlit {
        script,
        python: python(),
        arguments: ["--mode", "fast", "--server.fileWatcherType=poll"].map(str::to_owned).to_vec(),
        launch: usher::config::LaunchMode::Spawn,
        preload: Vec::new(),
    };
    let launch = with(fixture.launch(program), |app| {
        app.strip_prefix = true;
        app.environment.insert("STREAMLIT_BROWSER_GATHER_USAGE_STATS".to_owned(), "1".to_owned());
    });
    let launch = Launch { base_path: String::new(), ..launch };
    let started = fixture.ready(&launch).await;
    assert!(get(&started.endpoint, "/").contains("<html"), "no base path");
    let line = command_line(&started);
    for expected in [
        r#""server.fileWatcherType":"poll""#,
        r#""args":["--mode","fast"]"#,
        r#""watch_config":true"#,
        r#""server.maxUploadSize":"200""#,
    ] {
        assert!(line.contains(expected), "{expected}: {line}");
    }
    for unexpected in ["postScriptGC", "gatherUsageStats", "baseUrlPath"] {
        assert!(!line.contains(unexpected), "{unexpected}: {line}");
    }
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn connections_wait_while_it_starts() {
    let fixture = Fixture::new();
    let script = fixture.write("main.py", APP);
    let launch = fixture.launch(streamlit(&script, &python()));
    let started = fixture.launchers.start(&launch).await.unwrap();
    // Long before Python has come so far: accepted by the kernel, answered later.
    let endpoint = started.endpoint.clone();
    let answer = tokio::task::spawn_blocking(move || get(&endpoint, "/app/main/_stcore/health"));
    let answer = within(answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn a_script_with_a_fault_is_streamlit_s_to_show() {
    let fixture = Fixture::new();
    let script = fixture.write("main.py", "def (:");
    let started = fixture.ready(&fixture.launch(streamlit(&script, &python()))).await;
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn a_script_that_vanishes_is_said_in_the_log() {
    let fixture = Fixture::new();
    let script = fixture.write("main.txt", APP);
    let launch = fixture.launch(streamlit(Path::new(&script), &python()));
    let started = fixture.launchers.start(&launch).await.unwrap();
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(2));
    let tail = fixture.launchers.log_tail(&launch.key, 5).await;
    assert!(tail.iter().any(|line| line.contains("raw Python (.py) files")), "{tail:?}");
}
