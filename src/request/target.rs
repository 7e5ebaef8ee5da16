//! Which part of the door a path asks for. Paths are compared as sent: an escaped letter in a
//! fixed part is another path, and paths that could mean two things are refused beforehand.

use crate::domain::AppSlug;

/// What a path names. Borrowed from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'p> {
    /// `/`
    Root,
    /// `/unauthorized/`
    Unauthorized,
    /// `/app`, `/app/`, or `/app/REST` whose first segment cannot be a slug: belongs to the
    /// user's first app.
    FirstApp {
        /// Without the leading slash; may be empty.
        rest: &'p str,
    },
    /// `/app/SLUG` without a slash.
    SeatWithoutSlash {
        /// The slug.
        slug: &'p str,
    },
    /// `/app/SLUG/…`
    Seat {
        /// The slug.
        slug: &'p str,
        /// Below the app's root, with its leading slash.
        rest: &'p str,
    },
    /// `ADMIN` or below.
    Admin {
        /// Behind the admin path: empty, or with its leading slash.
        rest: &'p str,
    },
    /// `/_usher/…`
    Usher(UsherPath<'p>),
    /// `/metrics`
    Metrics,
    /// Anything else.
    Unknown,
}

/// Usher's own paths below `/_usher/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsherPath<'p> {
    /// `assets/NAME`
    Asset(&'p str),
    /// `wait`: server-sent events of a starting seat.
    Wait,
    /// `cancel`: end a start that one waits for.
    Cancel,
    /// `retry`: try a failed seat again.
    Retry,
    /// `keep`: stay, though the seat would stop as idle or untouched.
    Keep,
    /// `notices`: the WebSocket of the script in the app's page.
    Notices,
    /// `apps`: the page of tiles.
    Apps,
    /// `login`
    Login,
    /// `logout`
    Logout,
    /// `sessions`
    Sessions,
    /// `oidc/…`
    Oidc(&'p str),
    /// `live`
    Live,
    /// `ready`
    Ready,
    /// Anything else below `/_usher/`.
    Unknown,
}

impl<'p> Target<'p> {
    /// Reads a path. `admin_path` is absolute and has no trailing slash.
    pub fn of(path: &'p str, admin_path: &str) -> Self {
        if let Some(rest) = below(path, admin_path) {
            return Target::Admin { rest };
        }
        if let Some(rest) = below(path, "/app") {
            return app_target(rest);
        }
        if let Some(rest) = path.strip_prefix("/_usher/") {
            return Target::Usher(usher_path(rest));
        }
        match path {
            "/" => Target::Root,
            "/unauthorized" | "/unauthorized/" => Target::Unauthorized,
            "/metrics" => Target::Metrics,
            _ => Target::Unknown,
        }
    }
}

/// What follows `prefix`, if the path is the prefix itself or lies below it.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn app_target(rest: &str) -> Target<'_> {
    let inner = rest.strip_prefix('/').unwrap_or(rest);
    match inner.split_once('/') {
        Some((slug, _)) if AppSlug::has_form(slug) => {
            Target::Seat { slug, rest: &inner[slug.len()..] }
        }
        None if AppSlug::has_form(inner) => Target::SeatWithoutSlash { slug: inner },
        _ => Target::FirstApp { rest: inner },
    }
}

fn usher_path(rest: &str) -> UsherPath<'_> {
    match rest {
        "wait" => UsherPath::Wait,
        "cancel" => UsherPath::Cancel,
        "retry" => UsherPath::Retry,
        "keep" => UsherPath::Keep,
        "notices" => UsherPath::Notices,
        "apps" | "apps/" => UsherPath::Apps,
        "login" => UsherPath::Login,
        "logout" => UsherPath::Logout,
        "sessions" => UsherPath::Sessions,
        "live" => UsherPath::Live,
        "ready" => UsherPath::Ready,
        _ => match rest.split_once('/') {
            Some(("assets", name)) => UsherPath::Asset(name),
            Some(("oidc", step)) => UsherPath::Oidc(step),
            Some(_) | None => UsherPath::Unknown,
        },
    }
}

/// Whether a path means the same to everybody on the way: no dot segments, however they are
/// written, no backslash, no control character, no broken escape. An escaped slash is a letter of a
/// name to the door and, to some apps, a separator: both are the app's own business.
pub fn path_is_sound(path: &str) -> bool {
    path.starts_with('/')
        && !has_dot_segments(path)
        && !path.bytes().any(|b| b == b'\\' || b < 0x20 || b == 0x7f)
        && escapes_are_sound(path.as_bytes())
}

fn has_dot_segments(path: &str) -> bool {
    let dots = |path: &str| path.split('/').any(|segment| segment == "." || segment == "..");
    if !path.contains('%') {
        return dots(path);
    }
    dots(&path.to_ascii_lowercase().replace("%2f", "/").replace("%2e", "."))
}

fn escapes_are_sound(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        let Some(value) = rest.get(at + 1..at + 3).and_then(hex_value) else { return false };
        if value < 0x20 || value == 0x7f || value == b'\\' {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

fn hex_value(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
