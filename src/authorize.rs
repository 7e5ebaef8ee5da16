//! Stage 3: may they. Takes an [`Identity`] and a [`Target`] and returns the [`Permit`] that every
//! later stage asks for, or a [`Denial`]. Only this file can make a permit: its fields are private
//! and it has one constructor. Chooses no status code and writes no page.

use std::sync::Arc;

use crate::domain::{AppSlug, Role, SeatKey, UserName};
use crate::identify::{Identity, Person, Proofs, SessionId};
use crate::request::{Door, Target, UsherPath};

/// Who may use what; made once per snapshot.
#[derive(Debug, Default)]
pub struct Policy {
    rules: PolicyRules,
    /// By the person's index: their seats in the order of the file's apps.
    grants: Vec<Vec<Arc<SeatKey>>>,
}

/// What [`Policy::new`] needs beside the grants.
#[derive(Debug, Default, Clone)]
pub struct PolicyRules {
    /// Whether administrators without a password are refused.
    pub admin_password_required: bool,
    /// By the person's index: whether their entry has a password.
    pub has_password: Vec<bool>,
    /// Whether somebody signs in from anywhere (a user has `login`).
    pub strangers_sign_in: bool,
    /// Whether the administrators' pages are served by `admin.listen` alone.
    pub admin_door_only: bool,
}

impl Policy {
    /// The policy in which person `i` has the apps `apps[i]`, in the order of the file.
    pub fn new(rules: PolicyRules, people: &[(UserName, Vec<AppSlug>)]) -> Self {
        let seats = |(user, apps): &(UserName, Vec<AppSlug>)| {
            apps.iter()
                .map(|app| Arc::new(SeatKey { user: user.clone(), app: app.clone() }))
                .collect()
        };
        Self { rules, grants: people.iter().map(seats).collect() }
    }

    /// The seats a person may use, in the order of the file's apps.
    pub fn seats_of(&self, person: &Person) -> &[Arc<SeatKey>] {
        self.grants.get(person.index).map_or(&[], Vec::as_slice)
    }

    fn seat(&self, person: &Person, slug: &str) -> Option<&Arc<SeatKey>> {
        self.seats_of(person).iter().find(|key| key.app.as_str() == slug)
    }
}

/// The proof that a person may use one of their seats.
#[derive(Clone, Debug)]
pub struct SeatPermit {
    key: Arc<SeatKey>,
    role: Role,
    session: Option<SessionId>,
}

impl SeatPermit {
    /// The seat.
    pub fn key(&self) -> &Arc<SeatKey> {
        &self.key
    }

    /// The person's role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The session that ends what this permit began.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }
}

/// The proof that somebody is a person of the configuration who proved what they have to.
#[derive(Clone, Debug)]
pub struct PersonPermit {
    person: Arc<Person>,
    session: Option<SessionId>,
    first_seat: Option<Arc<SeatKey>>,
}

impl PersonPermit {
    /// Who.
    pub fn person(&self) -> &Arc<Person> {
        &self.person
    }

    /// The session that ends what this permit began.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// The first app in the order of the file that they may use.
    pub fn first_seat(&self) -> Option<&Arc<SeatKey>> {
        self.first_seat.as_ref()
    }
}

/// The proof that somebody is an administrator.
#[derive(Clone, Debug)]
pub struct AdminPermit(PersonPermit);

impl AdminPermit {
    /// Who.
    pub fn person(&self) -> &Arc<Person> {
        self.0.person()
    }

    /// The session that ends what this permit began.
    pub fn session(&self) -> Option<SessionId> {
        self.0.session()
    }
}

/// What a person may do with their request.
#[derive(Clone, Debug)]
pub enum Permit {
    /// Use a seat.
    Seat(SeatPermit),
    /// Be sent on to their first app, keeping the rest of the path.
    FirstApp(PersonPermit),
    /// See a page of their own, or `/`.
    Own(PersonPermit),
    /// See and order as an administrator.
    Admin(AdminPermit),
    /// What everybody gets, known or not: the sign-in page where it exists, assets.
    Anybody(Option<PersonPermit>),
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Nobody of the configuration.
    Stranger,
    /// They have to sign in first.
    SignIn {
        /// Who the address says they are.
        user: UserName,
        /// What is missing.
        missing: Proofs,
    },
    /// The app is not theirs, or does not exist: the answer is the same.
    NotGranted,
    /// No such page, or not for them: the answer is the same.
    NotFound,
    /// An administrator without a password, where one is required.
    PasswordRequired,
}

/// Decides. `door` is the listener that the request came by.
///
/// # Errors
/// Why the request may not go on.
pub fn authorize(
    policy: &Policy,
    identity: &Identity,
    target: &Target<'_>,
    door: Door,
) -> Result<Permit, Denial> {
    let (person, proven, session) = match identity {
        Identity::Stranger => return stranger(policy, target),
        Identity::Known { person, proven, session } => (person, *proven, *session),
    };
    if open_to_anybody(target) {
        return Ok(Permit::Anybody(Some(person_permit(policy, person, session))));
    }
    if !proven.cover(person.needs) {
        let missing = Proofs {
            address: false,
            password: person.needs.password && !proven.password,
            oidc: person.needs.oidc && !proven.oidc,
        };
        return Err(Denial::SignIn { user: person.name.clone(), missing });
    }
    let own = || person_permit(policy, person, session);
    match target {
        Target::Seat { slug, .. } | Target::SeatWithoutSlash { slug } => policy
            .seat(person, slug)
            .map(|key| {
                Permit::Seat(SeatPermit { key: Arc::clone(key), role: person.role, session })
            })
            .ok_or(Denial::NotGranted),
        Target::FirstApp { .. } => Ok(Permit::FirstApp(own())),
        Target::Admin { .. } => administrator(policy, person, own(), door),
        Target::Root | Target::Unauthorized | Target::Usher(_) => Ok(Permit::Own(own())),
        Target::Metrics | Target::Unknown => Err(Denial::NotFound),
    }
}

