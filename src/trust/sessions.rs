//! Who is signed in: cookie sessions. The table is in memory, so that a request never waits for
//! the database; a [`Shelf`] keeps it over restarts and is written behind. A session is known by
//! the hash of the secret in the cookie, never by the secret.
//!
//! Nothing is closed here: whoever ends a session is given the [`Ended`] ones, and closes their
//! WebSockets.

mod shelf;
#[cfg(test)]
pub(super) mod tests;

pub use shelf::{Changes, Contents, Kept, Shelf, ShelfError};

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};

use super::secret::{NoRandomness, Secret};
use super::totp::Step;
use crate::clock::Timestamp;
use crate::config::{self, Proof};
use crate::domain::{Clause, Detail, UserName};
use crate::identify::{Proofs, SessionId, SessionProof};

/// The most sessions of one user; the one that was not used for the longest time goes.
pub const SESSIONS_PER_USER_MAX: usize = 32;
/// So many ended sessions are remembered while the shelf cannot be written.
const ENDED_UNWRITTEN_MAX: usize = 64 * 1024;
/// As much of a browser's name as is kept, in bytes.
const BROWSER_BYTES_MAX: usize = 256;

/// What a user's sessions rest on: when it changes, they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential(pub [u8; 16]);

impl Credential {
    /// What the sessions of this user rest on: their role, what they have to prove, and by what.
    pub fn of(user: &config::User) -> Self {
        let mut hash = Sha256::new();
        let proofs: String = user.proofs.iter().map(|proof| letter(*proof)).collect();
        let texts = [user.role.as_str(), &proofs].into_iter().chain(
            [&user.password, &user.totp, &user.login].map(|text| text.as_deref().unwrap_or("")),
        );
        for text in texts {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        Self(first)
    }
}

fn letter(proof: Proof) -> char {
    match proof {
        Proof::Address => 'a',
        Proof::Password => 'p',
        Proof::Oidc => 'o',
    }
}

/// One session.
pub struct Session {
    hash: [u8; 32],
    user: UserName,
    proven: Proofs,
    credential: Credential,
    began_at: Timestamp,
    browser: Arc<str>,
    used_ms: AtomicI64,
    /// What the shelf has as `used_ms`.
    kept_used_ms: AtomicI64,
    address: Mutex<IpAddr>,
    over: watch::Sender<bool>,
}

impl Session {
    /// Its public number.
    pub fn id(&self) -> SessionId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.hash[..16]);
        SessionId(id)
    }

    /// Whose it is.
    pub fn user(&self) -> &UserName {
        &self.user
    }

    /// When it began.
    pub fn began_at(&self) -> Timestamp {
        self.began_at
    }

    /// When it was last used.
    pub fn used_at(&self) -> Timestamp {
        Timestamp(self.used_ms.load(Ordering::Relaxed))
    }

    /// From where it was last used.
    pub fn address(&self) -> IpAddr {
        *self.address.lock()
    }

    /// What the browser called itself.
    pub fn browser(&self) -> &Arc<str> {
        &self.browser
    }

    /// Notes that it was used, by something else than a request.
    pub fn used(&self, at: Timestamp) {
        self.used_ms.fetch_max(at.0, Ordering::Relaxed);
    }

    /// Becomes true when it ends.
    pub fn watch_end(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    fn is_over(&self, rules: config::Sessions, now: Timestamp) -> Option<Over> {
        let since = |then: Timestamp| u64::try_from(now.0 - then.0).unwrap_or(0);
        if since(self.began_at) >= rules.lifetime_max_ms {
            Some(Over::Lifetime)
        } else if since(self.used_at()) >= rules.idle_timeout_ms {
            Some(Over::Idle)
        } else {
            None
        }
    }

    fn kept(&self) -> Kept {
        Kept {
            hash: self.hash,
            user: self.user.clone(),
            proven: self.proven,
            credential: self.credential,
            began_at: self.began_at,
            used_at: self.used_at(),
            address: self.address(),
            browser: Arc::clone(&self.browser),
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The person signed out, here or on the page of their sessions.
    SignedOut,
    /// They signed in again from the same browser.
    Replaced,
    /// It was not used for `sessions.idle_timeout`.
    Idle,
    /// It was as old as `sessions.lifetime_max`.
    Lifetime,
    /// An administrator ended it.
    Kicked,
    /// The user is gone from the configuration, or proves something else now.
    Changed,
    /// The user had [`SESSIONS_PER_USER_MAX`] others.
    TooMany,
}

impl Over {
    /// The word of events and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Over::SignedOut => "signed out",
            Over::Replaced => "replaced by a new sign-in",
            Over::Idle => "not used for too long",
            Over::Lifetime => "too old",
            Over::Kicked => "ended by an administrator",
            Over::Changed => "the user's entry changed",
            Over::TooMany => "too many others",
        }
    }

    /// What the event of it says, of this user.
    pub fn detail(self, user: &UserName) -> Detail {
        Detail::new(format!("{user}: {}", self.as_str()), vec![self.clause(user.to_string())])
    }

    fn clause(self, user: String) -> Clause {
        match self {
            Over::SignedOut => Clause::SignedOut { user },
            Over::Replaced => Clause::SignedInAgain { user },
            Over::Idle => Clause::SessionIdle { user },
            Over::Lifetime => Clause::SessionTooOld { user },
            Over::Kicked => Clause::SessionKicked { user },
            Over::Changed => Clause::SessionChanged { user },
            Over::TooMany => Clause::SessionsTooMany { user },
        }
    }
}

