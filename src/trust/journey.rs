//! A sign-in at the outside provider that is under way. What belongs to it (the state that comes
//! back, the nonce in the token, the proof that whoever redeems the code began it) is derived from
//! a seed that the browser carries in a cookie, under a key that it does not have. Nothing is
//! stored, and a journey is good for some minutes, in the browser that began it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::{NoRandomness, random};
use crate::clock::Timestamp;

/// A journey that takes longer is begun anew, in milliseconds.
const LASTS_MS: i64 = 10 * 60 * 1000;
const SEED_BYTES: usize = 32;
const TIME_BYTES: usize = 8;
const MAC_BYTES: usize = 32;

/// A journey under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    seed: [u8; SEED_BYTES],
    began_at: Timestamp,
    next: String,
    /// Comes back with the browser.
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// Proves to the provider that whoever redeems the code began the journey (PKCE).
    pub verifier: String,
}

/// Begins and recognizes journeys.
#[derive(Clone)]
pub struct Journeys {
    key: [u8; 32],
}

impl Journeys {
    /// With this key; the same key recognizes what was begun before a restart.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Begins one that leads to `next`, which has to be a path of this site.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn begin(&self, next: &str, now: Timestamp) -> Result<Journey, NoRandomness> {
        Ok(self.journey(random::<SEED_BYTES>()?, now, next.to_owned()))
    }

    fn journey(&self, seed: [u8; SEED_BYTES], began_at: Timestamp, next: String) -> Journey {
        let derive =
            |what| URL_SAFE_NO_PAD.encode(self.hash(what, &[&seed]).finalize().into_bytes());
        let (state, nonce) = (derive("journey state"), derive("journey nonce"));
        Journey { seed, began_at, next, state, nonce, verifier: derive("journey verifier") }
    }

    /// The cookie's value.
    pub fn value(&self, journey: &Journey) -> String {
        let mut bytes = journey.seed.to_vec();
        bytes.extend_from_slice(&journey.began_at.0.to_be_bytes());
        bytes.extend_from_slice(journey.next.as_bytes());
        let mac = self.hash("journey", &[&bytes]).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The journey of a cookie's value, if it was begun here, some minutes ago at most, and `state`
    /// is its own. Where it leads.
    pub fn arrive(&self, value: &str, state: &str, now: Timestamp) -> Option<(Journey, String)> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (content, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        self.hash("journey", &[content]).verify_slice(mac).ok()?;
        let (seed, rest) = content.split_first_chunk::<SEED_BYTES>()?;
        let (time, next) = rest.split_first_chunk::<TIME_BYTES>()?;
        let began_at = Timestamp(i64::from_be_bytes(*time));
        let next = String::from_utf8(next.to_vec()).ok()?;
        let took_ms = now.0.checked_sub(began_at.0)?;
        let state = URL_SAFE_NO_PAD.decode(state).ok()?;
        self.hash("journey state", &[seed]).verify_slice(&state).ok()?;
        (0..LASTS_MS)
            .contains(&took_ms)
            .then(|| (self.journey(*seed, began_at, next.clone()), next))
    }

    fn hash(&self, what: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC pads a shorter key with zeros to the block of the hash.
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut hash = <Hmac<Sha256> as KeyInit>::new(&block.into());
        for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
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
    fn a_journey_ends_where_it_began() {
        let journeys = Journeys::new([7; 32]);
        let begun = journeys.begin("/app/main/?x=1", Timestamp(1_000)).expect("randomness");
        let value = journeys.value(&begun);
        for (value, state, now_ms, arrives) in [
            (value.as_str(), begun.state.as_str(), 1_000, true),
            (&value, &begun.state, 1_000 + LASTS_MS - 1, true),
            (&value, &begun.state, 1_000 + LASTS_MS, false),
            (&value, &begun.state, 999, false),
            (&value, &begun.nonce, 1_000, false),
            (&value, "", 1_000, false),
            (&value[..40], &begun.state, 1_000, false),
            ("", &begun.state, 1_000, false),
            (&format!("{value}A"), &begun.state, 1_000, false),
            (
                &value.replacen(&value[..1], if value.starts_with('A') { "B" } else { "A" }, 1),
                &begun.state,
                1_000,
                false,
            ),
        ] {
            let arrived = journeys.arrive(value, state, Timestamp(now_ms));
            assert_eq!(arrived.is_some(), arrives, "{value} {state} {now_ms}");
            if let Some((journey, next)) = arrived {
                assert_eq!((journey, next.as_str()), (begun.clone(), "/app/main/?x=1"));
            }
        }
        let other = journeys.begin("/", Timestamp(1_000)).expect("randomness");
        assert!(journeys.arrive(&value, &other.state, Timestamp(1_000)).is_none());
        assert!(Journeys::new([8; 32]).arrive(&value, &begun.state, Timestamp(1_000)).is_none());
        assert!(begun.verifier.len() >= 43, "as RFC 7636 wants it");
    }
}
