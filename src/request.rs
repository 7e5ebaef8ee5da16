//! Stage 1: what is asked, and from where. Turns a request's head into a [`Target`] and a
//! [`Client`]; decides nothing about whether it is allowed.

mod target;

pub use target::{Target, UsherPath, path_is_sound};

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use crate::network::NetworkSet;

/// The most entries of `X-Forwarded-For` that are read, from the right.
pub const FORWARDED_ENTRIES_MAX: usize = 32;

/// What the connection itself proves.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end, canonical: an IPv4 address is never mapped into IPv6.
    pub peer: SocketAddr,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// Whether it is TLS.
    pub tls: bool,
    /// Which of our listeners accepted it.
    pub door: Door,
    /// Whether the other end is a process of a seat.
    pub from_seat: bool,
}

/// Which listener accepted a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `listen` or `tls.listen`.
    Main,
    /// `admin.listen`.
    Admin,
}

/// A request's head with its connection.
#[derive(Clone, Copy)]
pub struct Head<'r> {
    /// Method, URI and headers.
    pub parts: &'r Parts,
    /// What it came on.
    pub connection: &'r Connection,
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// TLS, here or at a trusted proxy.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Who sent a request, as far as the connection and trusted proxies tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client<'r> {
    /// The true address: the peer's, or what trusted proxies say.
    pub address: IpAddr,
    /// What the browser used to get here.
    pub scheme: Scheme,
    /// Host and port as the browser named them; never empty.
    pub host: &'r str,
    /// Whether a trusted proxy stands between.
    pub through_proxy: bool,
    /// Whether the address proves nothing: an untrusted program on this machine forwards for
    /// somebody (DESIGN section 14).
    pub unproven: bool,
}

/// Why a head is answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No `Host`, two, or one that is no host.
    Host,
    /// A trusted proxy's `X-Forwarded-For` has an entry that is no address, or too many.
    ForwardedFor,
    /// The path has dot segments, a backslash, or an escape that hides one of these.
    Path,
    /// It asks for a WebSocket, but not as RFC 6455 wants it.
    Handshake,
    /// The body did not come.
    Body,
}

impl Malformed {
    /// A sentence for the log.
    pub fn sentence(self) -> &'static str {
        match self {
            Malformed::Host => "the Host header is missing, doubled or malformed",
            Malformed::ForwardedFor => "X-Forwarded-For of a trusted proxy cannot be read",
            Malformed::Path => "the path has dot segments or hidden separators",
            Malformed::Handshake => "the WebSocket handshake is not complete",
            Malformed::Body => "the body did not come",
        }
    }
}

/// The longest header line that goes to an app, in bytes. Streamlit's server never answers a
/// WebSocket handshake with a longer one (measured: 8,180 answered, 8,200 hang).
pub const HEADER_LINE_BYTES_MAX: usize = 8_150;
/// The most headers that go to an app, of which usher adds some (measured: 126 answered, 133 hang).
pub const HEADERS_MAX: usize = 115;

/// Whether a head is small enough for an app behind the door. The line with the target counts for a
/// handshake only: longer ones are served otherwise, but Streamlit's never answers.
pub fn head_is_bounded(head: &Head<'_>) -> bool {
    let headers = &head.parts.headers;
    let target = head.parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let line = "GET ".len() + target + " HTTP/1.1".len();
    headers.len() <= HEADERS_MAX
        && (line <= HEADER_LINE_BYTES_MAX || !head.is_websocket())
        && headers.iter().all(|(name, value)| {
            name.as_str().len() + ": ".len() + value.len() <= HEADER_LINE_BYTES_MAX
        })
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl<'r> Client<'r> {
    /// Reads a head. `trusted` are the networks of `trusted_proxies`.
    ///
    /// # Errors
    /// What makes the head unreadable.
    pub fn of(head: &Head<'r>, trusted: &NetworkSet) -> Result<Self, Malformed> {
        let headers = &head.parts.headers;
        let peer = head.connection.peer.ip();
        let own_scheme = if head.connection.tls { Scheme::Https } else { Scheme::Http };
        let own_host = host_of(head.parts)?;
        if !trusted.contains(peer) {
            let forwards =
                headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
            return Ok(Self {
                address: peer,
                scheme: own_scheme,
                host: own_host,
                through_proxy: false,
                unproven: forwards && peer.is_loopback(),
            });
        }
        Ok(Self {
            address: forwarded_address(headers, peer, trusted)?,
            scheme: forwarded_scheme(headers).unwrap_or(own_scheme),
            host: match single(headers, &X_FORWARDED_HOST) {
                Some(host) if is_host(host) => host,
                Some(_) => return Err(Malformed::Host),
                None => own_host,
            },
            through_proxy: true,
            unproven: false,
        })
    }

    /// The host without its port, lower case only if it was sent so.
    pub fn host_name(&self) -> &'r str {
        split_port(self.host).0
    }

    /// Whether `origin` (the value of an `Origin` header) is this request's own: scheme, host and
    /// port are equal.
    pub fn is_origin(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return false,
        };
        let (name, port) = split_port(authority);
        let (own_name, own_port) = split_port(self.host);
        scheme == self.scheme
            && name.eq_ignore_ascii_case(own_name)
            && port.unwrap_or(scheme.default_port()) == own_port.unwrap_or(scheme.default_port())
    }
}

