//! Turning away: the only place where a reason becomes a status code, a page or JSON, an incident
//! number, a line of the log and an event.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, header};
use parking_lot::Mutex;

use super::administer::is_call;
use super::transport::tell_hsts;
use super::{Asking, ForwardPlan, Gate};
use crate::account::EventFact;
use crate::answer::{Answer, Incident};
use crate::clock::Moment;
use crate::config::Snapshot;
use crate::domain::{Actor, Detail, Failure, Role, SeatKey, Word};
use crate::identify::Person;
use crate::operate::InForce;
use crate::pages::view::{self, Common, Failed, Full, Problem, Restricted, TooMany};
use crate::pages::{
    self, AdminReason, ErrorReason, FailureReason, FullReason, RestrictedReason, TooManyReason,
};
use crate::request::Malformed;
use crate::supervise::Refusal;
use crate::trust::cookie::{self, Kind};

/// The lines of an app's log on the failed page.
const LOG_LINES: usize = 40;
/// A stranger's address is put into the events at most once in this time, in milliseconds.
const STRANGER_NOTED_EVERY_MS: u64 = 60_000;
/// So many strangers are remembered; then all are forgotten.
const STRANGERS_MAX: usize = 4096;

/// Why a request is turned away.
#[derive(Debug)]
pub enum Turned {
    /// 400
    Malformed(Malformed),
    /// 431
    HeadTooLarge,
    /// 421
    UnknownHost(String),
    /// 403
    Restricted(RestrictedReason),
    /// 401, or 303 to the sign-in page for a navigation.
    SignIn,
    /// 404
    NotFound,
    /// 405
    Method(&'static str),
    /// 409
    OthersWait,
    /// 413
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// 429
    TooMany(TooManyReason),
    /// 502: the seat failed.
    Failed {
        /// Which.
        key: SeatKey,
        /// Why.
        failure: Failure,
        /// The end of its log.
        log_lines: Vec<String>,
    },
    /// 503
    Full {
        /// Which seat.
        key: SeatKey,
        /// Why.
        reason: FullReason,
        /// When it may be tried again.
        retry_after_s: u32,
    },
    /// 503: the seat was ended for a reason that lasts until a person wants it again, and a page
    /// that was left open does not count.
    Rests,
    /// 503: usher leaves.
    Leaving,
    /// 502: a ready seat did not answer this one request.
    NoAnswer,
    /// 500
    Internal,
    /// An administrator's request that cannot be carried out.
    Admin(AdminReason),
}

impl Turned {
    pub(super) fn restricted(reason: RestrictedReason) -> Self {
        Turned::Restricted(reason)
    }
}

/// What can go wrong after the verdict, on the way to a seat and back.
#[derive(Debug)]
pub enum Mishap {
    /// The seat that follows could not be had.
    Refused(Turned),
    /// The connection to the seat broke, or what it said was no answer.
    Broken,
    /// The request's body is larger than `limits.upload`.
    TooLarge,
    /// The seat did not answer a WebSocket handshake in time.
    Silent,
    /// The request asks for a WebSocket, but not as RFC 6455 wants it.
    BadHandshake,
}

/// When which stranger's address was put into the events.
#[derive(Default)]
pub(super) struct Strangers {
    noted: Mutex<HashMap<IpAddr, Moment>>,
}

impl Strangers {
    /// Whether this one should be noted now.
    fn are_news(&self, address: IpAddr, now: Moment) -> bool {
        let mut noted = self.noted.lock();
        if noted.len() >= STRANGERS_MAX {
            noted.clear();
        }
        match noted.insert(address, now) {
            Some(before) if now.since_ms(before) < STRANGER_NOTED_EVERY_MS => {
                noted.insert(address, before);
                false
            }
            Some(_) | None => true,
        }
    }
}

impl Gate {
    /// The answer to a request that goes no further.
    pub(super) fn turn_away(&self, asking: &Asking<'_>, turned: Turned) -> Answer {
        if matches!(turned, Turned::SignIn) && asking.head.is_navigation() {
            return to_sign_in(asking);
        }
        if matches!(turned, Turned::Rests) {
            return self.resting(asking);
        }
        let mut problem = self.problem(asking.address, asking.in_force, turned);
        if let Problem::Restricted(restricted) = &mut problem
            && restricted.reason == RestrictedReason::Stranger
            && self.may_sign_in(asking)
        {
            restricted.sign_in_path = Some(sign_in_path(asking));
        }
        let incident = self.incident();
        self.note(asking, &problem, incident);
        let common = self.common(asking, Some(incident));
        let pages = &asking.in_force.pages;
        // Only administrators are told which paths are calls.
        let is_admin = asking.person.as_deref().is_some_and(|person| person.role == Role::Admin);
        let is_call = is_admin && is_call(asking);
        let is_json = wants_json(&asking.head.parts.headers) || is_call;
        let rendered = if is_json {
            pages.render_json(&problem, asking.language(), &common)
        } else {
            pages.render(&view::Page::Problem(problem), asking.language(), &common)
        };
        let mut answer = answer_of(rendered);
        answer.incident = Some(incident);
        // What was refused may go on sending a body that nobody wants.
        answer.keep_alive = [Method::GET, Method::HEAD].contains(&asking.head.parts.method);
        answer
    }

