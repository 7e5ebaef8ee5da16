//! Stage 2: who asks. Turns an address (and, where there is one, a cookie session) into an
//! [`Identity`]. Identification is total: whether a stranger may do something is the next stage's
//! business.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::{Role, UserName};
use crate::network::Intervals;
use crate::request::Client;

pub use crate::network::{BadNetwork, Network, NetworkSet};

/// A person of the configuration, as the flow knows them. One value per snapshot.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// Their name.
    pub name: UserName,
    /// Their role.
    pub role: Role,
    /// Their place in the snapshot's list of users.
    pub index: usize,
    /// What they have to prove.
    pub needs: Proofs,
}

/// A set of proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// One of their addresses.
    pub address: bool,
    /// The password, and the TOTP code if the entry has one.
    pub password: bool,
    /// The outside provider's word.
    pub oidc: bool,
}

impl Proofs {
    /// Whether all of `needed` are here.
    pub fn cover(self, needed: Proofs) -> bool {
        (self.address || !needed.address)
            && (self.password || !needed.password)
            && (self.oidc || !needed.oidc)
    }
}

/// What a valid cookie session says; made by the keeper of sessions.
#[derive(Clone, Debug)]
pub struct SessionProof {
    /// Whose session it is.
    pub user: UserName,
    /// What was proven at sign-in.
    pub proven: Proofs,
    /// The session's number, for closing its WebSockets with it.
    pub id: SessionId,
}

/// The public number of a cookie session: a hash, never the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub [u8; 16]);

/// Who asks.
#[derive(Clone, Debug)]
pub enum Identity {
    /// A person of the configuration.
    Known {
        /// Who.
        person: Arc<Person>,
        /// What this request proves.
        proven: Proofs,
        /// The session it belongs to.
        session: Option<SessionId>,
    },
    /// Anybody else.
    Stranger,
}

/// Addresses to people; made once per snapshot.
#[derive(Debug)]
pub struct Directory {
    people: Vec<Arc<Person>>,
    table: Intervals,
    /// Names at the outside provider, as [`login_key`] has them, to places in `people`.
    logins: HashMap<String, usize>,
}

/// Addresses of mail differ by no letter's case, names may.
fn login_key(login: &str) -> Cow<'_, str> {
    if login.contains('@') && login.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(login.to_ascii_lowercase())
    } else {
        Cow::Borrowed(login)
    }
}

impl Directory {
    /// Builds the table. `networks[i]` names the person by their place in `people`; the longest
    /// prefix wins; the same network twice must have been refused before.
    pub fn new(people: Vec<Person>, networks: Vec<(Network, usize)>) -> Self {
        let table = Intervals::new(networks.into_iter().map(|(network, person)| {
            // More people than 2^32 do not fit into memory either.
            (network, u32::try_from(person).unwrap_or(u32::MAX))
        }));
        let people = people.into_iter().map(Arc::new).collect();
        Self { people, table, logins: HashMap::new() }
    }

    /// With the names of people at the outside provider; `logins[i].1` is a place in `people`.
    #[must_use]
    pub fn with_logins(mut self, logins: Vec<(String, usize)>) -> Self {
        let key = |(login, person): (String, usize)| (login_key(&login).into_owned(), person);
        self.logins = logins.into_iter().map(key).collect();
        self
    }

    /// The person of this name at the outside provider.
    pub fn with_login(&self, login: &str) -> Option<&Arc<Person>> {
        self.people.get(*self.logins.get(&*login_key(login))?)
    }

    /// Everybody, in the order of the file.
    pub fn people(&self) -> &[Arc<Person>] {
        &self.people
    }

    /// The person who calls from this address.
    pub fn at(&self, address: IpAddr) -> Option<&Arc<Person>> {
        self.people.get(self.table.find(address)? as usize)
    }

    /// The person of this name.
    pub fn named(&self, name: &UserName) -> Option<&Arc<Person>> {
        self.people.iter().find(|person| person.name == *name)
    }

