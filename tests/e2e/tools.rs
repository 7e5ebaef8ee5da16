//! The commands that stand beside the server: try, doctor, backup, report, notice.

use std::net::SocketAddr;
use std::process::Stdio;

use rustix::process::Signal;

use crate::rig::{Caller, Door, Session, apps, python, signal, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
visits: { gap: 1s }
";

#[tokio::test(flavor = "multi_thread")]
async fn try_serves_one_script_without_any_configuration_and_leaves_nothing() {
    let door = Door::closed(TOOL);
    std::fs::remove_file(door.configuration_path()).unwrap();
    let port = door.spare_port(1);
    let binaries = std::path::Path::new(&python("167")).parent().unwrap().to_path_buf();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let mut usher = tokio::process::Command::new(env!("CARGO_BIN_EXE_usher"));
    usher.arg("try").arg(apps().join("page.py")).args(["--port", &port.to_string()]);
    usher.env_clear().env("PATH", path).env("HOME", door.path("")).current_dir(door.path(""));
    let log = std::fs::File::create(door.path("usher.log")).unwrap();
    usher.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
    let mut usher = usher.spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let me = Caller::new(address.ip(), address);
    let place = until("the way to the app", async || {
        let answer = me.try_send(me.request(reqwest::Method::GET, "/app/")).await.ok()?;
        assert_eq!(answer.status, 307, "{answer:?}");
        answer.header("location").map(str::to_string)
    })
    .await;
    let session = Session::open(&me, &place).await;
    assert!(session.value("streamlit").starts_with("1.67"));
    me.navigate("/admin/").await.expect_page(200, "admin");
    signal(usher.id().unwrap(), Signal::INT);
    assert!(usher.wait().await.unwrap().success());
    assert_eq!(door.processes(), [], "left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_is_content_with_a_good_configuration_and_names_what_is_missing_in_a_bad_one() {
    let page = "
apps:
  main: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
users: $USERS
";
    let ran = Door::closed(page).run(&["doctor"]).await.expect(0);
    assert!(ran.out.contains("1.67"), "{ran:?}");
    let ran = Door::closed(&page.replace("$PYTHON167", "/nowhere/bin/python"))
        .run(&["doctor"])
        .await
        .expect(1);
    assert!(ran.out.contains("/nowhere/bin/python"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_the_running_database_and_a_report_of_what_is_in_it() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    socket.ask("hello").await;
    socket.close(1000).await;
    let arguments = ["report", "--from", "2020-01-01", "--to", "2099-01-01", "--format"];
    let with = |format: &'static str| [&arguments[..], &[format]].concat();
    until("the visit in the report", async || {
        let ran = door.run(&with("csv")).await.expect(0);
        ran.out.contains("jiyoung").then_some(())
    })
    .await;
    let json: serde_json::Value =
        serde_json::from_str(&door.run(&with("json")).await.expect(0).out).unwrap();
    assert!(json.to_string().contains("jiyoung"), "{json}");
    let copy = door.path("copy.db");
    door.run(&["backup", copy.to_str().unwrap()]).await.expect(0);
    let content = std::fs::read(copy).unwrap();
    assert!(content.starts_with(b"SQLite format 3\0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_shown_to_those_who_are_in_an_app() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    door.run(&["notice", "점심에 서버를 다시 시작합니다"]).await.expect(0);
    let told = door.minsu().get("/admin/api/notices").await.expect(200).json();
    assert!(told.to_string().contains("점심에 서버를 다시 시작합니다"), "{told}");
}
