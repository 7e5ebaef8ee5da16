//! Warm templates: one process per recipe that has imported Streamlit and what the apps need, and
//! from which seats are forked in milliseconds. `template.py` is that process; here it is started,
//! watched and replaced, and found again by the next usher.
//!
//! A `recipe` says which apps share a template; a `line` keeps one per recipe, by `hatch`ing them;
//! `live` is one that serves; `control` speaks with it; `knowledge` is what seats were seen to import;
//! `home` has the files and the list of all that live, each of which has a `record`.
//!
//! It knows nothing of seats but their processes. Whatever happens to a template costs a spawn,
//! never a request, and no seat.

mod control;
mod hatch;
mod home;
mod knowledge;
mod line;
mod live;
mod recipe;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::Started;
use super::processes;
use super::script::{Runnable, Script};
use super::shared::Shared;
use crate::config::{App, LaunchMode, Program};
use crate::domain::{AppSlug, Failure};
pub(super) use control::Exchange;
use control::{Denied, Message, Report, SetUp};
use home::Home;
use line::{Line, State};
pub(super) use live::{Spoilt, Template};
use recipe::Recipe;

/// A template that is on its way is worth waiting for, for so long since it was begun: it takes a
/// second or two, and a seat that was forked costs a third of the memory for as long as it lives.
const WORTH_WAITING: Duration = Duration::from_secs(15);

/// All templates of an usher. When it is dropped they live on.
pub(super) struct Templates {
    home: Arc<Home>,
    lines: Mutex<BTreeMap<String, Line>>,
    /// Of an earlier usher, for lines that are yet to begin.
    heirs: Mutex<Vec<Arc<Template>>>,
    /// Apps whose seats this template could not fork.
    unfit: Mutex<HashMap<AppSlug, (u64, String)>>,
    /// Why the last seat of an app was not forked.
    reasons: Mutex<HashMap<AppSlug, String>>,
    wanted: watch::Sender<Vec<Arc<App>>>,
    /// Whether earlier ushers' templates were looked for.
    adopted: watch::Sender<bool>,
    steward: Mutex<Option<live::Task>>,
    closed: AtomicBool,
}

/// Why there is no template for an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unavailable {
    /// For people.
    pub(super) reason: String,
    /// It will not get better by itself.
    pub(super) for_good: bool,
}

/// How a request for a seat ended.
pub(super) enum Answer {
    /// This process is a seat; what it could not be given.
    Seat(super::members::Identity, Vec<String>),
    /// The template is of no use any more.
    Spoilt(Spoilt),
    /// It cannot be set up for this app.
    Unfit(String),
    /// Not this once.
    NotNow(String),
}

impl Templates {
    /// None yet.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            home: Arc::new(Home::new(Arc::clone(shared))),
            lines: Mutex::default(),
            heirs: Mutex::default(),
            unfit: Mutex::default(),
            reasons: Mutex::default(),
            wanted: watch::Sender::default(),
            adopted: watch::Sender::new(false),
            steward: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The marks and sockets of the templates that earlier ushers left and that live; what is
    /// recorded and does not live is cleared away. Blocks.
    pub(super) fn find(&self) -> Found {
        let (home, boot_id) = (&self.home, self.home.shared.boot_id());
        let (here, gone): (Vec<_>, Vec<_>) = record::read_all(&home.folder, boot_id)
            .into_iter()
            .partition(|(birth, _)| processes::lives(birth.identity));
        gone.iter().for_each(|(birth, _)| home.clear(birth));
        Found(here)
    }

