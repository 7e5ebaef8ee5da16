//! One file that browsers load, in every form that was asked for: plain, and packed in several
//! ways, at first quickly and later well. Knows no folder and no request.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use sha2::{Digest, Sha256};
use std::sync::Arc;

use super::coding::{Accepted, CODINGS, Coding};
use super::pack::{Effort, WORTH_PACKING_BYTES_MIN, pack};

/// Bytes of the content's digest in the entity tag.
const TAG_BYTES: usize = 16;

/// How long a browser may keep a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// For ever: its name changes with its content, as Streamlit says of its own files.
    ForEver,
    /// It has to ask each time whether it changed.
    Ask,
}

impl Keeping {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Keeping::ForEver => "public, immutable, max-age=31536000",
            Keeping::Ask => "no-cache",
        })
    }
}

/// A file.
pub(super) struct Asset {
    /// The entity tag of the plain form, with its quotes. Packed forms have it as a weak one: they
    /// mean the same, but are not the same bytes for ever.
    tag: String,
    /// Whether packing makes it smaller.
    worth_packing: AtomicBool,
    plain: Arc<Form>,
    packed: [ArcSwapOption<Form>; CODINGS],
    /// Which forms are being packed well, or were.
    ordered: [AtomicBool; CODINGS],
    /// When it was last asked for, in steps of the shelf's own clock.
    pub(super) used: AtomicU64,
}

/// A file in one form, with the head of its answer.
pub(super) struct Form {
    /// All headers of a whole answer but its length.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    effort: Effort,
}

/// What there is for a request.
pub(super) struct Choice {
    /// What to send.
    pub(super) form: Arc<Form>,
    /// What would be better, and nobody has ordered yet.
    pub(super) wanted: Option<Coding>,
}

impl Asset {
    /// A file with this content and name.
    pub(super) fn new(content: Bytes, name: &str, keeping: Keeping) -> Self {
        let kind = Kind::of(name);
        let digest = Sha256::digest(&content);
        let mut tag = String::from("\"");
        for byte in &digest[..TAG_BYTES] {
            // Writing to a String cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        let worth_packing = kind.is_text && content.len() >= WORTH_PACKING_BYTES_MIN;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.media_type));
        headers.insert(header::CACHE_CONTROL, keeping.header());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if worth_packing {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        set_tag(&mut headers, &tag);
        Self {
            tag,
            worth_packing: AtomicBool::new(worth_packing),
            plain: Arc::new(Form { headers, body: content, effort: Effort::Best }),
            packed: Default::default(),
            ordered: Default::default(),
            used: AtomicU64::new(0),
        }
    }

    /// The entity tag of the plain form, with its quotes.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// The plain form.
    pub(super) fn plain(&self) -> &Arc<Form> {
        &self.plain
    }

    /// What to send to somebody who accepts this; `Err`: it has to be packed first, and that is
    /// quickest so.
    pub(super) fn choose(&self, accepted: &Accepted) -> Result<Choice, Coding> {
        let best = accepted.best();
        if best == Coding::Plain || !self.worth_packing.load(Ordering::Relaxed) {
            return Ok(Choice { form: Arc::clone(&self.plain), wanted: None });
        }
        let form = |coding: Coding| self.packed[coding.place()].load_full();
        if let Some(form) = form(best)
            && form.effort == Effort::Best
        {
            return Ok(Choice { form, wanted: None });
        }
        let wanted = (!self.ordered[best.place()].load(Ordering::Relaxed)).then_some(best);
        let mut ready: Vec<Arc<Form>> = accepted.by_size().filter_map(form).collect();
        ready.sort_by_key(|form| form.body.len());
        match ready.into_iter().next() {
            Some(form) => Ok(Choice { form, wanted }),
            None => Err(accepted.quickest()),
        }
    }

    /// Packs it, and says whether that changed how much memory it takes. Takes its time.
    pub(super) fn pack(&self, coding: Coding, effort: Effort) -> bool {
        let place = &self.packed[coding.place()];
        if place.load().as_ref().is_some_and(|form| form.effort == Effort::Best) {
            return false;
        }
        let Some(body) = pack(coding, effort, &self.plain.body) else {
            self.worth_packing.store(false, Ordering::Relaxed);
            return false;
        };
        let mut headers = self.plain.headers.clone();
        headers.remove(header::ACCEPT_RANGES);
        if let Some(token) = coding.token() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(token));
        }
        set_tag(&mut headers, &format!("W/{}", self.tag));
        place.store(Some(Arc::new(Form { headers, body, effort })));
        true
    }

    /// Orders the best of a coding; false if somebody has already.
    pub(super) fn order(&self, coding: Coding) -> bool {
        !self.ordered[coding.place()].swap(true, Ordering::Relaxed)
    }

    /// Nobody will carry the order out.
    pub(super) fn cancel(&self, coding: Coding) {
        self.ordered[coding.place()].store(false, Ordering::Relaxed);
    }

    /// The memory that all forms take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let packed = self.packed.iter().filter_map(|form| form.load_full());
        self.plain.body.len() + packed.map(|form| form.body.len()).sum::<usize>()
    }
}

fn set_tag(headers: &mut HeaderMap, tag: &str) {
    // Hexadecimal digits and quotes always fit.
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
}

/// What a file is, by the end of its name.
struct Kind {
    media_type: &'static str,
    is_text: bool,
}

