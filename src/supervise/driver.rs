//! The only loop: performs what the machine decided, through the [`Launcher`], each in a task of
//! its own, and tells the machine what came of it. Decides nothing. Also the only place where
//! what happened to seats is logged.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::desk::{Desk, Job, Work};
use super::event::{Event, News};
use super::{Happening, SeatNote};
use crate::config::App;
use crate::domain::{Actor, Exit, Failure, Generation, SeatKey};
use crate::launch::{Allowance, Launch, Launcher, Started};

/// Where notes about seats go: whoever keeps the account. Must not wait.
pub type NoteSink = Arc<dyn Fn(SeatNote) + Send + Sync>;

/// Performs what the machine decided. Runs until usher has left.
pub struct Driver {
    desk: Arc<Desk>,
    notes: NoteSink,
    tasks: JoinSet<Vec<Event>>,
    /// What each task is, for those that end without a word.
    errands: HashMap<Id, Errand>,
}

/// What a task is about.
struct Errand {
    key: Arc<SeatKey>,
    generation: Generation,
    kind: ErrandKind,
    task: AbortHandle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrandKind {
    Launch,
    Watch,
    Probe,
    Weigh,
    Stop,
    Clean,
}

impl Driver {
    pub(super) fn new(desk: Arc<Desk>, notes: NoteSink) -> Self {
        Self { desk, notes, tasks: JoinSet::new(), errands: HashMap::new() }
    }

    /// Takes over what earlier ushers left, then works until a drain is over. Dropping the future
    /// ends every task; a launch under way leaves no process behind.
    pub async fn run(mut self) {
        let survivors = self.desk.launcher.survivors().await;
        if !survivors.is_empty() {
            log::info!("{} seats outlived the usher before", survivors.len());
        }
        self.desk.launcher.vanished().iter().for_each(|started| self.tell_gone(started));
        survivors.into_iter().for_each(|started| self.desk.adopt(started));
        self.desk.tell(Event::AdoptionOver);
        self.desk.prepare();
        loop {
            let Work { jobs, notes, deadline, drained } = self.desk.work();
            notes.into_iter().for_each(|note| self.tell(note));
            self.begin_all(jobs);
            if drained {
                return;
            }
            let now = self.desk.clock.now();
            let pause = deadline.map(|at| Duration::from_millis(at.since_ms(now)));
            tokio::select! {
                () = self.desk.wake.notified() => {}
                Some(done) = self.tasks.join_next_with_id() => self.finish(done),
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {
                    self.desk.tell(Event::Tick);
                }
            }
        }
    }

    /// Every start has an end in the account, also one that nobody saw.
    fn tell_gone(&self, started: &Started) {
        self.tell(SeatNote {
            at: self.desk.clock.wall(),
            key: Arc::new(started.key.clone()),
            generation: Some(started.generation),
            what: Happening::Gone,
            actor: Actor::Usher,
        });
    }

    fn tell(&self, note: SeatNote) {
        let SeatNote { key, what, actor, .. } = &note;
        match actor {
            Actor::Usher => log::log!(what.level(), "seat {key}: {what}"),
            Actor::User(_) | Actor::Admin(_) | Actor::Operator => {
                log::log!(what.level(), "seat {key}: {what} (by {actor})");
            }
        }
        (self.notes)(note);
    }

    fn begin_all(&mut self, jobs: Vec<Job>) {
        let mut to_weigh = Vec::new();
        for job in jobs {
            match job {
                Job::Launch(launch) => self.launch(*launch),
                Job::AbortLaunch(key, generation) => {
                    self.abort(&key, generation, ErrandKind::Launch);
                }
                Job::Watch(started) => self.watch(started),
                Job::Probe(started, app) => self.probe(started, app),
                Job::EndProbe(key, generation) => {
                    self.abort(&key, generation, ErrandKind::Probe);
                }
                Job::Weigh(started, allowance) => to_weigh.push((started, allowance)),
                Job::Stop(started) => self.stop(started),
                Job::Clean(started) => self.clean(started),
            }
        }
        self.weigh(to_weigh);
    }

    fn launch(&mut self, launch: Launch) {
        let (key, generation) = (Arc::new(launch.key.clone()), launch.generation);
        self.begin(ErrandKind::Launch, key, generation, move |launcher| async move {
            match launcher.start(&launch).await {
                Ok(started) => Some(News::Launched(Arc::new(started))),
                Err(failure) => Some(News::LaunchFailed(failure)),
            }
        });
    }

    fn watch(&mut self, started: Arc<Started>) {
        self.begin_for(ErrandKind::Watch, started, |launcher, started| async move {
            Some(News::Exited(launcher.exited(&started).await))
        });
    }