    /// The answer to a page that was left open and tries to come back. It does so every few seconds,
    /// which is nothing to keep.
    fn resting(&self, asking: &Asking<'_>) -> Answer {
        let problem = self.problem(asking.address, asking.in_force, Turned::Rests);
        let common = self.common(asking, None);
        answer_of(asking.in_force.pages.render_json(&problem, asking.language(), &common))
    }

    /// The answer to a mishap after the verdict. Nothing of an answer was written yet.
    pub fn mishap(&self, mishap: Mishap, plan: &ForwardPlan) -> Answer {
        let turned = match mishap {
            Mishap::Refused(turned) => turned,
            Mishap::Broken | Mishap::Silent => Turned::NoAnswer,
            Mishap::BadHandshake => Turned::Malformed(Malformed::Handshake),
            Mishap::TooLarge => {
                Turned::TooLarge { limit_bytes: plan.snapshot().limits.upload_max_bytes }
            }
        };
        let problem = self.problem(plan.address, &plan.in_force, turned);
        let incident = self.incident();
        let key = plan.permit.key();
        log::warn!("incident {incident}: {} {} for {key}", problem.status(), problem.code());
        let asker = plan.snapshot().directory.named(&key.user);
        let common = Common {
            incident: Some(incident.to_string()),
            ..around(plan.snapshot(), asker.map(AsRef::as_ref))
        };
        let language = pages::choose_language(None, plan.snapshot().language);
        let mut answer =
            answer_of(plan.in_force.pages.render(&view::Page::Problem(problem), language, &common));
        answer.incident = Some(incident);
        answer.keep_alive = false;
        tell_hsts(&mut answer, plan.hsts_s);
        answer
    }

    /// A refusal of the supervisor, with what the page needs beside it.
    pub(super) async fn refused(&self, key: &SeatKey, refusal: Refusal) -> Turned {
        let full = |reason, retry_after_ms: u64| Turned::Full {
            key: key.clone(),
            reason,
            retry_after_s: whole_seconds(retry_after_ms),
        };
        match refusal {
            Refusal::Full { seats_max } => {
                full(FullReason::Seats { limit: seats_max.into() }, 10_000)
            }
            Refusal::TooManyWaiting { waiting_max } => {
                full(FullReason::Waiting { limit: waiting_max.into() }, 5_000)
            }
            Refusal::Failed { failure: Failure::NoPortLeft { first, last }, retry_after_ms } => {
                let ports = format!("{first}-{last}");
                full(FullReason::NoPortLeft { ports }, retry_after_ms.unwrap_or(10_000))
            }
            Refusal::BackingOff {
                failure: Failure::NoPortLeft { first, last },
                retry_after_ms,
            } => {
                let ports = format!("{first}-{last}");
                full(FullReason::NoPortLeft { ports }, retry_after_ms)
            }
            Refusal::Failed { failure, .. } | Refusal::BackingOff { failure, .. } => {
                let log_lines = self.operations.supervisor().log_tail(key, LOG_LINES).await;
                Turned::Failed { key: key.clone(), failure, log_lines }
            }
            Refusal::TooSlow | Refusal::Cancelled => {
                full(FullReason::StartingTooSlowly { waited_s: 120.0 }, 10_000)
            }
            Refusal::Draining => Turned::Leaving,
            Refusal::Removed => {
                Turned::restricted(RestrictedReason::NotGranted { app: key.app.to_string() })
            }
        }
    }

