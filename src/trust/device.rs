//! A browser from which somebody has signed in before carries a keyed hash that says so. It opens
//! nothing: it only lets that person try their password though others are guessing it, which
//! otherwise would lock them out. Nothing is stored.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{NoRandomness, random};
use crate::domain::UserName;

/// Bytes of the number, and as many of the keyed hash.
const HALF_BYTES: usize = 16;

/// The number of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device(pub [u8; HALF_BYTES]);

/// Makes and reads the values of device cookies.
#[derive(Clone)]
pub struct Devices {
    key: [u8; 32],
}

impl Devices {
    /// With this key; the same key reads what was made before a restart.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A cookie's value for a browser from which `user` has just signed in with a password whose
    /// hash is `credential`: another password makes it void.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new_value(&self, user: &UserName, credential: &str) -> Result<String, NoRandomness> {
        let number = random::<HALF_BYTES>()?;
        let hash = self.hash(user, credential, &number).finalize().into_bytes();
        let mut value = number.to_vec();
        value.extend_from_slice(&hash[..HALF_BYTES]);
        Ok(URL_SAFE_NO_PAD.encode(value))
    }

    /// The browser's number, if the value was made for this user and password.
    pub fn read(&self, user: &UserName, credential: &str, value: &str) -> Option<Device> {
        let bytes = URL_SAFE_NO_PAD.decode(value.get(..43).filter(|v| *v == value)?).ok()?;
        let (number, hash) = bytes.split_first_chunk::<HALF_BYTES>()?;
        let genuine = self.hash(user, credential, number).verify_truncated_left(hash).is_ok();
        (hash.len() == HALF_BYTES && genuine).then_some(Device(*number))
    }

    fn hash(&self, user: &UserName, credential: &str, number: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a shorter key with zeros to the block of the hash.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut hash = <Hmac<Sha256> as KeyInit>::new(&block.into());
        for part in [b"device".as_slice(), user.as_str().as_bytes(), credential.as_bytes(), number]
        {
            // With its length before it, no part can end in another.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_good_for_one_user_and_password() {
        let name = |text| UserName::new(text).expect("a name");
        let devices = Devices::new([7; 32]);
        let value = devices.new_value(&name("minsu"), "hash").expect("randomness");
        assert_eq!(value.len(), 43);
        assert!(devices.read(&name("minsu"), "hash", &value).is_some());
        assert!(devices.read(&name("jiyoung"), "hash", &value).is_none());
        assert!(devices.read(&name("minsu"), "other", &value).is_none());
        assert!(Devices::new([8; 32]).read(&name("minsu"), "hash", &value).is_none());
        for wrong in
            ["", "x", &value[..42], &format!("{value}A"), &"A".repeat(43), &"가".repeat(15)]
        {
            assert!(devices.read(&name("minsu"), "hash", wrong).is_none(), "{wrong}");
        }
    }
}
