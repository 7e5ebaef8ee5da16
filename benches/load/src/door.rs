//! The door: the same work for usher and for what people use instead, in turns in one run.

use std::io;
use std::time::Duration;

use crate::encrypted;
use crate::figures::{median, ratios, spread};
use crate::load::{self, Line, Work};
use crate::peers::{self, BARE, NGINX, Running, USHER, USHER_WITHOUT_ACCOUNT};
use crate::tls::Encryption;
use crate::upstream;

/// How long and how often.
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    idle: usize,
}

/// A row: what is done by how many connections, and what is looked at.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) work: Work,
    pub(crate) connections: usize,
    pub(crate) figure: Figure,
    /// What usher's ratios must reach, where that is settled.
    pub(crate) must: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Figure {
    CpuPerWork,
    /// The CPU of each, and how many there were in a second.
    CpuAndRate,
    /// The CPU of each, and the megabytes in a second when each is so many bytes.
    CpuAndMegabytes(usize),
    Median,
}

/// What a row shows of one peer, round by round.
#[derive(Clone, Default)]
struct Rounds {
    figures: Vec<f64>,
    rates: Vec<f64>,
}

const ROWS: [Row; 7] = [
    Row {
        what: "3-byte answer, 64 connections: CPU",
        work: Work::Get("small"),
        connections: 64,
        figure: Figure::CpuPerWork,
        must: "1.6, better 1.0; 1.12 of bare",
    },
    Row {
        what: "3-byte answer, 1 connection: median time",
        work: Work::Get("small"),
        connections: 1,
        figure: Figure::Median,
        must: "",
    },
    Row {
        what: "100 KB answer, 16 connections: CPU",
        work: Work::Get("large"),
        connections: 16,
        figure: Figure::CpuPerWork,
        must: "0.65, better 0.5",
    },
    Row {
        what: "a connection for each 3-byte answer, 16 at once: CPU",
        work: Work::Connect,
        connections: 16,
        figure: Figure::CpuPerWork,
        must: "",
    },
    Row {
        what: "upload of 1 MB, 8 connections: CPU",
        work: Work::Upload(1_000_000),
        connections: 8,
        figure: Figure::CpuPerWork,
        must: "",
    },
    Row {
        what: "WebSocket, 64 B there and back, 64 sockets: CPU",
        work: Work::Echo(64),
        connections: 64,
        figure: Figure::CpuPerWork,
        must: "1.2, better 0.9",
    },
    Row {
        what: "WebSocket, 16 KiB there and back, 16 sockets: CPU",
        work: Work::Echo(16 << 10),
        connections: 16,
        figure: Figure::CpuPerWork,
        must: "0.8, better 0.5",
    },
];

pub(crate) async fn measure(usher: &str, node_modules: &str, quick: bool) -> io::Result<()> {
    let pace = &match quick {
        true => Pace { rounds: 2, time: Duration::from_millis(400), idle: 500 },
        false => Pace { rounds: 5, time: Duration::from_millis(1_200), idle: 4_000 },
    };
    let upstream = upstream::serve().await?;
    let all = peers::start_all(usher, node_modules, upstream)?;
    let running: Vec<&Running> = all.iter().filter(|peer| peer.port.is_some()).collect();
    println!("## The door, against what people use instead\n");
    println!(
        "Each on one core, the load and the app on another; {} rounds of {:?}, in turns; medians of the rounds, and in",
        pace.rounds, pace.time
    );
    println!(
        "brackets their lowest and highest. Ratios are to nginx in the same run, usher's to bare Pingora too: less is better.\n"
    );
    print_names(&running);
    for row in &ROWS {
        print_row(row, &running, None, pace).await?;
    }
    idle(&running, pace).await?;
    account(&running, pace).await?;
    encrypted::measure(&all, pace).await
}

pub(crate) fn print_names(running: &[&Running]) {
    let names: Vec<&str> = running.iter().map(|peer| peer.name).collect();
    println!("| | {} | must reach |\n|---|{}---|", names.join(" | "), "---|".repeat(names.len()));
}

