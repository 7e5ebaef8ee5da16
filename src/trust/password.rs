//! Passwords: argon2id hashes as PHC strings, made by `usher password` and verified at sign-in.
//!
//! A verification costs some 20 MiB and tens of milliseconds on purpose. It runs on a blocking
//! thread, few at once, and as long for a name that does not exist as for one that does.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::secret::{NoRandomness, random};

/// Memory of one verification, in KiB. This and the next two are the first choice of OWASP's
/// password storage guide.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
/// Threads of one verification.
const LANES: u32 = 1;
/// The longest password, in bytes. Longer ones are wrong without being looked at.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Verifications at once; each holds a core and its memory.
const VERIFICATIONS_AT_ONCE_MAX: usize = 2;
/// Verifications that wait for their turn: about a second of them.
const VERIFICATIONS_WAITING_MAX: usize = 48;

/// Makes the hash that goes into the configuration file.
///
/// # Errors
/// The system has no randomness.
pub fn hash(password: &str) -> Result<String, NoRandomness> {
    let refused = |error: argon2::password_hash::Error| NoRandomness(error.to_string());
    let salt = random::<16>()?;
    let hash: PasswordHash =
        hasher().hash_password_with_salt(password.as_bytes(), &salt).map_err(refused)?;
    Ok(hash.to_string())
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Too many verifications wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// Verifies passwords, few at once.
pub struct Passwords {
    /// Verified against where there is no hash, so that it takes as long.
    stand_in: Arc<str>,
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    /// A verifier.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, NoRandomness> {
        // Nobody knows the password of it.
        let unknown = random::<16>()?.map(|byte| format!("{byte:02x}")).concat();
        Ok(Self {
            stand_in: hash(&unknown)?.into(),
            running: Arc::new(Semaphore::new(VERIFICATIONS_AT_ONCE_MAX)),
            waiting: Arc::new(Semaphore::new(VERIFICATIONS_WAITING_MAX)),
        })
    }

    /// Whether `password` is that of `hash`. Without a hash it is not, and that takes as long.
    /// When the future is dropped, a verification that has begun still takes its place to its end.
    ///
    /// # Errors
    /// Too many wait already.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Busy)?;
        let place = Arc::clone(&self.running).acquire_owned().await.map_err(|_| Busy)?;
        let password = password.to_owned();
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.stand_in), Arc::from);
        let verified = tokio::task::spawn_blocking(move || {
            let _place = place;
            is_password_of(&password, &hash)
        })
        .await;
        // A panic inside is a wrong password.
        Ok(verified.unwrap_or(false) && known)
    }
}

fn is_password_of(password: &str, hash: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    // The hash names its own algorithm and cost.
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_good_for_its_password_alone() {
        let passwords = Passwords::new().expect("randomness");
        let hash = hash("열려라 참깨").expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, expected) in
            [("열려라 참깨", true), ("열려라 참깨 ", false), ("", false), ("열려라", false)]
        {
            assert_eq!(passwords.verify(password, Some(&hash)).await, Ok(expected), "{password}");
        }
        assert_eq!(passwords.verify("열려라 참깨", None).await, Ok(false));
        assert_eq!(passwords.verify("x", Some("no hash")).await, Ok(false));
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        let long_hash = super::hash(&long).expect("a hash");
        assert_eq!(passwords.verify(&long, Some(&long_hash)).await, Ok(false));
        assert_ne!(hash, super::hash("열려라 참깨").expect("a hash"), "salted");
    }

    #[tokio::test]
    async fn hashes_of_other_tools_are_verified_by_their_own_cost() {
        // Made by the reference implementation: echo -n password | argon2 somesalt -id -t 3 -m 12.
        let hash = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$\
                    qLml5cbqFAO6YxVHhrSBHP0UWdxrIxkNcM8aMX3blzU";
        let passwords = Passwords::new().expect("randomness");
        assert_eq!(passwords.verify("password", Some(hash)).await, Ok(true));
        assert_eq!(passwords.verify("Password", Some(hash)).await, Ok(false));
    }

    #[tokio::test]
    async fn who_does_not_exist_is_as_much_work() {
        let passwords = Arc::new(Passwords::new().expect("randomness"));
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&passwords.stand_in), cost(&hash("x").expect("a hash")));
        let all = Arc::clone(&passwords.running).acquire_many_owned(2).await.expect("places");
        let nobody = Arc::clone(&passwords);
        let nobody = tokio::spawn(async move { nobody.verify("x", None).await });
        while passwords.waiting.available_permits() == VERIFICATIONS_WAITING_MAX {
            tokio::task::yield_now().await;
        }
        assert!(!nobody.is_finished(), "it needs a place like any other");
        drop(all);
        assert_eq!(nobody.await.expect("no panic"), Ok(false));
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let passwords = Arc::new(Passwords::new().expect("randomness"));
        let all = Arc::clone(&passwords.running).acquire_many_owned(2).await.expect("places");
        let waits: Vec<_> = (0..VERIFICATIONS_WAITING_MAX)
            .map(|_| {
                let passwords = Arc::clone(&passwords);
                tokio::spawn(async move { passwords.verify("x", Some("no hash")).await })
            })
            .collect();
        while passwords.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(passwords.verify("x", None).await, Err(Busy));
        drop(all);
        for wait in waits {
            assert_eq!(wait.await.expect("no panic"), Ok(false));
        }
        assert_eq!(passwords.waiting.available_permits(), VERIFICATIONS_WAITING_MAX);
    }
}
