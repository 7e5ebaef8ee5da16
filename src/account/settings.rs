//! What the account needs of the configuration. Replaced as a whole at a reload.

use jiff::tz::TimeZone;

use crate::config::{Backups, Logs, Samples, Snapshot, Visits};
use crate::store::Upkeep;

/// The settings in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is recorded of visits, and for how long.
    pub visits: Visits,
    /// How often is measured, and for how long samples are kept.
    pub samples: Samples,
    /// Scheduled copies of the database.
    pub backups: Backups,
    /// The access log and the apps' logs.
    pub logs: Logs,
    /// The zone of days and of times in logs.
    pub timezone: TimeZone,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            visits: snapshot.visits,
            samples: snapshot.samples,
            backups: snapshot.backups.clone(),
            logs: snapshot.logs.clone(),
            timezone: snapshot.timezone.clone(),
        }
    }

    /// What the store's housekeeping has to hold to.
    pub(super) fn upkeep(&self) -> Upkeep {
        Upkeep {
            visits_keep_ms: self.visits.keep_ms,
            samples_keep_ms: self.samples.keep_ms,
            zone: self.timezone.clone(),
        }
    }
}
