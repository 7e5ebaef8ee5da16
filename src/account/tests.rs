//! The account as a whole, with a clock that is moved by hand.

use std::path::Path;

use jiff::tz::TimeZone;

use super::*;
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
