//! What administrators have: pages, live, and the same as JSON. `router` is the table of it; the
//! gate hands over requests of those who may make them ([`Asked`]) and turns what comes back into
//! an answer. Decides nothing about seats, visits or files: it asks and orders `operate`, which
//! records what was done and by whom. Chooses no status code for a refusal, and names no socket.

mod act;
mod api;
mod asked;
mod chart;
mod csv;
mod described;
mod documents;
mod filter;
mod json;
mod live;
mod openapi;
mod questions;
mod read;
pub mod router;
pub mod sample;
mod told;
mod views;

pub use asked::{Asked, Outcome, Refusal};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::answer::Body;
use crate::operate::Operations;
use router::{Captured, Found, What};
use told::Tellings;

/// The administrators' pages and API. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    operations: Arc<Operations>,
    tellings: Arc<Tellings>,
    /// Whether the records could not be read the last time somebody asked.
    unreadable: Arc<AtomicBool>,
}

impl Admin {
    /// The pages over these operations.
    pub fn new(operations: Arc<Operations>) -> Self {
        Self { operations, tellings: Arc::default(), unreadable: Arc::default() }
    }

    /// Answers a request of an administrator.
    ///
    /// # Errors
    /// Why it is not answered.
    pub async fn answer(&self, asked: &Asked<'_>, body: &mut dyn Body) -> Result<Outcome, Refusal> {
        match router::find(asked.method(), asked.rest) {
            Found::Route(route, captured) => self.follow(asked, route.what, &captured, body).await,
            Found::Elsewhere(rest) => {
                let query = asked.head.parts.uri.query().map(|query| format!("?{query}"));
                Ok(Outcome::Moved(asked.path(&rest) + &query.unwrap_or_default()))
            }
            Found::OtherMethod(allowed) => Err(Refusal::Method(allowed)),
            Found::Nothing => Err(Refusal::NotFound),
        }
    }

    async fn follow(
        &self,
        asked: &Asked<'_>,
        what: What,
        captured: &Captured,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        let seat = || self.key(asked, &captured.user, &captured.app);
        match what {
            What::Page(page) => self.page(asked, page).await,
            What::Seat => self.seat_page(asked, seat()?).await,
            What::FindSeat => self.find_seat(asked),
            What::AskSeat(action) => self.ask_seat(asked, &seat()?, action),
            What::DoSeat(action) => self.do_seat(asked, seat()?, action, body).await,
            What::AskKick => self.ask_kick(asked, &captured.user),
            What::DoKick => self.do_kick(asked, &captured.user, body).await,
            What::Notice => self.notice(asked, body).await,
            What::AskReload => Ok(self.ask_reload(asked)),
            What::DoReload => self.do_reload(asked, body).await,
            What::Live(page) => Ok(self.live(asked, live::Shown::Page(page))),
            What::LiveSeat => Ok(self.live(asked, live::Shown::Seat(seat()?))),
            What::Csv(sheet) => self.csv(asked, sheet).await,
            What::Api(document) => self.document(asked, document, captured).await,
            What::Order(order) => self.ordered(asked, order, captured, body).await,
        }
    }
}
