//! The whole flow on one screen: [`Gate::admit`] takes a request's head through the stages
//! `request → identify → authorize → supervise` and returns what the edge has to do. Names no
//! Pingora type and needs no socket. Status codes are chosen in `refuse`, and only there.

mod administer;
mod closed;
mod form;
mod front;
mod hosts;
mod own;
mod plan;
mod provider;
mod rates;
mod refuse;
mod seat;
mod sessions;
mod sign_in;
mod token;
mod transport;
mod until;
mod wait;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use http::Method;

use crate::account::{Account, Passage, Stay, Visitor};
use crate::admin::Admin;
use crate::answer::{Answer, Body, EventSource, OwnWebSocket};
use crate::assets::Library;
use crate::authorize::{self, Denial, Permit, PersonPermit, SeatPermit};
use crate::clock::Moment;
use crate::domain::Language;
use crate::identify::{Identity, Person, Proofs, SessionId, SessionProof};
use crate::operate::{InForce, Operations};
use crate::pages::{self, RestrictedReason, TooManyReason};
use crate::request::{
    Client, Head, Malformed, Scheme, Target, UsherPath, head_is_bounded, path_is_sound,
};
use crate::supervise::{Lease, WebSocketLease};
use crate::trust::sessions::Session;
use hosts::OwnNames;
use refuse::Turned;
use token::FormTokens;

pub use plan::ForwardPlan;
pub use refuse::Mishap;

/// What the edge does with a request.
pub enum Verdict {
    /// Write this and be done.
    Answer(Answer),
    /// Send the request to the seat and carry the answer back.
    Forward(Box<Forward>),
    /// Carry a WebSocket to the seat.
    Tunnel(Box<Tunnel>),
    /// Server-sent events until either side ends.
    Events(Box<dyn EventSource>),
    /// A WebSocket of usher's own.
    Own(Box<dyn OwnWebSocket>),
}

/// A request that may go to a ready seat.
pub struct Forward {
    /// The right to send it.
    pub lease: Lease,
    /// Counts it; settles when dropped.
    pub passage: Passage,
    /// What to change on the way.
    pub plan: ForwardPlan,
}

/// A WebSocket that may go to a ready seat.
pub struct Tunnel {
    /// The right to hold it.
    pub lease: WebSocketLease,
    /// The person's stay, from the moment it is open; ends when dropped.
    pub stay: Option<Stay>,
    /// Who is about to stay.
    visitor: Visitor,
    account: Account,
    /// The session that opened it, which lasts while the person does something.
    session: Option<Arc<Session>>,
    /// What to change on the way.
    pub plan: ForwardPlan,
}

impl Tunnel {
    /// The WebSocket is open: the person stays from now on.
    pub fn begin_stay(&mut self) {
        if self.stay.is_none() {
            self.stay = Some(self.account.stay(&self.plan.permit, self.visitor.clone()));
        }
    }

    /// The browser sent something that the person may have caused.
    pub fn acted(&self) {
        let now = self.account.clock().wall();
        if let Some(session) = &self.session
            && !self.lease.acts_are_reported()
        {
            session.used(now);
        }
        if let Some(stay) = &self.stay {
            stay.acted(now);
        }
    }
}

/// A verdict, and who it is about, for the access log.
pub struct Admission {
    /// What to do.
    pub verdict: Verdict,
    /// The person; `None`: a stranger, or nobody could tell.
    pub person: Option<Arc<Person>>,
    /// The true address, as far as it could be told.
    pub address: IpAddr,
}

/// The gate. One for the whole of usher.
pub struct Gate {
    operations: Arc<Operations>,
    admin: Admin,
    tokens: FormTokens,
    names: OwnNames,
    incidents: AtomicU32,
    strangers: refuse::Strangers,
    rates: rates::Rates,
    library: Library,
}

/// One request on its way through the stages, with what the stages found out.
struct Asking<'r> {
    in_force: &'r Arc<InForce>,
    head: &'r Head<'r>,
    address: IpAddr,
    client: Option<Client<'r>>,
    /// What the browser used to get here.
    scheme: Scheme,
    person: Option<Arc<Person>>,
    /// What the request proves of them.
    proven: Proofs,
    /// The session that counts for this request.
    session: Option<SessionId>,
    /// The session of the browser's cookie, whether it counts or not.
    cookie: Option<SessionProof>,
}

