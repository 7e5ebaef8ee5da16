//! Whether a script is a plain one: only then is it known which paths its app answers with the
//! index page. A script may also hold an application of its own (`st.App`, FastAPI, Starlette) with
//! paths of its own.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::platform::files::{self, Stamp};

/// As much of a script as is read, in bytes; a longer one is not taken for plain.
const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;
/// Scripts that are remembered; beyond, all are read anew.
const REMEMBERED_MAX: usize = 256;
/// What Streamlit looks for in a script, in terms of text: the call that makes an application.
const APPLICATIONS: [&str; 3] = ["App(", "FastAPI(", "Starlette("];

/// The scripts that were read.
#[derive(Default)]
pub(super) struct Scripts {
    known: Mutex<HashMap<PathBuf, (Stamp, bool)>>,
}

impl Scripts {
    /// Whether this script is plain. Reads it if it changed. One that cannot be read is not.
    pub(super) fn is_plain(&self, script: &Path) -> bool {
        let Some(stamp) = files::stamp(script) else { return false };
        if let Some((known, is_plain)) = self.known.lock().get(script)
            && *known == stamp
        {
            return *is_plain;
        }
        let is_plain = read(script).is_some_and(|text| has_no_application(&text));
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(script.to_owned(), (stamp, is_plain));
        is_plain
    }
}

fn read(script: &Path) -> Option<String> {
    let mut text = Vec::new();
    let file = File::open(script).ok()?;
    file.take(SCRIPT_BYTES_MAX + 1).read_to_end(&mut text).ok()?;
    let is_short = text.len() as u64 <= SCRIPT_BYTES_MAX;
    is_short.then(|| String::from_utf8_lossy(&text).into_owned())
}

/// Rather too careful: a comment may be taken for a call.
fn has_no_application(text: &str) -> bool {
    let dense: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    !APPLICATIONS.iter().any(|call| dense.contains(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_with_an_application_are_not_plain() {
        for (text, expected) in [
            ("import streamlit as st\nst.title('x')\n", true),
            ("", true),
            ("class Apparatus: pass", true),
            ("import streamlit as st\napp = st.App('main.py')", false),
            ("from streamlit.starlette import App\napp = App (\n  'x')", false),
            ("from fastapi import FastAPI\napp = FastAPI()", false),
            ("app = Starlette(routes=[])", false),
        ] {
            assert_eq!(has_no_application(text), expected, "{text}");
        }
    }

    #[test]
    fn a_changed_script_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("main.py");
        let scripts = Scripts::default();
        assert!(!scripts.is_plain(&script), "it is not there");
        std::fs::write(&script, "st.title('x')").unwrap();
        assert!(scripts.is_plain(&script));
        let other = folder.path().join("other.py");
        std::fs::write(&other, "app = st.App('main.py')").unwrap();
        std::fs::rename(other, &script).unwrap();
        assert!(!scripts.is_plain(&script));
        std::fs::write(&script, vec![b'#'; SCRIPT_BYTES_MAX as usize + 1]).unwrap();
        assert!(!scripts.is_plain(&script), "too long");
    }
}
