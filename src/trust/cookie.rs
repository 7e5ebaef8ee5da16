//! The cookies that usher gives to browsers: reading them out of a request's head and writing them.

use http::HeaderMap;
use http::header::{self, HeaderValue};

use crate::request::Scheme;

/// The session, over plain HTTP.
pub const SESSION: &str = "usher_session";
/// The session, over TLS: the prefix makes browsers refuse one that another host or a plain
/// connection wants to plant.
pub const SESSION_SECURE: &str = "__Host-usher_session";
/// Where a browser is known from: sent to the sign-in page alone.
pub const DEVICE: &str = "usher_device";
/// The same over TLS.
pub const DEVICE_SECURE: &str = "__Secure-usher_device";
/// A sign-in at the outside provider that is under way.
pub const JOURNEY: &str = "usher_journey";
/// The same over TLS.
pub const JOURNEY_SECURE: &str = "__Secure-usher_journey";

/// A cookie of usher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who is signed in. Dies with the browser.
    Session,
    /// From which browser somebody signed in before.
    Device,
    /// A sign-in at the outside provider that is under way.
    Journey,
}

impl Kind {
    /// Its name for a scheme.
    pub fn name(self, scheme: Scheme) -> &'static str {
        match (self, scheme) {
            (Kind::Session, Scheme::Http) => SESSION,
            (Kind::Session, Scheme::Https) => SESSION_SECURE,
            (Kind::Device, Scheme::Http) => DEVICE,
            (Kind::Device, Scheme::Https) => DEVICE_SECURE,
            (Kind::Journey, Scheme::Http) => JOURNEY,
            (Kind::Journey, Scheme::Https) => JOURNEY_SECURE,
        }
    }

    /// Where browsers send it, and for how many seconds they keep it; `None`: until they end.
    fn reach(self) -> (&'static str, Option<u32>) {
        match self {
            Kind::Session => ("/", None),
            Kind::Device => ("/_usher/login", Some(400 * 24 * 3600)),
            Kind::Journey => ("/_usher/oidc/", Some(600)),
        }
    }

    /// The header that gives a browser this cookie. `value` is text of usher's own making.
    pub fn set(self, scheme: Scheme, value: &str) -> HeaderValue {
        let (path, max_age_s) = self.reach();
        let max_age = max_age_s.map_or(String::new(), |s| format!("; Max-Age={s}"));
        self.header(scheme, value, path, &max_age)
    }

    /// The header that takes it away again.
    pub fn remove(self, scheme: Scheme) -> HeaderValue {
        let (path, _) = self.reach();
        self.header(scheme, "", path, "; Max-Age=0")
    }

    fn header(self, scheme: Scheme, value: &str, path: &str, max_age: &str) -> HeaderValue {
        let name = self.name(scheme);
        let secure = match scheme {
            Scheme::Http => "",
            Scheme::Https => "; Secure",
        };
        // A return from another site is a navigation, for which Lax cookies are sent.
        let text = format!("{name}={value}; Path={path}{max_age}; HttpOnly; SameSite=Lax{secure}");
        // What usher makes is visible ASCII.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The values of all cookies of this kind in a head, in their order; more than a few are not read.
pub fn values(headers: &HeaderMap, kind: Kind, scheme: Scheme) -> impl Iterator<Item = &str> {
    /// More cookies of one name come from nobody who means well.
    const SAME_NAME_MAX: usize = 4;
    let name = kind.name(scheme);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(move |pair| {
            let (key, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
            (key == name).then_some(value)
        })
        .take(SAME_NAME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        for (lines, expected) in [
            (&[][..], &[][..]),
            (&["usher_session=a"], &["a"]),
            (&["x=1; usher_session=a; y=2"], &["a"]),
            (&["x=1;usher_session=a"], &["a"]),
            (&["x=1", "usher_session=a"], &["a"]),
            (&["usher_session=a", "usher_session=b"], &["a", "b"]),
            (&["usher_session=a; usher_session=b"], &["a", "b"]),
            (&["usher_session="], &[""]),
            (&["usher_session"], &[]),
            (&["usher_session =a"], &[]),
            (&["Usher_Session=a"], &[]),
            (&["xusher_session=a"], &[]),
            (&["__Host-usher_session=a"], &[]),
            (&["usher_session=a=b"], &["a=b"]),
            (&["usher_session=\"a\""], &["\"a\""]),
            (&["\u{9}usher_session=a"], &["a"]),
            (&["x=usher_session=a"], &[]),
            (
                &[
                    "usher_session=1; usher_session=2; usher_session=3; usher_session=4; usher_session=5",
                ],
                &["1", "2", "3", "4"],
            ),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_str(line).expect("a value"));
            }
            let found: Vec<_> = values(&headers, Kind::Session, Scheme::Http).collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn what_browsers_are_told() {
        assert_eq!(
            Kind::Session.set(Scheme::Https, "x"),
            "__Host-usher_session=x; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            Kind::Session.set(Scheme::Http, "x"),
            "usher_session=x; Path=/; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Kind::Session.remove(Scheme::Http),
            "usher_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Kind::Device.set(Scheme::Https, "x"),
            "__Secure-usher_device=x; Path=/_usher/login; Max-Age=34560000; HttpOnly; \
             SameSite=Lax; Secure"
        );
    }
}
