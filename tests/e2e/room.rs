//! HTTP/2 connections that only take room: frames are written by hand, because no client library
//! would send them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::rig::{Authority, Door, Secure};

const TLS: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
tls: { listen: [\"127.0.0.1:$SPARE1\"], certificate: door.pem, key: door.key }
";
/// For failing: the longest patience of the door is less than half of it.
const LIMIT: Duration = Duration::from_secs(180);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const WHOLE: u8 = END_STREAM | END_HEADERS;

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A GET with literal fields that are not indexed (RFC 7541 section 6.2.2).
fn get(stream: u8, path: &str, door: SocketAddr) -> Vec<u8> {
    let mut block = Vec::new();
    let authority = door.to_string();
    let fields =
        [(":method", "GET"), (":scheme", "https"), (":authority", &*authority), (":path", path)];
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, WHOLE, stream, &block)
}

/// Begins HTTP/2; the door may send so many bytes of each answer before it is told to go on.
async fn begin(stranger: &Secure, window: u32) -> TlsStream<TcpStream> {
    let mut stream = stranger.connect_multiplexed().await;
    let setting = [&INITIAL_WINDOW_SIZE[..], &window.to_be_bytes()].concat();
    let settings = frame(SETTINGS, 0, 0, &setting);
    stream.write_all(&[PREFACE, &settings].concat()).await.expect("sent");
    stream
}

/// Reads until a frame of this kind, and gives its flags; `None`: the door ended the connection.
async fn reads(stream: &mut TlsStream<TcpStream>, wanted: u8) -> Option<u8> {
    let read = async {
        loop {
            let mut head = [0; 9];
            if stream.read_exact(&mut head).await.is_err() {
                return None;
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                return None;
            }
            if head[3] == wanted {
                return Some(head[4]);
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("the door loses its patience")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_only_take_room_are_ended() {
    let authority = Authority::new();
    let mut door = Door::closed(TLS);
    authority.issue(&["127.0.0.1"]).write(&door, "door");
    door.start().await;
    let address = SocketAddr::from(([127, 0, 0, 1], door.spare_port(1)));
    let stranger = Secure::new("127.0.0.99", address, &authority, None);
    let silent = async {
        let mut stream = stranger.connect_multiplexed().await;
        assert_eq!(reads(&mut stream, RESET).await, None, "after the handshake it says nothing");
    };
    let idle = async {
        let mut stream = begin(&stranger, 65_535).await;
        stream.write_all(&get(1, "/", address)).await.expect("sent");
        assert!(reads(&mut stream, HEADERS).await.is_some(), "an answer");
        assert_eq!(reads(&mut stream, RESET).await, None, "then it asks for nothing more");
    };
    let unread = async {
        let mut stream = begin(&stranger, 0).await;
        stream.write_all(&get(1, "/", address)).await.expect("sent");
        assert!(reads(&mut stream, HEADERS).await.is_some(), "an answer");
        assert!(reads(&mut stream, RESET).await.is_some(), "whose page it does not read");
    };
    tokio::join!(silent, idle, unread);
    let tool = Secure::new("127.0.0.2", address, &authority, None);
    tool.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_only_so_many_requests_open() {
    let authority = Authority::new();
    let mut door = Door::closed(&format!("{TLS}limits: {{ connections_per_address: 1 }}\n"));
    authority.issue(&["127.0.0.1"]).write(&door, "door");
    door.start().await;
    let address = SocketAddr::from(([127, 0, 0, 1], door.spare_port(1)));
    let stranger = Secure::new("127.0.0.99", address, &authority, None);
    let mut stream = begin(&stranger, 0).await;
    for number in [1, 3, 5, 7] {
        stream.write_all(&get(number, "/", address)).await.expect("sent");
        let flags = reads(&mut stream, HEADERS).await.expect("an answer");
        assert_eq!(flags & END_STREAM, 0, "a page that waits to be read");
    }
    // One page too many: an answer that ends at once, for it has nothing to be read.
    stream.write_all(&get(9, "/", address)).await.expect("sent");
    let flags = reads(&mut stream, DATA).await.expect("an end");
    assert_eq!(flags, END_STREAM);
    let jiyoung = Secure::new("127.0.0.2", address, &authority, None);
    jiyoung.get("/app/tool/pid").await.expect(200);
}