impl Gate {
    /// A gate whose form tokens are made with `token_key`, on a machine of this name.
    pub fn new(
        operations: Arc<Operations>,
        library: Library,
        token_key: [u8; 32],
        host_name: &str,
    ) -> Self {
        // Numbers of different runs of usher should differ, so that an old one is not found in a
        // new log.
        let first = u32::from_le_bytes([token_key[0], token_key[1], token_key[2], token_key[3]]);
        let started = operations.started_at().0 as u32;
        Self {
            admin: Admin::new(Arc::clone(&operations)),
            operations,
            tokens: FormTokens::new(token_key),
            names: OwnNames::new(host_name),
            incidents: AtomicU32::new(first ^ started.wrapping_mul(0x9e37_79b9)),
            strangers: refuse::Strangers::default(),
            rates: rates::Rates::default(),
            library,
        }
    }

    /// The orders and questions behind the gate.
    pub fn operations(&self) -> &Arc<Operations> {
        &self.operations
    }

    /// Takes a request through the stages. May wait for a seat; dropping the future abandons that.
    pub async fn admit(&self, head: &Head<'_>, body: &mut dyn Body) -> Admission {
        let in_force = self.operations.in_force();
        let mut asking = Asking {
            in_force: &in_force,
            head,
            address: head.connection.peer.ip(),
            client: None,
            scheme: if head.connection.tls { Scheme::Https } else { Scheme::Http },
            person: None,
            proven: Proofs::default(),
            session: None,
            cookie: None,
        };
        let mut verdict = match self.decide(&mut asking, body).await {
            Ok(verdict) => verdict,
            Err(turned) => Verdict::Answer(self.turn_away(&asking, turned)),
        };
        if let Verdict::Answer(answer) = &mut verdict {
            transport::tell_hsts(answer, asking.hsts_s());
        }
        Admission { verdict, address: asking.address, person: asking.person.take() }
    }

