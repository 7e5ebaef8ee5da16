//! Signing in at the outside provider: to it, and back from it.

use http::{StatusCode, header};

use super::refuse::Turned;
use super::{Asking, Gate, is_read};
use crate::answer::Answer;
use crate::config::{Oidc, Proof, User};
use crate::identify::Proofs;
use crate::pages::view::SignInError;
use crate::pages::{RestrictedReason, TooManyReason};
use crate::trust::cookie::{self, Kind};
use crate::trust::next::safe_next;
use crate::trust::provider::{NotVouched, Vouched};

/// Below `/_usher/oidc/`; also what the operator registers at the provider.
const BACK: &str = "/_usher/oidc/callback";

impl Gate {
    /// `/_usher/oidc/…`
    pub(super) async fn provider(&self, asking: &Asking<'_>, path: &str) -> Result<Answer, Turned> {
        let Some(oidc) = &asking.in_force.snapshot.oidc else { return Err(Turned::NotFound) };
        if asking.client.as_ref().is_none_or(|client| client.unproven) {
            return Err(Turned::restricted(RestrictedReason::UntrustedProxy));
        }
        if !is_read(asking.head) {
            return Err(Turned::Method("GET, HEAD"));
        }
        match path {
            "start" => self.to_provider(asking, oidc).await,
            "callback" => self.back_from_provider(asking, oidc).await,
            _ => Err(Turned::NotFound),
        }
    }

    async fn to_provider(&self, asking: &Asking<'_>, oidc: &Oidc) -> Result<Answer, Turned> {
        let trust = self.operations.trust();
        let clock = self.operations.clock();
        let next = asking.query("next").unwrap_or_default();
        let journey = trust.journeys.begin(safe_next(&next), clock.wall()).map_err(|error| {
            log::error!("{error}");
            Turned::Internal
        })?;
        let address = trust.provider.address(oidc, &journey, &back(asking), clock.now()).await;
        match address {
            Ok(address) => {
                let mut answer = Answer::redirect(StatusCode::SEE_OTHER, &address);
                let cookie = Kind::Journey.set(asking.scheme, &trust.journeys.value(&journey));
                answer.headers.append(header::SET_COOKIE, cookie);
                Ok(answer)
            }
            Err(not_vouched) => self.not_vouched(asking, &next, &not_vouched),
        }
    }

    async fn back_from_provider(&self, asking: &Asking<'_>, oidc: &Oidc) -> Result<Answer, Turned> {
        let trust = self.operations.trust();
        let clock = self.operations.clock();
        let state = asking.query("state").unwrap_or_default();
        let headers = &asking.head.parts.headers;
        let arrived = cookie::values(headers, Kind::Journey, asking.scheme)
            .find_map(|value| trust.journeys.arrive(value, &state, clock.wall()));
        let Some((journey, next)) = arrived else {
            let sentence = "no sign-in is under way in this browser, or it took too long";
            return self.not_vouched(asking, "/", &NotVouched::Failed(sentence.to_owned()));
        };
        let Some(code) = asking.query("code") else {
            let said = asking.query("error").unwrap_or_default();
            let sentence = format!("the provider said no: {}", visible(&said));
            return self.not_vouched(asking, &next, &NotVouched::Failed(sentence));
        };
        let vouched =
            trust.provider.redeem(oidc, &journey, &code, &back(asking), clock.now()).await;
        match vouched.and_then(|vouched| user_here(asking, &vouched)) {
            Ok(user) => {
                let proven = Proofs { oidc: true, ..Proofs::default() };
                let mut answer = self.signed_in(asking, user, proven, &next)?;
                let gone = Kind::Journey.remove(asking.scheme);
                answer.headers.append(header::SET_COOKIE, gone);
                Ok(answer)
            }
            Err(not_vouched) => self.not_vouched(asking, &next, &not_vouched),
        }
    }

    fn not_vouched(
        &self,
        asking: &Asking<'_>,
        next: &str,
        why: &NotVouched,
    ) -> Result<Answer, Turned> {
        match why {
            NotVouched::Busy => Err(Turned::TooMany(TooManyReason::SignIns { wait_s: 1.0 })),
            NotVouched::Failed(sentence) => {
                log::warn!("{} was not vouched for: {sentence}", asking.address);
                let mut answer = self.sign_in_page(asking, next, Some(SignInError::Provider));
                answer.status = StatusCode::UNAUTHORIZED;
                answer.set(header::WWW_AUTHENTICATE, super::refuse::SIGN_IN);
                let gone = Kind::Journey.remove(asking.scheme);
                answer.headers.append(header::SET_COOKIE, gone);
                Ok(answer)
            }
        }
    }
}

/// Where the provider sends the browser back to: this door, as the browser names it.
fn back(asking: &Asking<'_>) -> String {
    let host = asking.client.as_ref().map_or("", |client| client.host);
    format!("{}://{host}{BACK}", asking.scheme.as_str())
}

/// The user who is vouched for, if they may be here: an address that speaks for somebody else, or
/// for nobody though one is needed, is as strong as the provider's word.
fn user_here<'a>(asking: &'a Asking<'_>, vouched: &Vouched) -> Result<&'a User, NotVouched> {
    let users = &asking.in_force.snapshot.users;
    let refused = |what: &str| {
        let names = [&vouched.verified_email, &vouched.preferred_username];
        let names: Vec<_> = names.into_iter().flatten().map(|name| visible(name)).collect();
        NotVouched::Failed(format!("{what}: {}", names.join(", ")))
    };
    let user = vouched.user(users).ok_or_else(|| refused("no user has this login"))?;
    match asking.person.as_deref() {
        Some(person) if person.name != user.name => Err(refused("the address is somebody else's")),
        None if user.proofs.contains(&Proof::Address) => {
            Err(refused("the user may not come from this address"))
        }
        Some(_) | None => Ok(user),
    }
}

/// What somebody else wrote, for the log.
fn visible(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
