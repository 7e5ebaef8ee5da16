//! Index pages that the script's element is put into on their way.

use std::sync::Arc;

use parking_lot::Mutex;

use super::fake::{Asked, House, Reply, Then, seat, told};
use crate::assets::Element;

const INDEX: &str =
    "<html><head><script src=\"./static/js/a.js\"></script></head><body></body></html>";
const CHANGED: &str =
    "<html><head><script src=\"./static/js/a.js\"></script><x></head><body></body></html>";
const HTML: &str = "Content-Type: text/html; charset=utf-8\r\nETag: \"abc\"\r\n";

/// A door whose seat answers with the index page, or that it has not changed.
async fn house() -> (House, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remembers = Arc::clone(&asked);
    let endpoint = seat(move |one| {
        remembers.lock().push(one.clone());
        let answer = if one.has("If-None-Match: \"abc\"") {
            b"HTTP/1.1 304 Not Modified\r\nETag: \"abc\"\r\n\r\n".to_vec()
        } else if one.head.contains("/other") {
            told("200 OK", HTML, "<html><head></head></html>")
        } else if one.head.contains("/text") {
            told("200 OK", "ETag: \"abc\"\r\n", INDEX)
        } else {
            let body = if one.head.starts_with("HEAD") { "" } else { INDEX };
            let length = INDEX.len();
            format!("HTTP/1.1 200 OK\r\n{HTML}Content-Length: {length}\r\n\r\n{body}").into()
        };
        (answer, Then::Keep)
    })
    .await;
    let house = House::new(endpoint);
    *house.keeper.element.lock() = Some(Element::new("<x>".to_owned()));
    (house, asked)
}

async fn get(house: &House, path: &str, headers: &str) -> Reply {
    house.ask(&format!("GET {path} HTTP/1.1\r\nHost: door\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn the_element_is_in_the_page_and_the_page_has_a_tag_of_its_own() {
    let (house, asked) = house().await;
    let reply = get(&house, "/app/main/", "Accept-Encoding: gzip\r\nRange: bytes=0-3\r\n").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, CHANGED));
    let tag = reply.header("etag").to_owned();
    assert_ne!(tag, "\"abc\"");
    let first = asked.lock()[0].head.to_ascii_lowercase();
    assert!(!first.contains("accept-encoding") && !first.contains("range"), "{first}");
    let again = get(&house, "/app/main/", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((again.status, again.header("etag")), (304, tag.as_str()));
    // Without the element, or with another, it is another page.
    let reply = get(&house, "/app/main/", "If-None-Match: \"abc\"\r\n").await;
    assert_eq!(reply.status, 200);
    *house.keeper.element.lock() = Some(Element::new("<y>".to_owned()));
    let reply = get(&house, "/app/main/", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!((reply.status, reply.body.contains("<y>")), (200, true));
}

#[tokio::test]
async fn other_answers_come_through_as_they_are() {
    let (house, _) = house().await;
    let reply = get(&house, "/app/main/other", "").await;
    assert_eq!(reply.body, "<html><head></head></html>");
    let reply = get(&house, "/app/main/text", "").await;
    assert_eq!((reply.body.as_str(), reply.header("etag")), (INDEX, "\"abc\""));
    *house.keeper.element.lock() = None;
    let reply = get(&house, "/app/main/", "").await;
    assert_eq!((reply.body.as_str(), reply.header("etag")), (INDEX, "\"abc\""));
}

#[tokio::test]
async fn a_connection_goes_on_after_a_changed_page() {
    let (house, _) = house().await;
    let mut client = house.client().await;
    for _ in 0..3 {
        client.send(b"GET /app/main/ HTTP/1.1\r\nHost: door\r\n\r\n").await;
        assert_eq!(client.reply().await.body, CHANGED);
        client.send(b"HEAD /app/main/ HTTP/1.1\r\nHost: door\r\n\r\n").await;
        let reply = client.reply_to_head().await;
        assert_eq!((reply.status, reply.header("content-length")), (200, ""));
    }
    let mut client = house.client().await;
    client.send(b"GET /app/main/ HTTP/1.0\r\nHost: door\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.body.as_str(), reply.header("transfer-encoding")), (CHANGED, ""));
}
