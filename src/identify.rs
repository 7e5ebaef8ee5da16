//! Stage 2: who asks. Turns an address (and, where there is one, a cookie session) into an
//! [`Identity`]. Identification is total: whether a stranger may do something is the next stage's
//! business.

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
}

impl Directory {
    /// Builds the table. `networks[i]` names the person by their place in `people`; the longest
    /// prefix wins; the same network twice must have been refused before.
    pub fn new(people: Vec<Person>, networks: Vec<(Network, usize)>) -> Self {
        let table = Intervals::new(networks.into_iter().map(|(network, person)| {
            // More people than 2^32 do not fit into memory either.
            (network, u32::try_from(person).unwrap_or(u32::MAX))
        }));
        Self { people: people.into_iter().map(Arc::new).collect(), table }
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

    /// Who sends this request. A session counts only if the address does not speak for somebody
    /// else.
    pub fn identify(&self, client: &Client<'_>, session: Option<&SessionProof>) -> Identity {
        if client.unproven {
            return Identity::Stranger;
        }
        let by_address = self.at(client.address);
        match (by_address, session) {
            (Some(person), Some(session)) if person.name == session.user => Identity::Known {
                person: Arc::clone(person),
                proven: Proofs { address: true, ..session.proven },
                session: Some(session.id),
            },
            (Some(person), _) => Identity::Known {
                person: Arc::clone(person),
                proven: Proofs { address: true, ..Proofs::default() },
                session: None,
            },
            (None, Some(session)) => self.by_session_alone(session),
            (None, None) => Identity::Stranger,
        }
    }

    fn by_session_alone(&self, session: &SessionProof) -> Identity {
        match self.named(&session.user) {
            Some(person) if !person.needs.address => Identity::Known {
                person: Arc::clone(person),
                proven: Proofs { address: false, ..session.proven },
                session: Some(session.id),
            },
            Some(_) | None => Identity::Stranger,
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
    fn a_session_speaks_only_for_its_own_user() {
        let directory = directory(&[("10.0.0.1/32", 0)]);
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
                format!("{} {} {}", person.name, proven.password, session.is_some())
            }
            Identity::Stranger => "stranger".to_owned(),
        };
        for (address, unproven, cookie, expected) in [
            ("10.0.0.1", false, None, "minsu false false"),
            ("10.0.0.1", false, Some("minsu"), "minsu true true"),
            ("10.0.0.1", false, Some("jiyoung"), "minsu false false"),
            ("10.0.0.1", true, Some("minsu"), "stranger"),
            ("10.0.0.2", false, None, "stranger"),
            ("10.0.0.2", false, Some("minsu"), "stranger"),
            ("10.0.0.2", false, Some("remote"), "remote true true"),
        ] {
            let proof = cookie.map(session);
            let found = directory.identify(&client(address, unproven), proof.as_ref());
            assert_eq!(who(found), expected, "{address} {cookie:?}");
        }
    }
}
