//! Clients that hold on to what they have: they cost others nothing, and memory has its bounds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::rig::{Door, sockets, soon, until};

/// The clients are users, so that they come as far as an app.
const DOOR: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2] }
  - { name: crowd, role: user, addresses: [127.7.0.0/24] }
";

const CLIENTS: usize = 2_000;
/// As many as one address may have by default.
const CLIENTS_PER_ADDRESS: usize = 500;
/// Between two bytes of a slow client.
const PACE: Duration = Duration::from_millis(500);
/// Page loads that are timed.
const LOADS: usize = 40;
/// What all clients together may cost: those that are half through a request hold buffers on both
/// sides of the door.
const MEMORY_MAX_KIB: u64 = CLIENTS as u64 * 256;

/// What a slow client is slow at.
#[derive(Clone, Copy)]
enum Slow {
    Head,
    Body,
    Reader,
    Idle,
}

impl Slow {
    fn begin(self, host: SocketAddr) -> String {
        let line = match self {
            Slow::Head => return "GET /app/tool/pid HTTP/1.1\r\nX-Slow: ".to_owned(),
            Slow::Body => "POST /app/tool/upload",
            Slow::Reader => "GET /app/tool/blob?bytes=1000000",
            Slow::Idle => "GET /app/tool/pid",
        };
        let length = if matches!(self, Slow::Body) { "Content-Length: 100000\r\n" } else { "" };
        format!("{line} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n")
    }
}

async fn connect(from: IpAddr, door: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    // What the reader does not take has to wait in the door, not in a large buffer here.
    socket.set_recv_buffer_size(8_192).expect("a small buffer");
    socket.bind(SocketAddr::new(from, 0)).expect("the client's address");
    soon("a connection", socket.connect(door)).await.expect("the door accepts")
}

/// One client, until it is told to leave or the door hangs up.
async fn be_slow(kind: Slow, from: IpAddr, door: SocketAddr, mut leave: watch::Receiver<bool>) {
    let mut stream = connect(from, door).await;
    let _ = stream.write_all(kind.begin(door).as_bytes()).await;
    let mut byte = [0];
    loop {
        tokio::select! {
            _ = leave.wait_for(|leave| *leave) => return,
            () = tokio::time::sleep(PACE) => {}
        }
        let goes_on = match kind {
            Slow::Head | Slow::Body => stream.write_all(b"x").await.is_ok(),
            Slow::Reader => stream.read(&mut byte).await.is_ok_and(|read| read > 0),
            Slow::Idle => true,
        };
        if !goes_on {
            return;
        }
    }
}

/// A line of `/proc/PID/status`, in KiB.
fn memory(door: &Door, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", door.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn median_load(door: &Door) -> Duration {
    let jiyoung = door.jiyoung();
    let mut times = Vec::new();
    for _ in 0..LOADS {
        let begun = Instant::now();
        jiyoung.navigate("/app/tool/").await.expect(200);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[LOADS / 2]
}

/// A few of them are not clients.
fn sockets_of(door: &Door) -> usize {
    sockets(door.pid()).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_clients_take_nothing_from_others() {
    let door = Door::open(DOOR).await;
    door.caller("127.7.0.1").get("/app/tool/pid").await.expect(200);
    let alone = median_load(&door).await;
    let before = memory(&door, "VmRSS");
    let (leave, leaving) = watch::channel(false);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let kind = [Slow::Head, Slow::Body, Slow::Reader, Slow::Idle][number % 4];
        let last = u8::try_from(number / CLIENTS_PER_ADDRESS + 1).expect("few addresses");
        let from = IpAddr::V4(Ipv4Addr::new(127, 7, 0, last));
        clients.push(tokio::spawn(be_slow(kind, from, door.address(), leaving.clone())));
    }
    until("all clients to be there", async || (sockets_of(&door) >= CLIENTS).then_some(())).await;
    // Their app has much to do now, and it is not what is looked at.
    let crowd = door.caller("127.7.0.9");
    let reached = CLIENTS * 3 / 4;
    until("their app to have its requests", async || {
        let seen = crowd.get("/app/tool/seen").await.expect(200).json();
        (seen["requests"].as_u64().is_some_and(|count| count as usize > reached)).then_some(())
    })
    .await;
    let beside = median_load(&door).await;
    let with = memory(&door, "VmRSS");
    leave.send_replace(true);
    for client in clients {
        client.await.expect("no client fails");
    }
    until("all clients to be gone", async || (sockets_of(&door) < 50).then_some(())).await;
    let after = memory(&door, "VmRSS");
    println!("a load: {alone:?}, beside them {beside:?}; KiB: {before}, {with}, {after}");
    // The promise is twice; the rest is for a machine that does other things.
    assert!(beside < alone * 2 + Duration::from_millis(20), "{alone:?} became {beside:?}");
    assert!(with < before + MEMORY_MAX_KIB, "{before} KiB became {with} KiB");
    assert!(after < before + MEMORY_MAX_KIB / 8, "{before} KiB, {with} KiB, then {after} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_frame_is_passed_on_and_never_held() {
    const FRAME_BYTES: usize = 64 << 20;
    const GROWTH_MAX_KIB: u64 = 8 << 10;
    let door = Door::open(DOOR).await;
    let mut raw = door.jiyoung().raw().await;
    let host = door.address();
    raw.send(format!(
        "GET /app/tool/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ))
    .await;
    assert_eq!(raw.answer().await.status, 101);
    let before = memory(&door, "VmHWM");
    // A final binary frame with a mask of zeros, so that what comes back is what was sent.
    let mut frame = vec![0x82, 0xff];
    frame.extend_from_slice(&(FRAME_BYTES as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    raw.send(&frame).await;
    let piece = vec![7; 1 << 20];
    for _ in 0..FRAME_BYTES / piece.len() {
        raw.send(&piece).await;
    }
    let back = raw.bytes(10 + FRAME_BYTES).await;
    assert_eq!(
        back[..10],
        frame[..10].iter().map(|byte| if *byte == 0xff { 0x7f } else { *byte }).collect::<Vec<_>>()
    );
    assert!(back[10..].iter().all(|byte| *byte == 7));
    let after = memory(&door, "VmHWM");
    assert!(after < before + GROWTH_MAX_KIB, "{before} KiB became {after} KiB");
}
