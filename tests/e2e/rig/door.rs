//! A running usher with its own folder, configuration and ports. Nothing of it is left when it is
//! dropped.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::ports::Ports;
use super::processes::{self, Process};
use super::{Caller, configuration, until};

/// What the tail of a log is worth when a test fails.
const LOG_TAIL_LINES: usize = 60;

/// A server under test.
pub(crate) struct Door {
    folder: TempDir,
    ports: Ports,
    usher: Option<Child>,
    address: SocketAddr,
}

/// One launch that `plain.py` recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) app: String,
    pub(crate) user: String,
    pub(crate) pid: u32,
}

/// A command that ran to its end.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Door {
    /// Writes the configuration (see [`Door::fill`]), starts usher and waits until it is ready.
    pub(crate) async fn open(configuration: &str) -> Self {
        let mut door = Self::closed(configuration);
        door.start().await;
        door
    }

    /// Writes the configuration and starts nothing.
    pub(crate) fn closed(configuration: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("usher-door-").tempdir().expect("a folder");
        let ports = Ports::take();
        let address = SocketAddr::from(([127, 0, 0, 1], ports.spare(0)));
        let door = Self { folder, ports, usher: None, address };
        door.write(configuration);
        door
    }

    /// Starts usher and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        self.start_unready();
        let caller = self.minsu();
        until("usher to be ready", async || {
            self.assert_running();
            let ready = caller.request(reqwest::Method::GET, "/_usher/ready");
            caller.try_send(ready).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
    }

    /// Starts usher and waits for nothing.
    pub(crate) fn start_unready(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log_path());
        let mut command = self.command(&["serve"]);
        command.stderr(log.expect("a log")).stdout(Stdio::null());
        self.usher = Some(command.spawn().expect("usher starts"));
    }

    /// Replaces the configuration in one step, as a careful editor does.
    pub(crate) fn write(&self, configuration: &str) {
        let new = self.path("usher.yaml.new");
        fs::write(&new, self.fill(configuration)).expect("the configuration is written");
        fs::rename(new, self.configuration_path()).expect("the configuration is replaced");
    }

    /// Completes a configuration for this door: see [`configuration::fill`].
    pub(crate) fn fill(&self, text: &str) -> String {
        configuration::fill(text, &self.ports, self.folder.path())
    }

    /// Calls from this address.
    pub(crate) fn caller(&self, address: &str) -> Caller {
        Caller::new(address.parse::<IpAddr>().expect("an address"), self.address)
    }

    /// The administrator, at 127.0.0.1.
    pub(crate) fn minsu(&self) -> Caller {
        self.caller("127.0.0.1")
    }

    /// A user, at 127.0.0.2.
    pub(crate) fn jiyoung(&self) -> Caller {
        self.caller("127.0.0.2")
    }

    /// Another user, at 127.0.0.3.
    pub(crate) fn hana(&self) -> Caller {
        self.caller("127.0.0.3")
    }

    /// Somebody whom the configuration does not name, at 127.0.0.99.
    pub(crate) fn stranger(&self) -> Caller {
        self.caller("127.0.0.99")
    }

    /// Where the door listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A spare port of this door's block.
    pub(crate) fn spare_port(&self, number: u16) -> u16 {
        self.ports.spare(number)
    }

    /// The first and last port that seats may have.
    pub(crate) fn seat_ports(&self) -> (u16, u16) {
        self.ports.seats()
    }

    /// A path in this door's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub(crate) fn configuration_path(&self) -> PathBuf {
        self.path("usher.yaml")
    }

    /// What usher has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The lines of usher's log that have all these words.
    pub(crate) fn log_lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.log();
        let matching = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        matching.map(str::to_string).collect()
    }

    /// Everything that the seats have written.
    pub(crate) fn app_logs(&self) -> String {
        let logs = files_below(&self.path("var/log/apps"));
        logs.iter().filter_map(|log| fs::read_to_string(log).ok()).collect()
    }

    /// The launches of plain apps, in their order.
    pub(crate) fn launches(&self) -> Vec<Launch> {
        let record = fs::read_to_string(self.path("launches")).unwrap_or_default();
        let launch = |line: &str| {
            let mut words = line.split(' ');
            let mut word = || words.next().expect("a word").to_string();
            Launch { app: word(), user: word(), pid: word().parse().expect("a process id") }
        };
        record.lines().map(launch).collect()
    }

    /// The process id of the usher that was started last.
    pub(crate) fn pid(&self) -> u32 {
        self.usher.as_ref().expect("usher was started").id()
    }

    /// The process id of the usher that serves, after an upgrade too.
    pub(crate) fn serving_pid(&self) -> u32 {
        let text = fs::read_to_string(self.path("var/usher.pid")).expect("STATE_DIR/usher.pid");
        text.trim().parse().expect("a process id")
    }

    /// Sends usher a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Waits until usher has exited.
    pub(crate) async fn exited(&mut self) -> ExitStatus {
        let usher = self.usher.as_mut().expect("usher was started");
        until("usher to exit", async || usher.try_wait().expect("usher's exit")).await
    }

    /// Kills usher as the kernel would when memory runs out.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.exited().await;
    }

    /// Every living process that belongs to this door, usher included.
    pub(crate) fn processes(&self) -> Vec<Process> {
        processes::naming(self.folder.path())
    }

    /// Runs an usher command on this door's configuration to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "").await
    }

    /// Runs an usher command that reads this from its standard input.
    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = tokio::process::Command::from(self.command(arguments));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("the command starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        let _ = pipe.write_all(input.as_bytes()).await;
        drop(pipe);
        let output = super::soon("the command to end", child.wait_with_output()).await;
        Ran::of(output.expect("the command's output"))
    }

    /// `usher status --json`.
    pub(crate) async fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]).await.expect(0);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// A seat in the status.
    pub(crate) async fn seat(&self, user: &str, app: &str) -> Option<Value> {
        let status = self.status().await;
        let seats = status["seats"].as_array().expect("seats").clone();
        let mut matching =
            seats.into_iter().filter(|seat| seat["user"] == user && seat["app"] == app);
        let seat = matching.next();
        assert!(matching.next().is_none(), "two entries for {user} at {app}");
        seat
    }

    /// Waits until a seat is in this state.
    pub(crate) async fn seat_in_state(&self, user: &str, app: &str, state: &str) -> Value {
        until(&format!("the seat of {user} at {app} to be {state}"), async || {
            self.seat(user, app).await.filter(|seat| seat["state"] == state)
        })
        .await
    }

    /// Waits until a user has no seat at an app.
    pub(crate) async fn seat_gone(&self, user: &str, app: &str) {
        until(&format!("the seat of {user} at {app} to be gone"), async || {
            let seat = self.seat(user, app).await;
            seat.is_none_or(|seat| seat["state"] == "absent").then_some(())
        })
        .await;
    }

    /// An usher command line for this door, in an environment in which nothing of the caller's is.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.args(arguments);
        if !arguments.contains(&"--help") {
            command.arg("-c").arg(self.configuration_path());
        }
        command.env_clear().env("PATH", std::env::var("PATH").unwrap_or_default());
        command.env("HOME", std::env::var("HOME").unwrap_or_default()).env("RUST_BACKTRACE", "1");
        command.env("TZ", "Asia/Seoul").current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn assert_running(&mut self) {
        let exited = self.usher.as_mut().and_then(|usher| usher.try_wait().expect("usher's state"));
        assert!(exited.is_none(), "usher left with {exited:?}:\n{}", self.log());
    }

    fn log_path(&self) -> PathBuf {
        self.path("usher.log")
    }

    /// What a person who looks into a failed test needs.
    fn report(&self) {
        eprintln!("--- usher's log, from its end");
        print_tail(&self.log_path());
        for log in files_below(&self.path("var/log/apps")) {
            eprintln!("--- {}", log.display());
            print_tail(&log);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.report();
        }
        if let Some(usher) = &mut self.usher {
            let _ = usher.kill();
            let _ = usher.wait();
        }
        processes::end_all(self.folder.path());
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Passes only a command that left with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// Every file in a folder and its folders.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|inner| files_below(inner)));
    files
}

fn print_tail(path: &Path) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].iter().for_each(|line| eprintln!("{line}"));
}