/// A session that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserName,
    /// Why.
    pub why: Over,
}

/// What a session is made of.
pub struct SignedIn {
    /// Who.
    pub user: UserName,
    /// What they proved just now.
    pub proven: Proofs,
    /// By what.
    pub credential: Credential,
    /// From where.
    pub address: IpAddr,
    /// The `User-Agent`.
    pub browser: String,
    /// The session that the browser had before: it ends, and if it was this user's, what it proved
    /// is taken over.
    pub before: Option<SessionId>,
}

/// A new session.
pub struct Opened {
    /// For the cookie.
    pub secret: Secret,
    /// Its public number.
    pub id: SessionId,
    /// Those that made way.
    pub ended: Vec<Ended>,
}

/// Why there is no new session.
#[derive(Debug)]
pub enum NotOpened {
    /// The user's entry changed meanwhile.
    Changed,
    /// The system has no randomness.
    NoRandomness(NoRandomness),
}

/// The sessions.
pub struct Sessions {
    table: RwLock<Table>,
    unwritten: Mutex<Unwritten>,
    changed: Notify,
    /// Held while the shelf is written, so that writes keep their order.
    writing: tokio::sync::Mutex<()>,
    shelf: Arc<dyn Shelf>,
}

struct Table {
    by_hash: HashMap<[u8; 32], Arc<Session>>,
    steps: HashMap<UserName, Step>,
    rules: config::Sessions,
    credentials: HashMap<UserName, Credential>,
}

/// What the shelf does not know yet.
#[derive(Default)]
struct Unwritten {
    opened: HashSet<[u8; 32]>,
    ended: HashSet<[u8; 32]>,
    steps: HashSet<UserName>,
}

impl Sessions {
    /// The sessions that the shelf has. Nobody is signed in before [`Sessions::configure`].
    ///
    /// # Errors
    /// The shelf cannot be read.
    pub fn load(shelf: Arc<dyn Shelf>) -> Result<Self, ShelfError> {
        let contents = shelf.load()?;
        let kept = |kept: Kept| (kept.hash, Arc::new(session(kept)));
        let table = Table {
            by_hash: contents.sessions.into_iter().map(kept).collect(),
            steps: contents.used_steps.into_iter().collect(),
            rules: config::Sessions { idle_timeout_ms: 0, lifetime_max_ms: 0 },
            credentials: HashMap::new(),
        };
        Ok(Self {
            table: RwLock::new(table),
            unwritten: Mutex::default(),
            changed: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            shelf,
        })
    }

    /// Applies a configuration: sessions of users who are gone, or whose entry proves something
    /// else now, end.
    #[must_use]
    pub fn configure(&self, rules: config::Sessions, users: &[Arc<config::User>]) -> Vec<Ended> {
        let mut table = self.table.write();
        table.rules = rules;
        table.credentials =
            users.iter().map(|user| (user.name.clone(), Credential::of(user))).collect();
        let credentials = &table.credentials;
        let stale: Vec<_> = table
            .by_hash
            .values()
            .filter(|session| credentials.get(&session.user) != Some(&session.credential))
            .map(|session| session.hash)
            .collect();
        let known: HashSet<_> = table.credentials.keys().cloned().collect();
        table.steps.retain(|user, _| known.contains(user));
        self.take(&mut table, stale, Over::Changed)
    }

    /// The session of a cookie's value, if it is one that has not ended. Using it is noted.
    pub fn find(&self, value: &str, address: IpAddr, now: Timestamp) -> Option<SessionProof> {
        let hash = Secret::read(value)?.hash();
        let table = self.table.read();
        let session = table.by_hash.get(&hash)?;
        if session.is_over(table.rules, now).is_some()
            || table.credentials.get(&session.user) != Some(&session.credential)
        {
            return None;
        }
        session.used(now);
        let mut last = session.address.lock();
        if *last != address {
            *last = address;
        }
        Some(SessionProof { user: session.user.clone(), proven: session.proven, id: session.id() })
    }

