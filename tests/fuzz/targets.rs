//! What is fuzzed, and what has to be true whatever the input. Each target says how it behaved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use usher::config::Snapshot;
use usher::network::{Intervals, Network, NetworkSet};
use usher::request::{Client, Connection, Door, Head, Scheme, Target, path_is_sound};
use usher::trust::cookie::{self, Kind};

use crate::engine::{Random, behaviour};
use crate::frames::{FrameScanner, Passed};

/// A file is taken or refused with problems that have a place in it and are one line each.
pub(crate) fn configuration(input: &[u8], _: &mut Random) -> u64 {
    let text = String::from_utf8_lossy(input);
    // To YAML a CR ends a line, too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    match Snapshot::parse(Path::new("/nowhere/usher.yaml"), &text) {
        Ok(snapshot) => behaviour((snapshot.apps.len(), snapshot.directory.people().len())),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in &problems {
                assert!(problem.line >= 1 && problem.line <= lines + 1, "{problem}: no such line");
                assert!(problem.column >= 1, "{problem}: no such column");
                assert_eq!(problem.to_string().lines().count(), 1, "{problem}");
                assert!(!problem.sentence.is_empty(), "{problem}");
            }
            let kinds: std::collections::BTreeSet<_> =
                problems.iter().map(|problem| letters(&problem.path, &problem.sentence)).collect();
            behaviour(kinds)
        }
    }
}

/// What was said, without the numbers and names that make every input new.
fn letters(path: &str, sentence: &str) -> String {
    let sentence: String = sentence.split('`').step_by(2).collect();
    format!("{path} {sentence}").chars().filter(char::is_ascii_alphabetic).take(80).collect()
}

/// The table finds what a look at every network finds.
pub(crate) fn address_table(input: &[u8], random: &mut Random) -> u64 {
    let text = String::from_utf8_lossy(input);
    let mut networks: Vec<Network> = Vec::new();
    for word in text.split_whitespace().take(200) {
        if let Ok(network) = word.parse::<Network>()
            && !networks.contains(&network)
        {
            assert_eq!(network.to_string().parse::<Network>().ok(), Some(network), "{word}");
            networks.push(network);
        }
    }
    let numbered = networks.iter().zip(0..).map(|(network, number)| (*network, number));
    let table = Intervals::new(numbered);
    let mut found = 0;
    for address in asked(&networks, random) {
        let holding = networks.iter().enumerate().filter(|(_, network)| network.contains(address));
        let longest = holding.max_by_key(|(_, network)| network.prefix_bits());
        let expected = longest.map(|(number, _)| u32::try_from(number).unwrap());
        assert_eq!(table.find(address), expected, "{address} in {networks:?}");
        found += usize::from(expected.is_some());
    }
    behaviour((networks.len(), found / 4))
}

/// Addresses at the edges of the networks, beside them and anywhere.
fn asked(networks: &[Network], random: &mut Random) -> Vec<IpAddr> {
    let mut asked = Vec::new();
    for network in networks {
        match network.address() {
            IpAddr::V4(first) => {
                let size = 1_u64 << (32 - network.prefix_bits());
                for number in [u64::from(u32::from(first)), u64::from(u32::from(first)) + size] {
                    let beside = [number.saturating_sub(1), number];
                    let real = beside.into_iter().filter_map(|n| u32::try_from(n).ok());
                    asked.extend(real.map(|n| IpAddr::V4(Ipv4Addr::from(n))));
                }
            }
            IpAddr::V6(first) => {
                let first = u128::from(first);
                let size = 1_u128.checked_shl(u32::from(128 - network.prefix_bits()));
                let end = first.saturating_add(size.unwrap_or(u128::MAX));
                for number in [first.saturating_sub(1), first, end - 1, end] {
                    asked.push(IpAddr::V6(Ipv6Addr::from(number)).to_canonical());
                }
            }
        }
    }
    for _ in 0..8 {
        let number = u32::try_from(random.below(1 << 32)).unwrap();
        asked.push(IpAddr::V4(Ipv4Addr::from(number)));
    }
    asked
}

