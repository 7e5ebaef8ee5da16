//! What keeps sessions over a restart. The database is one; tests have another.

use std::net::IpAddr;
use std::sync::Arc;

use super::Credential;
use crate::clock::Timestamp;
use crate::domain::UserName;
use crate::identify::Proofs;
use crate::trust::totp::Step;

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The hash of the secret in the cookie.
    pub hash: [u8; 32],
    /// Whose it is.
    pub user: UserName,
    /// What was proven at sign-in.
    pub proven: Proofs,
    /// What it rests on.
    pub credential: Credential,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
    /// From where it was last used.
    pub address: IpAddr,
    /// What the browser called itself.
    pub browser: Arc<str>,
}

/// All that is kept.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The sessions.
    pub sessions: Vec<Kept>,
    /// The last step of each user whose code was used.
    pub used_steps: Vec<(UserName, Step)>,
}

/// What has to be kept or forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Sessions that are new or were used; they replace those with the same hash.
    pub kept: Vec<Kept>,
    /// Sessions that ended, by hash.
    pub ended: Vec<[u8; 32]>,
    /// Steps whose codes were used; they replace the user's earlier one.
    pub used_steps: Vec<(UserName, Step)>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.ended.is_empty() && self.used_steps.is_empty()
    }
}

/// The shelf cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShelfError(pub String);

impl std::fmt::Display for ShelfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sessions cannot be kept: {}", self.0)
    }
}

impl std::error::Error for ShelfError {}

/// Keeps sessions. Both methods may block.
pub trait Shelf: Send + Sync {
    /// All that is kept.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&self) -> Result<Contents, ShelfError>;

    /// Keeps changes, all of them or none.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(&self, changes: &Changes) -> Result<(), ShelfError>;
}
