//! The way to a seat: at once if it is ready; else a navigation gets the waiting page after a
//! moment, and everything else is held.

use std::sync::Arc;

use http::StatusCode;

use super::closed::is_closed;
use super::front::{Front, element_for};
use super::refuse::{Mishap, Turned};
use super::{Asking, Forward, ForwardPlan, Gate, Tunnel, Verdict};
use crate::account::Visitor;
use crate::answer::Answer;
use crate::authorize::{PersonPermit, SeatPermit};
use crate::config::{App, Program};
use crate::request::Target;
use crate::supervise::{Lease, Refusal};

/// A navigation is held this long before it gets the waiting page.
const NAVIGATION_HELD_MS: u64 = 300;
/// Everything else is held at most this long; a start that fails or is late answers sooner.
const REQUEST_HELD_MS: u64 = 120_000;
/// As much of a browser's name as is kept, in bytes.
const BROWSER_BYTES_MAX: usize = 256;

impl Gate {
    pub(super) async fn seat(
        &self,
        asking: &Asking<'_>,
        permit: SeatPermit,
        target: &Target<'_>,
    ) -> Result<Verdict, Turned> {
        let Target::Seat { rest, .. } = target else { return Ok(add_slash(asking)) };
        if is_closed(rest) {
            return Err(Turned::NotFound);
        }
        let Some(app) = asking.in_force.snapshot.app(permit.key().app.as_str()) else {
            // A permit is only given for what is configured.
            return Err(Turned::Internal);
        };
        let supervisor = self.operations.supervisor();
        match self.front(asking, app, rest).await? {
            Some(Front::File(file)) => return Ok(self.in_place_of(asking, &permit, file)),
            Some(Front::Page(page)) => return Box::pin(self.page(asking, permit, page)).await,
            None => {}
        }
        match supervisor.ready(&permit) {
            Some(lease) => self.pass(asking, permit, rest, lease),
            // Boxed, like every branch that few requests take: see `Gate::decide`.
            None => Box::pin(self.held(asking, app, permit, rest)).await,
        }
    }

    /// A request whose seat is not ready.
    async fn held(
        &self,
        asking: &Asking<'_>,
        app: &Arc<App>,
        permit: SeatPermit,
        rest: &str,
    ) -> Result<Verdict, Turned> {
        if self.rests(asking, app, &permit) {
            return Err(Turned::Rests);
        }
        let supervisor = self.operations.supervisor();
        let navigates = asking.head.is_navigation();
        let held_ms = if navigates { NAVIGATION_HELD_MS } else { REQUEST_HELD_MS };
        match supervisor.acquire(&permit, held_ms).await {
            Ok(lease) => self.pass(asking, permit, rest, lease),
            Err(Refusal::TooSlow) if navigates && supervisor.view(permit.key()).is_queued() => {
                Ok(Verdict::Answer(self.waiting(asking, &permit).await))
            }
            Err(Refusal::TooSlow) if navigates => match self.front(asking, app, rest).await? {
                // It was found out meanwhile where the app's Streamlit is.
                Some(Front::Page(page) | Front::File(page)) => {
                    Ok(self.in_place_of(asking, &permit, page))
                }
                None => Ok(Verdict::Answer(self.waiting(asking, &permit).await)),
            },
            Err(refusal) => Err(self.refused(permit.key(), refusal).await),
        }
    }

    /// Whether the seat was ended for a reason that lasts, and this is only a page that was left
    /// open. Streamlit's asks for several things when it comes back; of other apps only a WebSocket
    /// is sure to come from a page that was there before.
    fn rests(&self, asking: &Asking<'_>, app: &App, permit: &SeatPermit) -> bool {
        let may_be = match app.program {
            Program::Streamlit { .. } => asking.head.is_of_open_page(),
            Program::Command { .. } | Program::Upstream { .. } => {
                asking.head.is_websocket() && asking.head.is_of_open_page()
            }
        };
        may_be && self.operations.supervisor().view(permit.key()).rests_because.is_some()
    }

    /// The index page of a seat, which a person who navigates gets before the seat is ready: its
    /// files come from usher too, and the page's requests and its WebSocket are held for what is
    /// left of the start. Who stands in the queue gets the waiting page, which says where.
    async fn page(
        &self,
        asking: &Asking<'_>,
        permit: SeatPermit,
        page: Answer,
    ) -> Result<Verdict, Turned> {
        let supervisor = self.operations.supervisor();
        if supervisor.ready(&permit).is_none() {
            if asking.head.is_navigation() {
                self.begin(&permit).await?;
                if self.stays_in_queue(&permit).await {
                    return Ok(Verdict::Answer(self.waiting(asking, &permit).await));
                }
            } else if let Err(refusal) = supervisor.acquire(&permit, REQUEST_HELD_MS).await {
                return Err(self.refused(permit.key(), refusal).await);
            }
        }
        Ok(self.in_place_of(asking, &permit, page))
    }

