//! What a new usher finds of an earlier one: it takes over what runs and is recorded, and ends what
//! nobody would find otherwise.

use crate::fixture::{Fixture, until, with, within};
use usher::config::Connect;
use usher::domain::{Exit, Failure};
use usher::launch::{Allowance, Launcher};

/// A web server that says who it is.
pub(crate) const SERVER: &str = r#"
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(str(os.getpid()).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[tokio::test]
async fn a_recorded_seat_is_adopted_as_it_was() {
    let mut fixture = Fixture::new();
    let launch = fixture.python(SERVER);
    let started = fixture.ready(&launch).await;
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, std::slice::from_ref(&started));
    within(fixture.launchers.healthy(&launch.app, &started)).await.unwrap();
    assert!(
        fixture.launchers.weigh(&started, Allowance::default()).unwrap().memory_bytes > 1 << 20
    );
    let tail = fixture.launchers.log_tail(&launch.key, 10).await;
    assert!(tail.iter().any(|line| line.contains("launch 1 of kim/main")), "{tail:?}");
    // Its port is known to be in use before it is asked for.
    let only = usher::launch::Launch {
        own_port: None,
        ..with(launch.clone(), |app| {
            let usher::domain::Endpoint::Tcp(address) = &started.endpoint else { panic!() };
            app.ports = (address.port(), address.port());
        })
    };
    let refused = fixture.launchers.start(&only).await.unwrap_err();
    assert!(matches!(refused, Failure::NoPortLeft { .. }), "{refused}");
    let exited = fixture.launchers.exited(&started);
    let (exit, ()) = tokio::join!(within(exited), within(fixture.launchers.kill(&started)));
    assert!(matches!(exit, Exit::Unknown | Exit::Signal(9)), "{exit}");
    fixture.launchers.forget(&started).await;
    assert!(!fixture.record().exists());
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Unknown);
    let again = fixture.launchers.start(&only).await.unwrap();
    within(fixture.launchers.kill(&again)).await;
}

#[tokio::test]
async fn what_has_no_record_is_ended() {
    let mut fixture = Fixture::new();
    let launch = fixture.python(
        "import os, time\nif os.fork() == 0: os.setsid()\nopen('there', 'w').close(); time.sleep(1000)",
    );
    let started = fixture.launchers.start(&launch).await.unwrap();
    until("both are there", || fixture.processes().len() == 2).await;
    // As if usher had been killed between the start and the record.
    std::fs::remove_file(fixture.record()).unwrap();
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    assert!(fixture.processes().is_empty());
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Unknown);
}

#[tokio::test]
async fn what_a_dead_seat_left_behind_is_ended() {
    let mut fixture = Fixture::new();
    let launch = with(
        fixture.python("import os, time\nif os.fork() == 0: time.sleep(1000)\nos._exit(7)"),
        |app| app.connect = Connect::Unix,
    );
    let started = fixture.launchers.start(&launch).await.unwrap();
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Code(7));
    assert!(fixture.record().exists());
    let socket = fixture.state_dir().join("sockets/of-another-time");
    std::fs::write(&socket, "").unwrap();
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    assert!(fixture.processes().is_empty(), "the child that survived its parent");
    assert_eq!(fixture.launchers.vanished(), [started], "an end that nobody saw is told");
    assert_eq!(fixture.launchers.vanished(), [], "once");
    assert!(!fixture.record().exists() && !socket.exists());
}

#[tokio::test]
async fn a_record_that_names_another_process_harms_nobody() {
    let mut fixture = Fixture::new();
    let launch = fixture.python(SERVER);
    let started = fixture.ready(&launch).await;
    let record = std::fs::read_to_string(fixture.record()).unwrap();
    within(fixture.launchers.kill(&started)).await;
    // The number now belongs to somebody: this very test.
    let own = format!("\"pid\": {}", std::process::id());
    let forged = record.replace(&format!("\"pid\": {}", started.pid.unwrap()), &own);
    assert_ne!(forged, record);
    std::fs::write(fixture.record(), forged).unwrap();
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    assert!(!fixture.record().exists());
}

#[tokio::test]
async fn a_record_of_before_the_machine_s_start_is_not_believed() {
    let mut fixture = Fixture::new();
    let launch = fixture.python(SERVER);
    let started = fixture.ready(&launch).await;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let record = std::fs::read_to_string(fixture.record()).unwrap();
    let old = record.replace(boot.trim(), "00000000-0000-0000-0000-000000000000");
    assert_ne!(old, record);
    std::fs::write(fixture.record(), old).unwrap();
    fixture.start_again();
    assert_eq!(within(fixture.launchers.survivors()).await, []);
    // It carries our mark all the same, so it is ended like anything that is not recorded.
    fixture.nothing_left().await;
    assert_eq!(within(fixture.launchers.exited(&started)).await, Exit::Unknown);
}

#[tokio::test]
async fn the_states_of_two_ushers_do_not_mix() {
    let (first, mut second) = (Fixture::new(), Fixture::new());
    let started = first.ready(&first.python(SERVER)).await;
    second.start_again();
    assert_eq!(within(second.launchers.survivors()).await, []);
    assert_eq!(first.processes().len(), 1);
    within(first.launchers.kill(&started)).await;
}
