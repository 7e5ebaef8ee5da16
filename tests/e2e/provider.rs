//! Signing in with an account of the organization: OpenID Connect against a real provider, and a
//! proxy that has signed people in.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use usher::trust::password;

use crate::rig::{Answer, Closed, Door, Visitor, apps, python, until};

/// remote comes from anywhere; jiyoung from her machine, vouched for; hana needs no provider.
const PEOPLE: &str = "
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, addresses: [127.0.0.2], login: jiyoung.kim }
  - { name: hana, addresses: [127.0.0.3] }
  - { name: remote, login: remote@example.org }
";

/// A provider, and a door that is registered there.
struct Scene {
    door: Door,
    provider: String,
    _process: Child,
    http: reqwest::Client,
}

impl Scene {
    async fn open(people: &str) -> Self {
        usher::certificates::install_cryptography();
        let mut door = Door::closed("");
        let (port, folder) = (door.spare_port(2), door.path(""));
        let mut command = Command::new(python("OIDC"));
        command.arg(apps().join("provider.py")).arg("--port").arg(port.to_string());
        command.arg("--door").arg(&folder).stdin(Stdio::null()).kill_on_drop(true);
        let log = std::fs::File::create(door.path("provider.log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let process = command.spawn().unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let provider = format!("http://127.0.0.1:{port}");
        let registered = until("the provider", async || {
            let back = format!("http://{}/_usher/oidc/callback", door.address());
            let wish = json!({ "redirect_uris": [back] });
            let request = http.post(format!("{provider}/oauth2/clients")).json(&wish);
            request.send().await.ok()?.json::<Value>().await.ok()
        })
        .await;
        std::fs::write(door.path("secret"), registered["client_secret"].as_str().unwrap()).unwrap();
        let id = registered["client_id"].as_str().unwrap();
        door.write(&format!(
            "
apps: {{ tool: {{ title: Tool, command: $PLAIN, ports: $PORTS }} }}
oidc: {{ issuer: \"{provider}\", client_id: \"{id}\", client_secret_file: secret }}
{people}
"
        ));
        door.start().await;
        let scene = Self { door, provider, _process: process, http };
        scene.account("1", json!({ "email": "remote@example.org", "email_verified": true })).await;
        scene.account("2", json!({ "preferred_username": "jiyoung.kim" })).await;
        scene
    }

    /// An account at the provider.
    async fn account(&self, subject: &str, claims: Value) {
        let request = self.http.put(format!("{}/users/{subject}", self.provider)).json(&claims);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    async fn make_wrong(&self, how: &'static str) {
        let request = self.http.put(format!("{}/wrong", self.provider)).body(how);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    fn visitor(&self, address: &str) -> Visitor {
        Visitor::new(self.door.caller(address))
    }

    /// Goes to the provider and says there who one is; gives where the provider sends the browser.
    async fn to_provider(&self, visitor: &Visitor, subject: &str, next: &str) -> String {
        let start = visitor.navigate(&format!("/_usher/oidc/start?next={next}")).await.expect(303);
        let there = start.header("location").expect("a location");
        assert!(there.starts_with(&self.provider), "{there}");
        let request =
            self.http.post(there).header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("sub={subject}")).send().await.unwrap();
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        let origin = visitor.caller.origin();
        back.strip_prefix(&origin).unwrap_or_else(|| panic!("{back}")).to_owned()
    }

    /// The whole way.
    async fn sign_in(&self, visitor: &Visitor, subject: &str) -> Answer {
        let back = self.to_provider(visitor, subject, "/app/tool/").await;
        visitor.navigate(&back).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_from_anywhere_signs_in_at_the_provider() {
    let scene = Scene::open(PEOPLE).await;
    let remote = scene.visitor("127.0.0.77");
    let refused = remote.navigate("/app/tool/").await.expect_page(403, "restricted");
    assert!(refused.text().contains("/_usher/login?next=%2Fapp%2Ftool%2F"), "{}", refused.text());
    let page =
        remote.navigate("/_usher/login?next=/app/tool/").await.expect_page(200, "login").text();
    assert!(page.contains("/_usher/oidc/start?next=%2Fapp%2Ftool%2F"), "{page}");
    assert!(!page.contains("type=\"password\""), "{page}");
    scene.sign_in(&remote, "1").await.expect_redirect(303, "/app/tool/");
    let echo = remote.get("/app/tool/echo").await.expect(200).json();
    assert_eq!(echo["user"], "remote");
    let mut socket = remote.socket("/app/tool/ws").await;
    remote.at(scene.door.caller("127.0.0.78")).get("/app/tool/pid").await.expect(200);
    remote.submit("/_usher/sessions", "/_usher/logout", &[]).await.expect_redirect(303, "/");
    assert_eq!(socket.closed().await, Closed::With(4001));
    remote.get("/app/tool/pid").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_and_the_provider_together() {
    let scene = Scene::open(PEOPLE).await;
    let jiyoung = scene.visitor("127.0.0.2");
    let to_sign_in = jiyoung.navigate("/app/tool/").await;
    to_sign_in.expect_redirect(303, "/_usher/login?next=%2Fapp%2Ftool%2F");
    scene.sign_in(&jiyoung, "1").await.expect_page(401, "login");
    jiyoung.get("/app/tool/pid").await.expect(401);
    scene.sign_in(&jiyoung, "2").await.expect_redirect(303, "/app/tool/");
    jiyoung.get("/app/tool/pid").await.expect(200);
    jiyoung.at(scene.door.caller("127.0.0.77")).get("/app/tool/pid").await.expect(403);
    let elsewhere = scene.visitor("127.0.0.77");
    scene.sign_in(&elsewhere, "2").await.expect_page(401, "login");
    let hana = scene.visitor("127.0.0.3");
    scene.sign_in(&hana, "1").await.expect_page(401, "login");
    hana.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_and_the_provider_together_in_either_order() {
    let hash = password::hash("geheim").unwrap();
    let people = format!(
        "
users:
  - {{ name: minsu, role: admin, addresses: [127.0.0.1] }}
  - {{ name: jiyoung, addresses: [127.0.0.2], login: jiyoung.kim, password: \"{hash}\" }}
  - {{ name: remote, login: remote@example.org, password: \"{hash}\", proofs: [password] }}
"
    );
    let scene = Scene::open(&people).await;
    let jiyoung = scene.visitor("127.0.0.2");
    jiyoung.sign_in("geheim").await.expect_redirect(303, "/");
    jiyoung.get("/app/tool/pid").await.expect(401);
    let page = jiyoung.navigate("/_usher/login").await.expect_page(200, "login").text();
    assert!(!page.contains("type=\"password\"") && page.contains("/_usher/oidc/start"), "{page}");
    scene.sign_in(&jiyoung, "2").await.expect_redirect(303, "/app/tool/");
    jiyoung.get("/app/tool/pid").await.expect(200);
    let again = scene.visitor("127.0.0.2");
    scene.sign_in(&again, "2").await.expect_redirect(303, "/app/tool/");
    again.get("/app/tool/pid").await.expect(401);
    again.sign_in("geheim").await.expect_redirect(303, "/");
    again.get("/app/tool/pid").await.expect(200);
    // Who may come from anywhere by a password says their name.
    let remote = scene.visitor("127.0.0.77");
    let page = remote.navigate("/_usher/login").await.expect_page(200, "login").text();
    assert!(page.contains("name=\"name\"") && page.contains("type=\"password\""), "{page}");
    for (name, password) in
        [("jiyoung", "geheim"), ("nobody", "geheim"), ("remote", "wrong"), ("", "geheim")]
    {
        let fields = [("name", name), ("password", password)];
        let answer = remote.submit("/_usher/login", "/_usher/login", &fields).await;
        answer.expect_page(401, "login");
    }
    let fields = [("name", "remote"), ("password", "geheim")];
    let answer = remote.submit("/_usher/login", "/_usher/login", &fields).await;
    answer.expect_redirect(303, "/");
    remote.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_wrong_in_any_way_vouches_for_nobody() {
    let scene = Scene::open(PEOPLE).await;
    let remote = scene.visitor("127.0.0.77");
    for how in [
        "nonce",
        "no nonce",
        "audience",
        "issuer",
        "expired",
        "signature",
        "unknown key",
        "none",
        "unverified",
    ] {
        scene.make_wrong(how).await;
        let answer = scene.sign_in(&remote, "1").await;
        assert_eq!((answer.status, answer.page()), (401, Some("login")), "{how}");
        assert_eq!(remote.cookie("usher_session"), None, "{how}");
        remote.get("/app/tool/pid").await.expect(403);
    }
    scene.make_wrong("").await;
    scene.sign_in(&remote, "1").await.expect_redirect(303, "/app/tool/");
    remote.get("/app/tool/pid").await.expect(200);
    let lines = scene.door.log_lines(&["127.0.0.77 was not vouched for"]);
    assert_eq!(lines.len(), 9, "{lines:#?}");
    let secret = std::fs::read_to_string(scene.door.path("secret")).unwrap();
    assert!(!scene.door.log().contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_tells_names_only_when_asked() {
    let scene = Scene::open(PEOPLE).await;
    let remote = scene.visitor("127.0.0.77");
    scene.make_wrong("nameless").await;
    scene.sign_in(&remote, "1").await.expect_redirect(303, "/app/tool/");
    remote.get("/app/tool/pid").await.expect(200);
    let nobody = scene.visitor("127.0.0.78");
    scene.account("3", json!({ "email": "remote@example.org", "email_verified": false })).await;
    scene.sign_in(&nobody, "3").await.expect_page(401, "login");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_begin_the_journey_does_not_arrive() {
    let scene = Scene::open(PEOPLE).await;
    let (remote, other) = (scene.visitor("127.0.0.77"), scene.visitor("127.0.0.78"));
    let back = scene.to_provider(&remote, "1", "/").await;
    // A link with somebody's code, clicked by somebody else: with no journey, or with their own.
    other.navigate(&back).await.expect_page(401, "login");
    other.navigate("/_usher/oidc/start").await.expect(303);
    other.navigate(&back).await.expect_page(401, "login");
    let (path, _) = back.split_once('?').unwrap();
    for query in ["", "?code=x", "?state=x&code=x", "?error=access_denied"] {
        let fresh = scene.visitor("127.0.0.79");
        fresh.navigate(&format!("{path}{query}")).await.expect_page(401, "login");
    }
    remote.navigate(&back).await.expect_redirect(303, "/");
    let again = remote.navigate(&back).await.expect_page(401, "login");
    assert!(again.header("set-cookie").is_some_and(|cookie| cookie.contains("usher_journey=;")));
    // What somebody slips in as the way on leads home.
    let third = scene.visitor("127.0.0.77");
    let back = scene.to_provider(&third, "1", "https://evil.example/").await;
    third.navigate(&back).await.expect_redirect(303, "/");
    let fourth = scene.visitor("127.0.0.77");
    fourth.caller.send(fourth.caller.request(Method::POST, "/_usher/oidc/start")).await.expect(405);
    fourth.navigate("/_usher/oidc/else").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_provider_the_others_go_on() {
    let mut scene = Scene::open(PEOPLE).await;
    scene._process.kill().await.unwrap();
    let remote = scene.visitor("127.0.0.77");
    remote.navigate("/_usher/oidc/start").await.expect_page(401, "login");
    scene.visitor("127.0.0.3").get("/app/tool/pid").await.expect(200);
    assert_eq!(scene.door.log_lines(&["the provider does not say who it is"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_vouches_by_a_header_that_nobody_else_can_use() {
    let door = Door::open(
        "
apps: { tool: { title: Tool, command: $PLAIN, ports: $PORTS } }
trusted_proxies: [127.0.0.9]
trusted_login_header: Remote-User
users:
  - { name: minsu, role: admin, addresses: [127.0.0.1] }
  - { name: jiyoung, addresses: [127.0.0.2], login: jiyoung }
  - { name: remote, login: remote@example.org }
",
    )
    .await;
    let proxy = door.caller("127.0.0.9");
    let through = async |address: &str, login: &str| {
        let headers = [("X-Forwarded-For", address), ("Remote-User", login)];
        proxy.get_with("/app/tool/echo", &headers).await
    };
    let echo = through("192.0.2.7", "Remote@Example.org").await.expect(200);
    assert_eq!(echo.json()["user"], "remote");
    assert!(!echo.text().to_lowercase().contains("remote-user"), "{}", echo.text());
    assert_eq!(through("127.0.0.2", "jiyoung").await.expect(200).json()["user"], "jiyoung");
    through("192.0.2.7", "jiyoung").await.expect(403);
    through("192.0.2.7", "nobody").await.expect(403);
    through("192.0.2.7", "").await.expect(403);
    through("127.0.0.2", "remote@example.org").await.expect(401);
    let twice = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("Remote-User", "remote@example.org"),
        ("Remote-User", "remote@example.org"),
    ];
    proxy.get_with("/app/tool/echo", &twice).await.expect(403);
    // No way to sign in here: a page that says so, and no circle.
    let sign_in = Visitor::new(door.jiyoung());
    sign_in.navigate("/app/tool/").await.expect(303);
    sign_in.navigate("/_usher/login?next=/app/tool/").await.expect_page(403, "restricted");
    let header = [("Remote-User", "remote@example.org"), ("X-Forwarded-For", "192.0.2.7")];
    door.stranger().get_with("/app/tool/echo", &header).await.expect(403);
    door.caller("127.0.0.77").get_with("/app/tool/echo", &header[..1]).await.expect(403);
    let own = [("Remote-User", "jiyoung")];
    door.jiyoung().get_with("/app/tool/echo", &own).await.expect(401);
    for name in ["Remote-User", "remote_user", "REMOTE-USER"] {
        let echo = door.minsu().get_with("/app/tool/echo", &[(name, "forged")]).await.expect(200);
        assert!(!echo.text().contains("forged"), "{name}: {}", echo.text());
        let origin = door.minsu().origin();
        let headers = [("Origin", origin.as_str()), (name, "forged")];
        let mut socket = door.minsu().try_socket("/app/tool/ws", &headers).await.unwrap();
        assert!(!socket.ask("!headers").await.contains("forged"), "{name}");
    }
}
