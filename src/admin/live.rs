//! A page's events: the part of it that changes, rendered anew when it looks different. A stream
//! lasts some minutes; the browser asks for the next one, and is looked at again by the gate.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Admin;
use super::asked::{Asked, Outcome};
use super::router::PageName;
use super::views::{self, Frame, Range};
use crate::answer::EventSource;
use crate::clock::Moment;
use crate::domain::{Language, SeatKey};
use crate::operate::InForce;
use crate::pages::Response;
use crate::pages::view::Common;

/// Between two looks.
const LOOKED_EVERY: Duration = Duration::from_secs(2);
/// Something is said at least so often, so that a browser that left is noticed.
const SAID_EVERY_MS: u64 = 14_000;
/// A stream lasts so long.
const LASTS_MS: u64 = 5 * 60 * 1000;

/// Which page is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// One of the navigation's.
    Page(PageName),
    /// That of a seat.
    Seat(SeatKey),
}

struct Live {
    admin: Admin,
    shown: Shown,
    range: Range,
    in_force: Arc<InForce>,
    language: Language,
    common: Common,
    began: Moment,
    said: Moment,
    /// What the browser has.
    last: Bytes,
    is_first: bool,
}

impl Admin {
    /// The events of a page.
    pub(super) fn live(&self, asked: &Asked<'_>, shown: Shown) -> Outcome {
        let now = self.operations.clock().now();
        Outcome::Events(Box::new(Live {
            admin: self.clone(),
            shown,
            range: views::range_of(asked),
            in_force: Arc::clone(asked.in_force),
            language: asked.language,
            common: asked.common.clone(),
            began: now,
            said: now,
            last: Bytes::new(),
            is_first: true,
        }))
    }
}

impl Live {
    /// The part of the page that changes.
    async fn part(&self) -> Option<Response> {
        let (admin, in_force) = (&self.admin, &self.in_force);
        match &self.shown {
            Shown::Page(page) => {
                let template = views::templates(*page).1?;
                Some(match page {
                    PageName::Overview => {
                        self.render(template, *page, admin.overview(in_force).await)
                    }
                    PageName::Seats => self.render(template, *page, admin.seats_page(in_force)),
                    PageName::Server => {
                        let content = admin.server_page(in_force, self.range).await;
                        self.render(template, *page, content)
                    }
                    PageName::Users
                    | PageName::Statistics
                    | PageName::Visits
                    | PageName::Events
                    | PageName::Configuration => return None,
                })
            }
            Shown::Seat(key) => {
                let content = admin.seat(in_force, key, self.range).await;
                Some(self.render(views::SEAT_TEMPLATES.1, PageName::Seats, content))
            }
        }
    }

    fn render<C: serde::Serialize>(
        &self,
        template: &'static str,
        page: PageName,
        content: C,
    ) -> Response {
        let frame = Frame {
            page: page.as_str(),
            told: None,
            alerts: self.admin.alerts(page),
            live: None,
            content,
        };
        views::render(&self.in_force, template, self.language, &self.common, &frame)
    }

    /// Whether the page has to be asked for anew: its configuration is no longer in force, or the
    /// stream has lasted long enough.
    fn is_over(&self, now: Moment) -> bool {
        let in_force = self.admin.operations.in_force();
        !Arc::ptr_eq(&in_force, &self.in_force) || now.since_ms(self.began) >= LASTS_MS
    }
}

#[async_trait]
impl EventSource for Live {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_first {
                self.is_first = false;
            } else {
                tokio::time::sleep(LOOKED_EVERY).await;
            }
            let now = self.admin.operations.clock().now();
            if self.is_over(now) {
                return None;
            }
            let part = self.part().await?.body;
            if part != self.last {
                let html = std::str::from_utf8(&part).ok()?;
                let data = serde_json::to_string(html).ok()?;
                let event = format!("event: part\ndata: {data}\n\n");
                self.said = now;
                self.last = part;
                return Some(event.into());
            }
            if now.since_ms(self.said) >= SAID_EVERY_MS {
                self.said = now;
                return Some(Bytes::from_static(b": still here\n\n"));
            }
        }
    }
}
