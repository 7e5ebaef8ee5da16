//! A person's own sessions: the list, ending one or all, and signing out.

use std::time::Duration;

use http::{StatusCode, header};

use super::form::Form;
use super::refuse::{Turned, answer_of};
use super::{Asking, Gate};
use crate::answer::Answer;
use crate::authorize::PersonPermit;
use crate::domain::Actor;
use crate::identify::SessionId;
use crate::operate::rfc3339;
use crate::pages::view::{self, Page};
use crate::trust::cookie::Kind;
use crate::trust::sessions::{Over, Session};

/// Signing out waits so long for the database, so that a restart does not bring the session back.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

impl Gate {
    /// `/_usher/logout`
    pub(super) async fn sign_out(&self, asking: &Asking<'_>) -> Answer {
        let sessions = &self.operations.trust().sessions;
        let cookie = asking.cookie.as_ref().map(|session| session.id);
        let ended: Vec<_> = [asking.session, cookie]
            .into_iter()
            .flatten()
            .filter_map(|id| sessions.end(id, Over::SignedOut))
            .collect();
        if let Some(first) = ended.first() {
            self.operations.sessions_ended(&ended, &Actor::User(first.user.clone()));
        }
        self.write_sessions().await;
        self.without_cookie(asking, "/")
    }

    /// `/_usher/sessions`
    pub(super) fn sessions_page(&self, asking: &Asking<'_>, permit: &PersonPermit) -> Answer {
        let theirs = self.operations.trust().sessions.of_user(&permit.person().name);
        let now = self.operations.clock().wall();
        let shown = |session: &Session| view::Session {
            id: hex(session.id()),
            is_this: asking.session == Some(session.id()),
            browser: session.browser().to_string(),
            address: session.address().to_string(),
            started_at: rfc3339(session.began_at(), &asking.in_force.snapshot),
            idle_s: (now.0 - session.used_at().0).max(0) as f64 / 1000.0,
        };
        let sessions = theirs.iter().map(|session| shown(session)).collect();
        let page = Page::Sessions(view::Sessions { sessions });
        let common = self.common(asking, None);
        answer_of(asking.in_force.pages.render(&page, asking.language(), &common))
    }

    /// Ends one of the person's sessions, or all of them.
    pub(super) async fn end_sessions(
        &self,
        asking: &Asking<'_>,
        permit: &PersonPermit,
        form: &Form,
    ) -> Result<Answer, Turned> {
        let sessions = &self.operations.trust().sessions;
        let user = &permit.person().name;
        let which = form.field("end");
        let ended = if which == "all" {
            sessions.end_all_of(user, Over::SignedOut)
        } else {
            let theirs = sessions.of_user(user);
            let meant = theirs.iter().find(|session| hex(session.id()) == which);
            // One that has ended meanwhile is what was wanted.
            meant
                .and_then(|session| sessions.end(session.id(), Over::SignedOut))
                .into_iter()
                .collect()
        };
        self.operations.sessions_ended(&ended, &Actor::User(user.clone()));
        self.write_sessions().await;
        let own_has_ended = ended.iter().any(|ended| Some(ended.id) == asking.session);
        if own_has_ended {
            Ok(self.without_cookie(asking, "/"))
        } else {
            Ok(Answer::redirect(StatusCode::SEE_OTHER, "/_usher/sessions"))
        }
    }

    async fn write_sessions(&self) {
        let write = self.operations.trust().sessions.write();
        match tokio::time::timeout(WRITTEN_WITHIN, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("{error}"),
            Err(_) => log::warn!("sessions are written slowly"),
        }
    }

    fn without_cookie(&self, asking: &Asking<'_>, location: &str) -> Answer {
        let mut answer = Answer::redirect(StatusCode::SEE_OTHER, location);
        answer.headers.append(header::SET_COOKIE, Kind::Session.remove(asking.scheme));
        answer
    }
}

fn hex(id: SessionId) -> String {
    id.0.map(|byte| format!("{byte:02x}")).concat()
}
