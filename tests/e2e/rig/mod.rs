//! What the scenarios are made of: a running door, people who call it, a browser. It waits for
//! events, each with a deadline; it never paces.

mod answer;
mod browser;
mod caller;
mod configuration;
mod door;
mod forwarder;
mod ports;
mod processes;
mod protobuf;
mod raw;
mod secure;
mod socket;
mod streamlit;
mod visitor;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use answer::Answer;
pub(crate) use browser::{Browser, Key};
pub(crate) use caller::{Caller, with};
pub(crate) use door::{Door, Ran};
pub(crate) use processes::{Process, lives, signal, sockets};
pub(crate) use raw::{Raw, RawAnswer};
pub(crate) use secure::{Authority, Issued, Secure};
pub(crate) use socket::{Closed, Socket};
pub(crate) use streamlit::{Session, Widget};
pub(crate) use visitor::{Visitor, token};

/// How long anything may take before its test fails. Machines are noisy: this is for failing, never
/// a pace.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is there, or panics with what was waited for.
pub(crate) async fn until<T>(what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, attempt).await
}

/// The same with a limit that is itself the promise under test.
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Awaits something that must not take longer than [`PATIENCE`].
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// The folder of the test apps.
pub(crate) fn apps() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/apps")
}

/// The file of axe-core, which judges whether everybody can use a page.
pub(crate) fn axe() -> PathBuf {
    let default = ".venv-axe/axe_playwright_python/axe.min.js".to_string();
    let chosen = std::env::var("USHER_TEST_AXE").unwrap_or(default);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(chosen);
    assert!(path.exists(), "no axe-core at {}: `make setup` installs it", path.display());
    path
}

/// The interpreter that has a Streamlit of this release, 167 or 139, or an OpenID provider, OIDC.
pub(crate) fn python(release: &str) -> String {
    let default = match release {
        "139" => ".venv-139/bin/python",
        "OIDC" => ".venv-oidc/bin/python",
        _ => ".venv/bin/python",
    };
    let chosen = std::env::var(format!("USHER_TEST_PYTHON_{release}"));
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(chosen.unwrap_or(default.to_string()));
    assert!(path.exists(), "no interpreter at {}: `make setup` makes it", path.display());
    path.to_str().expect("a path in UTF-8").to_string()
}
