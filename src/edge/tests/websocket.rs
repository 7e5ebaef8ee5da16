//! WebSockets between browsers and seats, and those of usher's own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode as Code;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::fake::{House, Log, Then, nobody, seat, soon, told};
use crate::account::StayEnd;
use crate::domain::{CloseCode, Endpoint};
use crate::edge::Mishap;

type Socket = WebSocketStream<TcpStream>;

/// A seat that hands its WebSockets to the test.
async fn sockets() -> (Endpoint, mpsc::Receiver<Socket>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                if let Ok(socket) = accept_async(stream).await {
                    let _ = sender.send(socket).await;
                }
            });
        }
    });
    (endpoint, receiver)
}

async fn open(house: &House, path: &str) -> Socket {
    let stream = TcpStream::connect(house.address).await.unwrap();
    let url = format!("ws://{}{path}", house.address);
    soon(client_async(url, stream)).await.unwrap().0
}

const STREAM: &str = "/app/main/_stcore/stream";

async fn pair() -> (House, Socket, Socket) {
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let browser = open(&house, STREAM).await;
    let seat = soon(sockets.recv()).await.unwrap();
    (house, browser, seat)
}

async fn next(socket: &mut Socket) -> Message {
    soon(socket.next()).await.expect("a message").expect("a good one")
}

/// The code of the close frame that comes next.
async fn close_of(socket: &mut Socket) -> u16 {
    let message = next(socket).await;
    let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
    frame.code.into()
}

async fn ended(log: &Log, end: StayEnd) {
    log.until(|log| log.ends.lock().last() == Some(&Some(end))).await;
}

#[tokio::test]
async fn what_is_said_arrives_both_ways_and_is_counted() {
    let (house, mut browser, mut seat) = pair().await;
    house.log.until(|log| log.opened.load(Ordering::SeqCst) == 1).await;
    browser.send(Message::text("hello")).await.unwrap();
    assert_eq!(next(&mut seat).await, Message::text("hello"));
    seat.send(Message::binary(vec![7; 3_000_000])).await.unwrap();
    assert_eq!(next(&mut browser).await, Message::binary(vec![7; 3_000_000]));
    house.log.until(|log| log.app_data.load(Ordering::SeqCst) > 0).await;
    assert_eq!(house.log.browser_data.load(Ordering::SeqCst), 1);
    // Ping and pong are no acts.
    seat.send(Message::Ping(Vec::new().into())).await.unwrap();
    assert!(matches!(next(&mut browser).await, Message::Ping(_)));
    browser.flush().await.unwrap();
    assert!(matches!(next(&mut seat).await, Message::Pong(_)));
    assert_eq!(house.log.browser_data.load(Ordering::SeqCst), 1);
    browser.close(None).await.unwrap();
    assert!(matches!(next(&mut seat).await, Message::Close(_)));
    drop(seat);
    ended(&house.log, StayEnd::Left).await;
    let line = house.log.line(STREAM).await;
    assert_eq!(line.status, 101);
    assert!(line.out_bytes > 3_000_000 && line.in_bytes > 10, "{line:?}");
}

#[tokio::test]
async fn the_seat_sees_a_proper_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::new(Endpoint::Tcp(listener.local_addr().unwrap()));
    let mut client = house.client().await;
    client
        .send(
            b"GET /app/main/_stcore/stream HTTP/1.1\r\nHost: door\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: streamlit, x\r\n\
            Sec-WebSocket-Extensions: permessage-deflate\r\nCookie: usher_session=1; a=2\r\nX-Forwarded-For: 1.1.1.1\r\nOrigin: http://door\r\n\r\n",
        )
        .await;
    let (mut seat, _) = soon(listener.accept()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let read = soon(seat.read(&mut bytes)).await.unwrap();
    let head = String::from_utf8_lossy(&bytes[..read]).to_ascii_lowercase();
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        "host: door",
        "cookie: a=2",
        "x-forwarded-for: 192.168.1.101",
        "x-usher-user: %eb%af%bc%ec%88%98",
        "sec-websocket-protocol: streamlit, x",
        "sec-websocket-extensions: permessage-deflate",
        "origin: http://door",
    ] {
        assert!(head.lines().any(|one| one == line), "{line} in {head}");
    }
    // The seat speaks first, in the same packet as its answer.
    seat.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: streamlit\r\nSet-Cookie: usher_session=forged\r\n\r\n\x81\x05early",
    )
    .await
    .unwrap();
    let (status, headers) = soon(client.head()).await;
    assert_eq!(status, 101);
    assert_eq!(headers.get("sec-websocket-protocol").unwrap(), "streamlit");
    assert_eq!(headers.get("sec-websocket-accept").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(!headers.contains_key("set-cookie"));
    client.send(b"\x81\x84\0\0\0\0back").await;
    let mut got = [0; 10];
    soon(seat.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"\x81\x84\0\0\0\0back");
}