    /// Takes over the templates that were found: they are listened to, and tell how these seats end.
    /// What does not answer is ended.
    pub(super) async fn adopt(&self, found: Found, seats: &[Started]) {
        for (birth, version) in found.0 {
            let number = birth.number;
            match Template::listen(birth.clone()).await {
                Ok(template) => {
                    log::info!("template {} outlived the usher before", birth.identity.0);
                    self.home.admit(&template);
                    self.watch_seats(&template, seats);
                    // Another version of usher may have other programs.
                    if version == self.home.programs.version {
                        self.heirs.lock().push(template);
                    } else {
                        self.home.retire(template);
                    }
                }
                Err(error) => {
                    log::warn!("template {} of before is ended: {error}", birth.identity.0);
                    let home = Arc::clone(&self.home);
                    let cleared = tokio::task::spawn_blocking(move || home.clear(&birth)).await;
                    if let Err(error) = cleared {
                        log::error!("template {number}: {error}");
                    }
                }
            }
        }
        self.adopted.send_replace(true);
    }

    fn watch_seats(&self, template: &Template, seats: &[Started]) {
        let is_its = |identity: &(u32, u64)| template.life().borrow().seats.contains(identity);
        let identities = seats
            .iter()
            .filter_map(|seat| Some((seat.pid?, seat.process_started_ticks?)))
            .filter(is_its);
        for identity in identities {
            let told = template.exit_of(identity);
            if let Err(error) = self.home.shared.processes.watch_forked(identity, told) {
                log::warn!("how process {} ends will not be known: {error}", identity.0);
            }
        }
    }

    /// These are the apps from now on: those that are to be forked get a template, in the
    /// background, and what nobody needs any more goes. Nothing begins before [`Templates::adopt`]. Must
    /// be called where tokio can be reached.
    pub(super) fn prepare(self: &Arc<Self>, apps: &[Arc<App>]) {
        self.wanted.send_replace(apps.to_vec());
        let mut steward = self.steward.lock();
        if steward.is_none() && !self.closed.load(Ordering::Acquire) {
            let (templates, mut wanted) = (Arc::downgrade(self), self.wanted.subscribe());
            let mut adopted = self.adopted.subscribe();
            wanted.mark_changed();
            *steward = Some(live::Task(tokio::spawn(async move {
                if adopted.wait_for(|adopted| *adopted).await.is_err() {
                    return;
                }
                while wanted.changed().await.is_ok() {
                    let apps = wanted.borrow_and_update().clone();
                    let Some(templates) = templates.upgrade() else { return };
                    templates.arrange(&apps).await;
                }
            })));
        }
    }

    async fn arrange(&self, apps: &[Arc<App>]) {
        let mut keys = HashSet::new();
        for app in apps {
            if let Some((recipe, script)) = self.recipe_of(app).await {
                let key = recipe.key();
                self.leave_other_lines(&app.slug, &key);
                self.enter(&key, recipe, &app.slug, script);
                keys.insert(key);
            }
        }
        self.end_lines(|key| !keys.contains(key)).await;
        let heirs = std::mem::take(&mut *self.heirs.lock());
        heirs.into_iter().for_each(|heir| self.home.retire(heir));
    }

    /// The recipe of an app that is to be forked and can be started.
    async fn recipe_of(&self, app: &App) -> Option<(Recipe, PathBuf)> {
        let Program::Streamlit { script, python, arguments, launch, preload } = &app.program else {
            return None;
        };
        match launch {
            LaunchMode::Spawn => return None,
            LaunchMode::Auto | LaunchMode::Fork => {}
        }
        match Runnable::find(&self.home.shared, app, Script { script, python, arguments }).await {
            Ok(runnable) => Some((Recipe::of(app, preload, &runnable), script.clone())),
            Err(failure) => {
                self.note_missing(&app.slug, &failure);
                None
            }
        }
    }

    /// An app has one recipe at a time.
    fn leave_other_lines(&self, app: &AppSlug, key: &str) {
        for (other, line) in &*self.lines.lock() {
            if other != key {
                line.core.apps.send_if_modified(|apps| apps.remove(app).is_some());
            }
        }
    }

    /// The app's line, which begins if there is none.
    fn enter(
        &self,
        key: &str,
        recipe: Recipe,
        app: &AppSlug,
        script: PathBuf,
    ) -> Option<watch::Receiver<State>> {
        let mut lines = self.lines.lock();
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        if let Some(line) = lines.get(key) {
            line.join(app, &script);
            return Some(line.core.state.subscribe());
        }
        let apps = BTreeMap::from([(app.clone(), script)]);
        let line = Line::begin(&self.home, recipe, apps, self.heir(key));
        let state = line.core.state.subscribe();
        lines.insert(key.to_owned(), line);
        Some(state)
    }

