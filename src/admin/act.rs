//! Orders, whoever gives them: by page or by API they do the same, and `operate` records both.

use super::Admin;
use super::asked::Asked;
use super::router::SeatAction;
use super::told::{Told, Tone};
use crate::config::Problem;
use crate::domain::{Actor, SeatKey, SeatState};
use crate::notice::{BadNotice, NOTICE_BYTES_MAX, Notice};
use crate::operate::Reloaded;
use crate::pages::AdminReason;
use crate::supervise::{Order, OrderRefused};

/// How long a page waits to be able to say how an order went, in milliseconds.
const SETTLES_WITHIN_MS: u64 = 4_000;
/// The most problems of a file that an answer names.
const PROBLEMS_TOLD_MAX: usize = 20;

impl Admin {
    /// The seat of a path: of a user and an app of the configuration, or one that still runs.
    pub(super) fn key(
        &self,
        asked: &Asked<'_>,
        user: &str,
        app: &str,
    ) -> Result<SeatKey, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let is_meant = |key: &SeatKey| key.user.as_str() == user && key.app.as_str() == app;
        let seats = self.operations.supervisor().seats();
        if let Some(seat) = seats.iter().find(|seat| is_meant(&seat.key)) {
            return Ok(SeatKey::clone(&seat.key));
        }
        let Some(person) = snapshot.user(user) else {
            return Err(AdminReason::NoSuchUser { user: user.to_owned() });
        };
        match person.apps.iter().find(|slug| slug.as_str() == app) {
            Some(slug) => Ok(SeatKey { user: person.name.clone(), app: slug.clone() }),
            None if snapshot.app(app).is_none() => {
                Err(AdminReason::NoSuchApp { app: app.to_owned() })
            }
            None => Err(AdminReason::NoSuchSeat { user: user.to_owned(), app: app.to_owned() }),
        }
    }

    /// Gives an order to a seat; says how many WebSockets were closed by it at once.
    pub(super) fn order(
        &self,
        key: &SeatKey,
        action: SeatAction,
        actor: &Actor,
    ) -> Result<usize, AdminReason> {
        let order = match action {
            SeatAction::Kick => return Ok(self.operations.kick_seat(key, actor)),
            SeatAction::Start => Order::Start,
            SeatAction::Stop => Order::Stop,
            SeatAction::Restart => Order::Restart,
        };
        match self.operations.order(key, order, actor) {
            Ok(()) => Ok(0),
            Err(OrderRefused::NothingThere) => Err(AdminReason::NothingRuns {
                user: key.user.to_string(),
                app: key.app.to_string(),
            }),
            Err(OrderRefused::Refused(refusal)) => {
                Err(AdminReason::CannotStart { cause: refusal.to_string() })
            }
            Err(OrderRefused::OthersWait) => {
                Err(AdminReason::CannotStart { cause: "others wait for it too".to_owned() })
            }
        }
    }

    /// Gives an order, waits a moment for its effect, and says in words how it went.
    pub(super) async fn order_and_tell(
        &self,
        asked: &Asked<'_>,
        key: &SeatKey,
        action: SeatAction,
    ) -> Told {
        let ordered = self.order(key, action, &asked.actor());
        let told = match ordered {
            Err(reason) => self.tell_refused(asked, reason),
            Ok(0) if action == SeatAction::Kick => Told::new("kick_nobody", Tone::Wait),
            Ok(count) if action == SeatAction::Kick => {
                Told { count, ..Told::new("kick_done", Tone::Good) }
            }
            Ok(_) => self.settled(asked, key, action).await,
        };
        let title = asked.in_force.snapshot.app(key.app.as_str()).map(|app| app.title.clone());
        let app = title.unwrap_or_else(|| key.app.to_string());
        Told { user: key.user.to_string(), app, ..told }
    }

    async fn settled(&self, asked: &Asked<'_>, key: &SeatKey, action: SeatAction) -> Told {
        let view = self.operations.supervisor().settled(key, SETTLES_WITHIN_MS).await;
        let mut told = outcome(action, view.state);
        if let Some(failure) = &view.failure {
            let reason = crate::pages::FailureReason::from(failure);
            let words = asked.in_force.pages.tell(&reason, asked.language);
            told.details = vec![words.title, words.what];
        }
        told
    }

    /// What a page says of an order that was not taken.
    pub(super) fn tell_refused(&self, asked: &Asked<'_>, reason: AdminReason) -> Told {
        let words = asked.in_force.pages.tell(&reason, asked.language);
        Told {
            details: vec![words.title, words.what, words.hint],
            ..Told::new("refused", Tone::Bad)
        }
    }

    /// Puts a notice up.
    pub(super) fn put_up(&self, text: &str, actor: &Actor) -> Result<Notice, AdminReason> {
        self.operations.notice(text, actor).map_err(|bad| match bad {
            BadNotice::Empty => AdminReason::NoticeEmpty,
            BadNotice::TooLong => {
                AdminReason::NoticeTooLong { limit_bytes: NOTICE_BYTES_MAX as u64 }
            }
        })
    }

    /// Applies the file; says what changed.
    pub(super) async fn reload(&self, actor: &Actor) -> Result<Vec<String>, AdminReason> {
        match self.operations.reload(actor).await {
            Reloaded::Applied { changes } => Ok(changes),
            Reloaded::Refused(problems) => {
                Err(AdminReason::ConfigurationRefused { problems: told_problems(&problems) })
            }
        }
    }
}

fn told_problems(problems: &[Problem]) -> String {
    let told: Vec<String> =
        problems.iter().take(PROBLEMS_TOLD_MAX).map(ToString::to_string).collect();
    told.join("\n")
}

/// The word for how an order went.
fn outcome(action: SeatAction, state: SeatState) -> Told {
    let (done, goes_on, failed) = match action {
        SeatAction::Start => ("start_done", "start_goes_on", "start_failed"),
        SeatAction::Restart => ("restart_done", "restart_goes_on", "restart_failed"),
        SeatAction::Stop | SeatAction::Kick => ("stop_done", "stop_goes_on", "stop_failed"),
    };
    let wanted = match action {
        SeatAction::Start | SeatAction::Restart => SeatState::Ready,
        SeatAction::Stop | SeatAction::Kick => SeatState::Absent,
    };
    match state {
        state if state == wanted => Told::new(done, Tone::Good),
        SeatState::Starting | SeatState::Probing | SeatState::Stopping => {
            Told::new(goes_on, Tone::Wait)
        }
        SeatState::Absent | SeatState::Ready | SeatState::Backoff | SeatState::Failed => {
            Told::new(failed, Tone::Bad)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::words::TOLD;

    #[test]
    fn every_outcome_has_a_word() {
        for action in SeatAction::ALL {
            for state in SeatState::ALL {
                assert!(TOLD.contains(&outcome(action, state).word), "{action:?} {state:?}");
            }
        }
        assert_eq!(outcome(SeatAction::Stop, SeatState::Absent).word, "stop_done");
        assert_eq!(outcome(SeatAction::Stop, SeatState::Ready).word, "stop_failed");
        assert_eq!(outcome(SeatAction::Start, SeatState::Probing).word, "start_goes_on");
        assert_eq!(outcome(SeatAction::Restart, SeatState::Backoff).word, "restart_failed");
    }
}
