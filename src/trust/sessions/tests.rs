//! Sessions from sign-in to their end, and over a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::Role;

/// A shelf in memory, which can be told to fail.
#[derive(Default)]
pub(in crate::trust) struct Memory {
    contents: Mutex<Contents>,
    fails: AtomicBool,
    writes: Mutex<Vec<Changes>>,
}

impl Shelf for Memory {
    fn load(&self) -> Result<Contents, ShelfError> {
        Ok(self.contents.lock().clone())
    }

    fn write(&self, changes: &Changes) -> Result<(), ShelfError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(ShelfError("full".to_owned()));
        }
        self.writes.lock().push(changes.clone());
        let mut contents = self.contents.lock();
        contents.sessions.retain(|s| !changes.ended.contains(&s.hash));
        for kept in &changes.kept {
            contents.sessions.retain(|s| s.hash != kept.hash);
            contents.sessions.push(kept.clone());
        }
        for (user, step) in &changes.used_steps {
            contents.used_steps.retain(|(other, _)| other != user);
            contents.used_steps.push((user.clone(), *step));
        }
        Ok(())
    }
}

const RULES: config::Sessions =
    config::Sessions { idle_timeout_ms: 1_000, lifetime_max_ms: 10_000 };
pub(in crate::trust) const PASSWORD: Proofs =
    Proofs { address: false, password: true, oidc: false };
const OIDC: Proofs = Proofs { address: false, password: false, oidc: true };

fn name(text: &str) -> UserName {
    UserName::new(text).expect("a name")
}

pub(in crate::trust) fn user(text: &str, password: &str) -> Arc<config::User> {
    Arc::new(config::User {
        name: name(text),
        role: Role::User,
        addresses: Vec::new(),
        login: None,
        port: None,
        upstream: None,
        apps: Vec::new(),
        password: Some(password.to_owned()),
        totp: None,
        proofs: vec![Proof::Address, Proof::Password],
    })
}

fn home() -> IpAddr {
    IpAddr::from([10, 0, 0, 1])
}

fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}

/// Sessions of minsu and jiyoung on this shelf.
fn sessions_on(shelf: &Arc<Memory>) -> Sessions {
    let sessions = Sessions::load(Arc::clone(shelf) as Arc<dyn Shelf>).expect("loaded");
    let ended = sessions.configure(RULES, &[user("minsu", "p1"), user("jiyoung", "p2")]);
    assert_eq!(ended, []);
    sessions
}

fn sign_in(who: &str, proven: Proofs, before: Option<SessionId>) -> SignedIn {
    let password = if who == "minsu" { "p1" } else { "p2" };
    SignedIn {
        user: name(who),
        proven,
        credential: Credential::of(&user(who, password)),
        address: home(),
        browser: "Firefox".to_owned(),
        before,
    }
}

fn whose(sessions: &Sessions, opened: &Opened, now_ms: i64) -> Option<String> {
    let proof = sessions.find(&opened.secret.text(), home(), at(now_ms))?;
    Some(proof.user.to_string())
}

#[test]
fn a_session_is_found_by_its_secret_alone() {
    let sessions = sessions_on(&Arc::default());
    let opened = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    let proof = sessions.find(&opened.secret.text(), home(), at(1)).expect("found");
    assert_eq!((proof.user, proof.proven, proof.id), (name("minsu"), PASSWORD, opened.id));
    let other = Secret::new().expect("randomness").text();
    let id = opened.id.0.map(|byte| format!("{byte:02x}")).concat();
    for value in ["", "x", &other, &id, &opened.secret.text()[..42]] {
        assert!(sessions.find(value, home(), at(1)).is_none(), "{value}");
    }
}

