//! To the administrators' pages and back: hands over what the stages found out, and turns what
//! comes back into a verdict.

use http::header::{self, HeaderValue};
use http::{HeaderName, StatusCode};

use super::refuse::{Turned, answer_of};
use super::{Asking, Gate, Verdict};
use crate::admin::{Asked, Outcome, Refusal};
use crate::answer::{Answer, Body, BodyError};
use crate::authorize::AdminPermit;
use crate::pages::RestrictedReason;
use crate::request::{Malformed, Target};

impl Gate {
    pub(super) async fn administer(
        &self,
        asking: &Asking<'_>,
        permit: &AdminPermit,
        target: &Target<'_>,
        body: &mut dyn Body,
    ) -> Result<Verdict, Turned> {
        let Target::Admin { rest } = target else { return Err(Turned::NotFound) };
        let is_token = |token: &str| self.tokens.is_valid(asking.owner(), token);
        let asked = Asked {
            head: asking.head,
            rest,
            permit,
            in_force: asking.in_force,
            language: asking.language(),
            common: self.common(asking, None),
            is_token: &is_token,
        };
        let outcome = self.admin.answer(&asked, body).await.map_err(turned)?;
        Ok(match outcome {
            Outcome::Page(page) => Verdict::Answer(answer_of(*page)),
            Outcome::Json(status, document) => Verdict::Answer(json(status, document)),
            Outcome::File { name, content_type, content } => {
                Verdict::Answer(file(&name, content_type, content))
            }
            Outcome::See(path) => Verdict::Answer(Answer::redirect(StatusCode::SEE_OTHER, &path)),
            Outcome::Moved(path) => {
                Verdict::Answer(Answer::redirect(StatusCode::PERMANENT_REDIRECT, &path))
            }
            Outcome::Events(events) => {
                return self.events_in_session(permit.session(), events);
            }
        })
    }
}

/// Whether a path belongs to the API, whose refusals are JSON whatever is accepted.
pub(super) fn is_call(asking: &Asking<'_>) -> bool {
    let path = asking.head.parts.uri.path();
    match Target::of(path, &asking.in_force.snapshot.admin.path) {
        Target::Admin { rest } => rest.starts_with("/api/"),
        Target::Root
        | Target::Unauthorized
        | Target::FirstApp { .. }
        | Target::SeatWithoutSlash { .. }
        | Target::Seat { .. }
        | Target::Usher(_)
        | Target::Metrics
        | Target::Unknown => false,
    }
}

fn turned(refusal: Refusal) -> Turned {
    match refusal {
        Refusal::NotFound => Turned::NotFound,
        Refusal::Method(allowed) => Turned::Method(allowed),
        Refusal::Body(BodyError::TooLarge, limit) => Turned::TooLarge { limit_bytes: limit as u64 },
        Refusal::Body(BodyError::Broken, _) => Turned::Malformed(Malformed::Body),
        Refusal::FormExpired => Turned::restricted(RestrictedReason::FormExpired),
        Refusal::Reason(reason) => Turned::Admin(reason),
    }
}

fn json(status: u16, document: bytes::Bytes) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    own(status, "application/json", document)
}

fn file(name: &str, content_type: &'static str, content: bytes::Bytes) -> Answer {
    let mut answer = own(StatusCode::OK, content_type, content);
    // The name is of letters, digits, dots and dashes.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        answer.set(header::CONTENT_DISPOSITION, value);
    }
    answer
}

fn own(status: StatusCode, content_type: &'static str, body: bytes::Bytes) -> Answer {
    let mut answer = Answer::empty(status);
    answer.body = body;
    answer.set(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.set(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    answer
}
