//! How usher grows: with the users of its configuration, with seats, and with WebSockets over which
//! nothing goes. What should not grow is what one small request costs.

use std::fmt::Write;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::chart::{Curve, Panel, svg};
use crate::figures::median;
use crate::load::{self, Line, Place, Work};
use crate::peers::{Ground, Running, SCALE};
use crate::upstream;

const WEBSOCKETS_MAX: usize = 10_000;
/// So many people ask for their seats at once.
const ASKING_AT_ONCE: usize = 16;
/// Of the seats' ports; below those that the system gives to connections.
const PORTS: &str = "20000-31999";

/// How long and how often, and how far.
struct Pace {
    rounds: usize,
    time: Duration,
    users: &'static [usize],
    seats: &'static [usize],
    websocket_shares: &'static [usize],
}

const WHOLE: Pace = Pace {
    rounds: 3,
    time: Duration::from_secs(1),
    users: &[10, 100, 1_000, 10_000, 100_000],
    seats: &[10, 100, 300, 1_000],
    websocket_shares: &[100, 10, 3, 1],
};
const QUICK: Pace = Pace {
    rounds: 1,
    time: Duration::from_millis(500),
    users: &[10, 1_000, 10_000],
    seats: &[10, 100],
    websocket_shares: &[100, 10],
};

/// What was found at a size.
struct Found {
    size: usize,
    cpu_us: f64,
    median_us: f64,
    memory_mib: f64,
}

/// Writes the chart to the file.
pub(crate) async fn measure(usher: &str, chart: &str, quick: bool) -> io::Result<()> {
    let pace = if quick { &QUICK } else { &WHOLE };
    let app = upstream::serve().await?;
    println!("## Growth\n");
    println!(
        "One core for usher and its seats, the other for the load. A small request is one of 3 bytes: its CPU with 64\n\
         connections, its time with one; medians of {} rounds of {:?}. Memory is usher's own.\n",
        pace.rounds, pace.time
    );
    println!("![growth](scale.svg)\n");
    let users = users(usher, app, pace).await?;
    let seats = seats(usher, pace).await?;
    let websockets = websockets(usher, app, pace).await?;
    let all = [("users", users), ("seats", seats), ("WebSockets", websockets)];
    let panel = |title, figure: fn(&Found) -> f64| Panel {
        title,
        curves: all.iter().map(|(name, found)| curve(name, found, figure)).collect(),
    };
    let panels = [
        panel("CPU of a small request, µs", |found| found.cpu_us),
        panel("memory of usher, MiB", |found| found.memory_mib),
    ];
    fs::write(chart, svg(&panels))
}

fn curve(name: &'static str, found: &[Found], figure: fn(&Found) -> f64) -> Curve {
    Curve { name, points: found.iter().map(|at| (at.size as f64, figure(at))).collect() }
}

async fn users(usher: &str, app: u16, pace: &Pace) -> io::Result<Vec<Found>> {
    println!("| users | serves after, s | memory, MiB | CPU, µs | against the first | time, µs |");
    println!("|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for &size in pace.users {
        let begun = Instant::now();
        let running = start(usher, app, &upstream_of(app), size)?;
        let took_s = begun.elapsed().as_secs_f64();
        let found = look(&running, size, pace).await?;
        println!("| {size} | {took_s:.2} | {} |", cells(&found, all.first()));
        all.push(found);
    }
    println!();
    Ok(all)
}

