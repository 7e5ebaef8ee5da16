//! The templates of one recipe, one after the other: started when first wanted, kept warm, replaced
//! when the environment changed, when much more was learned, or when it died. A replacement is
//! started before the old one is let go, unless that one is of no use any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::control;
use super::hatch::{NotHatched, hatch};
use super::home::Home;
use super::knowledge::is_worth_a_template;
use super::live::{Life, Spoilt, Task, Template};
use super::recipe::{Given, Recipe};
use crate::clock::Moment;
use crate::domain::{AppSlug, Exit};

/// Between two looks at what seats have learned.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// At each so many-th look the template itself is asked.
const LOOKS_PER_QUESTION: u32 = 8;
/// After a death or a failure, the first time and at most.
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(300);
/// Who lived for so long died of something new.
const LONG_LIFE: Duration = Duration::from_secs(300);
/// An environment that refused is asked again after so long even if nothing changed.
const REFUSED_FOR: Duration = Duration::from_secs(1800);
/// Between two templates for the sake of what was learned, after the first; doubles each time.
const LESSON_EVERY: Duration = Duration::from_secs(30);
/// While something is being installed, for so long at most.
const SETTLING_LOOKS_MAX: u32 = 30;
/// How a dead template ended is waited for so long.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether there is a template.
#[derive(Clone)]
pub(super) enum State {
    /// One is on its way since then.
    Starting(Moment),
    /// This one.
    Ready(Arc<Template>),
    /// Not now; why.
    Resting(String),
    /// Not in this environment; why.
    Refused(String),
}

/// What is known of a line from outside.
pub(super) struct Core {
    recipe: Recipe,
    /// Who uses it, and which script they run.
    pub(super) apps: watch::Sender<BTreeMap<AppSlug, PathBuf>>,
    pub(super) state: watch::Sender<State>,
}

/// A line. Dropped, it starts no more templates; those that live stay.
pub(super) struct Line {
    pub(super) core: Arc<Core>,
    keeper: Task,
}

impl Line {
    /// Begins a line, with a template that lives already if there is one. Must be called where tokio
    /// can be reached.
    pub(super) fn begin(
        home: &Arc<Home>,
        recipe: Recipe,
        apps: BTreeMap<AppSlug, PathBuf>,
        heir: Option<Arc<Template>>,
    ) -> Self {
        let state = match &heir {
            Some(template) => State::Ready(Arc::clone(template)),
            None => State::Starting(home.shared.clock.now()),
        };
        let (apps, state) = (watch::Sender::new(apps), watch::Sender::new(state));
        let core = Arc::new(Core { recipe, apps, state });
        let keeper = Keeper {
            home: Arc::clone(home),
            core: Arc::clone(&core),
            given: heir.as_ref().map(|template| template.birth.given.clone()),
            attempted: BTreeSet::new(),
            current: heir,
            failures: 0,
            lessons: 0,
            next_lesson: Moment::default(),
        };
        Self { core, keeper: Task(tokio::spawn(keeper.run())) }
    }

    /// Another app has the same recipe.
    pub(super) fn join(&self, app: &AppSlug, script: &std::path::Path) {
        self.core.apps.send_if_modified(|apps| {
            let is_new = apps.get(app).is_none_or(|has| has != script);
            if is_new {
                apps.insert(app.clone(), script.to_owned());
            }
            is_new
        });
    }

    /// Ends the line, and returns the template that it had; one that was starting is gone.
    pub(super) async fn end(mut self) -> Option<Arc<Template>> {
        self.keeper.0.abort();
        // Cancelled is what it was meant to be.
        let _ = (&mut self.keeper.0).await;
        match &*self.core.state.borrow() {
            State::Ready(template) => Some(Arc::clone(template)),
            State::Starting(_) | State::Resting(_) | State::Refused(_) => None,
        }
    }
}

/// Why the next template is due.
enum Due {
    /// There is none any more.
    Died,
    /// What is installed changed; this one is of no use.
    Changed(String),
    /// It has something that a fork would share.
    Unfit(String),
    /// A better one can be had.
    Better(String),
}

/// The task of a line.
struct Keeper {
    home: Arc<Home>,
    core: Arc<Core>,
    current: Option<Arc<Template>>,
    /// What the last one was told.
    given: Option<Given>,
    /// The scripts that the last try was told of.
    attempted: BTreeSet<PathBuf>,
    failures: u32,
    lessons: u32,
    next_lesson: Moment,
}

