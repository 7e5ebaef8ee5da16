//! Which language a person reads: Korean or English. It must not know any text.

pub use crate::domain::Language;

/// A header longer than this is not from a person's browser; the rest of it is not read.
const HEADER_LENGTH_MAX_BYTES: usize = 1024;

/// Chooses the language: the configured one, else the best of `Accept-Language`.
///
/// Without a header the answer is Korean, which most users read. A header that names neither
/// Korean nor English belongs to somebody who is more likely to read English.
pub fn choose_language(accept: Option<&str>, configured: Option<Language>) -> Language {
    if let Some(language) = configured {
        return language;
    }
    let header = accept.map(str::trim).unwrap_or_default();
    if header.is_empty() {
        return Language::Korean;
    }
    let header = if header.len() > HEADER_LENGTH_MAX_BYTES {
        header.get(..HEADER_LENGTH_MAX_BYTES).unwrap_or_default()
    } else {
        header
    };
    let korean = quality(header, "ko");
    let english = quality(header, "en");
    if korean > 0.0 && korean >= english { Language::Korean } else { Language::English }
}

/// The weight the header gives to `tag`, by RFC 9110: the most specific range counts, 0 is "not".
/// Between equal weights the one named first wins, so later ranges weigh a hair less.
fn quality(header: &str, tag: &str) -> f32 {
    let mut named = None::<f32>;
    let mut any = 0.0;
    for (place, part) in header.split(',').enumerate() {
        let mut pieces = part.split(';').map(str::trim);
        let range = pieces.next().unwrap_or_default();
        let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(1.0, weight_of);
        let weight = if weight > 0.0 { weight - place as f32 * 1e-5 } else { 0.0 };
        let primary = range.split('-').next().unwrap_or_default();
        if primary.eq_ignore_ascii_case(tag) {
            named = Some(named.map_or(weight, |before| before.max(weight)));
        } else if range == "*" {
            any = weight;
        }
    }
    named.unwrap_or(any)
}

/// A malformed weight counts as 0: the range is ignored rather than preferred.
fn weight_of(text: &str) -> f32 {
    let weight = text.parse::<f32>().unwrap_or(0.0);
    if (0.0..=1.0).contains(&weight) { weight } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{English, Korean};

    #[test]
    fn accept_language_table() {
        let table: &[(Option<&str>, Language)] = &[
            (None, Korean),
            (Some(""), Korean),
            (Some("  "), Korean),
            (Some("ko"), Korean),
            (Some("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"), Korean),
            (Some("KO-kr"), Korean),
            (Some("en-US,en;q=0.9,ko;q=0.8"), English),
            (Some("en;q=0.5, ko;q=0.9"), Korean),
            (Some("en,ko"), English),
            (Some("ko,en"), Korean),
            (Some("*"), Korean),
            (Some("en;q=0.1,*"), Korean),
            (Some("ko;q=0,*"), English),
            (Some("fr-FR,fr;q=0.9"), English),
            (Some("ja,en;q=0.5,ko;q=0.6"), Korean),
            (Some("kok"), English),
            (Some("ko;q=high,en;q=0.2"), English),
            (Some("ko;q=7"), English),
            (Some(";;;,,,"), English),
        ];
        for (header, expected) in table {
            assert_eq!(choose_language(*header, None), *expected, "{header:?}");
        }
    }

    #[test]
    fn the_configured_language_wins() {
        assert_eq!(choose_language(Some("ko"), Some(English)), English);
        assert_eq!(choose_language(Some("en"), Some(Korean)), Korean);
    }

    #[test]
    fn a_very_long_header_is_read_only_at_its_beginning() {
        let header = format!("en{}", ",ko;q=1".repeat(10_000));
        assert_eq!(choose_language(Some(&header), None), English);
    }
}
