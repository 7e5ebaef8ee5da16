//! The access log on real files.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::account::tests::settings;
use crate::clock::Timestamp;
use crate::domain::UserName;

fn fact(path: &str) -> AccessFact {
    AccessFact {
        at: Timestamp(1_782_885_845_678),
        address: "192.168.1.101".parse().unwrap(),
        user: Some(UserName::new("김지영").unwrap()),
        method: http::Method::GET,
        path: path.into(),
        status: 200,
        took_us: 12_045,
        in_bytes: 1,
        out_bytes: 2_000,
        incident: None,
    }
}

struct Log {
    folder: tempfile::TempDir,
    settings: Settings,
    log: AccessLog,
    now: Moment,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        settings.timezone = TimeZone::get("Asia/Seoul").unwrap();
        settings.logs.access = Some(folder.path().join("log/access.log"));
        Self { folder, settings, log: AccessLog::default(), now: Moment(1) }
    }

    fn line(&mut self, path: &str) -> u64 {
        self.log.write(&self.settings, &fact(path))
    }

    fn flush(&mut self) -> u64 {
        self.now = self.now.plus_ms(FLUSH_MS);
        self.log.flush(&self.settings, self.now)
    }

    fn read(&self, name: &str) -> Vec<Value> {
        let text =
            fs::read_to_string(self.folder.path().join("log").join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

#[test]
fn a_line_is_an_object_with_the_time_of_the_zone() {
    let mut log = Log::new();
    log.line("/app/main/?q=\"1\"");
    let mut refused = fact("/");
    (refused.user, refused.status, refused.incident) = (None, 0, Some(7));
    log.log.write(&log.settings, &refused);
    assert!(log.read("access.log").is_empty(), "it waits");
    log.flush();
    let lines = log.read("access.log");
    let expected = json!({
        "time": "2026-07-01T15:04:05.678+09:00", "address": "192.168.1.101", "user": "김지영",
        "method": "GET", "path": "/app/main/?q=\"1\"", "status": 200, "duration_ms": 12.045,
        "in_bytes": 1, "out_bytes": 2000, "incident": null,
    });
    assert_eq!(lines[0], expected);
    assert_eq!((&lines[1]["user"], &lines[1]["status"]), (&Value::Null, &Value::Null));
    assert_eq!(lines[1]["incident"], 7);
    log.settings.timezone = TimeZone::get("America/New_York").unwrap();
    log.line("/");
    log.flush();
    assert_eq!(log.read("access.log")[2]["time"], "2026-07-01T02:04:05.678-04:00");
}

#[test]
fn what_could_fool_a_terminal_is_escaped_and_long_paths_are_cut() {
    let mut log = Log::new();
    let path = "/\u{1b}[2J\u{9b}\u{7f}\u{202e}\n\t😀한";
    log.line(path);
    log.line(&format!("/{}", "가".repeat(2_000)));
    log.flush();
    let text = fs::read_to_string(log.folder.path().join("log/access.log")).unwrap();
    assert!(text.contains("😀한") && !text.contains(['\u{1b}', '\u{9b}', '\u{7f}', '\u{202e}']));
    let lines = log.read("access.log");
    assert_eq!(lines[0]["path"], path);
    let cut = lines[1]["path"].as_str().unwrap();
    assert!(cut.len() <= 2_048 && cut.len() > 2_040, "{}", cut.len());
}

#[test]
fn it_is_rotated_by_size_and_no_line_is_lost() {
    let mut log = Log::new();
    log.settings.logs.rotate_bytes = 2_000;
    log.settings.logs.keep = 3;
    for number in 0..100 {
        log.line(&format!("/{number}"));
        log.flush();
    }
    let numbers = |name: &str| -> Vec<u64> {
        let number = |line: &Value| line["path"].as_str().unwrap()[1..].parse().unwrap();
        log.read(name).iter().map(number).collect()
    };
    let names = ["access.log.3", "access.log.2", "access.log.1", "access.log"];
    let all: Vec<u64> = names.iter().flat_map(|name| numbers(name)).collect();
    assert!(all.len() > 20 && all.iter().copied().eq(100 - all.len() as u64..100), "{all:?}");
    assert!(!log.folder.path().join("log/access.log.4").exists());
    for name in &names[..3] {
        let bytes = fs::metadata(log.folder.path().join("log").join(name)).unwrap().len();
        assert!((2_000..2_500).contains(&bytes), "{name}: {bytes}");
    }
}

#[test]
fn a_file_that_was_removed_or_moved_is_made_anew() {
    let mut log = Log::new();
    let path = log.folder.path().join("log/access.log");
    log.line("/1");
    log.flush();
    fs::remove_file(&path).unwrap();
    log.line("/2");
    log.flush();
    assert_eq!(log.read("access.log").len(), 1);
    fs::rename(&path, log.folder.path().join("log/mine")).unwrap();
    log.line("/3");
    log.flush();
    assert_eq!((log.read("access.log").len(), log.read("mine").len()), (1, 1));
    log.settings.logs.access = Some(log.folder.path().join("other/a.log"));
    log.line("/4");
    assert_eq!(log.log.close(&log.settings), 0);
    assert!(log.folder.path().join("other/a.log").exists(), "a reload can move it");
}

#[test]
fn what_cannot_be_written_is_counted_and_the_next_line_is_whole() {
    let mut log = Log::new();
    fs::create_dir_all(log.folder.path().join("log/access.log")).unwrap();
    log.line("/1");
    log.line("/2");
    assert_eq!(log.flush(), 2, "the path is a folder");
    fs::remove_dir(log.folder.path().join("log/access.log")).unwrap();
    fs::write(log.folder.path().join("log/access.log"), "{\"torn\":").unwrap();
    log.line("/3");
    assert_eq!(log.flush(), 0);
    let text = fs::read_to_string(log.folder.path().join("log/access.log")).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(serde_json::from_str::<Value>(text.lines().last().unwrap()).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_lines_only() {
    let mut log = Log::new();
    log.settings.logs.access = Some("/dev/full".into());
    log.line("/1");
    assert_eq!(log.flush(), 1);
    assert_eq!(log.flush(), 0, "nothing waits");
    log.settings.logs.access = Some(log.folder.path().join("log/access.log"));
    log.line("/2");
    assert_eq!(log.flush(), 0);
    assert_eq!(log.read("access.log").len(), 1);
}

#[test]
fn many_lines_do_not_wait_for_the_flush() {
    let mut log = Log::new();
    for number in 0..2_000 {
        log.line(&format!("/{number}"));
    }
    let written = log.read("access.log").len();
    assert!(written > 1_000 && written < 2_000, "{written}");
    assert_eq!(log.log.close(&log.settings), 0);
    assert_eq!(log.read("access.log").len(), 2_000);
}