#[test]
fn it_ends_when_it_is_not_used_and_when_it_is_old() {
    let sessions = sessions_on(&Arc::default());
    let opened = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    let over = sessions.get(opened.id).expect("there").watch_end();
    for used_ms in (900..10_000).step_by(900) {
        assert!(whose(&sessions, &opened, used_ms).is_some(), "{used_ms}");
        assert_eq!(sessions.end_overdue(at(used_ms)), []);
    }
    assert!(!*over.borrow());
    assert!(whose(&sessions, &opened, 10_000).is_none(), "not found even before it is ended");
    let ended = sessions.end_overdue(at(10_000));
    assert_eq!(ended, [Ended { id: opened.id, user: name("minsu"), why: Over::Lifetime }]);
    assert!(*over.borrow());
    let idle = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    sessions.get(idle.id).expect("there").used(at(500));
    assert_eq!(sessions.end_overdue(at(1_499)), []);
    assert_eq!(sessions.end_overdue(at(1_500))[0].why, Over::Idle);
    assert!(sessions.get(idle.id).is_none());
}

#[test]
fn signing_in_again_changes_the_secret_and_ends_the_one_before() {
    let sessions = sessions_on(&Arc::default());
    let first = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    let again = sign_in("minsu", PASSWORD, Some(first.id));
    let second = sessions.open(again, at(5)).expect("opened");
    assert_eq!(second.ended, [Ended { id: first.id, user: name("minsu"), why: Over::Replaced }]);
    assert_ne!(first.secret, second.secret);
    assert_eq!(whose(&sessions, &first, 6), None);
    assert_eq!(whose(&sessions, &second, 6).as_deref(), Some("minsu"));
}

#[test]
fn proofs_are_added_up_but_do_not_become_younger_or_change_hands() {
    let sessions = sessions_on(&Arc::default());
    let first = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    let both = sessions.open(sign_in("minsu", OIDC, Some(first.id)), at(900)).expect("opened");
    let found = sessions.find(&both.secret.text(), home(), at(901)).expect("found");
    assert_eq!(found.proven, Proofs { address: false, password: true, oidc: true });
    assert_eq!(sessions.of_user(&name("minsu"))[0].began_at(), at(0));
    let other = sign_in("jiyoung", OIDC, Some(both.id));
    let other = sessions.open(other, at(950)).expect("opened");
    let found = sessions.find(&other.secret.text(), home(), at(951)).expect("found");
    assert_eq!((found.user, found.proven), (name("jiyoung"), OIDC));
    assert_eq!(sessions.of_user(&name("minsu")).len(), 0, "one browser, one session");
}

#[test]
fn a_changed_entry_ends_its_sessions() {
    let sessions = sessions_on(&Arc::default());
    let minsu = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    let jiyoung = sessions.open(sign_in("jiyoung", PASSWORD, None), at(0)).expect("opened");
    let same = sessions.configure(RULES, &[user("jiyoung", "p2"), user("minsu", "p1")]);
    assert_eq!(same, []);
    let late = sign_in("minsu", PASSWORD, None);
    let ended = sessions.configure(RULES, &[user("minsu", "another"), user("jiyoung", "p2")]);
    assert_eq!(ended, [Ended { id: minsu.id, user: name("minsu"), why: Over::Changed }]);
    assert!(matches!(sessions.open(late, at(0)), Err(NotOpened::Changed)));
    assert!(whose(&sessions, &jiyoung, 1).is_some());
    let ended = sessions.configure(RULES, &[]);
    assert_eq!(ended.len(), 1, "removed");
    assert!(whose(&sessions, &jiyoung, 1).is_none());
}

#[test]
fn what_a_session_rests_on() {
    let base = user("minsu", "p1");
    let of = |change: &dyn Fn(&mut config::User)| {
        let mut user = (*base).clone();
        change(&mut user);
        Credential::of(&user) == Credential::of(&base)
    };
    assert!(of(&|user| user.addresses.push((home(), 32))), "addresses are asked at each request");
    assert!(of(&|user| user.port = Some(1)));
    assert!(!of(&|user| user.role = Role::Admin));
    assert!(!of(&|user| user.password = None));
    assert!(!of(&|user| user.totp = Some("A".to_owned())));
    assert!(!of(&|user| user.login = Some("A".to_owned())));
    assert!(!of(&|user| user.proofs = vec![Proof::Password]));
}

