//! The environment of a seat: as if the app had been started by hand, but the same whether usher was
//! started from a shell or by systemd, and without what is in usher's own for usher alone.
//!
//! Of usher's own environment only the names of [`KEPT`] and [`KEPT_BEGINNINGS`] are passed on.
//! Anything else an app needs stands in its `environment`, which may override all but `USHER_…` and
//! `PORT`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::Launch;
use crate::config::App;
use crate::domain::{APP_SLUG_BYTES_MAX, Endpoint, SeatKey, USER_NAME_BYTES_MAX};
use crate::platform;

/// Variables by name; what a process gets is exactly these.
pub(super) type Environment = BTreeMap<OsString, OsString>;

/// The name under which each process of a seat carries [`mark`].
pub(super) const MARK: &str = "USHER_SEAT";

/// What is passed on: who and where one is, how to reach the network, which certificates count.
const KEPT: [&str; 22] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// The beginnings of further names that are passed on: folders of the desktop standard, graphics
/// cards.
const KEPT_BEGINNINGS: [&str; 3] = ["XDG_", "CUDA_", "NVIDIA_"];

const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every seat gets, whatever it runs, from usher's own environment. The app's own variables
/// are in it; those of [`identify`] are not yet.
pub(super) fn of_app(
    own: impl IntoIterator<Item = (OsString, OsString)>,
    app: &App,
) -> Environment {
    let mut environment: Environment = own.into_iter().filter(|(name, _)| is_kept(name)).collect();
    let mut default = |name: &str, value: &str| {
        environment.entry(name.into()).or_insert_with(|| value.into());
    };
    default("PATH", PATH_DEFAULT);
    if let Some((name, home)) = platform::account(platform::own_uid()) {
        default("HOME", &home);
        default("USER", &name);
        default("LOGNAME", &name);
    }
    // Korean names of files and in output work whatever the machine is set to.
    default("LANG", "C.UTF-8");
    // Output goes to a file: without this a line appears there when 8 KiB are full, and not at all
    // if the process dies before.
    default("PYTHONUNBUFFERED", "1");
    set(&mut environment, app.environment.iter());
    environment
}

/// Adds what tells the app for whom it runs, and what tells usher whose process it is.
pub(super) fn identify(
    environment: &mut Environment,
    launch: &Launch,
    endpoint: &Endpoint,
    state_dir: &str,
) {
    set(
        environment,
        [
            ("USHER_USER", launch.key.user.as_str()),
            ("USHER_ROLE", launch.role.as_str()),
            ("USHER_APP", launch.key.app.as_str()),
        ],
    );
    environment.insert("USHER_DATA".into(), launch.data_dir.clone().into());
    match endpoint {
        Endpoint::Tcp(address) => set(environment, [("PORT", address.port().to_string())]),
        // Only usher can open the socket, so what it says about the client is to be believed.
        Endpoint::Unix(_) => set(environment, [("FORWARDED_ALLOW_IPS", "*")]),
    }
    set(environment, [(MARK, mark(state_dir, &launch.key, launch.generation.0))]);
}

/// Which state folder, seat and launch a process belongs to. It stays with everything the process
/// starts, also with what leaves its session.
pub(super) fn mark(state_dir: &str, key: &SeatKey, generation: u64) -> String {
    format!("{}{key}:{generation}", mark_beginning(state_dir))
}

/// Which state folder and template a process belongs to; no seat's mark begins so, for there is no
/// slash in it. A forked seat writes its own mark over the template's, so there is room for any.
pub(super) fn template_mark(state_dir: &str, number: u64) -> String {
    const ROOM: usize = USER_NAME_BYTES_MAX + APP_SLUG_BYTES_MAX + "/:".len() + 20;
    format!("{}template:{number}:{}", mark_beginning(state_dir), "_".repeat(ROOM))
}

/// What the marks of all seats of a state folder begin with.
pub(super) fn mark_beginning(state_dir: &str) -> String {
    format!("{state_dir}:")
}

fn is_kept(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| {
        KEPT.contains(&name) || KEPT_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    })
}

fn set<N: Into<OsString>, V: Into<OsString>>(
    environment: &mut Environment,
    variables: impl IntoIterator<Item = (N, V)>,
) {
    environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mark_fits_over_a_template_s() {
        use crate::domain::{AppSlug, UserName};
        let key = SeatKey {
            user: UserName::new(&"u".repeat(USER_NAME_BYTES_MAX)).unwrap(),
            app: AppSlug::new(&"a".repeat(APP_SLUG_BYTES_MAX)).unwrap(),
        };
        let longest = mark("/state", &key, u64::MAX);
        assert!(longest.len() <= template_mark("/state", 1).len(), "{longest}");
    }

    #[test]
    fn what_is_usher_s_alone_stays() {
        for (name, kept) in [
            ("PATH", true),
            ("XDG_RUNTIME_DIR", true),
            ("https_proxy", true),
            ("NOTIFY_SOCKET", false),
            ("LISTEN_FDS", false),
            ("CREDENTIALS_DIRECTORY", false),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("LC_ALL", false),
            ("LANG", false),
            ("PYTHONPATH", false),
            ("STREAMLIT_SERVER_PORT", false),
            (MARK, false),
        ] {
            assert_eq!(is_kept(OsStr::new(name)), kept, "{name}");
        }
    }
}
