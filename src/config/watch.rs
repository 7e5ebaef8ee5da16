//! Notices that files changed: the configuration, and whatever else is reloaded when it is
//! replaced. Watches folders, not files, because editors put a new file in the old one's place.
//! Reads nothing but names, sizes and times: what a change means is the caller's business.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// A change is told when nothing more has happened for so long: editors write in several steps.
const QUIET_MS: u64 = 200;
/// But it is told after so many steps in any case.
const STEPS_MAX: usize = 10;
/// Where the system does not tell of changes, files are looked at this often.
const POLL_MS: u64 = 2000;

/// A running watch; ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

impl Watch {
    /// Watches files, which need not be there, and calls `on_change` with those that are new or
    /// different, each time once a burst of changes is over. A file that vanishes is told when
    /// it is back. Calls come from a thread of the watch, one at a time; a call that has begun
    /// when the watch is dropped is finished, and no other follows.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        files: &[PathBuf],
        on_change: impl FnMut(&[PathBuf]) + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::start_with(Source::System, files, on_change)
    }

    fn start_with(
        source: Source,
        files: &[PathBuf],
        on_change: impl FnMut(&[PathBuf]) + Send + 'static,
    ) -> std::io::Result<Self> {
        // One place: a second change while one waits to be noticed says nothing new.
        let (wake, woken) = sync_channel(1);
        let stop = Arc::new(AtomicBool::new(false));
        let mut watcher = Watcher::new(source, files, wake.clone());
        // Before the thread: what changes after `start` has returned is noticed.
        watcher.follow_folders();
        let ended = Arc::clone(&stop);
        std::thread::Builder::new()
            .name("file-watch".to_owned())
            .spawn(move || watcher.run(&woken, &ended, on_change))?;
        Ok(Self { stop, wake })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Full: the thread is about to wake anyway.
        let _ = self.wake.try_send(());
    }
}

/// Who tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The system, or polling where it cannot.
    System,
    /// Nobody; for tests of the polling.
    #[cfg(test)]
    Nobody,
}

/// What tells two versions of a file apart without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    identity: Identity,
}

/// What tells a file or folder from another of the same name.
type Identity = (u64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: found.modified().ok(), bytes: found.len(), identity: identity(&found) })
}