pub(crate) async fn print_row(
    row: &Row,
    running: &[&Running],
    encryption: Option<&Encryption>,
    pace: &Pace,
) -> io::Result<()> {
    let mut all = vec![Rounds::default(); running.len()];
    // The first round warms up and is not counted.
    for round in 0..=pace.rounds {
        for (peer, rounds) in running.iter().zip(&mut all) {
            let place = [peer.place(encryption)];
            let (work, cpu_ns) = (row.work.clone(), || peer.cpu_ns());
            let done = load::run(&place, work, row.connections, pace.time, cpu_ns).await;
            let done = done.map_err(|error| {
                io::Error::other(format!("{}: {}: {error}", peer.name, row.what))
            })?;
            if round > 0 {
                rounds.figures.push(match row.figure {
                    Figure::CpuPerWork | Figure::CpuAndRate | Figure::CpuAndMegabytes(_) => {
                        done.cpu_us
                    }
                    Figure::Median => done.median_us,
                });
                rounds.rates.push(done.rate);
            }
        }
    }
    let of = |name| running.iter().position(|peer| peer.name == name).map(|place| &all[place]);
    let cells: Vec<String> = running
        .iter()
        .zip(&all)
        .map(|(peer, own)| {
            let bare = of(BARE).filter(|_| peer.name == USHER);
            cell(row.figure, own, of(NGINX), bare)
        })
        .collect();
    println!("| {} | {} | {} |", row.what, cells.join(" | "), row.must);
    Ok(())
}

/// The median with its ratios to nginx, and to bare Pingora where that is given.
fn cell(figure: Figure, own: &Rounds, nginx: Option<&Rounds>, bare: Option<&Rounds>) -> String {
    let against = |other: &Rounds| spread(&ratios(&own.figures, &other.figures));
    let to_nginx = nginx.map_or_else(|| "-".to_owned(), against);
    let to_bare = bare.map(|bare| format!("; {} of bare", against(bare))).unwrap_or_default();
    let rate = median(&own.rates);
    let rate = match figure {
        Figure::CpuPerWork | Figure::Median => String::new(),
        Figure::CpuAndRate => format!("; {rate:.0}/s"),
        Figure::CpuAndMegabytes(bytes) => format!("; {:.0} MB/s", rate * bytes as f64 / 1e6),
    };
    format!("{:.1} µs, {to_nginx}{to_bare}{rate}", median(&own.figures))
}

/// Memory of a WebSocket over which nothing goes.
async fn idle(running: &[&Running], pace: &Pace) -> io::Result<()> {
    let mut cells = Vec::new();
    for peer in running {
        let place = peer.place(None);
        let mut lines = Vec::new();
        // What the first ones cost once is not counted.
        for _ in 0..50 {
            let mut line = Line::open(&place).await?;
            line.upgrade(place.port).await?;
            lines.push(line);
        }
        let before = peer.pss_kib();
        for _ in 0..pace.idle {
            let mut line = Line::open(&place).await?;
            line.upgrade(place.port).await?;
            lines.push(line);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let each = peer.pss_kib().saturating_sub(before) as f64 / pace.idle as f64;
        cells.push(format!("{each:.1} KiB"));
    }
    println!(
        "| memory of an idle WebSocket ({} of them) | {} | 16 KiB, better 5 |",
        pace.idle,
        cells.join(" | ")
    );
    Ok(())
}

/// What the account costs, in requests a second.
async fn account(running: &[&Running], pace: &Pace) -> io::Result<()> {
    let find = |name: &str| running.iter().find(|peer| peer.name == name);
    let (Some(with), Some(without)) = (find(USHER), find(USHER_WITHOUT_ACCOUNT)) else {
        return Ok(());
    };
    let mut ratios = Vec::new();
    for round in 0..=pace.rounds * 2 {
        let mut rates = Vec::new();
        // Who is first changes, so that what drifts hits both.
        let turn = if round % 2 == 0 { [with, without] } else { [without, with] };
        for peer in turn {
            let place = [peer.place(None)];
            let done = load::run(&place, Work::Get("small"), 64, pace.time, || 0).await?;
            rates.push((peer.name, done.rate));
        }
        let rate = |name| rates.iter().find(|rate| rate.0 == name).map_or(0.0, |rate| rate.1);
        if round > 0 {
            ratios.push(rate(USHER) / rate(USHER_WITHOUT_ACCOUNT));
        }
    }
    println!(
        "\nRequests a second with accounting and access log, against without: {}.",
        spread(&ratios)
    );
    Ok(())
}
