//! The programs that are compared: started on one core, asked what they have used, ended by number.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::load::Place;
use crate::tls::Encryption;

/// Longer than any of them takes to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What to start.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    doors: Doors,
    /// The file of `benches/peers` that it reads, if it reads one.
    configuration: Option<&'static str>,
    command: fn(&Places) -> Vec<String>,
}

/// Usher with a seat that is a real Streamlit; its seat listens at `upstream`.
pub(crate) const STREAMLIT: Peer = Peer {
    name: USHER,
    doors: Doors::Plain,
    configuration: Some("usher-streamlit.yaml"),
    command: serve,
};

/// Usher with as many users as [`Ground::words`] say, and their seats.
pub(crate) const SCALE: Peer = Peer {
    name: USHER,
    doors: Doors::Plain,
    configuration: Some("usher-scale.yaml"),
    command: serve,
};

/// nginx, as an operator would write it by hand.
pub(crate) const BY_HAND: Peer =
    Peer { name: NGINX, doors: Doors::Both, configuration: Some("nginx.conf"), command: nginx };

/// nginx with the files below `FILES`, which are packed in `CODING`.
pub(crate) const FILES: Peer = Peer {
    name: NGINX,
    doors: Doors::Plain,
    configuration: Some("nginx-file.conf"),
    command: nginx,
};

/// What a peer listens for.
#[derive(Clone, Copy)]
enum Doors {
    Plain,
    Encrypted,
    Both,
}

/// Where things are.
struct Places {
    usher: String,
    node_modules: String,
    configuration: String,
    folder: String,
    listen: u16,
    encrypted: u16,
    upstream: u16,
}

pub(crate) const NGINX: &str = "nginx";
pub(crate) const BARE: &str = "bare Pingora";
pub(crate) const USHER: &str = "usher";
pub(crate) const USHER_WITHOUT_ACCOUNT: &str = "usher without account";

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Usher, whatever its configuration.
fn serve(at: &Places) -> Vec<String> {
    words(&format!("{} serve -c {}", at.usher, at.configuration))
}

fn nginx(at: &Places) -> Vec<String> {
    words(&format!("nginx -c {}", at.configuration))
}

fn configurable_http_proxy(at: &Places, port: u16, more: &str) -> Vec<String> {
    let program =
        format!("{}/configurable-http-proxy/bin/configurable-http-proxy", at.node_modules);
    let upstream = at.upstream;
    words(&format!(
        "node {program} --ip 127.0.0.1 --port {port} --api-ip 127.0.0.1 --api-port 0 --log-level error \
         --default-target http://127.0.0.1:{upstream}{more}"
    ))
}

/// All of them, in the order of the table.
const ALL: [Peer; 7] = [
    BY_HAND,
    Peer {
        name: "HAProxy",
        doors: Doors::Both,
        configuration: Some("haproxy.cfg"),
        command: |at| words(&format!("haproxy -db -f {}", at.configuration)),
    },
    Peer {
        name: BARE,
        doors: Doors::Both,
        configuration: None,
        command: |at| {
            let bare = at.usher.replace("release/usher", "release/examples/bare_pingora");
            let (listen, encrypted, upstream) = (at.listen, at.encrypted, at.upstream);
            words(&format!("{bare} {listen} {upstream} {encrypted} {}", at.folder))
        },
    },
    Peer {
        name: "configurable-http-proxy",
        doors: Doors::Plain,
        configuration: None,
        command: |at| configurable_http_proxy(at, at.listen, ""),
    },
    // It has one door only.
    Peer {
        name: "configurable-http-proxy",
        doors: Doors::Encrypted,
        configuration: None,
        command: |at| {
            let pair = format!(" --ssl-cert {0}/cert.pem --ssl-key {0}/key.pem", at.folder);
            configurable_http_proxy(at, at.encrypted, &pair)
        },
    },
    Peer { name: USHER, doors: Doors::Both, configuration: Some("usher.yaml"), command: serve },
    Peer {
        name: USHER_WITHOUT_ACCOUNT,
        doors: Doors::Plain,
        configuration: Some("usher-without-account.yaml"),
        command: serve,
    },
];

/// A peer that runs.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    /// Where it listens without TLS, if it does.
    pub(crate) port: Option<u16>,
    /// And with it.
    pub(crate) tls_port: Option<u16>,
    child: Child,
    folder: PathBuf,
}

/// Starts those that are installed, before `upstream`, all with the same certificate.
pub(crate) fn start_all(
    usher: &str,
    node_modules: &str,
    upstream: u16,
) -> io::Result<Vec<Running>> {
    let ground = Ground::new(usher, node_modules, upstream)?;
    let mut running = Vec::new();
    for peer in &ALL {
        match peer.start(&ground) {
            Ok(started) => running.push(started),
            Err(error) => eprintln!("left out: {error}"),
        }
    }
    Ok(running)
}

