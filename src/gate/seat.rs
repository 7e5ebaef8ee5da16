//! The way to a seat: at once if it is ready; else a navigation gets the waiting page after a
//! moment, and everything else is held.

use std::sync::Arc;

use http::StatusCode;

use super::closed::is_closed;
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
        let supervisor = self.operations.supervisor();
        if let Some(lease) = supervisor.ready(&permit) {
            return self.pass(asking, permit, lease);
        }
        let navigates = asking.head.is_navigation();
        let held_ms = if navigates { NAVIGATION_HELD_MS } else { REQUEST_HELD_MS };
        match supervisor.acquire(&permit, held_ms).await {
            Ok(lease) => self.pass(asking, permit, lease),
            Err(Refusal::TooSlow) if navigates => {
                Ok(Verdict::Answer(self.waiting(asking, &permit).await))
            }
            Err(refusal) => Err(self.refused(permit.key(), refusal).await),
        }
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
            if asking.head.is_navigation() {
                plan.element = element_for(asking, lease.app());
            }
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

/// The script's element for a Streamlit app's page, unless it is switched off.
fn element_for(asking: &Asking<'_>, app: &App) -> Option<Box<str>> {
    let is_wanted = app.notices && matches!(app.program, Program::Streamlit { .. });
    let in_force = asking.in_force;
    is_wanted.then(|| {
        in_force.pages.in_app_element(app.slug.as_str(), in_force.snapshot.language).into()
    })
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
