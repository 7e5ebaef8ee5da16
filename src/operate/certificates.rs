//! The certificates in force: replacing them at a reload, and how long they are good for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Operations, shown};
use crate::certificates::{Served, WARNED_BEFORE_MS};
use crate::clock::Timestamp;
use crate::config::{CertificateFiles, Snapshot, Tls};
use crate::domain::{Actor, Detail};

/// Between two looks at whether a certificate expires soon.
const LOOK_EVERY: Duration = Duration::from_secs(12 * 3600);

/// A certificate in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Its file.
    pub file: PathBuf,
    /// The names it is for.
    pub names: Vec<String>,
    /// When it, or the first of its chain, expires.
    pub until: Timestamp,
    /// Whether that is so soon that somebody should do something.
    pub is_due: bool,
}

/// Puts what a configuration has into force.
pub(super) fn replace(served: &Served, tls: &Tls) -> Result<(), String> {
    let chains = tls.certificates.iter().map(|files| files.chain.clone()).collect();
    let authorities = tls.client_ca.as_ref().map(|(_, authorities)| authorities.clone());
    served.replace(chains, authorities)
}

impl Operations {
    /// The certificates in force.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        statuses(&self.in_force().snapshot, self.clock.wall())
    }

    /// Warns, twice a day, of certificates that expire soon, for as long as it is polled. At the
    /// start and at a reload the configuration's own warnings do.
    pub async fn tend_certificates(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            for detail in warnings(&self.in_force().snapshot, self.clock.wall()) {
                log::warn!("{}", detail.text());
                self.record("certificate_expires", &Actor::Usher, None, detail);
            }
        }
    }
}

fn statuses(snapshot: &Snapshot, now: Timestamp) -> Vec<CertificateStatus> {
    let files = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
    files
        .map(|files| {
            let until = files.chain.until();
            CertificateStatus {
                file: files.certificate.clone(),
                names: files.chain.names().to_vec(),
                until,
                is_due: until.0.saturating_sub(now.0) <= WARNED_BEFORE_MS,
            }
        })
        .collect()
}

fn warnings(snapshot: &Snapshot, now: Timestamp) -> Vec<Detail> {
    let files = snapshot.tls.iter().flat_map(|tls| &tls.certificates);
    let warning = |files: &CertificateFiles| {
        let text = files.chain.expires_soon(&files.certificate, now)?;
        let file = shown(&files.certificate);
        let days = u64::try_from(files.chain.days_left(now)?).ok();
        let days = days.filter(|_| files.chain.until() > now);
        Some(Detail::certificate_expires(text, file, days))
    };
    files.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::self_signed;
    use crate::clock::{Clock, OsClock};

    #[test]
    fn what_is_due_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = OsClock.wall();
        let made = self_signed(&["door.example.org".to_owned()], now, 90).expect("made");
        std::fs::write(folder.path().join("cert.pem"), made.certificate).expect("written");
        std::fs::write(folder.path().join("key.pem"), made.key).expect("written");
        let text = "
apps: {main: {command: [serve]}}
users: [{name: minsu, addresses: [10.0.0.1]}]
tls: {certificate: cert.pem, key: key.pem}
";
        let snapshot = Snapshot::parse(&folder.path().join("usher.yaml"), text).expect("right");
        let day_ms = 24 * 3600 * 1000;
        for (days, due) in [(0, false), (68, false), (70, true), (89, true)] {
            let then = Timestamp(now.0 + days * day_ms);
            let statuses = statuses(&snapshot, then);
            assert_eq!(statuses[0].is_due, due, "{days}");
            assert_eq!(warnings(&snapshot, then).len(), usize::from(due), "{days}");
            assert_eq!(statuses[0].names, ["door.example.org"]);
        }
    }
}
