//! What is looked up on the disk while checking: whether the files that the configuration names
//! are there. Nothing is run.

use std::path::Path;

use crate::config::report::wrong;
use crate::config::scope::Scope;
use crate::config::table::Key;

/// Whether a file is there without which the door cannot open; tells if it is not.
pub(super) fn require<K>(scope: &Scope<'_>, key: &Key<K>, file: Option<&Path>) -> bool {
    let Some(file) = file else { return false };
    let is_there = file.is_file();
    if !is_there {
        let sentence = format!("the file {} does not exist", file.display());
        scope.problem(key, wrong(sentence, ""));
    }
    is_there
}

/// Warns of a file without which one app will not start: its users will see a page that says so.
pub(super) fn expect<K>(scope: &Scope<'_>, key: &Key<K>, path: &Path, what: &str) {
    if !path.exists() {
        let sentence = format!("{what} {} does not exist", path.display());
        scope.warning(key, wrong(sentence, "the app will not start"));
    }
}

/// Warns of a program that is not there; a bare name is looked for in PATH.
pub(super) fn expect_program<K>(scope: &Scope<'_>, key: &Key<K>, program: &Path) {
    if program.components().count() > 1 {
        return expect(scope, key, program, "the program");
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let suffix = std::env::consts::EXE_SUFFIX;
    let is_in = |folder: std::path::PathBuf| {
        let plain = folder.join(program);
        let mut with_suffix = plain.clone().into_os_string();
        with_suffix.push(suffix);
        plain.is_file() || Path::new(&with_suffix).is_file()
    };
    if !std::env::split_paths(&folders).any(is_in) {
        let sentence = format!("the program {} is not in PATH", program.display());
        scope.warning(key, wrong(sentence, "the app will not start"));
    }
}
