//! `/metrics` by the rules of OpenMetrics 1.0, and the dashboard that shows it.

use std::collections::{BTreeMap, BTreeSet};

use usher::account::Visitor;

use crate::house::House;

/// Families by name, with their type and the samples below them.
type Families = BTreeMap<String, (String, Vec<(String, f64)>)>;

/// Reads an exposition and panics at what OpenMetrics does not allow.
fn read(text: &str) -> Families {
    let mut families = Families::new();
    let mut current = String::new();
    let mut series = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").expect("an end");
    for line in body.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let mut words = head.splitn(3, ' ');
            let (what, name, rest) =
                (words.next(), words.next().expect("a name"), words.next().expect("more"));
            match what {
                Some("TYPE") => {
                    let first = families.insert(name.to_owned(), (rest.to_owned(), Vec::new()));
                    assert!(first.is_none(), "{name} stands twice");
                    name.clone_into(&mut current);
                }
                Some("UNIT") => assert!(name == current && name.ends_with(&format!("_{rest}"))),
                Some("HELP") => assert!(name == current && rest.ends_with('.'), "{line}"),
                other => panic!("{other:?}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').expect("a value");
        assert!(series.insert(name.to_owned()), "{name} stands twice");
        let value: f64 = value.parse().expect("a number");
        let (kind, samples) = families.get_mut(&current).expect("a family before its samples");
        let bare = name.split('{').next().expect("a name");
        let suffix = bare.strip_prefix(current.as_str()).expect("the family's name");
        let allowed: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{other}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(kind != "counter" || value >= 0.0, "{line}");
        samples.push((name.to_owned(), value));
    }
    families
}

fn value(families: &Families, series: &str) -> f64 {
    let all = families.values().flat_map(|(_, samples)| samples);
    let found = all.clone().find(|(name, _)| name == series);
    found.unwrap_or_else(|| panic!("no {series} in {:?}", all.collect::<Vec<_>>())).1
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_metrics_and_count_what_happened() {
    let house = House::new();
    house.call("/seats/jiyoung/main/start", "").await.expect("a start");
    house.submit("/seats/hana/sales/start", "").await.expect("a start");
    house.call("/reload", "").await.expect("a reload");
    house.write(|file| file.replace("title: 매출", "titel: 매출"));
    house.call("/reload", "").await.expect_err("a refusal");
    let families = read(&house.operations.metrics());
    for (series, expected) in [
        ("usher_seats{state=\"ready\"}", 2.0),
        ("usher_seats{state=\"failed\"}", 0.0),
        ("usher_seats_limit", 100.0),
        ("usher_reloads_total{outcome=\"applied\"}", 1.0),
        ("usher_reloads_total{outcome=\"refused\"}", 1.0),
        ("usher_events_total{kind=\"seat_ordered\"}", 2.0),
        ("usher_events_total{kind=\"reload_refused\"}", 1.0),
        ("usher_crashes_total", 0.0),
        ("usher_start_duration_seconds_count{launch=\"fork\"}", 2.0),
        ("usher_start_duration_seconds_count{launch=\"spawn\"}", 0.0),
        ("usher_start_duration_seconds_bucket{launch=\"fork\",le=\"+Inf\"}", 2.0),
        ("usher_people", 0.0),
        ("usher_faults_total", 0.0),
        ("process_start_time_seconds", 1_795_654_800.0),
    ] {
        assert_eq!(value(&families, series), expected, "{series}");
    }
    assert!(value(&families, "process_resident_memory_bytes") > 1e6);
    assert!(value(&families, "process_cpu_seconds_total") > 0.0);
    assert!(value(&families, "process_open_fds") > 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_and_what_the_account_does_not_take_are_counted() {
    const SERIES: [&str; 4] = [
        "usher_received_bytes_total",
        "usher_sent_bytes_total",
        "usher_facts_dropped_total",
        "usher_records_lost_total",
    ];
    let house = House::new();
    let counted = || {
        let families = read(&house.operations.metrics());
        SERIES.map(|series| value(&families, series))
    };
    assert_eq!(counted(), [0.0; 4]);
    let account = house.books.account();
    let visitor = Visitor { address: [10, 20, 0, 7].into(), browser: "curl/8.5".into() };
    let stay = account.stay(&house.seat_permit("jiyoung", "main"), visitor);
    stay.from_browser(70);
    stay.to_browser(5_000);
    assert_eq!(counted(), [70.0, 5_000.0, 0.0, 0.0]);
    stay.to_browser(1);
    account.counters().records_lost(3);
    assert_eq!(counted(), [70.0, 5_001.0, 0.0, 3.0]);
    house.stop_books().await;
    let before = counted()[2];
    drop(stay);
    assert_eq!(counted()[2], before + 1.0, "nobody takes the end of the stay any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_only_grow() {
    let house = House::new();
    house.submit("/seats/jiyoung/main/start", "").await.expect("a start");
    let families = read(&house.operations.metrics());
    let (_, samples) = &families["usher_start_duration_seconds"];
    for launch in ["fork", "spawn", "command", "upstream"] {
        let start = format!("usher_start_duration_seconds_bucket{{launch=\"{launch}\"");
        let buckets: Vec<f64> = samples
            .iter()
            .filter(|(name, _)| name.starts_with(&start))
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(buckets.len(), 11, "{launch}");
        assert!(buckets.is_sorted(), "{launch}: {buckets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_every_family_and_no_other() {
    let house = House::new();
    house.submit("/seats/jiyoung/main/start", "").await.expect("a start");
    let families = read(&house.operations.metrics());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/grafana.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let board: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let asked: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("a question"))
        .collect();
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let names: BTreeSet<String> = asked
        .iter()
        .flat_map(|asked| asked.split(|letter| !is_word(letter)))
        .filter(|word| word.starts_with("usher_") || word.starts_with("process_"))
        .map(|word| {
            let ends = ["_total", "_info", "_bucket", "_count", "_sum"];
            let end = ends.into_iter().find(|end| word.ends_with(end));
            end.map_or(word, |end| word.strip_suffix(end).expect("just seen")).to_owned()
        })
        .collect();
    let known: BTreeSet<String> = families.keys().cloned().collect();
    // It has no samples without TLS, but a panel that warns of it there must be.
    assert!(names.contains("usher_certificate_expires_timestamp_seconds"));
    let unknown: Vec<_> = names.difference(&known).collect();
    assert!(unknown.is_empty(), "the dashboard asks for {unknown:?}");
    // That WebSockets were opened at all is seen in those that are open; seats have theirs there.
    let elsewhere = ["usher_websockets_opened", "usher_seat_websockets"];
    let unseen: Vec<_> =
        known.difference(&names).filter(|name| !elsewhere.contains(&name.as_str())).collect();
    assert!(unseen.is_empty(), "the dashboard does not show {unseen:?}");
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "an id stands twice");
}
