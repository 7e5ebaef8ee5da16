//! What administrators have: pages, the same as JSON, and orders that change something.

use reqwest::Method;
use serde_json::Value;
use usher::admin::router::{ROUTES, Verb};

use crate::rig::{Answer, Caller, Closed, Door, until};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
visits: { gap: 1s }
";

const ORDER: (&str, &str) = ("X-Usher-Request", "1");

/// Sends an order as the API wants it and passes only success.
async fn order(caller: &Caller, path: &str) -> Answer {
    let answer = caller.post_with(path, &[ORDER]).await;
    assert!((200..300).contains(&answer.status), "{path}: {answer:?} {}", answer.text());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_for_an_admin_and_loads_nothing_from_elsewhere() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    for page in [
        "",
        "users",
        "seats",
        "seats/jiyoung/tool",
        "statistics",
        "visits",
        "events",
        "server",
        "configuration",
    ] {
        let answer =
            door.minsu().navigate(&format!("/admin/{page}")).await.expect_page(200, "admin");
        let text = answer.text();
        assert!(!text.contains("src=\"http") && !text.contains("url(http"), "{page}: {text}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(!policy.contains("unsafe-eval") && policy.contains("default-src"), "{policy}");
    }
    let seats = door.minsu().navigate("/admin/seats").await.text();
    assert!(seats.contains("jiyoung") && seats.contains("tool"), "{seats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_admin_reaches_any_line_of_the_table() {
    let door = Door::open(TOOL).await;
    let paths = ROUTES.iter().map(|route| {
        let path = route.pattern.replace("{user}", "jiyoung").replace("{app}", "tool");
        (route.verb, format!("/admin{path}"))
    });
    let others = ["/admin", "/admin/nothing", "/admin/api/nothing", "/admin/seats/"];
    let others = others.into_iter().map(|path| (Verb::Get, path.to_owned()));
    for (verb, path) in paths.chain(others) {
        for (caller, status) in [(door.jiyoung(), 404), (door.stranger(), 403)] {
            for answer in [
                caller.get(&path).await,
                caller.navigate(&path).await,
                caller.post_with(&path, &[ORDER]).await,
            ] {
                assert_eq!(answer.status, status, "{path}: {answer:?}");
                assert!(!answer.text().contains("hana"), "{path} tells nothing");
            }
        }
        // So that these are not simply paths that do not exist.
        if verb == Verb::Get && ROUTES.iter().any(|route| path.ends_with(route.pattern)) {
            let minsu = door.minsu();
            let status = minsu.send(minsu.request(reqwest::Method::HEAD, &path)).await.status;
            assert!([200, 303, 308].contains(&status), "{path}: {status}");
        }
    }
    assert!(door.launches().is_empty(), "nothing was started");
}

/// What somebody who may not see a path can tell it apart by: all of the answer but numbers, since
/// each has its own time and incident.
async fn seen(caller: &Caller, method: &Method, path: &str) -> (u16, Vec<String>, String) {
    let request = caller.request(method.clone(), path).header(ORDER.0, ORDER.1);
    let answer = caller.send(request).await;
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let incident = answer.header("x-usher-incident").unwrap_or("none");
    let text = answer.text().replace(path, "PATH").replace(incident, "INCIDENT");
    (answer.status, names, text.chars().filter(|letter| !letter.is_ascii_digit()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_tells_a_line_of_the_table_from_a_path_that_does_not_exist() {
    let door = Door::open(TOOL).await;
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    for (caller, status) in [(door.jiyoung(), 404), (door.stranger(), 403)] {
        for method in &methods {
            let nothing = seen(&caller, method, "/nothing/at/all").await;
            assert_eq!(nothing.0, status, "{method}");
            for route in ROUTES {
                let path = route.pattern.replace("{user}", "jiyoung").replace("{app}", "tool");
                let path = format!("/admin{path}");
                assert_eq!(seen(&caller, method, &path).await, nothing, "{method} {path}");
            }
        }
    }
    assert!(door.launches().is_empty(), "nothing was started");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_where_the_configuration_says() {
    let door = Door::open(&format!("{TOOL}admin: {{ path: /_control/room }}\n")).await;
    let page = door.minsu().navigate("/_control/room/seats").await.expect_page(200, "admin");
    let text = page.text();
    assert!(text.contains("href=\"/_control/room/users\"") && !text.contains("\"/admin"), "{text}");
    door.minsu().get("/admin/").await.expect(404);
    order(&door.minsu(), "/_control/room/api/seats/jiyoung/tool/start").await;
    door.seat_in_state("jiyoung", "tool", "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_of_the_api_is_json_and_the_description_knows_it() {
    let door = Door::open(TOOL).await;
    let description = door.minsu().get("/admin/api/openapi.json").await.expect(200).json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."), "{description}");
    let paths = description["paths"].to_string();
    for name in
        ["seats", "users", "visits", "events", "statistics", "server", "configuration", "notices"]
    {
        let answer = door.minsu().get(&format!("/admin/api/{name}")).await.expect(200);
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{name}");
        answer.json();
        assert!(paths.contains(&format!("/{name}\"")), "{name} is described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_starts_restarts_kicks_and_stops_a_seat() {
    let door = Door::open(TOOL).await;
    let minsu = door.minsu();
    let seat = "/admin/api/seats/jiyoung/tool";
    order(&minsu, &format!("{seat}/start")).await;
    let first = door.seat_in_state("jiyoung", "tool", "ready").await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    order(&minsu, &format!("{seat}/kick")).await;
    assert_eq!(socket.closed().await, Closed::With(4003));
    assert_eq!(door.seat("jiyoung", "tool").await.unwrap()["pid"], first["pid"]);
    order(&minsu, &format!("{seat}/restart")).await;
    until("another process", async || {
        let seat = door.seat("jiyoung", "tool").await?;
        (seat["state"] == "ready" && seat["pid"] != first["pid"]).then_some(())
    })
    .await;
    order(&minsu, &format!("{seat}/stop")).await;
    door.seat_gone("jiyoung", "tool").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_another_site_or_without_its_mark_is_refused() {
    let door = Door::open(TOOL).await;
    let minsu = door.minsu();
    let path = "/admin/api/seats/jiyoung/tool/start";
    minsu.post_with(path, &[]).await.expect(403);
    minsu.post_with(path, &[ORDER, ("Origin", "http://evil.example")]).await.expect(403);
    minsu.post_with(path, &[ORDER, ("Sec-Fetch-Site", "cross-site")]).await.expect(403);
    minsu.get_with("/admin/api/seats/jiyoung/tool/stop", &[ORDER]).await;
    door.jiyoung().post_with(path, &[ORDER]).await.expect(404);
    door.stranger().post_with(path, &[ORDER]).await.expect(403);
    assert!(door.launches().is_empty(), "nothing was started");
    order(&minsu, path).await;
    door.seat_in_state("jiyoung", "tool", "ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_api_has_code_message_and_hint() {
    let door = Door::open(TOOL).await;
    for path in ["/admin/api/seats/nobody/tool/start", "/admin/api/seats/jiyoung/nowhere/stop"] {
        let answer = door.minsu().post_with(path, &[ORDER]).await.expect(404);
        let error = answer.json()["error"].clone();
        assert!(error["code"].is_string() && error["message"].is_string(), "{error}");
        assert!(error.get("hint").is_some(), "{error}");
    }
    door.minsu().get("/admin/api/nothing").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_by_the_api_applies_a_good_file_and_tells_the_problems_of_a_bad_one() {
    let door = Door::open(TOOL).await;
    door.write(&TOOL.replace("title", "titel"));
    let refused = door.minsu().post_with("/admin/api/reload", &[ORDER]).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert!(refused.text().contains("titel"), "{}", refused.text());
    let users = "[{name: minsu, role: admin, addresses: [127.0.0.1]}, \
                 {name: hana, role: user, addresses: [127.0.0.33]}]";
    door.write(&TOOL.replace("$USERS", users));
    order(&door.minsu(), "/admin/api/reload").await;
    door.caller("127.0.0.33").get("/app/tool/pid").await.expect(200);
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_is_recorded_with_everything_that_the_contract_lists() {
    let door = Door::open(TOOL).await;
    let mut socket = door.jiyoung().socket("/app/tool/ws").await;
    assert_eq!(socket.ask("hello").await, "hello");
    door.jiyoung().get("/app/tool/blob?bytes=50000").await.expect(200);
    socket.close(1000).await;
    let visit = until("the visit's record", async || {
        let told = door.minsu().get("/admin/api/visits?user=jiyoung").await.expect(200).json();
        told["visits"].as_array()?.iter().find(|visit| !visit["ended_at"].is_null()).cloned()
    })
    .await;
    let expected = [
        "active_s",
        "address",
        "app",
        "browser",
        "dwell_s",
        "ended_at",
        "ended_because",
        "id",
        "in_bytes",
        "out_bytes",
        "requests",
        "role",
        "started_at",
        "user",
    ];
    assert_eq!(keys(&visit), expected);
    assert_eq!(
        (&visit["user"], &visit["app"], &visit["role"]),
        (&"jiyoung".into(), &"tool".into(), &"user".into())
    );
    assert_eq!(visit["address"], "127.0.0.2");
    assert!(visit["out_bytes"].as_u64().unwrap() >= 50_000, "{visit}");
    assert!(visit["requests"].as_u64().unwrap() >= 1, "{visit}");
    assert!(visit["dwell_s"].as_f64().unwrap() < 60.0, "{visit}");
    let none = door.minsu().get("/admin/api/visits?user=hana").await.expect(200).json();
    assert_eq!(none["visits"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_a_line_of_json_for_each_request() {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid?unmistakable=1").await.expect(200);
    door.stranger().get("/unmistakable").await.expect(403);
    let lines = until("two lines in the access log", async || {
        let log = std::fs::read_to_string(door.path("var/log/access.log")).unwrap_or_default();
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains("unmistakable")).map(str::to_string).collect();
        (lines.len() >= 2).then_some(lines)
    })
    .await;
    assert_eq!(lines.len(), 2);
    let records: Vec<Value> =
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(
        records[0].to_string().contains("jiyoung") && records[0].to_string().contains("200"),
        "{}",
        lines[0]
    );
    assert!(
        records[1].to_string().contains("127.0.0.99") && records[1].to_string().contains("403"),
        "{}",
        lines[1]
    );
}
