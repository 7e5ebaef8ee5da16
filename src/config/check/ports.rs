//! Who listens where: usher's own listeners, users' own ports and upstreams must not meet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::door::Listener;
use super::{apps, users};
use crate::config::keys::{app, user};
use crate::config::report::wrong;
use crate::config::scope::{Mark, Scope};

/// Tells every place that is wanted twice.
pub(super) fn check(
    scope: &Scope<'_>,
    listeners: &[Listener],
    apps: &[apps::Draft<'_>],
    users: &[users::Draft<'_>],
) {
    for (index, listener) in listeners.iter().enumerate() {
        if let Some(first) = listeners[..index].iter().find(|l| meet(l.address, listener.address)) {
            let sentence = format!("{} is taken by {}", listener.address, first.mark);
            scope.problem_with(&listener.mark, wrong(sentence, "choose another port"));
        }
    }
    own_ports(listeners, users);
    for draft in apps {
        // The problem of an unreadable upstream was told where it was read.
        if let Some(address) = draft.upstream {
            tell_loop(&draft.scope, &draft.scope.mark(&app::UPSTREAM, None), address, listeners);
        }
    }
    for draft in users {
        if let Some(address) = draft.upstream {
            tell_loop(&draft.scope, &draft.scope.mark(&user::UPSTREAM, None), address, listeners);
        }
    }
}

fn own_ports(listeners: &[Listener], users: &[users::Draft<'_>]) {
    let mut seen: HashMap<u16, Mark> = HashMap::new();
    for draft in users {
        let Some(port) = draft.port else { continue };
        let mark = draft.scope.mark(&user::PORT, None);
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let other = listeners.iter().find(|l| meet(l.address, own)).map(|l| &l.mark);
        if let Some(taken_by) = seen.get(&port).or(other) {
            let sentence = format!("port {port} is taken by {taken_by}");
            draft.scope.problem_with(&mark, wrong(sentence, "choose another port"));
        }
        seen.entry(port).or_insert(mark);
    }
}

fn tell_loop(scope: &Scope<'_>, mark: &Mark, upstream: SocketAddr, listeners: &[Listener]) {
    if let Some(listener) = listeners.iter().find(|l| meet(l.address, upstream)) {
        let sentence = format!("{upstream} is usher itself: {}", listener.mark);
        scope.problem_with(mark, wrong(sentence, "name the program behind it"));
    }
}

/// Whether one listener leaves no room for the other, or takes its connections.
fn meet(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |a: IpAddr, b: IpAddr| a.is_unspecified() && a.is_ipv4() == b.is_ipv4();
    a.port() == b.port() && (a.ip() == b.ip() || covers(a.ip(), b.ip()) || covers(b.ip(), a.ip()))
}
