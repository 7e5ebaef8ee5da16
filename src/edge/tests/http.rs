//! Requests to seats, and answers of usher's own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::fake::{Asked, Client, House, Then, nobody, seat, soon, told};
use crate::domain::Endpoint;
use crate::edge::Mishap;

const GET: &str = "GET /app/main/x HTTP/1.1\r\nHost: door\r\n\r\n";

/// A seat that says "hello" and remembers what it was asked.
async fn hello() -> (Endpoint, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let remembers = Arc::clone(&asked);
    let endpoint = seat(move |one| {
        remembers.lock().push(one.clone());
        (told("200 OK", "X-App: yes\r\n", "hello"), Then::Keep)
    })
    .await;
    (endpoint, asked)
}

#[tokio::test]
async fn a_request_goes_to_the_seat_and_the_answer_comes_back() {
    let (endpoint, asked) = hello().await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    client.send(b"GET /app/main/x?q=1 HTTP/1.1\r\nHost: door\r\nX-Usher-User: root\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert_eq!(reply.header("x-app"), "yes");
    assert_eq!(reply.header("connection"), "keep-alive");
    // And again on the same connections.
    client.send(GET.as_bytes()).await;
    assert_eq!(client.reply().await.body, "hello");
    let asked = asked.lock().clone();
    let first = &asked[0];
    assert!(first.head.starts_with("GET /app/main/x?q=1 HTTP/1.1\r\n"), "{}", first.head);
    for line in [
        "Host: door",
        "X-Usher-User: %EB%AF%BC%EC%88%98",
        "X-Usher-Role: user",
        "X-Forwarded-For: 192.168.1.101",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: door",
        "X-Real-IP: 192.168.1.101",
    ] {
        assert!(first.has(line), "{line} in {}", first.head);
    }
    assert_eq!(asked[1].connection, first.connection, "the connection to the seat is used again");
    let line = house.log.line("/app/main/x?q=1").await;
    assert_eq!((line.status, line.out_bytes), (200, 5));
    house.log.until(|log| log.out_bytes.load(Ordering::SeqCst) == 10).await;
}

#[tokio::test]
async fn a_head_request_has_no_body_and_the_connection_goes_on() {
    let endpoint = seat(|asked| {
        let body = if asked.head.starts_with("HEAD") { "" } else { "hello" };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}");
        (answer.into(), Then::Keep)
    })
    .await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    for path in ["/app/main/x", "/page"] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: door\r\n\r\n").as_bytes()).await;
        let reply = client.reply_to_head().await;
        assert_eq!(reply.status, 200);
        assert!(reply.header("content-length").parse::<u32>().unwrap() > 0, "{path}");
    }
    client.send(b"GET /nothing HTTP/1.1\r\nHost: door\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 204);
    client.send(GET.as_bytes()).await;
    assert_eq!(client.reply().await.body, "hello");
}