/// What peers are started with.
pub(crate) struct Ground {
    usher: String,
    node_modules: String,
    upstream: u16,
    pair: Pair,
    /// What else is filled into a configuration.
    pub(crate) words: Vec<(&'static str, String)>,
}

impl Ground {
    pub(crate) fn new(usher: &str, node_modules: &str, upstream: u16) -> io::Result<Self> {
        Ok(Self {
            usher: usher.to_owned(),
            node_modules: node_modules.to_owned(),
            upstream,
            pair: Pair::new(usher)?,
            words: Vec::new(),
        })
    }
}

/// A certificate and its key, as usher makes them: ECDSA with P-256.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new(usher: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("usher-bench-{}-tls", std::process::id()));
        let mut command = Command::new(usher);
        command.args(["certificate", "--name", "127.0.0.1", "--directory"]).arg(&folder);
        if !command.stdout(Stdio::null()).status()?.success() {
            return Err(io::Error::other("usher makes no certificate"));
        }
        let read = |name| fs::read_to_string(folder.join(name));
        let pair = Self { certificate: read("cert.pem")?, key: read("key.pem")? };
        fs::remove_dir_all(&folder)?;
        Ok(pair)
    }

    /// HAProxy wants both in one file.
    fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("cert.pem"), &self.certificate)?;
        fs::write(folder.join("key.pem"), &self.key)?;
        fs::write(folder.join("both.pem"), format!("{}{}", self.certificate, self.key))
    }
}

/// Below those of the growing seats, and below those that the system gives to connections, or one of
/// these could take a port before its program listens.
const PORTS: Range<u16> = 10_000..20_000;

/// A port that nobody has, and nobody else gets from here.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(PORTS.start);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if !PORTS.contains(&port) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
}

impl Peer {
    /// Starts it on core 0.
    pub(crate) fn start(&self, ground: &Ground) -> io::Result<Running> {
        let (listen, encrypted) = (free_port()?, free_port()?);
        let folder =
            std::env::temp_dir().join(format!("usher-bench-{}-{listen}", std::process::id()));
        fs::create_dir_all(&folder)?;
        ground.pair.write(&folder)?;
        let mut places = Places {
            usher: ground.usher.clone(),
            node_modules: ground.node_modules.clone(),
            configuration: String::new(),
            folder: folder.display().to_string(),
            listen,
            encrypted,
            upstream: ground.upstream,
        };
        if let Some(name) = self.configuration {
            places.configuration = places.write_configuration(name, &ground.words)?;
        }
        let child = on_the_first_core(&(self.command)(&places), &folder)?;
        let port = matches!(self.doors, Doors::Plain | Doors::Both).then_some(listen);
        let tls_port = matches!(self.doors, Doors::Encrypted | Doors::Both).then_some(encrypted);
        let running = Running { name: self.name, port, tls_port, child, folder };
        running.wait_until_it_listens()?;
        Ok(running)
    }
}

impl Places {
    /// Fills in the file of this name in `benches/peers`; returns where it is.
    fn write_configuration(&self, name: &str, more: &[(&str, String)]) -> io::Result<String> {
        let mut text = fs::read_to_string(Path::new("benches/peers").join(name))?
            .replace("LISTEN", &self.listen.to_string())
            .replace("ENCRYPTED", &self.encrypted.to_string())
            .replace("UPSTREAM", &self.upstream.to_string())
            .replace("CHECKOUT", &std::env::current_dir()?.display().to_string())
            .replace("DIR", &self.folder);
        for (word, meaning) in more {
            text = text.replace(word, meaning);
        }
        let path = format!("{}/{name}", self.folder);
        fs::write(&path, text)?;
        Ok(path)
    }
}

fn on_the_first_core(command: &[String], folder: &Path) -> io::Result<Child> {
    let log = fs::File::create(folder.join("output"))?;
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", "0"]).args(command);
    taskset.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    taskset.spawn()
}

impl Running {
    /// Where work is given to it: its door with TLS if there is an encryption.
    pub(crate) fn place(&self, encryption: Option<&Encryption>) -> Place {
        let port = if encryption.is_some() { self.tls_port } else { self.port };
        Place { port: port.unwrap_or_default(), encryption: encryption.cloned(), source: None }
    }

    fn wait_until_it_listens(&self) -> io::Result<()> {
        let begun = Instant::now();
        let ports: Vec<u16> = self.port.into_iter().chain(self.tls_port).collect();
        let connects = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
        while begun.elapsed() < START_LIMIT {
            if ports.iter().all(connects) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
        Err(io::Error::other(format!("{} does not listen: {output}", self.name)))
    }

    /// Its process and what that started, however far down: nginx has a worker, usher has seats.
    fn processes(&self) -> Vec<u32> {
        let (mut found, mut left) = (Vec::new(), vec![self.child.id()]);
        while let Some(pid) = left.pop() {
            found.push(pid);
            for task in tasks(pid) {
                let children = fs::read_to_string(task.join("children")).unwrap_or_default();
                left.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        found
    }

    /// CPU time that all its threads have used until now, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        cpu_ns_of(self.processes())
    }

    /// The same without what it started.
    pub(crate) fn own_cpu_ns(&self) -> u64 {
        cpu_ns_of(vec![self.child.id()])
    }

    /// Memory that is its own, shared pages divided, in KiB.
    pub(crate) fn pss_kib(&self) -> u64 {
        self.processes().into_iter().filter_map(pss_kib_of).sum()
    }

    /// The same without what it started.
    pub(crate) fn own_pss_kib(&self) -> u64 {
        pss_kib_of(self.child.id()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn tasks(pid: u32) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.map(|task| task.path()).collect()
}

fn cpu_ns_of(processes: Vec<u32>) -> u64 {
    let used = |task: PathBuf| {
        fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
    };
    processes.into_iter().flat_map(tasks).filter_map(used).sum()
}

fn pss_kib_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}
