//! Why there is no process: each reason by name, and nothing left of the attempt.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use crate::fixture::{Fixture, free_port, listener, port_of, python, streamlit, until, with};
use usher::config::{Connect, Program};
use usher::domain::Failure;
use usher::launch::{Launch, Launcher};

async fn failure(fixture: &Fixture, launch: &Launch) -> Failure {
    let failure = fixture.launchers.start(launch).await.unwrap_err();
    assert!(!fixture.record().exists(), "{failure}: a record was left");
    assert!(fixture.processes().is_empty(), "{failure}: a process was left");
    failure
}

fn command(argv: &[&str]) -> Program {
    Program::Command { argv: argv.iter().map(|word| (*word).to_owned()).collect() }
}

#[tokio::test]
async fn a_script_that_is_not_there() {
    let fixture = Fixture::new();
    let launch = fixture.launch(streamlit(&fixture.path("none.py"), &python()));
    let path = fixture.path("none.py").display().to_string();
    assert_eq!(failure(&fixture, &launch).await, Failure::ScriptMissing { path });
}

#[tokio::test]
async fn a_working_directory_that_is_not_there() {
    let fixture = Fixture::new();
    let launch = with(fixture.python(""), |app| app.working_directory = "/no/such/place".into());
    let path = "/no/such/place".to_owned();
    assert_eq!(failure(&fixture, &launch).await, Failure::WorkingDirectoryMissing { path });
}

#[tokio::test]
async fn an_interpreter_that_is_not_there() {
    let fixture = Fixture::new();
    let script = fixture.write("app.py", "");
    for (python, cause) in [
        ("python-of-nobody", "there is no such program in PATH"),
        ("/no/python", "No such file or directory (os error 2)"),
        ("app.py", "there is no such program in PATH"),
        ("./app.py", "it is not an executable file"),
    ] {
        let launch = fixture.launch(streamlit(&script, Path::new(python)));
        let program = python.to_owned();
        let expected = Failure::ProgramMissing { program, cause: cause.to_owned() };
        assert_eq!(failure(&fixture, &launch).await, expected);
    }
}

#[tokio::test]
async fn an_interpreter_that_is_no_python() {
    let fixture = Fixture::new();
    let script = fixture.write("app.py", "");
    let program = fixture.executable("python", "#!/bin/sh\necho who is asking >&2\nexit 3\n");
    let launch = fixture.launch(streamlit(&script, &program));
    let expected = Failure::ProgramMissing {
        program: program.display().to_string(),
        cause: "it does not run Python programs (exit status: 3: who is asking)".to_owned(),
    };
    assert_eq!(failure(&fixture, &launch).await, expected);
}

#[tokio::test]
async fn an_interpreter_without_streamlit_until_it_has_it() {
    let fixture = Fixture::new();
    let script = fixture.write("app.py", "");
    let bare = format!("#!/bin/sh\nexec {} -S \"$@\"\n", python().display());
    let program = fixture.executable("python", &bare);
    let launch = fixture.launch(streamlit(&script, &program));
    let missing = Failure::StreamlitMissing { python: program.display().to_string() };
    assert_eq!(failure(&fixture, &launch).await, missing);
    // Installing it helps at once.
    fixture.write("packages/streamlit/__init__.py", "");
    let launch = with(launch, |app| {
        let packages = fixture.path("packages").display().to_string();
        app.environment.insert("PYTHONPATH".to_owned(), packages);
    });
    let started = fixture.launchers.start(&launch).await.unwrap();
    fixture.launchers.kill(&started).await;
    // And so does removing it hurt.
    fixture.launchers.forget(&started).await;
    std::fs::remove_dir_all(fixture.path("packages/streamlit")).unwrap();
    assert_eq!(failure(&fixture, &launch).await, missing);
}

#[tokio::test]
async fn a_command_that_is_not_there_or_cannot_be_executed() {
    let fixture = Fixture::new();
    fixture.executable("script", "#!/no/such/interpreter\n");
    for (name, expected) in [
        ("program-of-nobody", "no such program"),
        ("./script", "No such file"),
        ("/etc", "not an executable file"),
    ] {
        let failed = failure(&fixture, &fixture.launch(command(&[name]))).await;
        let Failure::ProgramMissing { program, cause } = failed else { panic!("{failed}") };
        assert!(program.ends_with(name.trim_start_matches('.')), "{program}");
        assert!(cause.contains(expected), "{name}: {cause}");
    }
}

