//! The table of keys: every key of the file with its kind, its default and a sentence about it.
//! Reading, "did you mean", the JSON Schema and the tests of `conf/usher.yaml` all use this one
//! table; a key that is not here does not exist.

use super::kinds::{
    AppName, Argument, Attempts, Bytes, Cores, Flag, HeaderText, HostText, IssuerText, Line, List,
    ModuleName, NetworkText, Nullable, PasswordHashText, PathText, PersonName, Port, PortRange,
    SocketAddress, Span, TotpSecret, UrlPath, Variables, Whole, Words, Zone,
};
use super::table::Default::{Is, Required};
use super::table::{AnyKey, Each, Group, Key, Named, Section};
use super::{Connect, LaunchMode, Proof};
use crate::domain::{Language, Role};

/// Short enough for tests, long enough not to spin.
const SHORTEST: Span = Span { least_ms: 100 };
const AT_LEAST_ONE: Whole = Whole { least: 1, most: 1_000_000 };

macro_rules! keys {
    ($($name:ident: $kind:ty = $text:literal, $default:expr, $value:expr, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub(in crate::config) static $name: Key<$kind> =
            Key { name: $text, default: $default, doc: $doc, kind: $value };
    )*};
}

macro_rules! section {
    ($name:ident, $pattern:literal, $($key:path),*) => {
        #[doc = concat!("`", $pattern, "`")]
        pub(in crate::config) static $name: Section = Section {
            pattern: $pattern,
            keys: &[$(&$key as &dyn AnyKey),*],
        };
    };
}

/// The keys of the file itself.
pub(super) mod top {
    use super::*;

    keys! {
        DIRECTORY: PathText = "directory", Is("."), PathText,
            "the folder that other paths are relative to, itself relative to this file's folder";
        LISTEN: List<SocketAddress> = "listen", Is("[\"0.0.0.0:8000\"]"),
            List { of: SocketAddress, least: 0 },
            "addresses with ports where plain HTTP is served";
        TLS: Nullable<Group> = "tls", Is("null"), Nullable(Group(&super::TLS)),
            "HTTPS; absent: no TLS";
        HOSTS: List<HostText> = "hosts", Is("[]"), List { of: HostText, least: 0 },
            "names the door answers to beside address literals, localhost and the machine's own names";
        TRUSTED_PROXIES: List<NetworkText> = "trusted_proxies", Is("[]"),
            List { of: NetworkText, least: 0 },
            "networks whose X-Forwarded-For, -Proto and -Host are believed";
        TRUSTED_LOGIN_HEADER: Nullable<HeaderText> = "trusted_login_header", Is("null"),
            Nullable(HeaderText),
            "the header in which a trusted proxy names the login of a person it has signed in";
        STATE_DIR: PathText = "state_dir", Is("var"), PathText,
            "the folder of the database, control socket, app sockets and logs";
        TIMEZONE: Nullable<Zone> = "timezone", Is("null"), Nullable(Zone),
            "the zone of days and weeks in statistics; null: the machine's";
        LANGUAGE: Words<Option<Language>> = "language", Is("auto"),
            Words(&[
                ("auto", None),
                ("ko", Some(Language::Korean)),
                ("en", Some(Language::English)),
            ]),
            "the language of the pages; auto: the browser's, Korean or English";
        THREADS: Nullable<Whole> = "threads", Is("null"), Nullable(Whole { least: 1, most: 256 }),
            "proxy worker threads; null: half the cores, at least 1";
        APPS: Named = "apps", Required, Named(&super::APP),
            "the programs that users run, by their names in URLs; the first also answers at /app/";
        USERS: Each = "users", Required, Each(&super::USER),
            "who may come in";
        ADMIN: Group = "admin", Is("{}"), Group(&super::ADMIN),
            "the administrators' pages";
        OIDC: Nullable<Group> = "oidc", Is("null"), Nullable(Group(&super::OIDC)),
            "sign-in with an outside OpenID Connect provider; absent: none";
        SESSIONS: Group = "sessions", Is("{}"), Group(&super::SESSIONS),
            "cookie sessions of people who signed in";
        VISITS: Group = "visits", Is("{}"), Group(&super::VISITS),
            "what is recorded of who came and how long they stayed";
        SAMPLES: Group = "samples", Is("{}"), Group(&super::SAMPLES),
            "measurements of the machine and of seats";
        BACKUPS: Group = "backups", Is("{}"), Group(&super::BACKUPS),
            "copies of the database";
        LIMITS: Group = "limits", Is("{}"), Group(&super::LIMITS),
            "what the door takes at most";
        LOGS: Group = "logs", Is("{}"), Group(&super::LOGS),
            "log files";
        METRICS: Group = "metrics", Is("{}"), Group(&super::METRICS),
            "/metrics";
        TEMPLATES: Nullable<PathText> = "templates", Is("null"), Nullable(PathText),
            "a folder whose files replace the built-in templates of the same name";
    }
}
section!(
    TOP,
    "",
    top::DIRECTORY,
    top::LISTEN,
    top::TLS,
    top::HOSTS,
    top::TRUSTED_PROXIES,
    top::TRUSTED_LOGIN_HEADER,
    top::STATE_DIR,
    top::TIMEZONE,
    top::LANGUAGE,
    top::THREADS,
    top::APPS,
    top::USERS,
    top::ADMIN,
    top::OIDC,
    top::SESSIONS,
    top::VISITS,
    top::SAMPLES,
    top::BACKUPS,
    top::LIMITS,
    top::LOGS,
    top::METRICS,
    top::TEMPLATES
);