#[tokio::test]
async fn who_is_too_early_is_heard_nevertheless() {
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    let mut request = b"GET /app/main/_stcore/stream HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    request.extend(b"\x81\x85\0\0\0\0early");
    client.send(&request).await;
    let mut seat = soon(sockets.recv()).await.unwrap();
    assert_eq!(next(&mut seat).await, Message::text("early"));
}

#[tokio::test]
async fn a_refusal_of_the_seat_is_passed_on() {
    let endpoint = seat(|asked| {
        let answer = match asked.head.split(' ').nth(1) {
            Some("/app/main/a") => told("403 Forbidden", "X-Why: origin\r\n", "not you"),
            Some("/app/main/b") => {
                b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    .to_vec()
            }
            _ => b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec(),
        };
        (answer, Then::End)
    })
    .await;
    let house = House::new(endpoint);
    for (path, status, body) in
        [("a", 403, "not you"), ("b", 404, "abc"), ("c", 200, "until the end")]
    {
        let request = handshake(&format!("/app/main/{path}"));
        let reply = house.ask(&request).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, body));
        assert_eq!(house.log.line(&format!("/app/main/{path}")).await.status, status);
    }
    assert_eq!(house.log.opened.load(Ordering::SeqCst), 0, "nobody stayed");
    let refused = client_async(
        format!("ws://{}/app/main/a", house.address).into_client_request().unwrap(),
        TcpStream::connect(house.address).await.unwrap(),
    );
    assert!(soon(refused).await.is_err());
}

fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn handshakes_that_lead_nowhere_are_mishaps() {
    let house = House::new(nobody().await);
    assert_eq!(house.ask(&handshake(STREAM)).await.status, 503);
    *house.keeper.seat_after.lock() = Some(nobody().await);
    assert_eq!(house.ask(&handshake(STREAM)).await.status, 502);
    let without_key = handshake(STREAM).replace("Sec-WebSocket-Key", "X-Key");
    assert_eq!(house.ask(&without_key).await.status, 400);
    for answer in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ] {
        *house.keeper.seat.lock() = seat(move |_| (answer.into(), Then::End)).await;
        let reply = house.ask(&handshake(STREAM)).await;
        assert_eq!((reply.status, reply.body.as_str()), (502, "a mishap\n"), "{answer:?}");
    }
    assert_eq!(house.log.mishaps.lock().iter().filter(|m| **m == Mishap::BadHandshake).count(), 1);
}

#[tokio::test]
async fn who_is_kicked_is_told_so() {
    for (code, end) in [
        (CloseCode::Kicked, StayEnd::Kicked),
        (CloseCode::SessionEnded, StayEnd::SessionEnded),
        (CloseCode::SeatEnded, StayEnd::SeatEnded),
    ] {
        let (house, mut browser, mut seat) = pair().await;
        seat.send(Message::text("before")).await.unwrap();
        assert_eq!(next(&mut browser).await, Message::text("before"));
        house.keeper.closing.send_replace(Some(code));
        assert_eq!(close_of(&mut browser).await, code.code());
        assert!(soon(browser.next()).await.is_none_or(|end| end.is_err()));
        ended(&house.log, end).await;
        assert!(soon(seat.next()).await.is_none_or(|end| end.is_err()), "the seat is left alone");
    }
}