    /// Who sends this request. `login` is the name by which a trusted proxy vouches for them. It
    /// and a session count only if the address does not speak for somebody else.
    pub fn identify(
        &self,
        client: &Client<'_>,
        session: Option<&SessionProof>,
        login: Option<&str>,
    ) -> Identity {
        if client.unproven {
            return Identity::Stranger;
        }
        let by_address = self.at(client.address);
        let vouched = login.and_then(|login| self.with_login(login));
        let of_session = || session.and_then(|session| self.named(&session.user));
        let Some(person) = by_address.or(vouched).or_else(of_session) else {
            return Identity::Stranger;
        };
        if by_address.is_none() && person.needs.address {
            return Identity::Stranger;
        }
        let own = session.filter(|session| session.user == person.name);
        let by_session = own.map_or(Proofs::default(), |session| session.proven);
        let is_vouched = vouched.is_some_and(|vouched| vouched.name == person.name);
        Identity::Known {
            person: Arc::clone(person),
            proven: Proofs {
                address: by_address.is_some(),
                password: by_session.password,
                oidc: by_session.oidc || is_vouched,
            },
            session: own.map(|session| session.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(rows: &[(&str, usize)]) -> Directory {
        let people = ["minsu", "jiyoung", "remote"]
            .iter()
            .enumerate()
            .map(|(index, name)| Person {
                name: UserName::new(name).expect("a name"),
                role: Role::User,
                index,
                needs: Proofs { address: index < 2, password: false, oidc: index == 2 },
            })
            .collect();
        let networks =
            rows.iter().map(|(text, index)| (text.parse().expect("a network"), *index)).collect();
        Directory::new(people, networks)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let directory = directory(&[
            ("10.0.0.0/8", 0),
            ("10.20.0.0/16", 1),
            ("10.20.30.40/32", 0),
            ("0.0.0.0/0", 1),
            ("255.255.255.255/32", 0),
            ("::1/128", 0),
            ("fd00::/8", 1),
        ]);
        for (address, expected) in [
            ("10.1.2.3", Some("minsu")),
            ("10.20.0.0", Some("jiyoung")),
            ("10.20.30.40", Some("minsu")),
            ("10.20.30.41", Some("jiyoung")),
            ("10.21.0.0", Some("minsu")),
            ("9.255.255.255", Some("jiyoung")),
            ("255.255.255.254", Some("jiyoung")),
            ("255.255.255.255", Some("minsu")),
            ("::1", Some("minsu")),
            ("::2", None),
            ("fdff::1", Some("jiyoung")),
        ] {
            let found = directory.at(address.parse().expect("an address"));
            assert_eq!(found.map(|person| person.name.as_str()), expected, "{address}");
        }
    }

    #[test]
    fn a_session_and_a_proxy_speak_only_for_their_own_user() {
        let logins = [("minsu", 0), ("REMOTE@example.org", 2)];
        let logins = logins.map(|(login, person)| (login.to_owned(), person)).to_vec();
        let directory = directory(&[("10.0.0.1/32", 0)]).with_logins(logins);
        let client = |address: &str, unproven| Client {
            address: address.parse().expect("an address"),
            scheme: crate::request::Scheme::Http,
            host: "door",
            through_proxy: false,
            unproven,
        };
        let session = |name: &str| SessionProof {
            user: UserName::new(name).expect("a name"),
            proven: Proofs { password: true, ..Proofs::default() },
            id: SessionId([0; 16]),
        };
        let who = |identity| match identity {
            Identity::Known { person, proven, session } => {
                let proofs = [proven.address, proven.password, proven.oidc];
                let shown = proofs.map(|proof| if proof { "1" } else { "0" }).concat();
                format!("{} {shown} {}", person.name, session.is_some())
            }
            Identity::Stranger => "stranger".to_owned(),
        };
        for (address, unproven, cookie, login, expected) in [
            ("10.0.0.1", false, None, None, "minsu 100 false"),
            ("10.0.0.1", false, Some("minsu"), None, "minsu 110 true"),
            ("10.0.0.1", false, Some("jiyoung"), None, "minsu 100 false"),
            ("10.0.0.1", true, Some("minsu"), None, "stranger"),
            ("10.0.0.2", false, None, None, "stranger"),
            ("10.0.0.2", false, Some("minsu"), None, "stranger"),
            ("10.0.0.2", false, Some("remote"), None, "remote 010 true"),
            ("10.0.0.2", false, None, Some("remote@example.org"), "remote 001 false"),
            ("10.0.0.2", false, None, Some("Remote@Example.org"), "remote 001 false"),
            ("10.0.0.2", false, None, Some("minsu"), "stranger"),
            ("10.0.0.2", false, None, Some("nobody"), "stranger"),
            ("10.0.0.1", false, None, Some("minsu"), "minsu 101 false"),
            ("10.0.0.1", false, None, Some("Minsu"), "minsu 100 false"),
            ("10.0.0.1", false, Some("minsu"), Some("minsu"), "minsu 111 true"),
            ("10.0.0.1", false, Some("remote"), Some("remote@example.org"), "minsu 100 false"),
            ("10.0.0.2", false, Some("remote"), Some("remote@example.org"), "remote 011 true"),
            ("10.0.0.2", false, Some("jiyoung"), Some("remote@example.org"), "remote 001 false"),
            ("10.0.0.2", true, None, Some("remote@example.org"), "stranger"),
        ] {
            let proof = cookie.map(session);
            let found = directory.identify(&client(address, unproven), proof.as_ref(), login);
            assert_eq!(who(found), expected, "{address} {cookie:?} {login:?}");
        }
    }
}
