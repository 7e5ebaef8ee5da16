//! Whether somebody is whom they say they are: the password, and the code if the entry has one.
//! Both are always looked at, so that nothing tells which was wrong.

use std::net::IpAddr;

use super::Trust;
use super::attempts::{Standing, Try, UsedUp};
use super::password::Busy;
use super::totp;
use crate::clock::{Moment, Timestamp};
use crate::config;

/// What somebody says and shows.
#[derive(Clone, Copy)]
pub struct Claim<'c> {
    /// The name: of the person at the address, or as it was typed.
    pub name: &'c str,
    /// The entry, if there is one that may sign in from here by a password.
    pub user: Option<&'c config::User>,
    /// From where.
    pub address: IpAddr,
    /// The value of the device cookie.
    pub device: Option<&'c str>,
    /// The password as it was typed.
    pub password: &'c str,
    /// The code as it was typed; empty if none was.
    pub code: &'c str,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// They are.
    Right,
    /// The name, the password or the code is wrong.
    Wrong,
    /// There were too many wrong ones; nothing was looked at.
    UsedUp(UsedUp),
    /// Too many others are being looked at.
    Busy,
}

impl Trust {
    /// Checks a claim.
    pub async fn check(
        &self,
        claim: Claim<'_>,
        limits: config::Limits,
        now: Moment,
        wall: Timestamp,
    ) -> Checked {
        let attempt =
            Try { address: claim.address, name: claim.name, standing: self.standing(claim) };
        let with_password = match self.sign_ins.begin(attempt, limits.login_attempts, now) {
            Ok(begun) => begun,
            Err(used_up) => return Checked::UsedUp(used_up),
        };
        let secret = claim.user.and_then(|user| user.totp.as_deref());
        // Counted with each wrong password too, or the limit that is reached would tell that the
        // password was right.
        let with_code = match secret.map(|_| self.codes.begin(attempt, limits.totp_attempts, now)) {
            None => None,
            Some(Ok(begun)) => Some(begun),
            Some(Err(used_up)) => {
                with_password.withdrawn();
                return Checked::UsedUp(used_up);
            }
        };
        let hash = claim.user.and_then(|user| user.password.as_deref());
        let password_is_right = match self.passwords.verify(claim.password, hash).await {
            Ok(right) => right,
            Err(Busy) => {
                with_password.withdrawn();
                with_code.into_iter().for_each(|begun| begun.withdrawn());
                return Checked::Busy;
            }
        };
        if !(self.code_is_right(claim, secret, wall, password_is_right) && password_is_right) {
            // The attempts count as failed when they are dropped.
            return Checked::Wrong;
        }
        with_password.succeeded();
        with_code.into_iter().for_each(|begun| begun.succeeded());
        Checked::Right
    }

    /// A code is used up only together with the right password.
    fn code_is_right(
        &self,
        claim: Claim<'_>,
        secret: Option<&str>,
        wall: Timestamp,
        password_is_right: bool,
    ) -> bool {
        let (Some(user), Some(secret)) = (claim.user, secret) else { return true };
        match totp::check(secret, claim.code, wall) {
            Some(step) => password_is_right && self.sessions.use_step(&user.name, step),
            None => false,
        }
    }

    fn standing(&self, claim: Claim<'_>) -> Standing {
        let Some(user) = claim.user else { return Standing::Unknown };
        let credential = user.password.as_deref().unwrap_or_default();
        let device =
            claim.device.and_then(|value| self.devices.read(&user.name, credential, value));
        if let Some(device) = device {
            return Standing::KnownDevice(device);
        }
        let bits_of_one = if claim.address.is_ipv4() { 32 } else { 128 };
        let names_it = user.addresses.contains(&(claim.address, bits_of_one));
        if names_it || self.sessions.was_at(&user.name, claim.address) {
            Standing::KnownAddress
        } else {
            Standing::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Attempts;
    use crate::trust::sessions::tests::{Memory, user};
    use crate::trust::sessions::{Credential, SignedIn};
    use crate::trust::{password, sessions};

    /// The secret of RFC 6238, whose code at 59 s is 287082.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const CODE: &str = "287082";
    const WALL: Timestamp = Timestamp(59_000);

    struct Scene {
        trust: Trust,
        minsu: config::User,
        limits: config::Limits,
    }

    impl Scene {
        fn new(totp: Option<&str>) -> Self {
            let trust = Trust::new(Arc::<Memory>::default(), [7; 32]).expect("trust");
            let hash = password::hash("right").expect("a hash");
            let mut minsu = (*user("minsu", &hash)).clone();
            minsu.addresses = vec![("10.0.0.1".parse().expect("an address"), 32)];
            minsu.totp = totp.map(str::to_owned);
            let rules = config::Sessions { idle_timeout_ms: 1_000_000, lifetime_max_ms: 1_000_000 };
            assert_eq!(trust.sessions.configure(rules, &[Arc::new(minsu.clone())]), []);
            let attempts = Attempts { attempts_max: 2, within_ms: 60_000 };
            let limits = config::Limits {
                seats_max: 1,
                starts_at_once_max: 1,
                waiting_per_seat_max: 1,
                connections_per_address_max: 1,
                requests_per_second_max: None,
                upload_max_bytes: 1,
                login_attempts: attempts,
                totp_attempts: Attempts { attempts_max: 3, ..attempts },
            };
            Self { trust, minsu, limits }
        }

        fn claim<'c>(&'c self, address: &str, password: &'c str, code: &'c str) -> Claim<'c> {
            Claim {
                name: "minsu",
                user: Some(&self.minsu),
                address: address.parse().expect("an address"),
                device: None,
                password,
                code,
            }
        }

        async fn check(&self, claim: Claim<'_>) -> Checked {
            self.trust.check(claim, self.limits, Moment(0), WALL).await
        }
    }

