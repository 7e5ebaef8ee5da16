//! The gate behind the edge's traits: hands over, and adds nothing.

use std::net::IpAddr;

use super::seam::{Admitted, Changes, Doorkeeper, Mishap, ToSeat, Tunnelled, Verdict};
use crate::account::{AccessFact, StayEnd};
use crate::answer::{Answer, Body};
use crate::assets::Element;
use crate::clock::Moment;
use crate::domain::{CloseCode, Endpoint, LaunchKind};
use crate::gate::{self, Forward, ForwardPlan, Gate, Tunnel};
use crate::request::Head;
use crate::supervise::Lease;

impl Doorkeeper for Gate {
    type Forward = Forward;
    type Tunnel = Tunnel;

    async fn admit(&self, head: &Head<'_>, body: &mut dyn Body) -> Admitted<Forward, Tunnel> {
        let admission = Gate::admit(self, head, body).await;
        Admitted {
            verdict: match admission.verdict {
                gate::Verdict::Answer(answer) => Verdict::Answer(answer),
                gate::Verdict::Forward(forward) => Verdict::Forward(forward),
                gate::Verdict::Tunnel(tunnel) => Verdict::Tunnel(tunnel),
                gate::Verdict::Events(events) => Verdict::Events(events),
                gate::Verdict::Own(socket) => Verdict::Own(socket),
            },
            user: admission.person.map(|person| person.name.clone()),
            address: admission.address,
        }
    }

    async fn forward_again(&self, forward: Forward) -> Result<Forward, Box<Answer>> {
        Gate::forward_again(self, forward).await
    }

    async fn tunnel_again(&self, tunnel: Tunnel) -> Result<Tunnel, Box<Answer>> {
        Gate::tunnel_again(self, tunnel).await
    }

    fn forward_mishap(&self, mishap: Mishap, forward: &Forward) -> Answer {
        self.mishap(of(mishap), &forward.plan)
    }

    fn tunnel_mishap(&self, mishap: Mishap, tunnel: &Tunnel) -> Answer {
        self.mishap(of(mishap), &tunnel.plan)
    }

    fn connections_max(&self, address: IpAddr) -> Option<u32> {
        Gate::connections_max(self, address)
    }

    fn record(&self, line: AccessFact) {
        self.operations().account().access(line);
    }
}

fn of(mishap: Mishap) -> gate::Mishap {
    match mishap {
        Mishap::Broken => gate::Mishap::Broken,
        Mishap::Silent => gate::Mishap::Silent,
        Mishap::TooLarge => gate::Mishap::TooLarge,
        Mishap::BadHandshake => gate::Mishap::BadHandshake,
    }
}

impl ToSeat for Forward {
    fn endpoint(&self) -> &Endpoint {
        self.lease.endpoint()
    }

    fn connection_group(&self) -> u64 {
        self.lease.connection_group()
    }

    fn holds_small_writes_back(&self) -> bool {
        holds_small_writes_back(&self.lease)
    }

    fn changes(&self) -> Changes<'_> {
        changes(&self.plan)
    }

    fn element(&self) -> Option<&Element> {
        self.plan.element.as_ref()
    }

    fn began(&self) -> Moment {
        self.plan.began
    }

    fn count_in(&self, bytes: u64) {
        self.passage.from_browser(bytes);
    }

    fn count_out(&self, bytes: u64) {
        self.passage.to_browser(bytes);
    }
}

impl ToSeat for Tunnel {
    fn endpoint(&self) -> &Endpoint {
        self.lease.lease().endpoint()
    }

    fn connection_group(&self) -> u64 {
        self.lease.lease().connection_group()
    }

    fn holds_small_writes_back(&self) -> bool {
        holds_small_writes_back(self.lease.lease())
    }

    fn changes(&self) -> Changes<'_> {
        changes(&self.plan)
    }

    fn element(&self) -> Option<&Element> {
        None
    }

    fn began(&self) -> Moment {
        self.plan.began
    }

    fn count_in(&self, bytes: u64) {
        if let Some(stay) = &self.stay {
            stay.from_browser(bytes);
        }
    }

    fn count_out(&self, bytes: u64) {
        if let Some(stay) = &self.stay {
            stay.to_browser(bytes);
        }
    }
}

impl Tunnelled for Tunnel {
    fn opened(&mut self) {
        self.begin_stay();
    }

    async fn closed(&self) -> CloseCode {
        self.lease.closed().await
    }

    fn browser_data(&self, now: Moment) {
        self.lease.browser_data(now);
        self.acted();
    }

    fn app_data(&self, now: Moment) {
        self.lease.app_data(now);
    }

    fn ends(&mut self, end: StayEnd) {
        if let Some(stay) = &mut self.stay {
            stay.ends(end);
        }
    }
}

/// A TCP socket that usher did not make may have Nagle's algorithm on, as stock Streamlit's has.
fn holds_small_writes_back(lease: &Lease) -> bool {
    match lease.kind() {
        LaunchKind::Command | LaunchKind::Upstream => matches!(lease.endpoint(), Endpoint::Tcp(_)),
        // Usher made their listening sockets.
        LaunchKind::Fork | LaunchKind::Spawn => false,
    }
}

fn changes(plan: &ForwardPlan) -> Changes<'_> {
    let key = plan.permit.key();
    Changes {
        user: &key.user,
        role: plan.role(),
        app: &key.app,
        address: plan.address,
        scheme: plan.scheme,
        forwarded_host: plan.forwarded_host.as_deref(),
        login_header: plan.snapshot().trusted_login_header.as_deref(),
        hsts_s: plan.hsts_s,
        strip_bytes: plan.strip_bytes,
        upload_max_bytes: plan.snapshot().limits.upload_max_bytes,
    }
}
