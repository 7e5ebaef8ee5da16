//! What is kept and how much: sessions, visits, samples, backups, limits, logs.

use super::Base;
use crate::config::keys::{backups, limits, logs, samples, sessions, top, visits};
use crate::config::report::wrong;
use crate::config::scope::Scope;
use crate::config::{Backups, Limits, Logs, Samples, Sessions, Visits};

/// All of them; `None` stands for what was told to be wrong.
pub(super) struct Records {
    /// See [`Sessions`].
    pub(super) sessions: Option<Sessions>,
    /// See [`Visits`].
    pub(super) visits: Option<Visits>,
    /// See [`Samples`].
    pub(super) samples: Option<Samples>,
    /// See [`Backups`].
    pub(super) backups: Option<Backups>,
    /// See [`Limits`].
    pub(super) limits: Option<Limits>,
    /// See [`Logs`].
    pub(super) logs: Option<Logs>,
}

/// Reads all of them.
pub(super) fn read(scope: &Scope<'_>, base: &Base) -> Records {
    Records {
        sessions: sessions(&scope.group(&top::SESSIONS)),
        visits: visits(&scope.group(&top::VISITS)),
        samples: samples(&scope.group(&top::SAMPLES)),
        backups: backups(&scope.group(&top::BACKUPS), base),
        limits: limits(&scope.group(&top::LIMITS)),
        logs: logs(&scope.group(&top::LOGS), base),
    }
}

fn sessions(scope: &Scope<'_>) -> Option<Sessions> {
    let idle = scope.read(&sessions::IDLE_TIMEOUT);
    let lifetime = scope.read(&sessions::LIFETIME_MAX);
    let (idle_timeout_ms, lifetime_max_ms) = (idle?, lifetime?);
    if idle_timeout_ms > lifetime_max_ms {
        let key = if scope.is_set(&sessions::IDLE_TIMEOUT) {
            &sessions::IDLE_TIMEOUT
        } else {
            &sessions::LIFETIME_MAX
        };
        let hint = "a session that has ended cannot be idle";
        scope.problem(key, wrong("`idle_timeout` is longer than `lifetime_max`", hint));
    }
    Some(Sessions { idle_timeout_ms, lifetime_max_ms })
}

fn visits(scope: &Scope<'_>) -> Option<Visits> {
    let record = scope.read(&visits::RECORD);
    let gap = scope.read(&visits::GAP);
    let keep = scope.read(&visits::KEEP);
    let (gap_ms, keep_ms) = (gap?, keep?);
    if gap_ms >= keep_ms {
        let hint = "minutes are usual";
        scope.problem(&visits::GAP, wrong("is not shorter than `keep`", hint));
    }
    Some(Visits { record: record?, gap_ms, keep_ms })
}

fn samples(scope: &Scope<'_>) -> Option<Samples> {
    let every = scope.read(&samples::EVERY);
    let keep = scope.read(&samples::KEEP);
    let (every_ms, keep_ms) = (every?, keep?);
    if every_ms > keep_ms {
        let hint = "nothing would be there to show";
        scope.problem(&samples::EVERY, wrong("is longer than `keep`", hint));
    }
    Some(Samples { every_ms, keep_ms })
}

fn backups(scope: &Scope<'_>, base: &Base) -> Option<Backups> {
    let every_ms = scope.read(&backups::EVERY);
    let keep = scope.read(&backups::KEEP);
    let directory = scope.read(&backups::DIRECTORY).map(|path| base.resolve(&path));
    Some(Backups { every_ms: every_ms?, keep: keep?, directory: directory? })
}

fn limits(scope: &Scope<'_>) -> Option<Limits> {
    let seats_max = scope.read(&limits::SEATS);
    let starts_at_once_max = scope.read(&limits::STARTS_AT_ONCE);
    let waiting_per_seat_max = scope.read(&limits::WAITING_PER_SEAT);
    let connections_per_address_max = scope.read(&limits::CONNECTIONS_PER_ADDRESS);
    let requests_per_second_max = scope.read(&limits::REQUESTS_PER_SECOND);
    let upload_max_bytes = scope.read(&limits::UPLOAD);
    let login_attempts = scope.read(&limits::LOGIN_ATTEMPTS);
    let totp_attempts = scope.read(&limits::TOTP_ATTEMPTS);
    Some(Limits {
        seats_max: seats_max?,
        starts_at_once_max: starts_at_once_max?,
        waiting_per_seat_max: waiting_per_seat_max?,
        connections_per_address_max: connections_per_address_max?,
        requests_per_second_max: requests_per_second_max?,
        upload_max_bytes: upload_max_bytes?,
        login_attempts: login_attempts?,
        totp_attempts: totp_attempts?,
    })
}

fn logs(scope: &Scope<'_>, base: &Base) -> Option<Logs> {
    let access = scope.read(&logs::ACCESS).map(|path| path.map(|path| base.resolve(&path)));
    let rotate_bytes = scope.read(&logs::ROTATE);
    let keep = scope.read(&logs::KEEP);
    let apps = scope.read(&logs::APPS).map(|path| base.resolve(&path));
    Some(Logs { access: access?, rotate_bytes: rotate_bytes?, keep: keep?, apps: apps? })
}