/// The seat of a permit for a page that is about one of the person's own seats (`?app=`).
///
/// # Errors
/// [`Denial::NotGranted`] if it is not theirs.
pub fn seat_of(policy: &Policy, permit: &PersonPermit, slug: &str) -> Result<SeatPermit, Denial> {
    let key = policy.seat(&permit.person, slug).ok_or(Denial::NotGranted)?;
    Ok(SeatPermit { key: Arc::clone(key), role: permit.person.role, session: permit.session })
}

fn person_permit(
    policy: &Policy,
    person: &Arc<Person>,
    session: Option<SessionId>,
) -> PersonPermit {
    PersonPermit {
        person: Arc::clone(person),
        session,
        first_seat: policy.seats_of(person).first().cloned(),
    }
}

fn stranger(policy: &Policy, target: &Target<'_>) -> Result<Permit, Denial> {
    if policy.rules.strangers_sign_in && open_to_anybody(target) {
        Ok(Permit::Anybody(None))
    } else {
        Err(Denial::Stranger)
    }
}

fn open_to_anybody(target: &Target<'_>) -> bool {
    matches!(target, Target::Usher(UsherPath::Login | UsherPath::Oidc(_) | UsherPath::Asset(_)))
}

fn administrator(
    policy: &Policy,
    person: &Arc<Person>,
    permit: PersonPermit,
    door: Door,
) -> Result<Permit, Denial> {
    let here = !policy.rules.admin_door_only || door == Door::Admin;
    if person.role != Role::Admin || !here {
        return Err(Denial::NotFound);
    }
    let has_password = policy.rules.has_password.get(person.index).copied().unwrap_or(false);
    if policy.rules.admin_password_required && !has_password {
        return Err(Denial::PasswordRequired);
    }
    Ok(Permit::Admin(AdminPermit(permit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(index: usize, name: &str, role: Role, needs: Proofs) -> Arc<Person> {
        Arc::new(Person { name: UserName::new(name).expect("a name"), role, index, needs })
    }

    fn policy(rules: PolicyRules) -> Policy {
        let name = |text| UserName::new(text).expect("a name");
        let slug = |text| AppSlug::new(text).expect("a slug");
        let people = [
            (name("minsu"), vec![slug("main"), slug("lab")]),
            (name("jiyoung"), vec![slug("lab")]),
        ];
        Policy::new(PolicyRules { has_password: vec![false, true], ..rules }, &people)
    }

    fn decide(rules: PolicyRules, identity: &Identity, path: &str) -> String {
        let target = Target::of(path, "/admin");
        match authorize(&policy(rules), identity, &target, Door::Main) {
            Ok(Permit::Seat(permit)) => format!("seat {}", permit.key()),
            Ok(Permit::FirstApp(permit)) => {
                format!("first {}", permit.first_seat().expect("a seat"))
            }
            Ok(Permit::Own(permit)) => format!("own {}", permit.person().name),
            Ok(Permit::Admin(permit)) => format!("admin {}", permit.person().name),
            Ok(Permit::Anybody(_)) => "anybody".to_owned(),
            Err(denial) => format!("{denial:?}"),
        }
    }

    #[test]
    fn who_may_what() {
        let address = Proofs { address: true, ..Proofs::default() };
        let known = |index, name, role, needs| Identity::Known {
            person: person(index, name, role, needs),
            proven: address,
            session: None,
        };
        let admin = known(0, "minsu", Role::Admin, address);
        let user = known(1, "jiyoung", Role::User, address);
        let locked =
            known(1, "jiyoung", Role::User, Proofs { address: true, password: true, oidc: false });
        for (identity, path, expected) in [
            (&Identity::Stranger, "/", "Stranger"),
            (&Identity::Stranger, "/_usher/login", "Stranger"),
            (&Identity::Stranger, "/app/main/", "Stranger"),
            (&admin, "/app/main/x", "seat minsu/main"),
            (&admin, "/app/main", "seat minsu/main"),
            (&admin, "/app/", "first minsu/main"),
            (&admin, "/admin/users", "admin minsu"),
            (&admin, "/nothing", "NotFound"),
            (&user, "/", "own jiyoung"),
            (&user, "/app/lab/", "seat jiyoung/lab"),
            (&user, "/app/main/", "NotGranted"),
            (&user, "/app/unknown/", "NotGranted"),
            (&user, "/app/", "first jiyoung/lab"),
            (&user, "/admin", "NotFound"),
            (&user, "/_usher/assets/door.css", "anybody"),
            (&locked, "/_usher/login", "anybody"),
            (
                &locked,
                "/app/lab/",
                "SignIn { user: jiyoung, missing: Proofs { address: false, password: true, oidc: false } }",
            ),
        ] {
            assert_eq!(decide(PolicyRules::default(), identity, path), expected, "{path}");
        }
        let open = PolicyRules { strangers_sign_in: true, ..PolicyRules::default() };
        assert_eq!(decide(open.clone(), &Identity::Stranger, "/_usher/login"), "anybody");
        assert_eq!(decide(open, &Identity::Stranger, "/"), "Stranger");
        let strict = PolicyRules { admin_password_required: true, ..PolicyRules::default() };
        assert_eq!(decide(strict, &admin, "/admin"), "PasswordRequired");
        let elsewhere = PolicyRules { admin_door_only: true, ..PolicyRules::default() };
        assert_eq!(decide(elsewhere, &admin, "/admin"), "NotFound");
    }
}
