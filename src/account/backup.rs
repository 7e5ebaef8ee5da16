//! Copies of the database: by schedule and by order. A copy appears under its name only when it is
//! whole and checked.
//!
//! To restore one: stop usher, put the copy in the place of `STATE_DIR/usher.db`, remove
//! `usher.db-wal` and `usher.db-shm` beside it, start usher.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::platform::files;
use crate::store::StoreError;
use crate::store::sqlite::{BackupProgress, copy_to};

/// How the names of scheduled copies look: the local time of the copy.
const NAME: &str = "usher-%Y-%m-%dT%H%M%S.db";

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// Why there is no copy.
#[derive(Debug)]
pub enum BackupError {
    /// The database could not be read, or the copy is not whole.
    Store(StoreError),
    /// The destination is the database itself.
    Itself,
    /// The system refuses.
    System {
        /// What was being done.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Store(error) => write!(f, "{error}"),
            BackupError::Itself => f.write_str("the destination is the database itself"),
            BackupError::System { doing, path, cause } => {
                write!(f, "{doing} {}: {cause}", path.display())
            }
        }
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| BackupError::System { doing, path, cause }
}

/// Copies the database to `destination`, also while usher runs. A file that is there is replaced
/// when the copy is whole. `progress` is told how far it is and ends it by answering false.
///
/// # Errors
/// There is no new copy, and what was at the destination is still there.
pub fn back_up(
    database: &Path,
    destination: &Path,
    progress: &mut dyn FnMut(BackupProgress) -> bool,
) -> Result<Copied, BackupError> {
    let identity = files::identity(database);
    if identity.is_some() && identity == files::identity(destination) {
        return Err(BackupError::Itself);
    }
    if let Some(folder) = destination.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::make_private_folder(folder).map_err(failed("making", folder))?;
    }
    let part = part_of(destination);
    remove_if_there(&part).map_err(failed("removing", &part))?;
    drop(files::create_private(&part).map_err(failed("making", &part))?);
    let copied = copy_to(database, &part, progress)
        .map_err(BackupError::Store)
        .and_then(|()| publish(&part, destination));
    if copied.is_err() {
        // The error that led here says more than one about this.
        let _ = remove_if_there(&part);
        let _ = remove_if_there(&with_suffix(&part, "-journal"));
    }
    copied
}

/// The copy gets its name when it is on the disk.
fn publish(part: &Path, destination: &Path) -> Result<Copied, BackupError> {
    let file = File::open(part).map_err(failed("opening", part))?;
    file.sync_all().map_err(failed("writing", part))?;
    let bytes = file.metadata().map_err(failed("reading", part))?.len();
    fs::rename(part, destination).map_err(failed("renaming", part))?;
    let folder = destination.parent().filter(|folder| !folder.as_os_str().is_empty());
    #[cfg(unix)]
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(failed("writing the folder of", destination))?;
    Ok(Copied { path: destination.to_owned(), bytes })
}

fn part_of(destination: &Path) -> PathBuf {
    with_suffix(destination, &format!(".{}.part", std::process::id()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The name of a copy that is made now.
pub(super) fn name(at: Timestamp, zone: &TimeZone) -> String {
    super::local(at, zone).strftime(NAME).to_string()
}

/// The copies in a folder that have such names, newest first, each with its time.
pub(super) fn copies(folder: &Path, zone: &TimeZone) -> Vec<(Timestamp, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut copies: Vec<(Timestamp, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let made: DateTime = DateTime::strptime(NAME, entry.file_name().to_str()?).ok()?;
            let made = made.to_zoned_datetime(zone.clone()).ok()?.timestamp();
            Some((Timestamp(made.as_millisecond()), entry.path()))
        })
        .collect();
    copies.sort_by(|one, other| other.1.cmp(&one.1));
    copies
}

/// When the next copy is due: an interval after the newest one, at once if that has passed.
pub(super) fn due(newest: Option<Timestamp>, every_ms: u64, now: Timestamp) -> Timestamp {
    match newest {
        None => now,
        // A copy of the future was made while the clock was wrong.
        Some(newest) => {
            let every_ms = i64::try_from(every_ms).unwrap_or(i64::MAX);
            Timestamp(newest.0.min(now.0).saturating_add(every_ms).max(now.0))
        }
    }
}

/// Removes all but the newest `keep` copies.
///
/// # Errors
/// What the system says of one that cannot be removed.
pub(super) fn prune(folder: &Path, zone: &TimeZone, keep: u32) -> io::Result<()> {
    let keep = usize::try_from(keep).unwrap_or(usize::MAX).max(1);
    for (_, path) in copies(folder, zone).into_iter().skip(keep) {
        fs::remove_file(&path)?;
        log::info!("the old copy {} was removed", path.display());
    }
    Ok(())
}
