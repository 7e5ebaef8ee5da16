//! What changes in heads on the way to a seat and back (DESIGN sections 5 and 14). Pure.
//!
//! A ready seat's request is the hot path: what need not change is not touched, and nothing is
//! allocated for it.

use std::borrow::Cow;

use http::header::{self, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pingora_core::Result;
use pingora_http::{RequestHeader, ResponseHeader};

use super::seam::Changes;

/// Usher's cookie without and with TLS. It never reaches an app, and no app may set it.
const OWN_COOKIES: [&[u8]; 2] = [b"usher_session", b"__Host-usher_session"];
/// Usher's other cookies, which browsers send to usher's own pages alone: no app may set them.
const OTHER_COOKIES: [&[u8]; 4] =
    [b"usher_device", b"__Secure-usher_device", b"usher_journey", b"__Secure-usher_journey"];
/// A part of both names, to look for first.
const OWN_COOKIES_SHARE: &[u8] = b"usher_session";
/// The browser's part of a name's header is what usher says, whatever was sent.
const CLAIMED_PREFIXES: [&str; 2] = ["x-usher-", "x-forwarded-"];
const CLAIMED_NAMES: [&str; 2] = ["x-real-ip", "forwarded"];
/// What concerns one connection only, beside what `Connection` names.
const OF_ONE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// An app could keep what it serves in the browser beyond its own path, or clear what others keep.
const NOT_FOR_BROWSERS: [HeaderName; 9] = [
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("clear-site-data"),
    // These are kept for the whole host: how it is reached, and who is told what fails there.
    header::STRICT_TRANSPORT_SECURITY,
    header::ALT_SVC,
    HeaderName::from_static("nel"),
    // Only usher's own pages say what they are.
    HeaderName::from_static("x-usher-page"),
    // The connection to the browser is usher's business, and trailers are not passed on.
    HeaderName::from_static("keep-alive"),
    header::UPGRADE,
    header::TRAILER,
];

/// Names are written so that any header and any reader can carry them.
const IN_NAMES: &AsciiSet = &CONTROLS.add(b'%').add(b' ').add(b'"');

/// Makes a request's head what the seat may see.
///
/// # Errors
/// A part that no header can hold; cannot happen with what was checked before.
pub(crate) fn to_seat(head: &mut RequestHeader, changes: &Changes<'_>) -> Result<()> {
    remove_claims(head, changes.login_header);
    remove_own_cookie(head)?;
    let target = seat_target(head, changes.strip_bytes).map(Cow::into_owned);
    if let Some(target) = target {
        head.set_raw_path(&target)?;
    }
    let host = match (changes.forwarded_host, head.headers.get(header::HOST)) {
        // The usual case: shared, not copied.
        (None, Some(host)) => Some(host.clone()),
        _ => host_of(head, changes).and_then(|host| HeaderValue::from_str(host).ok()),
    };
    if let Some(host) = host {
        head.insert_header("X-Forwarded-Host", host)?;
    }
    let name: Cow<'_, str> = utf8_percent_encode(changes.user.as_str(), IN_NAMES).into();
    head.insert_header("X-Usher-User", &*name)?;
    head.insert_header("X-Usher-Role", HeaderValue::from_static(changes.role.as_str()))?;
    let address = HeaderValue::try_from(changes.address.to_string());
    if let Ok(address) = address {
        head.insert_header("X-Real-IP", address.clone())?;
        head.insert_header("X-Forwarded-For", address)?;
    }
    head.insert_header("X-Forwarded-Proto", HeaderValue::from_static(changes.scheme.as_str()))
}

/// Removes what concerns the client's connection, for a handshake that is carried by hand.
pub(crate) fn without_connection(head: &mut RequestHeader) {
    let named: Vec<String> = head
        .headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in named {
        // What a seat relies on cannot be talked away.
        if name != "host" && !name.starts_with("sec-") {
            head.remove_header(name.as_str());
        }
    }
    for name in &OF_ONE_CONNECTION {
        head.remove_header(name);
    }
}

/// Makes an answer's head what the browser may see.
///
/// # Errors
/// A part that no header can hold.
pub(crate) fn to_browser(
    head: &mut ResponseHeader,
    changes: &Changes<'_>,
    request: &RequestHeader,
) -> Result<()> {
    for name in &NOT_FOR_BROWSERS {
        if head.headers.contains_key(name) {
            head.remove_header(name);
        }
    }
    remove_own_set_cookie(head)?;
    if let Some(hsts_s) = changes.hsts_s {
        head.insert_header("Strict-Transport-Security", format!("max-age={hsts_s}"))?;
    }
    if changes.strip_bytes > 0
        && let Some(location) = head.headers.get(header::LOCATION)
        && let Some(location) = location_below(location, changes, host_of(request, changes))
    {
        head.insert_header("Location", location)?;
    }
    Ok(())
}

/// Removes what only usher says. Gateway interfaces of some servers take `_` for `-`, so that is
/// the same name.
fn remove_claims(head: &mut RequestHeader, login_header: Option<&str>) {
    let is_login = |name: &HeaderName| {
        login_header.is_some_and(|login| {
            let same = |(a, b): (u8, u8)| a == b || (a == b'_' && b == b'-');
            name.as_str().len() == login.len() && name.as_str().bytes().zip(login.bytes()).all(same)
        })
    };
    let names = head.headers.keys();
    let claimed: Vec<HeaderName> =
        names.filter(|name| is_claimed(name) || is_login(name)).cloned().collect();
    for name in claimed {
        head.remove_header(&name);
    }
}

fn is_claimed(name: &&HeaderName) -> bool {
    let name = name.as_str();
    let (b'x' | b'f') = name.as_bytes()[0] else { return false };
    let same = |a: u8, b: u8| a == b || (a == b'_' && b == b'-');
    let begins = |prefix: &str| {
        name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| same(a, b))
    };
    CLAIMED_PREFIXES.iter().any(|prefix| begins(prefix))
        || CLAIMED_NAMES.iter().any(|whole| name.len() == whole.len() && begins(whole))
}

