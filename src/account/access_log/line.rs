//! One line: a JSON object of one level, built by hand because there are thousands a second.

use std::io::Write;

use jiff::tz::TimeZone;

use crate::account::facts::AccessFact;
use crate::clock::Timestamp;

/// As much of a path as is kept, in bytes.
const PATH_BYTES_MAX: usize = 2_048;

const MINUTE_MS: i64 = 60_000;

/// Times as text. All but the seconds is the same for a minute, and is made once for it.
#[derive(Default)]
pub(super) struct Times {
    minute: Option<i64>,
    zone: Option<TimeZone>,
    /// `2026-07-01T15:04:`
    head: String,
    /// `+09:00`
    offset: String,
}

impl Times {
    /// Adds the line of a request.
    pub(super) fn write_line(&mut self, zone: &TimeZone, fact: &AccessFact, line: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = self.try_write_line(zone, fact, line);
    }

    fn try_write_line(
        &mut self,
        zone: &TimeZone,
        fact: &AccessFact,
        line: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        line.extend_from_slice(b"{\"time\":\"");
        self.write_time(zone, fact.at, line)?;
        write!(line, "\",\"address\":\"{}\",\"user\":", fact.address)?;
        match &fact.user {
            Some(user) => text(user.as_str(), line),
            None => line.extend_from_slice(b"null"),
        }
        line.extend_from_slice(b",\"method\":");
        text(fact.method.as_str(), line);
        line.extend_from_slice(b",\"path\":");
        text(bounded(&fact.path), line);
        line.extend_from_slice(b",\"status\":");
        match fact.status {
            0 => line.extend_from_slice(b"null"),
            status => write!(line, "{status}")?,
        }
        let (ms, us) = (fact.took_us / 1000, fact.took_us % 1000);
        write!(line, ",\"duration_ms\":{ms}.{us:03}")?;
        write!(line, ",\"in_bytes\":{},\"out_bytes\":{}", fact.in_bytes, fact.out_bytes)?;
        match fact.incident {
            Some(incident) => write!(line, ",\"incident\":{incident}")?,
            None => line.extend_from_slice(b",\"incident\":null"),
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    }

    fn write_time(
        &mut self,
        zone: &TimeZone,
        at: Timestamp,
        line: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let minute = at.0.div_euclid(MINUTE_MS);
        if self.minute != Some(minute) || self.zone.as_ref() != Some(zone) {
            self.enter_minute(minute, zone);
        }
        let ms = at.0.rem_euclid(MINUTE_MS);
        write!(line, "{}{:02}.{:03}{}", self.head, ms / 1000, ms % 1000, self.offset)
    }

    fn enter_minute(&mut self, minute: i64, zone: &TimeZone) {
        let instant = jiff::Timestamp::from_millisecond(minute.saturating_mul(MINUTE_MS));
        // Only a clock that is thousands of years off has no such minute.
        let shown = instant.unwrap_or_default().to_zoned_datetime(zone.clone());
        self.head = shown.strftime("%Y-%m-%dT%H:%M:").to_string();
        self.offset = shown.strftime("%:z").to_string();
        self.minute = Some(minute);
        self.zone = Some(zone.clone());
    }
}

/// The begin of a path, cut between characters.
fn bounded(path: &str) -> &str {
    let mut end = path.len().min(PATH_BYTES_MAX);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    &path[..end]
}

/// A JSON string. Whatever could move a terminal's cursor or turn the direction of a line is
/// escaped, not only what JSON requires.
fn text(text: &str, line: &mut Vec<u8>) {
    line.push(b'"');
    for character in text.chars() {
        match character {
            '"' => line.extend_from_slice(b"\\\""),
            '\\' => line.extend_from_slice(b"\\\\"),
            _ if is_safe(character) => {
                let mut bytes = [0; 4];
                line.extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to memory cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    line.push(b'"');
}

fn is_safe(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}
