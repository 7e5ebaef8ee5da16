//! Numbers: whole ones, durations, sizes, rates, cores, ports. Each carries its unit; a bare number
//! where a unit is needed is refused rather than guessed.

use serde_json::{Value as Json, json};

use super::Scalar;
use crate::config;
use crate::config::report::{Wrong, quoted, wrong};

/// The longest duration that is taken: a hundred years.
const DURATION_MS_MAX: u64 = 100 * 365 * 24 * 3600 * 1000;
/// The largest size that is taken: a pebibyte.
const SIZE_BYTES_MAX: u64 = 1 << 50;

const DURATION_UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
];
const SIZE_UNITS: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A whole number between two bounds.
pub(in crate::config) struct Whole {
    /// The smallest.
    pub(in crate::config) least: u32,
    /// The largest.
    pub(in crate::config) most: u32,
}

impl Scalar for Whole {
    type Value = u32;

    fn expected(&self) -> String {
        format!("a whole number from {} to {}", self.least, self.most)
    }

    fn parse(&self, text: &str, plain: bool) -> Result<u32, Wrong> {
        let hint = if !plain && is_digits(text) { "write it without quotes" } else { "" };
        match text.parse() {
            Ok(number)
                if plain && is_digits(text) && (self.least..=self.most).contains(&number) =>
            {
                Ok(number)
            }
            Ok(_) | Err(_) => {
                Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint))
            }
        }
    }

    fn show(&self, value: &u32) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": self.least, "maximum": self.most })
    }
}

/// A duration in milliseconds.
pub(in crate::config) struct Span {
    /// The shortest, in milliseconds.
    pub(in crate::config) least_ms: u64,
}

impl Scalar for Span {
    type Value = u64;

    fn expected(&self) -> String {
        "a duration such as 30s, 15m, 8h or 400d".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<u64, Wrong> {
        let ms = duration_ms(text)?;
        if ms < self.least_ms {
            let least = show_duration_ms(self.least_ms);
            return Err(wrong(
                format!("{} is too short", quoted(text)),
                format!("at least {least}"),
            ));
        }
        Ok(ms)
    }

    fn show(&self, value: &u64) -> String {
        show_duration_ms(*value)
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$" })
    }
}

fn duration_ms(text: &str) -> Result<u64, Wrong> {
    let expected = "a whole number and a unit: 500ms, 30s, 15m, 8h or 400d";
    if text != "0" && is_digits(text) {
        let hint = format!("write {text}s for seconds or {text}m for minutes");
        return Err(wrong(format!("{} has no unit", quoted(text)), hint));
    }
    let (number, unit_ms) = number_and_unit(text, &DURATION_UNITS)
        .ok_or_else(|| wrong(format!("{} is no duration", quoted(text)), expected))?;
    number
        .checked_mul(unit_ms)
        .filter(|ms| *ms <= DURATION_MS_MAX)
        .ok_or_else(|| wrong(format!("{} is too long", quoted(text)), "at most a hundred years"))
}

/// A duration in the notation of the file, in the largest unit that keeps it whole.
pub(in crate::config) fn show_duration_ms(ms: u64) -> String {
    // Weeks are read but not written: 14d is clearer beside 30d than 2w.
    let unit =
        DURATION_UNITS[..5].iter().rev().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms) && ms > 0);
    unit.map_or("0s".to_owned(), |(name, unit_ms)| format!("{}{name}", ms / unit_ms))
}

/// A size in bytes.
pub(in crate::config) struct Bytes {
    /// The smallest, in bytes.
    pub(in crate::config) least_bytes: u64,
}

impl Scalar for Bytes {
    type Value = u64;

    fn expected(&self) -> String {
        "a size such as 200MiB or 2GiB".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<u64, Wrong> {
        let bytes = size_bytes(text)?;
        if bytes < self.least_bytes {
            let least = show_size_bytes(self.least_bytes);
            return Err(wrong(
                format!("{} is too small", quoted(text)),
                format!("at least {least}"),
            ));
        }
        Ok(bytes)
    }

    fn show(&self, value: &u64) -> String {
        show_size_bytes(*value)
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)$" })
    }
}

