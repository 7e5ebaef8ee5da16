//! What a path below a Streamlit app's root is, as far as its front end is concerned. Pure.
//!
//! Streamlit answers every path that it does not know with the index page, because pages of an app
//! are known to the browser only. Here only what a page can be called is taken for one; everything
//! else is for the app to answer.

use percent_encoding::percent_decode_str;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontPath<'p> {
    /// The app's root, or one of its pages.
    Index,
    /// A file below `static/`; with that, without a leading slash.
    Static(&'p str),
    /// What may be a file beside the index page, such as `favicon.png`.
    Beside(&'p str),
    /// The app's own business.
    Elsewhere,
}

/// First segments that are no pages in any version.
const NO_PAGES: [&str; 10] = [
    "_stcore",
    "app",
    "auth",
    "component",
    "healthz",
    "media",
    "oauth2callback",
    "script-health-check",
    "st-metrics",
    "static",
];

impl<'p> FrontPath<'p> {
    /// Reads a path below the app's root, with its leading slash.
    pub fn of(rest: &'p str) -> Self {
        let Some(inner) = rest.strip_prefix('/') else { return FrontPath::Elsewhere };
        if inner.is_empty() {
            return FrontPath::Index;
        }
        if inner.starts_with("static/") {
            return if is_file_path(inner) {
                FrontPath::Static(inner)
            } else {
                FrontPath::Elsewhere
            };
        }
        let name = percent_decode_str(inner).decode_utf8_lossy();
        if name.contains('/') || NO_PAGES.contains(&&*name) {
            FrontPath::Elsewhere
        } else if !name.contains('.') {
            FrontPath::Index
        } else if is_file_path(inner) && inner != "index.html" {
            FrontPath::Beside(inner)
        } else {
            FrontPath::Elsewhere
        }
    }
}

/// Whether a path names a file plainly: nothing escaped, no empty segment, nothing hidden.
fn is_file_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~@+".contains(&byte);
    path.bytes().all(plain)
        && path.split('/').all(|segment| !segment.is_empty() && !segment.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_are() {
        use FrontPath::{Beside, Elsewhere, Index, Static};
        for (rest, expected) in [
            ("/", Index),
            ("/page2", Index),
            ("/5G_특성", Index),
            ("/%ED%95%9C%EA%B8%80", Index),
            ("/statics", Index),
            ("/static/js/index.DormvYxC.js", Static("static/js/index.DormvYxC.js")),
            ("/static/media/a-b_c~d.woff2", Static("static/media/a-b_c~d.woff2")),
            ("/favicon.png", Beside("favicon.png")),
            ("/manifest.json", Beside("manifest.json")),
            ("/index.html", Elsewhere),
            ("/static/", Elsewhere),
            ("/static/js/", Elsewhere),
            ("/static//x.js", Elsewhere),
            ("/static/.hidden", Elsewhere),
            ("/static/../index.html", Elsewhere),
            ("/static/%2e%2e/index.html", Elsewhere),
            ("/static/js%2fx.js", Elsewhere),
            ("/.hidden", Elsewhere),
            ("/page/", Elsewhere),
            ("/page/below", Elsewhere),
            ("/page%2Fbelow", Elsewhere),
            ("/_stcore/health", Elsewhere),
            ("/_stcore", Elsewhere),
            ("/%5fstcore", Elsewhere),
            ("/media/abc.png", Elsewhere),
            ("/component/x/index.html", Elsewhere),
            ("/oauth2callback", Elsewhere),
            ("/app/static/x.png", Elsewhere),
            ("//", Elsewhere),
            ("", Elsewhere),
        ] {
            assert_eq!(FrontPath::of(rest), expected, "{rest}");
        }
    }
}
