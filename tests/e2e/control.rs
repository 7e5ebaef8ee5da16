//! The command line: what an operator types, what it prints, with which code it leaves.

use serde_json::Value;

use crate::rig::{Closed, Door, lives, soon, until};

const TOOL: &str = "
timezone: Asia/Seoul
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
  other: { title: Other, command: $PLAIN, ports: $PORTS }
users: $USERS
";

/// The keys of a seat in the status, as the contract lists them.
const SEAT_KEYS: [&str; 15] = [
    "app",
    "cpu_cores",
    "endpoint",
    "generation",
    "last_act_at",
    "launch",
    "memory_bytes",
    "pid",
    "runs_because",
    "since",
    "state",
    "stops_at",
    "stops_because",
    "user",
    "websockets",
];

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Passes only RFC 3339 with Seoul's offset.
fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    assert!(
        text.ends_with("+09:00") && text.as_bytes()[10] == b'T' && text.starts_with("20"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_the_shape_that_others_rely_on() {
    let door = Door::open(TOOL).await;
    let empty = door.status().await;
    assert_eq!(keys(&empty), ["seats", "usher"]);
    assert_eq!(empty["seats"], serde_json::json!([]));
    let usher = &empty["usher"];
    assert_eq!(keys(usher), ["configuration", "pid", "started_at", "state", "version"]);
    assert_eq!(keys(&usher["configuration"]), ["file", "loaded_at", "problems"]);
    assert_eq!(usher["pid"], door.pid());
    assert_eq!(usher["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(usher["configuration"]["file"], door.configuration_path().to_str().unwrap());
    assert_eq!(usher["configuration"]["problems"], serde_json::json!([]));
    assert_time(&usher["started_at"]);
    assert_time(&usher["configuration"]["loaded_at"]);
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let pid = socket.ask("!pid").await;
    let seat = until("the act in the status", async || {
        door.seat("jiyoung", "tool").await.filter(|seat| !seat["last_act_at"].is_null())
    })
    .await;
    assert_eq!(keys(&seat), SEAT_KEYS);
    assert_eq!(
        (&seat["user"], &seat["app"], &seat["state"]),
        (&"jiyoung".into(), &"tool".into(), &"ready".into())
    );
    assert_eq!((seat["pid"].to_string(), &seat["launch"]), (pid, &"command".into()));
    assert!(seat["generation"].as_u64() > Some(0), "{seat}");
    assert_eq!(seat["websockets"], 1);
    assert!(seat["endpoint"].as_str().unwrap().starts_with("127.0.0.1:"), "{seat}");
    assert_time(&seat["since"]);
    assert_time(&seat["last_act_at"]);
    until("the first sample of the seat", async || {
        let seat = door.seat("jiyoung", "tool").await?;
        (seat["memory_bytes"].as_u64()? > 1_000_000 && seat["cpu_cores"].is_number()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_for_people_names_seats_and_the_server() {
    let door = Door::open(TOOL).await;
    let pid = door.jiyoung().get("/app/tool/pid").await.expect(200).text();
    let text = door.run(&["status"]).await.expect(0).out;
    for word in ["jiyoung", "tool", "ready", &pid, &door.pid().to_string()] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admins_api_tells_the_same_of_a_seat() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let told = door.minsu().get("/admin/api/seats").await.expect(200).json();
    assert_eq!(keys(&told), ["seats"]);
    let seats = told["seats"].as_array().unwrap();
    assert_eq!(seats.len(), 1);
    assert_eq!(keys(&seats[0]), SEAT_KEYS);
    let stable = ["user", "app", "state", "generation", "pid", "endpoint", "launch", "since"];
    let seat = door.seat("jiyoung", "tool").await.unwrap();
    assert!(stable.iter().all(|key| seats[0][key] == seat[key]), "{seat} {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_can_be_started_restarted_read_and_stopped() {
    let door = Door::open(TOOL).await;
    door.run(&["seat", "start", "jiyoung", "tool"]).await.expect(0);
    let first = door.seat_in_state("jiyoung", "tool", "ready").await;
    assert_eq!(door.launches().len(), 1);
    door.jiyoung().get("/app/tool/say?line=a-line-of-the-app").await.expect(200);
    let log = door.run(&["seat", "log", "jiyoung", "tool"]).await.expect(0);
    assert!(log.out.contains("a-line-of-the-app"), "{log:?}");
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    door.run(&["seat", "restart", "jiyoung", "tool"]).await.expect(0);
    assert_eq!(socket.closed().await, Closed::With(1001));
    let second = until("the next generation", async || {
        let seat = door.seat("jiyoung", "tool").await?;
        (seat["state"] == "ready" && seat["pid"] != first["pid"]).then_some(seat)
    })
    .await;
    assert!(second["generation"].as_u64() > first["generation"].as_u64());
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    door.run(&["seat", "stop", "jiyoung", "tool"]).await.expect(0);
    assert_eq!(socket.closed().await, Closed::With(1001));
    door.seat_gone("jiyoung", "tool").await;
    assert!(door.launches().iter().all(|launch| !lives(launch.pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_app_the_command_means_all_seats_of_the_user_and_nobody_elses() {
    let door = Door::open(TOOL).await;
    for caller in [door.jiyoung(), door.hana()] {
        caller.get("/app/tool/pid").await.expect(200);
        caller.get("/app/other/pid").await.expect(200);
    }
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    door.seat_gone("jiyoung", "tool").await;
    door.seat_gone("jiyoung", "other").await;
    for app in ["tool", "other"] {
        assert_eq!(door.seat("hana", app).await.unwrap()["state"], "ready");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kick_closes_the_websockets_with_4003_and_the_seat_runs_on() {
    let door = Door::open(TOOL).await;
    let mut first = door.jiyoung().socket("/app/tool/ws").await;
    let mut second = door.jiyoung().socket("/app/tool/ws").await;
    let mut hana = door.hana().socket("/app/tool/ws").await;
    let pid = first.ask("!pid").await;
    door.run(&["kick", "jiyoung"]).await.expect(0);
    assert_eq!(first.closed().await, Closed::With(4003));
    assert_eq!(second.closed().await, Closed::With(4003));
    assert_eq!(hana.ask("still here").await, "still here");
    assert_eq!(door.jiyoung().get("/app/tool/pid").await.expect(200).text(), pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_about_somebody_who_does_not_exist_fail_and_name_them() {
    let door = Door::open(TOOL).await;
    for arguments in [
        vec!["seat", "stop", "nobody"],
        vec!["seat", "start", "nobody", "tool"],
        vec!["seat", "start", "jiyoung", "nowhere"],
        vec!["seat", "log", "nobody", "tool"],
        vec!["kick", "nobody"],
    ] {
        let ran = door.run(&arguments).await.expect(1);
        assert!(
            ran.err.contains("nobody") || ran.err.contains("nowhere"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_running_server_commands_leave_with_69() {
    let door = Door::closed(TOOL);
    for arguments in [
        vec!["status"],
        vec!["status", "--json"],
        vec!["reload"],
        vec!["seat", "stop", "jiyoung"],
        vec!["kick", "jiyoung"],
        vec!["notice", "text"],
    ] {
        let ran = door.run(&arguments).await.expect(69);
        assert_eq!(ran.out, "", "{arguments:?}");
        assert!(!ran.err.is_empty(), "{arguments:?} says why");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_commands_leave_with_69_too() {
    let mut door = Door::open(TOOL).await;
    door.kill().await;
    door.run(&["status"]).await.expect(69);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_leaves_with_2() {
    let door = Door::closed(TOOL);
    for arguments in [
        vec!["nonsense"],
        vec!["status", "--nonsense"],
        vec!["kick"],
        vec!["seat", "paint", "jiyoung"],
    ] {
        door.run(&arguments).await.expect(2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_of_every_command_has_an_example() {
    let door = Door::closed(TOOL);
    for command in [
        "serve", "try", "check", "status", "reload", "seat", "kick", "notice", "upgrade",
        "password", "backup", "report", "doctor",
    ] {
        let help = door.run(&[command, "--help"]).await.expect(0).out;
        assert!(help.contains(&format!("usher {command}")), "{help}");
        assert!(help.to_lowercase().contains("example"), "{help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_passes_a_good_file_and_warns_of_an_admin_on_loopback_without_a_password() {
    let door = Door::closed(TOOL);
    let ran = door.run(&["check"]).await.expect(0);
    assert!(format!("{}{}", ran.out, ran.err).contains("minsu"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_every_problem_with_its_place_and_serve_refuses_the_same_file() {
    let broken = TOOL.replace("title: Tool", "titel: Tool").replace("Asia/Seoul", "Asia/Soul");
    let mut door = Door::closed(&broken);
    let text = door.fill(&broken);
    let line_of = |word: &str| text.lines().position(|line| line.contains(word)).unwrap() + 1;
    let column_of = |word: &str| text.lines().find_map(|line| line.find(word)).unwrap() + 1;
    let ran = door.run(&["check"]).await.expect(78);
    for word in ["titel", "Asia/Soul"] {
        let place = format!(
            "{}:{}:{}: ",
            door.configuration_path().display(),
            line_of(word),
            column_of(word)
        );
        assert!(ran.out.contains(&place), "{place} in {ran:?}");
    }
    assert!(ran.out.contains("apps.tool.titel: "), "the path of the key: {ran:?}");
    door.start_unready();
    assert_eq!(door.exited().await.code(), Some(78));
    assert!(door.log().contains("titel"), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_or_is_no_yaml_leaves_with_78_and_names_it() {
    let door = Door::closed(TOOL);
    std::fs::write(door.configuration_path(), "apps: [unclosed\nusers: }").unwrap();
    let ran = door.run(&["check"]).await.expect(78);
    assert!(ran.out.contains(door.configuration_path().to_str().unwrap()), "{ran:?}");
    std::fs::remove_file(door.configuration_path()).unwrap();
    let ran = door.run(&["check"]).await.expect(78);
    assert!(format!("{}{}", ran.out, ran.err).contains("usher.yaml"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_prints_a_json_schema_that_knows_every_top_level_key() {
    let door = Door::closed(TOOL);
    let schema: Value =
        serde_json::from_str(&door.run(&["check", "--schema"]).await.expect(0).out).unwrap();
    let known = schema["properties"].as_object().expect("properties");
    for key in [
        "directory",
        "listen",
        "tls",
        "hosts",
        "trusted_proxies",
        "state_dir",
        "timezone",
        "language",
        "threads",
        "apps",
        "users",
        "admin",
        "sessions",
        "visits",
        "samples",
        "backups",
        "limits",
        "logs",
        "metrics",
        "templates",
        "oidc",
        "trusted_login_header",
    ] {
        assert!(known.contains_key(key), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_usher_on_the_same_folder_is_refused_and_harms_nobody() {
    let door = Door::open(TOOL).await;
    let pid = door.jiyoung().get("/app/tool/pid").await.expect(200).text();
    let second = door.run(&["serve"]).await;
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(!second.err.is_empty());
    assert_eq!(door.jiyoung().get("/app/tool/pid").await.expect(200).text(), pid);
    door.status().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_address_that_is_taken_is_named() {
    let mut door = Door::closed(TOOL);
    let _taken = std::net::TcpListener::bind(door.address()).unwrap();
    door.start_unready();
    let status = door.exited().await;
    assert_eq!(status.code(), Some(1), "{}", door.log());
    assert!(door.log().contains(&door.address().to_string()), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_socket_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let door = Door::open(TOOL).await;
    let mode = std::fs::metadata(door.path("var/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for name in ["sessions.db", "usher.db", "door.secret"] {
        let mode = std::fs::metadata(door.path(&format!("var/{name}"))).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(door.path("var")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_from_a_pipe_becomes_an_argon2id_hash() {
    let door = Door::closed(TOOL);
    let ran = door.run_with_input(&["password"], "correct horse\ncorrect horse\n").await.expect(0);
    assert!(ran.out.trim().starts_with("$argon2id$"), "{ran:?}");
    assert!(!ran.out.contains("correct horse") && !ran.err.contains("correct horse"));
    let ran = door.run_with_input(&["password"], "correct horse\nother horse\n").await.expect(1);
    assert_eq!(ran.out, "");
}

/// Answers what is asked on a terminal, and tells what was shown there.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], [sys.argv[1], "password"])
shown, answers = b"", [(b"Password: ", sys.argv[2]), (b"Once more: ", sys.argv[3])]
while True:
    try:
        piece = os.read(terminal, 1000)
    except OSError:
        break
    shown += piece
    if answers and shown.endswith(answers[0][0]):
        os.write(terminal, answers.pop(0)[1].encode() + b"\n")
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_twice_on_a_terminal_and_not_shown() {
    for (again, code, says) in
        [("correct horse", 0, "$argon2id$"), ("other horse", 1, "the two are different")]
    {
        let mut command = tokio::process::Command::new("python3");
        command.args(["-c", AT_A_TERMINAL, env!("CARGO_BIN_EXE_usher"), "correct horse", again]);
        let ended = soon("the command to end", command.kill_on_drop(true).output()).await;
        let output = ended.expect("python3");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(shown.contains(says) && !shown.contains("horse"), "{shown}");
    }
}