#[tokio::test]
async fn a_pooled_connection_that_the_seat_ended_is_no_error() {
    // Ends each connection after one answer, without having said so.
    let endpoint = seat(|_| (told("200 OK", "", "hello"), Then::End)).await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    for _ in 0..20 {
        client.send(GET.as_bytes()).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    }
    assert!(house.log.mishaps.lock().is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_twice_gets_a_connection_of_its_own() {
    let (endpoint, asked) = hello().await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    for request in [
        GET.to_owned(),
        "POST /app/main/x HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody".to_owned(),
        GET.to_owned(),
    ] {
        client.send(request.as_bytes()).await;
        assert_eq!(client.reply().await.status, 200);
    }
    let asked = asked.lock();
    assert_eq!(asked[1].body, b"body");
    assert!(asked[1].has("Connection: close"));
    assert_ne!(asked[1].connection, asked[0].connection);
    assert_eq!(asked[2].connection, asked[0].connection);
}

#[tokio::test]
async fn a_request_goes_on_to_the_seat_that_follows() {
    let (endpoint, asked) = hello().await;
    let house = House::new(nobody().await);
    *house.keeper.seat_after.lock() = Some(endpoint);
    let reply = house.ask(GET).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    assert_eq!(house.log.again.load(Ordering::SeqCst), 1);
    let post = "POST /app/main/x HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(house.ask(post).await.status, 200);
    assert_eq!(asked.lock()[1].body, b"body");
}

#[tokio::test]
async fn a_seat_that_is_nowhere_is_asked_for_once() {
    let house = House::new(nobody().await);
    let reply = house.ask(GET).await;
    assert_eq!((reply.status, reply.body.as_str()), (503, "no seat follows\n"));
    *house.keeper.seat_after.lock() = Some(nobody().await);
    let mut client = house.client().await;
    client.send(GET.as_bytes()).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (502, "a mishap\n"));
    assert_eq!(reply.header("connection"), "close");
    assert!(client.is_ended().await);
    assert_eq!(house.log.again.load(Ordering::SeqCst), 2);
    let line = house.log.line("/app/main/x").await;
    assert!(line.status >= 502);
}

#[tokio::test]
async fn a_seat_that_breaks_off_or_talks_nonsense_is_a_mishap() {
    for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let endpoint = seat(move |_| (answer.into(), Then::End)).await;
        let house = House::new(endpoint);
        let reply = house.ask(GET).await;
        assert_eq!((reply.status, reply.body.as_str()), (502, "a mishap\n"), "{answer:?}");
        assert_eq!(*house.log.mishaps.lock(), [Mishap::Broken]);
        assert_eq!(house.log.line("/app/main/x").await.incident, Some(42));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_client_hears_it() {
    let (endpoint, asked) = hello().await;
    let house = House::new(endpoint);
    house.keeper.upload_max_bytes.store(1000, Ordering::SeqCst);
    // Announced: nothing of it is read.
    let mut client = house.client().await;
    client.send(b"PUT /app/main/x HTTP/1.1\r\nHost: door\r\nContent-Length: 500000\r\n\r\n").await;
    client.send(&[b'x'; 100_000]).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (413, "close"));
    assert!(asked.lock().is_empty());
    // In chunks: until it is too much.
    let mut client = house.client().await;
    client
        .send(b"PUT /app/main/x HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..50 {
        client.send(format!("64\r\n{}\r\n", "y".repeat(100)).as_bytes()).await;
    }
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (413, "a mishap\n"));
    assert_eq!(*house.log.mishaps.lock(), [Mishap::TooLarge, Mishap::TooLarge]);
    // Just within.
    let within = format!(
        "PUT /app/main/x HTTP/1.1\r\nHost: door\r\nContent-Length: 1000\r\n\r\n{}",
        "z".repeat(1000)
    );
    assert_eq!(house.ask(&within).await.status, 200);
}

#[tokio::test]
async fn bodies_that_nobody_wants_do_not_harm_the_next_request() {
    let house = House::new(nobody().await);
    let mut client = house.client().await;
    let post = |length: usize| {
        format!(
            "POST /page HTTP/1.1\r\nHost: door\r\nContent-Length: {length}\r\n\r\n{}",
            "b".repeat(length)
        )
    };
    for length in [0, 10, 60_000] {
        client.send(post(length).as_bytes()).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.header("connection")), (200, "keep-alive"), "{length}");
    }
    client.send(post(100_000).as_bytes()).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, "close"));
    assert!(client.is_ended().await);
}