/// The keys of `tls`.
pub(super) mod tls {
    use super::*;

    keys! {
        LISTEN: List<SocketAddress> = "listen", Is("[\"0.0.0.0:8443\"]"),
            List { of: SocketAddress, least: 1 },
            "addresses with ports where HTTPS is served";
        CERTIFICATE: PathText = "certificate", Is("conf/tls/cert.pem"), PathText,
            "the PEM chain; reloaded when it changes";
        KEY: PathText = "key", Is("conf/tls/key.pem"), PathText,
            "the PEM key; reloaded when it changes";
        CERTIFICATES: Each = "certificates", Is("[]"), Each(&super::CERTIFICATE),
            "further certificates, chosen by the name that the browser asks for";
        REDIRECT: Flag = "redirect", Is("true"), Flag,
            "the plain listener answers 308 to https";
        HSTS: Nullable<Span> = "hsts", Is("null"), Nullable(Span { least_ms: 1000 }),
            "how long browsers shall use https only; null: the header is not sent";
        CLIENT_CA: Nullable<PathText> = "client_ca", Is("null"), Nullable(PathText),
            "PEM certificates of authorities; browsers need a certificate of one of them";
    }
}
section!(
    TLS,
    "tls",
    tls::LISTEN,
    tls::CERTIFICATE,
    tls::KEY,
    tls::CERTIFICATES,
    tls::REDIRECT,
    tls::HSTS,
    tls::CLIENT_CA
);

/// The keys of an item of `tls.certificates`.
pub(super) mod certificate {
    use super::*;

    keys! {
        CERTIFICATE: PathText = "certificate", Required, PathText, "the PEM chain";
        KEY: PathText = "key", Required, PathText, "the PEM key";
    }
}
section!(CERTIFICATE, "tls.certificates[]", certificate::CERTIFICATE, certificate::KEY);

/// The keys of an app.
pub(super) mod app {
    use super::*;

