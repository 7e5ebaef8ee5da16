//! How often somebody may guess. Bounds guessing from one address and against one user without
//! giving a guesser the means to lock the person out:
//!
//! * An attempt from a browser that carries proof of an earlier sign-in of this user (`device`) is
//!   counted for that browser alone.
//! * One from an address that is *known* for the user is counted for that user at that address. The
//!   gate calls an address known if the user's entry names it alone, or if they have signed in from
//!   there.
//! * Any other is counted for its address, whomever it is for, and for the user that it is for,
//!   wherever it comes from; either may be used up.
//!
//! So a guesser uses up the attempts of strangers for this user, and of their own address. What is
//! left to them at the person's own machine is to be stopped by other means. Counts are in memory
//! and bounded; a restart forgets them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use parking_lot::Mutex;

use super::device::Device;
use crate::clock::Moment;
use crate::config;

/// So many counts are kept. When there are more, the one whose last failure is longest ago goes.
const COUNTS_MAX: usize = 16 * 1024;
/// A name that somebody typed is counted by at most so many of its bytes: more than any user's.
const NAME_BYTES_MAX: usize = 96;

/// Who tries to sign in as whom.
#[derive(Clone, Copy, Debug)]
pub struct Try<'t> {
    /// From where.
    pub address: IpAddr,
    /// As whom; the name need not exist.
    pub name: &'t str,
    /// What speaks for them.
    pub standing: Standing,
}

/// What speaks for somebody who tries to sign in, before they have proven anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Unknown,
    /// The address is one from which this user is expected.
    KnownAddress,
    /// This user has signed in from this browser before.
    KnownDevice(Device),
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Address(IpAddr),
    User(Box<str>),
    UserAt(Box<str>, IpAddr),
    UserOn(Box<str>, Device),
}

/// The attempts are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedUp {
    /// When there is one again.
    pub retry_after_ms: u64,
}

/// Counts failed attempts.
#[derive(Default)]
pub struct Attempts {
    failures: Mutex<HashMap<Counted, VecDeque<Moment>>>,
}

/// An attempt under way. It counts as failed unless it is given back.
#[must_use]
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    counted: Vec<Counted>,
    at: Moment,
}

impl Attempts {
    /// Begins an attempt, which counts as failed from now on, so that many at once are no way
    /// around the limit.
    ///
    /// # Errors
    /// There have been as many as `limit` allows.
    pub fn begin(
        &self,
        attempt: Try<'_>,
        limit: config::Attempts,
        now: Moment,
    ) -> Result<Attempt<'_>, UsedUp> {
        let counted = counted(attempt);
        let mut failures = self.failures.lock();
        for key in &counted {
            let Some(times) = failures.get_mut(key) else { continue };
            forget_old(times, limit, now);
            if times.len() >= limit.attempts_max as usize {
                let oldest = times.front().copied().unwrap_or(now);
                let free_at = oldest.plus_ms(limit.within_ms);
                return Err(UsedUp { retry_after_ms: free_at.since_ms(now).max(1) });
            }
        }
        for key in &counted {
            if failures.len() >= COUNTS_MAX && !failures.contains_key(key) {
                make_room(&mut failures, limit, now);
            }
            failures.entry(key.clone()).or_default().push_back(now);
        }
        Ok(Attempt { attempts: self, counted, at: now })
    }

    /// How many counts there are.
    #[cfg(test)]
    fn counts(&self) -> usize {
        self.failures.lock().len()
    }
}

impl Attempt<'_> {
    /// It was right. What was counted for this user at this address or browser is forgotten; what
    /// was counted for an address or against a user by anybody is not, or a guesser could wipe it
    /// out by signing in as themselves.
    pub fn succeeded(self) {
        let mut failures = self.attempts.failures.lock();
        for key in &self.counted {
            match key {
                Counted::UserAt(..) | Counted::UserOn(..) => drop(failures.remove(key)),
                Counted::Address(_) | Counted::User(_) => take_back(&mut failures, key, self.at),
            }
        }
    }

    /// It was never looked at.
    pub fn withdrawn(self) {
        let mut failures = self.attempts.failures.lock();
        for key in &self.counted {
            take_back(&mut failures, key, self.at);
        }
    }
}

fn counted(attempt: Try<'_>) -> Vec<Counted> {
    let name: Box<str> = cut(attempt.name).into();
    let address = prefix(attempt.address);
    match attempt.standing {
        Standing::Unknown => vec![Counted::Address(address), Counted::User(name)],
        Standing::KnownAddress => vec![Counted::UserAt(name, address)],
        Standing::KnownDevice(device) => vec![Counted::UserOn(name, device)],
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// A machine of IPv6 has a whole /64 of addresses.
pub fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
    }
}

fn forget_old(times: &mut VecDeque<Moment>, limit: config::Attempts, now: Moment) {
    while times.front().is_some_and(|oldest| now.since_ms(*oldest) >= limit.within_ms) {
        times.pop_front();
    }
}

fn take_back(failures: &mut HashMap<Counted, VecDeque<Moment>>, key: &Counted, at: Moment) {
    let Some(times) = failures.get_mut(key) else { return };
    if let Some(place) = times.iter().rposition(|time| *time == at) {
        times.remove(place);
    }
    if times.is_empty() {
        failures.remove(key);
    }
}

