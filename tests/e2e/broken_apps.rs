//! Apps that do not start, or do not last: each gives a page and a log line that a person can act
//! on.

use std::net::TcpListener;

use crate::rig::{Answer, Caller, Door, until};

/// An app that is given up after its first failure; the rest of its configuration is the
/// scenario's.
fn broken(app: &str) -> String {
    format!(
        "
apps:
  tool: {{ title: Tool, ports: $PORTS, restart: {{ attempts: 1, within: 10m }}, {app} }}
users: $USERS
"
    )
}

/// Opens the app until the failed page is there; before it only the waiting page may be.
async fn failed_page(caller: &Caller, path: &str) -> Answer {
    until("the failed page", async || {
        let answer = caller.navigate(path).await;
        if answer.page() == Some("waiting") {
            answer.expect_page(200, "waiting");
            return None;
        }
        Some(answer.expect_page(502, "failed"))
    })
    .await
}

/// An app that ran and ended is left failed after the one attempt that it has; what cannot even
/// begin waits for its next try.
async fn names_a_failure(door: &Door, words: &[&str]) {
    names(door, words).await;
    let seat = door.seat("jiyoung", "tool").await.expect("an entry");
    assert_eq!(seat["state"], "failed", "{seat}");
}

/// Passes only a page and a log that name all these words; the log line also names the app and the
/// user.
async fn names(door: &Door, words: &[&str]) {
    let page = failed_page(&door.jiyoung(), "/app/tool/").await.text();
    for word in words {
        assert!(page.contains(word), "the page does not say {word:?}: {page}");
    }
    until("the failed process to have ended", async || {
        let seat = door.seat("jiyoung", "tool").await.expect("an entry");
        (seat["state"] == "failed" || seat["state"] == "backoff").then_some(())
    })
    .await;
    assert!(!door.log_lines(&["jiyoung", "tool"]).is_empty(), "no log line: {}", door.log());
    let fetch = door.jiyoung().get("/app/tool/pid").await;
    assert!([502, 503].contains(&fetch.status), "{fetch:?}");
    let other = door.jiyoung().navigate("/").await;
    assert_eq!(other.status, 303, "the door itself is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_exits_at_once_shows_its_last_words_and_its_exit_code() {
    let door = Door::open(&broken("command: $PLAIN(--mode exit --code 7)")).await;
    names_a_failure(&door, &["I have nothing to do here", "7"]).await;
    assert!(!door.log_lines(&["jiyoung", "tool", "7"]).is_empty(), "{}", door.log());
    assert_eq!(door.launches().len(), 1, "given up after the one attempt that is allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ends_well_at_once_is_a_failure_all_the_same() {
    let door = Door::open(&broken("command: $PLAIN(--mode exit --code 0)")).await;
    names_a_failure(&door, &["I have nothing to do here"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_raises_shows_the_traceback_to_its_user_only() {
    let door = Door::open(&broken("command: $PLAIN(--mode traceback)")).await;
    names_a_failure(&door, &["the flux capacitor is missing", "RuntimeError"]).await;
    let hana = door.hana().navigate("/").await;
    assert!(!hana.text().contains("flux capacitor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_never_listens_is_given_up_after_its_start_timeout() {
    let door = Door::open(&broken("command: $PLAIN(--mode never-listen), start_timeout: 1s")).await;
    names_a_failure(&door, &["I shall never listen"]).await;
    let pid = door.launches()[0].pid;
    until("the late process to be ended", async || (!crate::rig::lives(pid)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_named() {
    let door = Door::open(&broken("command: [/nowhere/at/all, \"{port}\"]")).await;
    names(&door, &["/nowhere/at/all"]).await;
    assert!(!door.log_lines(&["/nowhere/at/all"]).is_empty(), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_interpreter_is_named() {
    let door = Door::open(&broken("script: $APPS/page.py, python: /nowhere/bin/python")).await;
    names(&door, &["/nowhere/bin/python"]).await;
    assert!(!door.log_lines(&["/nowhere/bin/python"]).is_empty(), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interpreter_without_streamlit_is_told() {
    let mut door = Door::closed(&broken("script: $APPS/page.py, python: $DOOR/bare/python"));
    bare_python(&door);
    door.start().await;
    names(&door, &["Streamlit"]).await;
}

/// An interpreter that finds no packages: the usual mistake of naming the wrong one.
fn bare_python(door: &Door) {
    let python = crate::rig::python("167");
    std::fs::create_dir(door.path("bare")).unwrap();
    let script = format!("#!/bin/sh\nexec {python} -I -S \"$@\"\n");
    std::fs::write(door.path("bare/python"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(door.path("bare/python"), mode).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_does_not_exist_is_named() {
    let door = Door::open(&broken("script: $DOOR/nowhere.py, python: $PYTHON167")).await;
    names(&door, &["nowhere.py"]).await;
    assert!(!door.log_lines(&["nowhere.py"]).is_empty(), "{}", door.log());
    std::fs::copy(crate::rig::apps().join("page.py"), door.path("nowhere.py")).unwrap();
    until("the app to be shown once its script is there", async || {
        let answer = door.jiyoung().navigate("/app/tool/").await;
        (answer.status == 200 && answer.page().is_none()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_port_that_somebody_else_has_is_named_and_their_app_is_never_shown() {
    let door = Door::open(
        "
apps:
  tool: { command: $PLAIN, ports: $PORTS, restart: { attempts: 1, within: 10m } }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2], port: $SPARE5 }
",
    )
    .await;
    let squatter = Squatter::at(door.spare_port(5));
    let port = door.spare_port(5).to_string();
    let page = failed_page(&door.jiyoung(), "/app/tool/").await.text();
    assert!(page.contains(&port) && !page.contains(SQUATTER_SAYS), "{page}");
    assert!(!door.log_lines(&[&port]).is_empty(), "{}", door.log());
    drop(squatter);
    door.run(&["seat", "start", "jiyoung", "tool"]).await.expect(0);
    let seat = door.seat_in_state("jiyoung", "tool", "ready").await;
    assert!(
        seat["endpoint"].to_string().contains(&port),
        "once it is free, the user's own port: {seat}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_of_the_range_that_somebody_else_has_are_passed_over() {
    let door = Door::open(&broken("command: $PLAIN")).await;
    let (first, last) = door.seat_ports();
    let _squatters: Vec<_> = (first..last).map(Squatter::at).collect();
    let page = door.jiyoung().get("/app/tool/environment").await.expect(200).json();
    assert_eq!(page["environment"]["PORT"], last.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_port_left_is_503_and_says_so() {
    let door = Door::open(&broken("command: $PLAIN").replace("$PORTS", "$SPARE5-$SPARE6")).await;
    door.minsu().get("/app/tool/pid").await.expect(200);
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let refused = door.hana().get("/app/tool/pid").await.expect(503);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    let page =
        door.hana().navigate_with("/app/tool/", &[("Accept-Language", "en")]).await.expect(503);
    assert!(page.text().to_lowercase().contains("no port left"), "{}", page.text());
    door.run(&["seat", "stop", "minsu", "tool"]).await.expect(0);
    door.seat_gone("minsu", "tool").await;
    until("a port to be free for hana", async || {
        let answer = door.hana().get("/app/tool/pid").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// Somebody else's server on a port: answers every connection with a page that must never be seen.
struct Squatter {
    task: tokio::task::JoinHandle<()>,
}

const SQUATTER_SAYS: &str = "somebody else's page";

impl Squatter {
    fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        Self { task: tokio::spawn(answer_all(listener)) }
    }
}

impl Drop for Squatter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer_all(listener: tokio::net::TcpListener) {
    use tokio::io::AsyncWriteExt;
    while let Ok((mut connection, _)) = listener.accept().await {
        let length = SQUATTER_SAYS.len();
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{SQUATTER_SAYS}");
        let _ = connection.write_all(page.as_bytes()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dies_is_started_again_and_the_death_is_logged() {
    let door = Door::open(
        "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
",
    )
    .await;
    let jiyoung = door.jiyoung();
    let first = jiyoung.get("/app/tool/pid").await.expect(200).text();
    jiyoung.get("/app/tool/crash?code=9").await.expect(502);
    let second = until("an answer of a new process", async || {
        let answer = jiyoung.get("/app/tool/pid").await;
        assert!([200, 502, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then(|| answer.text())
    })
    .await;
    assert_ne!(first, second);
    assert!(!door.log_lines(&["jiyoung", "tool", "9"]).is_empty(), "{}", door.log());
    assert!(door.seat("jiyoung", "tool").await.unwrap()["generation"].as_u64() > Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_dies_too_often_is_left_failed_until_an_operator_starts_it() {
    let door = Door::open(&broken("command: $PLAIN").replace("attempts: 1", "attempts: 2")).await;
    let jiyoung = door.jiyoung();
    for _ in 0..2 {
        until("the seat to answer", async || {
            let answer = jiyoung.get("/app/tool/pid").await;
            (answer.status == 200).then_some(())
        })
        .await;
        jiyoung.get("/app/tool/crash?signal=9").await.expect(502);
    }
    let page = failed_page(&jiyoung, "/app/tool/").await.text();
    assert!(page.contains("the app was asked to crash"), "the end of the app's log: {page}");
    let before = door.launches().len();
    assert_eq!(jiyoung.get("/app/tool/pid").await.status, 502);
    assert_eq!(door.launches().len(), before, "a request does not start it again");
    door.run(&["seat", "start", "jiyoung", "tool"]).await.expect(0);
    door.seat_in_state("jiyoung", "tool", "ready").await;
    jiyoung.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_broken_seat_is_not_anothers() {
    let door = Door::open(&broken("command: $PLAIN")).await;
    let hana = door.hana().get("/app/tool/pid").await.expect(200).text();
    door.jiyoung().get("/app/tool/crash").await.expect(502);
    failed_page(&door.jiyoung(), "/app/tool/").await;
    assert_eq!(door.hana().get("/app/tool/pid").await.expect(200).text(), hana);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_ready_only_when_its_health_page_says_so() {
    let door =
        Door::open(&broken("command: $PLAIN(--healthy-when $DOOR/healthy), health: /health")).await;
    let jiyoung = door.jiyoung();
    let fetch = tokio::spawn(async move { jiyoung.get("/app/tool/pid").await });
    door.seat_in_state("jiyoung", "tool", "probing").await;
    assert!(!fetch.is_finished(), "held while the app says 503");
    std::fs::write(door.path("healthy"), "").unwrap();
    fetch.await.unwrap().expect(200);
}