#[cfg(unix)]
fn identity(found: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(found: &std::fs::Metadata) -> Identity {
    let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    let created = found.created().ok().and_then(since).unwrap_or_default();
    (created.as_secs(), u64::from(created.subsec_nanos()))
}

struct Watcher {
    source: Source,
    files: Vec<(PathBuf, Option<Stamp>)>,
    system: Option<RecommendedWatcher>,
    /// The folders that are watched, as they were when that began.
    folders: HashMap<PathBuf, Identity>,
    is_polling: bool,
    wake: SyncSender<()>,
}

impl Watcher {
    fn new(source: Source, files: &[PathBuf], wake: SyncSender<()>) -> Self {
        let files = files.iter().map(|file| (file.clone(), stamp(file))).collect();
        let folders = HashMap::new();
        Self { source, files, system: None, folders, is_polling: false, wake }
    }

    fn run(
        mut self,
        woken: &Receiver<()>,
        stop: &AtomicBool,
        mut on_change: impl FnMut(&[PathBuf]),
    ) {
        loop {
            if !self.wait(woken) || stop.load(Ordering::Acquire) {
                return;
            }
            self.follow_folders();
            let changed = self.take_changed();
            if !changed.is_empty() {
                on_change(&changed);
            }
        }
    }

    /// Returns after a change and the quiet behind it, or when it is time to look; `false` if
    /// nobody will ever tell anything.
    fn wait(&self, woken: &Receiver<()>) -> bool {
        let first = if self.is_polling {
            woken.recv_timeout(Duration::from_millis(POLL_MS))
        } else {
            woken.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        if first == Err(RecvTimeoutError::Disconnected) {
            return false;
        }
        for _ in 0..STEPS_MAX {
            if woken.recv_timeout(Duration::from_millis(QUIET_MS)).is_err() {
                break;
            }
        }
        true
    }

    /// The files that are there and are not what they were when last told.
    fn take_changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (file, told) in &mut self.files {
            let now = stamp(file);
            if now.is_some() && now != *told {
                *told = now;
                changed.push(file.clone());
            }
        }
        changed
    }

    /// Watches the folders in which the files are now. A folder that was replaced, or that a
    /// link no longer leads to, is another folder.
    fn follow_folders(&mut self) {
        let wanted = self.wanted_folders();
        let Some(mut system) = self.system.take().or_else(|| self.system_watcher()) else {
            self.begin_polling("nothing tells of changes");
            return;
        };
        self.folders.retain(|folder, identity| {
            let stays = wanted.get(folder) == Some(&Some(*identity));
            if !stays {
                // It may be gone already, and the watch with it.
                let _ = system.unwatch(folder);
            }
            stays
        });
        let mut failure = None;
        for (folder, identity) in wanted {
            let Some(identity) = identity else {
                failure = Some(format!("{} is not there", folder.display()));
                continue;
            };
            if self.folders.contains_key(&folder) {
                continue;
            }
            match system.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(folder, identity)),
                Err(error) => failure = Some(error.to_string()),
            }
        }
        self.system = Some(system);
        match failure {
            Some(failure) => self.begin_polling(&failure),
            None => self.is_polling = false,
        }
    }

    /// The folder of each file's name, and that of the file itself if the name is a link.
    fn wanted_folders(&self) -> HashMap<PathBuf, Option<Identity>> {
        let mut wanted = HashMap::new();
        for (file, _) in &self.files {
            let real = file.canonicalize().ok();
            for path in [Some(file), real.as_ref()].into_iter().flatten() {
                let folder = match path.parent() {
                    Some(folder) if folder != Path::new("") => folder,
                    Some(_) | None => Path::new("."),
                };
                let found = std::fs::metadata(folder).ok().map(|found| identity(&found));
                wanted.insert(folder.to_owned(), found);
            }
        }
        wanted
    }

    fn system_watcher(&self) -> Option<RecommendedWatcher> {
        match self.source {
            Source::System => {}
            #[cfg(test)]
            Source::Nobody => return None,
        }
        let wake = self.wake.clone();
        let on_event = move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, |event| may_have_changed(&event.kind)) {
                let _ = wake.try_send(());
            }
        };
        notify::recommended_watcher(on_event)
            .inspect_err(|error| log::warn!("the system does not tell of changed files: {error}"))
            .ok()
    }

    fn begin_polling(&mut self, why: &str) {
        if !self.is_polling {
            let files = self.files.iter().map(|(file, _)| file.display().to_string());
            let files = files.collect::<Vec<_>>().join(", ");
            log::warn!("{files}: looked at every {} s now, because {why}", POLL_MS / 1000);
        }
        self.is_polling = true;
    }
}

