//! Who gets in, and who does not: strangers, users, spoofers, other sites, other names.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::Value;

use crate::rig::{Caller, Door, with};

const TWO_APPS: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
  other: { title: Other, command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2] }
  - { name: hana, role: user, addresses: [127.0.0.3], apps: [tool] }
hosts: [seats.example.org]
trusted_proxies: [127.0.0.9]
";

/// Every kind of path the door knows, and one it does not.
const PATHS: [&str; 16] = [
    "/",
    "/app",
    "/app/",
    "/app/tool",
    "/app/tool/",
    "/app/tool/pid",
    "/app/nope/",
    "/admin",
    "/admin/",
    "/admin/users",
    "/admin/api/seats",
    "/_usher/login",
    "/_usher/wait?app=tool",
    "/_usher/sessions",
    "/unauthorized/",
    "/nothing",
];

async fn user_of(caller: &Caller, headers: &[(&str, &str)]) -> Value {
    caller.get_with("/app/tool/echo", headers).await.expect(200).json()["user"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_403_and_the_restricted_page_everywhere() {
    let door = Door::open(TWO_APPS).await;
    let stranger = door.stranger();
    for path in PATHS {
        let page = stranger.navigate(path).await.expect_page(403, "restricted");
        assert!(page.text().contains("127.0.0.99"), "{path} names the address: {}", page.text());
        for secret in ["minsu", "hana", "Tool"] {
            assert!(!page.text().contains(secret), "{path} tells a stranger of {secret}");
        }
        assert_eq!(page.header("location"), None);
        for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            stranger.send(stranger.request(method, path)).await.expect(403);
        }
    }
    let refused = stranger.try_socket("/app/tool/ws", &[("Origin", &stranger.origin())]).await;
    refused.err().expect("a refusal").expect(403);
    assert_eq!(door.launches(), [], "no process was started for a stranger");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restricted_page_speaks_korean_and_english() {
    let door = Door::open(TWO_APPS).await;
    for (accepted, korean) in [
        ("ko", true),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", true),
        ("fr;q=0.9, ko;q=0.5", true),
        ("en", false),
        ("en-US,en;q=0.9,ko;q=0.8", false),
        ("ko;q=0.2, en;q=0.7", false),
    ] {
        let page =
            door.stranger().navigate_with("/", &[("Accept-Language", accepted)]).await.text();
        assert_eq!(page.contains("접근 제한"), korean, "{accepted}: {page}");
        assert_eq!(
            page.to_lowercase().contains("access restricted"),
            !korean,
            "{accepted}: {page}"
        );
        assert!(
            page.contains(if korean { "lang=\"ko\"" } else { "lang=\"en\"" }),
            "{accepted}: {page}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_language_is_spoken_whatever_the_browser_asks_for() {
    let door = Door::open(&format!("{TWO_APPS}language: ko\n")).await;
    let page = door.stranger().navigate_with("/", &[("Accept-Language", "en")]).await.text();
    assert!(page.contains("접근 제한"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_from_the_untrusted_makes_nobody_else_of_anybody() {
    let door = Door::open(TWO_APPS).await;
    for header in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.2"),
        ("Forwarded", "for=127.0.0.1"),
    ] {
        for caller in [door.stranger(), door.jiyoung(), door.minsu()] {
            let path = "/app/tool/echo";
            caller.get_with(path, &[header]).await.expect_page(403, "restricted");
            let headers = [header, ("Origin", &caller.origin())];
            let refused = caller.try_socket("/app/tool/ws", &headers).await;
            refused.err().expect("a refusal").expect(403);
        }
    }
    assert_eq!(door.launches(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_headers_of_a_client_change_nothing() {
    let door = Door::open(TWO_APPS).await;
    let lies = [("X-Usher-User", "minsu"), ("X-Usher-Role", "admin"), ("X-Real-IP", "127.0.0.1")];
    door.stranger().get_with("/app/tool/echo", &lies).await.expect_page(403, "restricted");
    assert_eq!(user_of(&door.jiyoung(), &lies).await, "jiyoung");
    door.jiyoung().get_with("/admin/", &lies).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_read_from_the_right() {
    let door = Door::open(TWO_APPS).await;
    let proxy = door.caller("127.0.0.9");
    for chain in [
        "127.0.0.2",
        "127.0.0.1, 127.0.0.2",
        "127.0.0.2, 127.0.0.9",
        "::ffff:127.0.0.2",
        "garbage,127.0.0.2",
    ] {
        assert_eq!(user_of(&proxy, &[("X-Forwarded-For", chain)]).await, "jiyoung", "{chain}");
    }
    let lines = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "127.0.0.2")];
    assert_eq!(user_of(&proxy, &lines).await, "jiyoung");
    let stranger =
        proxy.get_with("/app/tool/echo", &[("X-Forwarded-For", "127.0.0.2, 192.0.2.7")]).await;
    assert!(stranger.expect_page(403, "restricted").text().contains("192.0.2.7"));
    proxy.get("/app/tool/echo").await.expect_page(403, "restricted");
    for chain in ["127.0.0.2, garbage", "127.0.0.2,", "", "127.0.0.2 127.0.0.1"] {
        let answer = proxy.get_with("/app/tool/echo", &[("X-Forwarded-For", chain)]).await;
        assert!([400, 403].contains(&answer.status), "{chain:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_matching_network_decides() {
    let door = Door::open(
        "
apps:
  tool: { command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: wide, role: user, addresses: [127.16.0.0/12] }
  - { name: narrow, role: user, addresses: [127.16.5.0/24] }
  - { name: exact, role: user, addresses: [127.16.5.9] }
",
    )
    .await;
    for (address, user) in [
        ("127.16.0.1", "wide"),
        ("127.31.255.254", "wide"),
        ("127.16.5.1", "narrow"),
        ("127.16.5.9", "exact"),
        ("127.16.6.9", "wide"),
    ] {
        assert_eq!(user_of(&door.caller(address), &[]).await, user, "{address}");
    }
    door.caller("127.32.0.1").get("/app/tool/echo").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6_and_mapped_addresses_are_known() {
    let door = Door::open(
        "
listen: [\"[::]:$PORT\"]
apps:
  tool: { command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1, \"::1\"] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2] }
",
    )
    .await;
    let six = SocketAddr::new("::1".parse().unwrap(), door.address().port());
    assert_eq!(user_of(&Caller::new(six.ip(), six), &[]).await, "minsu");
    assert_eq!(
        user_of(&door.jiyoung(), &[]).await,
        "jiyoung",
        "an IPv4 client of an IPv6 listener"
    );
    door.stranger().get("/app/tool/echo").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_granted_and_one_that_does_not_exist_are_both_403() {
    let door = Door::open(TWO_APPS).await;
    for path in ["/app/other/", "/app/other/pid", "/app/other", "/app/nope/", "/app/nope/pid"] {
        let page = door.hana().navigate(path).await.expect_page(403, "restricted");
        assert!(page.text().contains("minsu"), "whom to ask: {}", page.text());
        door.hana().get(path).await.expect(403);
        door.hana().post_with(path, &[]).await.expect(403);
    }
    let origin = door.hana().origin();
    let refused = door.hana().try_socket("/app/other/ws", &[("Origin", &origin)]).await;
    refused.err().expect("a refusal").expect(403);
    door.jiyoung().get("/app/other/pid").await.expect(200);
    assert!(door.launches().iter().all(|launch| launch.user != "hana"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_path_does_not_exist_for_users_and_can_be_moved() {
    let door = Door::open(TWO_APPS).await;
    for path in [
        "/admin",
        "/admin/",
        "/admin/users",
        "/admin/api/seats",
        "/admin/api/openapi.json",
        "/admin/nothing",
    ] {
        door.jiyoung().navigate(path).await.expect_page(404, "failed");
        door.jiyoung().post_with(path, &[("X-Usher-Request", "1")]).await.expect(404);
    }
    door.minsu().navigate("/admin/").await.expect_page(200, "admin");
    let door = Door::open(&format!("{TWO_APPS}admin: {{ path: /back-office }}\n")).await;
    door.minsu().navigate("/back-office/").await.expect_page(200, "admin");
    door.minsu().navigate("/admin/").await.expect(404);
    door.jiyoung().navigate("/back-office/").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_site_can_neither_post_nor_open_a_websocket() {
    let door = Door::open(TWO_APPS).await;
    let jiyoung = door.jiyoung();
    let own = jiyoung.origin();
    let port = door.address().port();
    let others = [
        ("Origin", "http://evil.example".to_string()),
        ("Origin", "null".to_string()),
        ("Origin", format!("https://127.0.0.1:{port}")),
        ("Origin", "http://127.0.0.1:1".to_string()),
        ("Origin", format!("http://localhost:{port}")),
        ("Origin", format!("{own}.evil.example")),
        ("Sec-Fetch-Site", "cross-site".to_string()),
        ("Sec-Fetch-Site", "same-site".to_string()),
    ];
    for (name, value) in &others {
        jiyoung.post_with("/app/tool/upload", &[(name, value)]).await.expect(403);
        let refused = jiyoung.try_socket("/app/tool/ws", &[(name, value)]).await;
        refused.err().unwrap_or_else(|| panic!("{name}: {value} was let in")).expect(403);
    }
    assert_eq!(door.launches(), [], "the app never heard of it");
    let own = [
        vec![],
        vec![("Origin", own.as_str())],
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")],
    ];
    for headers in own {
        jiyoung.post_with("/app/tool/upload", &headers).await.expect(200);
        assert!(jiyoung.try_socket("/app/tool/ws", &headers).await.is_ok(), "{headers:?}");
    }
    let mixed = [("Origin", jiyoung.origin()), ("Sec-Fetch-Site", "cross-site".to_string())];
    let mixed: Vec<_> = mixed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    jiyoung.post_with("/app/tool/upload", &mixed).await.expect(403);
    jiyoung.get_with("/app/tool/pid", &[("Sec-Fetch-Site", "cross-site")]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_the_origin_is_compared_with_what_the_browser_sees() {
    let door = Door::open(TWO_APPS).await;
    let proxy = door.caller("127.0.0.9");
    let post = async |origin: &str, host: &str, scheme: &str| {
        let headers = [
            ("X-Forwarded-For", "127.0.0.2"),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Proto", scheme),
            ("Origin", origin),
        ];
        proxy.post_with("/app/tool/upload", &headers).await.status
    };
    assert_eq!(post("https://seats.example.org", "seats.example.org", "https").await, 200);
    assert_eq!(post("http://seats.example.org", "seats.example.org", "https").await, 403);
    assert_eq!(post("https://evil.example", "seats.example.org", "https").await, 403);
    assert_eq!(post("https://evil.example", "evil.example", "https").await, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_the_door_does_not_answer_to_gets_421() {
    let door = Door::open(TWO_APPS).await;
    let jiyoung = door.jiyoung();
    let port = door.address().port();
    for host in
        ["evil.example", "seats.example.org.evil.example", "example.org", "127.0.0.1.evil.example"]
    {
        for host in [host.to_string(), format!("{host}:{port}")] {
            jiyoung.get_with("/app/tool/pid", &[("Host", &host)]).await.expect(421);
            jiyoung.post_with("/app/tool/upload", &[("Host", &host)]).await.expect(421);
            let refused = jiyoung.try_socket("/app/tool/ws", &[("Host", &host)]).await;
            refused.err().expect("a refusal").expect(421);
        }
    }
    assert_eq!(door.launches(), []);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_string();
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "10.1.2.3",
        "seats.example.org",
        "SEATS.example.org",
        &machine,
    ] {
        for host in [host.to_string(), format!("{host}:{port}")] {
            jiyoung.get_with("/app/tool/pid", &[("Host", &host)]).await.expect(200);
        }
    }
    let spoofed = [("X-Forwarded-Host", "evil.example")];
    jiyoung.get_with("/app/tool/pid", &spoofed).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_cannot_call_the_door_as_its_owner_or_anybody_else() {
    let door = Door::open(TWO_APPS).await;
    let port = door.address().port();
    for source in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let path = format!("/app/tool/knock?port={port}&from={source}&path=/app/tool/pid");
        let line = door.jiyoung().get(&path).await.expect(200).text();
        assert!(line.starts_with("HTTP/1.1 403"), "from {source}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_judged_by_the_connecting_address() {
    let door = Door::open(TWO_APPS).await;
    let metrics = door.minsu().get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
    door.jiyoung().get("/metrics").await.expect(404);
    door.stranger().get("/metrics").await.expect(403);
    for caller in [door.minsu(), door.jiyoung(), door.stranger(), door.caller("127.0.0.9")] {
        caller.get("/_usher/live").await.expect(200);
        caller.get("/_usher/ready").await.expect(200);
    }
    let door = Door::open(&format!("{TWO_APPS}metrics: {{ allow: [127.0.0.3/32] }}\n")).await;
    door.hana().get("/metrics").await.expect(200);
    door.minsu().get("/metrics").await.expect(404);
    let told = [("X-Forwarded-For", "127.0.0.3")];
    let proxied = door.caller("127.0.0.9").get_with("/metrics", &told).await;
    assert_ne!(proxied.status, 200, "the forwarded address does not count for metrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn keep_and_cancel_are_for_ones_own_seat_and_from_ones_own_page() {
    let door = Door::open(TWO_APPS).await;
    let evil = [("Origin", "http://evil.example")];
    for path in ["/_usher/keep?app=tool", "/_usher/cancel?app=tool"] {
        door.jiyoung().post_with(path, &evil).await.expect(403);
        door.stranger().post_with(path, &[]).await.expect(403);
    }
    let request = door.hana().request(Method::POST, "/_usher/keep?app=other");
    door.hana().send(with(request, &[("X-Usher-Request", "1")])).await.expect(403);
}
