//! A database that cannot be written: people notice nothing, administrators do.

use rusqlite::Connection;

use crate::rig::{Caller, Door, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";
const ORDER: (&str, &str) = ("X-Usher-Request", "1");
/// More events than wait in memory for a database.
const ORDERS: usize = 12_000;
const ORDERS_AT_ONCE: usize = 24;

/// A counter of `/metrics`.
async fn counted(door: &Door, series: &str) -> f64 {
    let text = door.minsu().get("/metrics").await.expect(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().expect("a number")
}

/// An order that is an event and ends nothing.
async fn order(admin: &Caller, user: &str) {
    let path = format!("/admin/api/seats/{user}/tool/kick");
    let answer = admin.post_with(&path, &[ORDER]).await;
    assert!((200..300).contains(&answer.status), "{answer:?} {}", answer.text());
}

/// Each of these is an event.
async fn order_much(door: &Door) {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..ORDERS_AT_ONCE {
        let caller = door.minsu();
        callers.spawn(async move {
            for _ in 0..ORDERS / ORDERS_AT_ONCE {
                order(&caller, "jiyoung").await;
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("every order is answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_written_costs_records_and_no_request() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    door.hana().get("/app/tool/pid").await.expect(200);
    let other = Connection::open(door.path("var/usher.db")).expect("the database");
    other.busy_timeout(std::time::Duration::from_secs(30)).expect("patience");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    assert_eq!(counted(&door, "usher_records_lost_total").await, 0.0);

    order_much(&door).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let lost = until("records to be counted as lost", async || {
        Some(counted(&door, "usher_records_lost_total").await).filter(|lost| *lost > 0.0)
    })
    .await;
    let dropped = counted(&door, "usher_facts_dropped_total").await;
    println!("{lost} records lost, {dropped} facts dropped");
    assert!(lost < ORDERS as f64, "what memory holds is not lost");
    let page = door.minsu().navigate("/admin/server").await.expect_page(200, "admin").text();
    assert!(page.contains("쓰지 못한 기록</dt><dd class=\"bad\">"), "{page}");

    other.execute_batch("ROLLBACK").expect("the lock is gone");
    order(&door.minsu(), "hana").await;
    until("the last order to be kept", async || {
        let told = door.minsu().get("/admin/api/events?user=hana&kind=kicked").await;
        let told = told.expect(200).json();
        told["events"].as_array().is_some_and(|events| !events.is_empty()).then_some(())
    })
    .await;
}
