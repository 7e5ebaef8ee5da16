//! Rotation of what apps print. A seat's process holds its log open for as long as it runs, longer
//! than usher does, so the file itself must stay: it is copied to `.1` and emptied. Every launch
//! opens its log to append (`launch::output`), so the process goes on at the new end.
//!
//! What is printed between the last look at the file and its emptying is lost: microseconds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::rotation;
use crate::platform::files;

/// Folders are looked into this deep: `apps/USER/APP.log`, and one more.
const DEPTH_MAX: u32 = 3;
/// Logs that are looked at, at most.
const FILES_MAX: usize = 20_000;
/// How often the rest is copied that was printed while copying.
const REST_MAX: u32 = 8;

/// Rotates every log below `folder` that is larger than `rotate_bytes`. Says which could not be.
pub(super) fn rotate(folder: &Path, rotate_bytes: u64, keep: u32) -> Vec<(PathBuf, io::Error)> {
    let mut logs = Vec::new();
    find(folder, DEPTH_MAX, &mut logs);
    let mut failed = Vec::new();
    for (path, bytes) in logs {
        if bytes <= rotate_bytes {
            continue;
        }
        match rotate_one(&path, keep) {
            Ok(()) => log::info!("{} was rotated at {bytes} bytes", path.display()),
            Err(error) => failed.push((path, error)),
        }
    }
    failed
}

/// Logs and their sizes. What cannot be read is not there.
fn find(folder: &Path, depth: u32, logs: &mut Vec<(PathBuf, u64)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if logs.len() >= FILES_MAX {
            return;
        }
        let path = entry.path();
        // Of a link this is the link: nothing outside the folder is touched.
        let Ok(found) = entry.metadata() else { continue };
        if found.is_dir() && depth > 1 {
            find(&path, depth - 1, logs);
        } else if found.is_file() && path.extension().is_some_and(|extension| extension == "log") {
            logs.push((path, found.len()));
        }
    }
}

fn rotate_one(path: &Path, keep: u32) -> io::Result<()> {
    if keep > 0 {
        let copy = path.with_extension("log.part");
        let copied = copy_whole(path, &copy).and_then(|()| {
            rotation::make_room(path, keep)?;
            fs::rename(&copy, rotation::old(path, 1))
        });
        if let Err(error) = copied {
            // Half a copy helps nobody; if it cannot be removed either, the next try does.
            let _ = fs::remove_file(&copy);
            if error.kind() == io::ErrorKind::StorageFull {
                // Old logs are worth less than room for new lines.
                rotation::forget(path, 0)?;
            }
            return Err(error);
        }
    } else {
        rotation::forget(path, 0)?;
    }
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// Copies until nothing more comes, at most [`REST_MAX`] times.
fn copy_whole(path: &Path, copy: &Path) -> io::Result<()> {
    match fs::remove_file(copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut from = File::open(path)?;
    let mut to = files::create_private(copy)?;
    let mut copied = 0;
    for _ in 0..REST_MAX {
        let length = from.metadata()?.len();
        if length <= copied {
            break;
        }
        from.seek(SeekFrom::Start(copied))?;
        copied += io::copy(&mut (&mut from).take(length - copied), &mut to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_log_that_is_held_open_goes_on_at_its_new_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jiyoung/main.log");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut held = files::append_private(&path).unwrap();
        for round in 0..5 {
            held.write_all(format!("{round}{}\n", "x".repeat(100)).as_bytes()).unwrap();
            assert!(rotate(folder.path(), 100, 3).is_empty());
            assert_eq!(read(&path), "");
        }
        held.write_all(b"short\n").unwrap();
        assert!(rotate(folder.path(), 100, 3).is_empty());
        assert_eq!(read(&path), "short\n", "it is small enough");
        let first = |number| read(&rotation::old(&path, number)).chars().next();
        assert_eq!([1, 2, 3, 4].map(first), [Some('4'), Some('3'), Some('2'), None]);
        assert!(rotate(folder.path(), 5, 0).is_empty());
        assert_eq!((read(&path).as_str(), first(1)), ("", None), "none is kept");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside.log");
        let logs = folder.path().join("apps");
        fs::create_dir_all(logs.join("a/b/c")).unwrap();
        for path in [&outside, &logs.join("notes.txt"), &logs.join("a/b/c/deep.log")] {
            fs::write(path, "y".repeat(50)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, logs.join("link.log")).unwrap();
        std::os::unix::fs::symlink(folder.path(), logs.join("up")).unwrap();
        assert!(rotate(&logs, 10, 3).is_empty());
        for path in [&outside, &logs.join("notes.txt"), &logs.join("a/b/c/deep.log")] {
            assert_eq!(read(path).len(), 50, "{}", path.display());
        }
        assert!(rotate(&folder.path().join("nowhere"), 10, 3).is_empty());
    }

    #[test]
    fn what_cannot_be_rotated_is_told_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.log");
        fs::write(&path, "z".repeat(50)).unwrap();
        fs::create_dir(folder.path().join("main.log.part")).unwrap();
        let failed = rotate(folder.path(), 10, 3);
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].0, path);
        assert_eq!(read(&path).len(), 50);
    }
}
