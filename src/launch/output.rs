//! What an app prints: appended to a file, not a pipe, so that it survives usher; and the end of
//! that file for people.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::clock::Timestamp;
use crate::platform::files;

/// As much of the end of a log as is ever read, in bytes.
const TAIL_BYTES_MAX: u64 = 64 * 1024;

/// What the line begins with that separates one launch from the next.
const HEADER: &str = "--- usher: ";

/// Opens the log for a launch and writes its first line: when, which launch, what is run. On a full
/// disk the launch has none: an app whose every `print` fails would be worse off.
///
/// # Errors
/// What else the system says of the file or its folder.
pub(super) fn open(path: &Path, at: Timestamp, headline: &str) -> io::Result<File> {
    begin(path, at, headline).or_else(|error| {
        if !files::is_want_of_space(&error) {
            return Err(error);
        }
        log::warn!("{}: {error}; what this launch prints is lost", path.display());
        File::options().write(true).open("/dev/null")
    })
}

fn begin(path: &Path, at: Timestamp, headline: &str) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        files::make_private_folder(folder)?;
    }
    let mut file = files::append_private(path)?;
    let one_line: String = headline.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(file, "{HEADER}{} {one_line}", shown(at))?;
    Ok(file)
}

/// The last lines of the newest launch in a log, oldest first, as text that can be shown: no
/// escape sequences, and of a line that was overwritten only what stayed. Empty if there is none.
pub(super) fn tail(path: &Path, lines_max: usize) -> Vec<String> {
    let bytes = last_bytes(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let newest = text.rfind(HEADER).map_or(&*text, |at| &text[at..]);
    let mut lines: Vec<String> = newest
        .lines()
        .rev()
        .map(readable)
        .filter(|line| !line.is_empty())
        .take(lines_max)
        .collect();
    lines.reverse();
    lines
}

fn last_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    if start > 0 {
        // The first line is cut somewhere, perhaps inside a character.
        let end_of_cut = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..end_of_cut);
    }
    Ok(bytes)
}

fn shown(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |time| {
            time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%FT%T%:z").to_string()
        },
    )
}

/// A line as a terminal would show it in the end, without colour or cursor.
fn readable(line: &str) -> String {
    let plain = without_escapes(line);
    let last = plain.split('\r').rev().find(|part| !part.trim().is_empty()).unwrap_or_default();
    last.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>().trim_end().to_owned()
}

/// ECMA-48: `ESC [ … final`, `ESC ] … BEL` (or `ESC \`), `ESC` and one more.
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        match rest.next() {
            Some('[') => {
                rest.find(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            Some(']') => {
                let mut before = ' ';
                rest.find(|c| {
                    let ends = *c == '\u{7}' || (before == '\u{1b}' && *c == '\\');
                    before = *c;
                    ends
                });
            }
            Some('(' | ')') => {
                rest.next();
            }
            Some(_) | None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn written(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/minsu/main.log");
        open(&path, Timestamp(0), "launch 1").unwrap().write_all(text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_tail_is_of_the_newest_launch() {
        let (_folder, path) = written(b"old\n");
        let mut file = open(&path, Timestamp(86_400_000), "launch 2\nforged").unwrap();
        file.write_all("하나\n둘\n셋".as_bytes()).unwrap();
        let all = tail(&path, 10);
        assert!(
            all[0].starts_with("--- usher: 19") && all[0].ends_with(" launch 2 forged"),
            "{all:?}"
        );
        assert_eq!(all[1..], ["하나", "둘", "셋"]);
        assert_eq!(tail(&path, 2), ["둘", "셋"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(tail(Path::new("/nowhere/at/all"), 5).is_empty());
    }

    #[test]
    fn a_huge_log_is_read_at_its_end_only() {
        let line = format!("{}\n", "가".repeat(40));
        let (_folder, path) = written(line.repeat(3000).as_bytes());
        let lines = tail(&path, usize::MAX);
        assert!(
            lines.iter().all(|read| read.chars().count() == 40),
            "no cut line, no broken letter"
        );
        let bytes: usize = lines.iter().map(|read| read.len() + 1).sum();
        assert!(bytes <= 64 * 1024 && bytes > 60 * 1024, "{bytes}");
    }

    #[test]
    fn what_a_terminal_would_hide_is_hidden() {
        for (raw, expected) in [
            ("\u{1b}[1;31mred\u{1b}[0m plain", "red plain"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            (" 10%|#\r 50%|#####\r100%|done\r", "100%|done"),
            ("a\u{8}b\u{0}c\td  ", "abc\td"),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
            ("\u{1b}(Bx", "x"),
        ] {
            assert_eq!(readable(raw), expected, "{raw:?}");
        }
        let (_folder, path) = written(b"bad \xff byte\n\n");
        assert_eq!(tail(&path, 5)[1], "bad \u{fffd} byte");
    }
}