    async fn decide(
        &self,
        asking: &mut Asking<'_>,
        body: &mut dyn Body,
    ) -> Result<Verdict, Turned> {
        let head = asking.head;
        let snapshot = &asking.in_force.snapshot;
        let path = head.parts.uri.path();
        // 1: what is asked, and from where.
        if head.connection.from_seat {
            return Err(Turned::restricted(RestrictedReason::SeatProcess));
        }
        if let Some(answer) = self.probe(asking, path) {
            return Ok(Verdict::Answer(answer));
        }
        if !head_is_bounded(head) {
            return Err(Turned::HeadTooLarge);
        }
        if !path_is_sound(path) {
            return Err(Turned::Malformed(Malformed::Path));
        }
        let client = Client::of(head, &snapshot.trusted_proxies).map_err(Turned::Malformed)?;
        asking.address = client.address;
        if let Some(limit) = snapshot.limits.requests_per_second_max
            && !self.rates.admit(client.address, self.now(), limit)
        {
            return Err(Turned::TooMany(TooManyReason::Requests { limit: limit.into() }));
        }
        asking.scheme = client.scheme;
        if !self.names.answers_to(client.host_name(), &snapshot.hosts) {
            return Err(Turned::UnknownHost(client.host_name().to_owned()));
        }
        if let Some(answer) = asking.to_encrypted(&client) {
            return Ok(Verdict::Answer(answer));
        }
        let target = Target::of(path, &snapshot.admin.path);
        // 2: who asks.
        asking.cookie = self.session_of(head, &client);
        let login =
            snapshot.trusted_login_header.as_deref().and_then(|name| login_of(head, &client, name));
        let identity = snapshot.directory.identify(&client, asking.cookie.as_ref(), login);
        if let Identity::Known { person, proven, session } = &identity {
            asking.person = Some(Arc::clone(person));
            asking.proven = *proven;
            asking.session = *session;
        }
        // 3: may they.
        let permit =
            authorize::authorize(&snapshot.policy, &identity, &target, head.connection.door)
                .map_err(|denial| self.denied(denial, &client, &target))?;
        if changes_something(head) && head.is_cross_site(&client) {
            return Err(Turned::restricted(RestrictedReason::CrossSite));
        }
        if head.parts.method == http::Method::TRACE {
            // The answer would be the request, with what a script must not see.
            return Err(Turned::Method("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        asking.client = Some(client);
        // 4: their seat, or a page.
        match permit {
            Permit::Seat(permit) => self.seat(asking, permit, &target).await,
            Permit::FirstApp(permit) => self.first_app(asking, &permit, &target),
            // Boxed: the future of every request would have room for what these few need.
            Permit::Own(permit) => Box::pin(self.own(asking, &permit, &target, body)).await,
            Permit::Admin(permit) => {
                Box::pin(self.administer(asking, &permit, &target, body)).await
            }
            Permit::Anybody(_) => Box::pin(self.anybody(asking, &target, body)).await,
        }
    }

    /// How many connections this address may have open; no limit for trusted proxies, behind which
    /// many stand.
    pub fn connections_max(&self, address: IpAddr) -> Option<u32> {
        let in_force = self.operations.in_force();
        let snapshot = &in_force.snapshot;
        let is_proxy = snapshot.trusted_proxies.contains(address);
        (!is_proxy).then_some(snapshot.limits.connections_per_address_max)
    }

    fn denied(&self, denial: Denial, client: &Client<'_>, target: &Target<'_>) -> Turned {
        match denial {
            Denial::Stranger if client.unproven => {
                Turned::restricted(RestrictedReason::UntrustedProxy)
            }
            Denial::Stranger => Turned::restricted(RestrictedReason::Stranger),
            Denial::SignIn { .. } => Turned::SignIn,
            Denial::NotGranted => {
                let app = match target {
                    Target::Seat { slug, .. } | Target::SeatWithoutSlash { slug } => *slug,
                    Target::Root
                    | Target::Unauthorized
                    | Target::FirstApp { .. }
                    | Target::Admin { .. }
                    | Target::Usher(_)
                    | Target::Metrics
                    | Target::Unknown => "",
                };
                Turned::restricted(RestrictedReason::NotGranted { app: app.to_owned() })
            }
            Denial::NotFound => Turned::NotFound,
            Denial::PasswordRequired => Turned::restricted(RestrictedReason::PasswordNotSet),
        }
    }

    /// `/_usher/live`, `/_usher/ready` and `/metrics`, judged by the connecting address alone.
    fn probe(&self, asking: &Asking<'_>, path: &str) -> Option<Answer> {
        let snapshot = &asking.in_force.snapshot;
        let peer = asking.head.connection.peer.ip();
        let reads_metrics = snapshot.metrics_allow.contains(peer);
        let probes = peer.is_loopback() || snapshot.trusted_proxies.contains(peer);
        match path {
            "/_usher/live" if probes || reads_metrics => Some(own::live()),
            "/_usher/ready" if probes || reads_metrics => Some(own::ready(&self.operations)),
            "/metrics" if reads_metrics => Some(own::metrics(&self.operations)),
            _ => None,
        }
    }

    fn now(&self) -> Moment {
        self.operations.clock().now()
    }
}

/// The name by which a trusted proxy vouches for whoever sends a request.
fn login_of<'h>(head: &'h Head<'_>, client: &Client<'_>, header: &str) -> Option<&'h str> {
    if !client.through_proxy {
        return None;
    }
    let mut values = head.parts.headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => only.to_str().ok().map(str::trim).filter(|login| !login.is_empty()),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// Whether a request changes something: everything but the safe methods, and WebSockets, which
/// carry what a page of another site could not read otherwise.
fn changes_something(head: &Head<'_>) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.parts.method);
    !safe || head.is_websocket()
}

impl Asking<'_> {
    /// The language of the answer, if it has words.
    fn language(&self) -> Language {
        let accepted = self.head.header(&http::header::ACCEPT_LANGUAGE);
        pages::choose_language(accepted, self.in_force.snapshot.language)
    }

    /// The value of a query parameter, decoded.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.head.parts.uri.query()?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The seat that `?app=` names.
    fn seat_of_query(&self, permit: &PersonPermit) -> Result<SeatPermit, Turned> {
        let slug = self.query("app").unwrap_or_default();
        authorize::seat_of(&self.in_force.snapshot.policy, permit, &slug)
            .map_err(|_| Turned::restricted(RestrictedReason::NotGranted { app: slug }))
    }
}

/// Whether a method may be used on a page of usher's own.
fn is_read(head: &Head<'_>) -> bool {
    head.parts.method == Method::GET || head.parts.method == Method::HEAD
}

/// The paths of usher's own that are answered by GET.
fn allowed_methods(path: &UsherPath<'_>) -> &'static str {
    match path {
        UsherPath::Cancel | UsherPath::Retry | UsherPath::Keep | UsherPath::Logout => "POST",
        UsherPath::Login | UsherPath::Sessions => "GET, HEAD, POST",
        UsherPath::Asset(_)
        | UsherPath::Wait
        | UsherPath::Notices
        | UsherPath::Apps
        | UsherPath::Oidc(_)
        | UsherPath::Live
        | UsherPath::Ready
        | UsherPath::Unknown => "GET, HEAD",
    }
}
