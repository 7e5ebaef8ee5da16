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
async fn a_request_that_could_be_read_in_two_ways_is_refused_and_never_reaches_the_app() {
    let door = Door::open(TOOL).await;
    let hidden = "GET /app/tool/smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let length = hidden.replace("HOST", &door.address().to_string()).len();
    let ambiguous = [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n"),
        format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n"),
        format!("Content-Length: 0, {length}\r\n\r\n"),
        format!("Content-Length: +{length}\r\n\r\n"),
        format!("Content-Length: -{length}\r\n\r\n"),
        format!("Content-Length: 0x{length:x}\r\n\r\n"),
        format!("Content-Length : {length}\r\n\r\n"),
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_string(),
        "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n".to_string(),
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_string(),
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".to_string(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n".to_string(),
        "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n".to_string(),
        "X-Folded: one\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_string(),
    ];
    for framing in ambiguous {
        let request = format!("POST /app/tool/upload HTTP/1.1\r\nHost: HOST\r\n{framing}{hidden}");
        let status = first_status(&door, &request).await;
        assert!([0, 400, 501].contains(&status), "{framing:?} got {status}");
    }
    let paths = seen(&door).await;
    assert!(!paths.contains("smuggled") && !paths.contains("upload"), "{paths}");
    let mut raw = door.jiyoung().raw().await;
    let first = "POST /app/tool/upload HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n";
    raw.send(format!("{first}{hidden}").replace("HOST", &door.address().to_string())).await;
    assert_eq!((raw.answer().await.status, raw.answer().await.status), (200, 200));
    assert!(seen(&door).await.contains("smuggled"), "an honest pipeline is served, and seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_400() {
    let door = Door::open(TOOL).await;
    for request in [
        "GET /app/tool/bad HTTP/1.1\r\n\r\n",
        "GET /app/tool/bad HTTP/1.1\r\nHost: HOST\r\nHost: other.example\r\n\r\n",
        "GET /app/tool/bad HTTP/1.1\r\nHost: HOST\r\nno colon here\r\n\r\n",
        "GET /app/tool/bad HTTP/1.1\r\nHost: HOST\r\nBad Name: x\r\n\r\n",
        "GET /app/tool/bad HTTP/1.1\r\nHost: HOST\r\nX-Null: a\0b\r\n\r\n",
        "GET /app/tool/b ad HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /app/tool/bad\0 HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET app/tool/bad HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET /app/tool/bad HTTP/9.9\r\nHost: HOST\r\n\r\n",
        "G(T /app/tool/bad HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}nonsense\r\n\r\n",
    ] {
        let status = first_status(&door, request).await;
        assert!([0, 400, 505].contains(&status), "{request:?} got {status}");
    }
    let paths = seen(&door).await;
    assert!(!paths.contains("bad"), "{paths}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_or_an_absolute_target_makes_no_open_proxy_of_the_door() {
    let door = Door::open(TOOL).await;
    for request in [
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
        "GET http://evil.example/app/tool/bad HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "GET http://evil.example/app/tool/bad HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ] {
        let status = first_status(&door, request).await;
        assert!([0, 400, 405, 421].contains(&status), "{request:?} got {status}");
    }
    assert!(!seen(&door).await.contains("bad"));
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
