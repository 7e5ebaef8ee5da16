//! Streamlit's own protocol through the door, without a browser: 1.39 (Tornado) and 1.67
//! (Starlette), forked and spawned.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rig::{Door, Session, Widget};

const PAGE: &str = "
apps:
  main: { script: $APPS/page.py, python: $PYTHON, ports: $PORTS, launch: $LAUNCH }
users: $USERS
";

async fn door(release: &str, launch: &str) -> Door {
    let page = PAGE.replace("$PYTHON", &format!("$PYTHON{release}")).replace("$LAUNCH", launch);
    Door::open(&page).await
}

async fn a_session_runs_reruns_and_keeps_its_state(release: &str, launch: &str) {
    let door = door(release, launch).await;
    let jiyoung = door.jiyoung();
    let mut session = Session::open(&jiyoung, "/app/main/").await;
    assert_eq!((session.value("user"), session.value("days")), ("jiyoung", "200"));
    session.touch(Widget::Slide("Days", 333.0)).await;
    assert_eq!(session.value("days"), "333");
    session.touch(Widget::Press("Count")).await;
    session.touch(Widget::Press("Count")).await;
    session.touch(Widget::Write("Note", "안녕")).await;
    assert_eq!(
        (session.value("count"), session.value("note"), session.value("days")),
        ("2", "안녕", "333")
    );
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!(seat["pid"].to_string(), session.value("pid"));
    assert_eq!(seat["state"], "ready");
    if launch != "auto" {
        assert_eq!(seat["launch"], launch);
    }
    let mut other = Session::open(&door.hana(), "/app/main/").await;
    assert_eq!((other.value("user"), other.value("count"), other.value("note")), ("hana", "0", ""));
    assert_ne!(other.value("pid"), session.value("pid"));
    other.touch(Widget::Press("Count")).await;
    session.touch(Widget::Press("Count")).await;
    assert_eq!((other.value("count"), session.value("count")), ("1", "3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_1_67_as_it_comes() {
    a_session_runs_reruns_and_keeps_its_state("167", "auto").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_1_39_as_it_comes() {
    a_session_runs_reruns_and_keeps_its_state("139", "auto").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_1_67_spawned() {
    a_session_runs_reruns_and_keeps_its_state("167", "spawn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_1_39_spawned() {
    a_session_runs_reruns_and_keeps_its_state("139", "spawn").await;
}

async fn files_go_up_and_down_whole(release: &str) {
    let door = door(release, "auto").await;
    let jiyoung = door.jiyoung();
    let mut session = Session::open(&jiyoung, "/app/main/").await;
    let content: Vec<u8> =
        (0..50_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let (upload, answer) = session.upload("매출.bin", content.clone().into()).await;
    answer.expect(204);
    session.touch(Widget::File("File", "매출.bin", 50_000_000, &upload)).await;
    assert_eq!(session.value("uploaded"), "50000000");
    assert_eq!(session.value("upload"), hash(&content));
    let whole = jiyoung.get(&session.download_url).await.expect(200);
    assert_eq!(hash(&whole.body), session.value("download"));
    let part =
        jiyoung.get_with(&session.download_url, &[("Range", "bytes=16-31")]).await.expect(206);
    assert_eq!(part.text(), "000000000000001\n");
    let head = jiyoung.send(jiyoung.request(Method::HEAD, &session.download_url)).await;
    assert!([200, 405].contains(&head.status), "{head:?}");
    assert_eq!(head.body, b"");
    let place = session.upload_place("again.bin").await;
    let request = jiyoung.request(Method::PUT, &session.upload_path(&place)).body("no token");
    jiyoung.send(request).await.expect(403);
    let foreign = door.hana().get(&session.download_url).await;
    assert_ne!(hash(&foreign.body), session.value("download"), "another's file is not to be had");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_up_and_down_whole_with_1_67() {
    files_go_up_and_down_whole("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_up_and_down_whole_with_1_39() {
    files_go_up_and_down_whole("139").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_lost_its_websocket_comes_back_to_its_session() {
    let door = door("167", "auto").await;
    let mut session = Session::open(&door.jiyoung(), "/app/main/").await;
    session.touch(Widget::Press("Count")).await;
    let (id, pid) = (session.id.clone(), session.value("pid").to_string());
    drop(session);
    let again = Session::open_as(&door.jiyoung(), "/app/main/", Some(&id)).await;
    assert_eq!((again.value("count"), again.value("pid"), &again.id), ("1", pid.as_str(), &id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_knows_the_person_and_never_sees_ushers_cookie() {
    let door = door("167", "auto").await;
    let session = Session::open(&door.jiyoung(), "/app/main/").await;
    let person: Value = serde_json::from_str(session.value("person")).unwrap();
    assert_eq!((&person["name"], &person["role"]), (&"jiyoung".into(), &"user".into()));
    let headers: Value = serde_json::from_str(session.value("headers")).unwrap();
    assert_eq!(headers["X-Usher-User"], "jiyoung");
    assert_eq!(headers["Host"], door.address().to_string());
    let cookies: Value = serde_json::from_str(session.value("cookies")).unwrap();
    assert_eq!(cookies["theme"], "dark");
    assert!(cookies.get("usher_session").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_once_to_a_cold_streamlit_make_one_process() {
    let door = door("167", "auto").await;
    let jiyoung = door.jiyoung();
    let answers = join_all((0..200).map(|_| jiyoung.get("/app/main/_stcore/health"))).await;
    for answer in answers {
        assert_eq!(answer.expect(200).text(), "ok");
    }
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!(seat["state"], "ready");
    assert_eq!(door.log_lines(&["jiyoung/main: ready"]).len(), 1, "{}", door.log());
    let session = Session::open(&jiyoung, "/app/main/").await;
    assert_eq!(session.value("pid"), seat["pid"].to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn streamlits_unguarded_endpoints_are_closed() {
    let door = door("167", "auto").await;
    let jiyoung = door.jiyoung();
    jiyoung.get("/app/main/_stcore/health").await.expect(200);
    for path in [
        "_stcore/metrics",
        "_stcore/agent/openapi.json",
        "_stcore/agent/interact",
        "_stcore/agent/mcp",
        "_stcore//metrics",
        "_stcore/%6detrics",
    ] {
        let answer = jiyoung.get(&format!("/app/main/{path}")).await;
        assert!([400, 403, 404].contains(&answer.status), "{path}: {answer:?}");
        let text = answer.text();
        assert!(!text.contains("active_sessions") && !text.contains("openapi"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_listens_on_loopback_only() {
    let door = door("167", "auto").await;
    Session::open(&door.jiyoung(), "/app/main/").await;
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    let endpoint = seat["endpoint"].as_str().expect("an endpoint");
    let port: u16 = endpoint.rsplit(':').next().unwrap().parse().expect("a port");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap()
        + &std::fs::read_to_string("/proc/net/tcp6").unwrap();
    let listening: Vec<_> = table
        .lines()
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words.get(3) == Some(&"0A") && words[1].ends_with(&format!(":{port:04X}")))
                .then(|| words[1].to_string())
        })
        .collect();
    assert_eq!(listening, [format!("0100007F:{port:04X}")]);
}

/// 1.67 waits 0.3 s at the start for each place where secrets could be and are not, only to watch
/// them; 1.39 watches them, too.
const SECRETIVE: &str = r#"
import streamlit as st
from streamlit.runtime.secrets import secrets_singleton
st.text(f"secret={st.secrets['greeting']}")
st.text(f"watched={secrets_singleton._file_watchers_installed}")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_read_and_not_watched_so_no_start_waits_for_them() {
    let page = PAGE.replace("$APPS/page.py", "secretive.py");
    for (release, launch) in [("167", "fork"), ("167", "spawn"), ("139", "fork"), ("139", "spawn")]
    {
        let page = page.replace("$PYTHON", &format!("$PYTHON{release}"));
        let mut door = Door::closed(&page.replace("$LAUNCH", launch));
        std::fs::create_dir(door.path(".streamlit")).expect("a folder");
        std::fs::write(door.path(".streamlit/secrets.toml"), "greeting = \"hello\"\n")
            .expect("secrets");
        std::fs::write(door.path("secretive.py"), SECRETIVE).expect("a script");
        door.start().await;
        let session = Session::open(&door.jiyoung(), "/app/main/").await;
        let told = ["secret", "watched"].map(|name| session.value(name));
        let launched = door.seat("jiyoung", "main").await.expect("an entry")["launch"].clone();
        assert_eq!(launched, launch);
        assert_eq!(told, ["hello", "False"], "{release} {launch}");
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
