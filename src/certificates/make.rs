//! A certificate that vouches for itself, for a trial: browsers warn of it until they are told to
//! trust it.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};

use crate::clock::Timestamp;

/// As PEM.
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// Its key. For nobody else's eyes.
    pub key: String,
}

/// A self-signed certificate for these names and addresses, valid for so many days.
///
/// # Errors
/// A name cannot be in a certificate, or the system has no randomness.
pub fn self_signed(names: &[String], now: Timestamp, days: u32) -> Result<SelfSigned, String> {
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        return Err(format!("{wrong:?} is no name or address"));
    }
    let told = |error: rcgen::Error| error.to_string();
    let mut parameters = CertificateParams::new(names.to_vec()).map_err(told)?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, names.first().map_or("usher", String::as_str));
    parameters.distinguished_name = subject;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let day_s = 24 * 3600;
    // Clocks of others may be late.
    parameters.not_before = at(now.0 / 1000 - day_s)?;
    parameters.not_after = at(now.0 / 1000 + i64::from(days) * day_s)?;
    let key = KeyPair::generate().map_err(told)?;
    let certificate = parameters.self_signed(&key).map_err(told)?;
    Ok(SelfSigned { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Whether a text is an address, or a host name whose first label may be `*`.
fn is_name(text: &str) -> bool {
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.parse::<std::net::IpAddr>().is_ok()
        || (text.len() <= 253 && labels.split('.').all(is_label))
}

fn at(seconds: i64) -> Result<time::OffsetDateTime, String> {
    time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string())
}
