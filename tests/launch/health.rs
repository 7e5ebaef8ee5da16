//! When a seat counts as ready, and that nobody else's answer is taken for its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::fixture::{Fixture, free_port, listener, port_of, tcp, with, within};
use crate::survivors::SERVER;
use usher::config::{Connect, Program};
use usher::domain::{Endpoint, Failure, LaunchKind};
use usher::launch::{Allowance, Launch, Launcher};

#[tokio::test]
async fn it_is_waited_for_until_the_health_path_says_so() {
    let fixture = Fixture::new();
    // 503 twice, then a redirect, under the base path only.
    let program = r#"
import http.server, os
answers = [503, 503, 302]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", self.path, self.headers["Host"], flush=True)
        self.send_response(answers.pop(0) if self.path == "/app/main/ok?deep=1" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;
    let launch = with(fixture.python(program), |app| app.health = Some("/ok?deep=1".to_owned()));
    let started = fixture.ready(&launch).await;
    let asked = format!("asked /app/main/ok?deep=1 {}\n", tcp(&started));
    assert_eq!(fixture.log().matches(&asked).count(), 3, "{}", fixture.log());
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn without_a_health_path_a_connection_is_enough() {
    let fixture = Fixture::new();
    let program = r#"
import os, socket, time
s = socket.socket(socket.AF_INET6); s.bind(("::", int(os.environ["PORT"]))); s.listen()
if os.fork() == 0: time.sleep(1000)
s.close(); time.sleep(1000)
"#;
    // The child that listens, on every address, is as much the seat as its parent.
    let fixture_launch = fixture.python(program);
    let started = fixture.ready(&fixture_launch).await;
    within(fixture.launchers.kill(&started)).await;
}

#[tokio::test]
async fn the_answer_of_somebody_else_is_none() {
    let fixture = Fixture::new();
    let launch = fixture.python("import time; time.sleep(1000)");
    let started = fixture.launchers.start(&launch).await.unwrap();
    let port = tcp(&started).port();
    let _thief = TcpListener::bind(tcp(&started)).unwrap();
    let holder = match within(fixture.launchers.healthy(&launch.app, &started)).await {
        Err(Failure::PortTaken { port: taken, holder }) if taken == port => holder,
        other => panic!("{other:?}"),
    };
    assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    // Also if the answer is the wrong one, so that there is no use in waiting.
    let other = fixture.python(SERVER);
    let other = Launch { own_port: None, generation: other.generation.next(), ..other };
    let elsewhere = fixture.ready(&other).await;
    let mut mistaken = started.clone();
    mistaken.endpoint = elsewhere.endpoint.clone();
    let asked = with(launch, |app| app.health = Some("/".to_owned()));
    let judged = within(fixture.launchers.healthy(&asked.app, &mistaken)).await;
    assert!(matches!(judged, Err(Failure::PortTaken { .. })), "{judged:?}");
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.kill(&elsewhere)).await;
}

#[tokio::test]
async fn a_command_may_listen_on_a_socket() {
    let fixture = Fixture::new();
    let program = r#"
import os, socket, sys
assert "PORT" not in os.environ
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
while True:
    c, _ = s.accept(); c.recv(1000); c.sendall(b"HTTP/1.0 204 Nothing\r\n\r\n"); c.close()
"#;
    let launch = with(fixture.python(program), |app| {
        app.connect = Connect::Unix;
        app.health = Some("up".to_owned());
        if let Program::Command { argv } = &mut app.program {
            argv.push("{socket}".to_owned());
        }
    });
    let started = fixture.ready(&launch).await;
    let Endpoint::Unix(path) = started.endpoint.clone() else { panic!("{}", started.endpoint) };
    assert!(path.starts_with(fixture.state_dir().canonicalize().unwrap()));
    // A socket that another process made in its place.
    std::fs::remove_file(&path).unwrap();
    let _thief = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let app = with(launch, |app| app.health = None).app;
    let judged = within(fixture.launchers.healthy(&app, &started)).await;
    assert!(matches!(judged, Err(Failure::System { .. })), "{judged:?}");
    within(fixture.launchers.kill(&started)).await;
    within(fixture.launchers.forget(&started)).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn an_upstream_is_used_as_it_is() {
    let fixture = Fixture::new();
    let (apps, own) = (listener(), listener());
    let address = apps.local_addr().unwrap();
    let launch = fixture.launch(Program::Upstream { address });
    let started = fixture.ready(&launch).await;
    assert_eq!((started.kind, started.pid), (LaunchKind::Upstream, None));
    assert_eq!(tcp(&started), address);
    assert!(!fixture.record().exists());
    assert_eq!(fixture.launchers.weigh(&started, Allowance::default()), None);
    for _ in 0..2 {
        within(fixture.launchers.stop(&started)).await;
        within(fixture.launchers.kill(&started)).await;
        within(fixture.launchers.forget(&started)).await;
    }
    let pending = fixture.launchers.exited(&started);
    assert!(tokio::time::timeout(std::time::Duration::ZERO, pending).await.is_err());

    let own_upstream = Some(own.local_addr().unwrap());
    let users = fixture.launchers.start(&Launch { own_upstream, ..launch.clone() }).await.unwrap();
    assert_eq!(tcp(&users).port(), port_of(&own));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let nobody = fixture.launch(Program::Upstream { address });
    let started = fixture.launchers.start(&nobody).await.unwrap();
    let down = within(fixture.launchers.healthy(&nobody.app, &started)).await;
    assert_eq!(down, Err(Failure::UpstreamDown { address: address.to_string() }));
}
