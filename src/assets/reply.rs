//! The answer to a request for a file that is in memory: whole, in part, or that the browser has it
//! already (RFC 9110). Pure.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::asset::{Asset, Form};
use crate::answer::Answer;

/// What a request says of the file that it wants, beside its name.
pub(super) struct Wish<'h> {
    headers: &'h HeaderMap,
}

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// From the first byte to the last.
    Bytes(usize, usize),
    /// It has no such part.
    Nowhere,
}

impl<'h> Wish<'h> {
    /// Reads a request's headers.
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        Self { headers }
    }

    /// Whether the browser has this content.
    pub(super) fn knows(&self, asset: &Asset) -> bool {
        self.lines(&header::IF_NONE_MATCH).flat_map(|line| line.split(',')).any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == asset.tag()
        })
    }

    /// Whether only a part is wanted. Parts are of the plain form.
    pub(super) fn wants_part(&self) -> bool {
        self.headers.contains_key(header::RANGE)
    }

    /// The lines of `Accept-Encoding`.
    pub(super) fn accepted(&self) -> impl Iterator<Item = &'h str> {
        self.lines(&header::ACCEPT_ENCODING)
    }

    fn part(&self, asset: &Asset) -> Part {
        // Another version than the one that the browser has a part of is sent whole.
        let same = self.lines(&header::IF_RANGE).all(|tag| tag.trim() == asset.tag());
        match self.lines(&header::RANGE).next().filter(|_| same) {
            Some(range) => part(range, asset.plain().body.len()),
            None => Part::Whole,
        }
    }

    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &'h str> {
        self.headers.get_all(name).iter().filter_map(|line| line.to_str().ok())
    }
}

/// The browser has it.
pub(super) fn known(form: &Form) -> Answer {
    let mut answer = Answer::empty(StatusCode::NOT_MODIFIED);
    for name in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
        if let Some(value) = form.headers.get(&name) {
            answer.set(name, value.clone());
        }
    }
    answer
}

/// All of it.
pub(super) fn whole(form: &Form) -> Answer {
    Answer {
        headers: form.headers.clone(),
        body: form.body.clone(),
        ..Answer::empty(StatusCode::OK)
    }
}

/// The part that is wanted, or all if that is wanted in truth.
pub(super) fn in_part(asset: &Asset, wish: &Wish<'_>) -> Answer {
    let mut answer = whole(asset.plain());
    let length = answer.body.len();
    match wish.part(asset) {
        Part::Whole => answer,
        Part::Bytes(first, last) => {
            answer.status = StatusCode::PARTIAL_CONTENT;
            answer.body = answer.body.slice(first..=last);
            set_range(&mut answer, &format!("bytes {first}-{last}/{length}"));
            answer
        }
        Part::Nowhere => {
            let mut answer = Answer::empty(StatusCode::RANGE_NOT_SATISFIABLE);
            set_range(&mut answer, &format!("bytes */{length}"));
            answer
        }
    }
}

fn set_range(answer: &mut Answer, range: &str) {
    // Digits always fit.
    if let Ok(range) = HeaderValue::from_str(range) {
        answer.set(header::CONTENT_RANGE, range);
    }
}

/// Reads `bytes=0-99`. Several parts at once are answered with the whole, which is allowed, and so
/// is what cannot be read.
fn part(range: &str, length: usize) -> Part {
    let Some((first, last)) =
        range.trim().strip_prefix("bytes=").and_then(|one| one.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| text.parse::<usize>().ok();
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Part::Whole;
    }
    match (number(first), number(last)) {
        // The last so many.
        (None, Some(0)) => Part::Nowhere,
        (None, Some(count)) if first.is_empty() && length > 0 => {
            Part::Bytes(length.saturating_sub(count), length - 1)
        }
        (Some(first), Some(last)) if last < first => Part::Whole,
        (Some(first), _) if first >= length => Part::Nowhere,
        (Some(first), Some(last)) => Part::Bytes(first, last.min(length - 1)),
        (Some(first), None) if last.is_empty() => Part::Bytes(first, length - 1),
        (None | Some(_), None | Some(_)) => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::asset::Keeping;
    use super::super::coding::{Accepted, Coding};
    use super::super::pack::Effort;
    use super::*;

    #[test]
    fn parts() {
        for (range, expected) in [
            ("bytes=0-3", Part::Bytes(0, 3)),
            ("bytes=2-", Part::Bytes(2, 9)),
            ("bytes=9-9", Part::Bytes(9, 9)),
            ("bytes=0-999", Part::Bytes(0, 9)),
            ("bytes=-3", Part::Bytes(7, 9)),
            ("bytes=-99", Part::Bytes(0, 9)),
            ("bytes= 1 - 2 ", Part::Bytes(1, 2)),
            ("bytes=10-", Part::Nowhere),
            ("bytes=10-12", Part::Nowhere),
            ("bytes=-0", Part::Nowhere),
            ("bytes=3-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=--1", Part::Whole),
            ("bytes=99999999999999999999999-", Part::Whole),
            ("lines=0-3", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Nowhere);
        assert_eq!(part("bytes=-1", 0), Part::Whole);
    }

    fn asset() -> Asset {
        let asset = Asset::new(Bytes::from("0123456789".repeat(100)), "a.js", Keeping::ForEver);
        assert!(asset.pack(Coding::Gzip, Effort::Best));
        asset
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn who_has_it_is_told_so() {
        let asset = asset();
        let tag = asset.tag().to_owned();
        for (line, knows) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"x\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"x\"".to_owned(), false),
            (tag.trim_matches('"').to_owned(), false),
        ] {
            let headers = headers(&[("if-none-match", &line)]);
            assert_eq!(Wish::of(&headers).knows(&asset), knows, "{line}");
        }
        assert!(!Wish::of(&HeaderMap::new()).knows(&asset));
        let form = asset.choose(&Accepted::of(["gzip"])).ok().unwrap().form;
        let answer = known(&form);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0));
        assert_eq!(answer.headers.get("etag").unwrap(), &format!("W/{tag}"));
        assert!(
            answer.headers.contains_key("vary") && answer.headers.contains_key("cache-control")
        );
        assert!(!answer.headers.contains_key("content-encoding"));
    }

    #[test]
    fn a_part_is_of_the_plain_form_and_of_the_version_that_the_browser_has() {
        let asset = asset();
        let tag = asset.tag().to_owned();
        let ask = |lines: &[(&'static str, &str)]| {
            let headers = headers(lines);
            let wish = Wish::of(&headers);
            assert!(wish.wants_part());
            in_part(&asset, &wish)
        };
        let answer = ask(&[("range", "bytes=10-13"), ("accept-encoding", "gzip")]);
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (206, &b"0123"[..]));
        assert_eq!(answer.headers.get("content-range").unwrap(), "bytes 10-13/1000");
        assert!(!answer.headers.contains_key("content-encoding"));
        let answer = ask(&[("range", "bytes=1000-")]);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (416, 0));
        assert_eq!(answer.headers.get("content-range").unwrap(), "bytes */1000");
        for (if_range, status) in [
            (tag.clone(), 206),
            (format!("W/{tag}"), 200),
            ("\"x\"".to_owned(), 200),
            ("Thu, 26 Nov 2026 06:59:39 GMT".to_owned(), 200),
        ] {
            let answer = ask(&[("range", "bytes=0-3"), ("if-range", &if_range)]);
            assert_eq!(answer.status.as_u16(), status, "{if_range}");
        }
    }
}
