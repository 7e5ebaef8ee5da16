//! A person at a machine: somebody who calls the door from one address.

use std::net::{IpAddr, SocketAddr};

use reqwest::{Client, Method, RequestBuilder};
use tokio::net::{TcpSocket, TcpStream};

use super::{Answer, PATIENCE, Raw, Socket, soon};

/// What a browser accepts when a person opens a page.
const NAVIGATION: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Somebody who calls `door` from `address`. Answers are taken as they come: no redirect is
/// followed, no cookie kept.
#[derive(Clone)]
pub(crate) struct Caller {
    address: IpAddr,
    door: SocketAddr,
    client: Client,
}

impl Caller {
    pub(crate) fn new(address: IpAddr, door: SocketAddr) -> Self {
        // The client wants some cryptography even where nothing is encrypted.
        usher::certificates::install_cryptography();
        let client = Client::builder()
            .local_address(address)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE * 2)
            .build()
            .expect("an HTTP client");
        Self { address, door, client }
    }

    /// The door's origin as this person's browser writes it.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.door)
    }

    /// A request to be completed by the scenario.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin()))
    }

    /// Sends a request that must be answered, well or badly.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        match self.try_send(request).await {
            Ok(answer) => answer,
            Err(error) => panic!("no answer for {}: {error:?}", self.address),
        }
    }

    /// Sends a request that may be left without an answer.
    pub(crate) async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        Answer::of(request.send().await?).await
    }

    /// What a script of a page does: a fetch.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// A fetch with header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(with(self.request(Method::GET, path), headers)).await
    }

    /// What a person does: opens an address in the browser.
    pub(crate) async fn navigate(&self, path: &str) -> Answer {
        self.navigate_with(path, &[]).await
    }

    /// A navigation with further header lines.
    pub(crate) async fn navigate_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::GET, path).header("Accept", NAVIGATION);
        let request =
            request.header("Sec-Fetch-Mode", "navigate").header("Sec-Fetch-Dest", "document");
        self.send(with(request, headers)).await
    }

    /// A POST with header lines and no body.
    pub(crate) async fn post_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(with(self.request(Method::POST, path), headers)).await
    }

    /// Opens a WebSocket as the page's script would, with the page's own origin.
    pub(crate) async fn socket(&self, path: &str) -> Socket {
        match self.try_socket(path, &[("Origin", &self.origin())]).await {
            Ok(socket) => socket,
            Err(refusal) => panic!("no WebSocket for {}: {refusal:?}", self.address),
        }
    }

    /// Tries a WebSocket handshake with these header lines; gives the refusal if it is refused.
    pub(crate) async fn try_socket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, Answer> {
        let url = format!("ws://{}{path}", self.door);
        soon("the WebSocket handshake", Socket::open(self.connect().await, &url, headers)).await
    }

    /// Tries a WebSocket where the door itself may be gone: says why there is none.
    pub(crate) async fn attempt_socket(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, String> {
        let connection = self.try_connect().await.map_err(|error| error.to_string())?;
        let url = format!("ws://{}{path}", self.door);
        let opened = Socket::attempt(connection, &url, headers);
        soon("the WebSocket handshake", opened).await.map_err(|error| format!("{error:?}"))
    }

    /// A bare connection, for requests that no decent client would send.
    pub(crate) async fn raw(&self) -> Raw {
        Raw::new(self.connect().await)
    }

    async fn connect(&self) -> TcpStream {
        soon("a connection", self.try_connect()).await.expect("the door accepts")
    }

    async fn try_connect(&self) -> std::io::Result<TcpStream> {
        let socket = if self.door.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.expect("a socket");
        socket.bind(SocketAddr::new(self.address, 0)).expect("the person's address");
        socket.connect(self.door).await
    }
}

/// Adds header lines to a request.
pub(crate) fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}