    /// What every page shows around its own content.
    pub(super) fn common(&self, asking: &Asking<'_>, incident: Option<Incident>) -> Common {
        let person = asking.person.as_deref();
        Common {
            incident: incident.map(|incident| incident.to_string()),
            person: person.map(|person| person_view(person, asking.session.is_some())),
            form_token: Some(self.tokens.token(asking.owner())),
            ..around(&asking.in_force.snapshot, person)
        }
    }

    fn incident(&self) -> Incident {
        Incident(self.incidents.fetch_add(1, Ordering::Relaxed))
    }

    fn note(&self, asking: &Asking<'_>, problem: &Problem, incident: Incident) {
        let parts = &asking.head.parts;
        let who = asking.person.as_deref().map_or("a stranger", |person| person.name.as_str());
        let (status, code, address) = (problem.status(), problem.code(), asking.address);
        let path = harmless(parts.uri.path());
        let level = if status >= 500 { log::Level::Warn } else { log::Level::Info };
        log::log!(
            level,
            "incident {incident}: {status} {code}: {who} at {address}: {} {path}",
            parts.method
        );
        let is_stranger = asking.person.is_none();
        if is_stranger && !self.strangers.are_news(asking.address, self.now()) {
            return;
        }
        if status == 403 || status == 421 || status == 429 {
            let why = Word::by_key(problem.title_key());
            self.operations.account().event(EventFact {
                at: self.operations.clock().wall(),
                kind: if is_stranger { "stranger" } else { "refused" },
                actor: match &asking.person {
                    Some(person) => Actor::User(person.name.clone()),
                    None => Actor::Usher,
                },
                key: None,
                address: Some(address),
                detail: Detail::turned_away(code, why, format!("{} {path}", parts.method)),
            });
        }
    }

    fn problem(&self, address: IpAddr, in_force: &InForce, turned: Turned) -> Problem {
        let app = |key: &SeatKey| app_view(in_force, key);
        match turned {
            Turned::Malformed(_) => Problem::Error(ErrorReason::Malformed),
            Turned::HeadTooLarge => Problem::Error(ErrorReason::HeadersTooLarge),
            Turned::UnknownHost(host) => Problem::Error(ErrorReason::UnknownHost { host }),
            Turned::Restricted(reason) => Problem::Restricted(Restricted {
                address: address.to_string(),
                reason,
                sign_in_path: None,
            }),
            Turned::SignIn => Problem::Error(ErrorReason::SignInNeeded),
            Turned::NotFound => Problem::Error(ErrorReason::NotFound),
            Turned::Method(allowed) => Problem::Error(ErrorReason::MethodNotAllowed { allowed }),
            Turned::OthersWait => Problem::Error(ErrorReason::OthersWait),
            Turned::TooLarge { limit_bytes } => {
                Problem::Error(ErrorReason::TooLarge { limit_bytes })
            }
            Turned::TooMany(reason) => Problem::TooMany(TooMany {
                address: address.to_string(),
                retry_after_s: retry_after_s(&reason),
                reason,
            }),
            Turned::Failed { key, failure, log_lines } => Problem::Failed(Failed {
                app: app(&key),
                reason: FailureReason::from(&failure),
                log_lines,
                may_retry: true,
            }),
            Turned::Full { key, reason, retry_after_s } => {
                Problem::Full(Full { app: app(&key), reason, retry_after_s })
            }
            Turned::Rests => Problem::Error(ErrorReason::Rests),
            Turned::Leaving => Problem::Error(ErrorReason::Restarting),
            Turned::NoAnswer => Problem::Error(ErrorReason::NoAnswer),
            Turned::Internal => Problem::Error(ErrorReason::Internal),
            Turned::Admin(reason) => Problem::Admin(reason),
        }
    }
}

/// Whether whoever asks reads JSON rather than a page.
fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}

