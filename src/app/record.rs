//! What keeps account: the books, the notes of seats that become events, and the measuring.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Account, Books, EventFact, Settings, StartFact};
use crate::clock::Clock;
use crate::config::Snapshot;
use crate::domain::{AppSlug, SeatKey, UserName};
use crate::launch::Launcher;
use crate::observe::{Latest, Observer, SeatSample};
use crate::store::{Limit, StartRow};
use crate::supervise::{self, Happening, SeatNote, SeatStatus, Supervisor};

/// For the rest of the account to be written when usher leaves.
const WRITTEN_WITHIN: Duration = Duration::from_secs(2);

/// Opens the books.
///
/// # Errors
/// The system gives no thread.
pub(super) fn open(snapshot: &Snapshot, clock: Arc<dyn Clock>) -> Result<Arc<Books>, String> {
    Books::open(&snapshot.fixed.state_dir, Settings::of(snapshot), clock)
        .map(Arc::new)
        .map_err(|error| format!("no thread for the account: {error}"))
}

/// Writes what waits, and closes the books.
pub(super) async fn close(books: Arc<Books>) {
    let closed = tokio::task::spawn_blocking(move || books.stop(WRITTEN_WITHIN)).await;
    if !closed.unwrap_or(false) {
        log::warn!("the last records of the account could not be written");
    }
}

/// The latest starts of each app that are looked at when usher begins.
const STARTS_RECALLED_MAX: usize = 1_000;

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
        notes: Arc::new(move |note| keep_note(&account, &note)),
    });
    tokio::spawn(driver.run());
    supervisor
}

/// Tells the supervisor, in the background, how long the apps' latest starts took.
pub(super) fn recall(snapshot: &Arc<Snapshot>, supervisor: &Supervisor, books: &Arc<Books>) {
    let (snapshot, supervisor) = (Arc::clone(snapshot), supervisor.clone());
    let reports = books.reports();
    tokio::task::spawn_blocking(move || {
        for app in &snapshot.apps {
            match reports.starts(None, app.slug.as_str(), Limit::new(STARTS_RECALLED_MAX)) {
                Ok(starts) => supervisor.recall(starts.iter().filter_map(seat_and_time)),
                // A new state folder has no database yet, and a bad one is the writer's business.
                Err(error) => log::debug!("earlier starts of {} are not known: {error}", app.slug),
            }
        }
    });
}

fn seat_and_time(start: &StartRow) -> Option<(SeatKey, u64)> {
    let (user, app) = (UserName::new(&start.user).ok()?, AppSlug::new(&start.app).ok()?);
    Some((SeatKey { user, app }, start.start_ms))
}

fn keep_note(account: &Account, note: &SeatNote) {
    if let Happening::Ready { kind, start_ms, queued_ms } = note.what {
        account.started(StartFact {
            at: note.at,
            key: Arc::clone(&note.key),
            launch: kind,
            start_ms,
            queued_ms,
        });
    }
    account.event(EventFact {
        at: note.at,
        kind: note.what.code(),
        actor: note.actor.clone(),
        key: Some(SeatKey::clone(&note.key)),
        address: None,
        detail: note.what.detail(),
    });
}

/// Measures the machine and the seats at the configured interval for as long as the runtime lives.
pub(super) fn observe(snapshot: &Snapshot, supervisor: &Supervisor, books: &Arc<Books>) -> Latest {
    let observer = Observer::new(snapshot.fixed.state_dir.clone());
    let latest = observer.latest();
    tokio::spawn(measure(observer, supervisor.clone(), Arc::clone(books)));
    latest
}

async fn measure(mut observer: Observer, supervisor: Supervisor, books: Arc<Books>) {
    let clock = Arc::clone(books.account().clock());
    let mut last = None;
    loop {
        let now = clock.now();
        let since_ms = last.map(|last| now.since_ms(last));
        last = Some(now);
        let measured = tokio::task::spawn_blocking(move || {
            let sample = observer.measure(since_ms.unwrap_or(0));
            (observer, sample)
        });
        let sample = match measured.await {
            Ok((back, sample)) => {
                observer = back;
                sample
            }
            Err(error) => {
                log::error!("the machine is no longer measured: {error}");
                return;
            }
        };
        // What is measured over a time needs a begin, which the first one is.
        if since_ms.is_some() {
            books.account().machine_measured(sample);
            let seats = supervisor.seats().iter().filter_map(sample_of).collect();
            books.account().seats_measured(seats);
        }
        // A reload may change it.
        let every_ms = books.settings().samples.every_ms;
        tokio::time::sleep(Duration::from_millis(every_ms)).await;
    }
}

/// What a seat uses, if it was weighed.
fn sample_of(seat: &SeatStatus) -> Option<SeatSample> {
    Some(SeatSample {
        key: Arc::clone(&seat.key),
        cpu_cores: seat.cpu_cores?,
        memory_bytes: seat.memory_bytes?,
        threads: seat.threads,
        open_files: seat.open_files,
    })
}
