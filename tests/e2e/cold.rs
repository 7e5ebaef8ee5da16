//! The first request to a seat that does not run: one launch, held requests, the waiting page.

use std::fs;

use futures_util::future::join_all;
use reqwest::Method;
use tokio::task::JoinSet;

use crate::rig::{Door, soon, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";

/// A tool that listens only once the file `go` is there.
const GATED: &str = "
apps:
  tool: { title: Tool, command: $PLAIN(--wait-for $DOOR/go), ports: $PORTS }
users: $USERS
";

fn let_go(door: &Door) {
    fs::write(door.path("go"), "").unwrap();
}

async fn launched(door: &Door) {
    until("a launch", async || (!door.launches().is_empty()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_once_to_a_cold_seat_make_one_process_and_get_200_answers() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let answers = join_all((0..200).map(|_| jiyoung.get("/app/tool/pid"))).await;
    let launches = door.launches();
    assert_eq!(launches.len(), 1, "{launches:?}");
    let pid = launches[0].pid.to_string();
    assert_eq!(answers.len(), 200);
    for answer in answers {
        assert_eq!(answer.expect(200).text(), pid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_started_by_the_first_request_and_not_before() {
    let door = Door::open(TOOL).await;
    assert_eq!(door.launches(), []);
    assert!(door.seat("jiyoung", "tool").await.is_none(), "no seat, no entry");
    let pid = door.jiyoung().get("/app/tool/pid").await.expect(200).text();
    let seat = door.seat("jiyoung", "tool").await.expect("an entry");
    assert_eq!(seat["pid"].to_string(), pid);
    assert_eq!(
        door.jiyoung().get("/app/tool/pid").await.expect(200).text(),
        pid,
        "the same seat again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_navigation_to_a_slow_start_gets_the_waiting_page_on_the_same_url() {
    let door = Door::open(GATED).await;
    let jiyoung = door.jiyoung();
    let waiting = jiyoung.navigate("/app/tool/some/page?x=1").await.expect_page(200, "waiting");
    assert!(waiting.header("location").is_none());
    assert!(waiting.text().contains("Tool"), "the page names the app: {}", waiting.text());
    jiyoung.navigate("/app/tool/some/page?x=1").await.expect_page(200, "waiting");
    let_go(&door);
    let page = until("the app's own page", async || {
        let answer = jiyoung.navigate("/app/tool/some/page?x=1").await.expect(200);
        answer.page().is_none().then_some(answer)
    })
    .await;
    assert!(page.text().contains("plain app"), "{}", page.text());
    assert_eq!(door.launches().len(), 1, "waiting starts nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_page_tells_the_usual_time_also_after_a_restart_of_usher() {
    let mut door = Door::open(GATED).await;
    let usual = "data-usual-s=";
    let page = door.jiyoung().navigate("/app/tool/").await.expect_page(200, "waiting");
    assert!(!page.text().contains(usual), "nothing is usual yet");
    let_go(&door);
    door.seat_in_state("jiyoung", "tool", "ready").await;
    door.signal(rustix::process::Signal::TERM);
    assert!(door.exited().await.success());
    fs::remove_file(door.path("go")).unwrap();
    door.start().await;
    for caller in [door.jiyoung(), door.hana()] {
        until("the usual time of this seat, or of the app's others", async || {
            let page = caller.navigate("/app/tool/").await.expect_page(200, "waiting");
            page.text().contains(usual).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_to_a_slow_start_is_held_until_the_seat_is_ready() {
    let door = Door::open(GATED).await;
    let jiyoung = door.jiyoung();
    let fetch = tokio::spawn(async move { jiyoung.get("/app/tool/pid").await });
    launched(&door).await;
    let seat = door.seat("jiyoung", "tool").await.expect("an entry");
    assert!(seat["state"] == "starting" || seat["state"] == "probing", "{seat}");
    assert!(!fetch.is_finished(), "the fetch is held");
    let_go(&door);
    let answer = fetch.await.unwrap().expect(200);
    assert_eq!(answer.text(), door.launches()[0].pid.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_slow_start_is_held_and_arrives_whole() {
    let door = Door::open(GATED).await;
    let jiyoung = door.jiyoung();
    let fetch = tokio::spawn(async move {
        let request = jiyoung.request(Method::POST, "/app/tool/upload").body(vec![b'x'; 3_000_000]);
        jiyoung.send(request).await
    });
    launched(&door).await;
    let_go(&door);
    assert_eq!(fetch.await.unwrap().expect(200).json()["bytes"], 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_to_a_slow_start_is_held_until_the_seat_is_ready() {
    let door = Door::open(GATED).await;
    let jiyoung = door.jiyoung();
    let held = tokio::spawn(async move { jiyoung.socket("/app/tool/ws").await });
    launched(&door).await;
    assert!(!held.is_finished(), "the handshake is held");
    let_go(&door);
    let mut socket = held.await.unwrap();
    assert_eq!(socket.ask("!pid").await, door.launches()[0].pid.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_to_an_app_that_starts_too_slowly_gets_503_with_retry_after() {
    let door = Door::open(
        "
apps:
  tool: { command: $PLAIN(--mode never-listen), ports: $PORTS, start_timeout: 1s }
users: $USERS
",
    )
    .await;
    let answer = door.jiyoung().get("/app/tool/pid").await.expect(503);
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_may_wait_are_refused_at_once_and_the_others_are_served() {
    let door = Door::open(&format!("{GATED}limits: {{ waiting_per_seat: 5 }}\n")).await;
    let jiyoung = door.jiyoung();
    let mut fetches = JoinSet::new();
    for _ in 0..20 {
        let jiyoung = jiyoung.clone();
        fetches.spawn(async move { jiyoung.get("/app/tool/pid").await });
    }
    for _ in 0..15 {
        let refused = soon("a refusal", fetches.join_next()).await.unwrap().unwrap().expect(503);
        assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    }
    assert!(fetches.try_join_next().is_none(), "five go on waiting");
    let_go(&door);
    for answer in fetches.join_all().await {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_gets_no_seat_but_their_own() {
    let door = Door::open(TOOL).await;
    let (jiyoung, hana) = (door.jiyoung(), door.hana());
    let (first, second) = tokio::join!(jiyoung.get("/app/tool/echo"), hana.get("/app/tool/echo"));
    let (first, second) = (first.expect(200).json(), second.expect(200).json());
    assert_eq!((&first["user"], &second["user"]), (&"jiyoung".into(), &"hana".into()));
    assert_ne!(first["pid"], second["pid"]);
    for _ in 0..20 {
        let (one, other) = tokio::join!(jiyoung.get("/app/tool/echo"), hana.get("/app/tool/echo"));
        assert_eq!(one.expect(200).json()["pid"], first["pid"]);
        assert_eq!(other.expect(200).json()["pid"], second["pid"]);
    }
    assert_eq!(door.launches().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_stream_tells_a_waiting_page_how_the_start_goes_on() {
    let door = Door::open(GATED).await;
    let jiyoung = door.jiyoung();
    jiyoung.navigate("/app/tool/").await.expect_page(200, "waiting");
    let request = jiyoung.request(Method::GET, "/_usher/wait?app=tool");
    let mut stream = request.header("Accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let kind = stream.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let mut heard = String::new();
    until("an event while the seat starts", async || {
        let piece =
            stream.chunk().await.unwrap().expect("the stream goes on while the seat starts");
        heard += std::str::from_utf8(&piece).unwrap();
        heard.contains("data:").then_some(())
    })
    .await;
    let before = heard.len();
    let_go(&door);
    until("an event or the stream's end when the seat is ready", async || {
        let Some(piece) = stream.chunk().await.unwrap() else { return Some(()) };
        heard += std::str::from_utf8(&piece).unwrap();
        heard[before..].contains("ready").then_some(())
    })
    .await;
}
