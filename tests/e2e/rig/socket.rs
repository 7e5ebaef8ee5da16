//! A WebSocket held by one person.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Answer, PATIENCE, soon};

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
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
        let mut request = url.into_client_request().expect("a WebSocket address");
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).expect("a header name");
            request
                .headers_mut()
                .append(name, HeaderValue::try_from(*value).expect("a header value"));
        }
        match client_async(request, connection).await {
            Ok((stream, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.and_then(|value| value.to_str().ok()).map(str::to_string);
                Ok(Self { stream, protocol })
            }
            Err(Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                let status = parts.status.as_u16();
                Err(Answer { status, headers: parts.headers, body: body.unwrap_or_default() })
            }
            Err(error) => panic!("the WebSocket handshake with {url} broke off: {error}"),
        }
    }

    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("the WebSocket takes a text");
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::binary(bytes)).await.expect("the WebSocket takes bytes");
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
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        self.stream.close(Some(frame)).await.expect("the WebSocket takes a close");
        self.closed().await
    }

    /// The next data message, or how the WebSocket ended. Pings are answered by the library, pongs
    /// skipped.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, Closed> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_bytes().to_vec()),
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(Closed::With(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(_)) | None => return Err(Closed::Abruptly),
            }
        }
    }
}
