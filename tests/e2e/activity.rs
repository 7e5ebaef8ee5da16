//! Idle, untouched and computing are three different things, with real Streamlit: who works is
//! never stopped, who only left a tab open is, and is told why. The long times (half an hour, a day
//! at the keyboard, hours of computing) are the simulation's.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rig::{Browser, Closed, Door, Session, Widget, until};

const SOON_UNTOUCHED: &str = "
language: ko
apps:
  main: { title: Main, script: $APPS/who.py, python: $PYTHON167, ports: $PORTS, idle_timeout: 2s, untouched_timeout: 5s }
users: $USERS
";

/// The newest event of this kind about a user's seat.
async fn event(door: &Door, user: &str, kind: &str) -> Value {
    let path = format!("/admin/api/events?user={user}&kind={kind}");
    until("an event in the account", async || {
        let told = door.minsu().get(&path).await.expect(200).json();
        told["events"].as_array().expect("events").first().cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_now_and_then_is_never_stopped_and_who_leaves_the_tab_open_is_told_why() {
    let door = Door::open(SOON_UNTOUCHED).await;
    let mut browser = Browser::start("ko").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    let pid = browser.value("pid").await;
    let field = browser.find("input[aria-label=Note]").await;
    let (begun, mut typed) = (Instant::now(), String::new());
    // Twice as long as a tab may be untouched, and many times as long as an app may be idle.
    while begun.elapsed() < Duration::from_secs(11) {
        field.send_keys("말\u{e007}").await.expect("keys");
        typed.push('말');
        browser.shows(&format!("note={typed}")).await;
        assert_eq!(browser.value("pid").await, pid, "it was stopped under the person's hands");
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    browser.shows("오래 사용하지 않아 앱을 종료했습니다.").await;
    door.seat_gone("jiyoung", "main").await;
    let stopped = event(&door, "jiyoung", "seat_stopped").await;
    assert!(stopped["detail"].as_str().unwrap().contains("untouched for too long"), "{stopped}");
    let launched = door.minsu().get("/admin/api/events?kind=seat_launching").await.json();
    assert_eq!(launched["events"].as_array().unwrap().len(), 1, "{launched}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_script_computes_is_not_stopped_while_an_idle_tab_beside_it_is() {
    let door = Door::open(SOON_UNTOUCHED).await;
    let mut works = Session::open(&door.jiyoung(), "/app/main/").await;
    let mut waits = Session::open(&door.hana(), "/app/main/").await;
    // Three times as long as a tab may be untouched, without a byte to the browser.
    let (computed, closed) =
        tokio::join!(works.try_touch(Widget::Press("Compute")), waits.socket().closed());
    assert_eq!(closed, Closed::With(1001), "the tab beside it was only open");
    assert_eq!(computed, Ok(()), "the computation ran through");
    assert_eq!(works.value("computed"), "yes");
    let stopped = event(&door, "hana", "seat_stopped").await;
    assert!(stopped["detail"].as_str().unwrap().contains("untouched for too long"), "{stopped}");
    let seat = door.seat("jiyoung", "main").await.expect("a seat");
    assert_eq!(seat["state"], "ready", "{seat}");
}
