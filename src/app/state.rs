//! `state_dir`: made 0700, used by one usher at a time, with the secret that everything secret is
//! derived from.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::platform::files;

/// The length of the secret, in bytes.
const SECRET_BYTES: usize = 32;

/// The directory, locked for as long as this lives.
pub(super) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why the directory cannot be used.
#[derive(Debug)]
pub(super) enum StateError {
    /// Another usher uses it.
    InUse {
        /// Its process, as it wrote it down.
        pid: String,
    },
    /// The system refuses.
    System {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StateError::InUse { pid } => write!(
                f,
                "another usher (pid {pid}) uses this state_dir; stop it first, or give this one a \
                 state_dir of its own"
            ),
            StateError::System { doing, path, cause } => {
                write!(f, "{doing} {}: {cause}", path.display())
            }
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |cause| StateError::System { doing, path, cause }
}

impl StateDir {
    /// Makes and locks the directory.
    ///
    /// # Errors
    /// Another usher has it, or the system refuses.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("making", path))?;
        let mode = fs::metadata(path).map_err(failed("reading", path))?.mode();
        if mode & 0o077 != 0 {
            log::warn!("{} was open to others; it is 0700 now", path.display());
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(failed("closing to others", path))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock(path)? })
    }

    /// Writes down which process serves. On a full disk nobody can read it there, and the door is
    /// open all the same.
    ///
    /// # Errors
    /// The file cannot be written, and not for want of space.
    pub(super) fn write_pid(&self) -> Result<(), StateError> {
        let path = self.path.join("usher.pid");
        let half = self.path.join("usher.pid.new");
        let written = fs::write(&half, format!("{}\n", std::process::id()))
            .and_then(|()| fs::rename(&half, &path));
        match written {
            Err(error) if files::is_want_of_space(&error) => {
                log::warn!("{}: {error}", path.display());
                // The one that is there names a process that has ended.
                self.remove_pid();
                let _ = fs::remove_file(&half);
                Ok(())
            }
            written => written.map_err(failed("writing", &path)),
        }
    }

    /// The process is leaving.
    pub(super) fn remove_pid(&self) {
        // Nothing depends on it; a stale file is overwritten at the next start.
        let _ = fs::remove_file(self.path.join("usher.pid"));
    }

    /// The secret, made at the first start.
    ///
    /// # Errors
    /// It cannot be read or made.
    pub(super) fn secret(&self) -> Result<[u8; SECRET_BYTES], StateError> {
        let path = self.path.join("door.secret");
        match read_secret(&path) {
            Ok(secret) => Ok(secret),
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_secret(&path),
            Err(error) => Err(failed("reading", &path)(error)),
        }
    }
}

fn lock(path: &Path) -> Result<File, StateError> {
    let path = path.join("usher.lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed("opening", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Only for the message.
            let _ = file.read_to_string(&mut pid);
            return Err(StateError::InUse { pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed("locking", &path)(error)),
    }
    match file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())) {
        // It only helps who finds the directory in use.
        Err(error) if files::is_want_of_space(&error) => log::warn!("{}: {error}", path.display()),
        written => written.map_err(failed("writing", &path))?,
    }
    Ok(file)
}

fn read_secret(path: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    let bytes = fs::read(path)?;
    bytes.try_into().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "it has not 32 bytes; remove it to make another")
    })
}

fn make_secret(path: &Path) -> Result<[u8; SECRET_BYTES], StateError> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| failed("drawing randomness for", path)(io::Error::other(error)))?;
    let half = path.with_extension("new");
    // A half-written file of an earlier start is overwritten.
    let _ = fs::remove_file(&half);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&half)
        .and_then(|mut file| file.write_all(&secret).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&half, path))
        .map_err(failed("writing", path))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_usher_at_a_time_and_one_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/var");
        let state = StateDir::open(&path).expect("opened");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o700);
        let second = StateDir::open(&path).err().expect("refused").to_string();
        assert!(second.contains(&format!("pid {}", std::process::id())), "{second}");
        let secret = state.secret().expect("a secret");
        assert_eq!(secret, state.secret().expect("the same"));
        assert_ne!(secret, [0; 32]);
        drop(state);
        let again = StateDir::open(&path).expect("opened again");
        assert_eq!(again.secret().expect("kept"), secret);
        fs::write(path.join("door.secret"), "short").expect("written");
        assert!(again.secret().expect_err("refused").to_string().contains("32 bytes"));
    }
}
