//! Passwords, codes and cookie sessions, from the sign-in page to the end of the last WebSocket.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use sha1::Sha1;
use usher::trust::password;

use crate::rig::{Answer, Closed, Door, Visitor, token, until, with};

/// So soon after a session has ended its WebSockets are closed.
const A_SECOND: Duration = Duration::from_secs(1);
const PASSWORD: &str = "열려라 참깨";
/// What jiyoung's authenticator and the configuration share, as bytes and as it is written.
const SECRET: &[u8] = b"12345678901234567890";
const SECRET_BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// jiyoung has a password, minsu and hana have none.
fn configuration(rest: &str) -> String {
    let hash = password::hash(PASSWORD).unwrap();
    format!(
        "
apps:
  tool: {{ title: Tool, command: $PLAIN, ports: $PORTS }}
users:
  - {{ name: minsu, role: admin, addresses: [127.0.0.1] }}
  - {{ name: jiyoung, addresses: [127.0.0.2, 127.0.0.4], password: \"{hash}\" }}
  - {{ name: hana, addresses: [127.0.0.3] }}
{rest}
"
    )
}

fn jiyoung(door: &Door) -> Visitor {
    Visitor::new(door.jiyoung())
}

async fn signed_in(door: &Door) -> Visitor {
    let jiyoung = jiyoung(door);
    jiyoung.sign_in(PASSWORD).await.expect_redirect(303, "/");
    jiyoung
}

/// The attributes of the cookie that an answer sets.
fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let lines = answer.headers.get_all("set-cookie").iter();
    let mut lines = lines.filter_map(|line| line.to_str().ok());
    lines.find(|line| line.starts_with(&format!("{name}="))).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_not_enough_where_a_password_is_asked_for() {
    let door = Door::open(&configuration("")).await;
    let jiyoung = jiyoung(&door);
    let to_sign_in = jiyoung.navigate("/app/tool/?x=1&y=%2F").await;
    to_sign_in.expect_redirect(303, "/_usher/login?next=%2Fapp%2Ftool%2F%3Fx%3D1%26y%3D%252F");
    jiyoung.get("/app/tool/pid").await.expect(401);
    jiyoung.try_socket("/app/tool/ws").await.err().expect("a refusal").expect(401);
    let page = jiyoung.navigate("/_usher/login?next=%2Fapp%2Ftool%2F").await;
    let page = page.expect_page(200, "login").text();
    assert!(page.contains("jiyoung") && page.contains("value=\"/app/tool/\""), "{page}");
    assert!(!page.contains("name=\"totp\"") && !page.contains("name=\"name\""), "{page}");
    for (language, word) in [("ko", "비밀번호"), ("en", "Password")] {
        let headers = [("Accept-Language", language)];
        let page = jiyoung.caller.navigate_with("/_usher/login", &headers).await;
        assert!(page.expect_page(200, "login").text().contains(word), "{language}");
    }
    assert_eq!(door.launches(), [], "nothing was started for somebody who is not signed in");
    for wrong in ["", "열려라", "열려라 참깨 ", &"x".repeat(2000)] {
        if wrong.is_empty() {
            continue;
        }
        let refused = jiyoung.sign_in(wrong).await.expect_page(401, "login");
        assert_eq!(set_cookie(&refused, "usher_session"), None);
    }
    let fields = [("password", PASSWORD), ("next", "/app/tool/?x=1")];
    let answer = jiyoung.submit("/_usher/login", "/_usher/login", &fields).await;
    let answer = answer.expect_redirect(303, "/app/tool/?x=1");
    let cookie = set_cookie(&answer, "usher_session").expect("a cookie");
    let (value, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(value.len(), "usher_session=".len() + 43);
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax", "it dies with the browser");
    jiyoung.get("/app/tool/pid").await.expect(200);
    jiyoung.navigate("/_usher/login?next=/app/tool/").await.expect_redirect(303, "/app/tool/");
    let mut socket = jiyoung.socket("/app/tool/ws").await;
    assert_eq!(socket.ask("hello").await, "hello");
    let minsu = Visitor::new(door.minsu());
    minsu.navigate("/_usher/login?next=/app/tool/").await.expect_redirect(303, "/app/tool/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_users_and_its_cookie_never_reaches_an_app() {
    let door = Door::open(&configuration("")).await;
    let jiyoung = signed_in(&door).await;
    let echo = jiyoung.get("/app/tool/echo").await.expect(200).text();
    assert!(!echo.contains("usher_session") && !echo.contains("usher_device"), "{echo}");
    let cookie = jiyoung.cookie("usher_session").expect("a cookie");
    let secure = format!("__Host-usher_session={cookie}; usher_session={cookie}; mine=1");
    let echo = door.jiyoung().get_with("/app/tool/echo", &[("Cookie", &secure)]).await;
    let echo = echo.expect(200).text();
    assert!(!echo.contains(&cookie) && echo.contains("mine=1"), "{echo}");
    jiyoung.at(door.caller("127.0.0.4")).get("/app/tool/pid").await.expect(200);
    let hana = jiyoung.at(door.hana());
    let echo = hana.get("/app/tool/echo").await.expect(200).json();
    assert_eq!(echo["user"], "hana", "another person's machine is another person's");
    jiyoung.at(door.stranger()).navigate("/").await.expect_page(403, "restricted");
    for stolen in ["", "x", &cookie[..42], &format!("{cookie}A"), &cookie.to_uppercase()] {
        let cookie = format!("usher_session={stolen}");
        door.jiyoung().get_with("/app/tool/pid", &[("Cookie", &cookie)]).await.expect(401);
    }
    let http_name = format!("__Host-usher_session={cookie}");
    door.jiyoung().get_with("/app/tool/pid", &[("Cookie", &http_name)]).await.expect(401);
    let other = signed_in(&door).await.cookie("usher_session").expect("a cookie");
    let two = format!("usher_session={cookie}; usher_session={other}");
    door.jiyoung().get_with("/app/tool/pid", &[("Cookie", &two)]).await.expect(401);
    let one_dead = format!("usher_session=planted; usher_session={cookie}");
    door.jiyoung().get_with("/app/tool/pid", &[("Cookie", &one_dead)]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_closes_what_the_session_opened_and_outlives_a_restart() {
    let mut door = Door::open(&configuration("")).await;
    let (here, there) = (signed_in(&door).await, signed_in(&door).await);
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(here.socket("/app/tool/ws").await);
    }
    let mut of_other_browser = there.socket("/app/tool/ws").await;
    let mut notices = here.socket("/_usher/notices?app=tool").await;
    let before = here.at(door.jiyoung());
    let answer = here.submit("/_usher/sessions", "/_usher/logout", &[]).await;
    let cookie = set_cookie(&answer.expect_redirect(303, "/"), "usher_session");
    assert_eq!(
        cookie.as_deref(),
        Some("usher_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    );
    for socket in &mut sockets {
        assert_eq!(socket.closed_within(A_SECOND).await, Closed::With(4001));
    }
    assert_eq!(notices.closed_within(A_SECOND).await, Closed::With(4001));
    assert_eq!(of_other_browser.ask("still here").await, "still here");
    before.get("/app/tool/pid").await.expect(401);
    door.kill().await;
    door.start().await;
    before.get("/app/tool/pid").await.expect(401);
    there.get("/app/tool/pid").await.expect(200);
    let ended = before.navigate("/app/tool/").await;
    ended.expect_redirect(303, "/_usher/login?next=%2Fapp%2Ftool%2F&ended=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_their_sessions_and_ends_one_or_all() {
    let door = Door::open(&configuration("")).await;
    let (here, there, third) =
        (signed_in(&door).await, signed_in(&door).await, signed_in(&door).await);
    let (mut there_socket, mut third_socket) =
        (there.socket("/app/tool/ws").await, third.socket("/app/tool/ws").await);
    let page = here.navigate("/_usher/sessions").await.expect_page(200, "home").text();
    let ids: Vec<&str> = page
        .split("name=\"end\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().expect("a value"))
        .filter(|id| *id != "all")
        .collect();
    assert_eq!(ids.len(), 3, "{page}");
    // The page says which is this one; of the others, any will do.
    let rows: Vec<&str> = page.split("<tr>").collect();
    let other =
        ids.iter().find(|id| rows.iter().any(|row| row.contains(*id) && !row.contains("badge")));
    let other = *other.expect("another");
    let token = token(&page);
    let end = async |which: &str| {
        here.post("/_usher/sessions", &[("csrf", &token), ("end", which)]).await
    };
    end(other).await.expect_redirect(303, "/_usher/sessions");
    let ended = async |visitor: &Visitor| visitor.get("/app/tool/pid").await.status == 401;
    let (there_ended, third_ended) = (ended(&there).await, ended(&third).await);
    assert!(there_ended != third_ended, "one of the two");
    let closed = if there_ended { &mut there_socket } else { &mut third_socket };
    assert_eq!(closed.closed_within(A_SECOND).await, Closed::With(4001));
    end("no such session").await.expect_redirect(303, "/_usher/sessions");
    end("all").await.expect_redirect(303, "/");
    for visitor in [&here, &there, &third] {
        assert!(ended(visitor).await);
    }
    let left = if there_ended { &mut third_socket } else { &mut there_socket };
    assert_eq!(left.closed_within(A_SECOND).await, Closed::With(4001));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_idleness_and_age_and_so_do_its_websockets() {
    let sessions = "sessions: { idle_timeout: 2s, lifetime_max: 6s }";
    let door = Door::open(&configuration(sessions)).await;
    let idle = signed_in(&door).await;
    let mut idle_socket = idle.socket("/app/tool/ws").await;
    let busy = signed_in(&door).await;
    let mut busy_socket = busy.socket("/app/tool/ws").await;
    let idles = async {
        let limit = Duration::from_secs(2) + A_SECOND;
        assert_eq!(idle_socket.closed_within(limit).await, Closed::With(4001), "idle");
        idle.get("/app/tool/pid").await.expect(401);
    };
    // Typing in the app is using it; but nobody can go on for ever.
    let types = async {
        let begun = std::time::Instant::now();
        let mut asked = 0;
        loop {
            match tokio::time::timeout(Duration::from_millis(300), busy_socket.next()).await {
                Ok(Err(closed)) => break (closed, asked),
                Ok(Ok(_)) => {}
                Err(_) => {
                    asked += 1;
                    busy_socket.say("typed").await;
                }
            }
            assert!(begun.elapsed() < Duration::from_secs(30));
        }
    };
    let ((), (closed, asked)) = tokio::join!(idles, types);
    assert_eq!(closed, Closed::With(4001));
    assert!(asked > 3, "it was in use when it ended");
    busy.get("/app/tool/pid").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_a_removal_and_a_kick_end_sessions() {
    let door = Door::open(&configuration("")).await;
    let first = signed_in(&door).await;
    let mut socket = first.socket("/app/tool/ws").await;
    door.run(&["reload"]).await.expect(0);
    assert_eq!(socket.ask("the same file").await, "the same file");
    door.run(&["kick", "jiyoung"]).await.expect(0);
    assert_eq!(socket.closed_within(A_SECOND).await, Closed::With(4003));
    first.get("/app/tool/pid").await.expect(401);
    let second = signed_in(&door).await;
    let mut socket = second.socket("/app/tool/ws").await;
    // Another salt is another hash: the operator set a password anew.
    door.write(&configuration(""));
    door.run(&["reload"]).await.expect(0);
    let closed = socket.closed_within(A_SECOND).await;
    assert!([Closed::With(4001), Closed::With(4003)].contains(&closed), "{closed:?}");
    second.get("/app/tool/pid").await.expect(401);
    let third = signed_in(&door).await;
    third.get("/app/tool/pid").await.expect(200);
    let without = configuration("")
        .lines()
        .filter(|line| !line.contains("jiyoung"))
        .collect::<Vec<_>>()
        .join("\n");
    door.write(&without);
    door.run(&["reload"]).await.expect(0);
    third.get("/app/tool/pid").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_is_stopped_and_locks_out_nobody_else() {
    let limits = "limits: { login_attempts: \"3/10m\" }";
    let door = Door::open(&configuration(limits)).await;
    let at_home = signed_in(&door).await;
    let elsewhere = Visitor::new(door.caller("127.0.0.4"));
    for _ in 0..3 {
        elsewhere.sign_in("guess").await.expect_page(401, "login");
    }
    let blocked = elsewhere.sign_in(PASSWORD).await.expect_page(429, "full");
    let seconds: u64 = blocked.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((1..=600).contains(&seconds), "{seconds}");
    // From the browser that was signed in before, even at the guesser's machine; and from home.
    let with_device = at_home.at(door.caller("127.0.0.4"));
    with_device.submit("/_usher/sessions", "/_usher/logout", &[]).await.expect_redirect(303, "/");
    with_device.sign_in(PASSWORD).await.expect_redirect(303, "/");
    jiyoung(&door).sign_in(PASSWORD).await.expect_redirect(303, "/");
    elsewhere.sign_in(PASSWORD).await.expect(429);
    let json = [("X-Usher-Request", "1"), ("Accept", "application/json")];
    let request = with(elsewhere.caller.request(Method::POST, "/_usher/login"), &json);
    let refused = elsewhere.caller.send(request.body("password=x")).await.expect(429);
    assert_eq!(refused.json()["error"]["code"], "too_many_sign_ins");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_guesses_at_once_are_no_way_around_the_limit() {
    let limits = "limits: { login_attempts: \"3/10m\" }";
    let door = Door::open(&configuration(limits)).await;
    let page = jiyoung(&door).navigate("/_usher/login").await.text();
    let token = token(&page);
    let guesses = (0..12).map(|number| {
        let (caller, token) = (door.jiyoung(), token.clone());
        async move {
            let number = number.to_string();
            Visitor::new(caller)
                .post("/_usher/login", &[("csrf", &token), ("password", &number)])
                .await
                .status
        }
    });
    let statuses = futures_util::future::join_all(guesses).await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 9, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_for_on_top_and_is_good_once() {
    let configuration = configuration("")
        .replace("name: jiyoung,", &format!("name: jiyoung, totp: \"{SECRET_BASE32}\","));
    let mut door = Door::open(&configuration).await;
    let jiyoung = jiyoung(&door);
    let page = jiyoung.navigate("/_usher/login").await.expect_page(200, "login").text();
    assert!(page.contains("name=\"totp\""), "{page}");
    jiyoung.sign_in(PASSWORD).await.expect_page(401, "login");
    let sign_in = async |code: &str| {
        let fields = [("password", PASSWORD), ("totp", code)];
        jiyoung.submit("/_usher/login", "/_usher/login", &fields).await
    };
    sign_in("000000x").await.expect(401);
    let code = code_now();
    sign_in(&code).await.expect_redirect(303, "/");
    jiyoung.get("/app/tool/pid").await.expect(200);
    jiyoung.submit("/_usher/sessions", "/_usher/logout", &[]).await.expect_redirect(303, "/");
    sign_in(&code).await.expect(401);
    door.kill().await;
    door.start().await;
    sign_in(&code).await.expect(401);
}

/// The code that an authenticator shows now (RFC 6238).
fn code_now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(SECRET).unwrap();
    mac.update(&(now.as_secs() / 30).to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 0xf);
    let word = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let door = Door::open(&configuration("")).await;
    for next in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%2f/evil.example",
        "/%5cevil.example",
        "/_usher/logout",
    ] {
        let jiyoung = jiyoung(&door);
        let fields = [("password", PASSWORD), ("next", next)];
        let answer = jiyoung.submit("/_usher/login", "/_usher/login", &fields).await;
        answer.expect_redirect(303, "/");
        let query: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let again = jiyoung.navigate(&format!("/_usher/login?{query}")).await;
        again.expect_redirect(303, "/");
        let outside = Visitor::new(door.jiyoung());
        let page = outside.navigate(&format!("/_usher/login?{query}")).await.text();
        assert!(page.contains("name=\"next\" value=\"/\""), "{next:?} {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_others_sign_nobody_in_or_out() {
    let door = Door::open(&configuration("")).await;
    let jiyoung = signed_in(&door).await;
    let fresh = Visitor::new(door.jiyoung());
    let in_session = token(&jiyoung.navigate("/_usher/sessions").await.text());
    let before_session = token(&fresh.navigate("/_usher/login").await.text());
    for csrf in ["", "0", &in_session, &"0".repeat(32)] {
        let fields = [("csrf", csrf), ("password", PASSWORD)];
        let refused = fresh.post("/_usher/login", &fields).await.expect_page(403, "login");
        assert_eq!(set_cookie(&refused, "usher_session"), None);
    }
    for csrf in ["", "0", &before_session, &"0".repeat(32)] {
        jiyoung.post("/_usher/logout", &[("csrf", csrf)]).await.expect(403);
        jiyoung.post("/_usher/sessions", &[("csrf", csrf), ("end", "all")]).await.expect(403);
    }
    let cookies = jiyoung.cookies("/");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let headers = [(name, value), ("Cookie", &cookies), ("X-Usher-Request", "1")];
        jiyoung.caller.post_with("/_usher/logout", &headers).await.expect(403);
        jiyoung.caller.post_with("/_usher/login", &headers).await.expect(403);
    }
    jiyoung.get("/app/tool/pid").await.expect(200);
    jiyoung.navigate("/_usher/logout").await.expect(405);
    jiyoung.get("/app/tool/pid").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_never_logged() {
    let door = Door::open(&configuration("")).await;
    let jiyoung = jiyoung(&door);
    jiyoung.sign_in("a wrong secret").await.expect(401);
    jiyoung.sign_in(PASSWORD).await.expect_redirect(303, "/");
    jiyoung.navigate("/_usher/sessions").await.expect(200);
    let cookie = jiyoung.cookie("usher_session").expect("a cookie");
    let device = jiyoung.cookie("usher_device").expect("a cookie");
    jiyoung.submit("/_usher/sessions", "/_usher/logout", &[]).await.expect_redirect(303, "/");
    until("what was done to be logged", async || {
        (door.log_lines(&["signed_in", "jiyoung"]).len() == 1).then_some(())
    })
    .await;
    let access = std::fs::read_to_string(door.path("var/log/access.log")).unwrap_or_default();
    let database = std::fs::read(door.path("var/sessions.db")).unwrap();
    let log_of_database = std::fs::read(door.path("var/sessions.db-wal")).unwrap_or_default();
    for secret in ["a wrong secret", PASSWORD, "argon2id", &cookie, &device] {
        for (place, text) in [("log", door.log()), ("access log", access.clone())] {
            assert!(!text.contains(secret), "{secret} in the {place}");
        }
        for file in [&database, &log_of_database] {
            let found = file.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} in the database");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_without_a_password_is_refused_where_one_is_required() {
    let door = Door::open(
        "
apps: { tool: { title: Tool, command: $PLAIN, ports: $PORTS } }
users: $USERS
admin: { password_required: true }
",
    )
    .await;
    let minsu = door.minsu();
    minsu.navigate("/admin/").await.expect_page(403, "restricted");
    minsu.get("/admin/api/seats").await.expect(403);
    minsu.post_with("/admin/api/reload", &[("X-Usher-Request", "1")]).await.expect(403);
    door.jiyoung().get("/app/tool/pid").await.expect(200);
}