fn remove_own_cookie(head: &mut RequestHeader) -> Result<()> {
    let lines = head.headers.get_all(header::COOKIE);
    let has_own = lines.iter().any(|line| contains(line.as_bytes(), OWN_COOKIES_SHARE));
    // HTTP/2 may send one line for each cookie; HTTP/1.1 has one for all.
    let several = lines.iter().nth(1).is_some();
    if !has_own && !several {
        return Ok(());
    }
    let mut kept = Vec::new();
    for cookie in lines.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')) {
        let cookie = cookie.trim_ascii();
        if cookie.is_empty() || is_own_cookie(cookie) {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(cookie);
    }
    if kept.is_empty() {
        head.remove_header(&header::COOKIE);
        return Ok(());
    }
    head.insert_header("Cookie", kept)
}

fn remove_own_set_cookie(head: &mut ResponseHeader) -> Result<()> {
    let lines = head.headers.get_all(header::SET_COOKIE);
    if !lines.iter().any(sets_own_cookie) {
        return Ok(());
    }
    let kept: Vec<HeaderValue> =
        lines.iter().filter(|line| !sets_own_cookie(line)).cloned().collect();
    head.remove_header(&header::SET_COOKIE);
    for line in kept {
        head.append_header(header::SET_COOKIE, line)?;
    }
    Ok(())
}

/// Whether a browser would send usher's cookie after this. One without a name is sent as its value
/// alone, which may look like a name with a value.
fn sets_own_cookie(line: &HeaderValue) -> bool {
    let text = line.as_bytes().trim_ascii();
    let name = name_of(text.strip_prefix(b"=").unwrap_or(text));
    OWN_COOKIES.contains(&name) || OTHER_COOKIES.contains(&name)
}

/// Whether `name=value…` has one of usher's names.
fn is_own_cookie(cookie: &[u8]) -> bool {
    OWN_COOKIES.contains(&name_of(cookie))
}

fn name_of(cookie: &[u8]) -> &[u8] {
    cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The path and query that the seat sees, if they are not those that were sent: without the
/// prefix that is stripped, and without scheme and host, which only proxies are sent.
fn seat_target(head: &RequestHeader, strip_bytes: usize) -> Option<Cow<'_, [u8]>> {
    let sent = head.raw_path();
    let whole = if sent.first() == Some(&b'/') {
        sent
    } else {
        head.uri.path_and_query()?.as_str().as_bytes()
    };
    let rest = whole.get(strip_bytes..)?;
    if rest.first() == Some(&b'/') {
        // Two slashes at the start would be the start of a host.
        return (rest != sent).then_some(Cow::Borrowed(rest));
    }
    Some(Cow::Owned([b"/", rest].concat()))
}

/// Host and port as the browser named them.
fn host_of<'h>(head: &'h RequestHeader, changes: &Changes<'h>) -> Option<&'h str> {
    changes
        .forwarded_host
        .or_else(|| head.headers.get(header::HOST)?.to_str().ok())
        .or_else(|| head.uri.authority().map(|authority| authority.as_str()))
}

