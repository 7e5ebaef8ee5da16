//! A changed configuration on a running door: applied whole or not at all, and nobody who did not
//! change notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::rig::{Caller, Closed, Door, Ran, Socket, lives, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2] }
  - { name: hana, role: user, addresses: [127.0.0.3] }
";

/// The same without jiyoung.
fn without_jiyoung() -> String {
    TOOL.replace("  - { name: jiyoung, role: user, addresses: [127.0.0.2] }\n", "")
}

/// The same with a key that does not exist.
fn misspelt() -> String {
    TOOL.replace("addresses: [127.0.0.2]", "adresses: [127.0.0.2]")
}

/// Line and column, from 1, of a word in a text.
fn place(text: &str, word: &str) -> (usize, usize) {
    let at = text.find(word).expect("the word is there");
    let line = text[..at].matches('\n').count();
    let column = text[..at].chars().rev().take_while(|character| *character != '\n').count();
    (line + 1, column + 1)
}

async fn is_let_in(caller: &Caller) -> bool {
    caller.get("/app/tool/pid").await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn usher_reload_applies_the_file() {
    let door = Door::open(&without_jiyoung()).await;
    door.jiyoung().get("/app/tool/pid").await.expect(403);
    door.write(TOOL);
    door.run(&["reload"]).await.expect(0);
    door.jiyoung().get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn usher_reload_says_what_changed() {
    let door = Door::open(TOOL).await;
    let unchanged = door.run(&["reload"]).await.expect(0);
    assert!(!unchanged.out.contains("jiyoung"), "{unchanged:?}");
    door.write(&without_jiyoung());
    let changed = door.run(&["reload"]).await.expect(0);
    let told = changed.out.contains("jiyoung") || !door.log_lines(&["jiyoung"]).is_empty();
    assert!(told, "by the command, or in the log if the watch was faster: {changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_applies_the_file() {
    let door = Door::open(&without_jiyoung()).await;
    door.write(TOOL);
    door.signal(Signal::HUP);
    until("jiyoung to be let in", async || is_let_in(&door.jiyoung()).await.then_some(())).await;
    assert!(lives(door.pid()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_watched_whether_it_is_replaced_or_written_in_place() {
    let door = Door::open(&without_jiyoung()).await;
    door.write(TOOL);
    until("jiyoung to be let in", async || is_let_in(&door.jiyoung()).await.then_some(())).await;
    std::fs::write(door.configuration_path(), door.fill(&without_jiyoung())).unwrap();
    until("jiyoung to be shut out", async || {
        (door.jiyoung().get("/app/tool/pid").await.status == 403).then_some(())
    })
    .await;
    door.write(TOOL);
    until("jiyoung to be let in again", async || is_let_in(&door.jiyoung()).await.then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_with_its_place_and_changes_nothing() {
    let door = Door::open(TOOL).await;
    let pid = door.jiyoung().get("/app/tool/pid").await.expect(200).text();
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    door.write(&misspelt());
    let (line, column) = place(&door.fill(&misspelt()), "adresses");
    let place = format!("{}:{line}:{column}: ", door.configuration_path().display());
    let refused = door.run(&["reload"]).await.expect(78);
    assert!(refused.out.contains(&place), "{place} in {refused:?}");
    assert!(refused.out.contains("addresses"), "a hint at what was meant: {refused:?}");
    until("the place in usher's own log", async || door.log().contains(&place).then_some(())).await;
    assert_eq!(door.jiyoung().get("/app/tool/pid").await.expect(200).text(), pid);
    assert_eq!(socket.ask("still here").await, "still here");
    let problems = door.status().await["usher"]["configuration"]["problems"].to_string();
    assert!(problems.contains("adresses"), "{problems}");
    door.write(TOOL);
    door.run(&["reload"]).await.expect(0);
    let problems = &door.status().await["usher"]["configuration"]["problems"];
    assert!(!problems.to_string().contains("adresses"), "{problems}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_broken_file_is_told_at_once() {
    let door = Door::open(TOOL).await;
    let broken =
        misspelt().replace("role: admin", "role: boss").replace("127.0.0.3]", "127.0.0.3/8]");
    door.write(&broken);
    let refused = door.run(&["reload"]).await.expect(78);
    for word in ["adresses", "boss", "127.0.0.3/8"] {
        let (line, column) = place(&door.fill(&broken), word);
        let place = format!("{}:{line}:{column}: ", door.configuration_path().display());
        assert!(refused.out.contains(&place), "{word} at {place} in {refused:?}");
    }
}

/// Opens jiyoung's and hana's seats, changes the file, and sees jiyoung out within a second and
/// hana unmoved.
async fn jiyoung_is_seen_out(changed: &str, apply: impl AsyncFnOnce(&Door)) {
    let door = Door::open(TOOL).await;
    let mut jiyoung = door.jiyoung().socket("/app/tool/ws").await;
    let mut hana = door.hana().socket("/app/tool/ws").await;
    let pid: u32 = jiyoung.ask("!pid").await.parse().unwrap();
    let hanas_pid = hana.ask("!pid").await;
    door.write(changed);
    apply(&door).await;
    assert_eq!(jiyoung.closed_within(Duration::from_secs(1)).await, Closed::With(4003));
    until("jiyoung's process to be gone", async || (!lives(pid)).then_some(())).await;
    door.seat_gone("jiyoung", "tool").await;
    assert_eq!(hana.ask("!pid").await, hanas_pid);
    assert_eq!(door.hana().get("/app/tool/pid").await.expect(200).text(), hanas_pid);
}

async fn by_command(door: &Door) {
    door.run(&["reload"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_loses_seat_and_websockets_within_a_second_and_others_notice_nothing() {
    jiyoung_is_seen_out(&without_jiyoung(), by_command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_address_is_given_to_somebody_else_is_seen_out() {
    let changed = TOOL.replace("name: jiyoung", "name: newcomer");
    jiyoung_is_seen_out(&changed, by_command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_app_is_no_longer_granted_is_seen_out() {
    let changed = TOOL
        .replace("users:", "  other: { command: $PLAIN, ports: $PORTS }\nusers:")
        .replace("addresses: [127.0.0.2]", "addresses: [127.0.0.2], apps: [other]");
    jiyoung_is_seen_out(&changed, by_command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_moves_to_another_address_is_known_there_and_no_longer_here() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    door.write(&TOOL.replace("127.0.0.2]", "127.0.0.22]"));
    door.run(&["reload"]).await.expect(0);
    assert_eq!(socket.closed_within(Duration::from_secs(1)).await, Closed::With(4003));
    door.jiyoung().get("/app/tool/pid").await.expect(403);
    let echo = door.caller("127.0.0.22").get("/app/tool/echo").await.expect(200).json();
    assert_eq!(echo["user"], "jiyoung");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_app_is_served_without_a_restart() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/extra/pid").await.expect(403);
    door.write(&TOOL.replace("users:", "  extra: { command: $PLAIN, ports: $PORTS }\nusers:"));
    door.run(&["reload"]).await.expect(0);
    door.jiyoung().get("/app/extra/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_said_and_the_rest_is_applied() {
    let door = Door::open(&without_jiyoung()).await;
    let listens = format!("\nlisten: [\"{}\", \"127.0.0.1:$SPARE1\"]\n", door.address());
    door.write(&format!("{listens}{TOOL}"));
    let ran = door.run(&["reload"]).await.expect(0);
    let said = |text: &str| text.contains("listen") && text.to_lowercase().contains("restart");
    assert!(said(&ran.out) || door.log().lines().any(said), "{ran:?} {}", door.log());
    door.jiyoung().get("/app/tool/pid").await.expect(200);
}

/// What went wrong for those who used the door during the reloads.
#[derive(Default)]
struct Harm {
    requests: AtomicU32,
    messages: AtomicU32,
    over: AtomicBool,
}

async fn keep_asking(caller: Caller, harm: Arc<Harm>) -> Result<(), String> {
    while !harm.over.load(Ordering::Relaxed) {
        let request = caller.request(reqwest::Method::GET, "/app/tool/pid");
        let answer = caller.try_send(request).await.map_err(|error| format!("{error:?}"))?;
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        harm.requests.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn keep_talking(mut socket: Socket, harm: Arc<Harm>) -> Result<(), String> {
    while !harm.over.load(Ordering::Relaxed) {
        let word = harm.messages.fetch_add(1, Ordering::Relaxed).to_string();
        socket.say(&word).await;
        let heard = tokio::time::timeout(crate::rig::PATIENCE, socket.next()).await;
        match heard {
            Ok(Ok(bytes)) if bytes == word.as_bytes() => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

/// One reload of the load test: three changes of what others may do, then a broken file.
async fn reload_number(door: &Door, number: u32) -> Ran {
    let (text, code) = match number % 4 {
        0 => (without_jiyoung(), 0),
        1 => (TOOL.replace("title: Tool", &format!("title: Tool {number}")), 0),
        2 => (format!("{}language: ko\n", without_jiyoung()), 0),
        _ => (misspelt(), 78),
    };
    door.write(&text);
    door.run(&["reload"]).await.expect(code)
}

#[tokio::test(flavor = "multi_thread")]
async fn four_reloads_a_second_under_load_fail_no_request_and_close_no_websocket() {
    let door = Door::open(TOOL).await;
    let harm = Arc::new(Harm::default());
    let hana = door.hana();
    hana.get("/app/tool/pid").await.expect(200);
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(tokio::spawn(keep_asking(hana.clone(), harm.clone())));
        users.push(tokio::spawn(keep_talking(hana.socket("/app/tool/ws").await, harm.clone())));
    }
    let mut beat = tokio::time::interval(Duration::from_millis(250));
    for number in 0..40 {
        beat.tick().await;
        reload_number(&door, number).await;
    }
    harm.over.store(true, Ordering::Relaxed);
    for user in users {
        assert_eq!(user.await.unwrap(), Ok(()));
    }
    assert!(harm.requests.load(Ordering::Relaxed) > 500, "there was load: {:?}", harm.requests);
    assert!(harm.messages.load(Ordering::Relaxed) > 500, "there was load: {:?}", harm.messages);
    assert_eq!(door.launches().iter().filter(|launch| launch.user == "hana").count(), 1);
}
