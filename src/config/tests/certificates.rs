//! `tls`: what the files hold is judged with the rest, at its place, and a renewal is told.

use super::*;
use crate::certificates::self_signed;
use crate::clock::{Clock, OsClock, Timestamp};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Writes a certificate that is good for a year.
pub(super) fn write_certificate(folder: &Path, certificate: &str, key: &str) {
    write_as_of(folder, certificate, key, 0, 365);
}

/// Writes one that is good from so many days from now, for so many days.
fn write_as_of(folder: &Path, certificate: &str, key: &str, from_days: i64, days: u32) {
    // One day of it has passed when it is made.
    let made_at = Timestamp(OsClock.wall().0 + from_days * DAY_MS);
    let made = self_signed(&["door.example.org".to_owned()], made_at, days).expect("made");
    std::fs::write(folder.join(certificate), made.certificate).expect("written");
    std::fs::write(folder.join(key), made.key).expect("written");
}

/// Reads a file in this folder with this `tls`.
fn with_tls(folder: &Path, tls: &str) -> Result<Snapshot, Vec<String>> {
    let text = in_full(&format!("@apps\n@users\ntls: {tls}\n"));
    let file = folder.join("usher.yaml");
    Snapshot::parse(&file, &text).map_err(|problems| {
        let without_folder =
            |problem: &Problem| problem.to_string().replace(&format!("{}/", folder.display()), "");
        problems.iter().map(without_folder).collect()
    })
}

#[test]
fn files_that_cannot_be_served_are_problems_at_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    write_certificate(&root, "good.pem", "good.key");
    write_certificate(&root, "other.pem", "other.key");
    write_as_of(&root, "expired.pem", "expired.key", -100, 90);
    write_as_of(&root, "later.pem", "later.key", 10, 90);
    std::fs::write(root.join("noise"), "noise").expect("written");
    // The caret stands before the value that the problem is about.
    for (tls, expected) in [
        (
            "{certificate: good.pem, key: ^other.key}",
            "tls.key: other.key is not the key of good.pem (each certificate has its own key)",
        ),
        ("{certificate: ^noise, key: good.key}", "tls.certificate: noise holds no certificate"),
        ("{certificate: good.pem, key: ^noise}", "tls.key: noise holds no private key"),
        (
            "{certificate: ^expired.pem, key: expired.key}",
            "tls.certificate: expired.pem expired on ",
        ),
        (
            "{certificate: ^later.pem, key: later.key}",
            "tls.certificate: later.pem is not valid before ",
        ),
        (
            "{certificate: good.pem, key: good.key, certificates: \
             [{certificate: ^expired.pem, key: expired.key}]}",
            "tls.certificates[0].certificate: expired.pem expired on ",
        ),
        (
            "{certificate: good.pem, key: good.key, client_ca: ^noise}",
            "tls.client_ca: noise holds no certificate",
        ),
        (
            "{certificate: good.pem, key: good.key, client_ca: ^missing}",
            "tls.client_ca: the file missing does not exist",
        ),
    ] {
        let column = "tls: ".len() + tls.find('^').expect("a caret") + 1;
        let problems = with_tls(&root, &tls.replace('^', "")).expect_err("refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let expected = format!("usher.yaml:3:{column}: {expected}");
        assert!(problems[0].starts_with(&expected), "{} is not {expected}", problems[0]);
    }
}

#[test]
fn what_expires_soon_or_lets_some_in_without_a_certificate_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    write_certificate(&root, "good.pem", "good.key");
    write_as_of(&root, "soon.pem", "soon.key", 0, 20);
    let warnings = |tls: &str| {
        let mut warnings = told(&with_tls(&root, tls).expect("right").warnings);
        warnings.retain(|warning| warning.contains(" tls."));
        warnings
    };
    assert_eq!(warnings("{certificate: good.pem, key: good.key}"), [""; 0]);
    let soon = warnings("{certificate: soon.pem, key: soon.key}");
    assert!(soon[0].contains("tls.certificate:") && soon[0].contains("in 19 days"), "{soon:?}");
    let open = "{certificate: good.pem, key: good.key, client_ca: good.pem, redirect: false}";
    assert!(warnings(open)[0].contains("tls.client_ca: whoever comes by the plain listener"));
}

#[test]
fn a_renewal_is_a_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    write_certificate(&root, "a.pem", "a.key");
    let tls = "{certificate: a.pem, key: a.key, client_ca: a.pem}";
    let before = with_tls(&root, tls).expect("right");
    assert_eq!(before.differences(&with_tls(&root, tls).expect("right")), [""; 0]);
    write_certificate(&root, "a.pem", "a.key");
    let told = before.differences(&with_tls(&root, tls).expect("right"));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("a.pem: renewed, until 20") && told[1].ends_with("other authorities"));
}
