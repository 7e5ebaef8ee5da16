//! What statistics need of one day: for each user and app the dwell of the visits that began, and
//! when in the day somebody was here. Kept as a compact row for days that are over, because a year
//! has a million visits; made of visits and presence for all others. Both ways give the same.

use super::SLOT_MS;

/// One day. Slots are counted from the day's begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// By user, then app.
    pub(super) shares: Vec<DigestShare>,
}

/// A user's at an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DigestShare {
    /// Who.
    pub(super) user: String,
    /// Where.
    pub(super) app: String,
    /// HTTP requests of the visits that began.
    pub(super) requests: u64,
    /// Bytes from the browser.
    pub(super) in_bytes: u64,
    /// Bytes to it.
    pub(super) out_bytes: u64,
    /// The whole dwell of each visit that began, in milliseconds.
    pub(super) dwells_ms: Vec<u64>,
    /// Slots with a visit that began or with dwell, in order.
    pub(super) slots: Vec<DigestSlot>,
}

/// A quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DigestSlot {
    /// Its place in the day, from 0.
    pub(super) index: u32,
    /// Visits that began.
    pub(super) visits: u64,
    /// Dwell.
    pub(super) dwell_ms: u64,
    /// Active time.
    pub(super) active_ms: u64,
}

impl DigestShare {
    /// A share without anything.
    pub(super) fn new(user: String, app: String) -> Self {
        Self {
            user,
            app,
            requests: 0,
            in_bytes: 0,
            out_bytes: 0,
            dwells_ms: Vec::new(),
            slots: Vec::new(),
        }
    }
}

/// The place of a slot in the day that begins at `from_at`.
pub(super) fn slot_index(slot_at: i64, from_at: i64) -> u32 {
    u32::try_from((slot_at - from_at).max(0) / SLOT_MS).unwrap_or(u32::MAX)
}

/// The form of the bytes; another form is another number.
const FORM: u8 = 1;

impl Digest {
    /// As bytes: numbers of seven bits a byte, names with their length before them.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        put(&mut bytes, self.shares.len() as u64);
        for share in &self.shares {
            put_text(&mut bytes, &share.user);
            put_text(&mut bytes, &share.app);
            for number in [share.requests, share.in_bytes, share.out_bytes] {
                put(&mut bytes, number);
            }
            put(&mut bytes, share.dwells_ms.len() as u64);
            for dwell_ms in &share.dwells_ms {
                put(&mut bytes, *dwell_ms);
            }
            put(&mut bytes, share.slots.len() as u64);
            for slot in &share.slots {
                for number in [u64::from(slot.index), slot.visits, slot.dwell_ms, slot.active_ms] {
                    put(&mut bytes, number);
                }
            }
        }
        bytes
    }

    /// Becomes what the bytes say, in the memory of the day that it was: a year has half a million
    /// lists. False: the bytes are of another form or damaged, so the day has to be made of its
    /// visits, and what stands here now means nothing.
    pub(super) fn refill(&mut self, bytes: &[u8]) -> bool {
        self.read(bytes).is_some()
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let (form, mut rest) = bytes.split_first()?;
        if *form != FORM {
            return None;
        }
        let length = length(&mut rest)?;
        self.shares.resize_with(length, || DigestShare::new(String::new(), String::new()));
        for share in &mut self.shares {
            share.read(&mut rest)?;
        }
        rest.is_empty().then_some(())
    }
}

impl DigestShare {
    fn read(&mut self, rest: &mut &[u8]) -> Option<()> {
        text(rest, &mut self.user)?;
        text(rest, &mut self.app)?;
        self.requests = number(rest)?;
        self.in_bytes = number(rest)?;
        self.out_bytes = number(rest)?;
        list(rest, &mut self.dwells_ms, number)?;
        list(rest, &mut self.slots, slot)
    }
}

fn slot(rest: &mut &[u8]) -> Option<DigestSlot> {
    Some(DigestSlot {
        index: u32::try_from(number(rest)?).ok()?,
        visits: number(rest)?,
        dwell_ms: number(rest)?,
        active_ms: number(rest)?,
    })
}

/// How many items or bytes follow. An item has a byte at least, so that a damaged length does not
/// ask for memory.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let length = usize::try_from(number(rest)?).ok()?;
    (length <= rest.len()).then_some(length)
}

fn list<T>(
    rest: &mut &[u8],
    items: &mut Vec<T>,
    one: impl Fn(&mut &[u8]) -> Option<T>,
) -> Option<()> {
    let length = length(rest)?;
    items.clear();
    items.reserve(length);
    for _ in 0..length {
        items.push(one(rest)?);
    }
    Some(())
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    // A number has ten bytes at most.
    for (at, byte) in rest.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            *rest = rest.get(at + 1..)?;
            return Some(number);
        }
    }
    None
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn text(rest: &mut &[u8], into: &mut String) -> Option<()> {
    let length = length(rest)?;
    let (text, left) = rest.split_at_checked(length)?;
    *rest = left;
    into.clear();
    into.push_str(std::str::from_utf8(text).ok()?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Digest {
        let mut share = DigestShare::new("김민수".to_owned(), "main".to_owned());
        share.requests = 300;
        share.out_bytes = u64::MAX;
        share.dwells_ms = vec![0, 127, 128, 3_600_000];
        share.slots = vec![
            DigestSlot { index: 0, visits: 1, dwell_ms: 900_000, active_ms: 60_000 },
            DigestSlot { index: 99, visits: 0, dwell_ms: 1, active_ms: 0 },
        ];
        Digest { shares: vec![share, DigestShare::new("a".to_owned(), "b".to_owned())] }
    }

    fn decode(bytes: &[u8]) -> Option<Digest> {
        let mut digest = Digest::default();
        digest.refill(bytes).then_some(digest)
    }

    #[test]
    fn a_digest_survives_being_bytes_whatever_day_stood_there_before() {
        let mut other = example();
        other.shares.reverse();
        for digest in [Digest::default(), example()] {
            assert_eq!(decode(&digest.encode()).as_ref(), Some(&digest));
            for mut memory in [example(), other.clone(), Digest::default()] {
                assert!(memory.refill(&digest.encode()));
                assert_eq!(memory, digest);
            }
        }
    }

    #[test]
    fn damaged_bytes_are_no_digest_and_ask_for_no_memory() {
        let bytes = example().encode();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "cut at {length}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None, "too long");
        assert_eq!(decode(&[2]), None, "another form");
        let huge = [&[FORM][..], &[0xff; 9], &[1]].concat();
        assert_eq!(decode(&huge), None, "a length without its items");
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0xff;
            let _ = decode(&broken);
        }
    }
}
