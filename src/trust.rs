//! Whom to believe, beyond the address: passwords and codes, the sessions that remember them, and
//! how often somebody may guess. Names no socket and writes no page: `gate` asks, and answers.
//!
//! * `password` and `totp` check what a person knows and has; `sign_in` both together.
//! * `attempts` bounds guessing, so that nobody else can lock a person out for long.
//! * `sessions` keeps who is signed in; `cookie` and `device` are what browsers carry of it.
//! * `provider` asks an outside provider who somebody is; `journey` is the way there and back.
//! * `next` says where a browser may be sent after signing in.

pub mod attempts;
pub mod cookie;
pub mod device;
pub mod journey;
pub mod next;
pub mod password;
pub mod provider;
mod secret;
pub mod sessions;
pub mod sign_in;
pub mod totp;

pub use secret::{NoRandomness, Secret};

use std::fmt;
use std::sync::Arc;

use attempts::Attempts;
use device::Devices;
use journey::Journeys;
use password::Passwords;
use provider::Provider;
use sessions::{Sessions, Shelf, ShelfError};

/// Everything that is known of who is signed in and who tries to.
pub struct Trust {
    /// Who is signed in.
    pub sessions: Sessions,
    /// Browsers from which somebody signed in before.
    pub devices: Devices,
    /// Sign-ins at the outside provider that are under way.
    pub journeys: Journeys,
    /// The outside provider.
    pub provider: Provider,
    passwords: Passwords,
    /// Wrong passwords.
    sign_ins: Attempts,
    /// Wrong codes.
    codes: Attempts,
}

/// Why there is no trust.
#[derive(Debug)]
pub enum NoTrust {
    /// Sessions cannot be read.
    Shelf(ShelfError),
    /// The system has no randomness.
    NoRandomness(NoRandomness),
}

impl fmt::Display for NoTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoTrust::Shelf(error) => error.fmt(f),
            NoTrust::NoRandomness(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NoTrust {}

impl Trust {
    /// With the sessions of a shelf; `key` makes what browsers carry beside the session.
    ///
    /// # Errors
    /// The shelf cannot be read, or the system has no randomness.
    pub fn new(shelf: Arc<dyn Shelf>, key: [u8; 32]) -> Result<Self, NoTrust> {
        Ok(Self {
            sessions: Sessions::load(shelf).map_err(NoTrust::Shelf)?,
            devices: Devices::new(key),
            journeys: Journeys::new(key),
            provider: Provider::default(),
            passwords: Passwords::new().map_err(NoTrust::NoRandomness)?,
            sign_ins: Attempts::default(),
            codes: Attempts::default(),
        })
    }
}
