//! Whatever a page is given is text: names, logs and addresses never become markup.

use super::super::view::{
    App, CodeField, Common, Failed, Full, Home, Page, Person, Presence, Problem, Restricted,
    SeatState, Session, Sessions, SignIn, Stopped, Summary, Tile, TooMany,
};
use super::super::*;
use super::{built_in, html};
use view::{Progress, Step, StepTime, Waiting};

const HOSTILE: &str =
    "</pre></title>\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}&";

fn hostile() -> String {
    HOSTILE.to_owned()
}

fn common() -> Common {
    Common {
        site_name: hostile(),
        incident: Some(format!("{HOSTILE}\r\nSet-Cookie: a=b")),
        administrators: vec![hostile(); 4],
        person: Some(Person { name: hostile(), is_admin: true, is_signed_in: true }),
        admin_path: "/admin".to_owned(),
        form_token: Some(hostile()),
    }
}

fn app() -> App {
    App { slug: hostile(), title: hostile() }
}

fn pages_of_hostile_views() -> Vec<Page> {
    let tile = Tile { app: app(), state: SeatState::Ready, for_s: Some(1.0) };
    let summary = Summary {
        people: vec![Presence { user: hostile(), app: hostile(), for_s: 1.0 }],
        seats: 1,
        seats_limit: 1,
        seats_failed: 1,
        cpu_cores: f64::NAN,
        cpu_cores_total: 0.0,
        memory_bytes: u64::MAX,
        memory_total_bytes: 0,
    };
    let progress = Progress {
        step: Step::Probing,
        steps: vec![StepTime { step: Step::Starting, took_s: f64::INFINITY }],
        queue_place: Some(1),
        elapsed_s: 1.0,
        usual_s: Some(1.0),
        log_lines: vec![hostile()],
    };
    let session = Session {
        id: hostile(),
        is_this: false,
        browser: hostile(),
        address: hostile(),
        started_at: hostile(),
        idle_s: -1.0,
    };
    let sign_in = SignIn {
        asks_name: false,
        asks_password: true,
        code: CodeField::Required,
        next: hostile(),
        error: None,
        provider_path: Some(hostile()),
    };
    let mut pages = vec![
        Page::Home(Home { tiles: vec![tile], summary: Some(summary) }),
        Page::Waiting(Waiting { app: app(), progress }),
        Page::Sessions(Sessions { sessions: vec![session] }),
        Page::SignIn(sign_in),
        Page::Stopped(Stopped { app: app(), reason: StoppedReason::Idle }),
    ];
    pages.extend(problems().into_iter().map(Page::Problem));
    pages
}

fn problems() -> Vec<Problem> {
    vec![
        Problem::Restricted(Restricted {
            address: hostile(),
            reason: RestrictedReason::NotGranted { app: hostile() },
            sign_in_path: Some(hostile()),
        }),
        Problem::Failed(Failed {
            app: app(),
            reason: FailureReason::NoProcess { detail: hostile() },
            log_lines: vec![hostile()],
            may_retry: true,
        }),
        Problem::Full(Full {
            app: app(),
            reason: FullReason::NoPortLeft { ports: hostile() },
            retry_after_s: 1,
        }),
        Problem::TooMany(TooMany {
            address: hostile(),
            reason: TooManyReason::Requests { limit: 1 },
            retry_after_s: 1,
        }),
        Problem::Error(ErrorReason::UnknownHost { host: hostile() }),
    ]
}

#[test]
fn hostile_views_stay_text() {
    let pages = built_in();
    for page in pages_of_hostile_views() {
        for language in Language::ALL {
            let response = pages.render(&page, language, &common());
            assert_eq!(response.problem, None, "{page:?}");
            let html = html(&response);
            assert!(html.contains("&lt;script&gt;alert(1)"), "the name is shown: {page:?}");
            assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{page:?}");
            assert!(!html.contains("\"'>") && !html.contains("49&amp;"), "{page:?}");
            let scripts = html.matches("<script").count();
            assert_eq!(scripts, html.matches("<script src=\"/_usher/assets/").count());
            assert_eq!(html.matches("</title>").count(), 1);
        }
    }
}

#[test]
fn an_incident_never_breaks_a_header() {
    let pages = built_in();
    for problem in problems() {
        let response = pages.render_json(&problem, Language::English, &common());
        for (name, value) in &response.headers {
            assert!(!value.contains(['\r', '\n']), "{name}: {value}");
        }
        let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert!(json["error"]["code"].is_string());
    }
}