#[tokio::test]
async fn a_user_s_own_port_that_is_taken_is_named_with_its_holder() {
    let fixture = Fixture::new();
    let other = listener();
    let port = port_of(&other);
    let script = fixture.write("app.py", "");
    for program in [command(&["true"]), streamlit(&script, &python())] {
        let launch = Launch { own_port: Some(port), ..fixture.launch(program) };
        let failed = failure(&fixture, &launch).await;
        let Failure::PortTaken { port: taken, holder } = failed else { panic!("{failed}") };
        assert_eq!(taken, port);
        let own = std::process::id();
        assert!(holder.ends_with(&format!(" (pid {own})")), "{holder}");
        assert!(!holder.starts_with(' '), "{holder}");
    }
}

#[tokio::test]
async fn no_port_is_left_when_all_are_taken_reserved_or_handed_out() {
    let fixture = Fixture::new();
    let port = free_port();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let range = (port, port);
    let launch = |range| with(fixture.launch(command(&["sleep", "100"])), |app| app.ports = range);
    let no_port = Failure::NoPortLeft { first: port, last: port };
    assert_eq!(failure(&fixture, &launch(range)).await, no_port);
    drop(other);
    let reserved = Launch { reserved_ports: [port].into(), ..launch(range) };
    assert_eq!(failure(&fixture, &reserved).await, no_port);

    // Free now, and handed out once: `sleep` never listens, yet nobody else gets its port.
    let started = fixture.launchers.start(&launch(range)).await.unwrap();
    let again = fixture.launchers.start(&launch(range)).await;
    assert_eq!(again.unwrap_err(), no_port);
    fixture.launchers.kill(&started).await;
    fixture.launchers.forget(&started).await;
    let started = fixture.launchers.start(&launch(range)).await.unwrap();
    fixture.launchers.kill(&started).await;
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_run() {
    let fixture = Fixture::new();
    std::fs::create_dir(fixture.record().with_extension("part")).unwrap();
    let failed = failure(&fixture, &fixture.python("import time; time.sleep(100)")).await;
    assert!(matches!(failed, Failure::System { doing: "recording the seat", .. }), "{failed}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written() {
    let fixture = Fixture::new();
    let launch = Launch { log_file: fixture.path(""), ..fixture.python("") };
    let failed = failure(&fixture, &launch).await;
    assert!(matches!(failed, Failure::System { doing: "opening the app's log", .. }), "{failed}");
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_named() {
    let fixture = Fixture::new();
    let long = fixture.path(&"long/".repeat(25));
    let launchers =
        usher::launch::Launchers::new(&long, std::sync::Arc::new(usher::clock::OsClock)).unwrap();
    let launch = with(fixture.python(""), |app| app.connect = Connect::Unix);
    let failed = launchers.start(&launch).await.unwrap_err();
    let Failure::System { cause, .. } = failed else { panic!("{failed}") };
    assert!(cause.contains("move state_dir"), "{cause}");
}

#[tokio::test]
async fn who_stops_waiting_for_a_start_leaves_nothing() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        let launch = fixture.python("import time; time.sleep(100)");
        // Polled once, and dropped while it is under way.
        let start = fixture.launchers.start(&launch);
        let polled = tokio::time::timeout(std::time::Duration::ZERO, start).await;
        if let Ok(started) = polled {
            fixture.launchers.kill(&started.unwrap()).await;
        }
    }
    // A process may still be on its way into and out of life, so what is waited for is a record
    // that comes and goes: the last launch of all uses the same port as each of them.
    let launch = fixture.python("import time; time.sleep(100)");
    let started = fixture.launchers.start(&launch).await.unwrap();
    fixture.launchers.kill(&started).await;
    fixture.launchers.forget(&started).await;
    until("nothing is left", || fixture.processes().is_empty() && !fixture.record().exists()).await;
}
