//! What each page shows: gathered from `operate` and the store into plain structs, which the
//! templates of `templates/admin/` put into words. A page whose records cannot be read shows the
//! rest, and says so.

pub(super) mod configuration;
pub(super) mod overview;
mod parts;
pub(super) mod records;
pub(super) mod seat;
pub(super) mod seats;
pub(super) mod server;
pub(super) mod statistics;
pub(super) mod users;

pub(super) use parts::{Alert, BAD_KINDS, EventLine, Presence, VisitLine, Word};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::Admin;
use super::asked::{Asked, Outcome, Refusal};
use super::questions::Question;
use super::router::PageName;
use super::told::Told;
use crate::config::Snapshot;
use crate::domain::{Language, SeatKey};
use crate::operate::{InForce, Phase};
use crate::pages::view::Common;
use crate::pages::{PageKind, Response, Sheet};

/// What every administrator's page has.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Frame<C: Serialize> {
    /// Which of the navigation's pages it belongs to.
    pub(super) page: &'static str,
    /// What was done just now.
    pub(super) told: Option<Told>,
    /// What is wrong.
    pub(super) alerts: Vec<Alert>,
    /// Where the page's events are; none: it does not change by itself.
    pub(super) live: Option<String>,
    /// The page's own content.
    pub(super) content: C,
}

/// The path of a page behind the admin path.
pub(super) fn page_path(page: PageName) -> String {
    match page {
        PageName::Overview => "/".to_owned(),
        PageName::Users
        | PageName::Seats
        | PageName::Statistics
        | PageName::Visits
        | PageName::Events
        | PageName::Server
        | PageName::Configuration => format!("/{}", page.as_str()),
    }
}

/// The path of a seat's page behind the admin path.
pub(super) fn seat_path(user: &str, app: &str) -> String {
    format!("/seats/{}/{app}", utf8_percent_encode(user, NON_ALPHANUMERIC))
}

/// The name of an app for people; one that is gone keeps its name in addresses.
pub(super) fn title_of(snapshot: &Snapshot, app: &str) -> String {
    snapshot.app(app).map_or_else(|| app.to_owned(), |app| app.title.clone())
}

/// The template of a page, and of the part of it that its events replace.
pub(super) fn templates(page: PageName) -> (&'static str, Option<&'static str>) {
    match page {
        PageName::Overview => ("admin/overview.html", Some("admin/overview_live.html")),
        PageName::Users => ("admin/users.html", None),
        PageName::Seats => ("admin/seats.html", Some("admin/seats_live.html")),
        PageName::Statistics => ("admin/statistics.html", None),
        PageName::Visits => ("admin/visits.html", None),
        PageName::Events => ("admin/events.html", None),
        PageName::Server => ("admin/server.html", Some("admin/server_live.html")),
        PageName::Configuration => ("admin/configuration.html", None),
    }
}

/// The templates of a seat's page.
pub(super) const SEAT_TEMPLATES: (&str, &str) = ("admin/seat.html", "admin/seat_live.html");
/// The template of a question.
pub(super) const QUESTION_TEMPLATE: &str = "admin/question.html";

/// Renders a view.
pub(super) fn render<C: Serialize>(
    in_force: &InForce,
    template: &'static str,
    language: Language,
    common: &Common,
    frame: &Frame<C>,
) -> Response {
    let sheet = Sheet { template, kind: PageKind::Admin, status: 200 };
    in_force.pages.render_view(sheet, language, common, frame)
}

impl Admin {
    /// One of the pages.
    pub(super) async fn page(&self, asked: &Asked<'_>, page: PageName) -> Result<Outcome, Refusal> {
        let in_force = asked.in_force;
        Ok(match page {
            PageName::Overview => {
                let content = self.overview(in_force).await;
                self.show(asked, page, content)
            }
            PageName::Users => {
                let content = self.users_page(asked).await?;
                self.show(asked, page, content)
            }
            PageName::Seats => {
                let content = self.seats_page(in_force);
                self.show(asked, page, content)
            }
            PageName::Statistics => {
                let content = self.statistics_page(asked).await?;
                self.show(asked, page, content)
            }
            PageName::Visits => {
                let content = self.visits_page(asked).await?;
                self.show(asked, page, content)
            }
            PageName::Events => {
                let content = self.events_page(asked).await?;
                self.show(asked, page, content)
            }
            PageName::Server => {
                let content = self.server_page(in_force, range_of(asked)).await;
                self.show(asked, page, content)
            }
            PageName::Configuration => {
                let content = self.configuration_page(in_force);
                self.show(asked, page, content)
            }
        })
    }

