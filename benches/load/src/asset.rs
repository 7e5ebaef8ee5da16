//! Streamlit's largest file that every page needs: from usher, which keeps it packed, from nginx
//! before the same Streamlit, and from nginx that has what usher sends as a file.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::figures::{median, ratios, spread};
use crate::load::{self, Line, PREFIX, Place, Work};
use crate::peers::{self, Ground};

const CONNECTIONS: usize = 16;
/// Usher packs a file well while nobody waits for it; longer than that takes.
const PACKED_WITHIN: Duration = Duration::from_secs(90);
/// A size that has not changed for so long is the last one.
const SETTLED_AFTER: Duration = Duration::from_secs(8);

pub(crate) async fn measure(usher: &str, quick: bool) -> io::Result<()> {
    let (rounds, time) =
        if quick { (2, Duration::from_secs(1)) } else { (5, Duration::from_secs(2)) };
    let mut ground = Ground::new(usher, "", peers::free_port()?)?;
    let (usher, nginx) = (peers::STREAMLIT.start(&ground)?, peers::BY_HAND.start(&ground)?);
    let (door, by_hand) = ([usher.place(None)], [nginx.place(None)]);
    // Held until the seat is ready.
    Line::open(&door[0]).await?.text(door[0].port, "_stcore/health").await?;
    let name = main_script(&door[0]).await?;
    let plain_bytes = Line::open(&by_hand[0]).await?.weigh(by_hand[0].port, &name).await?;
    until_packed(&door[0], &name).await?;
    let (packed, coding) = Line::open(&door[0]).await?.packed(door[0].port, &name).await?;
    let files = Files::new(&name, &packed)?;
    ground.words = vec![("FILES", files.root.display().to_string()), ("CODING", coding)];
    let file_server = peers::FILES.start(&ground)?;
    let as_file = [file_server.place(None)];
    let work = Work::Browse(name.clone());
    let (mut theirs, mut filed, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    let (mut file_us, mut cpu_us) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let slow = load::run(&by_hand, work.clone(), CONNECTIONS, time, || 0).await?;
        let cpu_ns = || file_server.cpu_ns();
        let file = load::run(&as_file, work.clone(), CONNECTIONS, time, cpu_ns).await?;
        let cpu_ns = || usher.own_cpu_ns();
        let fast = load::run(&door, work.clone(), CONNECTIONS, time, cpu_ns).await?;
        if round > 0 {
            theirs.push(slow.rate);
            filed.push(file.rate);
            ours.push(fast.rate);
            file_us.push(file.cpu_us);
            cpu_us.push(fast.cpu_us);
        }
    }
    println!("## A cached asset, against nginx before the same Streamlit\n");
    println!(
        "`{name}` as a browser asks for it, {CONNECTIONS} connections, {rounds} rounds of {time:?} in turns. Door and Streamlit have\n\
         one core, the load has the other; nginx keeps no cache. More is better.\n"
    );
    println!("| | nginx | usher | ratio | must reach |\n|---|---|---|---|---|");
    println!(
        "| answers a second, nginx before Streamlit | {:.0} | {:.0} ({:.1} µs of CPU each) | **{}** | 20, better 100 |",
        median(&theirs),
        median(&ours),
        median(&cpu_us),
        spread(&ratios(&ours, &theirs))
    );
    println!(
        "| the same, nginx with the packed file on disk | {:.0} ({:.1} µs of CPU each) | {:.0} | **{}** | 0.7 |",
        median(&filed),
        median(&file_us),
        median(&ours),
        spread(&ratios(&ours, &filed))
    );
    let packed_bytes = packed.len();
    let ratio = packed_bytes as f64 / plain_bytes as f64;
    println!(
        "| bytes of the answer, nginx before Streamlit | {plain_bytes} | {packed_bytes} | {ratio:.2} | |"
    );
    Ok(())
}

/// A folder with one file, at the path that is asked for.
struct Files {
    root: PathBuf,
}

impl Files {
    fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let root = std::env::temp_dir().join(format!("usher-bench-{}-files", std::process::id()));
        let path = root.join(PREFIX.trim_start_matches('/')).join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&root))?;
        std::fs::write(&path, content)?;
        Ok(Self { root })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The script that the app's page loads.
async fn main_script(door: &Place) -> io::Result<String> {
    let page = Line::open(door).await?.text(door.port, "").await?;
    let mut sources = page.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let script = sources.find_map(|source| {
        let at = source.find("static/js/index.")?;
        source.ends_with(".js").then(|| source[at..].to_owned())
    });
    script.ok_or_else(|| io::Error::other(format!("a page without Streamlit's script: {page}")))
}

/// Returns once usher has packed it as well as it can.
async fn until_packed(door: &Place, name: &str) -> io::Result<()> {
    let mut line = Line::open(door).await?;
    let begun = Instant::now();
    let mut bytes = line.weigh(door.port, name).await?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED_AFTER && begun.elapsed() < PACKED_WITHIN {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = line.weigh(door.port, name).await?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(())
}
