//! A million networks: building the table, its memory, a look into it, and a whole file of them.

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use usher::config::Snapshot;
use usher::network::{Intervals, Network};

use crate::count;
use crate::timing::{Pace, nanoseconds, seconds, spread};

const NETWORKS: usize = 1_000_000;
const USERS: usize = 10_000;
const ASKED: usize = 1 << 17;

pub(crate) fn measure(quick: bool) {
    let networks = networks();
    let rounds = if quick { 3 } else { 9 };
    let build = || Intervals::new(networks.iter().copied());
    let took = (0..rounds).map(|_| seconds(|| drop(black_box(build()))) * 1e3).collect();
    let (table, held, most) = count::bytes(build);
    println!("| table of 1,000,000 networks, made: ms | {} | 1,000 |", spread(took));
    println!("| its memory; the most while it is made: MiB | {}; {} | |", held >> 20, most >> 20);
    let asked = addresses(&networks);
    let pace = Pace { rounds: rounds * 3, each: ASKED };
    let ns = nanoseconds(&pace, |number| {
        black_box(table.find(black_box(asked[number])));
    });
    println!("| a look into it, addresses at random: ns | {} | 100 |", spread(ns));
    drop(table);
    whole_file(&networks);
}

/// What a reload does with a file that has them all.
fn whole_file(networks: &[(Network, u32)]) {
    let text = file(networks);
    let mut took_s = 0.0;
    let read = || Snapshot::parse(Path::new("/nowhere/usher.yaml"), &text);
    let (snapshot, held, most) = count::bytes(|| {
        let mut snapshot = None;
        took_s = seconds(|| snapshot = Some(read()));
        snapshot
    });
    let people = snapshot.expect("it was read").map(|snapshot| snapshot.directory.people().len());
    assert_eq!(people.expect("a good file"), USERS);
    println!(
        "| a file of {} MiB with them and 10,000 users, read and checked: s; its memory, the most on the way: MiB \
         | {took_s:.2}; {}, {} | |",
        text.len() >> 20,
        held >> 20,
        most >> 20
    );
}

fn file(networks: &[(Network, u32)]) -> String {
    let mut text = "apps:\n  main: { upstream: \"127.0.0.1:9\" }\nusers:\n".to_owned();
    for (user, own) in networks.chunks(NETWORKS / USERS).enumerate() {
        let own: Vec<String> = own.iter().map(|(network, _)| network.to_string()).collect();
        let addresses = own.join(", ");
        let line = writeln!(text, "  - {{ name: u{user}, role: user, addresses: [{addresses}] }}");
        line.expect("a string takes everything");
    }
    text
}

/// Networks of 1,024 addresses down to one, spread over all of IPv4, some within others.
fn networks() -> Vec<(Network, u32)> {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let mut known = std::collections::HashSet::with_capacity(NETWORKS);
    while known.len() < NETWORKS {
        let random = next(&mut state);
        let bits = 22 + (random >> 32) as u8 % 11;
        let base = random as u32 & !(((1u64 << (32 - bits)) - 1) as u32);
        known.insert(Network::new(Ipv4Addr::from(base).into(), bits).expect("no host bits"));
    }
    // A set gives them in no order, as a file may.
    known.into_iter().zip(0..).collect()
}

/// Every second one lies in a network.
fn addresses(networks: &[(Network, u32)]) -> Vec<IpAddr> {
    let mut state = 1;
    let mut address = |number: usize| {
        let random = next(&mut state);
        match number % 2 {
            0 => networks[random as usize % networks.len()].0.address(),
            _ => Ipv4Addr::from(random as u32).into(),
        }
    };
    (0..ASKED).map(&mut address).collect()
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