    /// The page of one seat.
    pub(super) async fn seat_page(
        &self,
        asked: &Asked<'_>,
        key: SeatKey,
    ) -> Result<Outcome, Refusal> {
        let content = self.seat(asked.in_force, &key, range_of(asked)).await;
        let live = seat_path(key.user.as_str(), key.app.as_str());
        let frame = self.frame(asked, PageName::Seats, Some(live), content);
        Ok(self.rendered(asked, SEAT_TEMPLATES.0, &frame))
    }

    /// A question.
    pub(super) fn show_question(
        &self,
        asked: &Asked<'_>,
        page: PageName,
        question: Question,
    ) -> Outcome {
        let frame = self.frame(asked, page, None, question);
        self.rendered(asked, QUESTION_TEMPLATE, &frame)
    }

    fn show<C: Serialize>(&self, asked: &Asked<'_>, page: PageName, content: C) -> Outcome {
        let (template, part) = templates(page);
        let live = part.map(|_| format!("/{}", page.as_str()));
        let frame = self.frame(asked, page, live, content);
        self.rendered(asked, template, &frame)
    }

    fn rendered<C: Serialize>(
        &self,
        asked: &Asked<'_>,
        template: &'static str,
        frame: &Frame<C>,
    ) -> Outcome {
        let page = render(asked.in_force, template, asked.language, &asked.common, frame);
        Outcome::Page(Box::new(page))
    }

    fn frame<C: Serialize>(
        &self,
        asked: &Asked<'_>,
        page: PageName,
        live: Option<String>,
        content: C,
    ) -> Frame<C> {
        let told = asked
            .parameter("told")
            .and_then(|id| id.parse().ok())
            .and_then(|id| self.tellings.take(&asked.permit.person().name, id));
        let query = asked.address_with(&[]);
        let query = query.split_once('?').map(|(_, query)| format!("?{query}"));
        Frame {
            page: page.as_str(),
            told,
            alerts: self.alerts(page),
            live: live.map(|live| asked.path(&format!("/live{live}{}", query.unwrap_or_default()))),
            content,
        }
    }

    /// What is wrong and not said by the page itself.
    pub(super) fn alerts(&self, page: PageName) -> Vec<Alert> {
        let counters = self.operations.account().counters();
        let problems = self.operations.problems().len() as u64;
        let lost = counters.lost() + counters.facts_dropped();
        let faults = self.operations.supervisor().violations();
        let unreadable = self.unreadable.load(std::sync::atomic::Ordering::Relaxed);
        let is_draining = self.operations.phase() == Phase::Draining;
        let all = [
            ("file_refused", if page == PageName::Configuration { 0 } else { problems }),
            ("records_unreadable", u64::from(unreadable)),
            ("records_lost", lost),
            ("faults", faults),
            ("draining", u64::from(is_draining)),
        ];
        all.into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| Alert { word, count })
            .collect()
    }
}

/// The time that charts show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Range {
    /// One of `pages::words::RANGES`.
    pub(super) word: &'static str,
    /// Its length.
    #[serde(skip)]
    pub(super) span_ms: i64,
}

impl Range {
    const HOUR_MS: i64 = 3_600_000;

    /// Every range that may be chosen.
    pub(super) const ALL: [Range; 5] = [
        Range { word: "1h", span_ms: Self::HOUR_MS },
        Range { word: "6h", span_ms: 6 * Self::HOUR_MS },
        Range { word: "24h", span_ms: 24 * Self::HOUR_MS },
        Range { word: "7d", span_ms: 7 * 24 * Self::HOUR_MS },
        Range { word: "30d", span_ms: 30 * 24 * Self::HOUR_MS },
    ];

    /// The words of all ranges.
    pub(super) fn words() -> [&'static str; 5] {
        Self::ALL.map(|range| range.word)
    }
}

/// `range=`; an hour if it is absent or none of these.
pub(super) fn range_of(asked: &Asked<'_>) -> Range {
    let wanted = asked.parameter("range");
    let found = Range::ALL.into_iter().find(|range| Some(range.word) == wanted.as_deref());
    found.unwrap_or(Range::ALL[0])
}