    /// The newest good template of an earlier usher for this recipe; the others go.
    fn heir(&self, key: &str) -> Option<Arc<Template>> {
        let mut heirs = self.heirs.lock();
        let (mut fitting, others): (Vec<_>, Vec<_>) =
            heirs.drain(..).partition(|heir| heir.birth.key == key && heir.is_good());
        *heirs = others;
        fitting.sort_by_key(|heir| heir.birth.number);
        let newest = fitting.pop();
        fitting.into_iter().for_each(|older| self.home.retire(older));
        newest
    }

    async fn end_lines(&self, is_over: impl Fn(&str) -> bool) {
        let mut over = Vec::new();
        {
            let mut lines = self.lines.lock();
            let keys: Vec<String> = lines.keys().filter(|key| is_over(key)).cloned().collect();
            over.extend(keys.iter().filter_map(|key| lines.remove(key)));
        }
        for line in over {
            if let Some(template) = line.end().await {
                self.home.retire(template);
            }
        }
    }

    /// The template to fork a seat of this app from. With `launch: fork` a template that is on its
    /// way is waited for however long it takes.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn template_for(
        &self,
        app: &App,
        preload: &[String],
        runnable: &Runnable,
        mode: LaunchMode,
    ) -> Result<Arc<Template>, Unavailable> {
        let recipe = Recipe::of(app, preload, runnable);
        let key = recipe.key();
        let closed = || Unavailable { reason: "usher leaves".to_owned(), for_good: false };
        let entered = self.enter(&key, recipe, &app.slug, runnable.script.clone());
        let mut state = entered.ok_or_else(closed)?;
        loop {
            let now = state.borrow_and_update().clone();
            let since = match now {
                State::Ready(template) => return self.fit(&app.slug, template),
                State::Resting(reason) => return Err(Unavailable { reason, for_good: false }),
                State::Refused(reason) => return Err(Unavailable { reason, for_good: true }),
                State::Starting(since) => since,
            };
            let waited = Duration::from_millis(self.home.shared.clock.now().since_ms(since));
            let changed = async { state.changed().await.map_err(|_| closed()) };
            match mode {
                LaunchMode::Fork => changed.await?,
                LaunchMode::Auto | LaunchMode::Spawn => {
                    let patience = WORTH_WAITING.saturating_sub(waited);
                    match tokio::time::timeout(patience, changed).await {
                        Ok(changed) => changed?,
                        Err(_) => {
                            let reason = "its template takes too long to start".to_owned();
                            return Err(Unavailable { reason, for_good: false });
                        }
                    }
                }
            }
        }
    }

    fn fit(&self, app: &AppSlug, template: Arc<Template>) -> Result<Arc<Template>, Unavailable> {
        match self.unfit.lock().get(app) {
            Some((number, reason)) if *number == template.number() => {
                Err(Unavailable { reason: reason.clone(), for_good: true })
            }
            Some(_) | None => Ok(template),
        }
    }

    /// This template cannot fork seats of this app.
    pub(super) fn note_unfit(&self, app: &AppSlug, template: &Template, reason: &str) {
        self.unfit.lock().insert(app.clone(), (template.number(), reason.to_owned()));
    }

    /// Why a seat of this app was not forked; logged when it is another reason than before.
    pub(super) fn note(&self, app: &AppSlug, reason: String) {
        let before = self.reasons.lock().insert(app.clone(), reason.clone());
        if before.as_ref() != Some(&reason) {
            log::info!("{app}: its seats are spawned, not forked: {reason}");
        }
    }

    /// What every start of this app needs is not there; logged like [`Self::note`].
    fn note_missing(&self, app: &AppSlug, failure: &Failure) {
        let before = self.reasons.lock().insert(app.clone(), failure.to_string());
        if before.is_none_or(|before| before != failure.to_string()) {
            log::warn!("{app}: its seats cannot start: {failure}");
        }
    }

    /// A seat of this app was forked.
    pub(super) fn note_forked(&self, app: &AppSlug) {
        self.reasons.lock().remove(app);
    }

    /// Why seats of this app are not forked; `None` if they are, or nobody wants it.
    pub(super) fn why_not(&self, app: &AppSlug) -> Option<String> {
        let of_line = self.lines.lock().values().find_map(|line| {
            if !line.core.apps.borrow().contains_key(app) {
                return None;
            }
            match &*line.core.state.borrow() {
                State::Refused(reason) | State::Resting(reason) => Some(reason.clone()),
                State::Starting(_) | State::Ready(_) => None,
            }
        });
        of_line.or_else(|| self.reasons.lock().get(app).cloned())
    }

    /// Where seats that run this script note what they have imported.
    pub(super) fn learned_path(&self, runnable: &Runnable) -> PathBuf {
        self.home.knowledge.learned_path(&runnable.python, &runnable.script)
    }

    /// No seat is forked any more. The templates end, or they stay for the next usher; one that was
    /// still starting ends in any case.
    pub(super) async fn close(&self, keep: bool) {
        self.closed.store(true, Ordering::Release);
        drop(self.steward.lock().take());
        let lines = std::mem::take(&mut *self.lines.lock());
        for line in lines.into_values() {
            line.end().await;
        }
        self.home.forget_retired().await;
        if !keep {
            for template in self.home.living() {
                self.home.end(&template).await;
            }
        }
    }
}

