//! The programs that are compared: started on one core, asked what they have used, ended by number.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any of them takes to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What to start.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The file of `benches/peers` that it reads, if it reads one.
    configuration: Option<&'static str>,
    command: fn(&Places) -> Vec<String>,
}

/// Where things are.
pub(crate) struct Places {
    pub(crate) usher: String,
    pub(crate) node_modules: String,
    configuration: String,
    listen: u16,
    upstream: u16,
}

pub(crate) const NGINX: &str = "nginx";
pub(crate) const USHER: &str = "usher";
pub(crate) const USHER_WITHOUT_ACCOUNT: &str = "usher without account";

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// All of them, in the order of the table.
pub(crate) const ALL: [Peer; 6] = [
    Peer {
        name: NGINX,
        configuration: Some("nginx.conf"),
        command: |at| words(&format!("nginx -c {}", at.configuration)),
    },
    Peer {
        name: "HAProxy",
        configuration: Some("haproxy.cfg"),
        command: |at| words(&format!("haproxy -db -f {}", at.configuration)),
    },
    Peer {
        name: "bare Pingora",
        configuration: None,
        command: |at| {
            let bare = at.usher.replace("release/usher", "release/examples/bare_pingora");
            words(&format!("{bare} {} {}", at.listen, at.upstream))
        },
    },
    Peer {
        name: "configurable-http-proxy",
        configuration: None,
        command: |at| {
            let proxy =
                format!("{}/configurable-http-proxy/bin/configurable-http-proxy", at.node_modules);
            let (listen, upstream) = (at.listen, at.upstream);
            words(&format!(
                "node {proxy} --ip 127.0.0.1 --port {listen} --api-ip 127.0.0.1 --api-port 0 \
                 --log-level error --default-target http://127.0.0.1:{upstream}"
            ))
        },
    },
    Peer {
        name: USHER,
        configuration: Some("usher.yaml"),
        command: |at| words(&format!("{} serve -c {}", at.usher, at.configuration)),
    },
    Peer {
        name: USHER_WITHOUT_ACCOUNT,
        configuration: Some("usher-without-account.yaml"),
        command: |at| words(&format!("{} serve -c {}", at.usher, at.configuration)),
    },
];

/// A peer that runs.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    child: Child,
    folder: PathBuf,
}

impl Peer {
    /// Starts it on core 0, before `upstream`.
    pub(crate) fn start(
        &self,
        usher: &str,
        node_modules: &str,
        upstream: u16,
    ) -> io::Result<Running> {
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder =
            std::env::temp_dir().join(format!("usher-bench-{}-{listen}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut places = Places {
            usher: usher.to_owned(),
            node_modules: node_modules.to_owned(),
            configuration: String::new(),
            listen,
            upstream,
        };
        if let Some(name) = self.configuration {
            let text = fs::read_to_string(Path::new("benches/peers").join(name))?
                .replace("LISTEN", &listen.to_string())
                .replace("UPSTREAM", &upstream.to_string())
                .replace("DIR", &folder.display().to_string());
            let path = folder.join(name);
            fs::write(&path, text)?;
            places.configuration = path.display().to_string();
        }
        let log = fs::File::create(folder.join("output"))?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).args((self.command)(&places));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn()?;
        let running = Running { name: self.name, port: listen, child, folder };
        running.wait_until_it_listens()?;
        Ok(running)
    }
}

impl Running {
    fn wait_until_it_listens(&self) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < START_LIMIT {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
        Err(io::Error::other(format!("{} does not listen: {output}", self.name)))
    }

    /// Its processes: nginx has a worker.
    fn processes(&self) -> Vec<u32> {
        let main = self.child.id();
        let children = fs::read_to_string(format!("/proc/{main}/task/{main}/children"));
        let children = children.unwrap_or_default();
        std::iter::once(main)
            .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
            .collect()
    }

    /// CPU time that all its threads have used until now, in nanoseconds.
    pub(crate) fn cpu_ns(&self) -> u64 {
        let threads = self.processes().into_iter().flat_map(|pid| {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            tasks.map(|task| task.path().join("schedstat")).collect::<Vec<_>>()
        });
        let used =
            |path: PathBuf| fs::read_to_string(path).ok()?.split(' ').next()?.parse::<u64>().ok();
        threads.filter_map(used).sum()
    }

    /// Memory that is its own, shared pages divided, in KiB.
    pub(crate) fn pss_kib(&self) -> u64 {
        let pss = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| {
                line.strip_prefix("Pss:")?.split_whitespace().next()?.parse::<u64>().ok()
            })
        };
        self.processes().into_iter().filter_map(pss).sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in self.processes().into_iter().rev() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
