//! `make bench`, the door: the same work for usher and for what people use instead, in turns in one
//! run; ratios with their spread go to standard output as Markdown.
//!
//! Usage: `load USHER NODE_MODULES [--quick]`, in the checkout's root, on the second core: peers
//! have the first for themselves.

mod load;
mod peers;
mod upstream;
mod wire;

use std::io;
use std::time::Duration;

use load::{Line, Work};
use peers::{NGINX, Running, USHER, USHER_WITHOUT_ACCOUNT};

/// How long and how often.
struct Pace {
    rounds: usize,
    time: Duration,
    idle: usize,
}

/// A row: what is done by how many connections, and what is looked at.
struct Row {
    what: &'static str,
    work: Work,
    connections: usize,
    figure: Figure,
}

#[derive(Clone, Copy)]
enum Figure {
    CpuPerWork,
    Median,
}

const ROWS: [Row; 7] = [
    Row {
        what: "3-byte answer, 64 connections: CPU",
        work: Work::Get("small"),
        connections: 64,
        figure: Figure::CpuPerWork,
    },
    Row {
        what: "3-byte answer, 1 connection: median time",
        work: Work::Get("small"),
        connections: 1,
        figure: Figure::Median,
    },
    Row {
        what: "100 KB answer, 16 connections: CPU",
        work: Work::Get("large"),
        connections: 16,
        figure: Figure::CpuPerWork,
    },
    Row {
        what: "a connection for each 3-byte answer, 16 at once: CPU",
        work: Work::Connect,
        connections: 16,
        figure: Figure::CpuPerWork,
    },
    Row {
        what: "upload of 1 MB, 8 connections: CPU",
        work: Work::Upload(1_000_000),
        connections: 8,
        figure: Figure::CpuPerWork,
    },
    Row {
        what: "WebSocket, 64 B there and back, 64 sockets: CPU",
        work: Work::Echo(64),
        connections: 64,
        figure: Figure::CpuPerWork,
    },
    Row {
        what: "WebSocket, 16 KiB there and back, 16 sockets: CPU",
        work: Work::Echo(16 << 10),
        connections: 16,
        figure: Figure::CpuPerWork,
    },
];

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(usher), Some(node_modules)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: load USHER NODE_MODULES [--quick]"));
    };
    let quick = arguments.next().is_some_and(|argument| argument == "--quick");
    let pace = match quick {
        true => Pace { rounds: 3, time: Duration::from_millis(700), idle: 500 },
        false => Pace { rounds: 7, time: Duration::from_secs(2), idle: 4_000 },
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(&usher, &node_modules, &pace))
}

async fn measure(usher: &str, node_modules: &str, pace: &Pace) -> io::Result<()> {
    let upstream = upstream::serve().await?;
    let mut running = Vec::new();
    for peer in &peers::ALL {
        match peer.start(usher, node_modules, upstream) {
            Ok(started) => running.push(started),
            Err(error) => eprintln!("left out: {error}"),
        }
    }
    println!("## The door, against what people use instead\n");
    println!(
        "Each on one core, the load and the app on another; {} rounds of {:?}, in turns; medians of the rounds, and in",
        pace.rounds, pace.time
    );
    println!(
        "brackets their lowest and highest. Ratios are to nginx in the same run: less is better.\n"
    );
    let names: Vec<&str> = running.iter().map(|peer| peer.name).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for row in &ROWS {
        print_row(row, &running, pace).await?;
    }
    idle(&running, pace).await?;
    account(&running, pace).await
}

async fn print_row(row: &Row, running: &[Running], pace: &Pace) -> io::Result<()> {
    let mut figures = vec![Vec::new(); running.len()];
    // The first round warms up and is not counted.
    for round in 0..=pace.rounds {
        for (peer, figures) in running.iter().zip(&mut figures) {
            let before = peer.cpu_ns();
            let done = load::run(peer.port, row.work, row.connections, pace.time).await;
            let done = done.map_err(|error| {
                io::Error::other(format!("{}: {}: {error}", peer.name, row.what))
            })?;
            let cpu_us = (peer.cpu_ns() - before) as f64 / 1e3 / done.count.max(1) as f64;
            if round > 0 {
                figures.push(match row.figure {
                    Figure::CpuPerWork => cpu_us,
                    Figure::Median => done.median_us,
                });
            }
        }
    }
    let nginx = running.iter().position(|peer| peer.name == NGINX);
    let cells: Vec<String> = figures
        .iter()
        .map(|own| {
            let ratios =
                nginx.map(|nginx| own.iter().zip(&figures[nginx]).map(|(a, b)| a / b).collect());
            format!("{:.1} µs, {}", median(own), spread(ratios))
        })
        .collect();
    println!("| {} | {} |", row.what, cells.join(" | "));
    Ok(())
}

/// Memory of a WebSocket over which nothing goes.
async fn idle(running: &[Running], pace: &Pace) -> io::Result<()> {
    let mut cells = Vec::new();
    for peer in running {
        let mut lines = Vec::new();
        // What the first ones cost once is not counted.
        for _ in 0..50 {
            let mut line = Line::open(peer.port).await?;
            line.upgrade(peer.port).await?;
            lines.push(line);
        }
        let before = peer.pss_kib();
        for _ in 0..pace.idle {
            let mut line = Line::open(peer.port).await?;
            line.upgrade(peer.port).await?;
            lines.push(line);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let each = peer.pss_kib().saturating_sub(before) as f64 / pace.idle as f64;
        cells.push(format!("{each:.1} KiB"));
    }
    println!("| memory of an idle WebSocket ({} of them) | {} |", pace.idle, cells.join(" | "));
    Ok(())
}

/// What the account costs, in requests a second.
async fn account(running: &[Running], pace: &Pace) -> io::Result<()> {
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
            let before = peer.cpu_ns();
            let done = load::run(peer.port, Work::Get("small"), 64, pace.time).await?;
            rates.push((peer.name, done.count as f64 / done.seconds, peer.cpu_ns() - before));
        }
        let rate = |name| rates.iter().find(|rate| rate.0 == name).map_or(0.0, |rate| rate.1);
        if round > 0 {
            ratios.push(rate(USHER) / rate(USHER_WITHOUT_ACCOUNT));
        }
    }
    println!(
        "\nRequests a second with accounting and access log, against without: {}.",
        spread(Some(ratios))
    );
    Ok(())
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(figures: Option<Vec<f64>>) -> String {
    let Some(figures) = figures else { return "-".to_owned() };
    let (low, high) =
        figures.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), f| (low.min(*f), high.max(*f)));
    format!("{:.2} ({low:.2}–{high:.2})", median(&figures))
}