impl Keeper {
    async fn run(mut self) {
        loop {
            if let Some(template) = self.current.clone() {
                let born = self.home.shared.clock.now();
                let due = self.until_due(&template).await;
                let lived_ms = self.home.shared.clock.now().since_ms(born);
                self.let_go(&template, due, Duration::from_millis(lived_ms)).await;
            }
            self.start().await;
        }
    }

    /// Returns when there is a new template, or when the old one stays.
    async fn start(&mut self) {
        let scripts: BTreeSet<PathBuf> = self.core.apps.borrow().values().cloned().collect();
        self.attempted.clone_from(&scripts);
        let recipe = self.core.recipe.clone();
        let given = self.home.knowledge.given(&recipe, scripts, self.given.as_ref());
        match self.hatch(&given).await {
            Ok(template) => {
                self.given = Some(given);
                self.succeed(template);
            }
            Err(NotHatched::Refused(reason)) if self.current.is_some() => {
                log::warn!("{}: the template stays as it is: {reason}", self.names());
                let pause_ms = u64::try_from(REFUSED_FOR.as_millis()).unwrap_or(u64::MAX);
                self.next_lesson = self.home.shared.clock.now().plus_ms(pause_ms);
            }
            Err(NotHatched::Refused(reason)) => {
                log::info!("{}: seats are not forked: {reason}", self.names());
                let surroundings = recipe.surroundings();
                self.publish(State::Refused(reason));
                self.until_changed(&surroundings).await;
                self.publish_starting();
            }
            Err(NotHatched::Failed(reason)) => {
                log::warn!("{}: no template to fork seats from: {reason}", self.names());
                self.rest(reason).await;
            }
        }
    }

    /// Starts the next one. If the old one is gone meanwhile, that is told.
    async fn hatch(&mut self, given: &Given) -> Result<Arc<Template>, NotHatched> {
        let (home, core) = (Arc::clone(&self.home), Arc::clone(&self.core));
        let hatching = async {
            let permit = home.starts.acquire().await;
            let hatched = hatch(&home, &core.recipe, given).await;
            drop(permit);
            hatched
        };
        tokio::pin!(hatching);
        loop {
            let Some(current) = self.current.clone() else { return hatching.await };
            let mut life = current.life();
            tokio::select! {
                hatched = &mut hatching => return hatched,
                _ = over(&mut life) => {
                    self.drop_current();
                    self.publish_starting();
                }
            }
        }
    }

    fn succeed(&mut self, template: Arc<Template>) {
        self.drop_current();
        let control::Description { pid, streamlit, python, modules, .. } = &template.description;
        log::info!(
            "{}: template {pid} serves: Streamlit {streamlit}, Python {python}, {modules} modules",
            self.names()
        );
        self.current = Some(Arc::clone(&template));
        self.publish(State::Ready(template));
    }

    /// Returns when another template is due.
    async fn until_due(&self, template: &Arc<Template>) -> Due {
        let (mut life, mut apps) = (template.life(), self.core.apps.subscribe());
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count: u32 = 0;
        loop {
            tokio::select! {
                life = over(&mut life) => return why(&life),
                () = self.another_script(template, &mut apps) => {
                    return Due::Better("another app uses it".to_owned());
                }
                _ = looks.tick() => {
                    count = count.wrapping_add(1);
                    if let Some(due) = self.look(template, count).await {
                        return due;
                    }
                }
            }
        }
    }