    fn probe(&mut self, started: Arc<Started>, app: Arc<App>) {
        self.begin_for(ErrandKind::Probe, started, |launcher, started| async move {
            match launcher.healthy(&app, &started).await {
                Ok(()) => Some(News::Healthy),
                Err(failure) => Some(News::Unhealthy(failure)),
            }
        });
    }

    fn stop(&mut self, started: Arc<Started>) {
        self.begin_for(ErrandKind::Stop, started, |launcher, started| async move {
            launcher.stop(&started).await;
            None
        });
    }

    fn clean(&mut self, started: Arc<Started>) {
        self.begin_for(ErrandKind::Clean, started, |launcher, started| async move {
            launcher.kill(&started).await;
            launcher.forget(&started).await;
            Some(News::Cleaned)
        });
    }

    /// Measures all whose time has come in one blocking task.
    fn weigh(&mut self, to_weigh: Vec<(Arc<Started>, Allowance)>) {
        let Some((first, _)) = to_weigh.first() else { return };
        let (key, generation) = (Arc::new(first.key.clone()), first.generation);
        let launcher = Arc::clone(&self.desk.launcher);
        let task = self.tasks.spawn_blocking(move || {
            let weighed = |(started, allowance): &(Arc<Started>, Allowance)| {
                news_of(started, News::Weighed(launcher.weigh(started, *allowance)))
            };
            to_weigh.iter().map(weighed).collect()
        });
        let errand = Errand { key, generation, kind: ErrandKind::Weigh, task: task.clone() };
        self.errands.insert(task.id(), errand);
    }

    fn begin_for<F>(
        &mut self,
        kind: ErrandKind,
        started: Arc<Started>,
        errand: impl FnOnce(Arc<dyn Launcher>, Arc<Started>) -> F,
    ) where
        F: Future<Output = Option<News>> + Send + 'static,
    {
        let (key, generation) = (Arc::new(started.key.clone()), started.generation);
        self.begin(kind, key, generation, |launcher| errand(launcher, started));
    }

    fn begin<F>(
        &mut self,
        kind: ErrandKind,
        key: Arc<SeatKey>,
        generation: Generation,
        errand: impl FnOnce(Arc<dyn Launcher>) -> F,
    ) where
        F: Future<Output = Option<News>> + Send + 'static,
    {
        let work = errand(Arc::clone(&self.desk.launcher));
        let about = Arc::clone(&key);
        let task = self.tasks.spawn(async move {
            let event = |news| Event::Of { key: about, generation, news };
            work.await.map(event).into_iter().collect()
        });
        self.errands.insert(task.id(), Errand { key, generation, kind, task });
    }

    /// Ends the tasks of this kind about a launch. One that is complete already still tells.
    fn abort(&self, key: &SeatKey, generation: Generation, kind: ErrandKind) {
        let is_meant = |errand: &&Errand| {
            errand.kind == kind && errand.generation == generation && *errand.key == *key
        };
        self.errands.values().filter(is_meant).for_each(|errand| errand.task.abort());
    }

    fn finish(&mut self, done: Result<(Id, Vec<Event>), JoinError>) {
        let (id, result) = match done {
            Ok((id, events)) => (id, Ok(events)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(errand) = self.errands.remove(&id) else { return };
        if errand.kind == ErrandKind::Clean {
            // What was not ours to end (an upstream) is not seen to end either.
            self.abort(&errand.key, errand.generation, ErrandKind::Watch);
        }
        match result {
            Ok(events) => events.into_iter().for_each(|event| self.desk.tell(event)),
            Err(error) => {
                if error.is_panic() {
                    log::error!("seat {}: {:?} panicked: {error}", errand.key, errand.kind);
                }
                if let Some(news) = errand.kind.without_a_word() {
                    let Errand { key, generation, .. } = errand;
                    self.desk.tell(Event::Of { key, generation, news });
                }
            }
        }
    }
}

impl ErrandKind {
    /// What the machine is told when a task was ended or panicked: it waits for a word.
    fn without_a_word(self) -> Option<News> {
        match self {
            ErrandKind::Launch => Some(News::LaunchFailed(Failure::System {
                doing: "launching",
                cause: "the launch was given up".to_owned(),
            })),
            ErrandKind::Watch => Some(News::Exited(Exit::Unknown)),
            ErrandKind::Clean => Some(News::Cleaned),
            // A probe is ended when nobody wants to know; a measurement comes again.
            ErrandKind::Probe | ErrandKind::Weigh | ErrandKind::Stop => None,
        }
    }
}

fn news_of(started: &Started, news: News) -> Event {
    Event::Of { key: Arc::new(started.key.clone()), generation: started.generation, news }
}
