//! Plain HTTP through the door: nothing is lost, changed, buffered or cut.

use futures_util::StreamExt;
use reqwest::{Body, Method};
use sha2::{Digest, Sha256};

use crate::rig::{Door, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
limits: { upload: 64MiB }
";

/// What `plain.py` serves as a blob.
fn blob(bytes: usize) -> Vec<u8> {
    let lines = (0..=bytes / 16).flat_map(|line| format!("{line:015}\n").into_bytes());
    lines.take(bytes).collect()
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_sees_method_path_and_query_as_they_were_sent() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let path = "/app/tool/a%2Fb/%EC%95%88%EB%85%95%20c/echo?q=%20+%2B&empty=&x=a/b?c";
    for method in
        [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
    {
        let answer = jiyoung.send(jiyoung.request(method.clone(), path)).await.expect(200).json();
        assert_eq!(answer["target"], path);
        assert_eq!(answer["method"], method.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strip_prefix_hides_the_prefix_from_the_app() {
    let door = Door::open(
        "
apps:
  tool: { command: $PLAIN, ports: $PORTS, strip_prefix: true }
users: $USERS
",
    )
    .await;
    let answer = door.jiyoung().get("/app/tool/deep/echo?x=1").await.expect(200).json();
    assert_eq!(answer["target"], "/deep/echo?x=1");
    let answer = door.jiyoung().get("/app/tool/").await.expect(200);
    assert!(answer.text().contains("plain app"));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_headers_and_body_of_the_app_arrive_unchanged() {
    let door = Door::open(TOOL).await;
    let path = "/app/tool/respond?status=418&body=short&h=X-Own:value&h=ETag:%22abc%22\
        &h=Set-Cookie:one%3D1;%20Path%3D/&h=Set-Cookie:two%3D2&h=Content-Encoding:x-own";
    let answer = door.jiyoung().get(path).await.expect(418);
    assert_eq!(answer.text(), "short");
    assert_eq!(answer.header("x-own"), Some("value"));
    assert_eq!(answer.header("etag"), Some("\"abc\""));
    assert_eq!(answer.header("content-encoding"), Some("x-own"));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["one=1; Path=/", "two=2"]);
    assert_eq!(answer.page(), None, "an app's error is the app's, not a page of usher");
    for status in [204, 304, 404, 500, 502, 503] {
        let answer = door.jiyoung().get(&format!("/app/tool/respond?status={status}&body=")).await;
        assert_eq!(answer.expect(status).page(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_length_and_no_body_and_the_connection_goes_on() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let mut raw = door.jiyoung().raw().await;
    let host = door.address();
    raw.send(format!("HEAD /app/tool/blob?bytes=70000 HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    let head = raw.read_to("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-length: 70000"), "{head}");
    raw.send(format!("GET /app/tool/blob?bytes=32 HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.body), (200, blob(32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let mut raw = door.jiyoung().raw().await;
    for number in 1..50 {
        let path = format!("/app/tool/echo?number={number}");
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", door.address())).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(seen["target"], path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_and_an_unchanged_answer_pass_through() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let path = "/app/tool/blob?bytes=100000";
    let part = jiyoung.get_with(path, &[("Range", "bytes=5000-5999")]).await.expect(206);
    assert_eq!(part.header("content-range"), Some("bytes 5000-5999/100000"));
    assert_eq!(part.body, blob(100_000)[5000..6000]);
    let unchanged = jiyoung.get_with(path, &[("If-None-Match", "\"blob\"")]).await.expect(304);
    assert_eq!(unchanged.body, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_of_32_mb_arrives_whole_with_and_without_a_length() {
    let door = Door::open(TOOL).await;
    let expected = blob(32_000_000);
    for path in ["/app/tool/blob?bytes=32000000", "/app/tool/blob?bytes=32000000&chunked=1"] {
        let answer = door.jiyoung().get(path).await.expect(200);
        assert_eq!(answer.body.len(), expected.len(), "{path}");
        assert!(answer.body == expected, "{path} came with other bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_50_mb_arrives_whole_with_and_without_a_length() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let content = blob(50_000_000);
    let pieces: Vec<_> =
        content.chunks(100_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let chunked = Body::wrap_stream(futures_util::stream::iter(pieces));
    for body in [Body::from(content.clone()), chunked] {
        let request = jiyoung.request(Method::PUT, "/app/tool/upload").body(body);
        let seen = jiyoung.send(request).await.expect(200).json();
        assert_eq!(seen["bytes"], 50_000_000);
        assert_eq!(seen["sha256"], hash(&content));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_streamed_the_app_reads_while_the_client_still_sends() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    jiyoung.get("/app/tool/pid").await.expect(200);
    let content = blob(1_000_000);
    let mut raw = jiyoung.raw().await;
    let head = format!(
        "POST /app/tool/upload?gate=half HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        door.address(),
        content.len()
    );
    raw.send(head).await;
    raw.send(&content[..1000]).await;
    jiyoung.get("/app/tool/hold?gate=half").await.expect(200);
    raw.send(&content[1000..]).await;
    let answer = raw.answer().await;
    let seen: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &seen["sha256"]), (200, &hash(&content).into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_sent_events_arrive_one_by_one() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let request = jiyoung.request(Method::GET, "/app/tool/events?gate=next");
    let mut events = request.send().await.unwrap().bytes_stream();
    let mut heard = String::new();
    let mut hear = async |wanted: &str| {
        until(wanted, async || {
            let piece = events.next().await.expect("the stream goes on").unwrap();
            heard += std::str::from_utf8(&piece).unwrap();
            heard.contains(wanted).then(|| heard.clone())
        })
        .await
    };
    assert_eq!(hear("data: first\n\n").await, "data: first\n\n");
    jiyoung.get("/app/tool/release?gate=next").await.expect(200);
    hear("data: second\n\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_over_the_limit_is_refused_by_its_length_before_it_is_sent() {
    let door = Door::open(&TOOL.replace("64MiB", "1MiB")).await;
    let jiyoung = door.jiyoung();
    let fits = jiyoung.request(Method::POST, "/app/tool/upload").body(vec![0; 1024 * 1024]);
    assert_eq!(jiyoung.send(fits).await.expect(200).json()["bytes"], 1024 * 1024);
    let before = jiyoung.get("/app/tool/seen").await.expect(200).json()["paths"].clone();
    let mut raw = jiyoung.raw().await;
    let length = 1024 * 1024 + 1;
    raw.send(format!(
        "POST /app/tool/upload HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n",
        door.address()
    ))
    .await;
    assert_eq!(raw.answer().await.status, 413);
    let after = jiyoung.get("/app/tool/seen").await.expect(200).json()["paths"].clone();
    let posts = |paths: &serde_json::Value| paths.to_string().matches("POST").count();
    assert_eq!((posts(&before), posts(&after)), (1, 1), "the app never saw the refused one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_upload_over_the_limit_is_refused_when_it_passes_the_limit() {
    let door = Door::open(&TOOL.replace("64MiB", "1MiB")).await;
    let jiyoung = door.jiyoung();
    jiyoung.get("/app/tool/pid").await.expect(200);
    let mut raw = jiyoung.raw().await;
    raw.send(format!(
        "POST /app/tool/upload HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        door.address()
    ))
    .await;
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..17 {
        raw.send("10000\r\n").await;
        raw.send(&piece).await;
        raw.send("\r\n").await;
    }
    assert_eq!(raw.answer().await.status, 413);
    jiyoung.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_no_harm() {
    let door = Door::open(TOOL).await;
    let jiyoung = door.jiyoung();
    let pid = jiyoung.get("/app/tool/pid").await.expect(200).text();
    for path in [
        "/app/tool/hold?gate=never",
        "/app/tool/blob?bytes=30000000",
        "/app/tool/events?gate=never",
    ] {
        let mut raw = jiyoung.raw().await;
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", door.address())).await;
        until("the app to see the request", async || {
            let seen = jiyoung.get("/app/tool/seen").await.expect(200).json();
            seen["paths"].to_string().contains(path).then_some(())
        })
        .await;
        drop(raw);
        assert_eq!(jiyoung.get("/app/tool/pid").await.expect(200).text(), pid);
    }
}