/// Where a redirect of an app leads that does not see its prefix; `None`: where it says.
fn location_below(
    location: &HeaderValue,
    changes: &Changes<'_>,
    host: Option<&str>,
) -> Option<HeaderValue> {
    let location = location.to_str().ok()?;
    let path = match location.strip_prefix(changes.scheme.as_str()) {
        Some(rest) => {
            let rest = rest.strip_prefix("://")?;
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !host.is_some_and(|own| own.eq_ignore_ascii_case(authority)) {
                return None;
            }
            path
        }
        None if location.starts_with("//") => return None,
        None if location.starts_with('/') => location,
        None => return None,
    };
    let prefix = format!("/app/{}", changes.app);
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?']);
    if path.strip_prefix(prefix.as_str()).is_some_and(is_below) {
        return None;
    }
    let slash = if path.is_empty() { "/" } else { "" };
    HeaderValue::try_from(format!("{prefix}{slash}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppSlug, Role, UserName};
    use crate::request::Scheme;

    struct Plan {
        user: UserName,
        app: AppSlug,
        forwarded_host: Option<&'static str>,
        strip_bytes: usize,
    }

    impl Plan {
        fn of(user: &str) -> Self {
            Self {
                user: UserName::new(user).unwrap(),
                app: AppSlug::new("main").unwrap(),
                forwarded_host: None,
                strip_bytes: 0,
            }
        }

        fn changes(&self) -> Changes<'_> {
            Changes {
                user: &self.user,
                role: Role::User,
                app: &self.app,
                address: "192.168.1.101".parse().unwrap(),
                scheme: Scheme::Http,
                forwarded_host: self.forwarded_host,
                login_header: None,
                hsts_s: None,
                strip_bytes: self.strip_bytes,
                upload_max_bytes: 1000,
            }
        }
    }

    fn request(target: &str, headers: &[(&str, &str)]) -> RequestHeader {
        let mut head = RequestHeader::build("GET", target.as_bytes(), None).unwrap();
        head.append_header("Host", "door:8000").unwrap();
        for (name, value) in headers {
            head.append_header((*name).to_owned(), *value).unwrap();
        }
        head
    }

    fn lines(headers: &http::HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_seat_is_told_who_asks_and_nothing_that_the_client_claims() {
        let mut head = request(
            "/app/main/x?y=1",
            &[
                ("X-Usher-User", "root"),
                ("x-usher-role", "admin"),
                ("X_Usher_User", "root"),
                ("X-Forwarded-For", "10.0.0.1"),
                ("X-Forwarded-For", "10.0.0.2"),
                ("X-Forwarded-Anything", "1"),
                ("X_Forwarded-Proto", "https"),
                ("X-Real-Ip", "10.0.0.3"),
                ("x-real_ip", "10.0.0.3"),
                ("Forwarded", "for=10.0.0.4"),
                ("X-User", "kept"),
                ("X-Forward", "kept"),
                ("Cookie", "a=1; usher_session=secret; b=usher_session"),
            ],
        );
        to_seat(&mut head, &Plan::of("김민수").changes()).unwrap();
        assert_eq!(
            lines(&head.headers),
            [
                "cookie: a=1; b=usher_session",
                "host: door:8000",
                "x-forward: kept",
                "x-forwarded-for: 192.168.1.101",
                "x-forwarded-host: door:8000",
                "x-forwarded-proto: http",
                "x-real-ip: 192.168.1.101",
                "x-user: kept",
                "x-usher-role: user",
                "x-usher-user: %EA%B9%80%EB%AF%BC%EC%88%98",
            ]
        );
        assert_eq!(head.raw_path(), b"/app/main/x?y=1");
    }

    #[test]
    fn a_trusted_proxys_host_is_told_and_the_host_is_kept() {
        let mut head = request("/app/main/", &[("X-Forwarded-Host", "claimed")]);
        let plan = Plan { forwarded_host: Some("apps.example.org"), ..Plan::of("minsu") };
        to_seat(&mut head, &plan.changes()).unwrap();
        assert_eq!(head.headers.get("x-forwarded-host").unwrap(), "apps.example.org");
        assert_eq!(head.headers.get("host").unwrap(), "door:8000");
        assert_eq!(head.headers.get("x-usher-user").unwrap(), "minsu");
    }

    #[test]
    fn ushers_cookie_stays_at_the_door() {
        for (lines, expected) in [
            (vec!["usher_session=1"], None),
            (vec!["__Host-usher_session=1"], None),
            (vec!["usher_session=1;"], None),
            (vec!["usher_session = 1; a=2"], Some("a=2")),
            (vec!["a=2;usher_session=1;b=3"], Some("a=2; b=3")),
            (vec!["x_usher_session=1"], Some("x_usher_session=1")),
            (vec!["a=1;b=2"], Some("a=1;b=2")),
            (vec!["a=1", "usher_session=1", "b=2"], Some("a=1; b=2")),
            (vec!["a=1", "b=2"], Some("a=1; b=2")),
            (vec!["a=\"x;usher_session=1\""], Some("a=\"x")),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("Cookie", *line)).collect();
            let mut head = request("/", &headers);
            remove_own_cookie(&mut head).unwrap();
            let sent = head.headers.get("cookie").map(|value| value.to_str().unwrap());
            assert_eq!(sent, expected, "{lines:?}");
            assert!(head.headers.get_all("cookie").iter().count() <= 1);
        }
    }

    #[test]
    fn the_seat_sees_its_own_path() {
        for (target, strip_bytes, expected) in [
            ("/app/main/x?q", 0, "/app/main/x?q"),
            ("http://door:8000/app/main/x?q", 0, "/app/main/x?q"),
            ("/app/main/x?q", 9, "/x?q"),
            ("/app/main/", 9, "/"),
            ("/app/main/?q=/", 9, "/?q=/"),
            ("http://door:8000/app/main/x", 9, "/x"),
            ("/app/main/%ED%95%9C", 9, "/%ED%95%9C"),
        ] {
            let mut head = request(target, &[]);
            let plan = Plan { strip_bytes, ..Plan::of("minsu") };
            to_seat(&mut head, &plan.changes()).unwrap();
            assert_eq!(String::from_utf8_lossy(head.raw_path()), expected, "{target}");
        }
    }

    #[test]
    fn an_app_cannot_reach_beyond_itself() {
        let mut head = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("Service-Worker-Allowed", "/"),
            ("Clear-Site-Data", "*"),
            ("X-Usher-Page", "home"),
            ("Upgrade", "h2c"),
            ("Keep-Alive", "timeout=5"),
            ("Set-Cookie", "usher_session=forged; Path=/"),
            ("Set-Cookie", "_streamlit_xsrf=1; Path=/"),
            ("Set-Cookie", " __Host-usher_session=forged"),
            ("Set-Cookie", "usher_device=forged; Path=/_usher/login"),
            ("Set-Cookie", "__Secure-usher_journey=forged; Path=/_usher/oidc/; Secure"),
            ("Set-Cookie", "=usher_session=forged; Path=/"),
            ("Set-Cookie", " = __Host-usher_session=forged"),
            ("Set-Cookie", "b=usher_session=2"),
            ("Location", "/elsewhere"),
            ("ETag", "x"),
        ] {
            head.append_header(name, value).unwrap();
        }
        let request = request("/app/main/", &[]);
        to_browser(&mut head, &Plan::of("minsu").changes(), &request).unwrap();
        assert_eq!(
            lines(&head.headers),
            [
                "etag: x",
                "location: /elsewhere",
                "set-cookie: _streamlit_xsrf=1; Path=/",
                "set-cookie: b=usher_session=2",
            ]
        );
    }

    #[test]
    fn redirects_of_an_app_without_its_prefix_stay_below_it() {
        let request = request("/app/main/", &[]);
        for (location, expected) in [
            ("/login", "/app/main/login"),
            ("/", "/app/main/"),
            ("/?a=/b", "/app/main/?a=/b"),
            ("/app/main/x", "/app/main/x"),
            ("/app/main", "/app/main"),
            ("/app/mainly", "/app/main/app/mainly"),
            ("relative/x", "relative/x"),
            ("?only=query", "?only=query"),
            ("//other.example/x", "//other.example/x"),
            ("https://other.example/x", "https://other.example/x"),
            ("http://door:8000/x", "/app/main/x"),
            ("http://DOOR:8000", "/app/main/"),
            ("http://door:8000/app/main/x", "http://door:8000/app/main/x"),
            ("http://door/x", "http://door/x"),
            ("https://door:8000/x", "https://door:8000/x"),
        ] {
            let mut head = ResponseHeader::build(302, None).unwrap();
            head.insert_header("Location", location).unwrap();
            let plan = Plan { strip_bytes: 9, ..Plan::of("minsu") };
            to_browser(&mut head, &plan.changes(), &request).unwrap();
            assert_eq!(head.headers.get("location").unwrap(), expected, "{location}");
        }
    }

    #[test]
    fn a_handshake_carried_by_hand_drops_what_concerns_the_connection() {
        let mut head = request(
            "/app/main/_stcore/stream",
            &[
                ("Connection", "Upgrade, X-Private, Host, Sec-WebSocket-Key"),
                ("Upgrade", "websocket"),
                ("Keep-Alive", "timeout=5"),
                ("TE", "trailers"),
                ("X-Private", "1"),
                ("Sec-WebSocket-Key", "k"),
                ("Sec-WebSocket-Protocol", "streamlit, a, b"),
            ],
        );
        without_connection(&mut head);
        assert_eq!(
            lines(&head.headers),
            ["host: door:8000", "sec-websocket-key: k", "sec-websocket-protocol: streamlit, a, b"]
        );
    }
}