    #[tokio::test]
    async fn a_password_alone() {
        let scene = Scene::new(None);
        assert_eq!(scene.check(scene.claim("10.0.0.1", "right", "")).await, Checked::Right);
        assert_eq!(scene.check(scene.claim("10.0.0.1", "wrong", "")).await, Checked::Wrong);
        let nobody = Claim { user: None, ..scene.claim("10.0.0.1", "right", "") };
        assert_eq!(scene.check(nobody).await, Checked::Wrong);
    }

    #[tokio::test]
    async fn a_code_on_top_is_good_once_and_only_with_the_password() {
        let scene = Scene::new(Some(SECRET));
        let check =
            async |password, code| scene.check(scene.claim("10.0.0.1", password, code)).await;
        assert_eq!(check("wrong", CODE).await, Checked::Wrong);
        assert_eq!(check("right", CODE).await, Checked::Right, "not used up by the wrong password");
        assert_eq!(check("right", CODE).await, Checked::Wrong, "used up");
        assert_eq!(check("right", "").await, Checked::Wrong);
        assert!(matches!(check("right", CODE).await, Checked::UsedUp(_)));
    }

    #[tokio::test]
    async fn the_person_gets_in_while_others_guess() {
        let scene = Scene::new(None);
        for guess in ["192.0.2.1", "192.0.2.2"] {
            assert_eq!(scene.check(scene.claim(guess, "guess", "")).await, Checked::Wrong);
        }
        let stranger = scene.check(scene.claim("192.0.2.3", "right", "")).await;
        assert!(matches!(stranger, Checked::UsedUp(_)), "{stranger:?}");
        assert_eq!(scene.check(scene.claim("10.0.0.1", "right", "")).await, Checked::Right);
        let hash = scene.minsu.password.as_deref().expect("a password");
        let value = scene.trust.devices.new_value(&scene.minsu.name, hash).expect("randomness");
        let device = Claim { device: Some(&value), ..scene.claim("192.0.2.1", "right", "") };
        assert_eq!(
            scene.check(device).await,
            Checked::Right,
            "from a browser that was here before"
        );
        let opened = scene.trust.sessions.open(
            SignedIn {
                user: scene.minsu.name.clone(),
                proven: sessions::tests::PASSWORD,
                credential: Credential::of(&scene.minsu),
                address: "192.0.2.2".parse().expect("an address"),
                browser: String::new(),
                before: None,
            },
            WALL,
        );
        assert!(opened.is_ok());
        let signed_in_there = scene.check(scene.claim("192.0.2.2", "right", "")).await;
        assert_eq!(signed_in_there, Checked::Right);
    }

    #[tokio::test]
    async fn which_limit_is_reached_does_not_tell_that_the_password_was_right() {
        for password in ["right", "wrong"] {
            let mut scene = Scene::new(Some(SECRET));
            scene.limits.login_attempts.attempts_max = 9;
            for _ in 0..3 {
                let checked = scene.check(scene.claim("10.0.0.1", password, "000000")).await;
                assert_eq!(checked, Checked::Wrong, "{password}");
            }
            let checked = scene.check(scene.claim("10.0.0.1", password, "000000")).await;
            assert!(matches!(checked, Checked::UsedUp(_)), "{password} {checked:?}");
        }
    }
}