    /// The session of this number, if it has not ended.
    pub fn get(&self, id: SessionId) -> Option<Arc<Session>> {
        self.table.read().session(id).cloned()
    }

    /// Opens a session with a new secret.
    ///
    /// # Errors
    /// Why there is none.
    pub fn open(&self, new: SignedIn, now: Timestamp) -> Result<Opened, NotOpened> {
        let secret = Secret::new().map_err(NotOpened::NoRandomness)?;
        let mut table = self.table.write();
        if table.credentials.get(&new.user) != Some(&new.credential) {
            return Err(NotOpened::Changed);
        }
        let (proven, began_at) = table.with_before(&new, now);
        let opened = session(Kept {
            hash: secret.hash(),
            user: new.user.clone(),
            proven,
            credential: new.credential,
            began_at,
            used_at: now,
            address: new.address,
            browser: cut(&new.browser).into(),
        });
        let before: Vec<_> = new.before.and_then(|id| table.hash_of(id)).into_iter().collect();
        let mut ended = self.take(&mut table, before, Over::Replaced);
        let surplus = table.surplus_of(&new.user);
        ended.extend(self.take(&mut table, surplus, Over::TooMany));
        let id = opened.id();
        self.unwritten.lock().opened.insert(opened.hash);
        table.by_hash.insert(opened.hash, Arc::new(opened));
        self.changed.notify_one();
        Ok(Opened { secret, id, ended })
    }

    /// Ends one session.
    #[must_use]
    pub fn end(&self, id: SessionId, why: Over) -> Option<Ended> {
        let mut table = self.table.write();
        let hash = table.hash_of(id)?;
        self.take(&mut table, vec![hash], why).pop()
    }

    /// Ends all sessions of a user.
    #[must_use]
    pub fn end_all_of(&self, user: &UserName, why: Over) -> Vec<Ended> {
        let mut table = self.table.write();
        let theirs = table.by_hash.values().filter(|s| s.user == *user).map(|s| s.hash).collect();
        self.take(&mut table, theirs, why)
    }

    /// Ends the sessions whose time is over.
    #[must_use]
    pub fn end_overdue(&self, now: Timestamp) -> Vec<Ended> {
        let overdue: Vec<_> = {
            let table = self.table.read();
            let over = |s: &Arc<Session>| Some((s.hash, s.is_over(table.rules, now)?));
            table.by_hash.values().filter_map(over).collect()
        };
        if overdue.is_empty() {
            return Vec::new();
        }
        let mut table = self.table.write();
        overdue.into_iter().flat_map(|(hash, why)| self.take(&mut table, vec![hash], why)).collect()
    }

    /// A user's sessions, the one used last first.
    pub fn of_user(&self, user: &UserName) -> Vec<Arc<Session>> {
        let table = self.table.read();
        let mut theirs: Vec<_> =
            table.by_hash.values().filter(|s| s.user == *user).cloned().collect();
        theirs.sort_by_key(|session| std::cmp::Reverse(session.used_at()));
        theirs
    }

