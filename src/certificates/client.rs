//! The other side of TLS: connecting to somebody whom the system's authorities vouch for.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connects. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// One that trusts whom the system trusts; `SSL_CERT_FILE` in the environment names others.
    ///
    /// # Errors
    /// The cryptography refuses.
    pub fn new() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match rustls_native_certs::load_native_certs() {
            Ok(certificates) => drop(roots.add_parsable_certificates(certificates)),
            Err(error) => log::warn!("the system's certificates cannot be read: {error}"),
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config) })
    }

    /// Makes a connection to `host` (a name, or an address without brackets) an encrypted one.
    ///
    /// # Errors
    /// Nobody vouches for the other side, or it does not speak TLS.
    pub async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}
