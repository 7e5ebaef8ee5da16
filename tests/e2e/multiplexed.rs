//! HTTP/2 as no decent client speaks it, frame by frame: nothing of it reaches the app, and it is
//! over as soon as it is too much.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::rig::{Authority, Door, Secure, soon};

const DOOR: &str = "
apps: { tool: { title: Tool, command: $PLAIN, ports: $PORTS } }
users: $USERS
tls: { listen: [\"127.0.0.1:$SPARE1\"], certificate: door.pem, key: door.key }
";

/// Kinds of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

type Fields<'f> = &'f [(&'f str, &'f str)];

/// What comes of a request.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The stream was reset.
    Reset,
    /// The connection is over.
    Over,
    /// An answer; whether it is 200.
    Answered { ok: bool },
}

/// A connection after its preface.
struct Multiplexed {
    stream: TlsStream<TcpStream>,
}

impl Multiplexed {
    async fn open(jiyoung: &Secure) -> Self {
        let mut stream = jiyoung.connect_multiplexed().await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("a preface");
        let mut opened = Self { stream };
        assert!(opened.send(SETTINGS, 0, 0, &[]).await);
        opened
    }

    /// Whether the door still takes frames.
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.is_ok()
    }

    /// What comes of the first stream.
    async fn end(&mut self) -> End {
        loop {
            let mut head = [0; 9];
            let read = soon("a frame, or the end", self.stream.read_exact(&mut head));
            if read.await.is_err() {
                return End::Over;
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if self.stream.read_exact(&mut payload).await.is_err() {
                return End::Over;
            }
            match head[3] {
                GO_AWAY => return End::Over,
                RESET => return End::Reset,
                // `:status 200` comes first and is a byte of its own.
                HEADERS => return End::Answered { ok: payload.first() == Some(&0x88) },
                _ => {}
            }
        }
    }
}

/// Header fields as HPACK writes them without any table.
fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("a short text"));
            block.extend(text.bytes());
        }
    }
    block
}

/// A request's fields: the usual ones with some replaced, and further ones.
fn fields<'f>(authority: &'f str, replaced: Fields<'f>) -> Vec<(&'f str, &'f str)> {
    let usual = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", authority),
        (":path", "/app/tool/bad"),
    ];
    let given = |name: &str| replaced.iter().find(|(key, _)| *key == name).copied();
    let mut all: Vec<_> = usual.iter().map(|usual| given(usual.0).unwrap_or(*usual)).collect();
    all.retain(|(_, value)| *value != "-");
    all.extend(replaced.iter().filter(|(key, _)| usual.iter().all(|usual| usual.0 != *key)));
    all
}

async fn open() -> (Door, Secure, String) {
    let authority = Authority::new();
    let mut door = Door::closed(DOOR);
    authority.issue(&["127.0.0.1"]).write(&door, "door");
    door.start().await;
    let address = format!("127.0.0.1:{}", door.spare_port(1));
    let jiyoung = Secure::new("127.0.0.2", address.parse().expect("an address"), &authority, None);
    (door, jiyoung, address)
}

/// Every path that the app has seen.
async fn seen(jiyoung: &Secure) -> String {
    jiyoung.get("/app/tool/seen").await.expect(200).json()["paths"].to_string()
}

