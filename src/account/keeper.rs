//! Work on files that may take seconds and must not hold the writer up: scheduled copies of the
//! database, and the rotation of what apps print. One round of it; `books` has the thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

use super::complaint::Complaint;
use super::settings::Settings;
use super::{Account, EventFact, app_logs, backup};
use crate::clock::{Clock, Moment, Timestamp};
use crate::config::Backups;
use crate::domain::{Actor, Detail};

/// One round after the other, at most this far apart, in milliseconds.
pub(super) const ROUND_MS: u64 = 1_000;
/// Apps' logs are looked at this often.
const LOGS_EVERY_MS: u64 = 10_000;
/// A copy that is overdue waits so long after the start, which has enough to do.
const FIRST_AFTER_MS: u64 = 10 * 60_000;
/// A copy that failed is tried again after this, or after the interval if that is shorter.
const AGAIN_AFTER_MS: u64 = 60 * 60_000;

/// Scheduled copies, for the server page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupStatus {
    /// When the newest one was made.
    pub newest_at: Option<Timestamp>,
    /// Where it is.
    pub newest: Option<PathBuf>,
    /// When the next one is due; `None`: there is no schedule.
    pub next_at: Option<Timestamp>,
    /// Why the latest try failed.
    pub problem: Option<String>,
}

/// The keeper.
pub(super) struct Keeper {
    account: Account,
    clock: Arc<dyn Clock>,
    database: PathBuf,
    settings: Arc<ArcSwap<Settings>>,
    status: Arc<ArcSwap<BackupStatus>>,
    /// A copy that is being made is given up.
    leaving: Arc<AtomicBool>,
    started: Moment,
    failed: Option<Moment>,
    next_logs: Moment,
    complaint: Complaint,
}

impl Keeper {
    pub(super) fn new(
        account: Account,
        database: PathBuf,
        settings: Arc<ArcSwap<Settings>>,
        status: Arc<ArcSwap<BackupStatus>>,
        leaving: Arc<AtomicBool>,
    ) -> Self {
        let clock = Arc::clone(account.clock());
        let started = clock.now();
        Self {
            account,
            clock,
            database,
            settings,
            status,
            leaving,
            started,
            failed: None,
            next_logs: started,
            complaint: Complaint::default(),
        }
    }

    /// Does what is due.
    pub(super) fn round(&mut self) {
        let settings = self.settings.load_full();
        let now = self.clock.now();
        if now >= self.next_logs {
            self.next_logs = now.plus_ms(LOGS_EVERY_MS);
            self.rotate_app_logs(&settings, now);
            self.look_for_copies(&settings);
        }
        if self.is_copy_due(&settings, now) {
            self.copy(&settings, now);
            self.look_for_copies(&settings);
        }
    }

    fn rotate_app_logs(&mut self, settings: &Settings, now: Moment) {
        let logs = &settings.logs;
        for (path, error) in app_logs::rotate(&logs.apps, logs.rotate_bytes, logs.keep) {
            self.complaint.tell(now, || format!("{} cannot be rotated: {error}", path.display()));
        }
    }

    /// What is in the folder is what there is, whoever put it there or removed it.
    fn look_for_copies(&self, settings: &Settings) {
        let Backups { every_ms, directory, .. } = &settings.backups;
        let newest = backup::copies(directory, &settings.timezone).into_iter().next();
        let newest_at = newest.as_ref().map(|(at, _)| *at);
        let status = BackupStatus {
            newest_at,
            newest: newest.map(|(_, path)| path),
            next_at: every_ms.map(|every_ms| backup::due(newest_at, every_ms, self.clock.wall())),
            problem: self.status.load().problem.clone(),
        };
        self.status.store(Arc::new(status));
    }

    fn is_copy_due(&self, settings: &Settings, now: Moment) -> bool {
        let Some(every_ms) = settings.backups.every_ms else { return false };
        let waits = match self.failed {
            Some(failed) => now.since_ms(failed) < AGAIN_AFTER_MS.min(every_ms),
            None => now.since_ms(self.started) < FIRST_AFTER_MS.min(every_ms),
        };
        let due = self.status.load().next_at.is_some_and(|next_at| next_at <= self.clock.wall());
        due && !waits
    }

    fn copy(&mut self, settings: &Settings, now: Moment) {
        let folder = &settings.backups.directory;
        let path = folder.join(backup::name(self.clock.wall(), &settings.timezone));
        let leaving = Arc::clone(&self.leaving);
        let made =
            backup::back_up(&self.database, &path, &mut |_| !leaving.load(Ordering::Relaxed));
        let problem = match made {
            Ok(copied) => {
                self.failed = None;
                let path = copied.path.display().to_string();
                let made = Detail::backup_made(&path, copied.bytes);
                log::info!("the database was copied to {}", made.text());
                self.event("backup_made", made);
                self.prune(folder, settings)
            }
            Err(error) => {
                self.failed = Some(now);
                log::error!("the database was not copied: {error}");
                let cause = error.to_string();
                self.event("backup_failed", Detail::backup_failed(&cause));
                Some(cause)
            }
        };
        let status = BackupStatus { problem, ..BackupStatus::clone(&self.status.load()) };
        self.status.store(Arc::new(status));
    }

    fn prune(&self, folder: &Path, settings: &Settings) -> Option<String> {
        let pruned = backup::prune(folder, &settings.timezone, settings.backups.keep);
        let problem =
            pruned.err().map(|error| format!("an old copy cannot be removed: {error}"))?;
        log::error!("{problem}");
        Some(problem)
    }

    fn event(&self, kind: &'static str, detail: Detail) {
        let at = self.clock.wall();
        let (actor, key, address) = (Actor::Usher, None, None);
        self.account.event(EventFact { at, kind, actor, key, address, detail });
    }
}
