//! The end of an app's log, made fit to be shown: bounded, without control characters.

/// Lines of a log that a page shows.
pub const LOG_LINES_MAX: usize = 40;
/// Characters of one line that a page shows.
pub const LOG_LINE_MAX_CHARS: usize = 400;

/// The last [`LOG_LINES_MAX`] lines of `log`, each without terminal colours and control characters
/// and cut after [`LOG_LINE_MAX_CHARS`]. Blank lines at the end are left out.
pub fn log_tail(log: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        log.trim_end().lines().rev().take(LOG_LINES_MAX).map(clean_line).collect();
    lines.reverse();
    lines
}

fn clean_line(line: &str) -> String {
    let mut letters = line.chars();
    let mut clean = String::with_capacity(line.len().min(LOG_LINE_MAX_CHARS));
    let mut length_chars = 0;
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            skip_escape(&mut letters);
        } else if letter == '\t' {
            clean.push_str("    ");
            length_chars += 4;
        } else if !letter.is_control() {
            clean.push(letter);
            length_chars += 1;
        }
        if length_chars >= LOG_LINE_MAX_CHARS {
            clean.push('…');
            break;
        }
    }
    clean
}

/// A terminal sequence is `ESC [ parameters letter`, or ESC and one character.
fn skip_escape(letters: &mut std::str::Chars<'_>) {
    if letters.next() == Some('[') {
        letters.find(char::is_ascii_alphabetic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cleaned() {
        let log = "\u{1b}[31mred\u{1b}[0m\r\n\ttab\u{7}\n한글\n\n  \n";
        assert_eq!(log_tail(log), ["red", "    tab", "한글"]);
        assert!(log_tail("").is_empty());
        assert_eq!(log_tail("\u{1b}"), [""]);
    }

    #[test]
    fn only_the_end_is_kept() {
        let log: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
        let tail = log_tail(&log);
        assert_eq!(tail.len(), LOG_LINES_MAX);
        assert_eq!(tail.last().map(String::as_str), Some("line 999"));
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let tail = log_tail(&"가".repeat(5_000));
        assert_eq!(tail[0].chars().count(), LOG_LINE_MAX_CHARS + 1);
        assert!(tail[0].ends_with('…'));
    }
}
