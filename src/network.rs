//! Networks of addresses: one, a set, and the longest-prefix lookup over many: nested networks are
//! flattened into disjoint intervals, so
//! that a lookup is one step into a linear index and a short binary search: two places in memory. A
//! million networks are looked up in tens of nanoseconds and built in well under a second; tens of
//! networks cost a few hundred bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 or IPv6 network in canonical form: no host bits, no mapped IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadNetwork {
    /// It is neither an address nor `address/bits`.
    Unreadable,
    /// More bits than an address of its kind has.
    PrefixTooLong {
        /// 32 or 128.
        most_bits: u8,
    },
    /// Bits behind the prefix are set.
    HostBits {
        /// What was probably meant.
        corrected: Network,
    },
}

impl Network {
    /// The network of an address with a prefix.
    ///
    /// # Errors
    /// The prefix is too long, or host bits are set.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Result<Self, BadNetwork> {
        let (address, prefix_bits) = match (address.to_canonical(), address) {
            (IpAddr::V4(v4), IpAddr::V6(_)) if prefix_bits >= 96 => {
                (IpAddr::V4(v4), prefix_bits - 96)
            }
            (IpAddr::V4(_), IpAddr::V6(v6)) => (IpAddr::V6(v6), prefix_bits),
            (canonical, _) => (canonical, prefix_bits),
        };
        let most_bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix_bits > most_bits {
            return Err(BadNetwork::PrefixTooLong { most_bits });
        }
        let first = number(address) & mask(prefix_bits, most_bits);
        let corrected = Self { address: address_of(first, most_bits), prefix_bits };
        if corrected.address == address {
            Ok(corrected)
        } else {
            Err(BadNetwork::HostBits { corrected })
        }
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let most_bits = self.most_bits();
        address.is_ipv4() == self.address.is_ipv4()
            && number(address) & mask(self.prefix_bits, most_bits) == number(self.address)
    }

    /// Its first address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of its prefix.
    pub fn prefix_bits(&self) -> u8 {
        self.prefix_bits
    }

    fn most_bits(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn last(&self) -> u128 {
        number(self.address)
            | (mask(self.most_bits(), self.most_bits()) & !mask(self.prefix_bits, self.most_bits()))
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::Unreadable)?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            // `u8::from_str` takes "+8"; a network does not.
            Some(bits)
                if !bits.is_empty()
                    && bits.len() <= 3
                    && bits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                bits.parse().map_err(|_| BadNetwork::PrefixTooLong { most_bits: whole })?
            }
            Some(_) => return Err(BadNetwork::Unreadable),
            None => whole,
        };
        Network::new(address, bits)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.prefix_bits == self.most_bits() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix_bits)
        }
    }
}

/// A set of networks.
#[derive(Clone, Debug, Default)]
pub struct NetworkSet {
    networks: Vec<Network>,
}

impl NetworkSet {
    /// The set of these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    /// The set of networks written as text, for tests; panics on a typing error.
    #[cfg(test)]
    pub fn of<const N: usize>(texts: [&str; N]) -> Self {
        Self::new(texts.iter().map(|text| text.parse().expect("a network")).collect())
    }