    /// Returns when an app runs a script whose imports no template has been told of.
    async fn another_script(
        &self,
        template: &Template,
        apps: &mut watch::Receiver<BTreeMap<AppSlug, PathBuf>>,
    ) {
        let (given, attempted) = (&template.birth.given.scripts, &self.attempted);
        let is_told = |script: &PathBuf| given.contains(script) || attempted.contains(script);
        if apps.wait_for(|apps| !apps.values().all(is_told)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn look(&self, template: &Template, count: u32) -> Option<Due> {
        let recipe = &self.core.recipe;
        if self.home.shared.clock.now() >= self.next_lesson {
            let description = &template.description;
            let mut left_out = description.excluded.clone();
            left_out.extend(description.skipped.keys().cloned());
            let given = &template.birth.given;
            let missing = self.home.knowledge.missing(recipe, given, &left_out);
            let seats = template.life().borrow().seats.len();
            if is_worth_a_template(missing, seats) {
                return Some(Due::Better(format!("seats have imported {missing} modules more")));
            }
        }
        if !count.is_multiple_of(LOOKS_PER_QUESTION) {
            return None;
        }
        match control::stat(template.socket()).await {
            Ok(description) => description.changed.map(Due::Changed),
            Err(error) => {
                template.spoil(Spoilt::Silent(error.to_string()));
                None
            }
        }
    }

    async fn let_go(&mut self, template: &Arc<Template>, due: Due, lived: Duration) {
        if lived >= LONG_LIFE {
            self.failures = 0;
        }
        let (names, pid) = (self.names(), template.description.pid);
        match due {
            Due::Died => {
                let how = self.how_it_ended(template).await;
                log::warn!("{names}: template {pid} is gone: {how}");
                self.current = None;
                self.home.end(template).await;
                self.rest(how).await;
            }
            Due::Changed(what) => {
                log::info!("{names}: {what} changed; template {pid} forks no more seats");
                self.drop_current();
                self.publish(State::Resting(format!("{what} changed")));
                self.settle().await;
                self.publish_starting();
            }
            Due::Unfit(why) => {
                log::warn!("{names}: template {pid} forks no more seats: {why}");
                self.drop_current();
                self.rest(why).await;
            }
            Due::Better(why) => {
                log::info!("{names}: a template in the place of {pid}: {why}");
                let pause = LESSON_EVERY.saturating_mul(1 << self.lessons.min(10));
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                self.next_lesson = self.home.shared.clock.now().plus_ms(pause_ms);
                self.lessons = self.lessons.saturating_add(1);
            }
        }
    }

    async fn how_it_ended(&self, template: &Template) -> String {
        let life = template.life().borrow().clone();
        if let (false, Some(Spoilt::Silent(why))) = (life.has_ended, &life.spoilt) {
            return format!("it does not answer ({why}) and is ended");
        }
        let exited = self.home.shared.processes.exit_of(template.birth.identity);
        match tokio::time::timeout(EXIT_TIMEOUT, exited).await.unwrap_or(Exit::Unknown) {
            exit @ (Exit::Code(_) | Exit::Signal(_) | Exit::OutOfMemory { .. }) => exit.to_string(),
            Exit::Unknown => "nobody knows how".to_owned(),
        }
    }

    /// Waits before the next try; after the first death not at all.
    async fn rest(&mut self, reason: String) {
        let pause = match self.failures {
            0 => Duration::ZERO,
            failures => REST_FIRST.saturating_mul(1 << (failures - 1).min(16)).min(REST_MAX),
        };
        self.failures = self.failures.saturating_add(1);
        if self.current.is_none() && !pause.is_zero() {
            self.publish(State::Resting(reason));
        }
        tokio::time::sleep(pause).await;
        if self.current.is_none() {
            self.publish_starting();
        }
    }

    /// Waits until nothing more is being installed.
    async fn settle(&self) {
        let mut before = self.core.recipe.surroundings();
        for _ in 0..SETTLING_LOOKS_MAX {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.core.recipe.surroundings();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// Waits until something was installed, an app came, or much time has passed.
    async fn until_changed(&self, before: &str) {
        let mut apps = self.core.apps.subscribe();
        let changed = async {
            while self.core.recipe.surroundings() == before {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.settle().await;
        };
        tokio::select! {
            () = changed => {}
            _ = apps.changed() => {}
            () = tokio::time::sleep(REFUSED_FOR) => {}
        }
    }

    /// The current template forks no more; it goes with its last seat.
    fn drop_current(&mut self) {
        if let Some(template) = self.current.take() {
            self.home.retire(template);
        }
    }

    fn publish(&self, state: State) {
        self.core.state.send_replace(state);
    }

    fn publish_starting(&self) {
        self.publish(State::Starting(self.home.shared.clock.now()));
    }

    fn names(&self) -> String {
        let names = self.core.apps.borrow();
        names.keys().map(AppSlug::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Returns when a template is of no use any more.
async fn over(life: &mut watch::Receiver<Life>) -> Life {
    let is_over = |life: &Life| life.has_ended || life.spoilt.is_some();
    match life.wait_for(is_over).await {
        Ok(life) => life.clone(),
        Err(_) => Life { has_ended: true, ..Life::default() },
    }
}

fn why(life: &Life) -> Due {
    match &life.spoilt {
        Some(Spoilt::Changed(what)) => Due::Changed(what.clone()),
        Some(Spoilt::Unfit(why)) => Due::Unfit(why.clone()),
        Some(Spoilt::Silent(_)) | None => Due::Died,
    }
}
