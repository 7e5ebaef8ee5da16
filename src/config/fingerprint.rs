//! What a running seat was launched with, as one number: when it changes, the seat has to be
//! launched anew. The number is written into records on disk, so it is the same in every build
//! until the meaning of a field changes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::{App, Connect, LaunchMode, Program, Snapshot, User};
use crate::domain::SeatKey;

impl Snapshot {
    /// The fingerprint of a seat's launch; `None` if its user or app is not in the configuration
    /// or the user may not use the app. Changes with what the process is given at its start.
    /// Timeouts, limits, title, `ports`, `health`, `notices` and `stop_grace` are applied to
    /// running seats or at the next start, so they do not count.
    pub fn fingerprint(&self, key: &SeatKey) -> Option<u64> {
        let user = self.user(key.user.as_str())?;
        let app = self.app(key.app.as_str())?;
        if !user.apps.contains(&app.slug) {
            return None;
        }
        let mut sum = Sum::new();
        sum.app(app);
        // The role is in the process's environment.
        sum.text(user.role.as_str());
        sum.number(self.own_port(user, app).map_or(0, u64::from));
        sum.text(&self.own_upstream(user, app).map_or(String::new(), |a| a.to_string()));
        Some(sum.0)
    }

    /// The user's own port, if it is for this app.
    pub fn own_port(&self, user: &User, app: &App) -> Option<u16> {
        let is_first = self.apps.first().is_some_and(|first| first.slug == app.slug);
        user.port.filter(|_| is_first)
    }

    /// Where the user's own copy of this app runs, if it is an upstream.
    pub fn own_upstream(&self, user: &User, app: &App) -> Option<SocketAddr> {
        match app.program {
            Program::Upstream { .. } => user.upstream,
            Program::Streamlit { .. } | Program::Command { .. } => None,
        }
    }

    /// All users' own ports, which nobody else's seat may take.
    pub fn reserved_ports(&self) -> Arc<[u16]> {
        self.users.iter().filter_map(|user| user.port).collect()
    }
}

/// FNV-1a, 64 bits. Every field is preceded by its length, so that no two lists of fields run
/// together to the same bytes.
struct Sum(u64);

impl Sum {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn path(&mut self, path: &Path) {
        self.text(&path.to_string_lossy());
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }

    fn app(&mut self, app: &App) {
        self.text(app.slug.as_str());
        self.program(&app.program);
        self.number(u64::from(app.strip_prefix));
        self.path(&app.working_directory);
        self.number(app.environment.len() as u64);
        for (name, value) in &app.environment {
            self.text(name);
            self.text(value);
        }
        self.number(match app.connect {
            Connect::Tcp => 0,
            Connect::Unix => 1,
        });
    }

    fn program(&mut self, program: &Program) {
        match program {
            Program::Streamlit { script, python, arguments, launch, preload } => {
                self.text("script");
                self.path(script);
                self.path(python);
                self.texts(arguments);
                self.number(match launch {
                    LaunchMode::Auto => 0,
                    LaunchMode::Fork => 1,
                    LaunchMode::Spawn => 2,
                });
                self.texts(preload);
            }
            Program::Command { argv } => {
                self.text("command");
                self.texts(argv);
            }
            Program::Upstream { address } => {
                self.text("upstream");
                self.text(&address.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppSlug, UserName};

    const TEXT: &str = "
apps:
  main: {script: a.py, arguments: [ab, c], environment: {A: b}}
  up: {upstream: '127.0.0.1:9000'}
users:
- {name: minsu, addresses: [10.0.0.1], port: 8500, upstream: '127.0.0.1:9001'}
- {name: jiyoung, addresses: [10.0.0.2], apps: [main]}
";

    fn of(text: &str, app: &str) -> Option<u64> {
        let file = Path::new("/nowhere/usher.yaml");
        let snapshot = Snapshot::parse(file, text).unwrap_or_else(|p| panic!("{text}: {p:?}"));
        let user = UserName::new("minsu").expect("a name");
        snapshot.fingerprint(&SeatKey { user, app: AppSlug::new(app).expect("a slug") })
    }

    #[test]
    fn it_changes_with_what_the_process_is_given() {
        for (old, new, changes) in [
            ("a.py", "b.py", true),
            ("[ab, c]", "[a, bc]", true),
            ("{A: b}", "{A: c}", true),
            ("{A: b}", "{Ab: ''}", true),
            ("script: a.py", "script: a.py, python: /x/python", true),
            ("script: a.py", "script: a.py, launch: spawn", true),
            ("script: a.py", "script: a.py, preload: [json]", true),
            ("script: a.py", "script: a.py, strip_prefix: true", true),
            ("script: a.py", "script: a.py, working_directory: /", true),
            ("port: 8500", "port: 8501", true),
            ("port: 8500, ", "", true),
            ("name: minsu", "name: minsu, role: admin", true),
            ("script: a.py", "script: a.py, title: x, idle_timeout: 1s", false),
            ("script: a.py", "script: a.py, ports: 9000-9001, memory_max: 1GiB", false),
            ("10.0.0.1", "10.0.0.7", false),
            ("'127.0.0.1:9001'", "'127.0.0.1:9002'", false),
        ] {
            let changed = of(TEXT, "main") != of(&TEXT.replacen(old, new, 1), "main");
            assert_eq!(changed, changes, "{old} → {new}");
        }
        let moved = TEXT.replace("9001", "9002");
        assert_ne!(of(TEXT, "up"), of(&moved, "up"));
        assert_eq!(of(TEXT, "none"), None);
    }

    /// Records of an earlier usher hold this number: it must not change by accident.
    #[test]
    fn it_is_the_same_in_every_build() {
        assert_eq!(of(TEXT, "up"), Some(4_467_839_008_152_035_250));
    }
}