#[test]
fn a_user_has_only_so_many() {
    let sessions = sessions_on(&Arc::default());
    let opened: Vec<_> = (0..SESSIONS_PER_USER_MAX)
        .map(|n| {
            let now = at(n as i64);
            sessions.open(sign_in("minsu", PASSWORD, None), now).expect("opened")
        })
        .collect();
    assert!(whose(&sessions, &opened[0], 100).is_some());
    let more = sessions.open(sign_in("minsu", PASSWORD, None), at(101)).expect("opened");
    let ended = Ended { id: opened[1].id, user: name("minsu"), why: Over::TooMany };
    assert_eq!(more.ended, [ended], "the one that was not used for the longest time");
    assert_eq!(sessions.count(), SESSIONS_PER_USER_MAX);
}

#[test]
fn ending_one_or_all() {
    let sessions = sessions_on(&Arc::default());
    let open = |who| sessions.open(sign_in(who, PASSWORD, None), at(0)).expect("opened");
    let (one, two, other) = (open("minsu"), open("minsu"), open("jiyoung"));
    assert!(sessions.was_at(&name("minsu"), home()));
    assert!(!sessions.was_at(&name("minsu"), IpAddr::from([10, 0, 0, 2])));
    let ended = sessions.end(one.id, Over::SignedOut).expect("there");
    assert_eq!((ended.id, ended.why), (one.id, Over::SignedOut));
    assert_eq!(sessions.end(one.id, Over::SignedOut), None);
    assert_eq!(sessions.end_all_of(&name("minsu"), Over::Kicked).len(), 1);
    assert!(whose(&sessions, &two, 1).is_none());
    assert!(whose(&sessions, &other, 1).is_some());
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_ended_ones_do_not() {
    let shelf = Arc::<Memory>::default();
    let sessions = sessions_on(&shelf);
    let open = |who| sessions.open(sign_in(who, PASSWORD, None), at(0)).expect("opened");
    let (minsu, jiyoung) = (open("minsu"), open("jiyoung"));
    sessions.write().await.expect("written");
    assert!(sessions.use_step(&name("minsu"), Step(7)));
    assert!(whose(&sessions, &minsu, 700).is_some());
    assert!(sessions.end(jiyoung.id, Over::SignedOut).is_some());
    sessions.changed().await;
    sessions.write().await.expect("written");
    let again = sessions_on(&shelf);
    assert!(whose(&again, &minsu, 1_600).is_some(), "used at 700, not at 0");
    assert!(whose(&again, &jiyoung, 701).is_none());
    assert!(!again.use_step(&name("minsu"), Step(7)), "a code is good once");
    assert!(again.use_step(&name("minsu"), Step(8)));
    drop(sessions);
    let changed = Sessions::load(shelf as Arc<dyn Shelf>).expect("loaded");
    assert!(whose(&changed, &minsu, 701).is_none(), "nobody before there is a configuration");
    assert_eq!(changed.configure(RULES, &[user("minsu", "another")]).len(), 1);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later() {
    let shelf = Arc::<Memory>::default();
    let sessions = sessions_on(&shelf);
    let one = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    sessions.write().await.expect("written");
    shelf.fails.store(true, Ordering::Relaxed);
    let two = sessions.open(sign_in("minsu", PASSWORD, None), at(0)).expect("opened");
    assert!(sessions.end(one.id, Over::SignedOut).is_some());
    assert!(sessions.use_step(&name("minsu"), Step(7)));
    assert!(sessions.write().await.is_err());
    shelf.fails.store(false, Ordering::Relaxed);
    sessions.write().await.expect("written");
    let again = sessions_on(&shelf);
    assert_eq!((whose(&again, &one, 1), again.count()), (None, 1));
    assert!(whose(&again, &two, 1).is_some());
    assert!(!again.use_step(&name("minsu"), Step(7)));
    let before = shelf.writes.lock().len();
    sessions.write().await.expect("nothing to write");
    assert_eq!(shelf.writes.lock().len(), before);
}
