//! Where a browser may be sent after signing in: paths of this site, and nothing that any browser
//! could read as another site's address.

use crate::request::path_is_sound;

/// The longest path with query, in bytes.
const NEXT_BYTES_MAX: usize = 2048;
/// Leads nobody in circles, and signs nobody out or in again.
const OWN: &str = "/_usher/";

/// `next` if it is a path of this site that a browser may be sent to; else `/`.
pub fn safe_next(next: &str) -> &str {
    if is_safe(next) { next } else { "/" }
}

fn is_safe(next: &str) -> bool {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    // Browsers read `\` as `/`, leave tabs and line ends out, and `//host` as another site. Only
    // visible ASCII is let through, which is also all that a `Location` header can hold.
    next.len() <= NEXT_BYTES_MAX
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && path.starts_with('/')
        && !path.contains("//")
        && path_is_sound(path)
        && !hides_a_separator(path)
        && !path.starts_with(OWN)
}

/// Whether an escape becomes a slash or a backslash for somebody who decodes too early.
fn hides_a_separator(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("%2f") || path.contains("%5c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_site() {
        for next in [
            "/",
            "/app/main/",
            "/app/main/?page=2&x=%2F%2Fevil.example",
            "/app/main/#//evil.example",
            "/app/main/?next=https://evil.example/",
            "/admin/users",
            "/%EB%AF%BC%EC%88%98",
            "/app/main/a@b:c",
        ] {
            assert_eq!(safe_next(next), next);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_leads_home() {
        let long = format!("/{}", "x".repeat(NEXT_BYTES_MAX));
        for next in [
            "",
            "app/main/",
            "?x",
            "#x",
            "//evil.example",
            "///evil.example",
            "////evil.example/%2e%2e",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nLocation: https://evil.example",
            "\t//evil.example",
            " //evil.example",
            " /x",
            "/x ",
            "/\0/evil.example",
            "https://evil.example/",
            "HTTPS://evil.example/",
            "https:evil.example",
            "https:/evil.example",
            "http:///evil.example",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "/%2f/evil.example",
            "/%5c/evil.example",
            "/%5Cevil.example",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:x=1",
            "/.//evil.example",
            "/..//evil.example",
            "/../evil.example",
            "/./",
            "/%2e%2e/x",
            "/app//evil.example",
            "/app/%00",
            "/app/%",
            "/app/%zz",
            "@evil.example",
            "/민수",
            "/\u{a0}/evil.example",
            "\u{2028}//evil.example",
            "／／evil.example",
            "/_usher/login?next=/",
            "/_usher/logout",
            "/_usher/oidc/callback?code=x",
            &long,
        ] {
            assert_eq!(safe_next(next), "/", "{next:?}");
        }
    }
}
