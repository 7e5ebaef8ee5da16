//! Which app has which front end: asked once, shared by all apps of an environment, and asked again
//! when the environment changed.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::asset::Asset;
use super::coding::{Accepted, Coding};
use super::element::Element;
use super::front_end::FrontEnd;
use super::pack::Effort;
use super::packer::Packer;
use super::reply::{self, Wish};
use super::scripts::Scripts;
use super::shelf::{FrontId, Shelf};
use crate::answer::Answer;
use crate::clock::{Clock, Moment};
use crate::config::{App, Program};
use crate::domain::AppSlug;

/// The memory that files may take, all forms together: Streamlit's have some 25 MB plain and 10 MB
/// packed, of which a visit needs a fifth.
const HELD_BYTES_MAX: usize = 96 * 1024 * 1024;
/// Files that are read or quickly packed at the same time; others wait.
const LOADS_AT_ONCE_MAX: usize = 4;
/// Where an app's Streamlit is not known, it is asked about again after so long, in milliseconds.
const ASK_AGAIN_AFTER_MS: u64 = 5_000;

/// Says in which folder an app's Streamlit is installed; `None`: nowhere, or nobody can tell.
pub type Ask =
    Arc<dyn Fn(Arc<App>) -> Pin<Box<dyn Future<Output = Option<PathBuf>> + Send>> + Send + Sync>;

/// What there is for a request for a file.
#[derive(Debug)]
pub enum Found {
    /// This.
    Answer(Answer),
    /// Streamlit has no such file.
    Missing,
    /// The app may have it.
    Unknown,
}

/// All front ends. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

struct Inner {
    ask: Ask,
    clock: Arc<dyn Clock>,
    apps: ArcSwap<HashMap<AppSlug, Known>>,
    asked: Mutex<HashMap<AppSlug, Asked>>,
    next_front: AtomicU64,
    shelf: Arc<Shelf>,
    scripts: Scripts,
    packer: Option<Packer>,
    loads: Semaphore,
}

/// An app whose front end is known.
#[derive(Clone)]
struct Known {
    setting: Setting,
    front: Arc<FrontEnd>,
}

/// An app that was asked about.
struct Asked {
    setting: Setting,
    at: Moment,
    is_under_way: bool,
}