/// Reading a file is no change of it; all else may be.
fn may_have_changed(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Longer than any change takes to be noticed, on a busy machine too.
    const DEADLINE: Duration = Duration::from_secs(20);

    struct Scene {
        root: tempfile::TempDir,
        file: PathBuf,
        _watch: Watch,
        told: Receiver<Vec<PathBuf>>,
    }

    /// `conf/usher.yaml` in a new folder, watched.
    fn scene(source: Source, prepare: impl Fn(&Path)) -> Scene {
        let root = tempfile::tempdir().expect("a folder");
        prepare(root.path());
        let file = root.path().join("conf/usher.yaml");
        let (tell, told) = sync_channel(64);
        let on_change = move |files: &[PathBuf]| drop(tell.send(files.to_vec()));
        let watch = Watch::start_with(source, std::slice::from_ref(&file), on_change);
        Scene { root, file, _watch: watch.expect("a thread"), told }
    }

    fn plain(root: &Path) {
        fs::create_dir(root.join("conf")).expect("made");
        fs::write(root.join("conf/usher.yaml"), "one").expect("written");
    }

    impl Scene {
        /// Waits for the news after which the file holds `content`.
        fn expect(&self, content: &str) {
            loop {
                let files = self.told.recv_timeout(DEADLINE).expect("it is noticed");
                assert_eq!(files, std::slice::from_ref(&self.file));
                if fs::read_to_string(&self.file).is_ok_and(|now| now == content) {
                    return;
                }
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }
    }

    #[test]
    fn it_notices_every_way_of_saving() {
        let scene = scene(Source::System, plain);
        fs::write(&scene.file, "in place").expect("written");
        scene.expect("in place");
        fs::write(scene.path("conf/.new"), "by rename").expect("written");
        fs::rename(scene.path("conf/.new"), &scene.file).expect("renamed");
        scene.expect("by rename");
        // As some editors do: the old one away first, then a new one.
        fs::rename(&scene.file, scene.path("conf/usher.yaml~")).expect("renamed");
        fs::write(&scene.file, "anew").expect("written");
        scene.expect("anew");
    }

    #[test]
    fn it_waits_for_a_file_that_is_absent() {
        let scene = scene(Source::System, plain);
        fs::remove_file(&scene.file).expect("removed");
        fs::write(scene.path("conf/other"), "x").expect("written");
        fs::write(&scene.file, "back").expect("written");
        scene.expect("back");
    }

    #[test]
    fn it_follows_a_folder_that_is_replaced() {
        let scene = scene(Source::System, plain);
        fs::rename(scene.path("conf"), scene.path("old")).expect("renamed");
        fs::create_dir(scene.path("conf")).expect("made");
        fs::write(&scene.file, "in a new folder").expect("written");
        scene.expect("in a new folder");
        fs::write(&scene.file, "and there again").expect("written");
        scene.expect("and there again");
    }

    #[cfg(unix)]
    #[test]
    fn it_follows_a_link() {
        let scene = scene(Source::System, |root| {
            for (folder, content) in [("conf", "unused"), ("a", "one"), ("b", "through a link")] {
                fs::create_dir(root.join(folder)).expect("made");
                fs::write(root.join(folder).join("real.yaml"), content).expect("written");
            }
            std::os::unix::fs::symlink("../a/real.yaml", root.join("conf/usher.yaml"))
                .expect("linked");
        });
        fs::write(scene.path("a/real.yaml"), "at its place").expect("written");
        scene.expect("at its place");
        std::os::unix::fs::symlink("../b/real.yaml", scene.path("conf/.new")).expect("linked");
        fs::rename(scene.path("conf/.new"), &scene.file).expect("renamed");
        scene.expect("through a link");
        fs::write(scene.path("b/real.yaml"), "at its new place").expect("written");
        scene.expect("at its new place");
    }

    #[test]
    fn it_polls_where_nobody_tells() {
        let scene = scene(Source::Nobody, plain);
        fs::write(&scene.file, "by itself").expect("written");
        scene.expect("by itself");
    }

    #[test]
    fn what_is_the_same_is_not_told() {
        let root = tempfile::tempdir().expect("a folder");
        plain(root.path());
        let file = root.path().join("conf/usher.yaml");
        let (wake, _woken) = sync_channel(1);
        let mut watcher = Watcher::new(Source::Nobody, std::slice::from_ref(&file), wake);
        assert_eq!(watcher.take_changed(), [] as [PathBuf; 0]);
        fs::read(&file).expect("read");
        fs::write(root.path().join("conf/other"), "x").expect("written");
        assert_eq!(watcher.take_changed(), [] as [PathBuf; 0]);
        fs::write(&file, "longer than it was").expect("written");
        assert_eq!(watcher.take_changed(), std::slice::from_ref(&file));
        fs::remove_file(&file).expect("removed");
        assert_eq!(watcher.take_changed(), [] as [PathBuf; 0]);
        fs::write(&file, "back, and different").expect("written");
        assert_eq!(watcher.take_changed(), [file]);
    }

    #[test]
    fn reading_is_no_change() {
        assert!(!may_have_changed(&EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!may_have_changed(&EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(may_have_changed(&EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(may_have_changed(&EventKind::Other));
    }
}