    keys! {
        TITLE: Nullable<Line> = "title", Is("null"), Nullable(Line),
            "its name for people; null: its name in URLs";
        SCRIPT: Nullable<PathText> = "script", Is("null"), Nullable(PathText),
            "a Streamlit script; or `command`, or `upstream`";
        COMMAND: Nullable<List<Argument>> = "command", Is("null"),
            Nullable(List { of: Argument, least: 1 }),
            "a program and its arguments that listens on {port}, or on the socket {socket}; {base_path}, {user} and {data} are replaced too";
        UPSTREAM: Nullable<SocketAddress> = "upstream", Is("null"), Nullable(SocketAddress),
            "the address of something that already runs and that usher does not start";
        STRIP_PREFIX: Flag = "strip_prefix", Is("false"), Flag,
            "true: the app sees /x where the browser asked for /app/NAME/x";
        PYTHON: PathText = "python", Is("python3"), PathText,
            "the interpreter that has Streamlit: a path, or a name to look for in PATH";
        WORKING_DIRECTORY: PathText = "working_directory", Is("."), PathText,
            "where it runs";
        ARGUMENTS: List<Argument> = "arguments", Is("[]"), List { of: Argument, least: 0 },
            "arguments after the script";
        ENVIRONMENT: Variables = "environment", Is("{}"), Variables,
            "environment variables beside those that usher sets";
        LAUNCH: Words<LaunchMode> = "launch", Is("auto"),
            Words(&[
                ("auto", LaunchMode::Auto),
                ("fork", LaunchMode::Fork),
                ("spawn", LaunchMode::Spawn),
            ]),
            "fork: from a warm template process; spawn: by itself; auto: fork where it works";
        PRELOAD: List<ModuleName> = "preload", Is("[]"), List { of: ModuleName, least: 0 },
            "modules that the template imports beside what the script imports";
        PORTS: PortRange = "ports", Is("8501-8999"), PortRange,
            "ports of 127.0.0.1 for users who have none of their own; apps may share a range";
        CONNECT: Words<Connect> = "connect", Is("tcp"),
            Words(&[("tcp", Connect::Tcp), ("unix", Connect::Unix)]),
            "unix: by a socket that no other account of the machine can open";
        START_TIMEOUT: Span = "start_timeout", Is("60s"), SHORTEST,
            "from the launch to the first healthy answer";
        IDLE_TIMEOUT: Nullable<Span> = "idle_timeout", Is("30m"), Nullable(SHORTEST),
            "no WebSocket open and no request for this long: stop; null: never";
        UNTOUCHED_TIMEOUT: Nullable<Span> = "untouched_timeout", Is("8h"), Nullable(SHORTEST),
            "a tab is open but nobody touches it and the app computes nothing: stop; null: never";
        LIFETIME_MAX: Nullable<Span> = "lifetime_max", Is("null"), Nullable(SHORTEST),
            "stop after this long in any case; null: never";
        MEMORY_MAX: Nullable<Bytes> = "memory_max", Is("null"),
            Nullable(Bytes { least_bytes: 1 << 20 }),
            "stop, with the reason, when it uses more; null: no limit";
        CPU_MAX: Nullable<Cores> = "cpu_max", Is("null"), Nullable(Cores),
            "cores it may use, such as 1.5: slowed down when it wants more; null: no limit";
        STOP_GRACE: Span = "stop_grace", Is("3s"), Span { least_ms: 0 },
            "from asking the process to end to ending it";
        RESTART: Group = "restart", Is("{}"), Group(&super::RESTART),
            "what happens after crashes";
        NOTICES: Flag = "notices", Is("true"), Flag,
            "whether the script that shows notices and countdowns is added to the app's page";
        HEALTH: Nullable<UrlPath> = "health", Is("null"), Nullable(UrlPath { example: "/health" }),
            "the path, below the app's own root, that answers 200 when it is ready; null: Streamlit's own, for others a connection is enough";
    }
}
section!(
    APP,
    "apps.*",
    app::TITLE,
    app::SCRIPT,
    app::COMMAND,
    app::UPSTREAM,
    app::STRIP_PREFIX,
    app::PYTHON,
    app::WORKING_DIRECTORY,
    app::ARGUMENTS,
    app::ENVIRONMENT,
    app::LAUNCH,
    app::PRELOAD,
    app::PORTS,
    app::CONNECT,
    app::START_TIMEOUT,
    app::IDLE_TIMEOUT,
    app::UNTOUCHED_TIMEOUT,
    app::LIFETIME_MAX,
    app::MEMORY_MAX,
    app::CPU_MAX,
    app::STOP_GRACE,
    app::RESTART,
    app::NOTICES,
    app::HEALTH
);

/// The keys of an app's `restart`.
pub(super) mod restart {
    use super::*;

    keys! {
        ATTEMPTS: Whole = "attempts", Is("5"), AT_LEAST_ONE,
            "crashes within that time before the seat is left failed";
        WITHIN: Span = "within", Is("10m"), Span { least_ms: 1000 },
            "the time in which crashes are counted";
    }
}
section!(RESTART, "apps.*.restart", restart::ATTEMPTS, restart::WITHIN);

/// The keys of a user.
pub(super) mod user {
    use super::*;

