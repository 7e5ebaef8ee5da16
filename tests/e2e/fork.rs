//! A seat forked from the warm template: from inside it cannot be told from one started by hand,
//! and two of them share nothing that should be their own.

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Caller, Door, Session, lives, until};

const INSIDE: &str = "
apps:
  main: { script: $APPS/inside.py, python: $PYTHON, ports: $PORTS, launch: $LAUNCH, environment: { GREETING: hello } }
  other: { script: $APPS/inside.py, python: $PYTHON, ports: $PORTS, launch: $LAUNCH }
users: $USERS
";

async fn door(release: &str, launch: &str) -> Door {
    let text = INSIDE.replace("$PYTHON", &format!("$PYTHON{release}")).replace("$LAUNCH", launch);
    Door::open(&text).await
}

async fn told(caller: &Caller, app: &str, name: &str) -> Value {
    let session = Session::open(caller, &format!("/app/{app}/")).await;
    let text = session.value(name);
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// What a process tells of itself, without what names its door and its port.
async fn portrait(door: &Door) -> Value {
    let mut told = told(&door.jiyoung(), "main", "same").await;
    let environment = told["environment"].as_object_mut().expect("an environment");
    // Each launch and each door has its own.
    for own in ["PORT", "USHER_SEAT", "STREAMLIT_SERVER_COOKIE_SECRET"] {
        assert!(environment.remove(own).is_some(), "{own} is given");
    }
    let text =
        told.to_string().replace(door.path("").to_str().unwrap().trim_end_matches('/'), "DOOR");
    serde_json::from_str(&text).expect("JSON")
}

async fn a_forked_seat_is_like_a_spawned_one(release: &str) {
    let (forked, spawned) = (door(release, "fork").await, door(release, "spawn").await);
    let (one, other) = (portrait(&forked).await, portrait(&spawned).await);
    for (key, value) in other.as_object().expect("an object") {
        assert_eq!(&one[key], value, "{key}: forked, then spawned");
    }
    assert_eq!(one["environment"]["GREETING"], "hello");
    assert_eq!(one["environment"]["USHER_USER"], "jiyoung");
    assert_eq!(one["leads_its_session"], true);
    for (door, launch) in [(&forked, "fork"), (&spawned, "spawn")] {
        assert_eq!(door.seat("jiyoung", "main").await.expect("an entry")["launch"], launch);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_seat_of_1_67_is_like_a_spawned_one() {
    a_forked_seat_is_like_a_spawned_one("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_seat_of_1_39_is_like_a_spawned_one() {
    a_forked_seat_is_like_a_spawned_one("139").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forked_seats_draw_their_own_chances_and_keep_their_own_secrets() {
    let door = door("167", "fork").await;
    let (jiyoung, hana) = (door.jiyoung(), door.hana());
    let (one, other) = (told(&jiyoung, "main", "own").await, told(&hana, "main", "own").await);
    for (key, value) in one.as_object().expect("an object") {
        assert_ne!(&other[key], value, "{key} is the same in two seats");
    }
    let secret = told(&jiyoung, "main", "cookie_secret").await;
    assert_ne!(secret, told(&hana, "main", "cookie_secret").await, "it differs between users");
    assert_eq!(
        secret,
        told(&jiyoung, "other", "cookie_secret").await,
        "it is one for a user's apps"
    );
    let before = told(&jiyoung, "main", "pid").await;
    door.run(&["seat", "restart", "jiyoung", "main"]).await.expect(0);
    until("another process", async || {
        let seat = door.seat("jiyoung", "main").await?;
        (seat["state"] == "ready" && seat["pid"] != before).then_some(())
    })
    .await;
    assert_eq!(secret, told(&jiyoung, "main", "cookie_secret").await, "it outlives the process");
    let again = told(&jiyoung, "main", "own").await;
    assert_ne!(again["random"], one["random"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_dies_costs_no_request() {
    let door = door("167", "fork").await;
    let pid = told(&door.jiyoung(), "main", "pid").await;
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!(seat["pid"], pid);
    let processes = door.processes();
    let templates: Vec<_> = processes
        .iter()
        .filter(|process| process.pid != door.pid() && pid.as_u64() != Some(process.pid.into()))
        .collect();
    assert!(!templates.is_empty(), "a template runs: {processes:?}");
    templates.iter().for_each(|one| crate::rig::signal(one.pid, rustix::process::Signal::KILL));
    assert_eq!(told(&door.jiyoung(), "main", "pid").await, pid, "its seats live on");
    assert_ne!(told(&door.hana(), "main", "pid").await, pid, "and new ones start all the same");
}

const DEFAULTS: &str = "
apps:
  main: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
users: $USERS
";

fn templates(door: &Door) -> Vec<u32> {
    let is_template = |process: &crate::rig::Process| process.command.contains("/template.py");
    door.processes().into_iter().filter(is_template).map(|process| process.pid).collect()
}

fn parent(pid: &Value) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let fields = stat.rsplit(')').next().expect("fields");
    fields.split_whitespace().nth(1).expect("a parent").parse().expect("a process id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_there_before_the_first_visit_and_seats_are_forked_without_being_asked_for() {
    let door = Door::open(DEFAULTS).await;
    until("a template", async || (templates(&door).len() == 1).then_some(())).await;
    let pid = told(&door.jiyoung(), "main", "pid").await;
    assert_eq!(parent(&pid), templates(&door)[0]);
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!(seat["launch"], "fork");
    let memory = seat["memory_bytes"].as_u64();
    assert!(memory.is_none_or(|bytes| bytes < 60 << 20), "what is shared is not counted: {seat}");
}

/// Passes if the seat and its template outlive this usher and serve the next.
async fn outlive(how: impl AsyncFnOnce(&mut Door)) {
    let mut door = Door::open(DEFAULTS).await;
    let pid = told(&door.jiyoung(), "main", "pid").await;
    let template = parent(&pid);
    how(&mut door).await;
    door.seat_in_state("jiyoung", "main", "ready").await;
    assert_eq!(told(&door.jiyoung(), "main", "pid").await, pid);
    let other = told(&door.hana(), "main", "pid").await;
    assert_eq!(parent(&other), template);
    assert_eq!(templates(&door), [template]);
    // What it forked for the usher before is known by its end as well.
    door.run(&["seat", "stop", "jiyoung", "main"]).await.expect(0);
    door.seat_gone("jiyoung", "main").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_their_template_outlive_a_killed_usher() {
    outlive(async |door: &mut Door| {
        door.kill().await;
        door.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_their_template_outlive_a_restart() {
    outlive(async |door: &mut Door| {
        door.signal(Signal::USR1);
        assert!(door.exited().await.success());
        door.start().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_and_their_template_outlive_an_upgrade() {
    outlive(async |door: &mut Door| {
        door.run(&["upgrade"]).await.expect(0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_a_template_starts_or_serves_leaves_nothing() {
    let mut door = Door::open(DEFAULTS).await;
    until("a template", async || (!templates(&door).is_empty()).then_some(())).await;
    door.signal(Signal::TERM);
    assert!(door.exited().await.success());
    assert_eq!(door.processes(), []);
    door.start().await;
    told(&door.jiyoung(), "main", "pid").await;
    door.signal(Signal::TERM);
    assert!(door.exited().await.success());
    assert_eq!(door.processes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_goes_when_the_configuration_needs_it_no_more_but_not_before_its_last_seat() {
    let door = Door::open(DEFAULTS).await;
    let pid = told(&door.jiyoung(), "main", "pid").await;
    let template = parent(&pid);
    door.write(&DEFAULTS.replace("ports: $PORTS", "ports: $PORTS, environment: { A: b }"));
    door.run(&["reload"]).await.expect(0);
    let other = told(&door.hana(), "main", "pid").await;
    assert_ne!(parent(&other), template);
    door.run(&["seat", "stop", "jiyoung", "main"]).await.expect(0);
    until("the first template to go", async || (!lives(template)).then_some(())).await;
    assert_eq!(templates(&door), [parent(&other)]);
}
