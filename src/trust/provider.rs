//! An outside identity provider: OpenID Connect, authorization code with PKCE. The protocol is
//! `openidconnect`'s; here is what usher asks of it, and which of the provider's words count.

mod web;

use web::{NoAnswer, Web};

use std::error::Error;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdTokenClaims,
    CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError, SubjectIdentifier,
};
use tokio::sync::Semaphore;

use super::journey::Journey;
use crate::clock::Moment;
use crate::config::{Oidc, User};

/// What the provider says about itself is asked again after so long, in milliseconds.
const KNOWN_FOR_MS: u64 = 3600 * 1000;
/// But not more often than this, whatever comes: keys of which nobody has heard may be made up.
const ASKED_AGAIN_AFTER_MS: u64 = 60 * 1000;
/// Sign-ins that the provider is asked about at once.
const AT_ONCE_MAX: usize = 16;
/// The longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// A client of which everything is known that a provider has to have.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send>>;

/// Why nobody was vouched for.
#[derive(Debug)]
pub enum NotVouched {
    /// Too many others are being asked about.
    Busy,
    /// Something failed or was not as it has to be; a sentence for the log, without secrets.
    Failed(String),
}

impl fmt::Display for NotVouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotVouched::Busy => f.write_str("too many sign-ins at once"),
            NotVouched::Failed(sentence) => f.write_str(sentence),
        }
    }
}

fn failed<E: fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> NotVouched {
    move |error| NotVouched::Failed(format!("{doing}: {error}"))
}

/// With all that the error goes back to.
fn failed_because<E: Error>(doing: &'static str) -> impl FnOnce(E) -> NotVouched {
    move |error| {
        let mut sentence = format!("{doing}: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            sentence.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        NotVouched::Failed(sentence)
    }
}

/// The names by which the provider vouched for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouched {
    /// An address of which the provider says that it is theirs.
    pub verified_email: Option<String>,
    /// What they are called there.
    pub preferred_username: Option<String>,
}

impl Vouched {
    /// The user that is meant: by the verified address, or else by the name. Both may not mean
    /// different users.
    pub fn user<'u>(&self, users: &'u [Arc<User>]) -> Option<&'u Arc<User>> {
        let by = |fits: &dyn Fn(&str) -> bool| {
            users.iter().find(|user| user.login.as_deref().is_some_and(fits))
        };
        let email = self.verified_email.as_deref();
        let name = self.preferred_username.as_deref();
        let by_email = email.and_then(|email| by(&|login| login.eq_ignore_ascii_case(email)));
        let by_name = name.and_then(|name| by(&|login| login == name));
        match (by_email, by_name) {
            (Some(one), Some(other)) if one.name != other.name => None,
            (Some(user), _) | (None, Some(user)) => Some(user),
            (None, None) => None,
        }
    }
}

/// Asks the provider.
pub struct Provider {
    /// Made when it is first needed: most doors have no provider.
    web: OnceLock<Web>,
    known: tokio::sync::Mutex<Option<Known>>,
    places: Semaphore,
}

/// What the provider said about itself.
#[derive(Clone)]
struct Known {
    of: Oidc,
    metadata: Arc<CoreProviderMetadata>,
    asked_at: Moment,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            web: OnceLock::new(),
            known: tokio::sync::Mutex::default(),
            places: Semaphore::new(AT_ONCE_MAX),
        }
    }
}

impl Provider {
    /// What `openidconnect` sends its requests with.
    fn web(&self) -> Result<impl Fn(HttpRequest) -> Answering + use<>, NotVouched> {
        let web = match self.web.get() {
            Some(web) => web.clone(),
            None => {
                let web = Web::new().map_err(failed("there is no TLS"))?;
                self.web.get_or_init(|| web).clone()
            }
        };
        Ok(move |request| -> Answering {
            let web = web.clone();
            Box::pin(async move { web.send(request).await })
        })
    }

