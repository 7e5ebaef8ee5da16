//! Signing in: the page, and what is sent with it. Whether it is right is asked of `trust`; here
//! are the fields, the pages and the cookies.

use http::{Method, StatusCode, header};

use super::form::Form;
use super::refuse::{Turned, answer_of};
use super::{Asking, Gate, is_read};
use crate::account::EventFact;
use crate::answer::{Answer, Body};
use crate::config::{Limits, Proof, User};
use crate::domain::{Actor, Detail};
use crate::identify::{Proofs, SessionProof};
use crate::pages::view::{CodeField, Page, SignIn, SignInError};
use crate::pages::{RestrictedReason, TooManyReason};
use crate::request::{Client, Head};
use crate::trust::cookie::{self, Kind};
use crate::trust::next::safe_next;
use crate::trust::sessions::{Credential, NotOpened, SignedIn};
use crate::trust::sign_in::{Checked, Claim};

/// Where a sign-in at the outside provider begins.
const PROVIDER_PATH: &str = "/_usher/oidc/start";

/// What the page asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    name: bool,
    password: bool,
    code: CodeField,
    provider: bool,
}

impl Asked {
    const NOTHING: Asked =
        Asked { name: false, password: false, code: CodeField::Absent, provider: false };
}

impl Gate {
    /// The session of the browser's cookie. If there are several of them, an app's script may have
    /// planted one, and none counts unless all but one are dead.
    pub(super) fn session_of(&self, head: &Head<'_>, client: &Client<'_>) -> Option<SessionProof> {
        let now = self.operations.clock().wall();
        let sessions = &self.operations.trust().sessions;
        let mut alive = cookie::values(&head.parts.headers, Kind::Session, client.scheme)
            .filter_map(|value| sessions.find(value, client.address, now));
        let first = alive.next()?;
        alive.all(|other| other.id == first.id).then_some(first)
    }

    /// `/_usher/login`
    pub(super) async fn sign_in(
        &self,
        asking: &Asking<'_>,
        body: &mut dyn Body,
    ) -> Result<Answer, Turned> {
        if asking.client.as_ref().is_none_or(|client| client.unproven) {
            return Err(Turned::restricted(RestrictedReason::UntrustedProxy));
        }
        let asked = self.asked(asking);
        if is_read(asking.head) {
            let next = asking.query("next").unwrap_or_default();
            let error = asking.query("ended").map(|_| SignInError::SessionEnded);
            return if asked == Asked::NOTHING {
                nothing_to_prove(asking, &next)
            } else {
                Ok(self.sign_in_page(asking, &next, error))
            };
        }
        if asking.head.parts.method != Method::POST {
            return Err(Turned::Method("GET, HEAD, POST"));
        }
        let form = Form::read(body).await?;
        let next = form.field("next");
        if !self.is_own_form(asking, &form) {
            let mut answer = self.sign_in_page(asking, &next, Some(SignInError::Expired));
            answer.status = StatusCode::FORBIDDEN;
            return Ok(answer);
        }
        if asked == Asked::NOTHING {
            return nothing_to_prove(asking, &next);
        }
        self.check_password(asking, &form, &next).await
    }

    async fn check_password(
        &self,
        asking: &Asking<'_>,
        form: &Form,
        next: &str,
    ) -> Result<Answer, Turned> {
        let typed = form.field("name");
        let snapshot = &asking.in_force.snapshot;
        let user = match asking.person.as_deref() {
            Some(person) => snapshot.user(person.name.as_str()),
            None => snapshot.user(typed.trim()).filter(|user| signs_in_by_name(user)),
        };
        let name = user.map_or(typed.trim(), |user| user.name.as_str());
        let (password, code) = (form.field("password"), form.field("totp"));
        let scheme = asking.scheme;
        let claim = Claim {
            name,
            user: user.map(|user| &**user),
            address: asking.address,
            device: cookie::values(&asking.head.parts.headers, Kind::Device, scheme).next(),
            password: &password,
            code: &code,
        };
        match self.check_claim(claim, snapshot.limits).await {
            Checked::Right => match user {
                Some(user) => {
                    let proven = Proofs { password: true, ..Proofs::default() };
                    self.signed_in(asking, user, proven, next)
                }
                None => Err(Turned::Internal),
            },
            Checked::Wrong => {
                self.note_failed(asking, user.map(|user| &**user));
                let mut answer = self.sign_in_page(asking, next, Some(SignInError::Wrong));
                answer.status = StatusCode::UNAUTHORIZED;
                answer.set(header::WWW_AUTHENTICATE, super::refuse::SIGN_IN);
                Ok(answer)
            }
            Checked::UsedUp(used_up) => Err(Turned::TooMany(TooManyReason::SignIns {
                wait_s: used_up.retry_after_ms as f64 / 1000.0,
            })),
            Checked::Busy => Err(Turned::TooMany(TooManyReason::SignIns { wait_s: 1.0 })),
        }
    }

    async fn check_claim(&self, claim: Claim<'_>, limits: Limits) -> Checked {
        let clock = self.operations.clock();
        self.operations.trust().check(claim, limits, clock.now(), clock.wall()).await
    }