#[tokio::test]
async fn the_message_under_way_is_finished_before_the_close() {
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let mut browser = open(&house, STREAM).await;
    let seat = soon(sockets.recv()).await.unwrap();
    let mut raw = seat.into_inner();
    raw.write_all(b"\x81\x0afirst").await.unwrap();
    house.log.until(|log| log.out_bytes.load(Ordering::SeqCst) == 7).await;
    house.keeper.closing.send_replace(Some(CloseCode::Kicked));
    raw.write_all(b" half\x81\x04more").await.unwrap();
    assert_eq!(next(&mut browser).await, Message::text("first half"));
    assert_eq!(close_of(&mut browser).await, 4003);
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_let_go_in_time() {
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let browser = open(&house, STREAM).await;
    let mut seat = soon(sockets.recv()).await.unwrap();
    let flood =
        tokio::spawn(
            async move { while seat.send(Message::binary(vec![1; 100_000])).await.is_ok() {} },
        );
    house.log.until(|log| log.out_bytes.load(Ordering::SeqCst) > 500_000).await;
    house.keeper.closing.send_replace(Some(CloseCode::Kicked));
    ended(&house.log, StayEnd::Kicked).await;
    soon(flood).await.unwrap();
    drop(browser);
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_heard() {
    let (house, mut browser, seat) = pair().await;
    let (mut says, mut hears) = seat.split();
    let flood =
        tokio::spawn(
            async move { while says.send(Message::binary(vec![1; 100_000])).await.is_ok() {} },
        );
    // The way to the browser is full …
    house.until_seen(|seen| seen.client_reads_nothing).await;
    // … and the way from it is not.
    browser.send(Message::text("stop")).await.unwrap();
    assert_eq!(soon(hears.next()).await.unwrap().unwrap(), Message::text("stop"));
    drop(browser);
    soon(flood).await.unwrap();
    ended(&house.log, StayEnd::Left).await;
}

#[tokio::test]
async fn a_seat_that_ends_is_one_code_however_it_ends() {
    // Without a word.
    let (house, mut browser, seat) = pair().await;
    drop(seat);
    assert_eq!(close_of(&mut browser).await, 1001);
    ended(&house.log, StayEnd::SeatEnded).await;
    // As Streamlit does on TERM.
    let (house, mut browser, mut seat) = pair().await;
    let restart = CloseFrame { code: Code::Restart, reason: "".into() };
    seat.close(Some(restart)).await.unwrap();
    assert_eq!(close_of(&mut browser).await, 1001);
    drop(seat);
    ended(&house.log, StayEnd::SeatEnded).await;
    // With a reason of its own.
    let (_house, mut browser, mut seat) = pair().await;
    let reason = CloseFrame { code: Code::Size, reason: "too big".into() };
    seat.close(Some(reason)).await.unwrap();
    assert_eq!(close_of(&mut browser).await, 1009);
    // In the midst of a message: there is nothing right to say.
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let mut browser = open(&house, STREAM).await;
    let mut raw = soon(sockets.recv()).await.unwrap().into_inner();
    raw.write_all(b"\x81\x0afirst").await.unwrap();
    drop(raw);
    assert!(soon(browser.next()).await.is_none_or(|end| end.is_err()));
    ended(&house.log, StayEnd::SeatEnded).await;
}

#[tokio::test]
async fn when_usher_leaves_browsers_are_told_to_come_back() {
    let (endpoint, mut sockets) = sockets().await;
    let house = House::new(endpoint);
    let mut browsers = Vec::new();
    let mut seats = Vec::new();
    for _ in 0..20 {
        browsers.push(open(&house, STREAM).await);
        seats.push(soon(sockets.recv()).await.unwrap());
    }
    let mut own = open(&house, "/own").await;
    assert_eq!(next(&mut own).await, Message::text("hello"));
    assert_eq!(house.edge.connections(), 21);
    let hear = async {
        for browser in &mut browsers {
            assert_eq!(close_of(browser).await, 1012);
            browser.flush().await.ok();
        }
        assert_eq!(close_of(&mut own).await, 1012);
        own.flush().await.ok();
    };
    let (left, ()) =
        soon(async { tokio::join!(house.edge.drain(Duration::from_secs(8)), hear) }).await;
    assert_eq!(left, 0);
    ended(&house.log, StayEnd::UsherStops).await;
    assert!(TcpStream::connect(house.address).await.is_err(), "nobody gets in any more");
}

#[tokio::test]
async fn usher_talks_on_sockets_of_its_own() {
    let house = House::new(nobody().await);
    let mut browser = open(&house, "/own").await;
    assert_eq!(next(&mut browser).await, Message::text("hello"));
    browser.send(Message::text("{\"act\":true}")).await.unwrap();
    assert_eq!(next(&mut browser).await, Message::text("{\"act\":true}"));
    let long = "길".repeat(1300);
    browser.send(Message::text(long.clone())).await.unwrap();
    assert_eq!(next(&mut browser).await, Message::text(long));
    browser.send(Message::Ping(b"x".to_vec().into())).await.unwrap();
    assert_eq!(next(&mut browser).await, Message::Pong(b"x".to_vec().into()));
    house.keeper.closing.send_replace(Some(CloseCode::SessionEnded));
    assert_eq!(close_of(&mut browser).await, 4001);
    drop(browser);
    house.keeper.closing.send_replace(None);
    // What is too long ends it.
    let mut browser = open(&house, "/own").await;
    assert_eq!(next(&mut browser).await, Message::text("hello"));
    browser.send(Message::text("x".repeat(5000))).await.unwrap();
    assert!(soon(browser.next()).await.is_none_or(|end| end.is_err()));
    assert_eq!(house.ask("GET /own HTTP/1.1\r\nHost: door\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn silent_sockets_stay_and_are_cheap() {
    use super::fake::Keeper;
    use crate::edge::tunnel::{Leaving, Tunnel};
    fn future_bytes<F>(_: &impl Fn(Tunnel<Keeper>, Leaving) -> F) -> usize {
        size_of::<F>()
    }
    let (house, mut browser, mut seat) = pair().await;
    // A day later.
    let now = crate::clock::Clock::now(&crate::clock::OsClock);
    for hour in 1..24 {
        assert_eq!(house.edge.hall.connections.sweep(now.plus_ms(hour * 3_600_000)), 0);
    }
    browser.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&mut seat).await, Message::text("still here"));
    // What a task holds beside its streams and its right; the goal is 5 KiB for all of it.
    assert!(future_bytes(&Tunnel::<Keeper>::run) <= 2048);
}