/// What is sent beside the usual fields, or in their place (`-`: left out).
const REFUSED: &[(&str, Fields<'static>)] = &[
    ("another Host", &[("host", "evil.example")]),
    ("another authority", &[(":authority", "evil.example")]),
    ("an authority with a user", &[(":authority", "x@127.0.0.1")]),
    ("no name at all", &[(":authority", "-")]),
    ("a scheme with a host", &[(":scheme", "https://evil.example/")]),
    ("a path with a host", &[(":path", "https://evil.example/app/tool/bad")]),
    ("a path with a second line", &[(":path", "/app/tool/bad HTTP/1.1\r\nX: y")]),
    ("a path without its slash", &[(":path", "app/tool/bad")]),
    ("a method with a second line", &[(":method", "GET /app/tool/bad HTTP/1.1\r\nX: y\r\n")]),
    ("a coding of HTTP/1.1", &[("transfer-encoding", "chunked")]),
    ("a change of protocol", &[("connection", "upgrade"), ("upgrade", "websocket")]),
    ("a value with a second line", &[("x-a", "b\r\nX-Usher-User: minsu")]),
    ("a value with a NUL", &[("x-a", "b\0c")]),
    ("a name with a second line", &[("x-a\r\nx-usher-user", "minsu")]),
    ("a name in capitals", &[("X-Usher-User", "minsu")]),
    ("a pseudo-header that does not exist", &[(":x", "y")]),
    ("a tunnel", &[(":method", "CONNECT"), (":scheme", "-"), (":path", "-")]),
    ("a tunnel for a WebSocket", &[(":method", "CONNECT"), (":protocol", "websocket")]),
    ("a length without a body", &[(":method", "POST"), ("content-length", "99")]),
    ("two lengths", &[(":method", "POST"), ("content-length", "0"), ("content-length", "9")]),
    ("TRACE", &[(":method", "TRACE")]),
    ("a POST of another site", &[(":method", "POST"), ("origin", "https://evil.example")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_has_two_meanings_over_the_two_versions_of_http_is_refused() {
    let (_door, jiyoung, address) = open().await;
    jiyoung.get("/app/tool/pid").await.expect(200);
    let mut served = Vec::new();
    for (what, replaced) in REFUSED {
        let mut client = Multiplexed::open(&jiyoung).await;
        let block = block(&fields(&address, replaced));
        assert!(client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await);
        if client.end().await == (End::Answered { ok: true })
            || seen(&jiyoung).await.contains("bad")
        {
            served.push(what);
        }
    }
    assert!(served.is_empty(), "{served:?}");
    let mut client = Multiplexed::open(&jiyoung).await;
    let block = block(&fields(&address, &[]));
    assert!(client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await);
    assert_eq!(client.end().await, End::Answered { ok: true }, "the usual fields are served");
    assert!(seen(&jiyoung).await.contains("bad"));
}

/// Frames sent until the door hangs up, or so many.
async fn flood(client: &mut Multiplexed, frames_max: u32, kinds: &[(u8, u8, Vec<u8>)]) -> bool {
    for number in 0..frames_max {
        for (kind, flags, payload) in kinds {
            // Continuations and empty frames belong to the first stream.
            let is_new = kinds.len() > 1;
            let stream = if is_new { 3 + 2 * number } else { 1 };
            if !client.send(*kind, *flags, stream, payload).await {
                return true;
            }
        }
    }
    client.end().await == End::Over
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_end_the_connection() {
    let (_door, jiyoung, address) = open().await;
    let pid = jiyoung.get("/app/tool/pid").await.expect(200).text();
    let whole = block(&fields(&address, &[]));
    let post = block(&fields(&address, &[(":method", "POST"), (":path", "/app/tool/upload")]));

    let mut client = Multiplexed::open(&jiyoung).await;
    assert!(client.send(HEADERS, END_STREAM, 1, &whole).await);
    let more = block(&[("x-a", "yyyyyyyyyyyyyyyy")]);
    assert!(flood(&mut client, 100_000, &[(CONTINUATION, 0, more)]).await, "continuations");

    let mut client = Multiplexed::open(&jiyoung).await;
    let reset = 8_u32.to_be_bytes().to_vec();
    let at_once = [(HEADERS, END_HEADERS | END_STREAM, whole.clone()), (RESET, 0, reset)];
    assert!(flood(&mut client, 100_000, &at_once).await, "a reset of each request");

    let mut client = Multiplexed::open(&jiyoung).await;
    let wrong = [(HEADERS, END_HEADERS | END_STREAM, whole), (8, 0, vec![0; 4])];
    assert!(flood(&mut client, 100_000, &wrong).await, "a reset that the door is made to send");

    let mut client = Multiplexed::open(&jiyoung).await;
    assert!(client.send(HEADERS, END_HEADERS, 1, &post).await);
    assert!(flood(&mut client, 100_000, &[(DATA, 0, Vec::new())]).await, "empty pieces");

    assert_eq!(jiyoung.get("/app/tool/pid").await.expect(200).text(), pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_never_comes_is_not_waited_for() {
    let (_door, jiyoung, address) = open().await;
    let mut client = Multiplexed::open(&jiyoung).await;
    let form = [
        (":method", "POST"),
        (":path", "/_usher/login"),
        ("x-usher-request", "1"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    assert!(client.send(HEADERS, END_HEADERS, 1, &block(&fields(&address, &form))).await);
    let end = tokio::time::timeout(std::time::Duration::from_secs(90), client.end()).await;
    assert_ne!(end.expect("an end in time"), End::Answered { ok: true });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_for_nothing_is_dropped() {
    let (_door, jiyoung, _) = open().await;
    let mut stream = jiyoung.connect_multiplexed().await;
    let mut byte = [0; 1024];
    let end = async { while stream.read(&mut byte).await.unwrap_or(0) > 0 {} };
    tokio::time::timeout(std::time::Duration::from_secs(90), end).await.expect("dropped in time");
}
