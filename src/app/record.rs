//! Builds what keeps account: the writer of facts and the observer of the machine.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use crate::account::{Account, EventFact, FACTS_WAITING_MAX};
use crate::clock::Clock;
use crate::config::Snapshot;
use crate::domain::SeatKey;
use crate::launch::Launcher;
use crate::observe::{Latest, Observer};
use crate::supervise::{self, SeatNote, Supervisor};

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

/// The seats: a supervisor whose driver runs, and whose notes become events.
pub(super) fn supervise(
    snapshot: &Arc<Snapshot>,
    clock: &Arc<dyn Clock>,
    launcher: Arc<dyn Launcher>,
    secret: [u8; 32],
    account: &Account,
) -> Supervisor {
    let account = account.clone();
    let (supervisor, driver) = Supervisor::new(supervise::Parts {
        snapshot: Arc::clone(snapshot),
        launcher,
        clock: Arc::clone(clock),
        secret,
        notes: Arc::new(move |note| account.event(event_of(&note))),
    });
    tokio::spawn(driver.run());
    supervisor
}

fn event_of(note: &SeatNote) -> EventFact {
    EventFact {
        at: note.at,
        kind: note.what.code(),
        actor: note.actor.clone(),
        key: Some(SeatKey::clone(&note.key)),
        address: None,
        detail: note.what.to_string(),
    }
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
