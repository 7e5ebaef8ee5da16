//! How long a person was at an app, as the account has it and as the clock on the wall has it.

use std::time::{Duration, Instant};

use crate::rig::{Browser, Door, until};

const PAGE: &str = "
apps:
  main: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
users: $USERS
visits: { gap: 2s }
";
/// The account may be off by so much.
const OFF_MAX: Duration = Duration::from_secs(1);

/// Waits until the person's page has, or no longer has, its WebSocket. That came to be between the
/// two moments.
async fn change(door: &Door, is_open: bool) -> (Instant, Instant) {
    let mut before = Instant::now();
    until(&format!("an open WebSocket: {is_open}"), async || {
        let asked = Instant::now();
        let seat = door.seat("jiyoung", "main").await;
        if seat.is_some_and(|seat| seat["websockets"] != 0) == is_open {
            return Some((before, Instant::now()));
        }
        before = asked;
        None
    })
    .await
}

/// Chromium keeps the page that was left for "Back", and would keep its WebSocket open.
#[tokio::test(flavor = "multi_thread")]
async fn a_visit_of_a_browser_lasts_as_long_as_the_clock_on_the_wall_says() {
    let door = Door::open(PAGE).await;
    let mut browser = Browser::start("ko").await;
    let (opened, ()) =
        tokio::join!(change(&door, true), browser.visit_as("127.0.0.2", &door, "/app/main/"));
    for days in 201..205 {
        browser.slide_right().await;
        browser.shows(&format!("days={days}")).await;
    }
    browser.script_ended().await;
    let leaves = Instant::now();
    browser.goto("about:blank").await;
    let closed = change(&door, false).await;
    let visit = until("the visit's end", async || {
        let told = door.minsu().get("/admin/api/visits?user=jiyoung").await.expect(200).json();
        told["visits"].as_array()?.iter().find(|visit| !visit["ended_at"].is_null()).cloned()
    })
    .await;
    let dwell = Duration::from_secs_f64(visit["dwell_s"].as_f64().expect("a number"));
    let (shortest, longest) = (leaves - opened.1, closed.1 - opened.0);
    println!("{dwell:?} in the account; between {shortest:?} and {longest:?} on the wall");
    assert!(dwell + OFF_MAX >= shortest && dwell <= longest + OFF_MAX, "{visit}");
    let active = visit["active_s"].as_f64().expect("a number");
    assert!(active > 0.0 && active <= dwell.as_secs_f64(), "{visit}");
    // Whoever goes back finds the page as it was, and it lives. It takes the page a moment to notice
    // that it has no WebSocket any more: only the door knows when it has one again.
    browser.back().await;
    browser.shows("days=204").await;
    change(&door, true).await;
    browser.connected(true).await;
    browser.slide_right().await;
    browser.shows("days=205").await;
    browser.press("Count").await;
    browser.shows("count=1").await;
    assert_eq!(door.seat("jiyoung", "main").await.expect("an entry")["websockets"], 1);
}

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";
/// A visit of this length was written several times before the kill.
const STAYS: Duration = Duration::from_secs(7);
/// A killed usher may lose so much of a visit.
const LOST_MAX: Duration = Duration::from_secs(2);
/// The account has whole milliseconds of its own clock.
const ROUNDED_MAX: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_usher_loses_at_most_the_last_two_seconds_of_a_visit() {
    let mut door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let asked = Instant::now();
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    socket.ask("!pid").await;
    let opened = Instant::now();
    tokio::time::sleep(STAYS).await;
    let before = Instant::now();
    door.kill().await;
    let killed = Instant::now();
    door.start().await;
    let visit = until("the visit's end", async || {
        let told = door.minsu().get("/admin/api/visits?user=jiyoung").await.expect(200).json();
        let visits = told["visits"].as_array()?.clone();
        assert_eq!(visits.len(), 1, "one visit, before and after: {told}");
        visits.into_iter().find(|visit| !visit["ended_at"].is_null())
    })
    .await;
    let dwell = Duration::from_secs_f64(visit["dwell_s"].as_f64().expect("a number"));
    let (shortest, longest) = (before - opened, killed - asked);
    println!("{dwell:?} in the account; between {shortest:?} and {longest:?} on the wall");
    assert!(dwell + LOST_MAX >= shortest && dwell <= longest + ROUNDED_MAX, "{visit}");
    assert_eq!(visit["ended_because"], "usher_stopped", "{visit}");
}
