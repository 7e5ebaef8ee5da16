//! The account as a whole, with a clock that is moved by hand.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use parking_lot::Mutex;

use super::*;
use crate::clock::Moment;
use crate::config::{Backups, Logs, Samples, Visits};

/// Settings below a folder.
pub(super) fn settings(folder: &Path) -> Settings {
    const DAY_MS: u64 = 86_400_000;
    Settings {
        visits: Visits { record: true, gap_ms: 120_000, keep_ms: 400 * DAY_MS },
        samples: Samples { every_ms: 5_000, keep_ms: 30 * DAY_MS },
        backups: Backups { every_ms: Some(7 * DAY_MS), keep: 3, directory: folder.join("backups") },
        logs: Logs {
            access: Some(folder.join("log/access.log")),
            rotate_bytes: 50 << 20,
            keep: 10,
            apps: folder.join("log/apps"),
        },
        timezone: TimeZone::get("Asia/Seoul").unwrap(),
    }
}

/// Clocks that stand until they are moved.
pub(super) struct HandClock(Mutex<(u64, i64)>);

impl HandClock {
    pub(super) fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new((1_000_000_000, wall.0))))
    }

    pub(super) fn pass(&self, ms: u64) {
        let mut times = self.0.lock();
        times.0 += ms;
        times.1 += ms as i64;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        Moment(self.0.lock().0)
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.0.lock().1)
    }
}
