//! What the door itself is told: where it listens, whom it believes, how it looks.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Base, files};
use crate::certificates::{About, Chain, ClientAuthorities};
use crate::config::keys::{admin, certificate, metrics, oidc, tls, top};
use crate::config::kinds::{List, NetworkText, PathText, SocketAddress};
use crate::config::report::wrong;
use crate::config::scope::{Mark, Placed, Scope};
use crate::config::table::Key;
use crate::config::{Admin, CertificateFiles, Fixed, Oidc, Tls};
use crate::domain::Language;
use crate::network::NetworkSet;

/// First segments of paths that are usher's own or the apps'.
const TAKEN_SEGMENTS: [&str; 4] = ["app", "_usher", "metrics", "unauthorized"];

/// An address where usher itself listens.
pub(super) struct Listener {
    /// Where it is written.
    pub(super) mark: Mark,
    /// The address.
    pub(super) address: SocketAddr,
}

/// The listeners and what belongs to them. `None` stands for what was told to be wrong.
pub(super) struct Doors {
    /// See [`Fixed`].
    pub(super) fixed: Option<Fixed>,
    /// `Some(None)`: absent.
    pub(super) tls: Option<Option<Tls>>,
    /// See [`Admin`].
    pub(super) admin: Option<Admin>,
    /// All of them, those that only a default names included.
    pub(super) listeners: Vec<Listener>,
}

/// Reads the listeners, TLS, the administrators' pages and the other fixed settings.
pub(super) fn doors(scope: &Scope<'_>, base: &Base) -> Doors {
    let mut listeners = Vec::new();
    let plain = listen(scope, &top::LISTEN, &mut listeners);
    let tls_scope = scope.optional_group(&top::TLS);
    let tls_listen = match &tls_scope {
        Some(tls) => listen(tls, &tls::LISTEN, &mut listeners),
        None => Some(Vec::new()),
    };
    let tls = match &tls_scope {
        Some(tls) => tls_files(tls, base, plain.as_deref()).map(Some),
        None => Some(None),
    };
    let admin_scope = scope.group(&top::ADMIN);
    let admin_listen = listen(&admin_scope, &admin::LISTEN, &mut listeners);
    let is_empty = plain.as_ref().is_some_and(Vec::is_empty) && scope.lacks(&top::LISTEN);
    if is_empty && tls_scope.is_none() {
        let hint = "name an address in `listen`, or configure `tls`";
        scope.problem(&top::LISTEN, wrong("nobody can come in: there is no listener", hint));
    }
    let threads = scope.read_or(&top::THREADS, half_the_cores);
    let state_dir = scope.read(&top::STATE_DIR).map(|path| base.resolve(&path));
    let admin = admin(&admin_scope);
    let fixed = || {
        Some(Fixed {
            listen: plain?,
            tls_listen: tls_listen?,
            admin_listen: admin_listen?,
            threads: usize::try_from(threads?).ok()?,
            state_dir: state_dir?,
        })
    };
    Doors { fixed: fixed(), tls, admin, listeners }
}

fn listen(
    scope: &Scope<'_>,
    key: &Key<List<SocketAddress>>,
    listeners: &mut Vec<Listener>,
) -> Option<Vec<SocketAddr>> {
    let addresses = scope.read(key)?;
    for item in &addresses {
        let mark = scope.mark(key, Some((item.index, item.place)));
        listeners.push(Listener { mark, address: item.value });
    }
    Some(addresses.into_iter().map(|item| item.value).collect())
}

fn half_the_cores() -> (u32, String) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u32::try_from(cores / 2).unwrap_or(1).clamp(1, 256);
    (threads, threads.to_string())
}

