//! `users`: each entry by itself, and the entries among themselves.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use super::apps::{self, Kind};
use crate::config::keys::{top, user};
use crate::config::nearest::nearest;
use crate::config::report::{quoted, wrong};
use crate::config::scope::{Mark, Placed, Scope};
use crate::config::{Connect, Proof, User};
use crate::domain::{AppSlug, Role, UserName};
use crate::network::Network;

/// A user as far as they could be read.
pub(super) struct Draft<'c> {
    /// Their mapping.
    pub(super) scope: Scope<'c>,
    /// Their name.
    pub(super) name: Option<UserName>,
    /// Their role.
    pub(super) role: Option<Role>,
    /// Their networks, as far as they are right.
    pub(super) addresses: Vec<Placed<Network>>,
    /// Their own port.
    pub(super) port: Option<u16>,
    /// Their own upstream.
    pub(super) upstream: Option<SocketAddr>,
    /// The apps they may use, as far as they are known.
    apps: Vec<AppSlug>,
    password: Option<Option<String>>,
    totp: Option<Option<String>>,
    login: Option<Option<String>>,
    proofs: Option<Vec<Proof>>,
    is_sound: bool,
}

impl Draft<'_> {
    /// Whether the entry has a password, right or wrong.
    pub(super) fn has_password(&self) -> bool {
        self.scope.is_set(&user::PASSWORD)
    }

    /// The name for sentences.
    pub(super) fn shown_name(&self) -> String {
        self.name.as_ref().map_or("this user".to_owned(), |name| quoted(name.as_str()))
    }
}

/// Reads all users in the order of the file.
pub(super) fn read<'c>(scope: &Scope<'c>, apps: &[apps::Draft<'_>]) -> Vec<Draft<'c>> {
    let door =
        SignIn { possible: scope.is_set(&top::OIDC) || scope.is_set(&top::TRUSTED_LOGIN_HEADER) };
    let users: Vec<_> =
        scope.each(&top::USERS, false).into_iter().map(|entry| one(entry, apps, door)).collect();
    tell_names_twice(&users);
    tell_networks_twice(&users);
    tell_logins_twice(&users);
    users
}

/// The users, if nothing is wrong with any.
pub(super) fn complete(drafts: Vec<Draft<'_>>) -> Option<Vec<User>> {
    drafts.into_iter().map(finish).collect()
}

fn finish(draft: Draft<'_>) -> Option<User> {
    if !draft.is_sound {
        return None;
    }
    let networks = draft.addresses.iter().map(|network| network.value);
    Some(User {
        name: draft.name?,
        role: draft.role?,
        addresses: networks.map(|n| (n.address(), n.prefix_bits())).collect(),
        login: draft.login?,
        port: draft.port,
        upstream: draft.upstream,
        apps: draft.apps,
        password: draft.password?,
        totp: draft.totp?,
        proofs: draft.proofs?,
    })
}

/// Whether the file has a way to sign in from anywhere.
#[derive(Clone, Copy)]
struct SignIn {
    possible: bool,
}

fn one<'c>(scope: Scope<'c>, all_apps: &[apps::Draft<'_>], sign_in: SignIn) -> Draft<'c> {
    let name = scope.read(&user::NAME);
    let role = scope.read(&user::ROLE);
    let addresses = scope.read(&user::ADDRESSES);
    let apps = granted(&scope, all_apps);
    let port = scope.read(&user::PORT);
    let upstream = scope.read(&user::UPSTREAM);
    let password = scope.read(&user::PASSWORD);
    let totp = scope.read(&user::TOTP);
    let login = scope.read(&user::LOGIN);
    tell_unreachable(&scope, sign_in);
    let proofs = proofs(&scope);
    tell_own_port(&scope, all_apps, &apps);
    tell_own_upstream(&scope, all_apps, &apps);
    let is_sound = addresses.is_some() && port.is_some() && upstream.is_some();
    Draft {
        name,
        role,
        addresses: addresses.unwrap_or_default(),
        port: port.flatten(),
        upstream: upstream.flatten(),
        apps,
        password,
        totp,
        login,
        proofs,
        is_sound,
        scope,
    }
}

/// The apps of a user in the order of the file's apps.
fn granted(scope: &Scope<'_>, all: &[apps::Draft<'_>]) -> Vec<AppSlug> {
    let known = || all.iter().filter_map(|app| app.slug.as_ref());
    let Some(Some(named)) = scope.read(&user::APPS) else { return known().cloned().collect() };
    for (index, app) in named.iter().enumerate() {
        let shown = quoted(app.value.as_str());
        if !known().any(|slug| *slug == app.value) {
            let hint = nearest(app.value.as_str(), known().map(AppSlug::as_str)).map_or_else(
                || "name it under `apps`".to_owned(),
                |near| format!("did you mean {}?", quoted(near)),
            );
            let sentence = format!("there is no app {shown}");
            scope.problem_at(&user::APPS, app, wrong(sentence, hint));
        } else if named[..index].iter().any(|other| other.value == app.value) {
            let sentence = format!("{shown} is here a second time");
            scope.problem_at(&user::APPS, app, wrong(sentence, "keep one of them"));
        }
    }
    known().filter(|slug| named.iter().any(|app| app.value == **slug)).cloned().collect()
}

fn tell_unreachable(scope: &Scope<'_>, sign_in: SignIn) {
    let (has_addresses, has_login) = (!scope.lacks(&user::ADDRESSES), scope.is_set(&user::LOGIN));
    if has_login && !sign_in.possible {
        let hint = "configure `oidc` or `trusted_login_header`";
        scope.problem(&user::LOGIN, wrong("nobody vouches for logins", hint));
    }
    if !has_addresses && !has_login && !scope.is_mistyped(&user::ADDRESSES) {
        let hint = "such as `addresses: [192.168.1.20]`";
        scope.problem(&user::ADDRESSES, wrong("nobody can be this user: no address", hint));
    }
    if scope.is_set(&user::TOTP) && !scope.is_set(&user::PASSWORD) {
        let hint = "the code is asked for together with the password; add `password`";
        scope.problem(&user::TOTP, wrong("is there without a password", hint));
    }
}

/// What the user has to prove: what the file says, or all that the entry has.
fn proofs(scope: &Scope<'_>) -> Option<Vec<Proof>> {
    let has = |proof| match proof {
        Proof::Address => !scope.lacks(&user::ADDRESSES),
        Proof::Password => scope.is_set(&user::PASSWORD),
        Proof::Oidc => scope.is_set(&user::LOGIN),
    };
    let all = [Proof::Address, Proof::Password, Proof::Oidc];
    let Some(named) = scope.read(&user::PROOFS)? else {
        return Some(all.into_iter().filter(|proof| has(*proof)).collect());
    };
    for proof in &named {
        if !has(proof.value) {
            let sentence = format!("the entry has no {} to prove", entry_key(proof.value));
            let hint = format!("add {}, or remove this", entry_key(proof.value));
            scope.problem_at(&user::PROOFS, proof, wrong(sentence, hint));
        }
    }
    for proof in all.into_iter().filter(|proof| has(*proof)) {
        // Addresses also tell who somebody is, so they are of use without being asked for.
        if proof != Proof::Address && !named.iter().any(|item| item.value == proof) {
            let sentence = format!("does not ask for the entry's {}", entry_key(proof));
            scope.warning(&user::PROOFS, wrong(sentence, "it is then of no use"));
        }
    }
    Some(all.into_iter().filter(|proof| named.iter().any(|item| item.value == *proof)).collect())
}

fn entry_key(proof: Proof) -> String {
    quoted(match proof {
        Proof::Address => user::ADDRESSES.name,
        Proof::Password => user::PASSWORD.name,
        Proof::Oidc => user::LOGIN.name,
    })
}

fn tell_own_port(scope: &Scope<'_>, all: &[apps::Draft<'_>], granted: &[AppSlug]) {
    let Some(first) = all.first() else { return };
    let Some(slug) = first.slug.as_ref() else { return };
    if !scope.is_set(&user::PORT) {
        return;
    }
    let shown = quoted(slug.as_str());
    let sentence = if !granted.contains(slug) {
        format!("is for the first app, {shown}, which this user may not use")
    } else if first.kind == Some(Kind::Upstream) {
        format!("is for the first app, {shown}, which usher does not start")
    } else if first.connect == Some(Connect::Unix) {
        format!("is for the first app, {shown}, which has `connect: unix`")
    } else {
        return;
    };
    scope.problem(&user::PORT, wrong(sentence, "remove it"));
}

