//! Where each address leads: DESIGN sections 4 and 14.

use reqwest::Method;

use crate::rig::Door;

const TWO_APPS: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
  other: { title: Other, command: $PLAIN, ports: $PORTS }
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, role: user, addresses: [127.0.0.2] }
  - { name: hana, role: user, addresses: [127.0.0.3], apps: [other] }
";

#[tokio::test(flavor = "multi_thread")]
async fn the_root_leads_a_user_to_their_first_app_and_an_admin_home() {
    let door = Door::open(TWO_APPS).await;
    door.hana().navigate("/").await.expect_redirect(303, "/app/other/");
    door.minsu().navigate("/").await.expect_page(200, "home");
}

#[tokio::test(flavor = "multi_thread")]
async fn app_without_a_slug_leads_to_the_first_app_that_the_user_may_use() {
    let door = Door::open(TWO_APPS).await;
    for (path, rest) in [
        ("/app", ""),
        ("/app/", ""),
        ("/app?x=1&y=%20", "?x=1&y=%20"),
        ("/app/?x=1", "?x=1"),
        ("/app/_stcore/health?x=1", "_stcore/health?x=1"),
        ("/app/Page_Two/deep", "Page_Two/deep"),
        ("/app/index.html", "index.html"),
    ] {
        for (caller, first) in
            [(door.jiyoung(), "tool"), (door.minsu(), "tool"), (door.hana(), "other")]
        {
            let location = format!("/app/{first}/{rest}");
            caller.navigate(path).await.expect_redirect(307, &location);
            let post = caller.request(Method::POST, path);
            caller.send(post).await.expect_redirect(307, &location);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_its_slash_leads_to_the_app_with_it() {
    let door = Door::open(TWO_APPS).await;
    door.jiyoung().navigate("/app/tool").await.expect_redirect(308, "/app/tool/");
    door.jiyoung().navigate("/app/other?x=1").await.expect_redirect(308, "/app/other/?x=1");
    assert_eq!(door.launches(), [], "a redirect starts no seat");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_404_for_those_who_are_known() {
    let door = Door::open(TWO_APPS).await;
    for path in
        ["/nothing", "/apps", "/application/", "/_usher/nothing", "/favicon.icon", "/app2/tool/"]
    {
        door.jiyoung().navigate(path).await.expect(404);
        door.minsu().navigate(path).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_to_another_site() {
    let door = Door::open(TWO_APPS).await;
    let host = door.address();
    for target in [
        "//evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/app//evil.example/",
        "/app?//evil.example",
    ] {
        let mut raw = door.jiyoung().raw().await;
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await;
        let answer = raw.answer().await;
        assert!(answer.status >= 300, "{target}: {answer:?}");
        let location = answer.header("location").unwrap_or("/app/");
        assert!(location.starts_with("/app/"), "{target} leads to {location}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_cannot_climb_from_one_app_into_another() {
    let door = Door::open(TWO_APPS).await;
    let host = door.address();
    for target in [
        "/app/other/../tool/echo",
        "/app/other/%2e%2e/tool/echo",
        "/app/other/..%2ftool/echo",
        "/app/other/%2e%2e%2ftool/echo",
        "/app/tool/../../admin/",
    ] {
        let mut raw = door.hana().raw().await;
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .await;
        raw.answer().await;
    }
    let foreign: Vec<_> =
        door.launches().into_iter().filter(|launch| launch.app == "tool").collect();
    assert_eq!(foreign, [], "hana may not use tool, however she spells it");
}
