//! Usher's own pages and small services: home, tiles, waiting, cancel, retry, keep, notices,
//! assets, probes.

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};

use super::form::Form;
use super::refuse::{Turned, answer_of, app_view};
use super::{Asking, Gate, Verdict, allowed_methods, is_read};
use crate::answer::{Answer, Body};
use crate::authorize::{PersonPermit, SeatPermit};
use crate::domain::{Role, SeatState};
use crate::notice::NoticeChannel;
use crate::operate::{Operations, Phase};
use crate::pages::view::{self, Home, Page, Presence, Stopped, Summary, Tile};
use crate::pages::{RestrictedReason, StoppedReason};
use crate::request::{Target, UsherPath};
use crate::supervise::OrderRefused;

impl Gate {
    pub(super) async fn own(
        &self,
        asking: &Asking<'_>,
        permit: &PersonPermit,
        target: &Target<'_>,
        body: &mut dyn Body,
    ) -> Result<Verdict, Turned> {
        match target {
            Target::Root if !is_read(asking.head) => Err(Turned::Method("GET, HEAD")),
            Target::Root => self.root(asking, permit),
            Target::Unauthorized => {
                Ok(Verdict::Answer(Answer::redirect(StatusCode::SEE_OTHER, "/")))
            }
            Target::Usher(path) => self.usher(asking, permit, path, body).await,
            Target::FirstApp { .. }
            | Target::SeatWithoutSlash { .. }
            | Target::Seat { .. }
            | Target::Admin { .. }
            | Target::Metrics
            | Target::Unknown => Err(Turned::NotFound),
        }
    }

    pub(super) async fn anybody(
        &self,
        asking: &Asking<'_>,
        target: &Target<'_>,
        body: &mut dyn Body,
    ) -> Result<Verdict, Turned> {
        match target {
            Target::Usher(UsherPath::Login) => {
                self.sign_in(asking, body).await.map(Verdict::Answer)
            }
            Target::Usher(UsherPath::Oidc(path)) => {
                self.provider(asking, path).await.map(Verdict::Answer)
            }
            Target::Usher(UsherPath::Asset(_)) if !is_read(asking.head) => {
                Err(Turned::Method("GET, HEAD"))
            }
            Target::Usher(UsherPath::Asset(name)) => self.asset(asking, name),
            Target::Usher(_)
            | Target::Root
            | Target::Unauthorized
            | Target::FirstApp { .. }
            | Target::SeatWithoutSlash { .. }
            | Target::Seat { .. }
            | Target::Admin { .. }
            | Target::Metrics
            | Target::Unknown => Err(Turned::NotFound),
        }
    }

    fn asset(&self, asking: &Asking<'_>, name: &str) -> Result<Verdict, Turned> {
        let version = asking.query("v");
        let known = asking.head.header(&header::IF_NONE_MATCH);
        asking
            .in_force
            .pages
            .asset(name, version.as_deref(), known)
            .map(|response| Verdict::Answer(answer_of(response)))
            .ok_or(Turned::NotFound)
    }

    /// `/`: an administrator's home, a user's first app.
    fn root(&self, asking: &Asking<'_>, permit: &PersonPermit) -> Result<Verdict, Turned> {
        if permit.person().role == Role::Admin {
            return Ok(Verdict::Answer(self.home(asking, permit)));
        }
        let first = permit.first_seat().ok_or(Turned::NotFound)?;
        let location = format!("/app/{}/", first.app);
        Ok(Verdict::Answer(Answer::redirect(StatusCode::SEE_OTHER, &location)))
    }

    fn home(&self, asking: &Asking<'_>, permit: &PersonPermit) -> Answer {
        let supervisor = self.operations.supervisor();
        let now = self.operations.clock().wall();
        let statuses = supervisor.seats();
        let seats = asking.in_force.snapshot.policy.seats_of(permit.person());
        let tiles = seats
            .iter()
            .map(|key| {
                let seat = statuses.iter().find(|seat| seat.key == *key);
                Tile {
                    app: app_view(asking.in_force, key),
                    state: state_view(seat.map_or(SeatState::Absent, |seat| seat.state)),
                    for_s: seat.map(|seat| (now.0 - seat.since.0).max(0) as f64 / 1000.0),
                }
            })
            .collect();
        let summary = (permit.person().role == Role::Admin).then(|| self.summary(asking));
        let page = Page::Home(Home { tiles, summary });
        let common = self.common(asking, None);
        answer_of(asking.in_force.pages.render(&page, asking.language(), &common))
    }

    fn summary(&self, asking: &Asking<'_>) -> Summary {
        let now = self.operations.clock().wall();
        let snapshot = &asking.in_force.snapshot;
        let statuses = self.operations.supervisor().seats();
        let mut people: Vec<Presence> = Vec::new();
        for stay in self.operations.account().stays() {
            let app = snapshot
                .app(stay.key.app.as_str())
                .map_or_else(|| stay.key.app.to_string(), |app| app.title.clone());
            let for_s = (now.0 - stay.began_at.0).max(0) as f64 / 1000.0;
            let user = stay.key.user.as_str();
            match people.iter_mut().find(|there| there.user == user && there.app == app) {
                Some(there) => there.for_s = there.for_s.max(for_s),
                None => people.push(Presence { user: user.to_owned(), app, for_s }),
            }
        }
        people.sort_by(|one, other| other.for_s.total_cmp(&one.for_s));
        let machine = self.operations.machine();
        Summary {
            people,
            seats: statuses.iter().filter(|seat| seat.pid.is_some()).count() as u64,
            seats_limit: snapshot.limits.seats_max.into(),
            seats_failed: statuses.iter().filter(|s| s.state == SeatState::Failed).count() as u64,
            cpu_cores: machine.cpu_cores,
            cpu_cores_total: machine.cpu_cores_total,
            memory_bytes: machine.memory_bytes,
            memory_total_bytes: machine.memory_total_bytes,
        }
    }

