//! Listeners, and connections that take too long or are too many.

use std::net::SocketAddr;
use std::time::Duration;

use super::fake::{Client, House, Then, nobody, seat, soon, told};
use crate::clock::{Clock, OsClock};
use crate::edge::Listener;
use crate::edge::patience::{HEAD_MS, KEEP_ALIVE_MS, Phase, READER_STALL_MS, UPLOAD_STALL_MS};
use crate::request::Door;

const PAGE: &str = "GET /page HTTP/1.1\r\nHost: door\r\n\r\n";

fn sweep_after(house: &House, ms: u64) -> usize {
    house.edge.hall.connections.sweep(OsClock.now().plus_ms(ms))
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let first = Listener::bind(any, Door::Main, &[]).unwrap();
    let refused = Listener::bind(first.address(), Door::Admin, &[]).err().unwrap();
    assert_eq!(refused.address, first.address());
    assert!(refused.to_string().starts_with(&format!("cannot listen on {}: ", first.address())));
    // Another process could take it over.
    let adopted = Listener::adopt(first.duplicate().unwrap(), Door::Main).unwrap();
    assert_eq!(adopted.address(), first.address());
}

#[cfg(unix)]
#[tokio::test]
async fn all_addresses_of_both_kinds_have_the_same_port() {
    let all = |text: &str| text.parse::<SocketAddr>().unwrap();
    let v4 = Listener::bind(all("0.0.0.0:0"), Door::Main, &[]).unwrap();
    let v6 = SocketAddr::from(([0u16; 8], v4.address().port()));
    assert!(Listener::bind(v6, Door::Main, &[]).is_err(), "it would take IPv4 as well");
    assert!(Listener::bind(v6, Door::Main, &[v4.address()]).is_ok());
}

#[tokio::test]
async fn the_gate_hears_where_a_connection_comes_from() {
    let house = House::new(nobody().await);
    let both = Listener::bind(SocketAddr::from(([0u16; 8], 0)), Door::Admin, &[]).unwrap();
    house.edge.open(&both).unwrap();
    let ask = async |from: &str, to: SocketAddr| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let mut client = Client::on(stream);
        client.send(b"GET /who HTTP/1.1\r\nHost: door\r\n\r\n").await;
        let body = client.reply().await.body;
        let (peer, rest) = body.split_once(' ').unwrap();
        assert_eq!(peer, client.local().to_string(), "IPv4 stays IPv4");
        rest.to_owned()
    };
    let v4 = SocketAddr::from(([127, 0, 0, 1], both.address().port()));
    assert_eq!(ask("127.0.0.2", house.address).await, "Main false");
    assert_eq!(ask("127.0.0.66", house.address).await, "Main true");
    assert_eq!(ask("127.0.0.3", v4).await, "Admin false");
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_hears_it() {
    let house = House::new(nobody().await);
    *house.keeper.connections_max.lock() = Some(2);
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut client = house.client().await;
        client.send(PAGE.as_bytes()).await;
        assert_eq!(client.reply().await.status, 200);
        kept.push(client);
    }
    let reply = house.ask(PAGE).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "10"));
    kept.pop();
    soon(async {
        while house.edge.connections() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(house.ask(PAGE).await.status, 200);
}

#[tokio::test]
async fn clients_that_take_too_long_are_let_go() {
    let house = House::new(nobody().await);
    // Nothing, or half a head.
    for sent in ["", "GET /page HTTP/1.1\r\nHo"] {
        let mut client = house.client().await;
        client.send(sent.as_bytes()).await;
        opened(&house).await;
        assert_eq!(sweep_after(&house, HEAD_MS / 2), 0, "{sent:?}");
        assert_eq!(sweep_after(&house, HEAD_MS + 1000), 1, "{sent:?}");
        assert!(client.is_ended().await);
        gone(&house).await;
    }
    // Half of the head of a second request.
    let mut client = house.client().await;
    client.send(PAGE.as_bytes()).await;
    assert_eq!(client.reply().await.status, 200);
    client.send(b"GET /pa").await;
    waits_for(&house, Phase::Head).await;
    assert_eq!(sweep_after(&house, 0), 0);
    assert_eq!(sweep_after(&house, HEAD_MS + 1000), 1);
    assert!(client.is_ended().await);
    gone(&house).await;
    // No second request.
    let mut client = house.client().await;
    client.send(PAGE.as_bytes()).await;
    assert_eq!(client.reply().await.status, 200);
    waits_for(&house, Phase::Idle).await;
    assert_eq!(sweep_after(&house, 0), 0);
    assert_eq!(sweep_after(&house, KEEP_ALIVE_MS / 2), 0);
    assert_eq!(sweep_after(&house, KEEP_ALIVE_MS + 1000), 1);
    assert!(client.is_ended().await);
    gone(&house).await;
}

#[tokio::test]
async fn an_upload_that_stops_is_let_go_and_its_seat_is_free() {
    let endpoint = seat(|_| (told("200 OK", "", "never"), Then::Keep)).await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    client.send(b"PUT /app/main/x HTTP/1.1\r\nHost: door\r\nContent-Length: 100\r\n\r\nsome").await;
    waits_for(&house, Phase::Uploading).await;
    assert_eq!(sweep_after(&house, 0), 0);
    assert_eq!(sweep_after(&house, UPLOAD_STALL_MS / 2), 0);
    assert_eq!(sweep_after(&house, UPLOAD_STALL_MS + 1000), 1);
    assert!(client.is_ended().await);
    house.log.until(|log| log.ends.lock().len() == 1).await;
    gone(&house).await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_does_not_keep_its_seat() {
    let body = "x".repeat(30_000_000);
    let endpoint = seat(move |_| (told("200 OK", "", &body), Then::Keep)).await;
    let house = House::new(endpoint);
    let mut client = house.client().await;
    client.send(b"GET /app/main/x HTTP/1.1\r\nHost: door\r\n\r\n").await;
    soon(client.head()).await;
    house.until_seen(|seen| seen.client_reads_nothing).await;
    let limit_s = READER_STALL_MS / 1000;
    let first = (0..limit_s + 10).find(|seconds| sweep_after(&house, seconds * 1000) > 0);
    assert!(first.is_some_and(|second| second >= limit_s), "{first:?}");
    house.log.until(|log| log.ends.lock().len() == 1).await;
    gone(&house).await;
}

#[tokio::test]
async fn leaving_ends_idle_connections_at_once_and_waits_for_busy_ones() {
    let house = House::new(nobody().await);
    let mut idle = house.client().await;
    idle.send(PAGE.as_bytes()).await;
    assert_eq!(idle.reply().await.status, 200);
    let mut busy = house.client().await;
    busy.send(b"GET /held HTTP/1.1\r\nHost: door\r\n\r\n").await;
    house.log.until(|log| !log.heard.lock().is_empty()).await;
    let drain = house.edge.drain(Duration::from_secs(3));
    let watch = async {
        assert!(idle.is_ended().await);
        house.edge.connections()
    };
    let (cut, left) = soon(async { tokio::join!(drain, watch) }).await;
    assert!(left <= 1);
    assert_eq!(cut, 1, "the held one did not end by itself");
    assert!(busy.is_ended().await);
    assert_eq!(house.edge.connections(), 0);
}

async fn opened(house: &House) {
    soon(async {
        while house.edge.connections() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn gone(house: &House) {
    soon(async {
        while house.edge.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until a connection is at this and nothing comes from its client.
async fn waits_for(house: &House, phase: Phase) {
    house.until_seen(|seen| seen.phase == phase && seen.awaits_client).await;
}