impl Head<'_> {
    /// Whether a browser says that another site made it send this request. Absent headers say
    /// nothing: command-line clients send none.
    pub fn is_cross_site(&self, client: &Client<'_>) -> bool {
        let headers = &self.parts.headers;
        let origin_differs = headers
            .get_all(header::ORIGIN)
            .iter()
            .any(|origin| !origin.to_str().is_ok_and(|origin| client.is_origin(origin)));
        let other_site = headers
            .get_all(SEC_FETCH_SITE)
            .iter()
            .any(|site| site != "same-origin" && site != "none");
        origin_differs || other_site
    }

    /// Whether it asks for a WebSocket: a GET of HTTP/1.1 with the right `Upgrade`.
    pub fn is_websocket(&self) -> bool {
        self.parts.method == http::Method::GET
            && self.parts.version == http::Version::HTTP_11
            && self
                .parts
                .headers
                .get(header::UPGRADE)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
    }

    /// Whether a person navigates: a GET that wants HTML.
    pub fn is_navigation(&self) -> bool {
        self.parts.method == http::Method::GET
            && !self.is_websocket()
            && self
                .parts
                .headers
                .get(header::ACCEPT)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|accept| accept.contains("text/html"))
    }

    /// Whether a page that is open in a browser sends this by itself, as far as one can tell: no
    /// person navigates. Programs, which somebody has started for a reason, say so less.
    pub fn is_of_open_page(&self) -> bool {
        let headers = &self.parts.headers;
        let is_browser = headers
            .get(header::USER_AGENT)
            .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
        let says_page = if self.is_websocket() {
            headers.contains_key(header::ORIGIN)
        } else {
            headers.contains_key(header::REFERER) || headers.contains_key(SEC_FETCH_SITE)
        };
        is_browser && says_page && !self.is_navigation()
    }

    /// A header's text, if it is there once and readable.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        single(&self.parts.headers, name)
    }
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

fn host_of(parts: &Parts) -> Result<&str, Malformed> {
    let named = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => single(&parts.headers, &header::HOST).ok_or(Malformed::Host)?,
    };
    if is_host(named) { Ok(named) } else { Err(Malformed::Host) }
}

/// Whether a text is a host with an optional port: no userinfo, no path, no space.
fn is_host(text: &str) -> bool {
    let (name, port) = split_port(text);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let name_fits = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.len() <= 253
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    name_fits && (port.is_some() || name.len() == text.len())
}

/// Splits `host:port`; a port that is no number stays with the host.
fn split_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (host.ends_with(']') || !host.contains(':')) => {
            // `parse` would take a sign, too.
            match port.parse() {
                Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(number)),
                Ok(_) | Err(_) => (text, None),
            }
        }
        _ => (text, None),
    }
}

fn forwarded_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let text = headers.get_all(X_FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    match text.rsplit(',').next()?.trim() {
        "https" | "wss" => Some(Scheme::Https),
        "http" | "ws" => Some(Scheme::Http),
        _ => None,
    }
}

/// Walks `X-Forwarded-For` from the right for as long as the one who says it is trusted.
fn forwarded_address(
    headers: &HeaderMap,
    peer: IpAddr,
    trusted: &NetworkSet,
) -> Result<IpAddr, Malformed> {
    let mut address = peer;
    let mut entries_read = 0;
    for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        let line = line.to_str().map_err(|_| Malformed::ForwardedFor)?;
        for entry in line.rsplit(',') {
            if !trusted.contains(address) {
                return Ok(address);
            }
            entries_read += 1;
            if entries_read > FORWARDED_ENTRIES_MAX {
                return Err(Malformed::ForwardedFor);
            }
            address = entry_address(entry.trim()).ok_or(Malformed::ForwardedFor)?;
        }
    }
    Ok(address)
}

/// An entry is an address, or an address with a port as some proxies write it.
fn entry_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse::<IpAddr>()
        .ok()
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
