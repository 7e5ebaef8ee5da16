//! Random secrets that browsers carry as text, and the hashes by which usher knows them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The length of a secret, in bytes: as many as the hash of it has.
const SECRET_BYTES: usize = 32;

/// 256 random bits. Shown to nobody but the browser they are for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_BYTES]);

/// The system gave no randomness.
#[derive(Debug)]
pub struct NoRandomness(pub String);

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the system gives no randomness: {}", self.0)
    }
}

impl std::error::Error for NoRandomness {}

/// So many random bytes.
///
/// # Errors
/// The system has none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, NoRandomness> {
        random().map(Self)
    }

    /// Reads what [`Secret::text`] wrote; nothing else.
    pub fn read(text: &str) -> Option<Self> {
        // 43 characters hold 258 bits; the decoder refuses those whose last two are not zero, so
        // that a secret has one text only.
        if text.len() != 43 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As a cookie's value.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What is stored instead of it. A fast hash will do: nobody guesses 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_text() {
        let secret = Secret::new().expect("randomness");
        let text = secret.text();
        assert_eq!(Secret::read(&text), Some(secret.clone()));
        assert_ne!(Secret::new().expect("randomness"), secret);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        let zeros = "A".repeat(43);
        assert_eq!(Secret::read(&zeros), Some(Secret([0; 32])));
        for wrong in [
            "",
            "A",
            &"A".repeat(42),
            &"A".repeat(44),
            &format!("{}B", "A".repeat(42)),
            &format!("{}=", "A".repeat(42)),
            &format!("{}+", "A".repeat(42)),
            &format!("{} ", "A".repeat(42)),
            &"가".repeat(43),
        ] {
            assert_eq!(Secret::read(wrong), None, "{wrong}");
        }
    }
}
