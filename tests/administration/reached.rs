//! Every line of the table of routes answers an administrator, and says no to other methods.

use http::Method;
use usher::admin::router::{ROUTES, Verb, What};
use usher::admin::{Outcome, Refusal};
use usher::domain::Language;

use crate::house::House;

fn path(pattern: &str) -> String {
    pattern.replace("{user}", "jiyoung").replace("{app}", "main")
}

fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Page(_) => "page",
        Outcome::Json(..) => "json",
        Outcome::File { .. } => "file",
        Outcome::See(_) => "see",
        Outcome::Moved(_) => "moved",
        Outcome::Events(_) => "events",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_is_read_answers_with_what_it_means() {
    let house = House::new();
    house.call("/seats/jiyoung/main/start", "").await.expect("a start");
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Get) {
        let expected = match route.what {
            What::Page(_) | What::Seat | What::AskSeat(_) | What::AskKick | What::AskReload => {
                "page"
            }
            What::FindSeat => "see",
            What::Live(_) | What::LiveSeat => "events",
            What::Csv(_) => "file",
            What::Api(_) => "json",
            What::DoSeat(_) | What::DoKick | What::Notice | What::DoReload | What::Order(_) => {
                panic!("{} changes something by GET", route.pattern)
            }
        };
        let path = path(route.pattern);
        for method in [Method::GET, Method::HEAD] {
            let answered = house.ask(method, &path, &[], "", Language::Korean).await;
            assert_eq!(answered.as_ref().map(kind), Ok(expected), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_changes_something_wants_its_token_or_header() {
    let house = House::new();
    for route in ROUTES.iter().filter(|route| route.verb == Verb::Post) {
        let path = path(route.pattern);
        for body in ["", "csrf=wrong", "text=x&sure=1"] {
            let answered = house.ask(Method::POST, &path, &[], body, Language::English).await;
            let refusal = answered.err().expect("a refusal");
            let is_token = matches!(&refusal, Refusal::FormExpired)
                || format!("{refusal:?}").contains("HeaderMissing");
            assert!(is_token, "{path} {body}: {refusal:?}");
        }
    }
    assert!(house.operations.supervisor().seats().is_empty(), "nothing was started");
    assert!(house.operations.board().notices().is_empty(), "nothing was said");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_and_paths_are_refused() {
    let house = House::new();
    for route in ROUTES {
        let path = path(route.pattern);
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let answered = house.ask(method, &path, &[], "", Language::English).await;
            assert!(matches!(answered, Err(Refusal::Method(_))), "{path}");
        }
    }
    for path in ["/nothing", "/api", "/api/nothing", "/seats/jiyoung", "/live", "/live/users"] {
        assert_eq!(house.get(path).await.err(), Some(Refusal::NotFound), "{path}");
    }
    for (path, expected) in [
        ("", "/admin/"),
        ("/users/", "/admin/users"),
        ("/visits/?app=main", "/admin/visits?app=main"),
    ] {
        match house.get(path).await {
            Ok(Outcome::Moved(moved)) => assert_eq!(moved, expected),
            other => panic!("{path}: {:?}", other.as_ref().map(kind)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_and_what_does_not_exist_is_not_found() {
    let house = House::new();
    for (path, code) in [
        ("/seats/nobody/main", "NoSuchUser"),
        ("/seats/jiyoung/nothing", "NoSuchApp"),
        ("/seats/hana/main/stop", "NoSuchSeat"),
        ("/users/nobody/kick", "NoSuchUser"),
        ("/live/seats/nobody/main", "NoSuchUser"),
        ("/api/seats/hana/main/log", "NoSuchSeat"),
        ("/api/users?after=nobody", "NoSuchUser"),
    ] {
        let refusal = house.get(path).await.err().expect("a refusal");
        assert!(format!("{refusal:?}").contains(code), "{path}: {refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_cannot_be_read_are_refused_wherever_they_stand() {
    let house = House::new();
    for path in [
        "/visits?from=yesterday",
        "/events?to=2026-13-01",
        "/visits.csv?after=7",
        "/statistics?from=now",
        "/statistics.csv?to=x",
        "/users?page=-1",
        "/api/visits?limit=many",
        "/api/events?after=x",
        "/api/statistics?from=2026-W48",
        "/statistics?from=2026-11-26&to=2026-11-01",
    ] {
        let refusal = house.get(path).await.err();
        assert!(format!("{refusal:?}").contains("BadParameter"), "{path}: {refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_text_on_every_page() {
    let house = House::new();
    house.call("/seats/jiyoung/main/start", "").await.expect("a start");
    house.call("/notices", r#"{"text": "<script>alert(1)</script>"}"#).await.expect("a notice");
    for path in ["/", "/seats", "/seats/jiyoung/main", "/visits", "/events", "/users"] {
        let page = house.page(path).await;
        assert!(!page.contains("<Feature>") && !page.contains("<script>"), "{path}");
        assert!(!page.contains("<line "), "{path}: the log is text");
    }
    for path in ["/users?search=%22%3E%3Cscript%3E", "/visits?user=%22%3E%3Cscript%3E"] {
        let page = house.page(path).await;
        assert!(page.contains("&quot;&gt;&lt;script&gt;") && !page.contains("<script>"), "{path}");
    }
}