    keys! {
        NAME: PersonName = "name", Required, PersonName,
            "letters, digits and - _ . @";
        ROLE: Words<Role> = "role", Is("user"),
            Words(&[("admin", Role::Admin), ("user", Role::User)]),
            "admin: sees and orders everything";
        ADDRESSES: List<NetworkText> = "addresses", Is("[]"), List { of: NetworkText, least: 0 },
            "addresses or networks they call from; the longest match wins";
        APPS: Nullable<List<AppName>> = "apps", Is("null"),
            Nullable(List { of: AppName, least: 1 }),
            "the apps they may use; null: all";
        PORT: Nullable<Port> = "port", Is("null"), Nullable(Port),
            "their own port for the first app; null: one of the app's range";
        UPSTREAM: Nullable<SocketAddress> = "upstream", Is("null"), Nullable(SocketAddress),
            "where their copy of an `upstream` app runs; null: where the app says";
        PASSWORD: Nullable<PasswordHashText> = "password", Is("null"), Nullable(PasswordHashText),
            "an argon2id hash, made by `usher password`: asked for on top of the address";
        TOTP: Nullable<TotpSecret> = "totp", Is("null"), Nullable(TotpSecret),
            "a base32 secret: a code is asked for on top of the password";
        LOGIN: Nullable<Line> = "login", Is("null"), Nullable(Line),
            "their name at the outside provider";
        PROOFS: Nullable<List<Words<Proof>>> = "proofs", Is("null"),
            Nullable(List {
                of: Words(&[
                    ("address", Proof::Address),
                    ("password", Proof::Password),
                    ("oidc", Proof::Oidc),
                ]),
                least: 1,
            }),
            "what they have to prove, all of it: address, password, oidc; null: what the entry has";
    }
}
section!(
    USER,
    "users[]",
    user::NAME,
    user::ROLE,
    user::ADDRESSES,
    user::APPS,
    user::PORT,
    user::UPSTREAM,
    user::PASSWORD,
    user::TOTP,
    user::LOGIN,
    user::PROOFS
);

/// The keys of `admin`.
pub(super) mod admin {
    use super::*;

    keys! {
        PATH: UrlPath = "path", Is("/admin"), UrlPath { example: "/admin" },
            "where the pages are";
        PASSWORD_REQUIRED: Flag = "password_required", Is("false"), Flag,
            "administrators without a password are refused";
        LISTEN: List<SocketAddress> = "listen", Is("[]"), List { of: SocketAddress, least: 0 },
            "addresses with ports where the pages alone are served; [] serves them at every listener";
    }
}
section!(ADMIN, "admin", admin::PATH, admin::PASSWORD_REQUIRED, admin::LISTEN);

/// The keys of `oidc`.
pub(super) mod oidc {
    use super::*;

    keys! {
        ISSUER: IssuerText = "issuer", Required, IssuerText,
            "the provider's URL";
        CLIENT_ID: Line = "client_id", Required, Line,
            "our name there";
        CLIENT_SECRET_FILE: PathText = "client_secret_file", Required, PathText,
            "the file that holds our secret there";
    }
}
section!(OIDC, "oidc", oidc::ISSUER, oidc::CLIENT_ID, oidc::CLIENT_SECRET_FILE);

/// The keys of `sessions`.
pub(super) mod sessions {
    use super::*;

    keys! {
        IDLE_TIMEOUT: Span = "idle_timeout", Is("8h"), Span { least_ms: 1000 },
            "a session ends after so long without a request";
        LIFETIME_MAX: Span = "lifetime_max", Is("24h"), Span { least_ms: 1000 },
            "a session ends so long after the sign-in";
    }
}
section!(SESSIONS, "sessions", sessions::IDLE_TIMEOUT, sessions::LIFETIME_MAX);

/// The keys of `visits`.
pub(super) mod visits {
    use super::*;

    keys! {
        RECORD: Flag = "record", Is("true"), Flag,
            "whether visits are recorded at all";
        GAP: Span = "gap", Is("2m"), Span { least_ms: 0 },
            "two stays with a shorter gap are one visit";
        KEEP: Span = "keep", Is("400d"), Span { least_ms: 1000 },
            "older records are deleted";
    }
}
section!(VISITS, "visits", visits::RECORD, visits::GAP, visits::KEEP);

/// The keys of `samples`.
pub(super) mod samples {
    use super::*;

