//! A WebSocket held by one person. As in a browser, somebody always reads: pings are answered while
//! the scenario is busy with something else, up to a bounded number of messages that nobody took.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::HOST;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Answer, PATIENCE, soon};

/// Messages that wait for the scenario; then the connection itself is left unread.
const UNHEARD_MAX: usize = 64;

/// An open WebSocket.
pub(crate) struct Socket {
    said: mpsc::Sender<Message>,
    heard: mpsc::Receiver<Result<Vec<u8>, Closed>>,
    /// The subprotocol that the app chose.
    pub(crate) protocol: Option<String>,
}

/// How a WebSocket ended: with a close frame, or without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// A close frame with this code; 1005 when it had none.
    With(u16),
    /// The connection broke off.
    Abruptly,
}

impl Socket {
    /// The handshake over a connection; a refusal is given as the answer that it was.
    pub(crate) async fn open(
        connection: TcpStream,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Answer> {
        match Self::attempt(connection, url, headers).await {
            Ok(socket) => Ok(socket),
            Err(Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                let status = parts.status.as_u16();
                Err(Answer { status, headers: parts.headers, body: body.unwrap_or_default() })
            }
            Err(error) => panic!("the WebSocket handshake with {url} broke off: {error}"),
        }
    }

    /// The same where the other side may go away in the middle of it.
    pub(crate) async fn attempt(
        connection: TcpStream,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Error> {
        let mut request = url.into_client_request().expect("a WebSocket address");
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header name");
            let value = HeaderValue::try_from(*value).expect("a header value");
            if name == HOST {
                request.headers_mut().insert(name, value);
            } else {
                request.headers_mut().append(name, value);
            }
        }
        let (stream, response) = client_async(request, connection).await?;
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.and_then(|value| value.to_str().ok()).map(str::to_string);
        Ok(Self::carried(stream, protocol))
    }

    /// Dropping it drops the connection, without a word.
    fn carried(stream: WebSocketStream<TcpStream>, protocol: Option<String>) -> Self {
        let (said, to_say) = mpsc::channel(1);
        let (to_hear, heard) = mpsc::channel(UNHEARD_MAX);
        tokio::spawn(carry(stream, to_say, to_hear));
        Self { said, heard, protocol }
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.pass(Message::text(text)).await;
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: Vec<u8>) {
        self.pass(Message::binary(bytes)).await;
    }

    /// The same to a WebSocket that may have ended: that shows when its end is read.
    pub(crate) async fn try_send(&mut self, bytes: Vec<u8>) {
        let _ = self.said.send(Message::binary(bytes)).await;
    }

    /// The next text or binary message, as bytes.
    pub(crate) async fn hear(&mut self) -> Vec<u8> {
        match soon("a WebSocket message", self.next()).await {
            Ok(bytes) => bytes,
            Err(closed) => panic!("the WebSocket ended where a message was due: {closed:?}"),
        }
    }

    /// The next message, as text.
    pub(crate) async fn hear_text(&mut self) -> String {
        String::from_utf8(self.hear().await).expect("a text")
    }

    /// Says something and gives what comes back.
    pub(crate) async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear_text().await
    }

    /// Waits until the WebSocket ends, whatever comes before.
    pub(crate) async fn closed(&mut self) -> Closed {
        self.closed_within(PATIENCE).await
    }

    /// The same with a limit that is itself the promise under test.
    pub(crate) async fn closed_within(&mut self, limit: Duration) -> Closed {
        let end = async {
            loop {
                if let Err(closed) = self.next().await {
                    return closed;
                }
            }
        };
        match tokio::time::timeout(limit, end).await {
            Ok(closed) => closed,
            Err(_) => panic!("the WebSocket was still open after {limit:?}"),
        }
    }

    /// Closes with a code, and waits for the other side's close.
    pub(crate) async fn close(&mut self, code: u16) -> Closed {
        self.pass(Message::Close(Some(CloseFrame { code: code.into(), reason: "".into() }))).await;
        self.closed().await
    }

    /// The next data message, or how the WebSocket ended.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, Closed> {
        self.heard.recv().await.unwrap_or(Err(Closed::Abruptly))
    }

    /// Says something and gives what comes back, if the WebSocket lives so long.
    pub(crate) async fn try_ask(&mut self, text: &str) -> Result<String, Closed> {
        // What is said to a WebSocket that has ended shows when its end is read.
        let _ = self.said.send(Message::text(text)).await;
        let heard = soon("a WebSocket message", self.next()).await?;
        Ok(String::from_utf8(heard).expect("a text"))
    }

    /// What is said to a WebSocket that has ended shows when its end is read.
    async fn pass(&mut self, message: Message) {
        let said = soon("the WebSocket to take a message", self.said.send(message)).await;
        said.expect("the WebSocket is open");
    }
}

/// Reads and writes until either side ends.
async fn carry(
    stream: WebSocketStream<TcpStream>,
    mut to_say: mpsc::Receiver<Message>,
    to_hear: mpsc::Sender<Result<Vec<u8>, Closed>>,
) {
    let (mut out, mut incoming) = stream.split();
    let reading = async {
        loop {
            let news = match incoming.next().await {
                Some(Ok(Message::Text(text))) => Ok(text.as_bytes().to_vec()),
                Some(Ok(Message::Binary(bytes))) => Ok(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    Err(Closed::With(frame.map_or(1005, |frame| frame.code.into())))
                }
                // The library answers pings as it reads on.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Err(Closed::Abruptly),
            };
            let ended = news.is_err();
            if to_hear.send(news).await.is_err() || ended {
                break;
            }
        }
        // The answer to a close frame leaves while one reads on to the end.
        while let Some(Ok(_)) = incoming.next().await {}
    };
    let writing = async {
        while let Some(message) = to_say.recv().await {
            // A broken connection shows in reading.
            let _ = out.send(message).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