/// Who is not trusted is who they are; who is, is read from the right; nothing else can come out.
pub(crate) fn forwarded(input: &[u8], _: &mut Random) -> u64 {
    let trusted = NetworkSet::new(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
    let mut lines = input.split(|byte| *byte == b'\n');
    let path = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut parts = head_of(&path);
    const NAMES: [&str; 5] = [
        "x-forwarded-for",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "forwarded",
    ];
    let mut values: Vec<Vec<u8>> = Vec::new();
    for (line, name) in lines.zip(NAMES.into_iter().cycle()).take(20) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            parts.headers.append(HeaderName::from_static(name), value);
            values.push(line.to_vec());
        }
    }
    let mut behaved = Vec::new();
    for peer in ["10.1.2.3", "127.0.0.2", "::1"] {
        let peer: IpAddr = peer.parse().unwrap();
        let connection = Connection {
            peer: SocketAddr::new(peer, 40_000),
            local: None,
            tls: false,
            door: Door::Main,
            from_seat: false,
        };
        let head = Head { parts: &parts, connection: &connection };
        let client = Client::of(&head, &trusted);
        if let Ok(client) = &client {
            if !trusted.contains(peer) {
                assert_eq!((client.address, client.scheme), (peer, Scheme::Http));
                assert_eq!(client.host, "door.example:8000");
            } else if client.address != peer {
                let told = values.iter().any(|line| {
                    let words = line.split(|byte| *byte == b',');
                    words.into_iter().any(|word| names(word, client.address))
                });
                assert!(told, "{} came from nowhere", client.address);
            }
            let _ = (client.is_origin("http://door.example:8000"), head.is_cross_site(client));
        }
        behaved.push(
            client.map(|client| (client.scheme.as_str(), client.unproven, client.address == peer)),
        );
    }
    let sound = path_is_sound(&path);
    if sound {
        assert!(!path.contains('\\') && !path.contains("/../"), "{path}");
        assert!(!path.to_ascii_lowercase().contains("/%2e%2e/"), "{path}");
    }
    let target = format!("{:?}", Target::of(&path, "/admin"));
    let kind: String = target.chars().take_while(char::is_ascii_alphanumeric).collect();
    behaviour((format!("{behaved:?}"), sound, kind))
}

/// Whether a word of a header, however it is written, names an address.
fn names(word: &[u8], address: IpAddr) -> bool {
    let text = String::from_utf8_lossy(word);
    let text = text.trim_matches([' ', '\t', '"']);
    let bare = text.parse::<IpAddr>().ok();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let inner = bracketed.and_then(|(inner, _)| inner.parse().ok());
    let with_port = text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    [bare, inner, with_port].into_iter().flatten().any(|named| named.to_canonical() == address)
}

fn head_of(path: &str) -> Parts {
    let request = Request::builder().header(HOST, "door.example:8000").uri("/");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    // The door refuses every other form.
    if path.starts_with('/')
        && let Ok(uri) = path.parse()
    {
        parts.uri = uri;
    }
    parts
}

/// However the bytes are cut, the scanner sees the same frames.
pub(crate) fn frames(input: &[u8], random: &mut Random) -> u64 {
    let mut by_byte = Seen::default();
    let mut scanner = FrameScanner::default();
    for (at, byte) in input.iter().enumerate() {
        by_byte.add(at, scanner.pass(std::slice::from_ref(byte)));
    }
    let mut in_pieces = Seen::default();
    let mut other = FrameScanner::default();
    let mut at = 0;
    while at < input.len() {
        let end = (at + 1 + random.below(40)).min(input.len());
        in_pieces.add(at, other.pass(&input[at..end]));
        at = end;
    }
    assert_eq!(scanner.is_lost(), other.is_lost());
    let flags = |seen: &Seen| (seen.data, seen.close, seen.boundary);
    assert_eq!(flags(&by_byte), flags(&in_pieces));
    // A piece tells one code, so there may be fewer of them, and never another.
    assert!(in_pieces.codes.iter().all(|code| by_byte.codes.contains(code)), "{in_pieces:?}");
    behaviour((flags(&by_byte), by_byte.codes.len(), scanner.is_lost()))
}

/// What a scanner has told, with places in the whole input.
#[derive(Debug, Default)]
struct Seen {
    data: bool,
    close: bool,
    boundary: Option<usize>,
    codes: Vec<(usize, u16)>,
}

impl Seen {
    fn add(&mut self, at: usize, passed: Passed) {
        self.data |= passed.data;
        self.close |= passed.close;
        self.boundary = passed.boundary.map(|end| at + end).or(self.boundary);
        self.codes.extend(passed.close_code.map(|(index, code)| (at + index, code)));
    }
}

/// A cookie's value is a piece of what was sent, and what a plain reading finds.
pub(crate) fn cookie(input: &[u8], _: &mut Random) -> u64 {
    let mut headers = HeaderMap::new();
    let mut lines = Vec::new();
    for line in input.split(|byte| *byte == b'\n').take(30) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            lines.push(line.to_vec());
            headers.append(COOKIE, value);
        }
    }
    let mut counts = Vec::new();
    for kind in [Kind::Session, Kind::Device, Kind::Journey] {
        for scheme in [Scheme::Http, Scheme::Https] {
            let found: Vec<&str> = cookie::values(&headers, kind, scheme).collect();
            let name = format!("{}=", kind.name(scheme));
            let text: Vec<&str> = lines
                .iter()
                .filter(|line| line.is_ascii())
                .filter_map(|l| str::from_utf8(l).ok())
                .collect();
            let pairs = text.iter().flat_map(|line| line.split(';')).map(|pair| pair.trim());
            let plain: Vec<&str> =
                pairs.filter_map(|pair| pair.strip_prefix(&name)).take(found.len()).collect();
            assert_eq!(found, plain);
            assert!(found.iter().all(|value| !value.contains(';')));
            counts.push((found.len(), found.first().map(|value| value.len().min(80) / 8)));
        }
    }
    behaviour(counts)
}