    /// Where the browser has to go. `back` is where the provider sends it afterwards.
    ///
    /// # Errors
    /// The provider cannot be asked about itself.
    pub async fn address(
        &self,
        oidc: &Oidc,
        journey: &Journey,
        back: &str,
        now: Moment,
    ) -> Result<String, NotVouched> {
        let _place = self.places.try_acquire().map_err(|_| NotVouched::Busy)?;
        let known = self.known(oidc, KNOWN_FOR_MS, now).await?;
        let client = client(&known.metadata, oidc, None, back)?;
        let (state, nonce) = (journey.state.clone(), journey.nonce.clone());
        let verifier = PkceCodeVerifier::new(journey.verifier.clone());
        let (address, _, _) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state),
                move || Nonce::new(nonce),
            )
            .add_scope(Scope::new("email".to_owned()))
            .add_scope(Scope::new("profile".to_owned()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(address.into())
    }

    /// Redeems a code: who it is that the provider vouches for.
    ///
    /// # Errors
    /// The provider does not, or not in the way that it has to.
    pub async fn redeem(
        &self,
        oidc: &Oidc,
        journey: &Journey,
        code: &str,
        back: &str,
        now: Moment,
    ) -> Result<Vouched, NotVouched> {
        let _place = self.places.try_acquire().map_err(|_| NotVouched::Busy)?;
        let secret = secret(&oidc.client_secret_file).await?;
        let known = self.known(oidc, KNOWN_FOR_MS, now).await?;
        let client_then = client(&known.metadata, oidc, Some(secret.clone()), back)?;
        let web = self.web()?;
        let answer = client_then
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(failed("the provider has no place for codes"))?
            .set_pkce_verifier(PkceCodeVerifier::new(journey.verifier.clone()))
            .request_async(&web)
            .await
            .map_err(failed_because("the code was not taken"))?;
        let token = answer.extra_fields().id_token();
        let token = token.ok_or_else(|| NotVouched::Failed("there is no token".to_owned()))?;
        let nonce = Nonce::new(journey.nonce.clone());
        let claims = match token.claims(&client_then.id_token_verifier(), &nonce) {
            Ok(claims) => claims.clone(),
            // A new key: the provider is asked about itself once more.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let known = self.known(oidc, ASKED_AGAIN_AFTER_MS, now).await?;
                let client_now = client(&known.metadata, oidc, Some(secret), back)?;
                let claims = token.claims(&client_now.id_token_verifier(), &nonce);
                claims.map_err(failed("the token"))?.clone()
            }
            Err(error) => return Err(failed("the token")(error)),
        };
        let vouched = of_token(&claims);
        // An address that is there and not verified is not asked for again.
        if claims.email().is_some() {
            return Ok(vouched);
        }
        let access = answer.access_token().clone();
        match self.ask_further(&client_then, access, claims.subject().clone()).await {
            Err(_) if vouched.preferred_username.is_some() => Ok(vouched),
            further => further,
        }
    }

    /// Some providers keep names out of the token and tell them when asked.
    async fn ask_further(
        &self,
        client: &Client,
        access: AccessToken,
        subject: SubjectIdentifier,
    ) -> Result<Vouched, NotVouched> {
        let web = self.web()?;
        let asked = client.user_info(access, Some(subject));
        let claims: CoreUserInfoClaims = asked
            .map_err(failed("the provider tells no name"))?
            .request_async(&web)
            .await
            .map_err(failed_because("the provider told no name"))?;
        let email = claims.email().filter(|_| claims.email_verified() == Some(true));
        Ok(Vouched {
            verified_email: email.map(|email| email.to_string()),
            preferred_username: claims.preferred_username().map(|name| name.to_string()),
        })
    }

    /// What the provider says about itself, not older than so long.
    async fn known(&self, oidc: &Oidc, age_max_ms: u64, now: Moment) -> Result<Known, NotVouched> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && known.of == *oidc
            && now.since_ms(known.asked_at) < age_max_ms
        {
            return Ok(known.clone());
        }
        let issuer = IssuerUrl::new(oidc.issuer.clone()).map_err(failed("oidc.issuer"))?;
        let web = self.web()?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &web)
            .await
            .map_err(failed_because("the provider does not say who it is"))?;
        let fresh = Known { of: oidc.clone(), metadata: Arc::new(metadata), asked_at: now };
        *known = Some(fresh.clone());
        Ok(fresh)
    }
}

