//! A `state_dir` whose sockets have paths that are longer than the system takes (107 bytes).

use crate::rig::{Door, Session, Widget, lives, until};

const LONG: &str = "
state_dir: a-folder-whose-name-is-long/and-another-one-in-it-that-is-not-short-either/so-that-no-socket-in-it-has-room-for-its-name
apps:
  forked: { script: $APPS/page.py, python: $PYTHON167, connect: unix, launch: fork }
  spawned: { script: $APPS/page.py, python: $PYTHON167, connect: unix, launch: spawn }
users: $USERS
";

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_in_a_folder_with_a_long_name() {
    let mut door = Door::open(LONG).await;
    let status = door.run(&["status", "--json"]).await.expect(0).out;
    assert!(status.contains("serving"), "{status}");
    let jiyoung = door.jiyoung();
    for app in ["forked", "spawned"] {
        let path = format!("/app/{app}/");
        let mut session = Session::open(&jiyoung, &path).await;
        session.touch(Widget::Press("Count")).await;
        assert_eq!(session.value("count"), "1", "a WebSocket to {app}");
        jiyoung.get(&format!("{path}_stcore/health")).await.expect(200);
        let seat = door.seat("jiyoung", app).await.expect("an entry");
        assert_eq!(seat["launch"], if app == "forked" { "fork" } else { "spawn" });
        let endpoint = seat["endpoint"].as_str().expect("an endpoint");
        assert!(endpoint.starts_with("unix:") && endpoint.len() > 112, "{endpoint}");
    }
    let pid = door.seat("jiyoung", "forked").await.expect("an entry")["pid"].as_u64().unwrap();
    let pid = u32::try_from(pid).unwrap();
    door.kill().await;
    door.start().await;
    Session::open(&jiyoung, "/app/forked/").await;
    assert_eq!(door.seat("jiyoung", "forked").await.expect("an entry")["pid"], pid, "taken over");
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    until("it has ended", async || (!lives(pid)).then_some(())).await;
    door.run(&["doctor"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_has_to_bind_such_a_path_itself_is_refused_by_check() {
    let text = format!(
        "{}  own: {{ command: [serve, \"{{socket}}\"], connect: unix }}\nusers: $USERS\n",
        LONG.strip_suffix("users: $USERS\n").expect("users come last")
    );
    let ran = Door::closed(&text).run(&["check"]).await.expect(78);
    assert!(
        ran.out.contains("apps.own.connect") && ran.out.contains("at most 72 bytes"),
        "{ran:?}"
    );
}
