//! What the door answers for a Streamlit app by itself: its index page while the seat starts, and
//! its files, packed and kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::Value;

use crate::rig::{Answer, Browser, Caller, Door, python, until};

const TWO: &str = "
apps:
  new: { title: New, script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }
  old: { title: Old, script: $APPS/page.py, python: $PYTHON139, ports: $PORTS }
  silent: { title: Silent, script: $APPS/page.py, python: $PYTHON167, ports: $PORTS, notices: false }
users: $USERS
";

/// Its interpreter goes on only when there is a file `go`, and then as the file says.
const GATED: &str = "
apps:
  main: { title: Main, script: $APPS/page.py, python: $DOOR/python, ports: $PORTS, launch: spawn, restart: { attempts: 1, within: 10m } }
users: $USERS
";

/// A door whose Streamlit starts only when it may; what it has installed it says at once.
async fn gated(release: &str) -> Door {
    let mut door = Door::closed(GATED);
    let (real, go) = (python(release), door.path("go"));
    let script = format!(
        "#!/bin/sh\n[ \"$2\" = --ask ] || while [ ! -s '{0}' ]; do sleep 0.02; done\n\
         [ \"$2\" = --ask ] || . '{0}'\nexec '{real}' \"$@\"\n",
        go.display()
    );
    let path = door.path("python");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    door.start().await;
    door
}

fn let_go(door: &Door, order: &str) {
    let part = door.path("go.part");
    fs::write(&part, order).unwrap();
    fs::rename(part, door.path("go")).unwrap();
}

/// The index page, as soon as the door knows it: it asks the interpreter when it begins.
async fn index(caller: &Caller, path: &str) -> Answer {
    until("the index page", async || {
        let answer = caller.navigate(path).await.expect(200);
        (answer.page().is_none() && answer.text().contains("static/js/")).then_some(answer)
    })
    .await
}

/// The first script that an index page names.
fn script_of(index: &Answer) -> String {
    let text = index.text();
    let at = text.find("static/js/").expect("a script");
    let end = text[at..].find('"').expect("its end");
    text[at..at + end].to_owned()
}