    /// Opens a session, gives the browser its cookie, and sends it on.
    pub(super) fn signed_in(
        &self,
        asking: &Asking<'_>,
        user: &User,
        proven: Proofs,
        next: &str,
    ) -> Result<Answer, Turned> {
        let trust = self.operations.trust();
        let wall = self.operations.clock().wall();
        let browser = asking.head.header(&header::USER_AGENT).unwrap_or_default();
        let opened = trust.sessions.open(
            SignedIn {
                user: user.name.clone(),
                proven,
                credential: Credential::of(user),
                address: asking.address,
                browser: browser.to_owned(),
                before: asking.cookie.as_ref().map(|session| session.id),
            },
            wall,
        );
        let opened = opened.map_err(|error| match error {
            NotOpened::Changed => Turned::SignIn,
            NotOpened::NoRandomness(error) => {
                log::error!("{error}");
                Turned::Internal
            }
        })?;
        self.operations.sessions_ended(&opened.ended, &Actor::User(user.name.clone()));
        self.note_sign_in("signed_in", asking, user);
        let mut answer = Answer::redirect(StatusCode::SEE_OTHER, safe_next(next));
        let scheme = asking.scheme;
        let session = Kind::Session.set(scheme, &opened.secret.text());
        answer.headers.append(header::SET_COOKIE, session);
        if proven.password
            && let Some(hash) = &user.password
            && let Ok(device) = trust.devices.new_value(&user.name, hash)
        {
            answer.headers.append(header::SET_COOKIE, Kind::Device.set(scheme, &device));
        }
        Ok(answer)
    }

    pub(super) fn sign_in_page(
        &self,
        asking: &Asking<'_>,
        next: &str,
        error: Option<SignInError>,
    ) -> Answer {
        let asked = self.asked(asking);
        let next = safe_next(next);
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let page = Page::SignIn(SignIn {
            asks_name: asked.name,
            asks_password: asked.password,
            code: asked.code,
            next: next.to_owned(),
            error,
            provider_path: asked.provider.then(|| format!("{PROVIDER_PATH}?{query}")),
        });
        let common = self.common(asking, None);
        answer_of(asking.in_force.pages.render(&page, asking.language(), &common))
    }

    /// Whether a stranger can become somebody by signing in.
    pub(super) fn may_sign_in(&self, asking: &Asking<'_>) -> bool {
        let users = &asking.in_force.snapshot.users;
        let may = users.iter().any(|user| user.login.is_some());
        may && self.asked(asking) != Asked::NOTHING
    }

    /// What is missing of the person at the address, or could be proven by somebody from anywhere.
    fn asked(&self, asking: &Asking<'_>) -> Asked {
        let snapshot = &asking.in_force.snapshot;
        let Some(person) = asking.person.as_deref() else {
            let by_name = || snapshot.users.iter().filter(|user| signs_in_by_name(user));
            let with_code = by_name().filter(|user| user.totp.is_some()).count();
            return Asked {
                name: by_name().next().is_some(),
                password: by_name().next().is_some(),
                code: match with_code {
                    0 => CodeField::Absent,
                    some if some == by_name().count() => CodeField::Required,
                    _ => CodeField::Optional,
                },
                provider: snapshot.oidc.is_some()
                    && snapshot.users.iter().any(|user| {
                        user.proofs.contains(&Proof::Oidc) && !user.proofs.contains(&Proof::Address)
                    }),
            };
        };
        let password = person.needs.password && !asking.proven.password;
        let has_code = snapshot.user(person.name.as_str()).is_some_and(|user| user.totp.is_some());
        Asked {
            name: false,
            password,
            code: if password && has_code { CodeField::Required } else { CodeField::Absent },
            provider: snapshot.oidc.is_some() && person.needs.oidc && !asking.proven.oidc,
        }
    }

    fn note_failed(&self, asking: &Asking<'_>, user: Option<&User>) {
        match user {
            Some(user) => self.note_sign_in("sign_in_failed", asking, user),
            // What was typed as a name may have been a password.
            None => log::info!("{} failed to sign in with an unknown name", asking.address),
        }
    }

    fn note_sign_in(&self, kind: &'static str, asking: &Asking<'_>, user: &User) {
        log::info!("{kind}: {} at {}", user.name, asking.address);
        self.operations.account().event(EventFact {
            at: self.operations.clock().wall(),
            kind,
            actor: Actor::User(user.name.clone()),
            key: None,
            address: Some(asking.address),
            detail: Detail::none(),
        });
    }
}

/// There is nothing to sign in with: because all is proven, or because nobody here can ask the one
/// who has to vouch.
fn nothing_to_prove(asking: &Asking<'_>, next: &str) -> Result<Answer, Turned> {
    match &asking.person {
        Some(person) if asking.proven.cover(person.needs) => {
            Ok(Answer::redirect(StatusCode::SEE_OTHER, safe_next(next)))
        }
        Some(_) => Err(Turned::restricted(RestrictedReason::NotVouched)),
        None => Err(Turned::restricted(RestrictedReason::Stranger)),
    }
}

/// Whether somebody signs in as this user from anywhere, by name and password.
fn signs_in_by_name(user: &User) -> bool {
    user.proofs.contains(&Proof::Password) && !user.proofs.contains(&Proof::Address)
}