    async fn usher(
        &self,
        asking: &Asking<'_>,
        permit: &PersonPermit,
        path: &UsherPath<'_>,
        body: &mut dyn Body,
    ) -> Result<Verdict, Turned> {
        let allowed = allowed_methods(path);
        let method = &asking.head.parts.method;
        if *path == UsherPath::Unknown {
            return Err(Turned::NotFound);
        }
        if !allowed.split(", ").any(|one| method.as_str() == one) {
            return Err(Turned::Method(allowed));
        }
        let form = if *method == Method::POST {
            let form = Form::read(body).await?;
            if !self.is_own_form(asking, &form) {
                return Err(Turned::restricted(RestrictedReason::FormExpired));
            }
            Some(form)
        } else {
            None
        };
        match path {
            UsherPath::Apps => Ok(Verdict::Answer(self.home(asking, permit))),
            UsherPath::Wait => {
                let events = self.wait_events(&asking.seat_of_query(permit)?);
                self.events_in_session(permit.session(), events)
            }
            UsherPath::Notices => self.notices(asking, permit),
            UsherPath::Cancel => self.cancel(asking, &asking.seat_of_query(permit)?),
            UsherPath::Retry => self.retry(&asking.seat_of_query(permit)?).await,
            UsherPath::Keep => self.keep(&asking.seat_of_query(permit)?),
            UsherPath::Logout => Ok(Verdict::Answer(self.sign_out(asking).await)),
            UsherPath::Sessions => match form {
                None => Ok(Verdict::Answer(self.sessions_page(asking, permit))),
                Some(form) => self.end_sessions(asking, permit, &form).await.map(Verdict::Answer),
            },
            UsherPath::Asset(_)
            | UsherPath::Login
            | UsherPath::Oidc(_)
            | UsherPath::Live
            | UsherPath::Ready
            | UsherPath::Unknown => Err(Turned::NotFound),
        }
    }

    fn notices(&self, asking: &Asking<'_>, permit: &PersonPermit) -> Result<Verdict, Turned> {
        if !asking.head.is_websocket() {
            return Err(Turned::NotFound);
        }
        let seat = asking.seat_of_query(permit)?;
        let operations = &self.operations;
        let channel = NoticeChannel::new(
            seat,
            operations.supervisor().clone(),
            std::sync::Arc::clone(operations.clock()),
            operations.board(),
        );
        self.socket_in_session(permit.session(), Box::new(channel))
    }

    fn cancel(&self, asking: &Asking<'_>, permit: &SeatPermit) -> Result<Verdict, Turned> {
        match self.operations.supervisor().cancel(permit) {
            Ok(()) | Err(OrderRefused::NothingThere | OrderRefused::Refused(_)) => {
                let page = Page::Stopped(Stopped {
                    app: app_view(asking.in_force, permit.key()),
                    reason: StoppedReason::Cancelled,
                });
                let common = self.common(asking, None);
                let pages = &asking.in_force.pages;
                Ok(Verdict::Answer(answer_of(pages.render(&page, asking.language(), &common))))
            }
            Err(OrderRefused::OthersWait) => Err(Turned::OthersWait),
        }
    }

    async fn retry(&self, permit: &SeatPermit) -> Result<Verdict, Turned> {
        match self.operations.supervisor().retry(permit) {
            Ok(_) | Err(OrderRefused::NothingThere | OrderRefused::OthersWait) => {
                let location = format!("/app/{}/", permit.key().app);
                Ok(Verdict::Answer(Answer::redirect(StatusCode::SEE_OTHER, &location)))
            }
            Err(OrderRefused::Refused(refusal)) => Err(self.refused(permit.key(), refusal).await),
        }
    }

    fn keep(&self, permit: &SeatPermit) -> Result<Verdict, Turned> {
        match self.operations.supervisor().keep(permit) {
            Ok(_) => Ok(Verdict::Answer(Answer::empty(StatusCode::NO_CONTENT))),
            Err(_) => Err(Turned::NotFound),
        }
    }
}

fn state_view(state: SeatState) -> view::SeatState {
    match state {
        SeatState::Absent => view::SeatState::Absent,
        SeatState::Starting => view::SeatState::Starting,
        SeatState::Probing => view::SeatState::Probing,
        SeatState::Ready => view::SeatState::Ready,
        SeatState::Stopping => view::SeatState::Stopping,
        SeatState::Backoff => view::SeatState::Backoff,
        SeatState::Failed => view::SeatState::Failed,
    }
}

/// `/_usher/live`: the process answers.
pub(super) fn live() -> Answer {
    Answer::text(StatusCode::OK, "live\n")
}

/// `/_usher/ready`: it also lets people in.
pub(super) fn ready(operations: &Operations) -> Answer {
    match operations.phase() {
        Phase::Serving => Answer::text(StatusCode::OK, "ready\n"),
        Phase::Starting | Phase::Draining => {
            Answer::text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}

/// `/metrics` in OpenMetrics.
pub(super) fn metrics(operations: &Operations) -> Answer {
    let mut answer = Answer::empty(StatusCode::OK);
    answer.body = operations.metrics().into();
    answer.set(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    answer.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
