//! The token that forms carry, beside the checks of `Origin` and `Sec-Fetch-Site`: a keyed hash of
//! who the form was made for. Nothing is stored, and a token of somebody else is worth nothing.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::UserName;
use crate::identify::SessionId;

/// Makes and checks form tokens.
#[derive(Clone)]
pub(super) struct FormTokens {
    key: [u8; 32],
}

/// For whom a form is made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'o> {
    /// A person, in one of their sessions or without any.
    Person(&'o UserName, Option<SessionId>),
    /// Somebody who is about to sign in, at this address.
    Stranger(IpAddr),
}

impl FormTokens {
    /// Tokens under this key; the same key makes the same tokens after a restart.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token for the forms of this one.
    pub(super) fn token(&self, owner: Owner<'_>) -> String {
        self.hash(owner).finalize().into_bytes()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether `token` was made for this one.
    pub(super) fn is_valid(&self, owner: Owner<'_>, token: &str) -> bool {
        let Some(bytes) = unhex(token) else { return false };
        bytes.len() == 16 && self.hash(owner).verify_truncated_left(&bytes).is_ok()
    }

    fn hash(&self, owner: Owner<'_>) -> Hmac<Sha256> {
        // HMAC pads a shorter key with zeros to the block of the hash.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut hash = <Hmac<Sha256> as KeyInit>::new(&block.into());
        match owner {
            Owner::Person(user, session) => {
                hash.update(b"form\0");
                hash.update(user.as_str().as_bytes());
                if let Some(session) = session {
                    hash.update(b"\0");
                    hash.update(&session.0);
                }
            }
            Owner::Stranger(address) => {
                hash.update(b"stranger\0");
                hash.update(address.to_string().as_bytes());
            }
        }
        hash
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_person_and_session() {
        let name = |text| UserName::new(text).expect("a name");
        let (minsu, jiyoung) = (name("minsu"), name("jiyoung"));
        let tokens = FormTokens::new([7; 32]);
        let session = Some(SessionId([1; 16]));
        let owner = Owner::Person(&minsu, session);
        let token = tokens.token(owner);
        assert_eq!(token.len(), 32);
        assert!(tokens.is_valid(owner, &token));
        assert!(!tokens.is_valid(Owner::Person(&minsu, None), &token));
        assert!(!tokens.is_valid(Owner::Person(&jiyoung, session), &token));
        assert!(!FormTokens::new([8; 32]).is_valid(owner, &token));
        for wrong in ["", "0", "zz", &token[..30], &format!("{token}00")] {
            assert!(!tokens.is_valid(owner, wrong), "{wrong}");
        }
        let stranger = |host| Owner::Stranger(IpAddr::from([192, 0, 2, host]));
        let token = tokens.token(stranger(1));
        assert!(tokens.is_valid(stranger(1), &token));
        assert!(!tokens.is_valid(stranger(2), &token));
    }
}