    /// Whether the user is signed in from this address, or was there when last seen.
    pub fn was_at(&self, user: &UserName, address: IpAddr) -> bool {
        let address = super::attempts::prefix(address);
        let table = self.table.read();
        table.by_hash.values().any(|session| {
            session.user == *user && super::attempts::prefix(session.address()) == address
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.read().by_hash.len()
    }

    /// Takes the code of a step for a user, unless it or a later one was taken before.
    pub fn use_step(&self, user: &UserName, step: Step) -> bool {
        let mut table = self.table.write();
        match table.steps.get(user) {
            Some(used) if *used >= step => false,
            Some(_) | None => {
                table.steps.insert(user.clone(), step);
                self.unwritten.lock().steps.insert(user.clone());
                self.changed.notify_one();
                true
            }
        }
    }

    /// Returns when something was changed that should be written soon.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Writes what changed, and when each session was last used, to the shelf. What could not be
    /// written is tried again the next time.
    ///
    /// # Errors
    /// The shelf cannot be written.
    pub async fn write(&self) -> Result<(), ShelfError> {
        let _one_at_a_time = self.writing.lock().await;
        let unwritten = std::mem::take(&mut *self.unwritten.lock());
        let changes = self.changes(&unwritten);
        if changes.is_empty() {
            return Ok(());
        }
        let shelf = Arc::clone(&self.shelf);
        let written = tokio::task::spawn_blocking(move || shelf.write(&changes).map(|()| changes));
        match written.await.unwrap_or_else(|error| Err(ShelfError(error.to_string()))) {
            Ok(changes) => {
                self.note_kept(&changes);
                Ok(())
            }
            Err(error) => {
                self.unwritten.lock().put_back(unwritten);
                Err(error)
            }
        }
    }

    fn note_kept(&self, changes: &Changes) {
        let table = self.table.read();
        for kept in &changes.kept {
            if let Some(session) = table.by_hash.get(&kept.hash) {
                session.kept_used_ms.store(kept.used_at.0, Ordering::Relaxed);
            }
        }
    }

    fn changes(&self, unwritten: &Unwritten) -> Changes {
        let table = self.table.read();
        let is_news = |session: &&Arc<Session>| {
            unwritten.opened.contains(&session.hash)
                || session.kept_used_ms.load(Ordering::Relaxed) != session.used_at().0
        };
        let step = |user: &UserName| Some((user.clone(), *table.steps.get(user)?));
        Changes {
            kept: table.by_hash.values().filter(is_news).map(|session| session.kept()).collect(),
            ended: unwritten.ended.iter().copied().collect(),
            used_steps: unwritten.steps.iter().filter_map(step).collect(),
        }
    }

    /// Takes sessions out of the table.
    fn take(&self, table: &mut Table, hashes: Vec<[u8; 32]>, why: Over) -> Vec<Ended> {
        let mut unwritten = self.unwritten.lock();
        let mut ended = Vec::new();
        for session in hashes.iter().filter_map(|hash| table.by_hash.remove(hash)) {
            unwritten.end(session.hash);
            session.over.send_replace(true);
            ended.push(Ended { id: session.id(), user: session.user.clone(), why });
        }
        if !ended.is_empty() {
            self.changed.notify_one();
        }
        ended
    }
}

impl Unwritten {
    fn end(&mut self, hash: [u8; 32]) {
        self.opened.remove(&hash);
        // While the shelf cannot be written, what does not fit would come back with a restart; it
        // then ends by its age.
        if self.ended.len() < ENDED_UNWRITTEN_MAX {
            self.ended.insert(hash);
        }
    }

    fn put_back(&mut self, before: Unwritten) {
        self.opened.extend(before.opened);
        for hash in before.ended {
            self.end(hash);
        }
        self.steps.extend(before.steps);
    }
}

impl Table {
    fn session(&self, id: SessionId) -> Option<&Arc<Session>> {
        self.by_hash.values().find(|session| session.id() == id)
    }

    fn hash_of(&self, id: SessionId) -> Option<[u8; 32]> {
        self.session(id).map(|session| session.hash)
    }

    /// What a new session proves together with the one before, and since when: what is taken over
    /// does not become younger.
    fn with_before(&self, new: &SignedIn, now: Timestamp) -> (Proofs, Timestamp) {
        let before = new.before.and_then(|id| self.session(id)).filter(|session| {
            session.user == new.user
                && session.credential == new.credential
                && session.is_over(self.rules, now).is_none()
        });
        match before {
            Some(before) if !new.proven.cover(before.proven) => {
                let proven = Proofs {
                    address: false,
                    password: new.proven.password || before.proven.password,
                    oidc: new.proven.oidc || before.proven.oidc,
                };
                (proven, before.began_at)
            }
            Some(_) | None => (Proofs { address: false, ..new.proven }, now),
        }
    }

    /// The sessions of a user that have to make way for one more.
    fn surplus_of(&self, user: &UserName) -> Vec<[u8; 32]> {
        let mut theirs: Vec<_> = self.by_hash.values().filter(|s| s.user == *user).collect();
        theirs.sort_by_key(|session| session.used_at());
        let surplus = (theirs.len() + 1).saturating_sub(SESSIONS_PER_USER_MAX);
        theirs.into_iter().take(surplus).map(|session| session.hash).collect()
    }
}

fn session(kept: Kept) -> Session {
    Session {
        hash: kept.hash,
        user: kept.user,
        proven: kept.proven,
        credential: kept.credential,
        began_at: kept.began_at,
        browser: kept.browser,
        used_ms: AtomicI64::new(kept.used_at.0),
        kept_used_ms: AtomicI64::new(kept.used_at.0),
        address: Mutex::new(kept.address),
        over: watch::Sender::new(false),
    }
}

fn cut(browser: &str) -> &str {
    let mut end = browser.len().min(BROWSER_BYTES_MAX);
    while !browser.is_char_boundary(end) {
        end -= 1;
    }
    &browser[..end]
}
