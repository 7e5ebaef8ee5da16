//! Old logs: `access.log.1` is the newest of them, then `.2` and so on, as many as are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The most old logs of one file that are looked for.
const KEPT_MAX: u32 = 1_000;

/// The name of an old log.
pub(super) fn old(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Moves old logs up by one, so that `.1` is free; what is not kept goes.
///
/// # Errors
/// What the system says; some may have moved.
pub(super) fn make_room(path: &Path, keep: u32) -> io::Result<()> {
    let keep = keep.min(KEPT_MAX);
    forget(path, keep.saturating_sub(1))?;
    for number in (1..keep).rev() {
        match fs::rename(old(path, number), old(path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Removes all old logs but the newest `keep`.
///
/// # Errors
/// What the system says of one that cannot be removed.
pub(super) fn forget(path: &Path, keep: u32) -> io::Result<()> {
    for number in keep + 1..=KEPT_MAX {
        match fs::remove_file(old(path, number)) {
            Ok(()) => {}
            // They are without a hole, unless somebody removed some by hand.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_logs_move_up_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        for number in 1..=5 {
            fs::write(old(&path, number), number.to_string()).unwrap();
        }
        fs::write(folder.path().join("a.log.other"), "").unwrap();
        make_room(&path, 3).unwrap();
        assert_eq!(names(folder.path()), ["a.log.2", "a.log.3", "a.log.other"]);
        assert_eq!(fs::read_to_string(old(&path, 2)).unwrap(), "1");
        fs::write(old(&path, 1), "new").unwrap();
        make_room(&path, 0).unwrap();
        assert_eq!(names(folder.path()), ["a.log.other"]);
        make_room(&folder.path().join("nothing"), 3).unwrap();
    }
}
