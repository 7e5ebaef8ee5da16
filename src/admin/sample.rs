//! Sample views of every administrators' page, with everything that can be shown and with as
//! little as there can be: for tests, for trying an operator's templates, and for looking at them.

mod figures;
mod happened;
mod people;

use serde::Serialize;

use super::questions::Question;
use super::router::PageName;
use super::told::{Told, Tone};
use super::views::{self, Alert, Frame};
use crate::domain::Language;
use crate::pages::view::{Common, Person};
use crate::pages::{PageKind, Pages, Response, Sheet, TemplateProblem};

/// A page to try.
pub struct Sample {
    /// A name for its file.
    pub name: &'static str,
    template: &'static str,
    frame: serde_json::Value,
}

impl Sample {
    fn new<C: Serialize>(
        name: &'static str,
        template: &'static str,
        page: PageName,
        content: C,
    ) -> Self {
        let live = views::templates(page).1.map(|_| format!("/admin/live/{}", page.as_str()));
        let frame = Frame { page: page.as_str(), told: None, alerts: Vec::new(), live, content };
        // These are plain structs of our own, which cannot fail.
        Self { name, template, frame: serde_json::to_value(frame).unwrap_or_default() }
    }

    fn with(mut self, field: &str, value: impl Serialize) -> Self {
        self.frame[field] = serde_json::to_value(value).unwrap_or_default();
        self
    }

    fn sheet(&self) -> Sheet {
        Sheet { template: self.template, kind: PageKind::Admin, status: 200 }
    }

    /// The page.
    pub fn render(&self, pages: &Pages, language: Language) -> Response {
        pages.render_view(self.sheet(), language, &common(), &self.frame)
    }
}

/// Tries every page in both languages: what is wrong with an operator's templates.
pub fn problems(pages: &Pages) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    for sample in samples() {
        for language in Language::ALL {
            let tried = pages.try_view(sample.sheet(), language, &common(), &sample.frame);
            problems.extend(tried.err().filter(|new| !problems.contains(new)));
        }
    }
    problems
}

fn common() -> Common {
    Common {
        site_name: "5G Feature Manager".to_owned(),
        person: Some(Person { name: "민수".to_owned(), is_admin: true, is_signed_in: true }),
        admin_path: "/admin".to_owned(),
        form_token: Some("0123456789abcdef".to_owned()),
        ..Common::default()
    }
}

/// Every page, each in the variants that its template distinguishes.
pub fn samples() -> Vec<Sample> {
    let page = |name, page, content: serde_json::Value| {
        Sample::new(name, views::templates(page).0, page, content)
    };
    let mut samples = vec![
        page("overview", PageName::Overview, value(figures::overview(true))),
        page("overview-quiet", PageName::Overview, value(figures::overview(false)))
            .with("alerts", alerts()),
        page("users", PageName::Users, value(people::users(true))),
        page("users-none", PageName::Users, value(people::users(false))),
        page("seats", PageName::Seats, value(people::seats(true)))
            .with("told", told("stop_done", Tone::Good)),
        page("seats-none", PageName::Seats, value(people::seats(false))),
        page("statistics", PageName::Statistics, value(figures::statistics(Some(30)))),
        page("statistics-year", PageName::Statistics, value(figures::statistics(Some(365)))),
        page("statistics-none", PageName::Statistics, value(figures::statistics(Some(0)))),
        page("statistics-unreadable", PageName::Statistics, value(figures::statistics(None))),
        page("visits", PageName::Visits, value(people::visits(Some(true)))),
        page("visits-none", PageName::Visits, value(people::visits(Some(false)))),
        page("visits-unreadable", PageName::Visits, value(people::visits(None))),
        page("events", PageName::Events, value(people::events(Some(true)))),
        page("events-none", PageName::Events, value(people::events(Some(false)))),
        page("events-unreadable", PageName::Events, value(people::events(None))),
        page("server", PageName::Server, value(figures::server(true))),
        page("server-bare", PageName::Server, value(figures::server(false))),
        page("configuration", PageName::Configuration, value(figures::configuration(false))),
        page("configuration-bad", PageName::Configuration, value(figures::configuration(true)))
            .with("told", told("reload_refused", Tone::Bad)),
    ];
    let seat = views::SEAT_TEMPLATES.0;
    for (name, content) in people::seat_pages() {
        samples.push(
            Sample::new(name, seat, PageName::Seats, content)
                .with("live", "/admin/live/seats/%EC%A7%80%EC%98%81/main"),
        );
    }
    for (name, question) in questions() {
        let sample = Sample::new(name, views::QUESTION_TEMPLATE, PageName::Seats, question);
        samples.push(sample.with("live", None::<String>));
    }
    samples
}

fn value(content: impl Serialize) -> serde_json::Value {
    serde_json::to_value(content).unwrap_or_default()
}

fn told(word: &'static str, tone: Tone) -> Told {
    let details =
        if tone == Tone::Bad { vec!["conf/usher.yaml:12:5".to_owned()] } else { Vec::new() };
    Told {
        user: "지영".to_owned(),
        app: "5G Feature Manager".to_owned(),
        count: 2,
        details,
        ..Told::new(word, tone)
    }
}

fn alerts() -> Vec<Alert> {
    crate::pages::words::ALERTS.iter().map(|word| Alert { word, count: 3 }).collect()
}

/// Every answer that a page can show, each by itself.
pub fn answers() -> Vec<Sample> {
    let tones = [Tone::Good, Tone::Wait, Tone::Bad];
    crate::pages::words::TOLD
        .iter()
        .zip(tones.into_iter().cycle())
        .map(|(word, tone)| {
            Sample::new(word, "admin/seats.html", PageName::Seats, people::seats(false))
                .with("told", told(word, tone))
        })
        .collect()
}

fn questions() -> Vec<(&'static str, Question)> {
    let question = |word: &'static str| Question {
        word,
        is_danger: word != "start",
        action: format!("/admin/seats/%EC%A7%80%EC%98%81/main/{word}"),
        back: "/admin/seats".to_owned(),
        user: "지영".to_owned(),
        app: "5G Feature Manager".to_owned(),
        count: 2,
        text: None,
    };
    let text = "오늘 18시에 서버를 업그레이드합니다. 5분쯤 걸립니다.".to_owned();
    vec![
        ("question-start", question("start")),
        ("question-stop", question("stop")),
        ("question-restart", question("restart")),
        ("question-kick", Question { count: 0, ..question("kick") }),
        ("question-user-kick", question("user_kick")),
        ("question-notice", Question { text: Some(text), ..question("notice") }),
        (
            "question-reload",
            Question { app: "/srv/usher/conf/usher.yaml".to_owned(), ..question("reload") },
        ),
    ]
}