/// What a 401 has to say: how to sign in is said by the page.
pub(super) const SIGN_IN: HeaderValue = HeaderValue::from_static("Session realm=\"usher\"");

fn to_sign_in(asking: &Asking<'_>) -> Answer {
    Answer::redirect(StatusCode::SEE_OTHER, &sign_in_path(asking))
}

/// The sign-in page that leads back to what was asked for.
fn sign_in_path(asking: &Asking<'_>) -> String {
    let uri = &asking.head.parts.uri;
    let next = uri.path_and_query().map_or("/", |next| next.as_str());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", next);
    let headers = &asking.head.parts.headers;
    let had_session = cookie::values(headers, Kind::Session, asking.scheme).next().is_some();
    if had_session && asking.session.is_none() {
        query.append_pair("ended", "1");
    }
    format!("/_usher/login?{}", query.finish())
}

/// A page as the edge writes it.
pub(super) fn answer_of(response: pages::Response) -> Answer {
    if let Some(problem) = &response.problem {
        log::warn!("a template of the operator's was not used: {problem}");
    }
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = Answer::empty(status);
    for (name, value) in response.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            answer.set(name, value);
        }
    }
    answer.body = response.body;
    answer
}

pub(super) fn app_view(in_force: &InForce, key: &SeatKey) -> view::App {
    let slug = key.app.to_string();
    let title = in_force.snapshot.app(&slug).map_or_else(|| slug.clone(), |a| a.title.clone());
    view::App { slug, title }
}

/// What the configuration says to whoever asks: how the server is called and whom to turn to. A
/// stranger is told neither what runs here nor the name of anybody.
fn around(snapshot: &Snapshot, asker: Option<&Person>) -> Common {
    let admin_path = snapshot.admin.path.clone();
    let Some(asker) = asker else {
        return Common { admin_path, ..Common::default() };
    };
    let site_name = match snapshot.policy.seats_of(asker) {
        [only] => snapshot.app(only.app.as_str()).map(|app| app.title.clone()),
        [] | [_, _, ..] => None,
    };
    let administrators = snapshot
        .users
        .iter()
        .filter(|user| user.role == Role::Admin && user.name != asker.name)
        .map(|user| user.name.to_string())
        .collect();
    Common {
        site_name: site_name.unwrap_or_default(),
        administrators,
        admin_path,
        ..Common::default()
    }
}

fn person_view(person: &Person, is_signed_in: bool) -> view::Person {
    view::Person {
        name: person.name.to_string(),
        is_admin: person.role == crate::domain::Role::Admin,
        is_signed_in,
    }
}

fn retry_after_s(reason: &TooManyReason) -> u32 {
    match reason {
        TooManyReason::SignIns { wait_s } => (wait_s.ceil() as u32).max(1),
        TooManyReason::Connections { .. } => 10,
        TooManyReason::Requests { .. } => 1,
    }
}

pub(super) fn whole_seconds(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// A path as a log and a terminal can show it: nothing in it moves the cursor, ends the line or
/// turns the direction of writing around.
fn harmless(path: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(path.len());
    for c in path.chars() {
        if c.is_control() || turns(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_the_log() {
        for (path, shown) in [
            ("/app/main/%1b[31m", "/app/main/%1b[31m"),
            ("/app/main/민수", "/app/main/민수"),
            ("/\u{9b}31m", "/\\u{9b}31m"),
            ("/\u{85}incident", "/\\u{85}incident"),
            ("/\u{202e}gnp.exe", "/\\u{202e}gnp.exe"),
            ("/\u{2028}x", "/\\u{2028}x"),
        ] {
            assert_eq!(harmless(path), shown);
        }
    }
}
