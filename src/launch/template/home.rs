//! What all templates of one usher share: where their files are, how many may start at once, and
//! which of them live. Every template that serves is in its list until it was ended.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::knowledge::Knowledge;
use super::live::{Birth, Template};
use super::record;
use crate::launch::record::remove_file;
use crate::launch::shared::{Shared, digest};

/// Templates that are started at the same time: each keeps a core busy.
const STARTS_AT_ONCE_MAX: usize = 2;
/// Templates that are only kept for the sake of their seats; beyond, the oldest end before them.
const RETIRED_MAX: usize = 16;

/// The template's programs, the first of which is the one that is run.
const PROGRAMS: [(&str, &str); 6] = [
    ("template.py", include_str!("../template.py")),
    ("template_process.py", include_str!("../template_process.py")),
    ("template_modules.py", include_str!("../template_modules.py")),
    ("template_imports.py", include_str!("../template_imports.py")),
    ("template_seat.py", include_str!("../template_seat.py")),
    ("template_probe.py", include_str!("../template_probe.py")),
];

/// See the file.
pub(super) struct Home {
    pub(super) shared: Arc<Shared>,
    pub(super) knowledge: Knowledge,
    /// Records, logs and what is known.
    pub(super) folder: PathBuf,
    pub(super) programs: Programs,
    pub(super) starts: Semaphore,
    last_number: Mutex<u64>,
    living: Mutex<Vec<Arc<Template>>>,
    retiring: Mutex<JoinSet<()>>,
}

/// The Python programs of this version of usher.
pub(super) struct Programs {
    /// Tells them from those of another version.
    pub(super) version: String,
}

impl Programs {
    /// Writes them into a folder of their own, so that two versions do not mix; returns the first.
    ///
    /// # Errors
    /// One cannot be written.
    pub(super) fn write(&self, shared: &Shared) -> io::Result<PathBuf> {
        let write = |name: &str, text: &str| {
            shared.program(&format!("template.{}/{name}", self.version), text)
        };
        let [(first, text), others @ ..] = PROGRAMS;
        for (name, text) in others {
            write(name, text)?;
        }
        write(first, text)
    }
}

impl Home {
    /// No template yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let folder = shared.templates_folder();
        Self {
            knowledge: Knowledge::in_folder(folder.clone()),
            folder,
            programs: Programs {
                version: digest(PROGRAMS.map(|(_, text)| text).concat().as_bytes()),
            },
            starts: Semaphore::new(STARTS_AT_ONCE_MAX),
            last_number: Mutex::new(0),
            living: Mutex::default(),
            retiring: Mutex::default(),
            shared,
        }
    }

    /// A number that no template of this state folder ever had: the clock has gone on.
    pub(super) fn next_number(&self) -> u64 {
        let now = u64::try_from(self.shared.clock.wall().0).unwrap_or_default();
        let mut last = self.last_number.lock();
        *last = now.max(*last + 1);
        *last
    }

    /// The log of templates of a recipe; each begins it anew.
    pub(super) fn log_path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.log"))
    }

    /// A template serves.
    pub(super) fn admit(&self, template: &Arc<Template>) {
        self.living.lock().push(Arc::clone(template));
    }

    /// Those that serve or are kept for their seats.
    pub(super) fn living(&self) -> Vec<Arc<Template>> {
        self.living.lock().clone()
    }

    /// Ends a template, whatever it does. Its seats live on.
    pub(super) async fn end(self: &Arc<Self>, template: &Arc<Template>) {
        let (home, birth) = (Arc::clone(self), template.birth.clone());
        let ended = tokio::task::spawn_blocking(move || home.clear(&birth)).await;
        if let Err(error) = ended {
            log::error!("ending a template: {error}");
        }
        self.living.lock().retain(|other| other.birth.number != template.birth.number);
    }

    /// Ends the processes of a template that may not even answer, and removes its files. Blocks.
    pub(super) fn clear(&self, birth: &Birth) {
        self.shared.processes.end_template(&birth.mark);
        self.shared.processes.forget_process(birth.identity);
        record::remove(&self.folder, birth.number);
        remove_file(&birth.socket);
    }

    /// Ends a template when its last seat has gone. Must be called where tokio can be reached.
    pub(super) fn retire(self: &Arc<Self>, template: Arc<Template>) {
        let home = Arc::clone(self);
        let mut retiring = self.retiring.lock();
        while retiring.try_join_next().is_some() {}
        let is_too_many = retiring.len() >= RETIRED_MAX;
        retiring.spawn(async move {
            let mut life = template.life();
            if !is_too_many {
                // It fails only if the template itself is dropped, and that is here.
                let _ = life.wait_for(|life| life.has_ended || life.seats.is_empty()).await;
            }
            home.end(&template).await;
        });
    }

    /// No template is waited for any more.
    pub(super) async fn forget_retired(&self) {
        let mut retiring = std::mem::take(&mut *self.retiring.lock());
        retiring.shutdown().await;
    }
}
