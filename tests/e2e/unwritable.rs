//! A database that cannot be written, and a disk that is full: people notice nothing, administrators
//! do.

use std::fs;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;
use usher::trust::password;

use self::disk::Disk;
use crate::rig::{Caller, Door, Session, Socket, Visitor, Widget, until};

#[path = "../account/disk.rs"]
mod disk;

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";
const PAGE: &str = "
apps:
  main: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS, launch: $LAUNCH }
users: $USERS
";
const ORDER: (&str, &str) = ("X-Usher-Request", "1");
/// More events than wait in memory for a database.
const ORDERS: usize = 12_000;
const ORDERS_AT_ONCE: usize = 24;
const PASSWORD: &str = "correct horse battery staple";
const SKIPPED: &str = "skipped: only root may mount a file system, so none can be full here";
/// What the server page says of a full disk.
const NO_SPACE: &str = "no space is left for the database";
/// Answers and echoes that are timed.
const ROUNDS: usize = 101;
/// What waits for a disk or for a lock waits longer.
const ADDED_WAIT_MAX: Duration = Duration::from_millis(150);

/// A counter of `/metrics`.
async fn counted(door: &Door, series: &str) -> f64 {
    let text = door.minsu().get("/metrics").await.expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
}

/// An order that is an event and ends nothing.
async fn order(admin: &Caller, user: &str) {
    let path = format!("/admin/api/seats/{user}/tool/kick");
    let answer = admin.post_with(&path, &[ORDER]).await;
    assert!((200..300).contains(&answer.status), "{answer:?} {}", answer.text());
}