impl Kind {
    fn of(name: &str) -> Self {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let (media_type, is_text) = match ending {
            "js" | "mjs" => ("text/javascript; charset=utf-8", true),
            "css" => ("text/css; charset=utf-8", true),
            "html" => ("text/html; charset=utf-8", true),
            "json" | "map" => ("application/json", true),
            "txt" => ("text/plain; charset=utf-8", true),
            "svg" => ("image/svg+xml", true),
            "wasm" => ("application/wasm", true),
            "ttf" => ("font/ttf", true),
            "otf" => ("font/otf", true),
            "ico" => ("image/vnd.microsoft.icon", true),
            "woff" => ("font/woff", false),
            "woff2" => ("font/woff2", false),
            "png" => ("image/png", false),
            "gif" => ("image/gif", false),
            "jpg" | "jpeg" => ("image/jpeg", false),
            "webp" => ("image/webp", false),
            "avif" => ("image/avif", false),
            "mp3" => ("audio/mpeg", false),
            "mp4" => ("video/mp4", false),
            _ => ("application/octet-stream", false),
        };
        Self { media_type, is_text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Asset {
        Asset::new(Bytes::from("let a = 1;\n".repeat(500)), "static/js/a.js", Keeping::ForEver)
    }

    fn chosen(
        asset: &Asset,
        line: &str,
    ) -> Result<(Option<String>, Effort, Option<Coding>), Coding> {
        asset.choose(&Accepted::of([line])).map(|choice| {
            let coding = choice.form.headers.get(header::CONTENT_ENCODING);
            let coding = coding.map(|value| value.to_str().unwrap().to_owned());
            (coding, choice.form.effort, choice.wanted)
        })
    }

    #[test]
    fn the_quickest_first_then_the_best() {
        let asset = script();
        let all = "gzip, deflate, br, zstd";
        assert_eq!(chosen(&asset, ""), Ok((None, Effort::Best, None)));
        assert_eq!(chosen(&asset, all), Err(Coding::Zstd));
        assert!(asset.pack(Coding::Zstd, Effort::Quick));
        let quick = (Some("zstd".to_owned()), Effort::Quick, Some(Coding::Brotli));
        assert_eq!(chosen(&asset, all), Ok(quick));
        assert_eq!(chosen(&asset, "gzip"), Err(Coding::Gzip));
        assert!(asset.order(Coding::Brotli));
        assert!(!asset.order(Coding::Brotli), "once is enough");
        let ordered = (Some("zstd".to_owned()), Effort::Quick, None);
        assert_eq!(chosen(&asset, all), Ok(ordered));
        assert!(asset.pack(Coding::Brotli, Effort::Best));
        let best = (Some("br".to_owned()), Effort::Best, None);
        assert_eq!(chosen(&asset, all), Ok(best.clone()));
        assert!(!asset.pack(Coding::Brotli, Effort::Quick), "the best is not replaced");
        assert_eq!(chosen(&asset, all), Ok(best));
    }

    #[test]
    fn heads_say_what_the_form_is() {
        let asset = script();
        asset.pack(Coding::Gzip, Effort::Best);
        let form = asset.choose(&Accepted::of(["gzip"])).ok().unwrap().form;
        let line = |form: &Form, name| {
            form.headers.get(name).map(|v: &HeaderValue| v.to_str().unwrap().to_owned())
        };
        assert_eq!(line(&form, header::CONTENT_TYPE).unwrap(), "text/javascript; charset=utf-8");
        assert_eq!(
            line(&form, header::CACHE_CONTROL).unwrap(),
            "public, immutable, max-age=31536000"
        );
        assert_eq!(line(&form, header::VARY).unwrap(), "Accept-Encoding");
        assert_eq!(line(&form, header::ETAG).unwrap(), format!("W/{}", asset.tag()));
        assert_eq!(line(&form, header::ACCEPT_RANGES), None, "ranges are of the plain form");
        assert_eq!(line(asset.plain(), header::ETAG).unwrap(), asset.tag());
        assert_eq!(line(asset.plain(), header::ACCEPT_RANGES).unwrap(), "bytes");
        assert_eq!(line(asset.plain(), header::VARY).unwrap(), "Accept-Encoding");
        assert_eq!(asset.bytes(), asset.plain().body.len() + form.body.len());
    }

    #[test]
    fn what_is_packed_already_is_not_packed_again() {
        let picture =
            Asset::new(Bytes::from(vec![b'a'; 5000]), "static/media/a.png", Keeping::ForEver);
        assert_eq!(chosen(&picture, "br"), Ok((None, Effort::Best, None)));
        assert!(!picture.plain().headers.contains_key(header::VARY));
        let small = Asset::new(Bytes::from("a {}"), "a.css", Keeping::Ask);
        assert_eq!(chosen(&small, "br"), Ok((None, Effort::Best, None)));
        assert_eq!(small.plain().headers.get(header::CACHE_CONTROL).unwrap(), "no-cache");
    }

    #[test]
    fn noise_is_found_not_to_become_smaller() {
        let noise: Vec<u8> = (0..4096_u32)
            .map(|at| (at.wrapping_mul(at).wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let asset = Asset::new(Bytes::from(noise), "a.js", Keeping::ForEver);
        let coding = chosen(&asset, "br").unwrap_err();
        let grew = asset.pack(coding, Effort::Best);
        assert!(grew || chosen(&asset, "br") == Ok((None, Effort::Best, None)));
    }
}
