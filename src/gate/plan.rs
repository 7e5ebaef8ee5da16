//! What changes on the way to a seat and back, found out once by the gate so that the edge only
//! has to do it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::assets::Element;
use crate::authorize::SeatPermit;
use crate::clock::{Moment, Timestamp};
use crate::config::Snapshot;
use crate::domain::Role;
use crate::operate::InForce;
use crate::request::{Client, Scheme};

/// The plan for one request or WebSocket.
pub struct ForwardPlan {
    /// The proof that it may go there; names user and app.
    pub permit: SeatPermit,
    /// The true address, for `X-Forwarded-For` and `X-Real-IP`.
    pub address: IpAddr,
    /// For `X-Forwarded-Proto`.
    pub scheme: Scheme,
    /// For `X-Forwarded-Host`; `None`: the same as `Host`.
    pub forwarded_host: Option<Box<str>>,
    /// For how many seconds the browser is to use TLS alone; `None`: it is not told.
    pub hsts_s: Option<u64>,
    /// Bytes of the path that the app does not see (`/app/SLUG`); 0: it sees all.
    pub strip_bytes: usize,
    /// The script's element, if the answer may be the app's index page.
    pub element: Option<Element>,
    /// When the request's head was read.
    pub began: Moment,
    /// The same on the wall clock, for the access log.
    pub began_at: Timestamp,
    /// The configuration that this request is answered by from start to end.
    pub in_force: Arc<InForce>,
}

impl ForwardPlan {
    pub(super) fn new(
        permit: SeatPermit,
        client: &Client<'_>,
        in_force: &Arc<InForce>,
        hsts_s: Option<u64>,
        began: (Moment, Timestamp),
    ) -> Self {
        let slug = &permit.key().app;
        let strips = in_force.snapshot.app(slug.as_str()).is_some_and(|app| app.strip_prefix);
        let strip_bytes = if strips { "/app/".len() + slug.as_str().len() } else { 0 };
        Self {
            address: client.address,
            scheme: client.scheme,
            forwarded_host: client.through_proxy.then(|| client.host.into()),
            hsts_s,
            strip_bytes,
            element: None,
            began: began.0,
            began_at: began.1,
            in_force: Arc::clone(in_force),
            permit,
        }
    }

    /// The configuration.
    pub fn snapshot(&self) -> &Snapshot {
        &self.in_force.snapshot
    }

    /// The person's role.
    pub fn role(&self) -> Role {
        self.permit.role()
    }
}