    /// Whether the address lies in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address_of(number: u128, most_bits: u8) -> IpAddr {
    if most_bits == 32 {
        // Only numbers of IPv4 addresses come here with 32 bits.
        IpAddr::V4(Ipv4Addr::from((number & 0xffff_ffff) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from(number))
    }
}

/// Ones where the prefix is, of a number with `most_bits` bits.
fn mask(prefix_bits: u8, most_bits: u8) -> u128 {
    let all = if most_bits == 128 { u128::MAX } else { (1 << most_bits) - 1 };
    match most_bits - prefix_bits {
        128 => 0,
        host_bits => all & !((1u128 << host_bits) - 1),
    }
}

/// No value: an interval that belongs to nobody.
const NOBODY: u32 = u32::MAX;
/// The linear index has about as many buckets as there are intervals, so that one holds few of them,
/// and at most this many (1 Mi of 4 bytes).
const BUCKETS_MAX: usize = 1 << 20;

/// Disjoint intervals of both kinds of addresses.
#[derive(Debug, Default)]
pub struct Intervals {
    v4: Side<u32>,
    v6: Side<u128>,
}

/// An address of one kind as a number: as small as it can be, since a lookup costs the memory that it
/// touches.
trait Number: Copy + Ord + Into<u128> {
    /// Out of a number that is known to be of this kind.
    fn of(number: u128) -> Self;
}

impl Number for u32 {
    fn of(number: u128) -> Self {
        number as u32
    }
}

impl Number for u128 {
    fn of(number: u128) -> Self {
        number
    }
}

/// An interval goes from its start to the number before the next one's.
#[derive(Clone, Copy, Debug)]
struct Interval<N> {
    start: N,
    value: u32,
}

/// The intervals of one kind, in order.
#[derive(Debug, Default)]
struct Side<N> {
    intervals: Vec<Interval<N>>,
    /// `buckets[b]` is the number of starts below bucket `b`'s first number.
    buckets: Vec<u32>,
    shift_bits: u32,
}

impl Intervals {
    /// Flattens networks; where several hold an address, the longest prefix wins.
    pub fn new(networks: impl Iterator<Item = (Network, u32)>) -> Self {
        let (v4, v6): (Vec<_>, Vec<_>) = networks.partition(|(n, _)| n.address.is_ipv4());
        Self { v4: Side::new(v4), v6: Side::new(v6) }
    }

    /// The value at an address.
    pub fn find(&self, address: IpAddr) -> Option<u32> {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.find(v4.into()),
            IpAddr::V6(v6) => self.v6.find(v6.into()),
        }
    }
}

impl<N: Number> Side<N> {
    fn new(mut networks: Vec<(Network, u32)>) -> Self {
        // Wider networks first, so that an inner one comes to lie on top of the stack.
        networks.sort_unstable_by_key(|(n, _)| (number(n.address), n.prefix_bits));
        // Each network begins an interval, and may begin another where it ends.
        let intervals = Vec::with_capacity(networks.len() * 2);
        let mut side = Self { intervals, buckets: Vec::new(), shift_bits: 0 };
        let mut open: Vec<(u128, u32)> = Vec::new();
        for (network, value) in networks {
            side.close_before(&mut open, Some(number(network.address)));
            side.begin(number(network.address), value);
            open.push((network.last(), value));
        }
        side.close_before(&mut open, None);
        side.intervals.shrink_to_fit();
        side.build_index();
        side
    }

    /// Ends the intervals that lie wholly before `next` (all of them without one).
    fn close_before(&mut self, open: &mut Vec<(u128, u32)>, next: Option<u128>) {
        while let Some((last, _)) = open.last().copied() {
            if next.is_some_and(|next| last >= next) {
                return;
            }
            open.pop();
            let around = open.last().map_or(NOBODY, |(_, value)| *value);
            // Behind the last address of its kind nothing begins.
            let after = last.checked_add(1).filter(|after| N::of(*after).into() == *after);
            if let Some(after) = after {
                self.begin(after, around);
            }
        }
    }

    fn begin(&mut self, start: u128, value: u32) {
        let start = N::of(start);
        if self.intervals.last().is_some_and(|last| last.start == start) {
            // Nothing lies between the two: the later one covers the whole interval.
            self.intervals.pop();
        }
        if self.intervals.last().is_none_or(|last| last.value != value) {
            self.intervals.push(Interval { start, value });
        }
    }

    fn build_index(&mut self) {
        let (Some(first), Some(last)) = (self.intervals.first(), self.intervals.last()) else {
            return;
        };
        let first: u128 = first.start.into();
        let span = last.start.into() - first;
        let significant_bits = 128 - span.leading_zeros();
        let wanted = self.intervals.len().next_power_of_two().min(BUCKETS_MAX);
        self.shift_bits = significant_bits.saturating_sub(wanted.trailing_zeros());
        let buckets = (span >> self.shift_bits) as usize + 1;
        let mut counts = vec![0u32; buckets + 1];
        for interval in &self.intervals {
            counts[((interval.start.into() - first) >> self.shift_bits) as usize + 1] += 1;
        }
        for bucket in 1..counts.len() {
            counts[bucket] += counts[bucket - 1];
        }
        self.buckets = counts;
    }

