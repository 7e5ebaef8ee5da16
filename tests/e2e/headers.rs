//! What the app is told and given, and what of its answers does not leave: DESIGN section 5.

use serde_json::Value;

use crate::rig::{Answer, Door, sockets};

const TOOL: &str = "
apps:
  tool: { title: Tool, command: $PLAIN(--base {base_path}), ports: $PORTS, environment: { GREETING: hello } }
users: $USERS
hosts: [seats.example.org]
trusted_proxies: [127.0.0.9]
";

/// The values of a header as the app saw them, in their order.
fn seen(echo: &Value, name: &str) -> Vec<String> {
    let headers = echo["headers"].as_array().expect("headers").iter();
    let matching = headers.filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    matching.map(|pair| pair[1].as_str().unwrap().to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_is_told_who_calls_and_from_where() {
    let door = Door::open(TOOL).await;
    let echo = door.jiyoung().get("/app/tool/echo").await.expect(200).json();
    let host = door.address().to_string();
    for (name, value) in [
        ("X-Usher-User", "jiyoung"),
        ("X-Usher-Role", "user"),
        ("X-Forwarded-For", "127.0.0.2"),
        ("X-Real-IP", "127.0.0.2"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", &host),
        ("Host", &host),
    ] {
        assert_eq!(seen(&echo, name), [value], "{name} in {echo}");
    }
    let echo = door.minsu().get("/app/tool/echo").await.expect(200).json();
    assert_eq!(seen(&echo, "X-Usher-Role"), ["admin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_about_itself_is_removed_first() {
    let door = Door::open(TOOL).await;
    let lies = [
        ("X-Usher-User", "minsu"),
        ("x-usher-user", "minsu"),
        ("X-Usher-Role", "admin"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Own", "kept"),
    ];
    let echo = door.jiyoung().get_with("/app/tool/echo", &lies).await.expect(200).json();
    let host = door.address().to_string();
    for (name, value) in [
        ("X-Usher-User", "jiyoung"),
        ("X-Usher-Role", "user"),
        ("X-Real-IP", "127.0.0.2"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", &host),
        ("X-Own", "kept"),
    ] {
        assert_eq!(seen(&echo, name), [value], "{name} in {echo}");
    }
    assert_eq!(echo["user"], "jiyoung", "and it is jiyoung's own seat");
    let headers = [("Origin", door.jiyoung().origin()), ("X-Usher-User", "minsu".to_string())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut socket =
        door.jiyoung().try_socket("/app/tool/ws", &headers).await.expect("a WebSocket");
    let handshake: Value = serde_json::from_str(&socket.ask("!headers").await).unwrap();
    let handshake = serde_json::json!({ "headers": handshake });
    assert_eq!(seen(&handshake, "X-Usher-User"), ["jiyoung"]);
    assert_eq!(seen(&handshake, "X-Forwarded-For"), ["127.0.0.2"]);
    assert_eq!(seen(&handshake, "Host"), [host]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_about_address_and_scheme() {
    let door = Door::open(TOOL).await;
    let proxy = door.caller("127.0.0.9");
    let told = [
        ("X-Forwarded-For", "6.6.6.6, 127.0.0.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "seats.example.org"),
    ];
    let echo = proxy.get_with("/app/tool/echo", &told).await.expect(200).json();
    assert_eq!(echo["user"], "jiyoung");
    assert_eq!(seen(&echo, "X-Forwarded-For"), ["127.0.0.2"]);
    assert_eq!(seen(&echo, "X-Real-IP"), ["127.0.0.2"]);
    assert_eq!(seen(&echo, "X-Forwarded-Proto"), ["https"]);
    assert_eq!(seen(&echo, "X-Forwarded-Host"), ["seats.example.org"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_kept() {
    let door = Door::open(TOOL).await;
    let host = [("Host", "seats.example.org:8443")];
    let echo = door.jiyoung().get_with("/app/tool/echo", &host).await.expect(200).json();
    assert_eq!(seen(&echo, "Host"), ["seats.example.org:8443"]);
    assert_eq!(seen(&echo, "X-Forwarded-Host"), ["seats.example.org:8443"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ushers_own_cookie_never_reaches_an_app() {
    let door = Door::open(TOOL).await;
    let echo = async |cookie: &str| {
        let answer = door.jiyoung().get_with("/app/tool/echo", &[("Cookie", cookie)]).await;
        seen(&answer.expect(200).json(), "Cookie").join("; ")
    };
    assert_eq!(echo("a=1; usher_session=secret; b=2").await, "a=1; b=2");
    assert_eq!(echo("a=1; __Host-usher_session=secret; b=2").await, "a=1; b=2");
    assert_eq!(echo("usher_session=secret").await, "");
    assert_eq!(
        echo("not_usher_session=kept; usher_session_x=kept").await,
        "not_usher_session=kept; usher_session_x=kept"
    );
    let twice = [("Cookie", "a=1; usher_session=one"), ("Cookie", "usher_session=two; b=2")];
    let echo = door.jiyoung().get_with("/app/tool/echo", &twice).await.expect(200).json();
    assert_eq!(seen(&echo, "Cookie").join("; "), "a=1; b=2");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_cannot_set_ushers_cookie_nor_touch_what_belongs_to_the_origin() {
    let door = Door::open(TOOL).await;
    let path = "/app/tool/respond?h=Set-Cookie:own%3D1&h=Set-Cookie:usher_session%3Devil;%20Path%3D/\
        &h=Set-Cookie:__Host-usher_session%3Devil;%20Path%3D/;%20Secure&h=Service-Worker-Allowed:/\
        &h=Set-Cookie:%3Dusher_session%3Devil;%20Path%3D/&h=Strict-Transport-Security:max-age%3D9\
        &h=Alt-Svc:h3%3D%22:1%22&h=NEL:%7B%7D&h=Clear-Site-Data:%22*%22&h=X-Own:kept";
    let answer = door.jiyoung().get(path).await.expect(200);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["own=1"]);
    for of_the_origin in
        ["service-worker-allowed", "clear-site-data", "strict-transport-security", "alt-svc", "nel"]
    {
        assert_eq!(answer.header(of_the_origin), None, "{of_the_origin}");
    }
    assert_eq!(answer.header("x-own"), Some("kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_could_end_in_two_places_is_not_passed_on() {
    let door = Door::open(TOOL).await;
    for coding in ["xchunked", "chunked,%20gzip", "identity"] {
        let path = format!("/app/tool/respond?h=Transfer-Encoding:{coding}&body=0%0D%0A%0D%0A");
        door.jiyoung().get(&path).await.expect(502);
    }
    door.jiyoung().get("/app/tool/respond?body=fine").await.expect(200);
}

async fn environment(answer: Answer) -> Value {
    answer.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_a_seat_is_as_promised() {
    let door = Door::open(TOOL).await;
    let told = environment(door.jiyoung().get("/app/tool/environment").await).await;
    let variables = &told["environment"];
    for (name, value) in [
        ("USHER_USER", "jiyoung"),
        ("USHER_ROLE", "user"),
        ("USHER_APP", "tool"),
        ("GREETING", "hello"),
        ("LANG", "C.UTF-8"),
    ] {
        assert_eq!(variables[name], value, "{name} in {variables}");
    }
    let (first, last) = door.seat_ports();
    let port: u16 = variables["PORT"].as_str().unwrap().parse().unwrap();
    assert!((first..=last).contains(&port), "PORT={port}");
    let words: Vec<_> =
        told["arguments"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let after = |flag: &str| words.iter().skip_while(|word| **word != flag).nth(1).copied();
    assert_eq!(after("--port"), Some(port.to_string().as_str()));
    assert_eq!(after("--base").map(|base| base.trim_matches('/')), Some("app/tool"));
    assert_eq!(told["working_directory"], door.path("").to_str().unwrap().trim_end_matches('/'));
    let seat = door.seat("jiyoung", "tool").await.expect("an entry");
    assert!(seat["endpoint"].to_string().contains(&port.to_string()), "{seat}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_a_folder_of_their_own_that_stays() {
    let door = Door::open(TOOL).await;
    let folder = async |caller: &crate::rig::Caller| {
        let told = environment(caller.get("/app/tool/environment").await).await;
        told["environment"]["USHER_DATA"].as_str().expect("USHER_DATA").to_string()
    };
    let (jiyoung, hana) = (folder(&door.jiyoung()).await, folder(&door.hana()).await);
    assert_ne!(jiyoung, hana);
    let state = std::fs::canonicalize(door.path("var")).unwrap();
    for one in [&jiyoung, &hana] {
        let path = std::fs::canonicalize(one).expect("the folder is there");
        assert!(path.starts_with(&state), "{one} is under state_dir");
    }
    std::fs::write(format!("{jiyoung}/note"), "kept").unwrap();
    door.run(&["seat", "stop", "jiyoung", "tool"]).await.expect(0);
    door.seat_gone("jiyoung", "tool").await;
    assert_eq!(folder(&door.jiyoung()).await, jiyoung);
    assert_eq!(std::fs::read_to_string(format!("{jiyoung}/note")).unwrap(), "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_has_no_input_writes_to_files_and_inherits_no_socket_of_usher() {
    let door = Door::open(TOOL).await;
    let told = environment(door.jiyoung().get("/app/tool/environment").await).await;
    let descriptors = &told["descriptors"];
    let input = descriptors.get("0").and_then(Value::as_str).unwrap_or("/dev/null");
    assert_eq!(input, "/dev/null");
    for output in ["1", "2"] {
        let file = descriptors[output].as_str().expect("an output");
        assert!(file.starts_with(door.path("var").to_str().unwrap()), "{output} is {file}");
    }
    let ushers = sockets(door.pid());
    assert!(!ushers.is_empty(), "usher has sockets of its own");
    let held: Vec<_> =
        descriptors.as_object().unwrap().values().filter_map(Value::as_str).collect();
    assert!(ushers.iter().all(|socket| !held.contains(&socket.as_str())), "{descriptors}");
    assert!(
        held.iter().all(|file| !file.contains("usher.db") && !file.ends_with(".sock")),
        "{descriptors}"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(door.path("var")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700, "state_dir is the owner's only");
}