#[tokio::test]
async fn a_form_is_read_up_to_its_limit() {
    let house = House::new(nobody().await);
    let mut client = house.client().await;
    client.send(b"POST /post HTTP/1.1\r\nHost: door\r\nContent-Length: 5\r\n\r\na=1&b").await;
    assert_eq!(client.reply().await.body, "a=1&b");
    client
        .send(b"POST /post HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.body, "a=1");
    client.send(b"POST /post HTTP/1.1\r\nHost: door\r\n\r\n").await;
    assert_eq!(client.reply().await.body, "");
    let expects =
        b"POST /post HTTP/1.1\r\nHost: door\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(expects).await;
    assert_eq!(client.reply().await.status, 100);
    client.send(b"ok").await;
    assert_eq!(client.reply().await.body, "ok");
    client.send(b"POST /post HTTP/1.1\r\nHost: door\r\nContent-Length: 17\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 413);
    let chunks = "POST /post HTTP/1.1\r\nHost: door\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n01234567890123456789\r\n";
    assert_eq!(house.ask(chunks).await.status, 413);
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let (endpoint, asked) = hello().await;
    let house = House::new(endpoint);
    let page = "GET /page HTTP/1.1\r\nHost: door\r\n\r\n";
    let mut client = house.client().await;
    client.send([GET, page, GET, GET, page].concat().as_bytes()).await;
    for expected in ["hello", "a page\n", "hello", "hello", "a page\n"] {
        assert_eq!(client.reply().await.body, expected);
    }
    client.send(page.as_bytes()).await;
    assert_eq!(client.reply().await.body, "a page\n");
    assert_eq!(asked.lock().len(), 3);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_hears_from_the_seat() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::new(Endpoint::Tcp(listener.local_addr().unwrap()));
    let mut client = house.client().await;
    client
        .send(b"PUT /app/main/x HTTP/1.1\r\nHost: door\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    let (mut seat, _) = soon(listener.accept()).await.unwrap();
    let mut bytes = [0; 4096];
    let read = soon(tokio::io::AsyncReadExt::read(&mut seat, &mut bytes)).await.unwrap();
    assert!(String::from_utf8_lossy(&bytes[..read]).contains("xpect: 100-continue"));
    seat.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    assert_eq!(client.reply().await.status, 100);
    client.send(b"body").await;
    let mut body = [0; 4];
    soon(tokio::io::AsyncReadExt::read_exact(&mut seat, &mut body)).await.unwrap();
    assert_eq!(&body, b"body");
    seat.write_all(&told("201 Created", "", "done")).await.unwrap();
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (201, "done"));
}

#[tokio::test]
async fn nothing_but_a_websocket_is_switched_to() {
    let (endpoint, asked) = hello().await;
    let house = House::new(endpoint);
    for request in [
        "POST /app/main/x HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "GET /app/main/x HTTP/1.1\r\nHost: door\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
    ] {
        assert_eq!(house.ask(request).await.body, "hello");
    }
    for one in asked.lock().iter() {
        assert!(!one.head.to_ascii_lowercase().contains("upgrade"), "{}", one.head);
    }
    *house.keeper.seat.lock() =
        seat(|_| (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_vec(), Then::End))
            .await;
    assert_eq!(house.ask(GET).await.status, 502);
}

#[tokio::test]
async fn who_leaves_while_held_is_not_waited_for() {
    let house = House::new(nobody().await);
    for request in [
        "GET /held HTTP/1.1\r\nHost: door\r\n\r\n",
        "POST /held HTTP/1.1\r\nHost: door\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        house.log.heard.lock().clear();
        let before = house.log.abandoned.load(Ordering::SeqCst);
        let mut client = house.client().await;
        client.send(request.as_bytes()).await;
        house.log.until(|log| !log.heard.lock().is_empty()).await;
        drop(client);
        house.log.until(|log| log.abandoned.load(Ordering::SeqCst) > before).await;
    }
    soon(house.edge.drain(Duration::from_secs(5))).await;
}

#[tokio::test]
async fn events_arrive_one_by_one_until_somebody_ends_them() {
    let house = House::new(nobody().await);
    let open = async || {
        let (events, receiver) = mpsc::channel(4);
        *house.keeper.events.lock() = Some(receiver);
        let mut client = house.client().await;
        client.send(b"GET /events HTTP/1.1\r\nHost: door\r\n\r\n").await;
        let (status, headers) = soon(client.head()).await;
        assert_eq!(status, 200);
        assert_eq!(headers.get("content-type").unwrap(), "text/event-stream");
        for event in ["event: a\n\n", "event: b\n\n"] {
            events.send(Bytes::from(event)).await.unwrap();
            assert_eq!(soon(client.chunk()).await.unwrap(), event.as_bytes());
        }
        (events, client)
    };
    // The source ends: the connection goes on.
    let (events, mut client) = open().await;
    drop(events);
    assert_eq!(soon(client.chunk()).await, None);
    client.send(b"GET /page HTTP/1.1\r\nHost: door\r\n\r\n").await;
    assert_eq!(client.reply().await.body, "a page\n");
    // The client leaves: nobody sends to it.
    let gone = house.log.abandoned.load(Ordering::SeqCst);
    let (_events, client) = open().await;
    drop(client);
    house.log.until(|log| log.abandoned.load(Ordering::SeqCst) > gone).await;
    // Usher leaves.
    let (_events, mut client) = open().await;
    let drain = tokio::spawn(async move {
        let left = house.edge.drain(Duration::from_secs(5)).await;
        assert_eq!(left, 0);
    });
    assert_eq!(soon(client.chunk()).await, None);
    soon(drain).await.unwrap();
}

#[tokio::test]
async fn an_answer_of_unknown_length_streams_as_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::new(Endpoint::Tcp(listener.local_addr().unwrap()));
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let mut client = house.client().await;
        client.send(format!("GET /app/main/s {version}\r\nHost: door\r\n\r\n").as_bytes()).await;
        let (mut seat, _) = soon(listener.accept()).await.unwrap();
        seat.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let (_, headers) = soon(client.head()).await;
        assert_eq!(headers.contains_key("transfer-encoding"), version == "HTTP/1.1");
        for word in ["one", "two"] {
            seat.write_all(format!("3\r\n{word}\r\n").as_bytes()).await.unwrap();
            if version == "HTTP/1.1" {
                assert_eq!(soon(client.chunk()).await.unwrap(), word.as_bytes());
            }
        }
        seat.write_all(b"0\r\n\r\n").await.unwrap();
        if version == "HTTP/1.0" {
            let mut stream = client.into_stream();
            let mut rest = String::new();
            soon(tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut rest)).await.unwrap();
            assert_eq!(rest, "onetwo");
        }
    }
}

