//! The end: WebSockets are told, seats are stopped, nothing is left, and it is quick.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::rig::{Closed, Door, lives, until};

/// How long usher may take to leave.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

fn tool(arguments: &str, keys: &str) -> String {
    format!(
        "
apps:
  tool: {{ title: Tool, command: $PLAIN({arguments}), ports: $PORTS{keys} }}
users: $USERS
"
    )
}

/// Sends the signal and passes only an orderly exit in time that leaves no process behind.
async fn leaves(door: &mut Door, signal: Signal) {
    let begun = Instant::now();
    door.signal(signal);
    let status = door.exited().await;
    let took = begun.elapsed();
    assert!(status.success(), "{status:?}");
    assert!(took < LEAVES_WITHIN, "it took {took:?}");
    assert_eq!(door.processes(), [], "left behind");
}

async fn a_signal_ends_all(signal: Signal) {
    let mut door = Door::open(&tool("", "")).await;
    let mut jiyoung = door.jiyoung().socket("/app/tool/ws").await;
    let mut hana = door.hana().socket("/app/tool/ws").await;
    assert_eq!((jiyoung.ask("here").await, hana.ask("here").await), ("here".into(), "here".into()));
    leaves(&mut door, signal).await;
    assert_eq!(jiyoung.closed().await, Closed::With(1012));
    assert_eq!(hana.closed().await, Closed::With(1012));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_closes_websockets_with_1012_stops_the_seats_and_exits_within_5_s() {
    a_signal_ends_all(Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_closes_websockets_with_1012_stops_the_seats_and_exits_within_5_s() {
    a_signal_ends_all(Signal::INT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_nobody_used_leaves_at_once() {
    let mut door = Door::open(&tool("", "")).await;
    leaves(&mut door, Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_a_seat_starts_leaves_no_orphan_and_answers_those_who_wait() {
    let mut door = Door::open(&tool("--wait-for $DOOR/never", "")).await;
    let jiyoung = door.jiyoung();
    let held = tokio::spawn(async move { jiyoung.get("/app/tool/pid").await });
    until("the launch", async || (door.launches().len() == 1).then_some(())).await;
    leaves(&mut door, Signal::TERM).await;
    let answer = held.await.unwrap().expect(503);
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_at_the_very_beginning_leaves_nothing() {
    let mut door = Door::closed(&tool("", ""));
    door.start_unready();
    until("usher to show itself", async || (!door.processes().is_empty()).then_some(())).await;
    door.signal(Signal::TERM);
    door.exited().await;
    assert_eq!(door.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ignores_sigterm_is_killed_after_its_grace() {
    let mut door = Door::open(&tool("--mode ignore-term", ", stop_grace: 1s")).await;
    let pid: u32 = door.jiyoung().get("/app/tool/pid").await.expect(200).text().parse().unwrap();
    leaves(&mut door, Signal::TERM).await;
    assert!(!lives(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_ignores_sigterm_for_longer_than_usher_may_take_is_killed_in_time() {
    let mut door = Door::open(&tool("--mode ignore-term", "")).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    leaves(&mut door, Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_an_app_end_with_it() {
    let mut door = Door::open(&tool("--mode child", "")).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let is_child = |command: &str| command.contains(" -c ") && command.contains(" child ");
    let children = door.processes().iter().filter(|process| is_child(&process.command)).count();
    assert_eq!(children, 1, "{:?}", door.processes());
    leaves(&mut door, Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_changes_nothing() {
    let mut door = Door::open(&tool("--mode ignore-term", ", stop_grace: 1s")).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    door.signal(Signal::TERM);
    door.signal(Signal::INT);
    leaves(&mut door, Signal::TERM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_door_can_be_opened_again_at_once() {
    let mut door = Door::open(&tool("", "")).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    leaves(&mut door, Signal::TERM).await;
    door.start().await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    assert_eq!(door.launches().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_the_template_of_streamlit_end_with_the_door() {
    let mut door = Door::open(
        "
apps:
  main: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
users: $USERS
",
    )
    .await;
    let mut session = crate::rig::Session::open(&door.jiyoung(), "/app/main/").await;
    leaves(&mut door, Signal::TERM).await;
    assert_eq!(session.socket().closed().await, Closed::With(1012));
}
