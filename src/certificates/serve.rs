//! What a listener serves TLS with: the certificates by the name that the client asks for, HTTP/2
//! and HTTP/1.1, and whose client certificates are asked for. Can be replaced at any time;
//! connections that are open keep what they began with.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, ServerConfig, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, version};

use super::{About, Chain, Fault, certificates, fault};

/// Makes `ring` the process's cryptography, for this and for whatever else uses rustls.
pub fn install_cryptography() {
    // Somebody else may have done so: there is only one to choose from.
    let _ = rustls::crypto::CryptoProvider::install_default(ring::default_provider());
}

/// Those who issue the certificates that clients have to show.
#[derive(Clone, Debug)]
pub struct ClientAuthorities(Arc<RootCertStore>);

impl PartialEq for ClientAuthorities {
    fn eq(&self, other: &Self) -> bool {
        self.0.roots == other.0.roots
    }
}

impl ClientAuthorities {
    /// Reads them from a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, Fault> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| {
                let what = format!("holds a certificate that cannot vouch for others: {error}");
                fault(About::Certificate, path, what, "")
            })?;
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// What listeners serve TLS with at the moment.
pub struct Served {
    config: ArcSwap<ServerConfig>,
    /// For resumption; the same for all configurations, so that a new certificate costs no browser
    /// a full handshake. They carry client certificates, so they change with the authorities.
    tickets: ArcSwap<Tickets>,
}

struct Tickets {
    producer: Arc<dyn ProducesTickets>,
    authorities: Option<ClientAuthorities>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Served")
    }
}

impl Served {
    /// Serves these chains; the first where no name fits.
    ///
    /// # Errors
    /// A sentence; there is no chain, or the cryptography refuses.
    pub fn new(chains: Vec<Chain>, authorities: Option<ClientAuthorities>) -> Result<Self, String> {
        let tickets = Tickets::new(authorities)?;
        let config = server_config(chains, &tickets)?;
        Ok(Self { config: ArcSwap::from_pointee(config), tickets: ArcSwap::from_pointee(tickets) })
    }

    /// Serves others from now on.
    ///
    /// # Errors
    /// The same as for [`Served::new`]; nothing has changed then.
    pub fn replace(
        &self,
        chains: Vec<Chain>,
        authorities: Option<ClientAuthorities>,
    ) -> Result<(), String> {
        let before = self.tickets.load_full();
        if before.authorities == authorities {
            self.config.store(Arc::new(server_config(chains, &before)?));
        } else {
            let tickets = Tickets::new(authorities)?;
            self.config.store(Arc::new(server_config(chains, &tickets)?));
            self.tickets.store(Arc::new(tickets));
        }
        Ok(())
    }

    /// What the next handshake is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

impl Tickets {
    fn new(authorities: Option<ClientAuthorities>) -> Result<Self, String> {
        let producer = ring::Ticketer::new().map_err(|error| error.to_string())?;
        Ok(Self { producer, authorities })
    }
}

fn server_config(chains: Vec<Chain>, tickets: &Tickets) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| error.to_string())?;
    let builder = match &tickets.authorities {
        None => builder.with_no_client_auth(),
        Some(ClientAuthorities(roots)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
                .build()
                .map_err(|error| error.to_string())?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName::new(chains)?));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = Arc::clone(&tickets.producer);
    // The strongest that both know, whatever the client would rather have.
    config.ignore_client_order = true;
    Ok(config)
}

/// Chooses the certificate.
#[derive(Debug)]
struct ByName {
    first: Chain,
    further: Vec<Chain>,
}

impl ByName {
    fn new(mut chains: Vec<Chain>) -> Result<Self, String> {
        if chains.is_empty() {
            return Err("there is no certificate".to_owned());
        }
        let first = chains.remove(0);
        Ok(Self { first, further: chains })
    }

    fn choose(&self, name: Option<&str>) -> &Chain {
        let Some(name) = name else { return &self.first };
        let all = || std::iter::once(&self.first).chain(&self.further);
        all()
            .find(|chain| chain.names.iter().any(|own| own.eq_ignore_ascii_case(name)))
            .or_else(|| all().find(|chain| chain.names.iter().any(|own| covers(own, name))))
            .unwrap_or(&self.first)
    }
}

/// Whether `*.example.org` stands for `name`: for one label, as browsers have it.
fn covers(pattern: &str, name: &str) -> bool {
    let Some(suffix) = pattern.strip_prefix("*.") else { return false };
    name.split_once('.')
        .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix))
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.choose(hello.server_name()).certified))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::chain_for;
    use super::*;

    #[test]
    fn the_certificate_is_chosen_by_name() {
        let chains = [
            vec!["door.example.org"],
            vec!["apps.example.org", "*.lab.example.org"],
            vec!["a.lab.example.org"],
        ];
        let served = ByName::new(chains.iter().map(|names| chain_for(names)).collect());
        let served = served.expect("chains");
        for (asked, expected) in [
            (None, "door.example.org"),
            (Some("door.example.org"), "door.example.org"),
            (Some("apps.example.org"), "apps.example.org"),
            (Some("APPS.example.org"), "apps.example.org"),
            (Some("b.lab.example.org"), "apps.example.org"),
            (Some("a.lab.example.org"), "a.lab.example.org"),
            (Some("x.b.lab.example.org"), "door.example.org"),
            (Some("lab.example.org"), "door.example.org"),
            (Some("other.example.org"), "door.example.org"),
        ] {
            assert_eq!(served.choose(asked).names[0], expected, "{asked:?}");
        }
        assert!(ByName::new(Vec::new()).is_err());
    }
}
