//! The stable words that pages put into a person's language: for each list the table of texts has
//! a text of every word. A word that is not in its list (an old row, a newer usher's) is shown as
//! it is.

/// Kinds of events (`event_kind.WORD`).
pub const EVENT_KINDS: &[&str] = &[
    "seat_launching",
    "seat_ready",
    "seat_adopted",
    "seat_gone",
    "seat_start_failed",
    "seat_crashed",
    "seat_stopping",
    "seat_stopped",
    "seat_lingers",
    "seat_refused",
    "seat_ordered",
    "seat_kept",
    "seat_websockets_closed",
    "seat_outdated",
    "seat_violated",
    "kicked",
    "notice",
    "upgrade",
    "reloaded",
    "reload_refused",
    "stranger",
    "refused",
    "signed_in",
    "sign_in_failed",
    "session_ended",
    "certificate_expires",
    "database_corrupt",
    "backup_made",
    "backup_failed",
];

/// Who causes events (`event_actor.WORD`).
pub const ACTORS: &[&str] = &["usher", "operator", "user", "admin"];

/// Why a seat runs (`runs_because.WORD`).
pub const RUNS_BECAUSE: &[&str] =
    &["asked", "acts", "computes", "tab_open", "used_lately", "kept", "no_timeout"];

/// Why a seat stops (`stops_because.WORD`).
pub const STOPS_BECAUSE: &[&str] = &[
    "idle",
    "untouched",
    "lifetime",
    "memory",
    "ordered",
    "cancelled",
    "removed",
    "replaced",
    "shutdown",
    "start_timeout",
];

/// Why a visit ended (`visit_end.WORD`).
pub const VISIT_ENDS: &[&str] =
    &["left", "seat_ended", "session_ended", "kicked", "usher_stopped", "broken"];

/// How a seat's process came to be (`launch.WORD`).
pub const LAUNCHES: &[&str] = &["fork", "spawn", "command", "upstream"];

/// What people have to prove (`proof.WORD`).
pub const PROOFS: &[&str] = &["address", "password", "oidc"];

/// How far usher is (`phase.WORD`).
pub const PHASES: &[&str] = &["starting", "serving", "draining"];

/// What an administrator does to a seat (`action.WORD`, and its question and answers).
pub const ACTIONS: &[&str] = &["start", "restart", "stop", "kick"];

/// What is asked before something is done (`question.WORD_title` and so on).
pub const QUESTIONS: &[&str] =
    &["start", "restart", "stop", "kick", "user_kick", "notice", "reload"];

/// The answers to what an administrator did (`told.WORD`).
pub const TOLD: &[&str] = &[
    "start_done",
    "start_goes_on",
    "start_failed",
    "restart_done",
    "restart_goes_on",
    "restart_failed",
    "stop_done",
    "stop_goes_on",
    "stop_failed",
    "kick_done",
    "kick_nobody",
    "user_kicked",
    "notice_shown",
    "reloaded",
    "reloaded_nothing",
    "reload_refused",
    "refused",
];

/// Times that charts show (`range.WORD`).
pub const RANGES: &[&str] = &["1h", "6h", "24h", "7d", "30d"];

/// Days that statistics are about (`days.WORD`).
pub const DAYS: &[&str] = &["7d", "30d", "90d", "365d"];

/// What a bar is (`chart.WORD_by_PERIOD`, `statistics.charts_PERIOD`).
pub const PERIODS: &[&str] = &["day", "week"];

/// What bars count (`chart.WORD_by_PERIOD`).
pub const COUNTED: &[&str] = &["visits", "people", "dwell"];

/// What charts are about (`chart.WORD`).
pub const CHARTS: &[&str] =
    &["cpu", "memory", "disk", "swap", "load", "network", "received", "sent", "dwell", "active"];

/// What is worth an alert on every administrator's page (`alert.WORD`).
pub const ALERTS: &[&str] =
    &["file_refused", "records_unreadable", "records_lost", "seats_failed", "draining", "faults"];
