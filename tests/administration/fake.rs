//! A launcher without processes, and a clock that stands still until it is moved.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use usher::clock::{Clock, Moment, Timestamp};
use usher::config::App;
use usher::domain::{Endpoint, Exit, Failure, LaunchKind, SeatKey};
use usher::launch::{Allowance, Keeping, Launch, Launcher, Started, Usage};

/// A clock for both kinds of time.
pub(crate) struct HandClock {
    wall_ms: AtomicI64,
}

impl HandClock {
    pub(crate) fn at(wall: Timestamp) -> Self {
        Self { wall_ms: AtomicI64::new(wall.0) }
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(u64::try_from(self.wall().0).expect("after 1970"))
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.wall_ms.load(Ordering::SeqCst))
    }
}

/// Every launch succeeds at once, unless it is told to fail.
#[derive(Default)]
pub(crate) struct FakeLauncher {
    exits: Mutex<HashMap<u64, watch::Sender<Option<Exit>>>>,
    failure: Mutex<Option<Failure>>,
}

impl FakeLauncher {
    /// From now on every launch fails like this.
    pub(crate) fn fail(&self, failure: Failure) {
        *self.failure.lock() = Some(failure);
    }

    /// Every process that runs ends by itself, like this.
    pub(crate) fn crash(&self, exit: Exit) {
        for process in self.exits.lock().values() {
            process.send_replace(Some(exit));
        }
    }

    fn end(&self, started: &Started, exit: Exit) {
        if let Some(process) = self.exits.lock().get(&started.generation.0) {
            process.send_replace(Some(exit));
        }
    }
}

#[async_trait]
impl Launcher for FakeLauncher {
    async fn start(&self, launch: &Launch) -> Result<Started, Failure> {
        if let Some(failure) = self.failure.lock().clone() {
            return Err(failure);
        }
        self.exits.lock().insert(launch.generation.0, watch::Sender::new(None));
        Ok(Started {
            key: launch.key.clone(),
            generation: launch.generation,
            kind: LaunchKind::Fork,
            pid: Some(4_000),
            process_started_ticks: Some(1),
            endpoint: Endpoint::Tcp(([127, 0, 0, 1], 8_501).into()),
            launched_at: Timestamp(1_764_000_000_000),
            fingerprint: launch.fingerprint,
        })
    }

    async fn healthy(&self, _: &App, _: &Started) -> Result<(), Failure> {
        Ok(())
    }

    async fn exited(&self, started: &Started) -> Exit {
        let mut exit = self.exits.lock()[&started.generation.0].subscribe();
        let ended = exit.wait_for(Option::is_some).await.expect("the process is kept");
        ended.expect("it has ended")
    }

    async fn stop(&self, started: &Started) {
        self.end(started, Exit::Code(0));
    }

    async fn kill(&self, started: &Started) {
        self.end(started, Exit::Signal(9));
    }

    async fn forget(&self, _: &Started) {}

    async fn survivors(&self) -> Vec<Started> {
        Vec::new()
    }

    fn keeping(&self) -> Keeping {
        Keeping::Cgroup
    }

    fn weigh(&self, _: &Started, _: Allowance) -> Option<Usage> {
        Some(Usage {
            cpu_ms: 10,
            memory_bytes: 96_000_000,
            threads: 9,
            open_files: 20,
            is_slowed_down: false,
        })
    }

    async fn log_tail(&self, key: &SeatKey, lines_max: usize) -> Vec<String> {
        let line = |number| format!("<line {number}> of {key}");
        (0..3).map(line).take(lines_max).collect()
    }
}
