//! What all kinds of launches share: the state folder with its records, sockets and programs, the
//! ports, the processes.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Started;
use super::interpreter::Interpreters;
use super::limits::Limits;
use super::origin::Origins;
use super::ports::Ports;
use super::processes::Processes;
use super::record::{Record, Records, remove_file};
use crate::clock::Clock;
use crate::domain::{Endpoint, Generation, SeatKey};
use crate::platform::{files, table};

/// Seats whose log file is remembered; beyond, those of the past are forgotten.
const LOG_FILES_MAX: usize = 4096;

/// See the file.
pub(super) struct Shared {
    state_dir: PathBuf,
    /// Tells the numbers of processes of before the machine's last start.
    boot_id: String,
    /// The wall clock of records and logs.
    pub(super) clock: Arc<dyn Clock>,
    /// The ports of living seats.
    pub(super) ports: Arc<Ports>,
    /// What was asked of interpreters.
    pub(super) interpreters: Interpreters,
    /// All processes of seats.
    pub(super) processes: Processes,
    /// What seats are held to.
    pub(super) limits: Limits,
    /// Whose connections to the door are.
    pub(super) origins: Origins,
    records: Records,
    log_files: Mutex<HashMap<SeatKey, PathBuf>>,
    /// What was recorded and is gone; there are never more than records.
    vanished: Mutex<Vec<Started>>,
}

impl Shared {
    /// Makes the folders that are missing, for this account only.
    ///
    /// # Errors
    /// What the system says of them.
    pub(super) fn new(state_dir: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        for folder in ["seats", "sockets", "programs", "templates"] {
            files::make_private_folder(&state_dir.join(folder))?;
        }
        // Marks must be the same however the folder was named at this start.
        let state_dir = state_dir.canonicalize()?;
        let name = state_dir.to_string_lossy().into_owned();
        Ok(Self {
            boot_id: table::boot_id(),
            ports: Arc::default(),
            interpreters: Interpreters::default(),
            origins: Origins::new(&name, Arc::clone(&clock)),
            limits: Limits::new(name.clone(), &clock),
            processes: Processes::new(name, Arc::clone(&clock)),
            records: Records::in_folder(state_dir.join("seats")),
            log_files: Mutex::default(),
            vanished: Mutex::default(),
            clock,
            state_dir,
        })
    }

    /// The state folder, as marks begin with it.
    pub(super) fn state_name(&self) -> String {
        self.state_dir.to_string_lossy().into_owned()
    }

    /// The path of a launch's socket. Short, because a socket's path may have 107 bytes only (as
    /// `config` knows, which refuses what is too long for a program that binds by itself); with
    /// the generation, so that the end of one launch never removes the socket of the next.
    pub(super) fn socket_path(&self, key: &SeatKey, generation: Generation) -> PathBuf {
        let short = digest(key.to_string().as_bytes());
        self.state_dir.join(format!("sockets/{short}.{}", generation.0))
    }

    /// The folder of what is kept of templates.
    pub(super) fn templates_folder(&self) -> PathBuf {
        self.state_dir.join("templates")
    }

    /// The path of a template's socket.
    pub(super) fn template_socket_path(&self, number: u64) -> PathBuf {
        self.state_dir.join(format!("sockets/template.{number}"))
    }

