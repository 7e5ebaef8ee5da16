//! Makes inputs and tries them. Knows nothing of what they mean.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longer inputs take time and find nothing that shorter ones do not.
const INPUT_BYTES_MAX: usize = 8_192;
/// Inputs that are mutated; further ones take a random one's place.
const POPULATION_MAX: usize = 4_096;
const CHANGES_MAX: usize = 6;

/// SplitMix64: a seed is a whole history.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is at least one.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

/// A fingerprint of how a target behaved.
pub(crate) fn behaviour(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn budget() -> Duration {
    let default = if std::env::var("CI").is_ok_and(|ci| ci == "true") { 60 } else { 3 };
    let asked = std::env::var("USHER_FUZZ_S").ok();
    Duration::from_secs(
        asked.map_or(default, |text| text.parse().expect("USHER_FUZZ_S in seconds")),
    )
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Tries the corpus and then mutations of it, until the time is over.
pub(crate) fn fuzz(name: &str, target: impl Fn(&[u8], &mut Random) -> u64) {
    let seed = std::env::var("USHER_FUZZ_SEED").ok();
    let mut random = Random(seed.map_or(1, |text| text.parse().expect("USHER_FUZZ_SEED")));
    let mut population = corpus(name);
    let mut seen = HashSet::new();
    for input in &population {
        seen.insert(run(name, &target, input, &mut random));
    }
    let (begun, limit) = (Instant::now(), budget());
    let mut tried = 0_u64;
    while begun.elapsed() < limit {
        let input = mutated(&mut random, &population);
        if seen.insert(run(name, &target, &input, &mut random)) {
            match population.len() < POPULATION_MAX {
                true => population.push(input),
                false => {
                    let place = random.below(POPULATION_MAX);
                    population[place] = input;
                }
            }
        }
        tried += 1;
    }
    println!("{name}: {tried} inputs, {} kinds of behaviour", seen.len());
    assert!(tried > 100, "{name} is too slow to be fuzzed: {tried} inputs");
}

fn run(
    name: &str,
    target: &impl Fn(&[u8], &mut Random) -> u64,
    input: &[u8],
    random: &mut Random,
) -> u64 {
    let seed = random.next();
    let tried = catch_unwind(AssertUnwindSafe(|| target(input, &mut Random(seed))));
    tried.unwrap_or_else(|_| {
        panic!(
            "{name} fails with this input, to be kept in corpus/{name}: {}",
            input.escape_ascii()
        )
    })
}

/// Bytes and words that mean something to some reader.
const PIECES: [&[u8]; 40] = [
    b"",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80\x80",
    b"\xef\xbb\xbf",
    b",",
    b";",
    b":",
    b"=",
    b"\"",
    b"'",
    b"/",
    b"%",
    b"-",
    b"[",
    b"]",
    b"{",
    b"}",
    b"&a",
    b"*a",
    b"!!",
    b"|\n",
    b"---\n",
    b"0",
    b"-1",
    b"00000000000000000000001",
    b"18446744073709551616",
    b"127.0.0.1",
    b"::1",
    b"::ffff:127.0.0.2",
    b"10.0.0.0/8",
    b"null",
    b"\xed\x95\x9c",
    b"usher_session=",
    b"\x81\xfe\xff\xff",
];

fn mutated(random: &mut Random, population: &[Vec<u8>]) -> Vec<u8> {
    let mut input = population[random.below(population.len())].clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        let at = random.below(input.len() + 1);
        let until = (at + random.below(16)).min(input.len());
        match random.below(7) {
            0 => drop(input.splice(at..until, std::iter::empty())),
            1 => drop(input.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            2 => drop(input.splice(at..until, PIECES[random.below(PIECES.len())].iter().copied())),
            3 if at < input.len() => input[at] ^= 1 << random.below(8),
            4 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap(),
            // A piece of it once more.
            5 => drop(input.splice(at..at, input[at..until].to_vec())),
            // A piece of another.
            _ => {
                let other = &population[random.below(population.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(256)).min(other.len());
                drop(input.splice(at..at, other[from..to].iter().copied()));
            }
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}
