//! The table of attacks: each row is sent to the real program with a recording app behind it, and
//! says what happens. SECURITY.md shows the same table; a test compares them.

mod elsewhere;
mod rows;

use rows::{From, Outcome, ROWS, Row};

use crate::rig::{Answer, Caller, Door, RawAnswer};

/// The door that all rows are tried at, one after the other.
const DOOR: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
  secret: { title: Secret, command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2], apps: [tool] }
  - { name: hana, role: user, addresses: [127.0.0.3] }
limits: { upload: 1MiB }
";

/// A second request that a first one hides in what the door may take for its body.
const HIDDEN: &str = "GET /app/tool/smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";

/// The bytes of a row: its lines end with CR LF; `␍` and `␊` are such bytes alone, `␀` is a NUL.
fn bytes(row: &Row, address: &str) -> Vec<u8> {
    let hidden = HIDDEN.replace("HOST", address);
    let text = row.request.replace('\n', "\r\n").replace('␍', "\r").replace('␊', "\n");
    let text = text.replace('␀', "\0").replace("HIDDEN", &hidden);
    let text = text.replace("LENGTH", &hidden.len().to_string());
    let text =
        text.replace("LONG", &"x".repeat(9_000)).replace("MANY", &"X-One: 1\r\n".repeat(130));
    text.replace("HUGE", &"x".repeat(100_000)).replace("HOST", address).into_bytes()
}

fn caller(door: &Door, from: From) -> Caller {
    match from {
        From::Jiyoung => door.jiyoung(),
        From::Stranger => door.caller("127.0.0.99"),
    }
}

async fn send(door: &Door, row: &Row) -> Option<RawAnswer> {
    let mut raw = caller(door, row.from).raw().await;
    raw.send(bytes(row, &door.address().to_string())).await;
    raw.answer_or_end().await
}

/// What the app has seen that it should not have.
async fn leaked(door: &Door) -> bool {
    let seen: Answer = door.jiyoung().get("/app/tool/seen").await.expect(200);
    let paths = seen.json()["paths"].to_string();
    ["bad", "smuggled", "_usher", "/admin"].iter().any(|canary| paths.contains(canary))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attack_ends_as_the_table_says() {
    let door = Door::open(DOOR).await;
    let mut wrong = Vec::new();
    for row in ROWS {
        let answer = send(&door, row).await;
        // 0: the door hung up without an answer.
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let is_as_told = match row.outcome {
            Outcome::Refused(wanted) => status == wanted && !leaked(&door).await,
            Outcome::Cleaned(never) => {
                let body = answer.map(|answer| String::from_utf8_lossy(&answer.body).into_owned());
                status == 200 && body.is_some_and(|body| !body.to_lowercase().contains(never))
            }
        };
        if !is_as_told {
            wrong.push(format!("{}: {status}, not {:?}", row.what, row.outcome));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    door.jiyoung().get("/app/tool/pid").await.expect(200);
}

#[test]
fn the_table_is_long_and_names_each_attack_once() {
    let mut names: Vec<_> = ROWS.iter().map(|row| row.what).collect();
    names.extend(elsewhere::ROWS.iter().map(|row| row.what));
    let count = names.len();
    assert!(count >= 60, "{count}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name stands twice");
}

#[test]
fn each_scenario_elsewhere_is_there() {
    for row in elsewhere::ROWS {
        let (file, function) = row.test.split_once("::").expect("file::function");
        let path = format!("{}/tests/e2e/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the file");
        assert!(text.contains(&format!("async fn {function}()")), "{}", row.test);
    }
}

#[test]
fn security_md_shows_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md");
    let text = std::fs::read_to_string(path).expect("SECURITY.md");
    let table = table();
    assert!(text.contains(&table), "SECURITY.md has to end with this:\n\n{table}");
}

fn table() -> String {
    let mut table = "| attack or bad input | what happens |\n|---|---|\n".to_owned();
    for row in ROWS {
        table += &format!("| {} | {} |\n", row.what, row.outcome);
    }
    for row in elsewhere::ROWS {
        table += &format!("| {} | {} (`{}`) |\n", row.what, row.outcome, row.test);
    }
    table
}
