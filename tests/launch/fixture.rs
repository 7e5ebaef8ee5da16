//! A folder with a launcher in it. When it goes, every process that it started goes, also when the
//! test has failed.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use usher::clock::OsClock;
use usher::config::{App, Connect, LaunchMode, Program};
use usher::domain::{AppSlug, Generation, Role, SeatKey, UserName};
use usher::launch::{Launch, Launcher, Launchers, Started};

/// For anything that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    pub(crate) launchers: Launchers,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launchers = Self::launchers_in(&folder.path().join("state"));
        Self { folder, launchers }
    }

    fn launchers_in(state_dir: &Path) -> Launchers {
        Launchers::new(state_dir, Arc::new(OsClock)).unwrap()
    }

    /// What usher is after it was killed and started again.
    pub(crate) fn start_again(&mut self) {
        self.launchers = Self::launchers_in(&self.state_dir());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn executable(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.state_dir().join("seats/kim%2Fmain.json")
    }

    /// The launch of a program by the user kim.
    pub(crate) fn launch(&self, program: Program) -> Launch {
        let key =
            SeatKey { user: UserName::new("kim").unwrap(), app: AppSlug::new("main").unwrap() };
        Launch {
            key,
            generation: Generation(1),
            role: Role::Admin,
            app: Arc::new(self.app(program)),
            own_port: None,
            reserved_ports: Arc::new([]),
            own_upstream: None,
            base_path: "/app/main".to_owned(),
            log_file: self.path("logs/kim/main.log"),
            data_dir: self.path("state/data/kim/main"),
            state_dir: self.state_dir(),
            cookie_secret: "a secret of kim's".to_owned(),
            upload_max_bytes: 200 * 1024 * 1024,
            fingerprint: 42,
        }
    }

    /// The launch of a small Python program, which finds its port in PORT.
    pub(crate) fn python(&self, text: &str) -> Launch {
        let script = self.write("program.py", text);
        let argv = vec![python().display().to_string(), script.display().to_string()];
        self.launch(Program::Command { argv })
    }

    fn app(&self, program: Program) -> App {
        let port = free_port();
        App {
            slug: AppSlug::new("main").unwrap(),
            title: "Main".to_owned(),
            program,
            strip_prefix: false,
            working_directory: self.folder.path().to_owned(),
            environment: BTreeMap::new(),
            ports: (port, port + 19),
            connect: Connect::Tcp,
            start_timeout_ms: 60_000,
            idle_timeout_ms: None,
            untouched_timeout_ms: None,
            lifetime_max_ms: None,
            memory_max_bytes: None,
            cpu_max_millicores: None,
            stop_grace_ms: 3_000,
            restart_attempts_max: 5,
            restart_within_ms: 600_000,
            notices: true,
            health: None,
        }
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn ready(&self, launch: &Launch) -> Started {
        let started = self.launchers.start(launch).await.unwrap();
        let healthy = self.launchers.healthy(&launch.app, &started);
        within(healthy).await.unwrap_or_else(|failure| panic!("{failure}: {}", self.log()));
        started
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("logs/kim/main.log")).unwrap_or_default()
    }

    /// The living processes that were started from this folder.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mark = format!("USHER_SEAT={}", self.state_dir().display()).into_bytes();
        let numbers = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            entry.unwrap().file_name().to_str().and_then(|name| name.parse().ok())
        });
        numbers
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&mark))
            })
            .collect()
    }

    /// Waits until none of its processes is left.
    pub(crate) async fn nothing_left(&self) {
        until("nothing is left", || self.processes().is_empty()).await;
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left.into_iter().filter_map(rustix::process::Pid::from_raw) {
                // It may have ended by itself since.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::yield_now();
        }
    }
}

/// With a change to the app's settings.
pub(crate) fn with(launch: Launch, change: impl FnOnce(&mut App)) -> Launch {
    let mut app = (*launch.app).clone();
    change(&mut app);
    Launch { app: Arc::new(app), ..launch }
}

pub(crate) fn streamlit(script: &Path, python: &Path) -> Program {
    Program::Streamlit {
        script: script.to_owned(),
        python: python.to_owned(),
        arguments: Vec::new(),
        launch: LaunchMode::Spawn,
        preload: Vec::new(),
    }
}

/// The interpreter with Streamlit 1.67.
pub(crate) fn python() -> PathBuf {
    interpreter("USHER_TEST_PYTHON_167", ".venv")
}

/// The interpreter with Streamlit 1.39.
pub(crate) fn python_139() -> PathBuf {
    interpreter("USHER_TEST_PYTHON_139", ".venv-139")
}

fn interpreter(variable: &str, folder: &str) -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os(variable)
        .map_or_else(|| checkout.join(folder).join("bin/python"), PathBuf::from)
}

/// A port that nobody has at this moment and that the system hands to nobody: below the ports of
/// outgoing connections and of listeners that do not care. Each call begins a range of 20.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 1_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7919);
    (0..COUNT)
        .map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT * 20 + FIRST)
        .map(|port| u16::try_from(port).unwrap())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .unwrap()
}

/// Somebody else who listens.
pub(crate) fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

pub(crate) fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

pub(crate) fn tcp(started: &Started) -> SocketAddr {
    match &started.endpoint {
        usher::domain::Endpoint::Tcp(address) => *address,
        usher::domain::Endpoint::Unix(path) => panic!("{} is no port", path.display()),
    }
}

/// Fails loudly instead of hanging.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes too long")
}

/// Waits for a state of the world that sends no event.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what}: not so"));
}
