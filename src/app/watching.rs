//! Watches the configuration file and the files that are reloaded with it, whichever they are at
//! the moment.

use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::config::Snapshot;
use crate::config::watch::Watch;

/// What is watched.
pub(super) struct Watching {
    files: Vec<PathBuf>,
    _watch: Watch,
    tell: mpsc::Sender<()>,
}

impl Watching {
    /// Tells of each change of a file.
    ///
    /// # Errors
    /// Nothing can be watched.
    pub(super) fn start(snapshot: &Snapshot, tell: mpsc::Sender<()>) -> io::Result<Self> {
        let files = files_of(snapshot);
        let watch = watch(&files, tell.clone())?;
        Ok(Self { files, _watch: watch, tell })
    }

    /// Watches what another configuration names.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let files = files_of(snapshot);
        if files == self.files {
            return;
        }
        match watch(&files, self.tell.clone()) {
            Ok(watch) => {
                self._watch = watch;
                self.files = files;
            }
            Err(error) => log::error!("changes of further files are not noticed: {error}"),
        }
    }
}

fn files_of(snapshot: &Snapshot) -> Vec<PathBuf> {
    let mut files = vec![snapshot.file.clone()];
    files.extend(snapshot.tls.iter().flat_map(crate::config::Tls::files));
    files
}

fn watch(files: &[PathBuf], tell: mpsc::Sender<()>) -> io::Result<Watch> {
    Watch::start(files, move |_| {
        // A full channel holds the same wish already.
        let _ = tell.try_send(());
    })
}