#[tokio::test]
async fn an_app_without_its_prefix_stays_below_it() {
    let endpoint = seat(|asked| {
        let target = asked.head.split(' ').nth(1).unwrap().to_owned();
        (told("302 Found", &format!("Location: {target}y\r\n"), ""), Then::Keep)
    })
    .await;
    let house = House::with(endpoint, "/app/main".len());
    let reply = house.ask(GET).await;
    assert_eq!((reply.status, reply.header("location")), (302, "/app/main/xy"));
}

#[tokio::test]
async fn a_seat_behind_a_socket_file_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seat");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            tokio::io::AsyncReadExt::read(&mut stream, &mut bytes).await.unwrap();
            stream.write_all(&told("200 OK", "", "by file")).await.unwrap();
        }
    });
    let house = House::new(Endpoint::Unix(path.into()));
    let mut client = house.client().await;
    // The seat ends each connection after one answer: the second is no error either.
    for _ in 0..3 {
        client.send(GET.as_bytes()).await;
        assert_eq!(client.reply().await.body, "by file");
    }
}

#[tokio::test]
async fn what_no_gate_should_see_is_answered_here() {
    let house = House::new(nobody().await);
    let lines = |count: usize| "A: b\r\n".repeat(count);
    for (request, status) in [
        (b"GET /\xff HTTP/1.1\r\nHost: door\r\n\r\n".to_vec(), 400),
        (b"nonsense\r\n\r\n".to_vec(), 400),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), 405),
        (format!("GET / HTTP/1.1\r\nHost: door\r\n{}\r\n", lines(400)).into(), 431),
        (format!("GET / HTTP/1.1\r\nHost: door\r\nA: {}\r\n\r\n", "x".repeat(70_000)).into(), 431),
    ] {
        let mut client = Client::to(house.address).await;
        client.send(&request).await;
        let reply = client.reply().await;
        assert_eq!(
            reply.status,
            status,
            "{}",
            String::from_utf8_lossy(&request[..30.min(request.len())])
        );
        assert!(client.is_ended().await);
    }
}