    fn find(&self, number: N) -> Option<u32> {
        let first = self.intervals.first()?.start;
        let offset = number.into().checked_sub(first.into())?;
        let bucket = usize::try_from(offset >> self.shift_bits).unwrap_or(usize::MAX);
        let (from, to) = match self.buckets.get(bucket..=bucket.saturating_add(1)) {
            Some(&[from, to]) => (from as usize, to as usize),
            Some(_) | None => (self.intervals.len(), self.intervals.len()),
        };
        let within = &self.intervals[from..to];
        let at = from + within.partition_point(|interval| interval.start <= number);
        match self.intervals[at - 1].value {
            NOBODY => None,
            value => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_canonical() {
        let host_bits = |text: &str| match text.parse::<Network>() {
            Err(BadNetwork::HostBits { corrected }) => corrected.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(host_bits("10.20.0.1/24"), "10.20.0.0/24");
        assert_eq!(host_bits("fd00::1/8"), "fd00::/8");
        for (text, shown) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            let network: Network = text.parse().expect("a network");
            assert_eq!(network.to_string(), shown);
        }
        for text in ["", "10.0.0", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8 ", "a/8"] {
            assert_eq!(text.parse::<Network>(), Err(BadNetwork::Unreadable), "{text}");
        }
        assert_eq!(
            "10.0.0.0/33".parse::<Network>(),
            Err(BadNetwork::PrefixTooLong { most_bits: 32 })
        );
    }

    /// Small deterministic numbers; the quality does not matter here.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn the_table_agrees_with_a_plain_search() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for round in 0..200 {
            let mut networks: Vec<(Network, u32)> = Vec::new();
            for value in 0..next(&mut state) % 40 {
                // Few bits, so that networks nest, touch and reach the ends.
                let bits = (next(&mut state) % 9) as u8 + if round % 2 == 0 { 0 } else { 24 };
                let base = match round % 3 {
                    0 => u32::MAX << 8 | next(&mut state) as u32 & 0xff,
                    1 => (next(&mut state) as u32) << 24,
                    _ => next(&mut state) as u32 & 0x0f0f_0f0f,
                };
                let base = base & mask(bits, 32) as u32;
                let network = Network::new(Ipv4Addr::from(base).into(), bits).expect("canonical");
                if !networks.iter().any(|(known, _)| *known == network) {
                    networks.push((network, value as u32));
                }
            }
            let table = Intervals::new(networks.iter().copied());
            let mut addresses: Vec<u32> = vec![0, u32::MAX];
            for (network, _) in &networks {
                let (first, last) = (number(network.address) as u32, network.last() as u32);
                addresses.extend([first, first.wrapping_sub(1), last, last.wrapping_add(1)]);
            }
            for address in addresses {
                let address = IpAddr::V4(Ipv4Addr::from(address));
                let expected = networks
                    .iter()
                    .filter(|(network, _)| network.contains(address))
                    .max_by_key(|(network, _)| network.prefix_bits)
                    .map(|(_, value)| *value);
                assert_eq!(table.find(address), expected, "{address} in {networks:?}");
            }
        }
    }

    #[test]
    fn both_ends_of_ipv6() {
        let network = |text: &str| text.parse::<Network>().expect("a network");
        let table = Intervals::new(
            [
                (network("::/0"), 1),
                (network("ffff::/16"), 2),
                (network("::1"), 3),
                (network("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 4),
            ]
            .into_iter(),
        );
        for (address, expected) in [
            ("::", Some(1)),
            ("::1", Some(3)),
            ("::2", Some(1)),
            ("ffff::", Some(2)),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(4)),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", Some(2)),
            ("10.0.0.1", None),
        ] {
            assert_eq!(table.find(address.parse().expect("an address")), expected, "{address}");
        }
    }
}
