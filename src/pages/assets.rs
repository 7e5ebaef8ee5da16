//! The files a browser loads beside a page: their content, type, version and caching.

use super::files::Files;
use super::response::Response;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The folder of the files, and the start of their names among the templates.
const FOLDER: &str = "assets/";
/// Where a browser finds them.
pub const ASSETS_PATH: &str = "/_usher/assets/";
/// Hexadecimal digits of the version: 64 bits.
const VERSION_DIGITS: usize = 16;

#[derive(Debug, Clone)]
struct Asset {
    bytes: Bytes,
    content_type: &'static str,
    version: String,
}

/// All assets by name.
#[derive(Debug, Clone)]
pub(super) struct Assets {
    assets: BTreeMap<String, Asset>,
}

impl Assets {
    pub(super) fn from_files(files: &Files) -> Assets {
        let assets = files
            .iter()
            .filter_map(|(name, file)| {
                let name = name.strip_prefix(FOLDER)?;
                let content_type = content_type(name)?;
                let bytes = Bytes::from(file.bytes.clone().into_owned());
                let version = version(&bytes);
                Some((name.to_owned(), Asset { bytes, content_type, version }))
            })
            .collect();
        Assets { assets }
    }

    /// The address of an asset, with its version.
    pub(super) fn address(&self, name: &str) -> Option<String> {
        let asset = self.assets.get(name)?;
        Some(format!("{ASSETS_PATH}{name}?v={}", asset.version))
    }

    /// The answer to a request for an asset, `None` if there is none of that name. With the right
    /// version it may be kept for ever; without, it is asked about every time.
    pub(super) fn answer(
        &self,
        name: &str,
        version: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Option<Response> {
        let asset = self.assets.get(name)?;
        let entity_tag = format!("\"{}\"", asset.version);
        let is_known = if_none_match.is_some_and(|tags| matches_tag(tags, &entity_tag));
        let is_versioned = version == Some(asset.version.as_str());
        let mut response = Response {
            status: if is_known { 304 } else { 200 },
            headers: Vec::with_capacity(6),
            body: if is_known { Bytes::new() } else { asset.bytes.clone() },
            problem: None,
        };
        response.set("ETag", entity_tag);
        response.set(
            "Cache-Control",
            if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" },
        );
        if !is_known {
            response.set("Content-Type", asset.content_type);
        }
        response.set("X-Content-Type-Options", "nosniff");
        response.set("Cross-Origin-Resource-Policy", "same-origin");
        Some(response)
    }
}

/// `If-None-Match` compares weakly: `W/"x"` matches `"x"`.
fn matches_tag(tags: &str, entity_tag: &str) -> bool {
    tags.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == entity_tag)
}

fn content_type(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        "woff2" => Some("font/woff2"),
        _ => None,
    }
}

fn version(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(VERSION_DIGITS);
    for byte in Sha256::digest(bytes).iter().take(VERSION_DIGITS / 2) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::super::files::built_in;
    use super::*;

    #[test]
    fn an_asset_is_kept_for_ever_only_under_its_version() {
        let assets = Assets::from_files(&built_in());
        let address = assets.address("usher.css").unwrap();
        let (_, version) = address.split_once("?v=").unwrap();
        let answer = assets.answer("usher.css", Some(version), None).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.header("cache-control").unwrap().contains("immutable"));
        assert_eq!(answer.header("content-type"), Some("text/css; charset=utf-8"));
        for other in [None, Some("0000000000000000")] {
            let answer = assets.answer("usher.css", other, None).unwrap();
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
        }
        assert!(assets.answer("../home.html", None, None).is_none());
    }

    #[test]
    fn a_known_asset_is_not_sent_again() {
        let assets = Assets::from_files(&built_in());
        let tag = assets.answer("usher.js", None, None).unwrap();
        let tag = tag.header("etag").unwrap().to_owned();
        for tags in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = assets.answer("usher.js", None, Some(&tags)).unwrap();
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{tags}");
        }
        assert_eq!(assets.answer("usher.js", None, Some("\"x\"")).unwrap().status, 200);
    }

    #[test]
    fn every_built_in_asset_has_a_content_type() {
        for name in built_in().keys().filter_map(|name| name.strip_prefix(FOLDER)) {
            assert!(content_type(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_in_app_script_stays_small() {
        let files = built_in();
        assert!(files["assets/in_app.js"].bytes.len() < 11 << 10);
    }
}
