//! The events of a page: at once, then only what has changed, and an end.

use std::time::Duration;

use serde_json::Value;

use crate::house::House;

/// How long an event may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The HTML of an event.
fn part(event: &[u8]) -> String {
    let text = std::str::from_utf8(event).expect("text");
    let data = text.strip_prefix("event: part\ndata: ").unwrap_or_else(|| panic!("{text}"));
    let data = data.strip_suffix("\n\n").expect("an end");
    assert!(!data.contains('\n'), "one line");
    let html: Value = serde_json::from_str(data).expect("JSON");
    html.as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_what_changes() {
    let house = House::new();
    let mut events = house.events("/live/seats").await;
    let first = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time");
    let first = part(&first.expect("an event"));
    assert!(first.contains("No app is running.") && !first.contains("<html"), "{first}");
    let page = house.page("/seats").await;
    assert!(page.contains(first.trim()), "the page begins with the same part");
    house.call("/seats/jiyoung/main/start", "").await.expect("a start");
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = events.next().await.expect("an event");
            if !event.starts_with(b":") && part(&event).contains("badge--ready") {
                return part(&event);
            }
        }
    });
    assert!(told.await.expect("in time").contains("jiyoung"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_on_which_nothing_happens_gets_a_sign_of_life_only() {
    let house = House::new();
    let mut events = house.events("/live/seats/jiyoung/main").await;
    let first = events.next().await.expect("an event");
    assert!(part(&first).contains("&lt;line 2&gt;"), "the log is there");
    house.clock.advance(14_000);
    let second = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(second.expect("a comment").starts_with(b":"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_configuration_is_another_or_it_is_old() {
    let house = House::new();
    let mut events = house.events("/live/overview").await;
    events.next().await.expect("an event");
    house.call("/reload", "").await.expect("a reload");
    let end = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(end.is_none(), "the browser asks anew, and is looked at anew");
    let mut events = house.events("/live/server").await;
    events.next().await.expect("an event");
    house.clock.advance(5 * 60_000);
    let end = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time");
    assert!(end.is_none());
}
