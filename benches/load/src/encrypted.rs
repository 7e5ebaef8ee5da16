//! The door with TLS: what a handshake costs, and what the bytes cost after it.

use std::io;

use crate::door::{Figure, Pace, Row, print_names, print_row};
use crate::load::Work;
use crate::peers::Running;
use crate::tls::Encryption;
use crate::upstream::LARGE_BYTES;

const ROWS: [Row; 3] = [
    Row {
        what: "a connection with a whole handshake for each 3-byte answer, 16 at once: CPU",
        work: Work::Connect,
        connections: 16,
        figure: Figure::CpuAndRate,
        must: "",
    },
    Row {
        what: "3-byte answer, 64 connections that are kept: CPU",
        work: Work::Get("small"),
        connections: 64,
        figure: Figure::CpuAndRate,
        must: "",
    },
    Row {
        what: "100 KB answer, 16 connections that are kept: CPU",
        work: Work::Get("large"),
        connections: 16,
        figure: Figure::CpuAndMegabytes(LARGE_BYTES),
        must: "",
    },
];

pub(crate) async fn measure(all: &[Running], pace: &Pace) -> io::Result<()> {
    let running: Vec<&Running> = all.iter().filter(|peer| peer.tls_port.is_some()).collect();
    println!("\n### The same, encrypted\n");
    println!(
        "TLS 1.3 with one certificate for all (ECDSA, P-256), X25519 and AES-128-GCM; HTTP/1.1; nothing is resumed. Rates\n\
         are what was reached while the client's end had one core too.\n"
    );
    print_names(&running);
    let encryption = Encryption::new()?;
    for row in &ROWS {
        print_row(row, &running, Some(&encryption), pace).await?;
    }
    Ok(())
}
