//! Cookie sessions: what happens beside when they end, and the task that ends and keeps them.

use std::sync::Arc;
use std::time::Duration;

use super::Operations;
use crate::account::EventFact;
use crate::domain::{Actor, CloseCode};
use crate::supervise::Sockets;
use crate::trust::sessions::{Ended, Over};

/// Between two looks at whose time is over: open WebSockets end within a second of it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// When each session was last used is written after so many looks (15 s).
const LOOKS_PER_WRITE: u32 = 30;
/// Changes that come together are written together.
const WRITTEN_AFTER: Duration = Duration::from_millis(20);

impl Operations {
    /// Closes the WebSockets of sessions that have ended (4001), and keeps why.
    pub fn sessions_ended(&self, ended: &[Ended], actor: &Actor) {
        for Ended { id, user, why } in ended {
            let which = Sockets::OfSession(*id);
            let code = CloseCode::SessionEnded;
            let closed = self.supervisor.close_websockets(&which, code, actor);
            log::info!("a session of {user} ended: {}; {closed} WebSockets closed", why.as_str());
            if *why != Over::Replaced {
                self.account.event(EventFact {
                    at: self.clock.wall(),
                    kind: "session_ended",
                    actor: actor.clone(),
                    key: None,
                    address: None,
                    detail: why.detail(user),
                });
            }
        }
    }

    /// Ends sessions when their time is over, and writes what changes, for as long as it is polled.
    pub async fn tend_sessions(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut until_write = LOOKS_PER_WRITE;
        let mut failing = false;
        loop {
            let write = tokio::select! {
                _ = looks.tick() => {
                    let ended = self.trust.sessions.end_overdue(self.clock.wall());
                    self.sessions_ended(&ended, &Actor::Usher);
                    until_write -= 1;
                    until_write == 0
                }
                () = self.trust.sessions.changed() => {
                    tokio::time::sleep(WRITTEN_AFTER).await;
                    true
                }
            };
            if write {
                until_write = LOOKS_PER_WRITE;
                failing = self.write_sessions(failing).await;
            }
        }
    }

    /// Writes what changed; true if that failed. A failure that goes on is told once.
    async fn write_sessions(&self, failing: bool) -> bool {
        match self.trust.sessions.write().await {
            Ok(()) if failing => {
                log::info!("sessions are kept again");
                false
            }
            Ok(()) => false,
            Err(error) => {
                if !failing {
                    log::warn!("{error}; tried again until it works");
                }
                true
            }
        }
    }
}