async fn a_cold_visit_needs_no_waiting_page(release: &str) {
    let door = gated(release).await;
    let jiyoung = door.jiyoung();
    let page = index(&jiyoung, "/app/main/").await;
    let text = page.text();
    assert!(text.contains("in_app.js") && text.contains("data-app=\"main\""), "{text}");
    assert!(text.find("in_app.js") < text.find("</head>"), "{text}");
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(page.header("x-usher-page"), None);
    let seat = door.seat("jiyoung", "main").await.expect("the start has begun");
    assert!(seat["state"] == "starting" || seat["state"] == "probing", "{seat}");
    let tag = page.header("etag").expect("a tag").to_owned();
    jiyoung.navigate_with("/app/main/", &[("If-None-Match", &tag)]).await.expect(304);
    let path = format!("/app/main/{}", script_of(&page));
    let file = jiyoung.get(&path).await.expect(200);
    assert_eq!(file.header("cache-control"), Some("public, immutable, max-age=31536000"));
    let held = tokio::spawn({
        let jiyoung = jiyoung.clone();
        async move { jiyoung.get("/app/main/_stcore/health").await }
    });
    let other = tokio::spawn({
        let jiyoung = jiyoung.clone();
        async move { jiyoung.get("/app/main/").await }
    });
    door.seat_in_state("jiyoung", "main", "probing").await;
    assert!(!held.is_finished() && !other.is_finished(), "a fetch is held");
    let_go(&door, "true");
    assert_eq!(held.await.unwrap().expect(200).text(), "ok");
    assert_eq!(other.await.unwrap().expect(200).body, page.body);
    let again = jiyoung.navigate("/app/main/").await.expect(200);
    assert_eq!((&again.body, again.header("etag")), (&page.body, Some(tag.as_str())));
    let seat = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!((&seat["state"], seat["generation"].is_u64()), (&"ready".into(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_visit_to_1_67_needs_no_waiting_page() {
    a_cold_visit_needs_no_waiting_page("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_visit_to_1_39_needs_no_waiting_page() {
    a_cold_visit_needs_no_waiting_page("139").await;
}

async fn a_cold_page_comes_to_life_or_says_why_not(release: &str) {
    let door = gated(release).await;
    index(&door.hana(), "/app/main/").await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.find("#root").await;
    let_go(&door, "true");
    browser.shows("days=200").await;
    browser.slide_right().await;
    browser.shows("days=201").await;
    let_go(&door, "echo the flux capacitor is missing; exit 3");
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    door.seat_gone("jiyoung", "main").await;
    browser.shows("The app has stopped.").await;
    browser.reload().await;
    browser.shows("the flux capacitor is missing").await;
    door.jiyoung().navigate("/app/main/").await.expect_page(502, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_page_of_1_67_comes_to_life_or_says_why_not() {
    a_cold_page_comes_to_life_or_says_why_not("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_page_of_1_39_comes_to_life_or_says_why_not() {
    a_cold_page_comes_to_life_or_says_why_not("139").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_at_once_gets_the_failed_page_and_no_index() {
    let door = Door::open(&TWO.replace("$APPS/page.py", "$DOOR/main.py")).await;
    fs::write(door.path("main.py"), "import streamlit as st\n").unwrap();
    index(&door.jiyoung(), "/app/new/").await;
    fs::remove_file(door.path("main.py")).unwrap();
    door.hana().navigate("/app/new/").await.expect_page(502, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_two_versions_come_packed_and_kept_and_a_missing_one_is_missing() {
    let door = Door::open(TWO).await;
    let jiyoung = door.jiyoung();
    let (new, old) = (index(&jiyoung, "/app/new/").await, index(&jiyoung, "/app/old/").await);
    assert_ne!(script_of(&new), script_of(&old));
    for (app, page) in [("new", &new), ("old", &old)] {
        let path = format!("/app/{app}/{}", script_of(page));
        let plain = jiyoung.get(&path).await.expect(200);
        assert_eq!(plain.header("content-encoding"), None);
        for coding in ["gzip", "br", "zstd"] {
            let packed = jiyoung.get_with(&path, &[("Accept-Encoding", coding)]).await.expect(200);
            assert_eq!(packed.header("content-encoding"), Some(coding), "{path}");
            assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
            assert!(packed.body.len() < plain.body.len() / 2, "{coding}: {}", packed.body.len());
            let tag = packed.header("etag").expect("a tag").to_owned();
            let known = [("Accept-Encoding", coding), ("If-None-Match", tag.as_str())];
            jiyoung.get_with(&path, &known).await.expect(304);
        }
        let part = [("Range", "bytes=5-9"), ("Accept-Encoding", "br")];
        let part = jiyoung.get_with(&path, &part).await.expect(206);
        assert_eq!(part.body, plain.body[5..10]);
        let head = jiyoung.send(jiyoung.request(Method::HEAD, &path)).await.expect(200);
        assert_eq!(head.header("content-length"), Some(plain.body.len().to_string().as_str()));
        jiyoung.get(&format!("/app/{app}/static/js/gone.123.js")).await.expect(404);
        jiyoung.get(&format!("/app/{app}/favicon.png")).await.expect(200);
    }
    jiyoung.get(&format!("/app/new/{}", script_of(&old))).await.expect(404);
    door.stranger().get(&format!("/app/new/{}", script_of(&new))).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_in_the_page_and_only_there() {
    let door = Door::open(TWO).await;
    let jiyoung = door.jiyoung();
    let page = index(&jiyoung, "/app/silent/").await;
    assert!(!page.text().contains("in_app.js"), "switched off for this app");
    for path in ["/app/new/", "/app/new/some_page"] {
        let page = index(&jiyoung, path).await;
        assert_eq!(page.text().matches("in_app.js").count(), 1, "{path}");
    }
    let text = jiyoung.get("/app/new/_stcore/host-config").await.expect(200).text();
    assert!(serde_json::from_str::<Value>(&text).is_ok_and(|it| it["allowedOrigins"].is_array()));
}

/// An app with an application of its own answers every path itself, and its index page gets the
/// script on its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_paths_of_its_own_answers_them_itself() {
    let own = "
apps:
  own: { title: Own, script: $DOOR/own.py, python: $PYTHON167, ports: $PORTS, strip_prefix: true }
users: $USERS
";
    let mut door = Door::closed(own);
    fs::copy(crate::rig::apps().join("page.py"), door.path("page.py")).unwrap();
    fs::write(
        door.path("own.py"),
        "import streamlit as st\n\
         from starlette.responses import PlainTextResponse\n\
         from starlette.routing import Route\n\
         async def hello(request):\n    return PlainTextResponse('hello from the app')\n\
         app = st.App('page.py', routes=[Route('/hello', hello)])\n",
    )
    .unwrap();
    door.start().await;
    let jiyoung = door.jiyoung();
    jiyoung.get("/app/own/_stcore/health").await.expect(200);
    assert_eq!(jiyoung.navigate("/app/own/hello").await.expect(200).text(), "hello from the app");
    let page = jiyoung.navigate("/app/own/").await.expect(200);
    assert_eq!(page.text().matches("in_app.js").count(), 1, "{}", page.text());
    let tag = page.header("etag").expect("a tag").to_owned();
    jiyoung.navigate_with("/app/own/", &[("If-None-Match", &tag)]).await.expect(304);
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/own/").await;
    browser.shows("days=200").await;
}