fn of_token(claims: &CoreIdTokenClaims) -> Vouched {
    let email = claims.email().filter(|_| claims.email_verified() == Some(true));
    Vouched {
        verified_email: email.map(|email| email.to_string()),
        preferred_username: claims.preferred_username().map(|name| name.to_string()),
    }
}

fn client(
    metadata: &CoreProviderMetadata,
    oidc: &Oidc,
    secret: Option<ClientSecret>,
    back: &str,
) -> Result<Client, NotVouched> {
    let back = RedirectUrl::new(back.to_owned()).map_err(failed("the way back"))?;
    let id = ClientId::new(oidc.client_id.clone());
    let client = CoreClient::from_provider_metadata(metadata.clone(), id, secret);
    // Basic is what a provider has to know unless it says otherwise.
    let methods = metadata.token_endpoint_auth_methods_supported();
    let knows = |method| methods.is_none_or(|methods| methods.contains(&method));
    let by_form = !knows(CoreClientAuthMethod::ClientSecretBasic)
        && knows(CoreClientAuthMethod::ClientSecretPost);
    let how = if by_form { AuthType::RequestBody } else { AuthType::BasicAuth };
    Ok(client.set_redirect_uri(back).set_auth_type(how))
}

/// Read each time, so that another secret needs no reload.
async fn secret(file: &Path) -> Result<ClientSecret, NotVouched> {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        let opened = std::fs::File::open(&file)?;
        opened.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    });
    let text = read.await.map_err(failed("oidc.client_secret_file"))?;
    let text = text.map_err(failed("oidc.client_secret_file"))?;
    Ok(ClientSecret::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, UserName};

    fn user(name: &str, login: Option<&str>) -> Arc<User> {
        Arc::new(User {
            name: UserName::new(name).expect("a name"),
            role: Role::User,
            addresses: Vec::new(),
            login: login.map(str::to_owned),
            port: None,
            upstream: None,
            apps: Vec::new(),
            password: None,
            totp: None,
            proofs: Vec::new(),
        })
    }

    #[test]
    fn who_is_meant() {
        let users = [
            user("minsu", Some("minsu@example.org")),
            user("jiyoung", Some("jiyoung")),
            user("hana", None),
        ];
        for (email, name, expected) in [
            (Some("minsu@example.org"), None, Some("minsu")),
            (Some("Minsu@Example.org"), None, Some("minsu")),
            (None, Some("minsu@example.org"), Some("minsu")),
            (None, Some("Minsu@example.org"), None),
            (None, Some("jiyoung"), Some("jiyoung")),
            (None, Some("Jiyoung"), None),
            (Some("minsu@example.org"), Some("minsu@example.org"), Some("minsu")),
            (Some("minsu@example.org"), Some("somebody"), Some("minsu")),
            (Some("minsu@example.org"), Some("jiyoung"), None),
            (Some("x@example.org"), Some("jiyoung"), Some("jiyoung")),
            (None, Some("hana"), None),
            (None, None, None),
            (Some(""), Some(""), None),
        ] {
            let vouched = Vouched {
                verified_email: email.map(str::to_owned),
                preferred_username: name.map(str::to_owned),
            };
            let found = vouched.user(&users).map(|user| user.name.as_str());
            assert_eq!(found, expected, "{email:?} {name:?}");
        }
    }
}