/// Forgets what is over, and if that is nothing, the count that was longest without a failure.
fn make_room(
    failures: &mut HashMap<Counted, VecDeque<Moment>>,
    limit: config::Attempts,
    now: Moment,
) {
    failures.retain(|_, times| {
        forget_old(times, limit, now);
        !times.is_empty()
    });
    if failures.len() < COUNTS_MAX {
        return;
    }
    let quietest = failures.iter().min_by_key(|(_, times)| times.back().copied());
    if let Some(key) = quietest.map(|(key, _)| key.clone()) {
        failures.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: config::Attempts = config::Attempts { attempts_max: 3, within_ms: 60_000 };

    fn at(address: &str, name: &'static str, standing: Standing) -> Try<'static> {
        Try { address: address.parse().expect("an address"), name, standing }
    }

    fn fail(attempts: &Attempts, attempt: Try<'_>, now_ms: u64) -> Result<(), u64> {
        attempts
            .begin(attempt, LIMIT, Moment(now_ms))
            .map(drop)
            .map_err(|used_up| used_up.retry_after_ms)
    }

    #[test]
    fn three_within_a_minute() {
        let attempts = Attempts::default();
        let minsu = at("10.0.0.1", "minsu", Standing::KnownAddress);
        for now_ms in [0, 10_000, 20_000] {
            assert_eq!(fail(&attempts, minsu, now_ms), Ok(()));
        }
        assert_eq!(fail(&attempts, minsu, 30_000), Err(30_000));
        assert_eq!(fail(&attempts, minsu, 59_999), Err(1));
        assert_eq!(fail(&attempts, minsu, 60_000), Ok(()), "refused attempts do not count");
        assert_eq!(fail(&attempts, minsu, 60_001), Err(9_999));
    }

    #[test]
    fn a_guesser_locks_nobody_out_who_is_known() {
        let attempts = Attempts::default();
        let guesser = |host: u8| Try {
            address: IpAddr::from([192, 0, 2, host]),
            name: "minsu",
            standing: Standing::Unknown,
        };
        for host in 1..=3 {
            assert_eq!(fail(&attempts, guesser(host), 0), Ok(()));
        }
        assert_eq!(fail(&attempts, guesser(4), 0), Err(60_000), "the user's, from anywhere");
        let known = at("10.0.0.1", "minsu", Standing::KnownAddress);
        assert_eq!(fail(&attempts, known, 0), Ok(()));
        // Even from the guesser's own address, if the browser is known.
        let device = at("192.0.2.1", "minsu", Standing::KnownDevice(Device([1; 16])));
        for _ in 0..3 {
            assert_eq!(fail(&attempts, device, 0), Ok(()));
        }
        assert_eq!(fail(&attempts, device, 0), Err(60_000));
        let other = at("192.0.2.9", "jiyoung", Standing::Unknown);
        assert_eq!(fail(&attempts, other, 0), Ok(()), "another user is not concerned");
    }

    #[test]
    fn one_address_guesses_at_many_users() {
        let attempts = Attempts::default();
        for name in ["minsu", "jiyoung", "nobody"] {
            let attempt = at("2001:db8:0:1::1", name, Standing::Unknown);
            assert_eq!(fail(&attempts, attempt, 0), Ok(()));
        }
        let same_machine = at("2001:db8:0:1:ffff::2", "hana", Standing::Unknown);
        assert_eq!(fail(&attempts, same_machine, 0), Err(60_000));
        let other_machine = at("2001:db8:0:2::1", "hana", Standing::Unknown);
        assert_eq!(fail(&attempts, other_machine, 0), Ok(()));
    }

    #[test]
    fn success_forgets_only_what_is_ones_own() {
        let attempts = Attempts::default();
        let known = at("10.0.0.1", "minsu", Standing::KnownAddress);
        for _ in 0..2 {
            assert_eq!(fail(&attempts, known, 0), Ok(()));
        }
        attempts.begin(known, LIMIT, Moment(1)).expect("one left").succeeded();
        for _ in 0..3 {
            assert_eq!(fail(&attempts, known, 2), Ok(()));
        }
        let unknown = at("192.0.2.1", "minsu", Standing::Unknown);
        for _ in 0..2 {
            assert_eq!(fail(&attempts, unknown, 0), Ok(()));
        }
        attempts.begin(unknown, LIMIT, Moment(1)).expect("one left").succeeded();
        assert_eq!(fail(&attempts, unknown, 2), Ok(()));
        assert!(fail(&attempts, unknown, 3).is_err());
    }

    #[test]
    fn attempts_at_once_are_bounded_and_can_be_given_back() {
        let attempts = Attempts::default();
        let unknown = at("192.0.2.1", "minsu", Standing::Unknown);
        let begin = || attempts.begin(unknown, LIMIT, Moment(5));
        let (first, second, third) = (begin(), begin(), begin());
        assert!(begin().is_err());
        first.expect("one").withdrawn();
        let again = begin().expect("one was given back");
        assert!(begin().is_err());
        for attempt in [second.expect("one"), third.expect("one"), again] {
            attempt.withdrawn();
        }
        assert_eq!(attempts.counts(), 0, "nothing is left of what was given back");
    }

    #[test]
    fn counts_are_bounded() {
        let attempts = Attempts::default();
        let from = |n: u32| Try {
            address: IpAddr::from(n.to_be_bytes()),
            name: "minsu",
            standing: Standing::KnownAddress,
        };
        for n in 0..COUNTS_MAX as u32 {
            assert_eq!(fail(&attempts, from(n), u64::from(n)), Ok(()));
        }
        assert_eq!(fail(&attempts, from(u32::MAX), 20_000), Ok(()));
        assert_eq!(attempts.counts(), COUNTS_MAX);
        assert_eq!(fail(&attempts, from(u32::MAX - 1), 70_000), Ok(()));
        assert!(attempts.counts() < COUNTS_MAX, "what is over has gone");
        let long = "가".repeat(1000);
        assert!(cut(&long).len() <= NAME_BYTES_MAX);
    }
}