    keys! {
        EVERY: Span = "every", Is("5s"), SHORTEST,
            "the time between two measurements";
        KEEP: Span = "keep", Is("30d"), Span { least_ms: 1000 },
            "older measurements are deleted";
    }
}
section!(SAMPLES, "samples", samples::EVERY, samples::KEEP);

/// The keys of `backups`.
pub(super) mod backups {
    use super::*;

    keys! {
        EVERY: Nullable<Span> = "every", Is("7d"), Nullable(Span { least_ms: 1000 }),
            "the time between two copies; null: none";
        KEEP: Whole = "keep", Is("8"), Whole { least: 1, most: 10_000 },
            "how many copies are kept";
        DIRECTORY: PathText = "directory", Is("var/backups"), PathText,
            "where they are kept";
    }
}
section!(BACKUPS, "backups", backups::EVERY, backups::KEEP, backups::DIRECTORY);

/// The keys of `limits`.
pub(super) mod limits {
    use super::*;

    keys! {
        SEATS: Whole = "seats", Is("100"), AT_LEAST_ONE,
            "seats that may run at once";
        STARTS_AT_ONCE: Whole = "starts_at_once", Is("2"), AT_LEAST_ONE,
            "seats that may start at once; others queue";
        WAITING_PER_SEAT: Whole = "waiting_per_seat", Is("200"), AT_LEAST_ONE,
            "requests that are held for one seat";
        CONNECTIONS_PER_ADDRESS: Whole = "connections_per_address", Is("500"), AT_LEAST_ONE,
            "open connections from one address";
        REQUESTS_PER_SECOND: Nullable<Whole> = "requests_per_second", Is("null"),
            Nullable(AT_LEAST_ONE),
            "requests per second from one address; null: no limit";
        UPLOAD: Bytes = "upload", Is("200MiB"), Bytes { least_bytes: 1 },
            "the body of one request";
        LOGIN_ATTEMPTS: Attempts = "login_attempts", Is("5/15m"), Attempts,
            "failed sign-ins per address and per user";
        TOTP_ATTEMPTS: Attempts = "totp_attempts", Is("5/15m"), Attempts,
            "wrong codes per user";
    }
}
section!(
    LIMITS,
    "limits",
    limits::SEATS,
    limits::STARTS_AT_ONCE,
    limits::WAITING_PER_SEAT,
    limits::CONNECTIONS_PER_ADDRESS,
    limits::REQUESTS_PER_SECOND,
    limits::UPLOAD,
    limits::LOGIN_ATTEMPTS,
    limits::TOTP_ATTEMPTS
);

/// The keys of `logs`.
pub(super) mod logs {
    use super::*;

    keys! {
        ACCESS: Nullable<PathText> = "access", Is("var/log/access.log"), Nullable(PathText),
            "the access log; null: none";
        ROTATE: Bytes = "rotate", Is("50MiB"), Bytes { least_bytes: 1024 },
            "a log is rotated when it is larger";
        KEEP: Whole = "keep", Is("10"), Whole { least: 1, most: 10_000 },
            "how many rotated files are kept";
        APPS: PathText = "apps", Is("var/log/apps"), PathText,
            "the folder of the apps' output";
    }
}
section!(LOGS, "logs", logs::ACCESS, logs::ROTATE, logs::KEEP, logs::APPS);

/// The keys of `metrics`.
pub(super) mod metrics {
    use super::*;

    keys! {
        ALLOW: List<NetworkText> = "allow", Is("[127.0.0.1/32]"),
            List { of: NetworkText, least: 0 },
            "networks that may read /metrics";
    }
}
section!(METRICS, "metrics", metrics::ALLOW);

/// All sections, the file itself first.
pub(super) fn sections() -> Vec<&'static Section> {
    let mut all = vec![&TOP];
    let mut next = 0;
    while let Some(section) = all.get(next).copied() {
        all.extend(section.keys.iter().filter_map(|key| key.shape().inner()));
        next += 1;
    }
    all
}

/// Where a key of this name belongs, for a hint.
pub(super) fn sections_with(name: &str) -> Vec<String> {
    let has = |section: &&Section| section.keys.iter().any(|key| key.name() == name);
    let shown = |section: &Section| match section.pattern {
        "" => "the file's top level".to_owned(),
        pattern => format!("`{pattern}`"),
    };
    sections().into_iter().filter(has).map(shown).collect()
}
