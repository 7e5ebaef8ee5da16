//! What is known of a running seat, on disk: written whole before the seat is announced, so that the
//! next usher finds it whatever becomes of this one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Started;
use crate::clock::Timestamp;
use crate::domain::{AppSlug, Endpoint, Generation, LaunchKind, SeatKey, UserName};

/// Larger files are no records.
const RECORD_BYTES_MAX: u64 = 64 * 1024;

/// The folder of the records; one file per seat.
#[derive(Clone, Debug)]
pub(super) struct Records {
    folder: PathBuf,
}

/// A seat as it was when it was launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// What was started.
    pub(super) started: Started,
    /// Where its output goes.
    pub(super) log_file: PathBuf,
    /// The start of the machine in which its process numbers mean something.
    pub(super) boot_id: String,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    user: String,
    app: String,
    generation: u64,
    launch: String,
    pid: u32,
    process_started_ticks: u64,
    boot_id: String,
    endpoint: FileEndpoint,
    fingerprint: u64,
    launched_at_ms: i64,
    log_file: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FileEndpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Records {
    /// The records in this folder, which exists.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes the record of a seat in the place of an earlier one. What is read is always a whole
    /// record: the old or the new.
    ///
    /// # Errors
    /// What the system says; then the earlier one stands.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let path = self.path(&record.started.key);
        let part = path.with_extension(PART);
        let written = fs::write(&part, serde_json::to_vec_pretty(&File::of(record)?)?);
        written.and_then(|()| fs::rename(&part, &path)).inspect_err(|_| remove_file(&part))
    }

    /// Removes the record of this launch; one of a later launch stays.
    pub(super) fn remove(&self, started: &Started) {
        let path = self.path(&started.key);
        let is_of_launch = |record: &Record| record.started.generation <= started.generation;
        if read(&path).as_ref().is_none_or(is_of_launch) {
            remove_file(&path);
        }
    }

    /// All that can be read. What cannot is removed: its process is found by its mark.
    pub(super) fn read_all(&self) -> Vec<Record> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        paths
            .filter_map(|path| {
                let record = read(&path).filter(|record| path == self.path(&record.started.key));
                if record.is_none() {
                    log::warn!("{} is no record of a seat: removed", path.display());
                    remove_file(&path);
                }
                record
            })
            .collect()
    }

    fn path(&self, key: &SeatKey) -> PathBuf {
        // Neither name contains a `%` or a separator.
        self.folder.join(format!("{}%2F{}.json", key.user, key.app))
    }
}

/// The ending of a record that is being written.
const PART: &str = "part";

impl File {
    fn of(record: &Record) -> io::Result<Self> {
        let started = &record.started;
        let (Some(pid), Some(ticks)) = (started.pid, started.process_started_ticks) else {
            return Err(io::Error::other("what has no process has no record"));
        };
        Ok(Self {
            user: started.key.user.as_str().to_owned(),
            app: started.key.app.as_str().to_owned(),
            generation: started.generation.0,
            launch: started.kind.as_str().to_owned(),
            pid,
            process_started_ticks: ticks,
            boot_id: record.boot_id.clone(),
            endpoint: match &started.endpoint {
                Endpoint::Tcp(address) => FileEndpoint::Tcp(*address),
                Endpoint::Unix(path) => FileEndpoint::Unix(path.to_path_buf()),
            },
            fingerprint: started.fingerprint,
            launched_at_ms: started.launched_at.0,
            log_file: record.log_file.clone(),
        })
    }

    fn record(self) -> Option<Record> {
        let kinds = [LaunchKind::Fork, LaunchKind::Spawn, LaunchKind::Command];
        let started = Started {
            key: SeatKey {
                user: UserName::new(&self.user).ok()?,
                app: AppSlug::new(&self.app).ok()?,
            },
            generation: Generation(self.generation),
            kind: kinds.into_iter().find(|kind| kind.as_str() == self.launch)?,
            pid: Some(self.pid),
            process_started_ticks: Some(self.process_started_ticks),
            endpoint: match self.endpoint {
                FileEndpoint::Tcp(address) => Endpoint::Tcp(address),
                FileEndpoint::Unix(path) => Endpoint::Unix(path.into()),
            },
            launched_at: Timestamp(self.launched_at_ms),
            fingerprint: self.fingerprint,
        };
        Some(Record { started, log_file: self.log_file, boot_id: self.boot_id })
    }
}

fn read(path: &Path) -> Option<Record> {
    if fs::metadata(path).ok()?.len() > RECORD_BYTES_MAX {
        return None;
    }
    serde_json::from_slice::<File>(&fs::read(path).ok()?).ok()?.record()
}

/// A file that is gone already is as good.
pub(super) fn remove_file(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => log::warn!("{} stays: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(user: &str, generation: u64, endpoint: Endpoint) -> Record {
        let started = Started {
            key: SeatKey { user: UserName::new(user).unwrap(), app: AppSlug::new("main").unwrap() },
            generation: Generation(generation),
            kind: LaunchKind::Spawn,
            pid: Some(7),
            process_started_ticks: Some(u64::MAX),
            endpoint,
            launched_at: Timestamp(-1),
            fingerprint: u64::MAX,
        };
        Record { started, log_file: "/log/김 민수.log".into(), boot_id: "b".into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::in_folder(folder.path().to_owned());
        let tcp = record("a.b@c", 1, Endpoint::Tcp("127.0.0.1:8501".parse().unwrap()));
        let unix = record("김민수", 2, Endpoint::Unix(Path::new("/s/민수.sock").into()));
        for written in [&tcp, &unix] {
            records.write(written).unwrap();
        }
        let mut read = records.read_all();
        read.sort_by_key(|record| record.started.generation);
        assert_eq!(read, [tcp.clone(), unix.clone()]);
        records.remove(&tcp.started);
        assert_eq!(records.read_all(), [unix]);
    }

    #[test]
    fn the_record_of_a_later_launch_stays() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::in_folder(folder.path().to_owned());
        let endpoint = Endpoint::Tcp("127.0.0.1:8501".parse().unwrap());
        let (old, new) = (record("kim", 1, endpoint.clone()), record("kim", 2, endpoint));
        records.write(&old).unwrap();
        records.write(&new).unwrap();
        records.remove(&old.started);
        assert_eq!(records.read_all(), [new]);
    }

    #[test]
    fn what_is_no_record_goes_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::in_folder(folder.path().to_owned());
        let good = record("kim", 1, Endpoint::Tcp("127.0.0.1:8501".parse().unwrap()));
        records.write(&good).unwrap();
        let whole = fs::read(folder.path().join("kim%2Fmain.json")).unwrap();
        for (name, content) in [
            ("lee%2Fmain.part", &whole[..10]),
            ("lee%2Fmain.json", &whole[..whole.len() / 2]),
            ("park%2Fmain.json", &whole[..]),
            ("x", b"{}"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        assert_eq!(records.read_all(), [good]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_record_is_replaced_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::in_folder(folder.path().to_owned());
        let old = record("kim", 1, Endpoint::Tcp("127.0.0.1:8501".parse().unwrap()));
        records.write(&old).unwrap();
        // A folder in the way of the part stands for a disk that is full.
        fs::create_dir(folder.path().join("kim%2Fmain.part")).unwrap();
        let new = record("kim", 2, old.started.endpoint.clone());
        assert!(records.write(&new).is_err());
        assert_eq!(read(&folder.path().join("kim%2Fmain.json")), Some(old));
    }
}
