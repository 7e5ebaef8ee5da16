//! `limits.requests_per_second`: how many requests an address has sent in this second. Counted only
//! where there is a limit; what is remembered is one second's addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::clock::Moment;

/// So many addresses are told apart in one second; beyond, new ones are let through uncounted.
const ADDRESSES_MAX: usize = 65_536;

/// The requests of this second.
#[derive(Default)]
pub(super) struct Rates {
    current: Mutex<Second>,
}

#[derive(Default)]
struct Second {
    number: u64,
    requests: HashMap<IpAddr, u32>,
}

impl Rates {
    /// Counts a request; false if the address has had `limit` in this second already.
    pub(super) fn admit(&self, address: IpAddr, now: Moment, limit: u32) -> bool {
        let number = now.0 / 1000;
        let mut current = self.current.lock();
        if current.number != number {
            current.number = number;
            current.requests.clear();
        }
        if current.requests.len() >= ADDRESSES_MAX && !current.requests.contains_key(&address) {
            return true;
        }
        let count = current.requests.entry(address).or_default();
        *count = count.saturating_add(1);
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_requests_in_a_second() {
        let rates = Rates::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let at = |ms| Moment(ms);
        assert!(rates.admit(one, at(5_000), 2));
        assert!(rates.admit(one, at(5_400), 2));
        assert!(!rates.admit(one, at(5_999), 2));
        assert!(rates.admit(other, at(5_999), 2));
        assert!(rates.admit(one, at(6_000), 2));
    }
}
