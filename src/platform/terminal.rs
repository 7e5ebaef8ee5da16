//! Reading what nobody may see on the screen.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcsetattr,
};

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// Whether standard input is a terminal, where somebody can be asked.
pub fn is_asked_here() -> bool {
    isatty(io::stdin())
}

/// Asks on the terminal and reads a line without showing it.
///
/// # Errors
/// `Interrupted` for Ctrl-C, `UnexpectedEof` for Ctrl-D, or what the system says.
pub fn ask_silently(question: &str) -> io::Result<String> {
    // First, or a key that is pressed in between is shown or ends the program.
    let silence = Silence::begin(io::stdin())?;
    let mut tell = io::stderr();
    write!(tell, "{question}")?;
    tell.flush()?;
    let line = read_line(&mut io::stdin().lock());
    drop(silence);
    writeln!(tell)?;
    line
}

/// The terminal gives each key at once, shows none and makes no signal of any, until this is
/// dropped. Without signals nobody can end the program while the terminal is silent.
struct Silence<T: AsFd> {
    terminal: T,
    before: Termios,
}

impl<T: AsFd> Silence<T> {
    fn begin(terminal: T) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl<T: AsFd> Drop for Silence<T> {
    fn drop(&mut self) {
        // Nothing more can be done about a terminal that is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A line as it is typed on a terminal that gives each key.
fn read_line(keys: &mut dyn Read) -> io::Result<String> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: [u8; 2] = [8, 127];
    const CTRL_U: u8 = 21;
    let mut line = Vec::new();
    loop {
        let mut key = [0];
        if keys.read(&mut key)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match key[0] {
            b'\n' | b'\r' => break,
            CTRL_C => return Err(io::ErrorKind::Interrupted.into()),
            CTRL_D if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            CTRL_D => {}
            CTRL_U => line.clear(),
            key if BACKSPACE.contains(&key) => forget_last(&mut line),
            _ if line.len() >= LINE_BYTES_MAX => {}
            key => line.push(key),
        }
    }
    String::from_utf8(line)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Takes the last character away, which may be several bytes.
fn forget_last(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        let continues = byte & 0b1100_0000 == 0b1000_0000;
        if !continues {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_as_it_is_typed() {
        for (keys, expected) in [
            ("secret\n", Ok("secret")),
            ("secret\r", Ok("secret")),
            ("\n", Ok("")),
            ("sex\u{7f}cret\nmore", Ok("secret")),
            ("비밀호\u{8}번호\n", Ok("비밀번호")),
            ("wrong\u{15}right\n", Ok("right")),
            ("\u{7f}\u{7f}a\n", Ok("a")),
            ("a\u{4}b\n", Ok("ab")),
            ("a\u{3}", Err(io::ErrorKind::Interrupted)),
            ("\u{4}", Err(io::ErrorKind::UnexpectedEof)),
            ("a", Err(io::ErrorKind::UnexpectedEof)),
        ] {
            let read = read_line(&mut keys.as_bytes()).map_err(|error| error.kind());
            assert_eq!(read.as_deref(), expected.as_ref().copied(), "{keys:?}");
        }
        assert!(read_line(&mut [0xff, b'\n'].as_slice()).is_err());
    }
}
