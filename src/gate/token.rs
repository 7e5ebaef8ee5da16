//! The token that forms carry, beside the checks of `Origin` and `Sec-Fetch-Site`: a keyed hash of
//! who the form was made for. Nothing is stored, and a token of somebody else is worth nothing.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::UserName;
use crate::identify::SessionId;

/// Makes and checks form tokens.
#[derive(Clone)]
pub(super) struct FormTokens {
    key: [u8; 32],
}

impl FormTokens {
    /// Tokens under this key; the same key makes the same tokens after a restart.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token for this person's forms.
    pub(super) fn token(&self, user: &UserName, session: Option<SessionId>) -> String {
        self.hash(user, session).finalize().into_bytes()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether `token` was made for this person.
    pub(super) fn is_valid(
        &self,
        user: &UserName,
        session: Option<SessionId>,
        token: &str,
    ) -> bool {
        let Some(bytes) = unhex(token) else { return false };
        bytes.len() == 16 && self.hash(user, session).verify_truncated_left(&bytes).is_ok()
    }

    fn hash(&self, user: &UserName, session: Option<SessionId>) -> Hmac<Sha256> {
        // HMAC pads a shorter key with zeros to the block of the hash.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut hash = <Hmac<Sha256> as KeyInit>::new(&block.into());
        hash.update(b"form\0");
        hash.update(user.as_str().as_bytes());
        if let Some(session) = session {
            hash.update(b"\0");
            hash.update(&session.0);
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
        let tokens = FormTokens::new([7; 32]);
        let session = Some(SessionId([1; 16]));
        let token = tokens.token(&name("minsu"), session);
        assert_eq!(token.len(), 32);
        assert!(tokens.is_valid(&name("minsu"), session, &token));
        assert!(!tokens.is_valid(&name("minsu"), None, &token));
        assert!(!tokens.is_valid(&name("jiyoung"), session, &token));
        assert!(!FormTokens::new([8; 32]).is_valid(&name("minsu"), session, &token));
        for wrong in ["", "0", "zz", &token[..30], &format!("{token}00")] {
            assert!(!tokens.is_valid(&name("minsu"), session, wrong), "{wrong}");
        }
    }
}
