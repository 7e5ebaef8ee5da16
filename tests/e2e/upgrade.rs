//! A new binary in the place of the running one: no refused connection, no lost seat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::rig::{Caller, Closed, Door, lives, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";

fn pid_file(door: &Door) -> u32 {
    let text = std::fs::read_to_string(door.path("var/usher.pid")).expect("STATE_DIR/usher.pid");
    text.trim().parse().expect("a process id")
}

/// Asks on a new connection each time until it is over; says how often, or what went wrong.
async fn keep_calling(
    caller: Caller,
    over: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
) -> Result<(), String> {
    while !over.load(Ordering::Relaxed) {
        let request =
            caller.request(reqwest::Method::GET, "/app/tool/pid").header("Connection", "close");
        let answer = caller.try_send(request).await.map_err(|error| format!("{error:?}"))?;
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_refuses_no_connection_and_keeps_every_seat() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    let seat = socket.ask("!pid").await;
    let hana = door.hana().get("/app/tool/pid").await.expect(200).text();
    let before = pid_file(&door);
    assert_eq!(before, door.pid());
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(keep_calling(door.hana(), over.clone(), asked.clone())))
        .collect();
    until("callers at work", async || (asked.load(Ordering::Relaxed) > 20).then_some(())).await;
    door.run(&["upgrade"]).await.expect(0);
    let after = pid_file(&door);
    assert_ne!(before, after);
    assert_eq!(door.status().await["usher"]["pid"], after);
    assert_eq!(socket.closed().await, Closed::With(1012));
    let so_far = asked.load(Ordering::Relaxed);
    until("callers served by the new one", async || {
        (asked.load(Ordering::Relaxed) > so_far + 20).then_some(())
    })
    .await;
    over.store(true, Ordering::Relaxed);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Ok(()));
    }
    until("the old one to leave", async || (!lives(before)).then_some(())).await;
    assert_eq!(door.jiyoung().socket("/app/tool/ws").await.ask("!pid").await, seat);
    assert_eq!(door.hana().get("/app/tool/pid").await.expect(200).text(), hana);
    assert_eq!(door.launches().len(), 2);
}

/// How many children of a process have ended and were not waited for.
fn ended_children(parent: u32) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let stats = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_one = |stat: &String| {
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(&parent.to_string())
    };
    stats.filter(is_one).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_a_broken_configuration_is_refused_and_the_old_one_serves_on() {
    let door = Door::open(TOOL).await;
    let pid = door.jiyoung().get("/app/tool/pid").await.expect(200).text();
    door.write(&TOOL.replace("title", "titel"));
    let ran = door.run(&["upgrade"]).await;
    assert!([Some(1), Some(78)].contains(&ran.code), "{ran:?}");
    assert_eq!(ended_children(door.pid()), 0, "nobody waited for the one that gave up");
    assert_eq!(pid_file(&door), door.pid());
    assert_eq!(door.jiyoung().get("/app/tool/pid").await.expect(200).text(), pid);
}
