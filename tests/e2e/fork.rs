//! A seat forked from the warm template: from inside it cannot be told from one started by hand,
//! and two of them share nothing that should be their own.

use serde_json::Value;

use crate::rig::{Caller, Door, Session};

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
    crate::rig::until("another process", async || {
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
