//! What every test of the machine needs.

use std::sync::Arc;

use crate::domain::{AppSlug, Role, SeatKey, UserName};
use crate::supervise::rules::SeatRules;

/// A seat's key.
pub(crate) fn key(user: &str, app: &str) -> Arc<SeatKey> {
    Arc::new(SeatKey {
        user: UserName::new(user).expect("a name"),
        app: AppSlug::new(app).expect("a slug"),
    })
}

/// Rules with every limit that ends a ready seat off.
pub(crate) fn rules() -> SeatRules {
    SeatRules {
        role: Role::User,
        fingerprint: 1,
        start_timeout_ms: 60_000,
        idle_timeout_ms: None,
        untouched_timeout_ms: None,
        lifetime_max_ms: None,
        memory_max_bytes: None,
        stop_grace_ms: 3_000,
        restart_attempts_max: 5,
        restart_within_ms: 600_000,
    }
}
