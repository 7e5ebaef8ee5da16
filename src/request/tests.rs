//! Tables of heads, clients and paths.

use std::net::IpAddr;

use http::Request;

use super::*;
use crate::network::NetworkSet;

fn check_client(peer: &str, headers: &[(&str, &str)], expected: Result<&str, Malformed>) {
    let mut request = Request::builder().uri("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).expect("a request").into_parts().0;
    let connection = Connection {
        peer: SocketAddr::new(peer.parse().expect("an address"), 40000),
        local: None,
        tls: false,
        door: Door::Main,
        from_seat: false,
    };
    let trusted = NetworkSet::of(["10.0.0.0/8", "127.0.0.9/32", "fd00::/8"]);
    let head = Head { parts: &parts, connection: &connection };
    let found = Client::of(&head, &trusted).map(|client| {
        let marks = match (client.through_proxy, client.unproven) {
            (true, _) => " proxied",
            (false, true) => " unproven",
            (false, false) => "",
        };
        format!("{} {}://{}{marks}", client.address, client.scheme.as_str(), client.host)
    });
    assert_eq!(found.as_deref(), expected.as_deref(), "{peer} {headers:?}");
}

#[test]
fn the_true_client() {
    let host = ("host", "door:8000");
    check_client("192.168.1.5", &[host], Ok("192.168.1.5 http://door:8000"));
    check_client("192.168.1.5", &[], Err(Malformed::Host));
    check_client("192.168.1.5", &[host, ("host", "other")], Err(Malformed::Host));
    check_client("192.168.1.5", &[("host", "user@door")], Err(Malformed::Host));
    check_client("192.168.1.5", &[("host", "door:port")], Err(Malformed::Host));
    check_client("192.168.1.5", &[("host", "door:+80")], Err(Malformed::Host));
    check_client("::1", &[("host", "[::1]:8000")], Ok("::1 http://[::1]:8000"));
    // The untrusted are not believed; those on this machine are strangers for trying.
    let forged = ("x-forwarded-for", "192.168.1.100");
    check_client("192.168.1.5", &[host, forged], Ok("192.168.1.5 http://door:8000"));
    check_client("127.0.0.1", &[host, forged], Ok("127.0.0.1 http://door:8000 unproven"));
    check_client(
        "127.0.0.1",
        &[host, ("forwarded", "for=1.2.3.4")],
        Ok("127.0.0.1 http://door:8000 unproven"),
    );
    // Trusted proxies are read from the right, as far as they are trusted.
    check_client("10.1.1.1", &[host, forged], Ok("192.168.1.100 http://door:8000 proxied"));
    check_client(
        "10.1.1.1",
        &[host, ("x-forwarded-for", "1.1.1.1, 192.168.1.7 , 10.2.2.2")],
        Ok("192.168.1.7 http://door:8000 proxied"),
    );
    check_client(
        "10.1.1.1",
        &[host, ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "10.2.2.2")],
        Ok("1.1.1.1 http://door:8000 proxied"),
    );
    check_client(
        "10.1.1.1",
        &[host, ("x-forwarded-for", "::ffff:192.168.1.9")],
        Ok("192.168.1.9 http://door:8000 proxied"),
    );
    check_client(
        "10.1.1.1",
        &[host, ("x-forwarded-for", "[2001:db8::1]:443")],
        Ok("2001:db8::1 http://door:8000 proxied"),
    );
    check_client("10.1.1.1", &[host, ("x-forwarded-for", "unknown")], Err(Malformed::ForwardedFor));
    check_client(
        "127.0.0.9",
        &[host, ("x-forwarded-proto", "https"), ("x-forwarded-host", "apps.example.org"), forged],
        Ok("192.168.1.100 https://apps.example.org proxied"),
    );
    check_client("10.1.1.1", &[host], Ok("10.1.1.1 http://door:8000 proxied"));
}

#[test]
fn forwarded_lists_have_a_limit() {
    let long = vec!["10.0.0.1"; FORWARDED_ENTRIES_MAX + 1].join(",");
    check_client(
        "10.1.1.1",
        &[("host", "door"), ("x-forwarded-for", &long)],
        Err(Malformed::ForwardedFor),
    );
}

#[test]
fn targets() {
    use Target::*;
    for (path, expected) in [
        ("/", Root),
        ("/unauthorized/", Unauthorized),
        ("/app", FirstApp { rest: "" }),
        ("/app/", FirstApp { rest: "" }),
        ("/app/main", SeatWithoutSlash { slug: "main" }),
        ("/app/main/", Seat { slug: "main", rest: "/" }),
        ("/app/main/static/x.js", Seat { slug: "main", rest: "/static/x.js" }),
        ("/app/_stcore/health", FirstApp { rest: "_stcore/health" }),
        ("/app/Main/x", FirstApp { rest: "Main/x" }),
        ("/application", Unknown),
        ("/admin", Admin { rest: "" }),
        ("/admin/users", Admin { rest: "/users" }),
        ("/administrator", Unknown),
        ("/%61dmin", Unknown),
        ("/_usher/wait", Usher(UsherPath::Wait)),
        ("/_usher/assets/door.css", Usher(UsherPath::Asset("door.css"))),
        ("/_usher/nothing", Usher(UsherPath::Unknown)),
        ("/_usher", Unknown),
        ("/metrics", Metrics),
    ] {
        assert_eq!(Target::of(path, "/admin"), expected, "{path}");
    }
}

#[test]
fn sound_paths() {
    for (path, sound) in [
        ("/app/main/", true),
        ("/app/main/%EB%A7%A4%EC%B6%9C.csv", true),
        ("/app/main/a..b/...", true),
        ("/app/main//x", true),
        ("/app/main/../other/", false),
        ("/app/main/./x", false),
        ("/app/main/%2e%2E/x", false),
        ("/app/main/.%2e", false),
        ("/app/main/a%2fb", true),
        ("/app/main/%2f%2F", true),
        ("/app/main/%2f..%2Fb", false),
        ("/app/main/a%2f..", false),
        ("/app/main/%2e%2e%2fother/", false),
        ("/app/main/..%2fother/", false),
        ("/app/main/a%5Cb", false),
        ("/app/main/a\\b", false),
        ("/app/main/a%00", false),
        ("/app/main/a%0d%0a", false),
        ("/app/main/a%zz", false),
        ("/app/main/a%2", false),
        ("*", false),
    ] {
        assert_eq!(path_is_sound(path), sound, "{path}");
    }
}

#[test]
fn origins() {
    let client = |host, scheme| Client {
        address: IpAddr::from([127, 0, 0, 1]),
        scheme,
        host,
        through_proxy: false,
        unproven: false,
    };
    for (host, scheme, origin, own) in [
        ("door:8000", Scheme::Http, "http://door:8000", true),
        ("door:8000", Scheme::Http, "http://DOOR:8000", true),
        ("door", Scheme::Http, "http://door:80", true),
        ("door:443", Scheme::Https, "https://door", true),
        ("door:8000", Scheme::Http, "https://door:8000", false),
        ("door:8000", Scheme::Http, "http://door:8001", false),
        ("door:8000", Scheme::Http, "http://localhost:8000", false),
        ("door:8000", Scheme::Http, "null", false),
        ("door:8000", Scheme::Http, "http://door:8000.evil", false),
    ] {
        assert_eq!(client(host, scheme).is_origin(origin), own, "{host} {origin}");
    }
}
