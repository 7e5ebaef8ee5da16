//! What people in an app are told by usher: the board of administrators' notices, and usher's own
//! WebSocket to the script in an app's page, which shows notices and the countdown before a stop
//! and reports that the person did something.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::watch;

use crate::answer::{OwnFrame, OwnWebSocket};
use crate::authorize::SeatPermit;
use crate::clock::{Clock, Timestamp};
use crate::domain::{Actor, CloseCode, SeatState, StopReason};
use crate::supervise::{SeatView, Supervisor};

/// The longest notice, in bytes.
pub const NOTICE_BYTES_MAX: usize = 2000;
/// How many notices the board holds; the oldest goes first.
pub const NOTICES_MAX: usize = 20;
/// A notice is shown to whoever comes within this time, in milliseconds.
const NOTICE_SHOWN_MS: i64 = 3600 * 1000;
/// A page that shows something is told again after so long, in case its clock was stopped.
const AGAIN_AFTER: Duration = Duration::from_secs(15);

/// A text of an administrator to everybody who has an app open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Grows by one.
    pub id: u64,
    /// When it was given.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// The text.
    pub text: Arc<str>,
}

/// The notices of this run of usher.
pub struct Board {
    notices: watch::Sender<Vec<Notice>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { notices: watch::Sender::new(Vec::new()) }
    }
}

/// Why a notice was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadNotice {
    /// Nothing but white space.
    Empty,
    /// Longer than [`NOTICE_BYTES_MAX`].
    TooLong,
}

impl Board {
    /// Puts a notice up.
    ///
    /// # Errors
    /// The text is empty or too long.
    pub fn put_up(&self, text: &str, by: Actor, at: Timestamp) -> Result<Notice, BadNotice> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadNotice::Empty);
        }
        if text.len() > NOTICE_BYTES_MAX {
            return Err(BadNotice::TooLong);
        }
        let mut added = None;
        self.notices.send_modify(|notices| {
            let id = notices.last().map_or(1, |last| last.id + 1);
            let notice = Notice { id, at, by, text: text.into() };
            if notices.len() == NOTICES_MAX {
                notices.remove(0);
            }
            notices.push(notice.clone());
            added = Some(notice);
        });
        added.ok_or(BadNotice::Empty)
    }

    /// The notices, oldest first.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.borrow().clone()
    }
}

/// What the script is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message<'m> {
    Notice { id: u64, text: &'m str, at: i64 },
    Stops { in_s: u64, because: &'m str },
    Kept,
    Failed,
    Ended { because: &'m str },
    Runs,
}

/// One open page of an app.
pub struct NoticeChannel {
    permit: SeatPermit,
    supervisor: Supervisor,
    clock: Arc<dyn Clock>,
    notices: watch::Receiver<Vec<Notice>>,
    seat: watch::Receiver<SeatView>,
    /// The last notice that was sent.
    seen: u64,
    /// What the page shows now of the seat.
    shown: Shown,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Nothing,
    Countdown,
    Failure,
    End,
}

impl NoticeChannel {
    /// A channel for the page of this permit's seat.
    pub fn new(
        permit: SeatPermit,
        supervisor: Supervisor,
        clock: Arc<dyn Clock>,
        board: &Board,
    ) -> Self {
        let mut notices = board.notices.subscribe();
        notices.mark_changed();
        let mut seat = supervisor.watch(permit.key());
        seat.mark_changed();
        Self { permit, supervisor, clock, notices, seat, seen: 0, shown: Shown::Nothing }
    }

    fn next_notice(&mut self) -> Option<String> {
        let oldest_ms = self.clock.wall().0 - NOTICE_SHOWN_MS;
        let notice = {
            let notices = self.notices.borrow_and_update();
            notices.iter().find(|n| n.id > self.seen && n.at.0 >= oldest_ms).cloned()
        }?;
        self.seen = notice.id;
        let Notice { id, at, text, .. } = notice;
        json(&Message::Notice { id, text: &text, at: at.0 })
    }

    /// What the page has to show of the seat: a countdown, that it ended, that its start failed, or
    /// none of it any more.
    fn seat_news(&mut self) -> Option<String> {
        let view = self.seat.borrow_and_update().clone();
        if matches!(view.state, SeatState::Failed | SeatState::Backoff) {
            return self.changes_to(Shown::Failure, &Message::Failed);
        }
        if let Some(reason) = &view.rests_because {
            return self.changes_to(Shown::End, &Message::Ended { because: reason.as_str() });
        }
        let now = self.clock.wall();
        let warned = view.warn_at.is_some_and(|at| at <= now);
        match (view.stops_at, &view.stops_because) {
            (Some(at), Some(reason)) if warned && warns(reason) => {
                self.shown = Shown::Countdown;
                let in_s = u64::try_from((at.0 - now.0).max(0) / 1000).unwrap_or(0);
                json(&Message::Stops { in_s, because: reason.as_str() })
            }
            _ if self.shown == Shown::End => self.changes_to(Shown::Nothing, &Message::Runs),
            _ => self.changes_to(Shown::Nothing, &Message::Kept),
        }
    }

    fn changes_to(&mut self, shown: Shown, message: &Message<'_>) -> Option<String> {
        if self.shown == shown {
            return None;
        }
        self.shown = shown;
        json(message)
    }

    /// How long until the countdown has to begin, if nothing changes before.
    fn until_warning(&self) -> Duration {
        let now = self.clock.wall();
        match self.seat.borrow().warn_at {
            Some(at) if at > now => {
                AGAIN_AFTER.min(Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(0)))
            }
            Some(_) | None => AGAIN_AFTER,
        }
    }
}

/// Whether a person can do something about such a stop, or wants to know of it beforehand.
fn warns(reason: &StopReason) -> bool {
    matches!(reason, StopReason::Untouched | StopReason::Lifetime | StopReason::Idle)
}

fn json(message: &Message<'_>) -> Option<String> {
    serde_json::to_string(message).ok()
}

#[async_trait]
impl OwnWebSocket for NoticeChannel {
    fn receive(&mut self, text: &str) {
        // The only thing the page has to say; anything else is not for us.
        if serde_json::from_str::<serde_json::Value>(text).is_ok_and(|m| m["act"] == true) {
            self.supervisor.act(&self.permit);
        }
    }

    async fn next(&mut self) -> OwnFrame {
        loop {
            if let Some(text) = self.next_notice() {
                return OwnFrame::Text(text);
            }
            let again = tokio::time::sleep(self.until_warning());
            let changed = tokio::select! {
                changed = self.notices.changed() => changed,
                changed = self.seat.changed() => changed,
                () = again => Ok(()),
            };
            if changed.is_err() {
                return OwnFrame::Close(CloseCode::UsherRestarts);
            }
            if let Some(text) = self.seat_news() {
                return OwnFrame::Text(text);
            }
        }
    }
}