fn tls_files(scope: &Scope<'_>, base: &Base, plain: Option<&[SocketAddr]>) -> Option<Tls> {
    let first = certificate_files(scope, &tls::CERTIFICATE, &tls::KEY, base);
    let further = scope.each(&tls::CERTIFICATES, true);
    let further: Vec<_> = further
        .iter()
        .map(|item| certificate_files(item, &certificate::CERTIFICATE, &certificate::KEY, base))
        .collect();
    let redirect = scope.read(&tls::REDIRECT);
    if redirect == Some(true) && scope.is_set(&tls::REDIRECT) && plain == Some(&[]) {
        let hint = "remove it, or name an address in `listen`";
        scope.problem(&tls::REDIRECT, wrong("there is no plain listener to redirect", hint));
    }
    let hsts_ms = scope.read(&tls::HSTS);
    let client_ca = client_authorities(scope, base);
    if redirect == Some(false)
        && matches!(client_ca, Some(Some(_)))
        && plain.is_some_and(|plain| !plain.is_empty())
    {
        let sentence = "whoever comes by the plain listener needs no certificate";
        let hint = "set `redirect: true`, or `listen: []`";
        scope.warning(&tls::CLIENT_CA, wrong(sentence, hint));
    }
    let mut certificates = vec![first?];
    for files in further {
        certificates.push(files?);
    }
    Some(Tls { certificates, client_ca: client_ca?, redirect: redirect?, hsts_ms: hsts_ms? })
}

/// Reads a certificate and its key with all that is wrong with them; `None` after telling it.
fn certificate_files(
    scope: &Scope<'_>,
    certificate_key: &Key<PathText>,
    key_key: &Key<PathText>,
    base: &Base,
) -> Option<CertificateFiles> {
    let certificate = scope.read(certificate_key).map(|path| base.resolve(&path));
    let key = scope.read(key_key).map(|path| base.resolve(&path));
    let certificate_is_there = files::require(scope, certificate_key, certificate.as_deref());
    let key_is_there = files::require(scope, key_key, key.as_deref());
    if !(certificate_is_there && key_is_there) {
        return None;
    }
    let (certificate, key) = (certificate?, key?);
    let checked = Chain::load(&certificate, &key)
        .and_then(|chain| chain.check_time(&certificate, base.now).map(|()| chain));
    let chain = match checked {
        Ok(chain) => chain,
        Err(fault) => {
            let wrong = wrong(fault.sentence, fault.hint);
            match fault.about {
                About::Certificate => scope.problem(certificate_key, wrong),
                About::Key => scope.problem(key_key, wrong),
            }
            return None;
        }
    };
    if let Some(sentence) = chain.expires_soon(&certificate, base.now) {
        scope.warning(certificate_key, wrong(sentence, "renew it"));
    }
    Some(CertificateFiles { certificate, key, chain })
}

/// `Some(None)` if clients need no certificate; `None` after telling what is wrong.
fn client_authorities(
    scope: &Scope<'_>,
    base: &Base,
) -> Option<Option<(PathBuf, ClientAuthorities)>> {
    let Some(file) = scope.read(&tls::CLIENT_CA)? else { return Some(None) };
    let file = base.resolve(&file);
    if !files::require(scope, &tls::CLIENT_CA, Some(&file)) {
        return None;
    }
    match ClientAuthorities::load(&file) {
        Ok(authorities) => Some(Some((file, authorities))),
        Err(fault) => {
            scope.problem(&tls::CLIENT_CA, wrong(fault.sentence, fault.hint));
            None
        }
    }
}

fn admin(scope: &Scope<'_>) -> Option<Admin> {
    let path = scope.read(&admin::PATH);
    if let Some(path) = &path {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or("");
        if path == "/" {
            scope.problem(&admin::PATH, wrong("is the door's own first page", "such as /admin"));
        } else if TAKEN_SEGMENTS.contains(&first) {
            let sentence = format!("/{first} is taken");
            let hint = "anything but /app, /_usher, /metrics and /unauthorized";
            scope.problem(&admin::PATH, wrong(sentence, hint));
        } else if path.ends_with('/') {
            let hint = format!("write {}", path.trim_end_matches('/'));
            scope.problem(&admin::PATH, wrong("ends with a slash", hint));
        }
    }
    let password_required = scope.read(&admin::PASSWORD_REQUIRED);
    Some(Admin { path: path?, password_required: password_required? })
}

