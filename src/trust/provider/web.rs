//! A small HTTP client for what usher asks the provider: one request on one connection, a short
//! answer within a short time. Whom the system trusts is trusted.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::certificates::TlsClient;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The longest time from the name's look-up to the end of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct NoAnswer(String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

fn failed<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> NoAnswer + use<'_, E> {
    move |error| NoAnswer(format!("{doing}: {error}"))
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub(super) struct Web {
    tls: TlsClient,
}

impl Web {
    /// A client that trusts whom the system trusts.
    ///
    /// # Errors
    /// The cryptography refuses.
    pub(super) fn new() -> Result<Self, NoAnswer> {
        TlsClient::new().map(|tls| Self { tls }).map_err(NoAnswer)
    }

    /// Sends a request. Redirects are not followed: they would lead where the operator never meant
    /// usher to go.
    ///
    /// # Errors
    /// There is no answer, or one that is too long.
    pub(super) async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, NoAnswer> {
        match tokio::time::timeout(ANSWER_WITHIN, self.send_slowly(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer(format!("no answer within {ANSWER_WITHIN:?}"))),
        }
    }

    async fn send_slowly(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let (host, port, is_tls) = place(request.uri())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = TcpStream::connect((bare.as_str(), port))
            .await
            .map_err(failed(&format!("connecting to {host}:{port}")))?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let stream = self.tls.connect(&bare, stream).await;
        let stream = stream.map_err(failed(&format!("TLS with {host}")))?;
        exchange(stream, request).await
    }
}

/// Host, port, and whether it is `https`.
fn place(uri: &Uri) -> Result<(String, u16, bool), NoAnswer> {
    let host = uri.host().ok_or_else(|| NoAnswer("an address without a host".to_owned()))?;
    let is_tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(NoAnswer("an address that is neither http nor https".to_owned())),
    };
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    Ok((host.to_owned(), port, is_tls))
}

async fn exchange<S>(stream: S, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut parts, body) = request.into_parts();
    let host = parts.uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host).map_err(failed("the provider's name"))?;
    parts.headers.insert(header::HOST, host);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let place = parts.uri.path_and_query().map_or("/", |place| place.as_str());
    parts.uri = place.parse().map_err(failed("the provider's address"))?;
    let request = Request::from_parts(parts, Full::new(bytes::Bytes::from(body)));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(failed("the connection"))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(failed("the request"))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(failed("the answer"))?.to_bytes().to_vec();
        Ok(Response::from_parts(parts, body))
    };
    // The connection is driven here and ends with the answer: nothing is left behind.
    tokio::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            // What had come by then may be a whole answer.
            Ok(()) => answer.await,
            Err(error) => Err(NoAnswer(format!("the connection: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these bytes; gives the client's answer and what it sent.
    async fn ask(answer: Vec<u8>) -> (Result<Response<Vec<u8>>, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"{}") {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).await.expect("a request");
                head.extend_from_slice(&buffer[..read]);
            }
            // The client may have seen enough before all is written.
            let _ = stream.write_all(&answer).await;
            String::from_utf8(head).expect("a text")
        });
        let request = Request::post(format!("http://{address}/a?b=c")).body(b"{}".to_vec());
        let answer = Web::new().expect("a client").send(request.expect("a request")).await;
        (answer.map_err(|error| error.to_string()), server.await.expect("a server"))
    }

    #[tokio::test]
    async fn one_request_one_answer() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        let (answer, head) = ask(plain).await;
        assert_eq!(answer.expect("an answer").body(), b"hi");
        assert!(
            head.starts_with("POST /a?b=c HTTP/1.1\r\n") && head.contains("host: 127.0.0.1:"),
            "{head}"
        );
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(ask(chunked.to_vec()).await.0.expect("an answer").body(), b"hi");
        let until_end = b"HTTP/1.0 302 Found\r\nLocation: http://elsewhere/\r\n\r\nhi".to_vec();
        let answer = ask(until_end).await.0.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.body().as_slice()), (302, &b"hi"[..]));
    }

    #[tokio::test]
    async fn what_is_no_answer() {
        let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        endless.resize(3 * ANSWER_BYTES_MAX, b'x');
        for bytes in [endless, b"nonsense\r\n\r\n".to_vec(), Vec::new()] {
            assert!(ask(bytes).await.0.is_err());
        }
        let web = Web::new().expect("a client");
        for address in ["ftp://127.0.0.1/", "/", "http://127.0.0.1:1/"] {
            let request = Request::get(address).body(Vec::new()).expect("a request");
            assert!(web.send(request).await.is_err(), "{address}");
        }
    }
}
