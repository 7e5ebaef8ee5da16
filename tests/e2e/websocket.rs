//! WebSockets through the door: bytes, order, codes and time.

use std::time::Duration;

use crate::rig::{Closed, Door, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_bytes_come_back_whole_and_in_order() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    for number in 0..200 {
        socket.say(&format!("안녕 {number}")).await;
    }
    for number in 0..200 {
        assert_eq!(socket.hear_text().await, format!("안녕 {number}"));
    }
    for length in [0, 1, 125, 126, 65_535, 65_536, 8_000_000] {
        let bytes: Vec<u8> =
            (0..length).map(|at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        socket.send(bytes.clone()).await;
        assert!(socket.hear().await == bytes, "{length} bytes came back otherwise");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_the_app_reaches_a_reader_that_takes_its_time() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    socket.say("!flood 2000").await;
    for number in 0..2000_u32 {
        let bytes = socket.hear().await;
        assert!(bytes == number.to_be_bytes().repeat(4096), "message {number} is another");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_goes_to_the_seat_of_the_person_who_opens_it() {
    let door = Door::open(TOOL).await;
    for (caller, user) in
        [(door.jiyoung(), "jiyoung"), (door.hana(), "hana"), (door.minsu(), "minsu")]
    {
        let pid = caller.socket("/app/tool/ws").await.ask("!pid").await;
        let launch = door.launches().into_iter().find(|launch| launch.pid.to_string() == pid);
        assert_eq!(launch.expect("a launch").user, user);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_subprotocol_is_negotiated_with_the_app() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let headers =
        [("Origin", jiyoung.origin()), ("Sec-WebSocket-Protocol", "streamlit, token".into())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let socket = jiyoung.try_socket("/app/tool/ws", &headers).await.expect("a WebSocket");
    assert_eq!(socket.protocol.as_deref(), Some("streamlit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_of_the_app_is_answered_by_the_browser() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    assert_eq!(socket.ask("!ping").await, "pong are you there");
}

#[tokio::test(flavor = "multi_thread")]
async fn close_codes_pass_both_ways() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let mut socket = jiyoung.socket("/app/tool/ws").await;
    socket.say("!close 4999").await;
    assert_eq!(socket.closed().await, Closed::With(4999));
    let mut socket = jiyoung.socket("/app/tool/ws").await;
    assert_eq!(socket.ask("hello").await, "hello");
    socket.close(4321).await;
    until("the app to hear the browser's close", async || {
        door.app_logs().contains("websocket closed by the client with 4321").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_the_app_refuses_is_refused_with_the_apps_answer() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let refused =
        jiyoung.try_socket("/app/tool/ws?refuse=418", &[("Origin", &jiyoung.origin())]).await;
    let answer = refused.err().expect("a refusal").expect(418);
    assert_eq!(answer.page(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_dies_closes_its_websockets_with_1001() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let mut bystander = door.hana().socket("/app/tool/ws").await;
    let pid: u32 = socket.ask("!pid").await.parse().unwrap();
    crate::rig::signal(pid, rustix::process::Signal::KILL);
    assert_eq!(socket.closed().await, Closed::With(1001));
    assert_eq!(bystander.ask("hello").await, "hello", "others do not notice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_that_the_app_drops_ends_for_the_browser() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    socket.say("!abort").await;
    socket.closed().await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_counts_open_websockets() {
    let door = Door::open(TOOL).await;
    let count = async |wanted: u64| {
        until(&format!("{wanted} WebSockets in the status"), async || {
            let seat = door.seat("jiyoung", "tool").await?;
            (seat["websockets"] == wanted).then_some(())
        })
        .await;
    };
    let mut first = door.jiyoung().socket("/app/tool/ws").await;
    let second = door.jiyoung().socket("/app/tool/ws").await;
    count(2).await;
    first.close(1000).await;
    count(1).await;
    drop(second);
    count(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_websocket_stays_open_for_longer_than_any_usual_timeout() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    assert_eq!(socket.ask("before").await, "before");
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(socket.ask("after").await, "after");
}
