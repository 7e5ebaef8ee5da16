//! `usher try SCRIPT`: a working front door for one script without a configuration. Loopback only;
//! whoever sits at this machine is the administrator.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::control::Outcome;

/// The port that is tried first.
const PORT_FIRST: u16 = 8000;
/// How many ports are tried when none was asked for.
const PORTS_TRIED_MAX: u16 = 50;

/// Serves the script until told to stop. Nothing of it stays behind.
pub fn try_script(script: &Path, port: Option<u16>) -> Outcome {
    let told = |sentence: String| {
        eprintln!("usher: {sentence}");
        Outcome::Failed
    };
    let script = match fs::canonicalize(script) {
        Ok(found) if found.is_file() => found,
        Ok(found) => return told(format!("{} is not a file", found.display())),
        Err(error) => return told(format!("{}: {error}", script.display())),
    };
    let Some(port) = port.or_else(free_port) else {
        return told(format!("no port from {PORT_FIRST} on is free; name one with --port"));
    };
    let folder = match Folder::make() {
        Ok(folder) => folder,
        Err(error) => return told(format!("no folder for the trial: {error}")),
    };
    let file = folder.path().join("usher.yaml");
    let python = interpreter(&script);
    if let Err(error) = fs::write(&file, configuration(&script, &python, port)) {
        return told(format!("{}: {error}", file.display()));
    }
    eprintln!("usher tries {} with {}", script.display(), python.display());
    eprintln!(
        "whoever uses this machine is the administrator; Ctrl-C ends it, and nothing is kept"
    );
    // What it warns of was just said, and its file is none that anybody would change.
    super::serve_as(&file, |snapshot| snapshot.warnings.clear())
}

/// A folder that goes with the trial.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn make() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("usher-try-{:016x}", u64::from_le_bytes(random));
        let path = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A file that cannot be removed is left in the temporary folder, whose owner clears it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The first port that nobody listens on.
fn free_port() -> Option<u16> {
    (PORT_FIRST..PORT_FIRST + PORTS_TRIED_MAX)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

/// The interpreter that a person would use for this script: of the active environment, of one
/// beside the script or here, else the system's.
fn interpreter(script: &Path) -> PathBuf {
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let beside = script.parent().map(|folder| folder.join(".venv"));
    let here = std::env::current_dir().ok().map(|folder| folder.join(".venv"));
    [active, beside, here]
        .into_iter()
        .flatten()
        .map(|environment| environment.join("bin/python"))
        .find(|python| python.is_file())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// The file that the trial runs with. Strings are written as JSON, which YAML reads.
fn configuration(script: &Path, python: &Path, port: u16) -> String {
    let text = |path: &Path| serde_json::Value::from(path.to_string_lossy()).to_string();
    let folder = script.parent().unwrap_or(Path::new("/"));
    let title = script.file_stem().unwrap_or_default();
    format!(
        "listen: [\"127.0.0.1:{port}\"]\n\
         apps:\n\
         \x20 main:\n\
         \x20   title: {}\n\
         \x20   script: {}\n\
         \x20   python: {}\n\
         \x20   working_directory: {}\n\
         users:\n\
         \x20 - name: me\n\
         \x20   role: admin\n\
         \x20   addresses: [127.0.0.1]\n",
        text(Path::new(title)),
        text(script),
        text(python),
        text(folder),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Snapshot;

    #[test]
    fn the_trial_has_a_good_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("매출: \"앱\".py");
        fs::write(&script, "").expect("written");
        let text = configuration(&script, Path::new("python3"), 8123);
        let snapshot = Snapshot::parse(&folder.path().join("usher.yaml"), &text).expect("good");
        assert_eq!(snapshot.apps[0].title, "매출: \"앱\"");
        assert_eq!(snapshot.fixed.listen[0].port(), 8123);
        assert!(snapshot.fixed.listen[0].ip().is_loopback());
    }
}
