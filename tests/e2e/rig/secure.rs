//! Certificates of an authority of the test's own, and callers who speak TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Client, Method, RequestBuilder};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Answer, Door, PATIENCE, soon};

/// Somebody who issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        usher::certificates::install_cryptography();
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(parameters, key).expect("an authority"))
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 2100)
    }

    /// The same, until the beginning of this year.
    pub(crate) fn issue_until(&self, names: &[&str], year: i32) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).expect("parameters");
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.0).expect("signed");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// One as authorities issue them nowadays: for some months.
    pub(crate) fn issue_for_months(&self, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).expect("parameters");
        let now = time::OffsetDateTime::from(std::time::SystemTime::now());
        parameters.not_before = now - Duration::from_secs(24 * 3600);
        parameters.not_after = now + Duration::from_secs(90 * 24 * 3600);
        parameters.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.0).expect("signed");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        roots
    }
}

impl Issued {
    /// Writes it into the door's folder as NAME.pem and NAME.key, the key last.
    pub(crate) fn write(&self, door: &Door, name: &str) {
        for (ending, content) in [("pem", &self.certificate), ("key", &self.key)] {
            let path = door.path(&format!("{name}.{ending}"));
            let new = door.path(&format!("{name}.{ending}.new"));
            std::fs::write(&new, content).expect("written");
            std::fs::rename(new, path).expect("replaced");
        }
    }
}

/// Somebody who calls the door over TLS from one address, and trusts one authority.
pub(crate) struct Secure {
    address: IpAddr,
    door: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Secure {
    /// With a certificate of their own, if there is one.
    pub(crate) fn new(
        address: &str,
        door: SocketAddr,
        authority: &Authority,
        own: Option<&Issued>,
    ) -> Self {
        let builder = ClientConfig::builder().with_root_certificates(authority.roots());
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("a chain");
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a certificate")
            }
        };
        Self { address: address.parse().expect("an address"), door, config: Arc::new(config) }
    }

    /// An HTTP client; with `http2` if the door offers it.
    pub(crate) fn client(&self, http2: bool) -> Client {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = if http2 {
            vec![b"h2".to_vec(), b"http/1.1".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Client::builder()
            .local_address(self.address)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .tls_backend_preconfigured(config)
            .build()
            .expect("an HTTP client")
    }

    /// The door's origin.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.door)
    }

    /// A request of a new client.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client(true).request(method, format!("{}{path}", self.origin()))
    }

    /// A fetch on a new connection.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        Answer::of(answer).await.expect("a whole answer")
    }

    /// A connection after its handshake, with a name that need not be the door's.
    pub(crate) async fn connect(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_with(name, Arc::clone(&self.config)).await
    }

    /// A connection after its handshake on which HTTP/2 is spoken.
    pub(crate) async fn connect_multiplexed(&self) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = self.connect_with("127.0.0.1", Arc::new(config)).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    }

    async fn connect_with(
        &self,
        name: &str,
        config: Arc<ClientConfig>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(self.address, 0)).expect("the person's address");
        let stream = soon("a connection", socket.connect(self.door)).await?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connector = TlsConnector::from(config);
        soon("a handshake", connector.connect(name, stream)).await
    }

    /// The certificate that the door shows for a name.
    pub(crate) async fn shown(&self, name: &str) -> CertificateDer<'static> {
        let stream = self.connect(name).await.expect("a handshake");
        let (_, connection) = stream.get_ref();
        connection.peer_certificates().expect("certificates")[0].clone().into_owned()
    }

    /// Opens a WebSocket.
    pub(crate) async fn socket(&self, path: &str) -> WebSocketStream<TlsStream<TcpStream>> {
        let stream = self.connect("127.0.0.1").await.expect("a handshake");
        let url = format!("wss://{}{path}", self.door);
        let mut request = url.into_client_request().expect("a request");
        let origin = self.origin().parse().expect("a value");
        request.headers_mut().append("Origin", origin);
        let (socket, _) = client_async(request, stream).await.expect("a WebSocket");
        socket
    }
}