/// Each of these is an event.
async fn order_much(door: &Door) {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..ORDERS_AT_ONCE {
        let caller = door.minsu();
        callers.spawn(async move {
            for _ in 0..ORDERS / ORDERS_AT_ONCE {
                order(&caller, "jiyoung").await;
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("every order is answered");
    }
}

/// Whether the order about this user is among the events.
async fn is_kept(door: &Door, user: &str) -> bool {
    let path = format!("/admin/api/events?user={user}&kind=kicked");
    let told = door.minsu().get(&path).await.expect(200).json();
    told["events"].as_array().is_some_and(|events| !events.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_costs_records_and_no_request() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    door.hana().get("/app/tool/pid").await.expect(200);
    let other = Connection::open(door.path("var/usher.db")).expect("the database");
    other.busy_timeout(std::time::Duration::from_secs(30)).expect("patience");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    assert_eq!(counted(&door, "usher_records_lost_total").await, 0.0);

    order_much(&door).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let lost = until("records to be counted as lost", async || {
        Some(counted(&door, "usher_records_lost_total").await).filter(|lost| *lost > 0.0)
    })
    .await;
    let dropped = counted(&door, "usher_facts_dropped_total").await;
    println!("{lost} records lost, {dropped} facts dropped");
    assert!(lost < ORDERS as f64, "what memory holds is not lost");
    let page = door.minsu().navigate("/admin/server").await.expect_page(200, "admin").text();
    assert!(page.contains("쓰지 못한 기록</dt><dd class=\"bad\">"), "{page}");

    other.execute_batch("ROLLBACK").expect("the lock is gone");
    order(&door.minsu(), "hana").await;
    until("the last order to be kept", async || is_kept(&door, "hana").await.then_some(())).await;
}

/// Usher's state folder on a disk of its own.
fn small_disk(door: &Door) -> Option<Disk> {
    let state = door.path("var");
    fs::create_dir(&state).expect("a folder");
    Disk::new(&state, "8m")
}

/// How long an answer and an echo take, in the middle of many.
async fn usual_wait(caller: &Caller, socket: &mut Socket) -> Duration {
    let mut waits = Vec::new();
    for number in 0..ROUNDS {
        let begun = Instant::now();
        caller.get("/app/tool/pid").await.expect(200);
        let said = format!("round {number}");
        assert_eq!(socket.ask(&said).await, said);
        waits.push(begun.elapsed());
    }
    waits.sort();
    waits[ROUNDS / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_records_and_no_request() {
    let mut door = Door::closed(TOOL);
    let Some(disk) = small_disk(&door) else {
        println!("{SKIPPED}");
        return;
    };
    door.start().await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let hana = door.hana();
    let mut socket = hana.socket("/app/tool/ws").await;
    let before = usual_wait(&hana, &mut socket).await;

    disk.fill();
    order_much(&door).await;
    until("records to be counted as lost", async || {
        (counted(&door, "usher_records_lost_total").await > 0.0).then_some(())
    })
    .await;
    let full = usual_wait(&hana, &mut socket).await;
    println!("{before:?} before, {full:?} on a full disk");
    assert!(full < before * 3 + ADDED_WAIT_MAX, "{before:?} before, {full:?} on a full disk");
    let page = door.minsu().navigate("/admin/server").await.expect_page(200, "admin").text();
    assert!(page.contains("쓰지 못한 기록</dt><dd class=\"bad\">"), "{page}");
    assert!(page.contains(NO_SPACE), "{page}");
    door.minsu().get("/app/tool/pid").await.expect(200);

    disk.empty();
    order(&door.minsu(), "minsu").await;
    until("the last order to be kept", async || is_kept(&door, "minsu").await.then_some(())).await;
    let page = door.minsu().navigate("/admin/server").await.expect_page(200, "admin").text();
    assert!(!page.contains(NO_SPACE), "{page}");
    assert_eq!(socket.ask("still here").await, "still here");
    until("the visit to have every request of it", async || {
        let told = door.minsu().get("/admin/api/visits?user=hana").await.expect(200).json();
        (told["visits"][0]["requests"] == 2 * ROUNDS).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usher_starts_on_a_full_disk_and_knows_who_is_signed_in() {
    let hash = password::hash(PASSWORD).expect("a hash");
    let people = format!(
        "[{{name: minsu, role: admin, addresses: [127.0.0.1]}}, \
         {{name: jiyoung, addresses: [127.0.0.2], password: \"{hash}\"}}]"
    );
    let mut door = Door::closed(&TOOL.replace("$USERS", &people));
    let Some(disk) = small_disk(&door) else {
        println!("{SKIPPED}");
        return;
    };
    door.start().await;
    let before = signed_in(&door).await;
    // A clean end leaves the sessions in one file: the ones beside it are made at the start.
    door.signal(Signal::TERM);
    door.exited().await;

    disk.fill();
    door.start().await;
    before.get("/app/tool/pid").await.expect(200);
    let meanwhile = signed_in(&door).await;
    meanwhile.get("/app/tool/pid").await.expect(200);
    logged(&door, "tried again until it works").await;

    disk.empty();
    let after = signed_in(&door).await;
    logged(&door, "sessions are kept again").await;
    door.kill().await;
    door.start().await;
    for visitor in [before, meanwhile, after] {
        visitor.get("/app/tool/pid").await.expect(200);
    }
}

async fn logged(door: &Door, words: &str) {
    until(words, async || (!door.log_lines(&[words]).is_empty()).then_some(())).await;
}

/// A browser of its own in which jiyoung signs in.
async fn signed_in(door: &Door) -> Visitor {
    let visitor = Visitor::new(door.jiyoung());
    visitor.sign_in(PASSWORD).await.expect_redirect(303, "/");
    visitor
}

async fn streamlit_starts(launch: &str) {
    let page = PAGE.replace("$LAUNCH", launch);
    let mut door = Door::closed(&page);
    let Some(disk) = small_disk(&door) else {
        println!("{SKIPPED}");
        return;
    };
    door.start().await;
    Session::open(&door.jiyoung(), "/app/main/").await;
    disk.fill();
    let mut session = Session::open(&door.hana(), "/app/main/").await;
    session.touch(Widget::Press("Count")).await;
    assert_eq!((session.value("user"), session.value("count")), ("hana", "1"));
    let seat = door.seat("hana", "main").await.expect("an entry");
    assert_eq!((seat["launch"].as_str(), seat["state"].as_str()), (Some(launch), Some("ready")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamlit_is_forked_on_a_full_disk() {
    streamlit_starts("fork").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamlit_is_spawned_on_a_full_disk() {
    streamlit_starts("spawn").await;
}
