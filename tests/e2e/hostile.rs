//! Requests that no decent client sends: refused, and never read as something else by the app
//! behind.

use std::time::Duration;

use crate::rig::{Closed, Door};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";

/// Sends bytes from jiyoung's machine; gives the status of the first answer, or 0 if there was
/// none.
async fn first_status(door: &Door, bytes: &str) -> u16 {
    let mut raw = door.jiyoung().raw().await;
    raw.send(bytes.replace("HOST", &door.address().to_string())).await;
    raw.status().await
}

/// Every path that the app has seen.
async fn seen(door: &Door) -> String {
    door.jiyoung().get("/app/tool/seen").await.expect(200).json()["paths"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_pipeline_is_served() {
    let door = Door::open(TOOL).await;
    let address = door.address().to_string();
    let mut raw = door.jiyoung().raw().await;
    let first = "POST /app/tool/upload HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n";
    let second = "GET /app/tool/second HTTP/1.1\r\nHost: HOST\r\n\r\n";
    raw.send(format!("{first}{second}").replace("HOST", &address)).await;
    assert_eq!((raw.answer().await.status, raw.answer().await.status), (200, 200));
    assert!(seen(&door).await.contains("second"), "and the app has seen both");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_would_hang_streamlit_get_431() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let long = "x".repeat(8200);
    let refused = jiyoung.try_socket("/app/tool/ws", &[("X-Long", &long)]).await;
    refused.err().expect("a refusal").expect(431);
    let names: Vec<String> = (0..130).map(|number| format!("X-Header-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let refused = jiyoung.try_socket("/app/tool/ws", &many).await;
    refused.err().expect("a refusal").expect(431);
    let target = format!("/app/tool/ws?x={}", "x".repeat(8200));
    jiyoung.try_socket(&target, &[]).await.err().expect("a refusal").expect(431);
    jiyoung.get(&target.replace("/ws", "/pid")).await.expect(200);
    let fits: Vec<(&str, &str)> = many.into_iter().take(90).collect();
    assert!(jiyoung.try_socket("/app/tool/ws", &fits).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_refused_with_431_or_400_and_bounded() {
    let door = Door::open(TOOL).await;
    let line = format!("X-Padding: {}\r\n", "x".repeat(4000));
    let request = format!("GET /app/tool/bad HTTP/1.1\r\nHost: HOST\r\n{}\r\n", line.repeat(500));
    let status = first_status(&door, &request).await;
    assert!([0, 400, 431].contains(&status), "{status}");
    assert!(!seen(&door).await.contains("bad"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_moves_no_cursor_where_the_log_is_read() {
    let door = Door::open(TOOL).await;
    let request = "GET /nowhere/\u{9b}31m\u{202e}x HTTP/1.1\r\nHost: HOST\r\n\r\n";
    assert_eq!(first_status(&door, request).await, 404);
    crate::rig::until("the log to say so", async || {
        (!door.log_lines(&["404", r"/nowhere/\u{9b}31m\u{202e}x"]).is_empty()).then_some(())
    })
    .await;
    assert!(!door.log().contains(['\u{9b}', '\u{202e}']), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_one_address_may_have_are_refused_and_others_are_served() {
    let door = Door::open(&format!("{TOOL}limits: {{ connections_per_address: 5 }}\n")).await;
    let jiyoung = door.jiyoung();
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(jiyoung.socket("/app/tool/ws").await);
    }
    let mut raw = jiyoung.raw().await;
    raw.send(format!("GET /app/tool/pid HTTP/1.1\r\nHost: {}\r\n\r\n", door.address())).await;
    let status = raw.status().await;
    assert!([0, 429].contains(&status), "the sixth got {status}");
    door.hana().get("/app/tool/pid").await.expect(200);
    assert_eq!(held[4].ask("still here").await, "still here");
    assert_eq!(held.pop().expect("one").close(1000).await, Closed::With(1000));
    crate::rig::until("a place for a further connection", async || {
        let mut raw = jiyoung.raw().await;
        raw.send(format!("GET /app/tool/pid HTTP/1.1\r\nHost: {}\r\n\r\n", door.address())).await;
        (raw.status().await == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_finishes_its_head_is_dropped() {
    let door = Door::open(TOOL).await;
    let mut raw = door.jiyoung().raw().await;
    raw.send("GET /app/tool/pid HTTP/1.1\r\nHost: half").await;
    let status = tokio::time::timeout(Duration::from_secs(90), raw.status_whenever()).await;
    assert!([0, 400, 408].contains(&status.expect("dropped within 90 s")));
}
