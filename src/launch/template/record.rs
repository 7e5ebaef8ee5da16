//! What is known of a living template, on disk, so that the next usher finds it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::live::Birth;
use super::recipe::Given;
use crate::launch::record::remove_file;
use crate::platform::files;

/// Larger files are no records.
const RECORD_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// What names of records begin with.
const BEGINNING: &str = "template.";

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: String,
    number: u64,
    pid: u32,
    start_ticks: u64,
    boot_id: String,
    /// The version of usher's programs that it runs.
    programs: String,
    mark: String,
    socket: PathBuf,
    scripts: BTreeSet<PathBuf>,
    learned: Vec<String>,
}

/// Writes down a template that serves.
///
/// # Errors
/// What the system says.
pub(super) fn write(folder: &Path, birth: &Birth, boot_id: &str, programs: &str) -> io::Result<()> {
    let file = File {
        key: birth.key.clone(),
        number: birth.number,
        pid: birth.identity.0,
        start_ticks: birth.identity.1,
        boot_id: boot_id.to_owned(),
        programs: programs.to_owned(),
        mark: birth.mark.clone(),
        socket: birth.socket.clone(),
        scripts: birth.given.scripts.clone(),
        learned: birth.given.learned.clone(),
    };
    files::replace_private(&path(folder, birth.number), &serde_json::to_vec(&file)?)
}

/// The template is gone.
pub(super) fn remove(folder: &Path, number: u64) {
    remove_file(&path(folder, number));
}

/// All that can be read and are of this start of the machine; the others are removed. With each
/// goes the version of the programs that it runs.
pub(super) fn read_all(folder: &Path, boot_id: &str) -> Vec<(Birth, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    paths
        .filter(|path| {
            path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(BEGINNING))
        })
        .filter_map(|path| {
            let birth = read(&path, boot_id);
            if birth.is_none() {
                remove_file(&path);
            }
            birth
        })
        .collect()
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{BEGINNING}{number}.json"))
}

fn read(path: &Path, boot_id: &str) -> Option<(Birth, String)> {
    if fs::metadata(path).ok()?.len() > RECORD_BYTES_MAX {
        return None;
    }
    let file: File = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let given = Given { scripts: file.scripts, learned: file.learned };
    let identity = (file.pid, file.start_ticks);
    let File { key, number, mark, socket, programs, .. } = file;
    let birth = Birth { key, number, identity, mark, socket, given };
    (file.boot_id == boot_id).then_some((birth, programs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        let birth = |number| Birth {
            key: "k".to_owned(),
            number,
            identity: (7, u64::MAX),
            mark: "/상태:template:1:__".to_owned(),
            socket: "/s".into(),
            given: Given {
                scripts: BTreeSet::from(["/앱.py".into()]),
                learned: vec!["pandas".to_owned()],
            },
        };
        write(folder.path(), &birth(1), "now", "v1").unwrap();
        write(folder.path(), &birth(2), "before", "v1").unwrap();
        fs::write(folder.path().join("template.3.json"), "{}").unwrap();
        fs::write(folder.path().join("learned.x.json"), "{}").unwrap();
        assert_eq!(read_all(folder.path(), "now"), [(birth(1), "v1".to_owned())]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        remove(folder.path(), 1);
        assert!(read_all(folder.path(), "now").is_empty());
    }
}
