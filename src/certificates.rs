//! Certificates and keys for TLS: read from PEM files and judged before anything is served with
//! them, so that a bad or expired one is a problem of the configuration, never of a handshake.
//!
//! `serve` makes of them what a listener needs, `make` makes a certificate for a trial, `client` is
//! the other side. Time is an
//! argument; nothing here watches files or knows the configuration.

mod client;
mod make;
mod serve;

pub use client::TlsClient;
pub use make::{SelfSigned, self_signed};
pub use serve::{ClientAuthorities, Served, install_cryptography};

use std::fmt;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Timestamp;

/// The largest file that is read, in bytes: a chain of dozens of certificates is smaller.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Whoever serves a certificate is warned so long before it expires, in milliseconds.
pub const WARNED_BEFORE_MS: i64 = 21 * DAY_MS;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A certificate with those above it, and its key.
#[derive(Clone, Debug)]
pub struct Chain {
    certified: Arc<CertifiedKey>,
    names: Vec<String>,
    from: Timestamp,
    until: Timestamp,
}

/// Which of the files is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The chain.
    Certificate,
    /// The key.
    Key,
}

/// What is wrong with a certificate or key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which file.
    pub about: About,
    /// A sentence that names the file.
    pub sentence: String,
    /// What to do about it; may be empty.
    pub hint: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

fn fault(about: About, path: &Path, what: impl fmt::Display, hint: &'static str) -> Fault {
    Fault { about, sentence: format!("{} {what}", path.display()), hint }
}

impl PartialEq for Chain {
    /// Whether the certificates are the same; the key then is, too.
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Chain {
    /// Reads a PEM chain and its key, and checks that they belong together. Whether it is their
    /// time is asked by [`Chain::check_time`].
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, Fault> {
        let chain = certificates(certificate)?;
        let own = chain.first().cloned().ok_or_else(|| no_certificate(certificate))?;
        let mut until = Timestamp(i64::MAX);
        let mut from = Timestamp(i64::MIN);
        for link in &chain {
            let (link_from, link_until) = times(link).ok_or_else(|| unreadable(certificate))?;
            from = from.max(link_from);
            until = until.min(link_until);
        }
        let names = names(&own).ok_or_else(|| unreadable(certificate))?;
        let certified = certified(chain, private_key(key)?, certificate, key)?;
        Ok(Self { certified: Arc::new(certified), names, from, until })
    }

    /// Whether now is within the time of each certificate of the chain.
    ///
    /// # Errors
    /// It has expired, or is not valid yet.
    pub fn check_time(&self, certificate: &Path, now: Timestamp) -> Result<(), Fault> {
        let refused = |what: String, hint| Err(fault(About::Certificate, certificate, what, hint));
        if self.until <= now {
            refused(format!("expired on {}", day(self.until)), "renew it")
        } else if self.from > now {
            let hint = "is the clock of this machine right?";
            refused(format!("is not valid before {}", day(self.from)), hint)
        } else {
            Ok(())
        }
    }

    /// The names it is for, lower case; addresses as text.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When the first certificate of the chain expires.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The day of [`Chain::until`], in UTC.
    pub fn until_day(&self) -> String {
        day(self.until)
    }

    /// A warning if it expires soon.
    pub fn expires_soon(&self, certificate: &Path, now: Timestamp) -> Option<String> {
        let days = self.days_left(now)?;
        Some(format!("{} expires on {}, in {days} days", certificate.display(), day(self.until)))
    }

    /// The whole days until it expires, if that is soon.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        let left_ms = self.until.0.saturating_sub(now.0);
        (left_ms <= WARNED_BEFORE_MS).then_some(left_ms / DAY_MS)
    }
}

/// The day of a time, in UTC, which certificates use.
fn day(time: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(time.0) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "an unknown day".to_owned(),
    }
}

fn read(about: About, path: &Path) -> Result<Vec<u8>, Fault> {
    let refused = |error: std::io::Error| {
        let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied;
        let hint = if is_denied { "the account that runs usher must read it" } else { "" };
        fault(about, path, format_args!("cannot be read: {error}"), hint)
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(about, path, "is larger than 1 MiB", "it has to be a PEM file"));
    }
    Ok(bytes)
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let pem = read(About::Certificate, path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(no_certificate(path)),
        Ok(chain) => Ok(chain),
        Err(error) => {
            Err(fault(About::Certificate, path, format_args!("is no sound PEM file: {error}"), ""))
        }
    }
}

fn no_certificate(path: &Path) -> Fault {
    let hint = "it has to begin with -----BEGIN CERTIFICATE-----";
    fault(About::Certificate, path, "holds no certificate", hint)
}

fn unreadable(path: &Path) -> Fault {
    fault(About::Certificate, path, "holds a certificate that cannot be read", "")
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let pem = read(About::Key, path)?;
    let text = String::from_utf8_lossy(&pem);
    if text.contains("ENCRYPTED") {
        let hint = "decrypt it, such as by openssl pkey -in KEY -out PLAIN, and guard the file";
        return Err(fault(About::Key, path, "is protected by a pass phrase", hint));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        if matches!(error, rustls::pki_types::pem::Error::NoItemsFound) {
            let hint = "it has to hold -----BEGIN PRIVATE KEY-----";
            fault(About::Key, path, "holds no private key", hint)
        } else {
            fault(About::Key, path, format_args!("is no sound PEM file: {error}"), "")
        }
    })
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_path: &Path,
    key_path: &Path,
) -> Result<CertifiedKey, Fault> {
    let key = ring::sign::any_supported_type(&key).map_err(|error| {
        let hint = "RSA of 2048 bits or more, ECDSA with P-256 or P-384, or Ed25519";
        fault(About::Key, key_path, format_args!("holds a key that cannot be used: {error}"), hint)
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key that does not tell its public half is tried out by the first handshake.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(certified)
        }
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
            let hint = if belongs_further_down(&certified) {
                "the server's own certificate has to come first in the file"
            } else {
                "each certificate has its own key"
            };
            let what = format!("is not the key of {}", certificate_path.display());
            Err(fault(About::Key, key_path, what, hint))
        }
        Err(_) => Err(unreadable(certificate_path)),
    }
}

/// Whether the key is that of another certificate of the chain.
fn belongs_further_down(certified: &CertifiedKey) -> bool {
    certified.cert.iter().skip(1).any(|other| {
        CertifiedKey::new(vec![other.clone()], Arc::clone(&certified.key)).keys_match().is_ok()
    })
}

fn times(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds: i64| Timestamp(seconds.saturating_mul(1000));
    let validity = parsed.validity();
    Some((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}

/// The names of the subject's alternatives; the common name alone counts for nobody any more.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let alternatives = parsed.subject_alternative_name().ok()?;
    let names = alternatives.map_or(&[][..], |names| names.value.general_names.as_slice());
    Some(names.iter().filter_map(name_of).collect())
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name {
        return Some(name.to_ascii_lowercase());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let v4 = || <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from);
    v4().or_else(v6).map(|address| address.to_string())
}

#[cfg(test)]
mod tests;
