//! The life of seats: when they end by themselves, and how they outlive the door.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::rig::{Closed, Door, lives, until, within};

fn tool(keys: &str) -> String {
    format!(
        "
apps:
  tool: {{ title: Tool, command: $PLAIN, ports: $PORTS{keys} }}
users: $USERS
"
    )
}

async fn pid_of(door: &Door) -> u32 {
    door.jiyoung().get("/app/tool/pid").await.expect(200).text().parse().unwrap()
}

async fn gone(pid: u32) {
    until("the process to be gone", async || (!lives(pid)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_nobody_uses_stops_after_its_idle_timeout_and_comes_back_on_demand() {
    let door = Door::open(&tool(", idle_timeout: 1s")).await;
    let first = pid_of(&door).await;
    let generation = door.seat("jiyoung", "tool").await.unwrap()["generation"].as_u64().unwrap();
    gone(first).await;
    door.seat_gone("jiyoung", "tool").await;
    assert!(
        !door.log_lines(&["jiyoung", "tool", "idle"]).is_empty(),
        "the reason is logged: {}",
        door.log()
    );
    let second = pid_of(&door).await;
    assert_ne!(first, second);
    let seat = door.seat("jiyoung", "tool").await.unwrap();
    assert!(seat["generation"].as_u64().unwrap() > generation, "{seat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_websocket_keeps_a_seat_from_being_idle() {
    let door = Door::open(&tool(", idle_timeout: 1s")).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let pid: u32 = socket.ask("!pid").await.parse().unwrap();
    let hana: u32 = door.hana().get("/app/tool/pid").await.expect(200).text().parse().unwrap();
    gone(hana).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(socket.ask("!pid").await, pid.to_string());
    socket.close(1000).await;
    gone(pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_for_the_seat_do_not_keep_it() {
    let door = Door::open(&tool(", idle_timeout: 2s")).await;
    let pid = pid_of(&door).await;
    within(
        Duration::from_secs(30),
        "the idle seat to stop while its user looks at other pages",
        async || {
            door.jiyoung().navigate("/").await.expect(303);
            (!lives(pid)).then_some(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_but_untouched_seat_stops_and_its_websocket_is_told() {
    let door = Door::open(&tool(", untouched_timeout: 2s")).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let pid: u32 = socket.ask("!pid").await.parse().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert_eq!(socket.ask("!pid").await, pid.to_string(), "somebody acts");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(socket.closed().await, Closed::With(1001));
    gone(pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_ends_at_its_longest_lifetime() {
    let door = Door::open(&tool(", lifetime_max: 2s")).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let pid: u32 = socket.ask("!pid").await.parse().unwrap();
    assert_eq!(socket.closed().await, Closed::With(1001));
    gone(pid).await;
    assert!(!door.log_lines(&["jiyoung", "tool", "lifetime"]).is_empty(), "{}", door.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_over_its_memory_is_stopped_with_the_reason() {
    let door = Door::open(&tool(", memory_max: 200MiB")).await;
    let pid = pid_of(&door).await;
    let _ = door
        .jiyoung()
        .try_send(door.jiyoung().request(reqwest::Method::GET, "/app/tool/grow?mib=300"))
        .await;
    gone(pid).await;
    until("the reason in the log", async || {
        (!door.log_lines(&["jiyoung", "tool", "memory"]).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_full_when_all_seats_are_taken() {
    let door = Door::open(&format!("{}limits: {{ seats: 1 }}\n", tool(""))).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let refused = door.hana().get("/app/tool/pid").await.expect(503);
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    door.hana().navigate("/app/tool/").await.expect_page(503, "full");
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    until("a seat for hana", async || {
        (door.hana().get("/app/tool/pid").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_queue_up_behind_the_limit_and_all_are_served() {
    let door = Door::open(&format!("{}limits: {{ starts_at_once: 1 }}\n", tool(""))).await;
    let (minsu, jiyoung, hana) = (door.minsu(), door.jiyoung(), door.hana());
    let (one, two, three) = tokio::join!(
        minsu.get("/app/tool/pid"),
        jiyoung.get("/app/tool/pid"),
        hana.get("/app/tool/pid")
    );
    for answer in [one, two, three] {
        answer.expect(200);
    }
    assert_eq!(door.launches().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigusr1_leaves_the_seats_and_the_next_usher_adopts_them() {
    let mut door = Door::open(&tool("")).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let pid: u32 = socket.ask("!pid").await.parse().unwrap();
    let before = door.seat("jiyoung", "tool").await.unwrap();
    door.signal(Signal::USR1);
    assert_eq!(socket.closed().await, Closed::With(1012));
    assert!(door.exited().await.success());
    assert!(lives(pid), "the seat was kept");
    door.start().await;
    assert_eq!(pid_of(&door).await, pid, "the same process");
    let after = door.seat("jiyoung", "tool").await.unwrap();
    assert_eq!((&after["pid"], &after["endpoint"]), (&before["pid"], &before["endpoint"]));
    assert_eq!(after["generation"], before["generation"]);
    assert_eq!(door.launches().len(), 1);
    door.run(&["seat", "stop", "jiyoung", "tool"]).await.expect(0);
    gone(pid).await;
}

/// After a kill and a new start: the old process is adopted or ended within five seconds, and never
/// are there two.
async fn survives_a_kill(configuration: &str, while_starting: bool) {
    let mut door = Door::open(configuration).await;
    let jiyoung = door.jiyoung();
    if while_starting {
        let held = tokio::spawn(async move {
            jiyoung.try_send(jiyoung.request(reqwest::Method::GET, "/app/tool/pid")).await
        });
        until("the launch", async || (door.launches().len() == 1).then_some(())).await;
        door.kill().await;
        assert!(held.await.unwrap().is_err(), "the request died with usher");
    } else {
        pid_of(&door).await;
        door.kill().await;
    }
    let old = door.launches()[0].pid;
    assert!(lives(old), "a killed usher takes nobody with it");
    door.start().await;
    let begun = Instant::now();
    within(Duration::from_secs(5), "the old process to be adopted or ended", async || {
        let seat = door.seat("jiyoung", "tool").await;
        let state = if while_starting { "probing" } else { "ready" };
        let adopted = seat.is_some_and(|seat| seat["pid"] == old && seat["state"] == state);
        (adopted || !lives(old)).then_some(())
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    std::fs::write(door.path("go"), "").unwrap();
    let now = pid_of(&door).await;
    let alive: Vec<_> =
        door.launches().iter().map(|launch| launch.pid).filter(|pid| lives(*pid)).collect();
    assert_eq!(alive, [now], "one process for one key");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_a_new_start_a_ready_seat_is_adopted_or_ended_never_doubled() {
    survives_a_kill(&tool(""), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_and_a_new_start_a_starting_seat_is_adopted_or_ended_never_doubled() {
    survives_a_kill(&tool("").replace("$PLAIN", "$PLAIN(--wait-for $DOOR/go)"), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_at_once_after_a_kill_and_a_new_start_meets_no_second_process() {
    let mut door = Door::open(&tool("")).await;
    pid_of(&door).await;
    door.kill().await;
    door.start().await;
    let now = pid_of(&door).await;
    let old = door.launches()[0].pid;
    assert!(now == old || !lives(old), "the old {old} and the new {now} live together");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_whose_user_was_removed_while_usher_was_down_is_ended() {
    let mut door = Door::open(&tool("")).await;
    let pid = pid_of(&door).await;
    door.kill().await;
    door.write(
        &tool("").replace("$USERS", "[{ name: minsu, role: admin, addresses: [127.0.0.1] }]"),
    );
    door.start().await;
    within(Duration::from_secs(5), "the seat that belongs to nobody to end", async || {
        (!lives(pid)).then_some(())
    })
    .await;
    until("the seat to be forgotten", async || {
        door.seat("jiyoung", "tool").await.is_none().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_ended_while_usher_was_away_has_an_end_in_the_account() {
    let mut door = Door::open(&tool("")).await;
    let pid = pid_of(&door).await;
    door.signal(Signal::USR1);
    assert!(door.exited().await.success());
    crate::rig::signal(pid, Signal::KILL);
    gone(pid).await;
    door.start().await;
    until("the end of the seat among the events", async || {
        let told = door.minsu().get("/admin/api/events?user=jiyoung").await.expect(200).json();
        let newest = told["events"].as_array().unwrap().first()?.clone();
        (newest["kind"] == "seat_gone" && newest["app"] == "tool").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_why_a_seat_runs_and_when_it_will_stop() {
    let door = Door::open(&tool(", idle_timeout: 10m")).await;
    pid_of(&door).await;
    let seat = door.seat("jiyoung", "tool").await.unwrap();
    assert!(seat["stops_at"].is_string() && seat["stops_because"].is_string(), "{seat}");
    assert!(seat["runs_because"].as_str().is_some_and(|reason| !reason.is_empty()), "{seat}");
    let _socket = door.jiyoung().socket("/app/tool/ws").await;
    until("the status to know of the open tab", async || {
        let seat = door.seat("jiyoung", "tool").await?;
        (seat["websockets"] == 1).then_some(seat)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streamlit_seats_are_adopted_too() {
    let mut door = Door::open(
        "
apps:
  tool: { script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
users: $USERS
",
    )
    .await;
    let mut session = crate::rig::Session::open(&door.jiyoung(), "/app/tool/").await;
    session.touch(crate::rig::Widget::Press("Count")).await;
    let (id, pid) = (session.id.clone(), session.value("pid").to_string());
    door.signal(Signal::USR1);
    assert_eq!(session.socket().closed().await, Closed::With(1012));
    door.exited().await;
    door.start().await;
    let again = crate::rig::Session::open_as(&door.jiyoung(), "/app/tool/", Some(&id)).await;
    assert_eq!(
        (again.value("pid"), again.value("count")),
        (pid.as_str(), "1"),
        "the same session in the same process"
    );
    let seat: Value = door.seat("jiyoung", "tool").await.unwrap();
    assert_eq!(seat["pid"].to_string(), pid);
}
