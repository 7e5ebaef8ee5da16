//! The encrypted door: HTTP/2 and HTTP/1.1, WebSockets, names, renewal, client certificates, and
//! the way to it from the plain one.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, Version};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use usher::trust::password;

use crate::rig::{Authority, Browser, Door, Issued, Secure, until};

const APPS: &str = "
apps:
  tool: { title: Tool, command: $PLAIN, ports: $PORTS }
users: $USERS
";

fn with_tls(rest: &str) -> String {
    format!(
        "{APPS}tls: {{ listen: [\"127.0.0.1:$SPARE1\"], certificate: door.pem, key: door.key{rest} }}\n"
    )
}

/// A door with TLS and the authority that vouches for it.
async fn open(configuration: &str) -> (Door, Authority) {
    let authority = Authority::new();
    let mut door = Door::closed(configuration);
    authority.issue(&["127.0.0.1", "door.example.org"]).write(&door, "door");
    door.start().await;
    (door, authority)
}

fn encrypted(door: &Door) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], door.spare_port(1)))
}

fn jiyoung(door: &Door, authority: &Authority) -> Secure {
    Secure::new("127.0.0.2", encrypted(door), authority, None)
}

fn parsed(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_apps_and_websockets_are_served_over_both_versions_of_http() {
    let (door, authority) = open(&with_tls(", hsts: 365d")).await;
    let jiyoung = jiyoung(&door, &authority);
    for (http2, version) in [(true, Version::HTTP_2), (false, Version::HTTP_11)] {
        let client = jiyoung.client(http2);
        for path in ["/app/tool/echo", "/_usher/sessions", "/app/nope/"] {
            let answer = client.get(format!("{}{path}", jiyoung.origin())).send().await.unwrap();
            assert_eq!(answer.version(), version);
            let hsts = answer.headers()["strict-transport-security"].clone();
            assert_eq!(hsts, "max-age=31536000", "{path}");
        }
        let echo = client.get(format!("{}/app/tool/echo", jiyoung.origin())).send().await.unwrap();
        let echo: Value = echo.json().await.unwrap();
        assert_eq!(echo["user"], "jiyoung", "{echo}");
        assert!(echo.to_string().to_lowercase().contains("https"), "{echo}");
        let upload = vec![7_u8; 3_000_000];
        let url = format!("{}/app/tool/upload", jiyoung.origin());
        let request = client.post(url).header("Origin", jiyoung.origin()).body(upload);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let mut socket = jiyoung.socket("/app/tool/ws").await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
    let plain_origin = jiyoung.request(Method::POST, "/app/tool/upload");
    let plain_origin = plain_origin.header("Origin", format!("http://{}", encrypted(&door)));
    assert_eq!(plain_origin.send().await.unwrap().status(), 403, "another scheme, another site");
    let plain = reqwest::get(format!("http://{}/", encrypted(&door))).await;
    assert!(plain.is_err(), "nothing is told in the clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_door_leads_to_the_encrypted_one() {
    let (door, _authority) = open(&with_tls("")).await;
    let jiyoung = door.jiyoung();
    let port = door.spare_port(1);
    for (path, headers) in [
        ("/", &[][..]),
        ("/app/tool/?x=1&y=%2F", &[]),
        ("/_usher/login?next=/", &[]),
        ("/nothing", &[]),
        ("/", &[("X-Forwarded-Proto", "https")]),
    ] {
        let answer = jiyoung.get_with(path, headers).await;
        answer.expect_redirect(308, &format!("https://127.0.0.1:{port}{path}"));
    }
    let post = jiyoung.post_with("/app/tool/upload", &[]).await;
    post.expect_redirect(308, &format!("https://127.0.0.1:{port}/app/tool/upload"));
    let localhost = jiyoung.get_with("/", &[("Host", "localhost:1234")]).await;
    localhost.expect_redirect(308, &format!("https://localhost:{port}/"));
    let v6 = jiyoung.get_with("/x?y=1", &[("Host", "[::1]:1234")]).await;
    v6.expect_redirect(308, &format!("https://[::1]:{port}/x?y=1"));
    let form = jiyoung.request(Method::POST, "/app/tool/upload?x=1").body("kept for over there");
    let form = jiyoung.send(form).await;
    form.expect_redirect(308, &format!("https://127.0.0.1:{port}/app/tool/upload?x=1"));
    jiyoung.get_with("/", &[("Host", "evil.example")]).await.expect(421);
    door.minsu().get("/_usher/live").await.expect(200);
    assert_eq!(door.launches(), []);
    door.write(&with_tls(", redirect: false"));
    door.run(&["reload"]).await.expect(0);
    jiyoung.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_over_tls_are_for_tls_alone() {
    let hash = password::hash("geheim").unwrap();
    let configuration = format!(
        "
apps: {{ tool: {{ title: Tool, command: $PLAIN, ports: $PORTS }} }}
users: [{{ name: jiyoung, addresses: [127.0.0.2], password: \"{hash}\" }}]
tls: {{ listen: [\"127.0.0.1:$SPARE1\"], certificate: door.pem, key: door.key, redirect: false }}
"
    );
    let (door, authority) = open(&configuration).await;
    let jiyoung = jiyoung(&door, &authority);
    let request = jiyoung.request(Method::POST, "/_usher/login").header("X-Usher-Request", "1");
    let answer = request.body("password=geheim&next=/").send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookies: Vec<String> = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    let session = cookies.iter().find(|one| one.starts_with("__Host-usher_session=")).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{session}");
    assert!(cookies.iter().any(|one| one.starts_with("__Secure-usher_device=")), "{cookies:?}");
    let value = session.split([';', '=']).nth(1).unwrap();
    let get = async |cookie: String| {
        let request = jiyoung.request(Method::GET, "/app/tool/pid").header("Cookie", cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(get(format!("__Host-usher_session={value}")).await, 200);
    assert_eq!(get(format!("usher_session={value}")).await, 401, "planted over plain HTTP");
    let cookie = format!("__Host-usher_session={value}");
    door.jiyoung().get_with("/app/tool/pid", &[("Cookie", &cookie)]).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_has_its_certificate() {
    let authority = Authority::new();
    let further = ", certificates: [{certificate: further.pem, key: further.key}]";
    let mut door = Door::closed(&with_tls(further));
    let (first, second) =
        (authority.issue(&["127.0.0.1"]), authority.issue(&["*.lab.example", "b.example"]));
    first.write(&door, "door");
    second.write(&door, "further");
    door.start().await;
    let jiyoung = jiyoung(&door, &authority);
    assert_eq!(jiyoung.shown("127.0.0.1").await, parsed(&first));
    for name in ["a.lab.example", "b.example"] {
        assert_eq!(jiyoung.shown(name).await, parsed(&second), "{name}");
    }
    assert!(jiyoung.connect("c.example").await.is_err(), "the first one, which is not for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_served_without_a_dropped_connection() {
    let (door, authority) = open(&with_tls("")).await;
    let jiyoung = jiyoung(&door, &authority);
    let mut socket = jiyoung.socket("/app/tool/ws").await;
    let client = jiyoung.client(true);
    let pid = async || {
        let url = format!("{}/app/tool/pid", jiyoung.origin());
        client.get(url).send().await.unwrap().text().await.unwrap()
    };
    let before = pid().await;
    let renewed = authority.issue(&["127.0.0.1"]);
    renewed.write(&door, "door");
    until("the renewed certificate", async || {
        (jiyoung.shown("127.0.0.1").await == parsed(&renewed)).then_some(())
    })
    .await;
    until("the log to say so", async || {
        (!door.log_lines(&["door.pem: renewed, until 2100-01-01"]).is_empty()).then_some(())
    })
    .await;
    authority.issue_until(&["127.0.0.1"], 2000).write(&door, "door");
    until("the log to say that it has expired", async || {
        (!door.log_lines(&["not applied", "expired on 2000-01-01"]).is_empty()).then_some(())
    })
    .await;
    assert_eq!(jiyoung.shown("127.0.0.1").await, parsed(&renewed), "the one before is kept");
    let ran = door.run(&["reload"]).await.expect(78);
    assert!(ran.out.contains("tls.certificate: ") && ran.out.contains("expired on"), "{ran:?}");
    let other = authority.issue(&["127.0.0.1"]);
    std::fs::write(door.path("door.pem"), &other.certificate).unwrap();
    let ran = door.run(&["reload"]).await.expect(78);
    assert!(ran.out.contains("door.key is not the key of"), "{ran:?}");
    let status = door.status().await;
    let problems = status["usher"]["configuration"]["problems"].to_string();
    assert!(problems.contains("is not the key of"), "{problems}");
    assert_eq!(pid().await, before, "the connection is the same, and so is the seat");
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
    let metrics = door.minsu().get("/metrics").await.expect(200).text();
    let line = metrics.lines().find(|line| line.starts_with("usher_certificate_expires"));
    assert!(line.is_some_and(|line| line.ends_with(" 4102444800.0")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let authority = Authority::new();
    for (year, what) in [(2000, "expired on 2000-01-01"), (2100, "is not the key of")] {
        let mut door = Door::closed(&with_tls(""));
        authority.issue_until(&["127.0.0.1"], year).write(&door, "door");
        if year == 2100 {
            std::fs::write(door.path("door.key"), authority.issue(&["x.example"]).key).unwrap();
        }
        let ran = door.run(&["check"]).await.expect(78);
        assert!(ran.out.contains("tls.") && ran.out.contains(what), "{ran:?}");
        door.start_unready();
        assert_eq!(door.exited().await.code(), Some(78));
        assert!(door.log().contains(what), "{}", door.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_clients_need_a_certificate_nobody_comes_in_without() {
    let authority = Authority::new();
    let (clients, others) = (Authority::new(), Authority::new());
    let mut door = Door::closed(&with_tls(", client_ca: clients.pem"));
    authority.issue(&["127.0.0.1"]).write(&door, "door");
    std::fs::write(door.path("clients.pem"), clients.certificate()).unwrap();
    door.start().await;
    let with = |own: Option<&Issued>| Secure::new("127.0.0.2", encrypted(&door), &authority, own);
    let (good, wrong) = (clients.issue(&["jiyoung"]), others.issue(&["jiyoung"]));
    with(Some(&good)).get("/app/tool/pid").await.expect(200);
    for own in [None, Some(&wrong)] {
        assert!(with(own).request(Method::GET, "/").send().await.is_err());
    }
    std::fs::write(door.path("clients.pem"), others.certificate()).unwrap();
    until("the other authority to be asked for", async || {
        let answer = with(Some(&wrong)).request(Method::GET, "/app/tool/pid").send().await;
        answer.ok().filter(|answer| answer.status() == 200).map(drop)
    })
    .await;
    assert!(with(Some(&good)).request(Method::GET, "/").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_keeps_the_encrypted_door_open() {
    let (door, authority) = open(&with_tls("")).await;
    let jiyoung = jiyoung(&door, &authority);
    let before = jiyoung.get("/app/tool/pid").await.expect(200).text();
    let calls = async {
        let mut calls = 0;
        while door.log_lines(&["usher", "serves", "https"]).len() < 2 || calls < 20 {
            assert_eq!(jiyoung.get("/app/tool/pid").await.expect(200).text(), before);
            calls += 1;
        }
    };
    let (ran, ()) = tokio::join!(door.run(&["upgrade"]), calls);
    ran.expect(0);
    jiyoung.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_uses_a_streamlit_app_over_tls() {
    let configuration = with_tls("").replace(
        "tool: { title: Tool, command: $PLAIN, ports: $PORTS }",
        "main: { title: Page, script: $APPS/page.py, python: $PYTHON167, ports: $PORTS }",
    );
    let (door, _authority) = open(&configuration).await;
    let mut browser = Browser::start("en").await;
    browser.visit_encrypted_as("127.0.0.2", encrypted(&door), "/").await;
    browser.shows("Usher test page").await;
    assert_eq!(browser.value("user").await, "jiyoung");
    browser.press("Count").await;
    browser.shows("count=1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_with_a_token_are_not_compressed() {
    let (door, authority) = open(&with_tls("")).await;
    let jiyoung = jiyoung(&door, &authority);
    for path in ["/_usher/sessions", "/_usher/apps", "/app/nope/"] {
        let request = jiyoung.request(Method::GET, path);
        let answer = request.header("Accept-Encoding", "gzip, br, zstd").send().await.unwrap();
        assert!(!answer.headers().contains_key("content-encoding"), "{path}");
        assert!(answer.text().await.unwrap().contains("<html"), "{path}");
    }
}

/// Findings about a test's certificate, which nobody can look up: who vouches for it, where to ask
/// whether it was revoked, and who may issue one for the name.
const EXCEPTED: [&str; 3] = ["cert_chain_of_trust", "cert_revocation", "DNS_CAArecord"];

#[tokio::test(flavor = "multi_thread")]
async fn an_outside_tool_finds_nothing_above_low() {
    let mut door = Door::closed(&with_tls(", hsts: 365d"));
    Authority::new().issue_for_months(&["localhost"]).write(&door, "door");
    door.start().await;
    let found = door.path("findings.json");
    let tool = ["testssl", "testssl.sh"].into_iter().find(|name| is_in_path(name));
    let mut command = tokio::process::Command::new(tool.expect("testssl.sh: `make setup`"));
    command.args(["--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1"]);
    command.arg("--jsonfile").arg(&found).arg(format!("localhost:{}", door.spare_port(1)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(600), command.status()).await;
    ended.expect("an end within ten minutes").expect("it runs");
    let findings: Vec<Value> = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    assert!(findings.len() > 100, "it looked at {} things only", findings.len());
    let is_fine = |finding: &&Value| {
        let severity = finding["severity"].as_str().unwrap();
        let id = finding["id"].as_str().unwrap();
        // WARN: the tool could not look.
        ["OK", "INFO", "LOW", "WARN"].contains(&severity) || EXCEPTED.contains(&id)
    };
    let bad: Vec<&Value> = findings.iter().filter(|finding| !is_fine(finding)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    let says = |id: &str, words: &str| {
        findings.iter().any(|finding| {
            finding["id"] == id
                && finding["finding"].as_str().is_some_and(|text| text.contains(words))
        })
    };
    assert!(says("TLS1_3", "offered") && says("ALPN_HTTP2", "h2") && says("TLS1", "not offered"));
}

fn is_in_path(name: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}
