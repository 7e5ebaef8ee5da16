//! Files and folders for this account only, and what tells one file from another.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Changes when the file or folder is replaced, or something is added to the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}.{:09}", self.inode, self.modified_s, self.modified_ns)
    }
}

/// Which file it is, whatever its name and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

/// Makes a folder and those around it that are missing. What is there keeps its rights.
///
/// # Errors
/// What the system says.
pub fn make_private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file to write at its end, and makes it if it is missing.
///
/// # Errors
/// What the system says.
pub fn append_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Makes a file that must not be there yet.
///
/// # Errors
/// It is there, or what else the system says.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file in the place of an earlier one. What is read is always one of the two, whole.
/// Only one may write at a time.
///
/// # Errors
/// What the system says; then the earlier one stands.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    io::Write::write_all(&mut create_private(&part)?, content)?;
    std::fs::rename(&part, path)
}

/// Whether something could not be written only because the disk, or this account's share of it, is
/// full: then it is missing, and nothing else is wrong.
pub fn is_want_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether somebody may execute this file.
pub fn is_executable(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.mode() & 0o111 != 0
}

/// The stamp of a file or folder; `None` if it is not there.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    let (modified_s, modified_ns) = (found.mtime(), found.mtime_nsec());
    Some(Stamp { inode: found.ino(), modified_s, modified_ns })
}

/// The file that a path leads to; `None` if it is not there.
pub fn identity(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().map(|found| identity_of(&found))
}

/// The file that this was asked of.
pub fn identity_of(found: &Metadata) -> Identity {
    Identity { device: found.dev(), inode: found.ino() }
}
/// Whether this process may make something in a folder.
///
/// # Errors
/// Why not: its rights, or a file system that nobody can write to.
pub fn may_write(folder: &Path) -> io::Result<()> {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
}
