//! The gate, the seats and the clients of the tests.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ::http::{HeaderMap, StatusCode};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};

use crate::account::{AccessFact, StayEnd};
use crate::answer::{Answer, Body, BodyError, EventSource, Incident, OwnFrame, OwnWebSocket};
use crate::assets::Element;
use crate::clock::{Clock, Moment, OsClock};
use crate::domain::{AppSlug, CloseCode, Endpoint, Role, UserName};
use crate::edge::patience::Seen;
use crate::edge::{
    Admitted, Changes, Doorkeeper, Edge, EdgeParts, Listener, Mishap, ToSeat, Tunnelled, Verdict,
};
use crate::request::{Door, Head, Scheme};

/// Long enough for anything that a test waits for.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it did not happen")
}

/// The gate of the tests: the path says what is done.
pub(super) struct Keeper {
    pub seat: Mutex<Endpoint>,
    /// Where a request goes when nobody was at `seat`.
    pub seat_after: Mutex<Option<Endpoint>>,
    pub upload_max_bytes: AtomicU64,
    pub connections_max: Mutex<Option<u32>>,
    pub strip_bytes: usize,
    /// What is put into pages.
    pub element: Mutex<Option<Element>>,
    pub log: Arc<Log>,
    pub closing: watch::Sender<Option<CloseCode>>,
    pub events: Mutex<Option<mpsc::Receiver<Bytes>>>,
    user: UserName,
    app: AppSlug,
}

/// What the edge told the gate.
#[derive(Default)]
pub(super) struct Log {
    lines: Mutex<Vec<AccessFact>>,
    changed: Notify,
    pub browser_data: AtomicU32,
    pub app_data: AtomicU32,
    pub in_bytes: AtomicU64,
    pub out_bytes: AtomicU64,
    pub ends: Mutex<Vec<Option<StayEnd>>>,
    pub opened: AtomicU32,
    pub again: AtomicU32,
    pub abandoned: AtomicU32,
    pub heard: Mutex<Vec<String>>,
    pub mishaps: Mutex<Vec<Mishap>>,
}

