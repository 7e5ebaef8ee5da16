//! A launcher without processes, which does as it is told, and a clock that follows tokio's.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use usher::clock::{Clock, Moment, Timestamp};
use usher::config::App;
use usher::domain::{Endpoint, Exit, Failure, LaunchKind, SeatKey};
use usher::launch::{Allowance, Keeping, Launch, Launcher, Started, Usage};

/// Follows tokio's clock, which tests pause.
pub(crate) struct TokioClock {
    began: tokio::time::Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self { began: tokio::time::Instant::now() }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("small")
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment(1_000_000_000 + self.elapsed_ms())
    }

    fn wall(&self) -> Timestamp {
        Timestamp(1_764_000_000_000 + i64::try_from(self.elapsed_ms()).expect("small"))
    }
}

/// How one launch goes. The default is a good one.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) start_ms: u64,
    pub(crate) fails: Option<Failure>,
    pub(crate) panics: bool,
    /// From the start; `None`: never.
    pub(crate) healthy_ms: Option<u64>,
    /// From TERM; `None`: it has to be killed.
    pub(crate) ends_ms: Option<u64>,
}

impl Default for Course {
    fn default() -> Self {
        Self { start_ms: 50, fails: None, panics: false, healthy_ms: Some(700), ends_ms: Some(100) }
    }
}

/// A process that is not one.
struct Process {
    course: Course,
    exit: watch::Sender<Option<Exit>>,
    answers: watch::Sender<bool>,
    usage: Usage,
}

#[derive(Default)]
struct Inner {
    courses: VecDeque<Course>,
    processes: HashMap<u64, Process>,
    survivors: Vec<Started>,
    /// What was done, in order.
    done: Vec<String>,
    begun: u32,
    dropped: u32,
}

#[derive(Default)]
pub(crate) struct FakeLauncher {
    inner: Mutex<Inner>,
    /// Survivors are told when this says so.
    held: watch::Sender<bool>,
}

/// Counts a start whose future was dropped before its end.
struct Dropped<'l>(&'l FakeLauncher, bool);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.inner.lock().dropped += 1;
        }
    }
}

impl FakeLauncher {
    /// How the next launch goes that has no course yet.
    pub(crate) fn next(&self, course: Course) {
        self.inner.lock().courses.push_back(course);
    }

    /// What was done since the last time, in order.
    pub(crate) fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().done)
    }

    pub(crate) fn starts_begun(&self) -> u32 {
        self.inner.lock().begun
    }

    pub(crate) fn starts_dropped(&self) -> u32 {
        self.inner.lock().dropped
    }

    pub(crate) fn running(&self) -> usize {
        self.inner.lock().processes.values().filter(|process| process.runs()).count()
    }

    /// A process ends by itself.
    pub(crate) fn dies(&self, generation: u64, exit: Exit) {
        self.inner.lock().processes[&generation].exit.send_replace(Some(exit));
    }

    /// Whether a process answers its health question.
    pub(crate) fn answers(&self, generation: u64, answers: bool) {
        self.inner.lock().processes[&generation].answers.send_replace(answers);
    }

    pub(crate) fn uses(&self, generation: u64, usage: Usage) {
        self.inner.lock().processes.get_mut(&generation).expect("a process").usage = usage;
    }

    /// An earlier usher left this process.
    pub(crate) fn survives(&self, started: Started) {
        let mut inner = self.inner.lock();
        inner.processes.insert(started.generation.0, Process::new(Course::default()));
        inner.survivors.push(started);
    }

    /// Survivors are not told before [`FakeLauncher::release`].
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    fn did(&self, what: &str, started: &Started) {
        self.inner.lock().done.push(format!("{what} {}", started.key));
    }
}

impl Process {
    fn new(course: Course) -> Self {
        Self {
            course,
            exit: watch::Sender::new(None),
            answers: watch::Sender::new(true),
            usage: Usage::default(),
        }
    }

    fn runs(&self) -> bool {
        self.exit.borrow().is_none()
    }
}

#[async_trait]
impl Launcher for FakeLauncher {
    async fn start(&self, launch: &Launch) -> Result<Started, Failure> {
        let course = {
            let mut inner = self.inner.lock();
            inner.begun += 1;
            inner.courses.pop_front().unwrap_or_default()
        };
        let mut dropped = Dropped(self, false);
        tokio::time::sleep(Duration::from_millis(course.start_ms)).await;
        dropped.1 = true;
        assert!(!course.panics, "the launcher has a fault");
        if let Some(failure) = course.fails {
            return Err(failure);
        }
        let started = Started {
            key: launch.key.clone(),
            generation: launch.generation,
            kind: LaunchKind::Spawn,
            pid: Some(4_000),
            process_started_ticks: Some(1),
            endpoint: Endpoint::Tcp(([127, 0, 0, 1], 8_501).into()),
            launched_at: Timestamp(1_764_000_000_000),
            fingerprint: launch.fingerprint,
        };
        self.did("start", &started);
        self.inner.lock().processes.insert(launch.generation.0, Process::new(course));
        Ok(started)
    }

    async fn healthy(&self, _app: &App, started: &Started) -> Result<(), Failure> {
        let (after_ms, mut answers) = {
            let inner = self.inner.lock();
            let process = &inner.processes[&started.generation.0];
            (process.course.healthy_ms, process.answers.subscribe())
        };
        let Some(after_ms) = after_ms else { return std::future::pending().await };
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        answers.wait_for(|answers| *answers).await.expect("the process is kept");
        Ok(())
    }

    async fn exited(&self, started: &Started) -> Exit {
        let mut exit = self.inner.lock().processes[&started.generation.0].exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await.expect("the process is kept");
        ended.expect("it has ended")
    }

    async fn stop(&self, started: &Started) {
        self.did("stop", started);
        let ends_ms = self.inner.lock().processes[&started.generation.0].course.ends_ms;
        if let Some(after_ms) = ends_ms {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            self.dies(started.generation.0, Exit::Code(0));
        }
    }

    async fn kill(&self, started: &Started) {
        if self.inner.lock().processes[&started.generation.0].runs() {
            self.did("kill", started);
            self.dies(started.generation.0, Exit::Signal(9));
        }
    }

    async fn forget(&self, started: &Started) {
        self.did("forget", started);
    }

    async fn survivors(&self) -> Vec<Started> {
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.expect("the launcher is kept");
        std::mem::take(&mut self.inner.lock().survivors)
    }

    fn weigh(&self, started: &Started, _: Allowance) -> Option<Usage> {
        Some(self.inner.lock().processes[&started.generation.0].usage)
    }

    fn keeping(&self) -> Keeping {
        Keeping::Cgroup
    }

    async fn log_tail(&self, _key: &SeatKey, lines_max: usize) -> Vec<String> {
        ["one", "two", "three"]
            .iter()
            .rev()
            .take(lines_max)
            .rev()
            .map(ToString::to_string)
            .collect()
    }
}
