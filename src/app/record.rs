//! Builds what keeps account: the writer of facts and the observer of the machine.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::account::{Account, FACTS_WAITING_MAX};
use crate::clock::Clock;
use crate::config::Snapshot;
use crate::launch::Launcher;
use crate::observe::{Latest, Observer};
use crate::supervise::Supervisor;

/// The writer; stops when told.
pub(super) struct Writer {}

impl Writer {
    pub(super) async fn stop(self) {}
}

pub(super) fn start(
    _snapshot: &Arc<Snapshot>,
    clock: Arc<dyn Clock>,
) -> Result<(Account, Writer), String> {
    let (facts, told) = sync_channel(FACTS_WAITING_MAX);
    std::thread::spawn(move || while told.recv().is_ok() {});
    Ok((Account::new(clock, facts), Writer {}))
}

pub(super) async fn supervise(
    _snapshot: &Arc<Snapshot>,
    _clock: &Arc<dyn Clock>,
    _launcher: Arc<dyn Launcher>,
    _account: &Account,
) -> Result<Supervisor, String> {
    Ok(Supervisor {})
}

/// Measures the machine at the configured interval for as long as the runtime lives.
pub(super) fn observe(snapshot: &Arc<Snapshot>, clock: &Arc<dyn Clock>) -> Latest {
    let mut observer = Observer::new(snapshot.fixed.state_dir.clone());
    let latest = observer.latest();
    let every = std::time::Duration::from_millis(snapshot.samples.every_ms);
    let clock = Arc::clone(clock);
    tokio::spawn(async move {
        let mut last = clock.now();
        loop {
            tokio::time::sleep(every).await;
            let now = clock.now();
            let since_ms = now.since_ms(last);
            last = now;
            let measured = tokio::task::spawn_blocking(move || {
                observer.measure(since_ms);
                observer
            });
            match measured.await {
                Ok(back) => observer = back,
                Err(error) => {
                    log::error!("the machine is no longer measured: {error}");
                    return;
                }
            }
        }
    });
    latest
}