fn tell_own_upstream(scope: &Scope<'_>, all: &[apps::Draft<'_>], granted: &[AppSlug]) {
    let is_theirs = |app: &apps::Draft<'_>| {
        // What could not be read may have been meant.
        app.kind.is_none_or(|kind| kind == Kind::Upstream)
            && app.slug.as_ref().is_none_or(|slug| granted.contains(slug))
    };
    if scope.is_set(&user::UPSTREAM) && !all.iter().any(is_theirs) {
        let sentence = "no app that this user may use has `upstream`";
        scope.problem(&user::UPSTREAM, wrong(sentence, "remove it"));
    }
}

fn tell_names_twice(users: &[Draft<'_>]) {
    let names = users.iter().filter_map(|draft| {
        Some((draft, draft.name.clone()?, draft.scope.mark(&user::NAME, None)))
    });
    tell_twice(names, |name, first| format!("{} is already {first}", quoted(name.as_str())));
}

fn tell_logins_twice(users: &[Draft<'_>]) {
    let logins = users.iter().filter_map(|draft| {
        // Addresses of mail differ by no letter's case.
        let login = draft.login.clone()??;
        let login = if login.contains('@') { login.to_ascii_lowercase() } else { login };
        Some((draft, login, draft.scope.mark(&user::LOGIN, None)))
    });
    tell_twice(logins, |login, first| format!("{} is already {first}", quoted(login)));
}

/// Places instead of marks: there may be a million networks, and hardly one is there twice.
fn tell_networks_twice(users: &[Draft<'_>]) {
    let mut seen: HashMap<Network, (usize, usize)> = HashMap::new();
    for (person, draft) in users.iter().enumerate() {
        for (index, network) in draft.addresses.iter().enumerate() {
            let Some((other, first)) = seen.get(&network.value).copied() else {
                seen.insert(network.value, (person, index));
                continue;
            };
            let first = &users[other].addresses[first];
            let mark = users[other].scope.mark(&user::ADDRESSES, Some((first.index, first.place)));
            let sentence = format!("{} is already {mark}", network.value);
            let hint = if other == person {
                "keep one of them".to_owned()
            } else {
                format!("it belongs to {}; two users may not share one", users[other].shown_name())
            };
            let wrong = wrong(sentence, hint);
            draft.scope.problem_at(&user::ADDRESSES, network, wrong);
        }
    }
}

fn tell_twice<'d, T: Hash + Eq>(
    values: impl Iterator<Item = (&'d Draft<'d>, T, Mark)>,
    sentence: impl Fn(&T, &Mark) -> String,
) {
    let mut seen: HashMap<T, Mark> = HashMap::new();
    for (draft, value, mark) in values {
        match seen.get(&value) {
            Some(first) => {
                let wrong = wrong(sentence(&value, first), "no two users may be the same");
                draft.scope.problem_with(&mark, wrong);
            }
            None => drop(seen.insert(value, mark)),
        }
    }
}
