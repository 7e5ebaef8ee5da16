//! What the account says when it is over: every start has an end, and every end a reason.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::rig::{Caller, until};

/// What a killed usher knew and had not yet written, at most.
const UNWRITTEN: Duration = Duration::from_secs(3);

/// What is not as it should be. A killed usher could not write its last moments down: a start
/// without an end is excused if usher was killed before the next.
pub(super) async fn problems(admin: &Caller, kills: &[SystemTime]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut open: BTreeMap<String, (SystemTime, String)> = BTreeMap::new();
    let (mut starts, mut excuses) = (0, 0);
    for event in events(admin).await {
        let part = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (kind, at) = (part("kind"), time(&part("at")));
        let key = format!("{}/{}", part("user"), part("app"));
        if kind.starts_with("seat_") && part("detail").is_empty() {
            problems.push(format!("no reason: {event}"));
        }
        match kind.as_str() {
            "seat_launching" => {
                starts += 1;
                let excused = |since: SystemTime| {
                    kills.iter().any(|kill| (since..=at + UNWRITTEN).contains(kill))
                };
                if let Some((since, before)) = open.insert(key, (at, event.to_string())) {
                    if excused(since) {
                        excuses += 1;
                    } else {
                        problems.push(format!("{before} has no end before {event}"));
                    }
                }
            }
            "seat_adopted" => {
                open.insert(key, (at, event.to_string()));
            }
            "seat_start_failed" | "seat_crashed" | "seat_stopped" | "seat_gone" => {
                open.remove(&key);
            }
            "seat_violated" => problems.push(event.to_string()),
            _ => {}
        }
    }
    eprintln!("{starts:6} starts in the account, {excuses} of them with an end that a kill lost");
    problems.extend(open.into_values().map(|(_, event)| format!("{event} has no end")));
    problems
}

/// All events, oldest first.
async fn events(admin: &Caller) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/admin/api/events?limit=500{after}");
        let page = until("events", async || {
            let answer = admin.get(&path).await;
            (answer.status == 200).then(|| answer.json())
        })
        .await;
        all.extend(page["events"].as_array().expect("events").iter().cloned());
        match page["after"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => break,
        }
    }
    all.reverse();
    all
}

fn time(text: &str) -> SystemTime {
    let at = text.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).expect("after 1970"))
}
