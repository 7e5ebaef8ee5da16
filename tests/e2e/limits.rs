//! `cpu_max` on real Streamlit: who wants more is slowed down, goes on answering, is told of on the
//! pages and in the shell, and is neither ended nor forgotten. Whether the kernel keeps the limit or
//! usher measures.

use std::fs;
use std::time::{Duration, Instant};

use crate::rig::{Door, Session, Widget, lives, until};

const BUSY: &str = "
apps:
  busy: { title: Busy, script: $APPS/busy.py, python: $PYTHON167, ports: $PORTS, $LIMIT }
users: $USERS
";

fn busy(limit: &str) -> String {
    BUSY.replace("$LIMIT", limit)
}

/// Waits until `usher status` says that jiyoung's seat is slowed down, or no longer.
async fn slowed_down(door: &Door, wanted: bool) {
    until("the limit to show", async || {
        let told = door.run(&["status"]).await.expect(0).out;
        (told.contains("jiyoung/busy is slowed down") == wanted).then_some(())
    })
    .await;
}

async fn pid(door: &Door) -> u32 {
    let seat = door.seat("jiyoung", "busy").await.expect("an entry");
    u32::try_from(seat["pid"].as_u64().expect("a process")).unwrap()
}

/// CPU time of all processes of a session, in clock ticks of 10 ms.
fn ticks(session: u32) -> u64 {
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<u64> = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .skip(1)
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        (fields.get(2) == Some(&u64::from(session))).then(|| fields[10..14].iter().sum::<u64>())
    };
    numbers.filter_map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_over_its_cpu_is_slowed_down_answers_and_is_told_of() {
    let door = Door::open(&busy("cpu_max: 0.2")).await;
    let mut session = Session::open(&door.jiyoung(), "/app/busy/").await;
    assert_eq!(session.value("workers"), "2");
    slowed_down(&door, true).await;

    let pid = pid(&door).await;
    let (begun, before) = (Instant::now(), ticks(pid));
    let mut clicks = 0;
    while begun.elapsed() < Duration::from_secs(6) {
        session.touch(Widget::Press("Count")).await;
        clicks += 1;
        door.jiyoung().get("/app/busy/_stcore/health").await.expect(200);
    }
    let (used_ms, wall_ms) = ((ticks(pid) - before) * 10, begun.elapsed().as_millis());
    println!("{used_ms} ms of CPU in {wall_ms} ms, {clicks} reruns");
    assert!(u128::from(used_ms) * 1000 <= wall_ms * 224, "{used_ms} ms in {wall_ms} ms");
    assert_eq!(session.value("count"), clicks.to_string(), "it answers at its limit");

    let pages = [("en", "At its CPU limit", "limit 0.2<"), ("ko", "CPU 한도 도달", "한도 0.2코어")];
    for (language, at_limit, limit) in pages {
        for page in ["/admin/seats", "/admin/seats/jiyoung/busy"] {
            // Who gets less than the limit from a busy machine is not slowed down for a moment.
            until(&format!("{at_limit} on {page}"), async || {
                let headers = [("Accept-Language", language)];
                let text = door.minsu().navigate_with(page, &headers).await.text();
                (text.contains(at_limit) && text.contains(limit)).then_some(())
            })
            .await;
        }
    }
    until("the shell to say so", async || {
        let told = door.run(&["status"]).await.expect(0).out;
        told.contains("jiyoung/busy is slowed down: it wants more than 0.2 cores").then_some(())
    })
    .await;

    // A limit that is changed is applied to what runs.
    door.write(&busy("cpu_max: null"));
    door.run(&["reload"]).await.expect(0);
    slowed_down(&door, false).await;
    assert!(lives(pid), "the same process runs on");
    session.touch(Widget::Press("Count")).await;
    door.write(&busy("cpu_max: 0.05"));
    door.run(&["reload"]).await.expect(0);
    slowed_down(&door, true).await;
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    until("it has ended", async || (!lives(pid)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_is_slowed_down_outlives_a_killed_usher() {
    let mut door = Door::open(&busy("cpu_max: 0.2")).await;
    let session = Session::open(&door.jiyoung(), "/app/busy/").await;
    slowed_down(&door, true).await;
    let first = pid(&door).await;
    door.kill().await;
    drop(session);
    door.start().await;
    let mut session = Session::open(&door.jiyoung(), "/app/busy/").await;
    session.touch(Widget::Press("Count")).await;
    assert_eq!(session.value("count"), "1");
    slowed_down(&door, true).await;
    assert_eq!(pid(&door).await, first, "it was taken over");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_how_limits_are_kept_and_which_limit_nothing() {
    let text = "
apps:
  tool: { command: $PLAIN, ports: $PORTS, cpu_max: 4000, memory_max: 1GiB }
users: $USERS
";
    let ran = Door::closed(text).run(&["doctor"]).await.expect(0);
    assert!(ran.out.contains("cpu_max: 4000 limits nothing"), "{ran:?}");
    let kept = ran.out.contains("ok       cpu_max and memory_max are measured once a second: ")
        || ran.out.contains("ok       the kernel keeps cpu_max and memory_max (cgroup)");
    assert!(kept, "{ran:?}");
    let door = Door::open(text).await;
    let ran = door.run(&["doctor"]).await.expect(0);
    assert!(ran.out.contains("ok       the running usher: "), "{ran:?}");
    let status = door.run(&["status"]).await.expect(0).out;
    assert!(status.contains("cpu_max and memory_max"), "{status}");
}