    /// The start of the machine in which process numbers mean something.
    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// A program of ours in a file, for an interpreter to run.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn program(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.state_dir.join("programs").join(name);
        if let Some(folder) = path.parent() {
            files::make_private_folder(folder)?;
        }
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(path);
        }
        // An interpreter that reads it at this moment reads the old or the new, never half.
        let part = tempfile_beside(&path);
        files::create_private(&part)?.write_all(text.as_bytes())?;
        fs::rename(&part, &path)?;
        Ok(path)
    }

    /// Writes down what was started, so that the next usher finds it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn record(&self, started: &Started, log_file: &Path) -> io::Result<()> {
        self.records.write(&Record {
            started: started.clone(),
            log_file: log_file.to_owned(),
            boot_id: self.boot_id.clone(),
        })
    }

    /// Removes what a launch has left: the record, the socket file, its claim on the port.
    pub(super) fn clean(&self, started: &Started) {
        self.records.remove(started);
        match &started.endpoint {
            Endpoint::Tcp(address) => self.ports.release(address.port()),
            Endpoint::Unix(path) => remove_file(path),
        }
        self.limits.forget(started);
        self.processes.forget(started);
    }

    /// See [`super::Launcher::survivors`]. `templates` are the marks and sockets of those that live.
    /// Blocks for as long as it takes to end what does not belong.
    pub(super) fn survivors(&self, templates: &[(String, PathBuf)]) -> Vec<Started> {
        let (here, gone): (Vec<Record>, Vec<Record>) =
            self.records.read_all().into_iter().partition(|record| {
                record.boot_id == self.boot_id && self.processes.lives(&record.started)
            });
        for record in gone {
            log::info!("{} of launch {} is gone", record.started.key, record.started.generation.0);
            if record.boot_id == self.boot_id {
                self.processes.end(&record.started);
            }
            self.clean(&record.started);
            self.vanished.lock().push(record.started);
        }
        for record in &here {
            if let Endpoint::Tcp(address) = record.started.endpoint {
                self.ports.adopt(address.port());
            }
            self.remember_log(&record.started.key, &record.log_file);
        }
        let adopted: Vec<Started> = here.into_iter().map(|record| record.started).collect();
        let (marks, sockets): (Vec<String>, Vec<PathBuf>) = templates.iter().cloned().unzip();
        self.limits.survived(&adopted, &self.processes.members_of_all(&adopted));
        self.processes.end_strays(&adopted, &marks);
        self.remove_other_sockets(&adopted, &sockets);
        adopted
    }

    /// See [`super::Launcher::vanished`].
    pub(super) fn vanished(&self) -> Vec<Started> {
        std::mem::take(&mut *self.vanished.lock())
    }

    /// Notes where a seat's output goes.
    pub(super) fn remember_log(&self, key: &SeatKey, path: &Path) {
        let mut all = self.log_files.lock();
        if all.len() >= LOG_FILES_MAX && !all.contains_key(key) {
            all.clear();
        }
        all.insert(key.clone(), path.to_owned());
    }

    /// Where a seat's output goes, if it was ever launched.
    pub(super) fn log_file(&self, key: &SeatKey) -> Option<PathBuf> {
        self.log_files.lock().get(key).cloned()
    }

    fn remove_other_sockets(&self, adopted: &[Started], templates: &[PathBuf]) {
        let used = |path: &Path| {
            templates.iter().any(|socket| socket == path)
                || adopted.iter().any(|started| match &started.endpoint {
                    Endpoint::Unix(socket) => &**socket == path,
                    Endpoint::Tcp(_) => false,
                })
        };
        let entries = fs::read_dir(self.state_dir.join("sockets")).into_iter().flatten();
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            if !used(&path) {
                remove_file(&path);
            }
        }
    }
}

/// A short name for something long: 12 hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// A name beside this one that nobody else uses: several launches may write at once.
fn tempfile_beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("{}.{number}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsClock;
    use crate::domain::{AppSlug, UserName};

    #[test]
    fn a_socket_s_path_is_as_long_as_the_configuration_is_checked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let shared = Shared::new(folder.path(), Arc::new(OsClock)).expect("folders");
        let (user, app) = (UserName::new("김민수"), AppSlug::new("main"));
        let key = SeatKey { user: user.expect("a name"), app: app.expect("a slug") };
        let latest = Generation(9_999_999_999_999);
        let added = shared.socket_path(&key, latest).as_os_str().len() - shared.state_name().len();
        assert_eq!(added, crate::config::SEAT_SOCKET_BYTES);
    }
}