/// Templates of an earlier usher, with the version of their programs.
pub(super) struct Found(Vec<(live::Birth, String)>);

impl Found {
    /// What their processes carry, and their sockets.
    pub(super) fn marks_and_sockets(&self) -> Vec<(String, PathBuf)> {
        self.0.iter().map(|(birth, _)| (birth.mark.clone(), birth.socket.clone())).collect()
    }
}

impl Exchange {
    /// The end of it: a seat, or why there is none. Blocks.
    pub(super) fn outcome(&mut self) -> Answer {
        let mut process = None;
        loop {
            let said = match self.next() {
                Ok(Some(said)) => said,
                Ok(None) if process.is_some() => {
                    return Answer::NotNow("the seat ended while it was set up".to_owned());
                }
                Ok(None) => return Answer::Spoilt(Spoilt::Silent("it hung up".to_owned())),
                Err(error) => return Answer::Spoilt(Spoilt::Silent(error.to_string())),
            };
            match said {
                Message::Forked(name) => process = Some(name.identity()),
                Message::Seat(Report { dropped_flags, stale_environment }) => {
                    if !dropped_flags.is_empty() {
                        log::debug!("this Streamlit does not know {}", dropped_flags.join(", "));
                    }
                    return match process {
                        Some(identity) => Answer::Seat(identity, stale_environment),
                        None => Answer::NotNow("a seat without a process".to_owned()),
                    };
                }
                Message::Failed(SetUp { step, detail }) => {
                    return Answer::Unfit(format!("{step}: {detail}"));
                }
                Message::Exited(_) => {
                    return Answer::NotNow("the seat ended while it was set up".to_owned());
                }
                Message::Error(denied) => return Answer::from(denied),
                Message::Importing(_)
                | Message::Excluded(_)
                | Message::Ready(_)
                | Message::Refused(_)
                | Message::Template(_) => {
                    return Answer::NotNow(format!("it answers {said:?}"));
                }
            }
        }
    }
}

impl From<Denied> for Answer {
    fn from(Denied { code, detail }: Denied) -> Self {
        match code.as_str() {
            "environment_changed" => Self::Spoilt(Spoilt::Changed(detail)),
            "thread" | "descriptor" => Self::Spoilt(Spoilt::Unfit(format!("{code}: {detail}"))),
            _ => Self::NotNow(format!("{code}: {detail}")),
        }
    }
}
