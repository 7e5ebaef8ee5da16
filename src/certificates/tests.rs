//! Certificates that are right, and every way in which they can be wrong.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

/// 2026-06-01.
const NOW: Timestamp = Timestamp(1_780_272_000_000);

/// A folder with certificates.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path
    }

    /// A certificate and its key.
    fn pair(&self, names: &[&str], days: u32) -> (PathBuf, PathBuf) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = self_signed(&names, NOW, days).expect("made");
        (self.write("cert.pem", &made.certificate), self.write("key.pem", &made.key))
    }
}

pub(super) fn chain_for(names: &[&str]) -> Chain {
    let folder = Folder::new();
    let (certificate, key) = folder.pair(names, 90);
    Chain::load(&certificate, &key).expect("a chain")
}

#[test]
fn what_a_chain_tells() {
    let folder = Folder::new();
    let (certificate, key) = folder.pair(&["Door.example.org", "127.0.0.2", "::1"], 90);
    let chain = Chain::load(&certificate, &key).expect("a chain");
    assert_eq!(chain.names(), ["door.example.org", "127.0.0.2", "::1"]);
    let day_ms = 24 * 3600 * 1000;
    assert_eq!(chain.until().0, NOW.0 + 90 * day_ms);
    for (days, expected) in [
        (-2, Err("is not valid before 2026-05-31")),
        (-1, Ok(())),
        (89, Ok(())),
        (90, Err("expired on 2026-08-30")),
        (1000, Err("expired on 2026-08-30")),
    ] {
        let checked = chain.check_time(&certificate, Timestamp(NOW.0 + days * day_ms));
        let expected = expected.map_err(|what| format!("{} {what}", certificate.display()));
        assert_eq!(checked.map_err(|fault| fault.sentence), expected, "{days}");
    }
    let soon = |days: i64| chain.expires_soon(&certificate, Timestamp(NOW.0 + days * day_ms));
    assert_eq!(soon(68), None);
    let warning = soon(69).expect("a warning");
    assert!(warning.ends_with("cert.pem expires on 2026-08-30, in 21 days"), "{warning}");
}

#[test]
fn what_can_be_wrong() {
    let folder = Folder::new();
    let (certificate, key) = folder.pair(&["a.example.org"], 90);
    let text = fs::read_to_string(&certificate).expect("read");
    let key_text = fs::read_to_string(&key).expect("read");
    let other = self_signed(&["b.example.org".to_owned()], NOW, 90).expect("made");
    let write = |name: &str, content: &str| folder.write(name, content);
    let missing = folder.0.path().join("missing.pem");
    let folder_itself = folder.0.path().to_owned();
    let empty = write("empty.pem", "");
    let noise = write("noise.pem", "hello\n");
    let cut = write("cut.pem", &text[..text.len() / 2]);
    let letters = write("letters.pem", &text.replace("MII", "!!!"));
    let nonsense =
        write("nonsense.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    let encrypted = write(
        "encrypted.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let odd_key =
        write("odd.pem", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n");
    let other_key = write("other-key.pem", &other.key);
    let reversed = write("reversed.pem", &format!("{}{text}", other.certificate));
    let large = write("large.pem", &"x".repeat(1024 * 1024 + 1));
    for (certificate, key, about, what) in [
        (&missing, &key, About::Certificate, "missing.pem cannot be read"),
        (&folder_itself, &key, About::Certificate, "cannot be read"),
        (&empty, &key, About::Certificate, "empty.pem holds no certificate"),
        (&noise, &key, About::Certificate, "noise.pem holds no certificate"),
        (&key, &key, About::Certificate, "key.pem holds no certificate"),
        (&cut, &key, About::Certificate, "cut.pem is no sound PEM file"),
        (&letters, &key, About::Certificate, "letters.pem is no sound PEM file"),
        (
            &nonsense,
            &key,
            About::Certificate,
            "nonsense.pem holds a certificate that cannot be read",
        ),
        (&large, &key, About::Certificate, "large.pem is larger than 1 MiB"),
        (&certificate, &missing, About::Key, "missing.pem cannot be read"),
        (&certificate, &empty, About::Key, "empty.pem holds no private key"),
        (&certificate, &certificate, About::Key, "cert.pem holds no private key"),
        (&certificate, &encrypted, About::Key, "encrypted.pem is protected by a pass phrase"),
        (&certificate, &odd_key, About::Key, "odd.pem holds a key that cannot be used"),
        (&certificate, &other_key, About::Key, "other-key.pem is not the key of"),
        (&reversed, &key, About::Key, "key.pem is not the key of"),
    ] {
        let fault = Chain::load(certificate, key).expect_err("refused");
        assert!(fault.sentence.contains(what), "{fault} {what}");
        assert_eq!(fault.about, about, "{fault}");
        assert!(!fault.sentence.contains(&key_text[40..60]), "keys are not shown");
    }
    let hint = Chain::load(&reversed, &key).expect_err("refused").hint;
    assert_eq!(hint, "the server's own certificate has to come first in the file");
}

#[test]
fn a_chain_expires_with_its_first_link() {
    let folder = Folder::new();
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.not_after = rcgen::date_time_ymd(2026, 7, 1);
    let key = || KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
    let own_key = key();
    let names = vec!["a.example.org".to_owned()];
    let mut own = CertificateParams::new(names).expect("parameters");
    own.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let own = own.signed_by(&own_key, &authority).expect("signed");
    let certificate = folder.write("cert.pem", &format!("{}{}", own.pem(), authority.pem()));
    let key = folder.write("key.pem", &own_key.serialize_pem());
    let chain = Chain::load(&certificate, &key).expect("a chain");
    assert_eq!(day(chain.until()), "2026-07-01");
    let authorities = folder.write("authorities.pem", &authority.pem());
    assert!(ClientAuthorities::load(&authorities).is_ok());
    assert!(ClientAuthorities::load(&key).is_err());
    let served = Served::new(vec![chain.clone()], None).expect("served");
    let before = served.config();
    served.replace(vec![chain], ClientAuthorities::load(&authorities).ok()).expect("replaced");
    assert!(!Arc::ptr_eq(&before, &served.config()));
    assert!(served.replace(Vec::new(), None).is_err());
}