fn size_bytes(text: &str) -> Result<u64, Wrong> {
    if is_digits(text) {
        let hint = format!("write {text}MiB, or {text}B for bytes");
        return Err(wrong(format!("{} has no unit", quoted(text)), hint));
    }
    let Some((number, unit_bytes)) = number_and_unit(text, &SIZE_UNITS) else {
        let digits = text.chars().take_while(char::is_ascii_digit).count();
        let unit = text.get(digits..).unwrap_or("").trim().to_ascii_lowercase();
        let meant = SIZE_UNITS.iter().find(|(name, _)| {
            let name = name.to_ascii_lowercase();
            unit == name || unit == name.replace('i', "") || unit == name.replace("ib", "")
        });
        let hint = match meant {
            Some((name, _)) if digits > 0 => format!("write {}{name}", &text[..digits]),
            Some(_) | None => "a whole number and a unit: 64KiB, 200MiB or 2GiB".to_owned(),
        };
        return Err(wrong(format!("{} is no size", quoted(text)), hint));
    };
    number
        .checked_mul(unit_bytes)
        .filter(|bytes| *bytes <= SIZE_BYTES_MAX)
        .ok_or_else(|| wrong(format!("{} is too large", quoted(text)), "at most 1024TiB"))
}

/// A size in the notation of the file, in the largest unit that keeps it whole.
pub(in crate::config) fn show_size_bytes(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().rev().find(|(_, unit)| bytes.is_multiple_of(*unit) && bytes > 0);
    unit.map_or("0B".to_owned(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// So many within a time, as `5/15m`.
pub(in crate::config) struct Attempts;

impl Scalar for Attempts {
    type Value = config::Attempts;

    fn expected(&self) -> String {
        "so many within a time, such as \"5/15m\"".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<config::Attempts, Wrong> {
        let refused = || wrong(format!("must be {}, not {}", self.expected(), quoted(text)), "");
        let (count, within) = text.split_once('/').ok_or_else(refused)?;
        if !is_digits(count) {
            return Err(refused());
        }
        let attempts_max = count.parse().ok().filter(|n| *n > 0).ok_or_else(refused)?;
        let within_ms = Span { least_ms: 1000 }.parse(within, true)?;
        Ok(config::Attempts { attempts_max, within_ms })
    }

    fn show(&self, value: &config::Attempts) -> String {
        format!("{}/{}", value.attempts_max, show_duration_ms(value.within_ms))
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[1-9][0-9]*/[0-9]+(ms|s|m|h|d|w)$" })
    }
}

/// Cores of the machine, in thousandths.
pub(in crate::config) struct Cores;

/// With less, an app does not answer a question about its health in time, or takes minutes to end.
const MILLICORES_MIN: u32 = 50;
/// More than any machine has. Not the number of this one's cores: the file may be checked on
/// another, and a limit that is no limit does no harm; `usher doctor` says so.
const MILLICORES_MAX: u32 = 4_096_000;

impl Scalar for Cores {
    type Value = u32;

    fn expected(&self) -> String {
        "a number of cores such as 0.5 or 2".to_owned()
    }

    fn parse(&self, text: &str, plain: bool) -> Result<u32, Wrong> {
        let refused = || {
            let hint = "at least 0.05, at most 4096, at most three digits behind the point";
            wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint)
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if !plain || !is_digits(whole) || !is_digits(part) || part.len() > 3 || whole.len() > 4 {
            return Err(refused());
        }
        let whole: u32 = whole.parse().map_err(|_| refused())?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| refused())?;
        let millicores = whole * 1000 + part;
        if (MILLICORES_MIN..=MILLICORES_MAX).contains(&millicores) {
            Ok(millicores)
        } else {
            Err(refused())
        }
    }

    fn show(&self, value: &u32) -> String {
        let shown = format!("{}.{:03}", value / 1000, value % 1000);
        shown.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "number", "minimum": 0.05, "maximum": 4096 })
    }
}

/// A port, 1 to 65535.
pub(in crate::config) struct Port;

impl Scalar for Port {
    type Value = u16;

    fn expected(&self) -> String {
        "a port from 1 to 65535".to_owned()
    }

    fn parse(&self, text: &str, plain: bool) -> Result<u16, Wrong> {
        let hint = if !plain && is_digits(text) { "write it without quotes" } else { "" };
        plain.then(|| port(text)).flatten().ok_or_else(|| {
            wrong(format!("must be {}, not {}", self.expected(), quoted(text)), hint)
        })
    }

    fn show(&self, value: &u16) -> String {
        value.to_string()
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": 65535 })
    }
}

/// The first and the last port of a range.
pub(in crate::config) struct PortRange;

impl Scalar for PortRange {
    type Value = (u16, u16);

    fn expected(&self) -> String {
        "a range of ports such as 8501-8999".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<(u16, u16), Wrong> {
        if port(text).is_some() {
            let hint = format!("write {text}-{text} for this one port");
            return Err(wrong(format!("must be {}", self.expected()), hint));
        }
        let ends = text
            .split_once('-')
            .and_then(|(first, last)| Some((port(first.trim())?, port(last.trim())?)));
        match ends {
            Some((first, last)) if first > last => Err(wrong(
                format!("{} ends before it begins", quoted(text)),
                format!("write {last}-{first}"),
            )),
            Some(ends) => Ok(ends),
            None => Err(wrong(format!("must be {}, not {}", self.expected(), quoted(text)), "")),
        }
    }

    fn show(&self, (first, last): &(u16, u16)) -> String {
        format!("{first}-{last}")
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]{1,5} *- *[0-9]{1,5}$" })
    }
}

fn port(text: &str) -> Option<u16> {
    if is_digits(text) { text.parse().ok().filter(|port| *port > 0) } else { None }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    if text == "0" {
        return Some((0, 1));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    // More digits than fit are too much of any unit.
    if number.is_empty() { None } else { Some((number.parse().unwrap_or(u64::MAX), *factor)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_written_as_they_are_read() {
        let span = Span { least_ms: 0 };
        for (text, ms, shown) in [
            ("500ms", 500, "500ms"),
            ("1500ms", 1500, "1500ms"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1m"),
            ("8h", 28_800_000, "8h"),
            ("24h", 86_400_000, "1d"),
            ("2w", 14 * 86_400_000, "14d"),
            ("400d", 400 * 86_400_000, "400d"),
            ("0s", 0, "0s"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(span.parse(text, true), Ok(ms), "{text}");
            assert_eq!(span.show(&ms), shown, "{text}");
        }
        let bytes = Bytes { least_bytes: 0 };
        for (text, size, shown) in [
            ("200MiB", 200 << 20, "200MiB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("1000B", 1000, "1000B"),
            ("2GiB", 2 << 30, "2GiB"),
            ("0B", 0, "0B"),
        ] {
            assert_eq!(bytes.parse(text, true), Ok(size), "{text}");
            assert_eq!(bytes.show(&size), shown, "{text}");
        }
        for (text, millicores, shown) in
            [("1.5", 1500, "1.5"), ("2", 2000, "2"), ("0.125", 125, "0.125")]
        {
            assert_eq!(Cores.parse(text, true), Ok(millicores), "{text}");
            assert_eq!(Cores.show(&millicores), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_unit_is_told_with_the_right_one() {
        let bytes = Bytes { least_bytes: 1024 };
        for (text, hint) in [
            ("200MB", "write 200MiB"),
            ("200mib", "write 200MiB"),
            ("2 G", "write 2GiB"),
            ("200", "write 200MiB, or 200B for bytes"),
            ("x", "a whole number and a unit: 64KiB, 200MiB or 2GiB"),
            ("1.5GiB", "a whole number and a unit: 64KiB, 200MiB or 2GiB"),
            ("1KiB", ""),
            ("1B", "at least 1KiB"),
            ("99999999999999999999TiB", "at most 1024TiB"),
        ] {
            let told = bytes.parse(text, true).err().map_or(String::new(), |wrong| wrong.hint);
            assert_eq!(told, hint, "{text}");
        }
    }
}