/// What decides where an app's Streamlit is.
#[derive(Clone, PartialEq, Eq)]
struct Setting {
    python: PathBuf,
    working_directory: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Setting {
    fn of(app: &App) -> Option<Self> {
        Some(Self {
            python: python(app)?.to_owned(),
            working_directory: app.working_directory.clone(),
            environment: app.environment.clone(),
        })
    }

    fn is_of(&self, app: &App) -> bool {
        python(app) == Some(&self.python)
            && self.working_directory == app.working_directory
            && self.environment == app.environment
    }
}

fn python(app: &App) -> Option<&Path> {
    match &app.program {
        Program::Streamlit { python, .. } => Some(python),
        Program::Command { .. } | Program::Upstream { .. } => None,
    }
}

fn script(app: &App) -> Option<&Path> {
    match &app.program {
        Program::Streamlit { script, .. } => Some(script),
        Program::Command { .. } | Program::Upstream { .. } => None,
    }
}

impl Library {
    /// A library that knows nothing yet. Asks from within a tokio runtime.
    pub fn new(ask: Ask, clock: Arc<dyn Clock>) -> Self {
        let shelf = Arc::new(Shelf::new(HELD_BYTES_MAX));
        let grown = Arc::clone(&shelf);
        let packer = Packer::start(move || grown.grew())
            .inspect_err(|error| log::error!("files are packed quickly only: {error}"))
            .ok();
        let inner = Inner {
            ask,
            clock,
            apps: ArcSwap::default(),
            asked: Mutex::default(),
            next_front: AtomicU64::new(0),
            shelf,
            scripts: Scripts::default(),
            packer,
            loads: Semaphore::new(LOADS_AT_ONCE_MAX),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Asks about an app, if it is a Streamlit app that is not known and was not asked about just
    /// now.
    pub fn look_up(&self, app: &Arc<App>) {
        let Some(setting) = Setting::of(app) else { return };
        if !self.inner.may_ask(&app.slug, setting) {
            return;
        }
        let (library, app) = (self.clone(), Arc::clone(app));
        tokio::spawn(async move {
            let package = (library.inner.ask)(Arc::clone(&app)).await;
            library.inner.learn(&app, package).await;
        });
    }

    /// The index page of an app, if it is known that what its app answers is nothing else.
    pub async fn page(
        &self,
        app: &Arc<App>,
        element: Option<&Element>,
        headers: &HeaderMap,
    ) -> Option<Answer> {
        let front = self.current_front(app)?;
        if !self.inner.scripts.is_plain(script(app)?) {
            return None;
        }
        let page = front.page(&app.slug, element);
        Some(self.inner.reply(page, headers).await)
    }

    /// A file of an app's front end; `path` is as of [`super::FrontPath`].
    pub async fn file(&self, app: &Arc<App>, path: &str, headers: &HeaderMap) -> Found {
        let Some(front) = self.front(app) else { return Found::Unknown };
        let asset = match self.inner.shelf.get(front.id, path) {
            Some(asset) => Some(asset),
            None => self.inner.load(front, path).await,
        };
        match asset {
            Some(asset) => Found::Answer(self.inner.reply(asset, headers).await),
            None if script(app).is_some_and(|it| self.inner.scripts.is_plain(it)) => Found::Missing,
            None => Found::Unknown,
        }
    }

    fn front(&self, app: &Arc<App>) -> Option<Arc<FrontEnd>> {
        let front = self.inner.known(app);
        if front.is_none() {
            self.look_up(app);
        }
        front
    }

    /// The front end as it is now: one that changed on the disk is opened anew.
    fn current_front(&self, app: &Arc<App>) -> Option<Arc<FrontEnd>> {
        let front = self.front(app)?;
        if front.is_current() {
            return Some(front);
        }
        self.inner.forget(&front);
        match self.inner.open(front.package()) {
            Ok(front) => {
                self.inner.publish(app, &front);
                Some(front)
            }
            Err(_) => {
                self.look_up(app);
                None
            }
        }
    }
}

impl Inner {
    fn known(&self, app: &App) -> Option<Arc<FrontEnd>> {
        let apps = self.apps.load();
        let known = apps.get(&app.slug)?;
        known.setting.is_of(app).then(|| Arc::clone(&known.front))
    }

    fn may_ask(&self, app: &AppSlug, setting: Setting) -> bool {
        let now = self.clock.now();
        let mut asked = self.asked.lock();
        if let Some(before) = asked.get(app)
            && before.setting == setting
            && (before.is_under_way || now.since_ms(before.at) < ASK_AGAIN_AFTER_MS)
        {
            return false;
        }
        asked.insert(app.clone(), Asked { setting, at: now, is_under_way: true });
        true
    }

    async fn learn(self: &Arc<Self>, app: &Arc<App>, package: Option<PathBuf>) {
        if let Some(package) = package {
            let (inner, slug) = (Arc::clone(self), app.slug.clone());
            let opened = tokio::task::spawn_blocking(move || inner.open(&package)).await;
            match opened {
                Ok(Ok(front)) => self.publish(app, &front),
                Ok(Err(error)) => log::warn!("{slug}: its front end is the app's own: {error}"),
                Err(error) => log::error!("{slug}: {error}"),
            }
        }
        let now = self.clock.now();
        if let Some(asked) = self.asked.lock().get_mut(&app.slug)
            && asked.setting.is_of(app)
        {
            (asked.at, asked.is_under_way) = (now, false);
        }
    }

    /// The front end of a package: the one that another app has, if it has not changed.
    fn open(&self, package: &Path) -> std::io::Result<Arc<FrontEnd>> {
        let apps = self.apps.load();
        let mut fronts = apps.values().map(|known| &known.front);
        if let Some(front) = fronts.find(|front| front.is_of(package) && front.is_current()) {
            return Ok(Arc::clone(front));
        }
        let id = FrontId(self.next_front.fetch_add(1, Ordering::Relaxed));
        FrontEnd::open(package, id).map(Arc::new)
    }

    fn publish(&self, app: &App, front: &Arc<FrontEnd>) {
        let Some(setting) = Setting::of(app) else { return };
        let known = Known { setting, front: Arc::clone(front) };
        self.apps.rcu(|apps| {
            let mut apps = HashMap::clone(apps);
            apps.insert(app.slug.clone(), known.clone());
            apps
        });
    }

    /// No app has this front end any more, and none of its files is held.
    fn forget(&self, front: &FrontEnd) {
        log::info!("{} changed", front.package().display());
        self.apps.rcu(|apps| {
            let mut apps = HashMap::clone(apps);
            apps.retain(|_, known| known.front.id != front.id);
            apps
        });
        self.shelf.clear(front.id);
        self.asked.lock().clear();
    }

    async fn load(self: &Arc<Self>, front: Arc<FrontEnd>, path: &str) -> Option<Arc<Asset>> {
        let _turn = self.loads.acquire().await.ok()?;
        if let Some(asset) = self.shelf.get(front.id, path) {
            return Some(asset);
        }
        let (inner, path) = (Arc::clone(self), path.to_owned());
        let loaded = tokio::task::spawn_blocking(move || {
            let asset = front.read(&path)?;
            Some(inner.shelf.put(front.id, &path, asset))
        });
        loaded.await.inspect_err(|error| log::error!("{error}")).ok().flatten()
    }

    async fn reply(self: &Arc<Self>, asset: Arc<Asset>, headers: &HeaderMap) -> Answer {
        let wish = Wish::of(headers);
        if wish.knows(&asset) {
            return reply::known(asset.plain());
        }
        if wish.wants_part() {
            return reply::in_part(&asset, &wish);
        }
        let accepted = Accepted::of(wish.accepted());
        let choice = match asset.choose(&accepted) {
            Ok(choice) => Ok(choice),
            Err(coding) => {
                self.pack_quickly(&asset, coding).await;
                asset.choose(&accepted)
            }
        };
        // Packing may have been in vain.
        let Ok(choice) = choice else { return reply::whole(asset.plain()) };
        if let (Some(coding), Some(packer)) = (choice.wanted, &self.packer) {
            packer.order(&asset, coding);
        }
        reply::whole(&choice.form)
    }

    async fn pack_quickly(self: &Arc<Self>, asset: &Arc<Asset>, coding: Coding) {
        let Ok(_turn) = self.loads.acquire().await else { return };
        let (asset, shelf) = (Arc::clone(asset), Arc::clone(&self.shelf));
        let packed = tokio::task::spawn_blocking(move || {
            if asset.pack(coding, Effort::Quick) {
                shelf.grew();
            }
        });
        if let Err(error) = packed.await {
            log::error!("{error}");
        }
    }
}

#[cfg(test)]
mod tests;
