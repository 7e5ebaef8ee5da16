//! Monday morning: a hundred people at once on a machine with two cores.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;

use crate::rig::{Caller, Door, Session, signal, until};

const PEOPLE: usize = 100;
/// So many start at once: two cores' worth, the default.
const AT_ONCE: usize = 2;

/// Each seat listens on a socket of its own: no door of these tests has a hundred ports.
fn configuration() -> String {
    let person = |number| {
        format!("  - {{ name: p{number}, role: user, addresses: [{}] }}\n", address(number))
    };
    let people: String = (0..PEOPLE).map(person).collect();
    format!(
        "
language: en
apps:
  main: {{ title: Main, script: $APPS/who.py, python: $PYTHON167, connect: unix, launch: fork }}
limits: {{ seats: {PEOPLE}, starts_at_once: {AT_ONCE} }}
users:
  - {{ name: minsu, role: admin, addresses: [127.0.0.1] }}
{people}"
    )
}

fn address(number: usize) -> String {
    format!("127.0.1.{}", number + 1)
}

/// The template, once it can fork.
async fn template(door: &Door) -> u32 {
    until("a template that serves", async || {
        let entries = std::fs::read_dir(door.path("var/templates")).ok()?.flatten();
        let record = entries.map(|entry| entry.path()).find(|path| {
            path.extension().is_some_and(|ending| ending == "json") && is_record(path)
        })?;
        let text = std::fs::read_to_string(record).ok()?;
        let record: serde_json::Value = serde_json::from_str(&text).ok()?;
        u32::try_from(record["pid"].as_u64()?).ok()
    })
    .await
}

/// Beside the records of templates lies what was learned of scripts.
fn is_record(path: &std::path::Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"pid\""))
}

/// The place in the queue that the person sees; 0 for who is not in it and gets the app's page.
async fn place(caller: &Caller) -> usize {
    let answer = caller.navigate("/app/main/").await.expect(200);
    if answer.page() != Some("waiting") {
        return 0;
    }
    let page = answer.text();
    let (_, rest) = page.split_once("data-step-place>").expect("a place for the place");
    let named = rest.split('<').next().expect("a text").trim();
    named.strip_prefix("number ").and_then(|number| number.parse().ok()).expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_seats_started_at_once_stand_in_a_queue_and_all_become_ready_none_twice() {
    let door = Door::open(&configuration()).await;
    let template = template(&door).await;
    let people: Vec<_> = (0..PEOPLE).map(|number| door.caller(&address(number))).collect();
    // The template holds its breath, so that nothing moves while everybody looks at the queue.
    signal(template, Signal::STOP);
    let places = join_all(people.iter().map(place)).await;
    signal(template, Signal::CONT);
    let named: BTreeSet<usize> = places.iter().copied().filter(|place| *place > 0).collect();
    assert_eq!(named, (1..=PEOPLE - AT_ONCE).collect(), "who waits sees a place of their own");
    assert_eq!(
        places.iter().filter(|place| **place == 0).count(),
        AT_ONCE,
        "the others are starting"
    );
    let sessions = join_all(people.iter().map(|person| Session::open(person, "/app/main/"))).await;
    for (number, session) in sessions.iter().enumerate() {
        assert_eq!(session.value("user"), format!("p{number}"));
    }
    let pids: BTreeSet<&str> = sessions.iter().map(|session| session.value("pid")).collect();
    assert_eq!(pids.len(), PEOPLE, "each has a process of their own");
    let status = door.status().await;
    let seats = status["seats"].as_array().expect("seats");
    let ready = seats.iter().filter(|seat| seat["state"] == "ready" && seat["launch"] == "fork");
    assert_eq!((seats.len(), ready.count()), (PEOPLE, PEOPLE), "{status}");
    let minsu = door.minsu();
    let launches = until("all starts in the account", async || {
        let asked = minsu.request(Method::GET, "/admin/api/events?kind=seat_launching&limit=500");
        let told = minsu.send(asked).await.expect(200).json();
        let launches = told["events"].as_array().expect("events").len();
        (launches >= PEOPLE).then_some(launches)
    })
    .await;
    assert_eq!(launches, PEOPLE, "none was started twice");
}