async fn seats(usher: &str, pace: &Pace) -> io::Result<Vec<Found>> {
    println!(
        "| seats | started within, s | memory, MiB | CPU, µs | against the first | time, µs | CPU, µs, over all seats \
         | CPU of a new connection, µs | at rest, % of a core |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let load = std::env::current_exe()?;
    let program = format!("command: [{}, app, \"{{port}}\"], ports: {PORTS}", load.display());
    let most = pace.seats.iter().copied().max().unwrap_or_default();
    let running = start(usher, 0, &program, most)?;
    let door = running.place(None);
    Line::open(&door).await?.text(door.port, "small").await?;
    let mut all: Vec<Found> = Vec::new();
    let mut ready = 0;
    for &size in pace.seats {
        let begun = Instant::now();
        open_seats(&door, ready..size).await?;
        let took_s = begun.elapsed().as_secs_f64();
        ready = size;
        let found = look(&running, size, pace).await?;
        let places: Vec<Place> = (0..size).map(|number| called_from(&door, number)).collect();
        let spread_us = cpu_us(&running, &places, pace).await?;
        let cpu_ns = || running.own_cpu_ns();
        let new = load::run(&places[..1], Work::Connect, 1, pace.time, cpu_ns).await?.cpu_us;
        let rest = at_rest(&running, pace).await * 100.0;
        let cells = cells(&found, all.first());
        println!("| {size} | {took_s:.1} | {cells} | {spread_us:.1} | {new:.0} | {rest:.1} |");
        all.push(found);
    }
    println!(
        "\nA new connection comes from a process of this machine, of which usher finds out whether it is a seat's.\n"
    );
    Ok(all)
}

async fn websockets(usher: &str, app: u16, pace: &Pace) -> io::Result<Vec<Found>> {
    println!("| WebSockets | memory, MiB | CPU, µs | against the first | time, µs |");
    println!("|---|---|---|---|---|");
    let most = WEBSOCKETS_MAX.min(descriptors()?.saturating_sub(1_000) / 2);
    let running = start(usher, app, &upstream_of(app), 0)?;
    let door = running.place(None);
    // What the first requests cost once is nobody's.
    look(&running, 0, pace).await?;
    let (mut open, mut all): (_, Vec<Found>) = (Vec::new(), Vec::new());
    for share in pace.websocket_shares {
        let size = most / share;
        while open.len() < size {
            let mut line = Line::open(&door).await?;
            line.upgrade(door.port).await?;
            open.push(line);
        }
        let found = look(&running, size, pace).await?;
        println!("| {size} | {} |", cells(&found, all.first()));
        all.push(found);
    }
    println!(
        "\nEach takes {:.1} KiB, and two descriptors, of which there are {} here.",
        each_kib(&all),
        descriptors()?
    );
    Ok(all)
}

/// The memory of one, from the first size to the last.
fn each_kib(all: &[Found]) -> f64 {
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return f64::NAN };
    (last.memory_mib - first.memory_mib) * 1024.0 / (last.size - first.size) as f64
}

fn cells(found: &Found, first: Option<&Found>) -> String {
    let ratio = first.map_or(1.0, |first| found.cpu_us / first.cpu_us);
    let Found { cpu_us, median_us, memory_mib, .. } = found;
    format!("{memory_mib:.1} | {cpu_us:.1} | **{ratio:.2}** | {median_us:.0}")
}

fn upstream_of(app: u16) -> String {
    format!("upstream: \"127.0.0.1:{app}\"")
}

/// Usher with so many users beside the one who calls from the usual address.
fn start(usher: &str, app: u16, program: &str, users: usize) -> io::Result<Running> {
    let mut ground = Ground::new(usher, "", app)?;
    let mut people = String::new();
    for number in 0..users {
        let address = address(number);
        let line =
            writeln!(people, "  - {{ name: u{number}, role: user, addresses: [{address}] }}");
        line.map_err(io::Error::other)?;
    }
    ground.words = vec![("PROGRAM", program.to_owned()), ("USERS", people)];
    SCALE.start(&ground)
}

/// Every user's own, within 127.0.0.0/8 and not the usual one.
fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x7f01_0000 + number as u32)
}

fn called_from(door: &Place, number: usize) -> Place {
    Place { source: Some(address(number)), ..door.clone() }
}

async fn look(running: &Running, size: usize, pace: &Pace) -> io::Result<Found> {
    let door = [running.place(None)];
    let cpu_us = cpu_us(running, &door, pace).await?;
    let alone = load::run(&door, Work::Get("small"), 1, pace.time, || 0).await?;
    let memory_mib = running.own_pss_kib() as f64 / 1024.0;
    Ok(Found { size, cpu_us, median_us: alone.median_us, memory_mib })
}

async fn cpu_us(running: &Running, places: &[Place], pace: &Pace) -> io::Result<f64> {
    let mut rounds = Vec::new();
    for round in 0..=pace.rounds {
        let cpu_ns = || running.own_cpu_ns();
        let done = load::run(places, Work::Get("small"), 64, pace.time, cpu_ns).await?;
        if round > 0 {
            rounds.push(done.cpu_us);
        }
    }
    Ok(median(&rounds))
}

/// The share of a core that usher takes while nobody does anything.
async fn at_rest(running: &Running, pace: &Pace) -> f64 {
    let (before, begun) = (running.own_cpu_ns(), Instant::now());
    tokio::time::sleep(pace.time * 10).await;
    (running.own_cpu_ns() - before) as f64 / 1e9 / begun.elapsed().as_secs_f64()
}

/// Each person asks, and is held until their seat is ready.
async fn open_seats(door: &Place, numbers: std::ops::Range<usize>) -> io::Result<()> {
    let mut asking = JoinSet::new();
    for number in numbers {
        if asking.len() == ASKING_AT_ONCE
            && let Some(answered) = asking.join_next().await
        {
            answered.map_err(io::Error::other)??;
        }
        let place = called_from(door, number);
        asking.spawn(async move { Line::open(&place).await?.text(place.port, "small").await });
    }
    while let Some(answered) = asking.join_next().await {
        answered.map_err(io::Error::other)??;
    }
    Ok(())
}

/// How many files a process may have open.
fn descriptors() -> io::Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.ok_or_else(|| io::Error::other("no limit of open files"))
}
