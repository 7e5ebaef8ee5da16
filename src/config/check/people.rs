//! The tables of the later stages, and the warnings about who can be whom.

use super::door::{Callers, Doors};
use super::users::Draft;
use crate::authorize::{Policy, PolicyRules};
use crate::config::keys::{admin, top, user};
use crate::config::report::wrong;
use crate::config::scope::Scope;
use crate::config::{Admin, Proof, User};
use crate::domain::Role;
use crate::identify::{Directory, Person, Proofs};
use crate::network::{Network, NetworkSet};

/// Addresses to people, and people to what they may use.
pub(super) fn tables(users: &[User], admin: &Admin, admin_door_only: bool) -> (Directory, Policy) {
    let person = |(index, user): (usize, &User)| Person {
        name: user.name.clone(),
        role: user.role,
        index,
        needs: Proofs {
            address: user.proofs.contains(&Proof::Address),
            password: user.proofs.contains(&Proof::Password),
            oidc: user.proofs.contains(&Proof::Oidc),
        },
    };
    let people = users.iter().enumerate().map(person).collect();
    let networks = users.iter().enumerate().flat_map(|(index, user)| {
        let network = |(address, bits): &(_, u8)| Network::new(*address, *bits).ok();
        user.addresses.iter().filter_map(network).map(move |network| (network, index))
    });
    let rules = PolicyRules {
        admin_password_required: admin.password_required,
        has_password: users.iter().map(|user| user.password.is_some()).collect(),
        strangers_sign_in: users.iter().any(|user| user.login.is_some()),
        admin_door_only,
    };
    let grants: Vec<_> = users.iter().map(|user| (user.name.clone(), user.apps.clone())).collect();
    let login = |(index, user): (usize, &User)| Some((user.login.clone()?, index));
    let logins = users.iter().enumerate().filter_map(login).collect();
    let directory = Directory::new(people, networks.collect()).with_logins(logins);
    (directory, Policy::new(rules, &grants))
}

/// Warns of what is allowed and yet probably not meant.
pub(super) fn warn(scope: &Scope<'_>, doors: &Doors, callers: &Callers, users: &[Draft<'_>]) {
    for draft in users {
        if draft.role == Some(Role::Admin) && !draft.has_password() {
            warn_of_loopback(draft);
        }
        if let Some(proxies) = &callers.trusted_proxies {
            warn_of_proxies(draft, proxies);
        }
    }
    if let Some(admin) = &doors.admin {
        warn_of_shut_pages(scope, admin, users);
    }
    warn_of_plain_passwords(scope, doors, users);
    warn_of_trusting_everybody(scope, callers);
}

fn warn_of_loopback(draft: &Draft<'_>) {
    if let Some(network) = draft.addresses.iter().find(|network| has_loopback(&network.value)) {
        let sentence = format!(
            "every account of this machine can be the administrator {}",
            draft.shown_name()
        );
        let hint = "give the entry a `password`, made by `usher password`";
        draft.scope.warning_at(&user::ADDRESSES, network, wrong(sentence, hint));
    }
}

fn has_loopback(network: &Network) -> bool {
    let v4 = std::net::Ipv4Addr::LOCALHOST.into();
    let v6 = std::net::Ipv6Addr::LOCALHOST.into();
    network.address().is_loopback() || network.contains(v4) || network.contains(v6)
}

fn warn_of_proxies(draft: &Draft<'_>, proxies: &NetworkSet) {
    for network in &draft.addresses {
        if proxies.contains(network.value.address()) {
            let sentence = format!("{} is also a trusted proxy", network.value);
            let hint = "a request of that proxy without X-Forwarded-For is this user's";
            draft.scope.warning_at(&user::ADDRESSES, network, wrong(sentence, hint));
        }
    }
}

fn warn_of_shut_pages(scope: &Scope<'_>, admin: &Admin, users: &[Draft<'_>]) {
    let mut admins = users.iter().filter(|draft| draft.role == Some(Role::Admin)).peekable();
    if admins.peek().is_none() && !users.is_empty() {
        let hint = "give a user `role: admin`";
        scope.warning(&top::USERS, wrong("nobody may see the administrators' pages", hint));
    }
    for draft in admins.filter(|draft| admin.password_required && !draft.has_password()) {
        let sentence = format!("{} has no password and is refused", draft.shown_name());
        let hint = format!("`{}` is true", admin_key());
        draft.scope.warning(&user::NAME, wrong(sentence, hint));
    }
}

fn admin_key() -> String {
    format!("{}.{}", top::ADMIN.name, admin::PASSWORD_REQUIRED.name)
}

fn warn_of_plain_passwords(scope: &Scope<'_>, doors: &Doors, users: &[Draft<'_>]) {
    let is_remote = doors.listeners.iter().any(|listener| !listener.address.ip().is_loopback());
    let is_plain = !scope.is_set(&top::TLS) && scope.lacks(&top::TRUSTED_PROXIES);
    let with_password = users.iter().find(|draft| draft.has_password());
    if let (Some(draft), true, true) = (with_password, is_remote, is_plain) {
        let hint = "configure `tls`";
        let sentence = "passwords travel over the network unencrypted";
        draft.scope.warning(&user::PASSWORD, wrong(sentence, hint));
    }
}

fn warn_of_trusting_everybody(scope: &Scope<'_>, callers: &Callers) {
    let anybody = [[8, 8, 8, 8], [192, 0, 2, 1]].map(std::net::IpAddr::from);
    let trusts = |proxies: &NetworkSet| anybody.iter().all(|address| proxies.contains(*address));
    if callers.trusted_proxies.as_ref().is_some_and(trusts) {
        let sentence = "everybody is believed, so everybody can be everybody";
        scope.warning(&top::TRUSTED_PROXIES, wrong(sentence, "name the proxies alone"));
    }
}