/// Whom the door answers and believes.
pub(super) struct Callers {
    /// See `hosts`.
    pub(super) hosts: Option<Vec<String>>,
    /// See `trusted_proxies`.
    pub(super) trusted_proxies: Option<NetworkSet>,
    /// See `trusted_login_header`.
    pub(super) trusted_login_header: Option<Option<String>>,
    /// See `metrics.allow`.
    pub(super) metrics_allow: Option<NetworkSet>,
}

/// Reads whom the door answers and believes.
pub(super) fn callers(scope: &Scope<'_>) -> Callers {
    let hosts = scope.read(&top::HOSTS).map(|hosts| {
        tell_doubles(scope, &top::HOSTS, &hosts);
        hosts.into_iter().map(|host| host.value).collect()
    });
    let trusted_proxies = networks(scope, &top::TRUSTED_PROXIES);
    let trusted_login_header = scope.read(&top::TRUSTED_LOGIN_HEADER);
    if scope.is_set(&top::TRUSTED_LOGIN_HEADER) && scope.lacks(&top::TRUSTED_PROXIES) {
        let hint = "name the proxy that sets it in `trusted_proxies`";
        scope.problem(&top::TRUSTED_LOGIN_HEADER, wrong("nobody is trusted to set it", hint));
    }
    let metrics_allow = networks(&scope.group(&top::METRICS), &metrics::ALLOW);
    Callers { hosts, trusted_proxies, trusted_login_header, metrics_allow }
}

fn networks(scope: &Scope<'_>, key: &Key<List<NetworkText>>) -> Option<NetworkSet> {
    let networks = scope.read(key)?;
    tell_doubles(scope, key, &networks);
    Some(NetworkSet::new(networks.into_iter().map(|network| network.value).collect()))
}

/// Tells each item that came before.
fn tell_doubles<K, T: Eq + Hash + std::fmt::Display>(
    scope: &Scope<'_>,
    key: &Key<K>,
    items: &[Placed<T>],
) {
    let mut seen: HashMap<&T, &Placed<T>> = HashMap::new();
    for item in items {
        if let Some(first) = seen.get(&item.value) {
            let mark = scope.mark(key, Some((first.index, first.place)));
            let sentence = format!("{} is already {mark}", item.value);
            scope.problem_at(key, item, wrong(sentence, "keep one of them"));
        }
        seen.entry(&item.value).or_insert(item);
    }
}

/// How pages look and count.
pub(super) struct Look {
    /// See `timezone`.
    pub(super) timezone: Option<jiff::tz::TimeZone>,
    /// `Some(None)`: the browser's.
    pub(super) language: Option<Option<Language>>,
    /// `Some(None)`: the built-in ones.
    pub(super) templates: Option<Option<PathBuf>>,
}

/// Reads how pages look and count.
pub(super) fn look(scope: &Scope<'_>, base: &Base) -> Look {
    let timezone = scope.read_or(&top::TIMEZONE, || {
        let zone = jiff::tz::TimeZone::system();
        let shown = zone.iana_name().unwrap_or("local").to_owned();
        (zone, shown)
    });
    let language = scope.read(&top::LANGUAGE);
    let templates = scope.read(&top::TEMPLATES).map(|path| path.map(|path| base.resolve(&path)));
    if let Some(Some(folder)) = &templates
        && !folder.is_dir()
    {
        let sentence = format!("{} is no folder", folder.display());
        scope.problem(&top::TEMPLATES, wrong(sentence, "null for the built-in templates"));
    }
    Look { timezone, language, templates }
}

/// Reads `oidc`; `Some(None)` if it is absent.
pub(super) fn oidc(scope: &Scope<'_>, base: &Base) -> Option<Option<Oidc>> {
    let Some(scope) = scope.optional_group(&top::OIDC) else { return Some(None) };
    let issuer = scope.read(&oidc::ISSUER);
    let client_id = scope.read(&oidc::CLIENT_ID);
    let secret = scope.read(&oidc::CLIENT_SECRET_FILE).map(|path| base.resolve(&path));
    files::require(&scope, &oidc::CLIENT_SECRET_FILE, secret.as_deref());
    Some(Some(Oidc { issuer: issuer?, client_id: client_id?, client_secret_file: secret? }))
}
