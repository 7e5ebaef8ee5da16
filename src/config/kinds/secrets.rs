//! Secrets: judged by their form, never shown.

use argon2::password_hash::phc::PasswordHash;
use serde_json::{Value as Json, json};

use super::Scalar;
use crate::config::report::{Wrong, wrong};

/// The most memory that one verification may take, in KiB: a hash is made once but verified at
/// every sign-in, by whoever asks.
const ARGON2_MEMORY_KIB_MAX: u32 = 1 << 20;
/// The most passes over that memory.
const ARGON2_PASSES_MAX: u32 = 64;
/// RFC 4226 asks for 128 bits; 80 are what common authenticators give.
const TOTP_SECRET_BASE32_CHARACTERS_MIN: usize = 16;
const TOTP_SECRET_BASE32_CHARACTERS_MAX: usize = 128;

/// An argon2id hash as a PHC string.
pub(in crate::config) struct PasswordHashText;

impl Scalar for PasswordHashText {
    type Value = String;

    fn expected(&self) -> String {
        "an argon2id hash".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let how = "`usher password` makes one; passwords themselves do not belong in this file";
        let refused = || wrong("must be an argon2id hash", how);
        let hash = PasswordHash::new(text).map_err(|_| refused())?;
        if hash.algorithm.as_str() != "argon2id" {
            return Err(refused());
        }
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(wrong("the hash is cut off", how));
        }
        let cost = argon2::Params::try_from(&hash).map_err(|_| refused())?;
        if cost.m_cost() > ARGON2_MEMORY_KIB_MAX || cost.t_cost() > ARGON2_PASSES_MAX {
            return Err(wrong(
                "the hash costs too much to verify",
                "at most m=1048576 (1 GiB) and t=64",
            ));
        }
        Ok(text.to_owned())
    }

    fn show(&self, _value: &String) -> String {
        "(secret)".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^\\$argon2id\\$" })
    }
}

/// A TOTP secret in base32.
pub(in crate::config) struct TotpSecret;

impl Scalar for TotpSecret {
    type Value = String;

    fn expected(&self) -> String {
        "a base32 secret".to_owned()
    }

    fn parse(&self, text: &str, _plain: bool) -> Result<String, Wrong> {
        let secret: String = text
            .trim_end_matches('=')
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let is_base32 =
            secret.bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b));
        // 1, 3 and 6 characters more than a multiple of 8 stand for no whole number of bytes.
        if !is_base32 || matches!(secret.len() % 8, 1 | 3 | 6) {
            return Err(wrong("must be a base32 secret", "letters A to Z and digits 2 to 7"));
        }
        let lengths = TOTP_SECRET_BASE32_CHARACTERS_MIN..=TOTP_SECRET_BASE32_CHARACTERS_MAX;
        if !lengths.contains(&secret.len()) {
            let hint = format!("{} to {} characters", lengths.start(), lengths.end());
            return Err(wrong("the secret is too short or too long", hint));
        }
        Ok(secret)
    }

    fn show(&self, _value: &String) -> String {
        "(secret)".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "pattern": "^[A-Za-z2-7 ]+=*$" })
    }
}
