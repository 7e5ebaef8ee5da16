//! Time-based one-time codes (RFC 6238): six digits, thirty seconds, HMAC-SHA-1, which is what
//! every authenticator understands. A code of the step before or after is taken too, for clocks
//! that differ; each is good once.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

use super::secret::{NoRandomness, random};
use crate::clock::Timestamp;

/// The length of a step, in milliseconds.
const STEP_MS: i64 = 30_000;
/// Codes have so many digits.
const DIGITS: u32 = 6;
/// The length of the secrets made here, in bytes: what RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
/// The letters of base32.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A number of a thirty-second step since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub i64);

impl Step {
    /// The step of a time.
    pub fn at(time: Timestamp) -> Self {
        Self(time.0.div_euclid(STEP_MS))
    }
}

/// The step for which `code` is right around `now`. Whether it was used before is the caller's to
/// know. `secret` is base32 as the configuration has it.
pub fn check(secret: &str, code: &str, now: Timestamp) -> Option<Step> {
    let key = from_base32(secret)?;
    let code = digits(code)?;
    let Step(step) = Step::at(now);
    // All three are computed, whichever fits.
    let fits = [step - 1, step, step + 1].map(|at| (Step(at), code_at(&key, Step(at)) == code));
    fits.into_iter().find_map(|(step, fits)| fits.then_some(step))
}

/// A code as people type it: six digits, perhaps with a space between.
fn digits(text: &str) -> Option<u32> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    let is_code = digits.len() == DIGITS as usize && digits.bytes().all(|b| b.is_ascii_digit());
    if is_code { digits.parse().ok() } else { None }
}

fn code_at(key: &[u8], step: Step) -> u32 {
    let Ok(mut mac) = <Hmac<Sha1> as KeyInit>::new_from_slice(key) else {
        // HMAC takes keys of any length.
        return u32::MAX;
    };
    mac.update(&step.0.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 0xf);
    let word = u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]);
    (word & 0x7fff_ffff) % 10_u32.pow(DIGITS)
}

/// A new secret in base32.
///
/// # Errors
/// The system has no randomness.
pub fn new_secret() -> Result<String, NoRandomness> {
    Ok(to_base32(&random::<SECRET_BYTES>()?))
}

/// The address that an authenticator reads from a QR code. `issuer` is the name of this server.
pub fn address(secret: &str, user: &str, issuer: &str) -> String {
    let issuer = utf8_percent_encode(issuer, NON_ALPHANUMERIC);
    let user = utf8_percent_encode(user, NON_ALPHANUMERIC);
    // Some authenticators do not know `+`, and the defaults are not repeated: some do not know
    // those parameters.
    format!("otpauth://totp/{issuer}:{user}?secret={secret}&issuer={issuer}")
}

fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for block in bytes.chunks(5) {
        let mut word = 0_u64;
        for place in 0..5 {
            word = word << 8 | u64::from(block.get(place).copied().unwrap_or(0));
        }
        for place in 0..(block.len() * 8).div_ceil(5) {
            let letter = (word >> (35 - 5 * place)) & 31;
            text.push(char::from(BASE32[letter as usize]));
        }
    }
    text
}

/// The bytes of a base32 text in upper case without padding.
fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut word, mut bits) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let value = BASE32.iter().position(|known| *known == letter)?;
        word = word << 5 | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[test]
    fn the_codes_of_the_rfc() {
        // RFC 6238, appendix B, the last six of its eight digits.
        for (time_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let now = Timestamp(time_s * 1000);
            assert_eq!(check(SECRET, code, now), Some(Step::at(now)), "{time_s}");
        }
    }

    #[test]
    fn a_code_is_good_for_three_steps() {
        for (time_s, expected) in
            [(0, true), (29, true), (30, true), (59, true), (89, true), (90, false), (-1, false)]
        {
            let step = expected.then_some(Step(1));
            assert_eq!(check(SECRET, "287082", Timestamp(time_s * 1000)), step, "{time_s}");
        }
    }

    #[test]
    fn what_is_no_code_is_wrong() {
        let now = Timestamp(59_000);
        assert!(check(SECRET, "287 082", now).is_some());
        for code in ["", "28708", "2870820", "28708a", "+87082", "-87082", "２８７０８２", "287083"]
        {
            assert_eq!(check(SECRET, code, now), None, "{code}");
        }
        assert_eq!(check("not base32!", "287082", now), None);
    }

    #[test]
    fn base32_goes_both_ways() {
        // RFC 4648, section 10, without the padding.
        for (plain, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(to_base32(plain.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(plain.as_bytes()));
        }
        let secret = new_secret().expect("randomness");
        assert_eq!(secret.len(), 32);
        assert_eq!(from_base32(&secret).map(|bytes| bytes.len()), Some(SECRET_BYTES));
    }

    #[test]
    fn the_address_of_the_qr_code() {
        assert_eq!(
            address("MZXW6", "민수@lab", "5G Lab: door"),
            "otpauth://totp/5G%20Lab%3A%20door:%EB%AF%BC%EC%88%98%40lab\
             ?secret=MZXW6&issuer=5G%20Lab%3A%20door"
        );
    }
}