    /// Once more, after nobody was there where the lease led to: the seat has just ended, and the
    /// request goes to the one that follows.
    ///
    /// # Errors
    /// The answer to write instead.
    pub async fn forward_again(&self, forward: Forward) -> Result<Forward, Box<Answer>> {
        let Forward { lease, plan, .. } = forward;
        self.operations.supervisor().suspect(&lease);
        drop(lease);
        let lease = self.lease_again(&plan).await?;
        Ok(Forward { lease, passage: self.operations.account().passage(&plan.permit), plan })
    }

    /// [`Gate::forward_again`] for a WebSocket.
    ///
    /// # Errors
    /// The answer to write instead.
    pub async fn tunnel_again(&self, tunnel: Tunnel) -> Result<Tunnel, Box<Answer>> {
        self.operations.supervisor().suspect(tunnel.lease.lease());
        let Tunnel { lease, stay, visitor, account, session, plan } = tunnel;
        drop(lease);
        let lease = self.lease_again(&plan).await?.into_websocket();
        Ok(Tunnel { lease, stay, visitor, account, session, plan })
    }

    async fn lease_again(&self, plan: &ForwardPlan) -> Result<Lease, Box<Answer>> {
        match self.operations.supervisor().acquire(&plan.permit, REQUEST_HELD_MS).await {
            Ok(lease) => Ok(lease),
            Err(refusal) => {
                let turned = self.refused(plan.permit.key(), refusal).await;
                Err(Box::new(self.mishap(Mishap::Refused(turned), plan)))
            }
        }
    }

    fn pass(
        &self,
        asking: &Asking<'_>,
        permit: SeatPermit,
        rest: &str,
        lease: Lease,
    ) -> Result<Verdict, Turned> {
        let account = self.operations.account();
        let clock = self.operations.clock();
        let began = (clock.now(), clock.wall());
        let Some(client) = &asking.client else {
            // A permit exists only after the client was read.
            return Err(Turned::Internal);
        };
        let mut plan = ForwardPlan::new(permit, client, asking.in_force, asking.hsts_s(), began);
        if asking.head.is_websocket() {
            let visitor = Visitor { address: client.address, browser: browser(asking) };
            let lease = lease.into_websocket();
            // Only now: a session that ends from here on closes this WebSocket.
            let session = match plan.permit.session() {
                Some(id) => Some(self.operations.trust().sessions.get(id).ok_or(Turned::SignIn)?),
                None => None,
            };
            let account = account.clone();
            let tunnel = Tunnel { lease, stay: None, visitor, account, session, plan };
            Ok(Verdict::Tunnel(Box::new(tunnel)))
        } else {
            let passage = account.passage(&plan.permit);
            plan.element = element_for(asking, lease.app(), rest);
            Ok(Verdict::Forward(Box::new(Forward { lease, passage, plan })))
        }
    }

    /// `/app`, `/app/` and `/app/REST` lead to the first app, keeping the query (307, so that the
    /// method is kept as well).
    pub(super) fn first_app(
        &self,
        asking: &Asking<'_>,
        permit: &PersonPermit,
        target: &Target<'_>,
    ) -> Result<Verdict, Turned> {
        let (Some(first), Target::FirstApp { rest }) = (permit.first_seat(), target) else {
            return Err(Turned::NotFound);
        };
        let location = with_query(asking, format!("/app/{}/{rest}", first.app));
        Ok(Verdict::Answer(Answer::redirect(StatusCode::TEMPORARY_REDIRECT, &location)))
    }
}

fn add_slash(asking: &Asking<'_>) -> Verdict {
    let location = with_query(asking, format!("{}/", asking.head.parts.uri.path()));
    Verdict::Answer(Answer::redirect(StatusCode::PERMANENT_REDIRECT, &location))
}

fn with_query(asking: &Asking<'_>, path: String) -> String {
    match asking.head.parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

fn browser(asking: &Asking<'_>) -> Arc<str> {
    let sent = asking.head.header(&http::header::USER_AGENT).unwrap_or_default();
    let mut end = sent.len().min(BROWSER_BYTES_MAX);
    while !sent.is_char_boundary(end) {
        end -= 1;
    }
    sent[..end].into()
}