impl Log {
    fn change(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until the log says so.
    pub(super) async fn until(&self, done: impl Fn(&Log) -> bool) {
        soon(async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if done(self) {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }

    /// The line for this path, as soon as it is there.
    pub(super) async fn line(&self, path: &str) -> AccessFact {
        let find = |log: &Log| log.lines.lock().iter().find(|line| *line.path == *path).cloned();
        self.until(|log| find(log).is_some()).await;
        find(self).expect("a line")
    }
}

/// The right to a seat; tells the log when it ends.
pub(super) struct Right {
    endpoint: Endpoint,
    keeper: Plan,
    log: Arc<Log>,
    closing: watch::Receiver<Option<CloseCode>>,
    end: Option<StayEnd>,
    began: Moment,
}

#[derive(Clone)]
struct Plan {
    user: UserName,
    app: AppSlug,
    strip_bytes: usize,
    element: Option<Element>,
    upload_max_bytes: u64,
}

impl Drop for Right {
    fn drop(&mut self) {
        self.log.ends.lock().push(self.end);
        self.log.change();
    }
}

impl ToSeat for Right {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    fn connection_group(&self) -> u64 {
        7
    }

    fn holds_small_writes_back(&self) -> bool {
        true
    }

    fn element(&self) -> Option<&Element> {
        self.keeper.element.as_ref()
    }

    fn changes(&self) -> Changes<'_> {
        Changes {
            user: &self.keeper.user,
            role: Role::User,
            app: &self.keeper.app,
            address: "192.168.1.101".parse().expect("an address"),
            scheme: Scheme::Http,
            forwarded_host: None,
            login_header: None,
            hsts_s: None,
            strip_bytes: self.keeper.strip_bytes,
            upload_max_bytes: self.keeper.upload_max_bytes,
        }
    }

    fn began(&self) -> Moment {
        self.began
    }

    fn count_in(&self, bytes: u64) {
        self.log.in_bytes.fetch_add(bytes, Ordering::SeqCst);
        self.log.change();
    }

    fn count_out(&self, bytes: u64) {
        self.log.out_bytes.fetch_add(bytes, Ordering::SeqCst);
        self.log.change();
    }
}

impl Tunnelled for Right {
    fn opened(&mut self) {
        self.log.opened.fetch_add(1, Ordering::SeqCst);
        self.log.change();
    }

    async fn closed(&self) -> CloseCode {
        let mut closing = self.closing.clone();
        match closing.wait_for(Option::is_some).await.map(|code| *code) {
            Ok(Some(code)) => code,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    fn browser_data(&self, _now: Moment) {
        self.log.browser_data.fetch_add(1, Ordering::SeqCst);
        self.log.change();
    }

    fn app_data(&self, _now: Moment) {
        self.log.app_data.fetch_add(1, Ordering::SeqCst);
        self.log.change();
    }

    fn ends(&mut self, end: StayEnd) {
        self.end = Some(end);
    }
}

impl Keeper {
    fn right(&self, endpoint: Endpoint) -> Right {
        let keeper = Plan {
            user: self.user.clone(),
            app: self.app.clone(),
            strip_bytes: self.strip_bytes,
            element: self.element.lock().clone(),
            upload_max_bytes: self.upload_max_bytes.load(Ordering::SeqCst),
        };
        let closing = self.closing.subscribe();
        let log = Arc::clone(&self.log);
        Right { endpoint, keeper, log, closing, end: None, began: OsClock.now() }
    }

    fn mishap(&self, mishap: Mishap) -> Answer {
        self.log.mishaps.lock().push(mishap);
        self.log.change();
        let mut answer = Answer::text(
            match mishap {
                Mishap::Broken | Mishap::Silent => StatusCode::BAD_GATEWAY,
                Mishap::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                Mishap::BadHandshake => StatusCode::BAD_REQUEST,
            },
            "a mishap\n",
        );
        answer.incident = Some(Incident(42));
        answer
    }

    async fn again(&self) -> Result<Right, Box<Answer>> {
        self.log.again.fetch_add(1, Ordering::SeqCst);
        let endpoint = self.seat_after.lock().clone();
        match endpoint {
            Some(endpoint) => Ok(self.right(endpoint)),
            None => {
                Err(Box::new(Answer::text(StatusCode::SERVICE_UNAVAILABLE, "no seat follows\n")))
            }
        }
    }

    async fn decide(&self, head: &Head<'_>, body: &mut dyn Body) -> Verdict<Right, Right> {
        let seat = || Box::new(self.right(self.seat.lock().clone()));
        match head.parts.uri.path() {
            path if path.starts_with("/app/") && head.is_websocket() => Verdict::Tunnel(seat()),
            path if path.starts_with("/app/") => Verdict::Forward(seat()),
            "/page" => Verdict::Answer(Answer::text(StatusCode::OK, "a page\n")),
            "/nothing" => Verdict::Answer(Answer::empty(StatusCode::NO_CONTENT)),
            "/who" => {
                let mut answer = Answer::empty(StatusCode::OK);
                let connection = head.connection;
                let who =
                    format!("{} {:?} {}", connection.peer, connection.door, connection.from_seat);
                answer.body = who.into();
                Verdict::Answer(answer)
            }
            "/post" => Verdict::Answer(match body.read(16).await {
                Ok(bytes) => Answer { body: bytes, ..Answer::empty(StatusCode::OK) },
                Err(BodyError::TooLarge) => self.mishap(Mishap::TooLarge),
                Err(BodyError::Broken) => self.mishap(Mishap::Broken),
            }),
            "/held" => {
                let _abandoned = Abandoned(Arc::clone(&self.log));
                self.log.heard.lock().push("held".to_owned());
                self.log.change();
                std::future::pending().await
            }
            "/events" => Verdict::Events(Box::new(Events {
                events: self.events.lock().take().expect("one stream"),
                _gone: Abandoned(Arc::clone(&self.log)),
            })),
            "/own" => Verdict::Own(Box::new(OwnEcho {
                said: Vec::new(),
                log: Arc::clone(&self.log),
                closing: self.closing.subscribe(),
                greeted: false,
            })),
            _ => Verdict::Answer(Answer::text(StatusCode::NOT_FOUND, "nothing\n")),
        }
    }
}

struct Abandoned(Arc<Log>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::SeqCst);
        self.0.change();
    }
}

struct Events {
    events: mpsc::Receiver<Bytes>,
    _gone: Abandoned,
}

#[async_trait]
impl EventSource for Events {
    async fn next(&mut self) -> Option<Bytes> {
        self.events.recv().await
    }
}

/// Greets, says again what it hears, and closes when told to.
struct OwnEcho {
    said: Vec<String>,
    log: Arc<Log>,
    closing: watch::Receiver<Option<CloseCode>>,
    greeted: bool,
}

#[async_trait]
impl OwnWebSocket for OwnEcho {
    fn receive(&mut self, text: &str) {
        self.said.push(text.to_owned());
        self.log.heard.lock().push(text.to_owned());
        self.log.change();
    }

    async fn next(&mut self) -> OwnFrame {
        if !self.greeted {
            self.greeted = true;
            return OwnFrame::Text("hello".to_owned());
        }
        if let Some(text) = self.said.pop() {
            return OwnFrame::Text(text);
        }
        match self.closing.wait_for(Option::is_some).await.map(|code| *code) {
            Ok(Some(code)) => OwnFrame::Close(code),
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

impl Doorkeeper for Keeper {
    type Forward = Right;
    type Tunnel = Right;

    async fn admit(&self, head: &Head<'_>, body: &mut dyn Body) -> Admitted<Right, Right> {
        let verdict = self.decide(head, body).await;
        Admitted { verdict, user: Some(self.user.clone()), address: head.connection.peer.ip() }
    }

    async fn forward_again(&self, _forward: Right) -> Result<Right, Box<Answer>> {
        self.again().await
    }

    async fn tunnel_again(&self, _tunnel: Right) -> Result<Right, Box<Answer>> {
        self.again().await
    }

    fn forward_mishap(&self, mishap: Mishap, _forward: &Right) -> Answer {
        self.mishap(mishap)
    }

    fn tunnel_mishap(&self, mishap: Mishap, _tunnel: &Right) -> Answer {
        self.mishap(mishap)
    }

    fn connections_max(&self, _address: IpAddr) -> Option<u32> {
        *self.connections_max.lock()
    }

    fn record(&self, line: AccessFact) {
        self.log.lines.lock().push(line);
        self.log.change();
    }
}

/// A door that is open.
pub(super) struct House {
    pub keeper: Arc<Keeper>,
    pub edge: Edge<Keeper>,
    pub address: SocketAddr,
    pub log: Arc<Log>,
}

impl House {
    pub(super) fn new(seat: Endpoint) -> Self {
        Self::with(seat, 0)
    }

    pub(super) fn with(seat: Endpoint, strip_bytes: usize) -> Self {
        let log = Arc::new(Log::default());
        let keeper = Arc::new(Keeper {
            seat: Mutex::new(seat),
            seat_after: Mutex::new(None),
            upload_max_bytes: AtomicU64::new(1_000_000),
            connections_max: Mutex::new(None),
            strip_bytes,
            element: Mutex::new(None),
            log: Arc::clone(&log),
            closing: watch::Sender::new(None),
            events: Mutex::new(None),
            user: UserName::new("민수").expect("a name"),
            app: AppSlug::new("main").expect("a slug"),
        });
        let edge = Edge::new(EdgeParts {
            keeper: Arc::clone(&keeper),
            clock: Arc::new(OsClock),
            from_seat: Arc::new(|peer, _| peer.ip() == IpAddr::from([127, 0, 0, 66])),
            threads: 1,
        });
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(any, Door::Main, &[]).expect("a port");
        edge.open(&listener).expect("an open door");
        Self { keeper, edge, address: listener.address(), log }
    }

    pub(super) async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// Waits until a connection is seen so.
    pub(super) async fn until_seen(&self, so: impl Fn(&Seen) -> bool) {
        soon(async {
            while !self.edge.hall.connections.seen().iter().any(&so) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// A request on a connection of its own.
    pub(super) async fn ask(&self, request: &str) -> Reply {
        let mut client = self.client().await;
        client.send(request.as_bytes()).await;
        client.reply().await
    }
}

/// An endpoint where nobody listens.
pub(super) async fn nobody() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Endpoint::Tcp(listener.local_addr().expect("an address"))
}

/// A client that speaks HTTP/1.1 by hand.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

/// What a client got.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Client {
    pub(super) async fn to(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).await.expect("a connection"))
    }

    pub(super) fn on(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("an address")
    }

    /// A whole answer to a GET or POST.
    pub(super) async fn reply(&mut self) -> Reply {
        soon(self.read(true)).await
    }

    /// An answer to a HEAD.
    pub(super) async fn reply_to_head(&mut self) -> Reply {
        soon(self.read(false)).await
    }

    async fn read(&mut self, has_body: bool) -> Reply {
        let (status, headers) = self.head().await;
        let mut reply = Reply { status, headers, body: String::new() };
        if !has_body || status == 204 || status == 304 || status < 200 {
            return reply;
        }
        let bytes = if reply.header("transfer-encoding") == "chunked" {
            let mut whole = Vec::new();
            while let Some(chunk) = self.chunk().await {
                whole.extend(chunk);
            }
            whole
        } else if let Ok(length) = reply.header("content-length").parse() {
            let mut whole = vec![0; length];
            self.stream.read_exact(&mut whole).await.expect("a body");
            whole
        } else {
            let mut whole = Vec::new();
            self.stream.read_to_end(&mut whole).await.expect("a body");
            whole
        };
        reply.body = String::from_utf8(bytes).expect("text");
        reply
    }

    pub(super) async fn head(&mut self) -> (u16, HeaderMap) {
        let first = self.line().await;
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name = ::http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        (status.unwrap_or_else(|| panic!("no status in {first:?}")), headers)
    }

    /// The next chunk; `None`: the last one.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line().await, 16).expect("a length");
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).await.expect("a chunk");
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.expect("a line");
        line.trim_end().to_owned()
    }

    /// Whether the other side has ended the connection, without a byte.
    pub(super) async fn is_ended(&mut self) -> bool {
        let mut byte = [0];
        matches!(soon(self.stream.read(&mut byte)).await, Ok(0) | Err(_))
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }
}

/// A request as a seat sees it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub head: String,
    pub body: Vec<u8>,
    /// The number of the connection that it came on.
    pub connection: usize,
}

impl Asked {
    pub(super) fn has(&self, line: &str) -> bool {
        self.head.lines().any(|one| one.eq_ignore_ascii_case(line))
    }
}

/// What a seat does after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    End,
}

/// A server that answers as `tell` says; returns its endpoint.
pub(super) async fn seat(
    tell: impl Fn(&Asked) -> (Vec<u8>, Then) + Send + Sync + 'static,
) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = Endpoint::Tcp(listener.local_addr().expect("an address"));
    let tell = Arc::new(tell);
    tokio::spawn(async move {
        let mut connection = 0;
        while let Ok((stream, _)) = listener.accept().await {
            connection += 1;
            let tell = Arc::clone(&tell);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(asked) = read_request(&mut stream, connection).await {
                    let (answer, then) = tell(&asked);
                    if stream.write_all(&answer).await.is_err() || then == Then::End {
                        return;
                    }
                }
            });
        }
    });
    endpoint
}

async fn read_request(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Asked> {
    let mut head = String::new();
    loop {
        let before = head.len();
        stream.read_line(&mut head).await.ok()?;
        match head[before..].trim_end() {
            "" if head.len() == before => return None,
            "" => break,
            _ => {}
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { head, body, connection })
}

/// An answer with a body.
pub(super) fn told(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into()
}
