//! Builds what knows who is signed in, from `state_dir`.

use std::sync::Arc;

use crate::config::Snapshot;
use crate::store::SqliteShelf;
use crate::trust::Trust;

/// Sessions of an earlier usher, as far as the configuration still has what they rest on.
pub(super) fn trust(snapshot: &Snapshot, secret: [u8; 32]) -> Result<Arc<Trust>, String> {
    let path = snapshot.fixed.state_dir.join("sessions.db");
    let shelf = SqliteShelf::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let trust = Trust::new(Arc::new(shelf), secret).map_err(|error| error.to_string())?;
    let stale = trust.sessions.configure(snapshot.sessions, &snapshot.users);
    if !stale.is_empty() {
        log::info!("{} sessions of users who have changed ended", stale.len());
    }
    Ok(Arc::new(trust))
}
