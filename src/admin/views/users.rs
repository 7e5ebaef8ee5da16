//! The users: who may come, from where, to what, and when they were here last.

use serde::Serialize;

use super::super::asked::Asked;
use super::super::documents::{self, Here};
use super::super::{Admin, json};
use super::parts::{Word, ago_s};
use super::title_of;
use crate::config::User;
use crate::domain::SeatState;
use crate::pages::{AdminReason, words};

/// Users of one page.
const ROWS: usize = 50;

/// One of a user's seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::admin) struct UserSeat {
    pub(in crate::admin) app: String,
    pub(in crate::admin) title: String,
    pub(in crate::admin) state: &'static str,
}

/// A user in the list.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct UserLine {
    pub(in crate::admin) user: json::User,
    pub(in crate::admin) proofs: Vec<Word>,
    pub(in crate::admin) seats: Vec<UserSeat>,
    /// Whether it is the administrator who looks.
    pub(in crate::admin) is_self: bool,
    /// How long ago they were here.
    pub(in crate::admin) seen_s: Option<f64>,
    /// For how long they have been here now.
    pub(in crate::admin) here_s: Option<f64>,
    pub(in crate::admin) last_title: Option<String>,
}

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct UsersPage {
    pub(in crate::admin) users: Vec<UserLine>,
    /// Users that the search finds.
    pub(in crate::admin) found: usize,
    /// Users that there are.
    pub(in crate::admin) total: usize,
    /// What is searched for.
    pub(in crate::admin) search: String,
    /// The addresses of the pages before and after this one.
    pub(in crate::admin) before: Option<String>,
    pub(in crate::admin) after: Option<String>,
    /// The place of the first and the last user of this page, from 1.
    pub(in crate::admin) first: usize,
    pub(in crate::admin) last: usize,
}

impl Admin {
    pub(in crate::admin) async fn users_page(
        &self,
        asked: &Asked<'_>,
    ) -> Result<UsersPage, AdminReason> {
        let snapshot = &asked.in_force.snapshot;
        let search = asked.parameter("search").unwrap_or_default();
        let found: Vec<_> = snapshot.users.iter().filter(|user| is_found(user, &search)).collect();
        let page = page_number(asked)?.min(found.len().saturating_sub(1) / ROWS);
        let shown: Vec<_> = found.iter().skip(page * ROWS).take(ROWS).collect();
        let names: Vec<String> = shown.iter().map(|user| user.name.to_string()).collect();
        let seen = self
            .ask(move |reports| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                reports.last_seen(&names)
            })
            .await
            .unwrap_or_default();
        let here = Here::of(&self.operations.account().present());
        let now = self.operations.clock().wall();
        let states = self.operations.supervisor().seats();
        let line = |(at, user): (usize, &&&std::sync::Arc<User>)| {
            let last = seen.get(at).and_then(Option::as_ref);
            let seat = |slug: &crate::domain::AppSlug| {
                let found =
                    states.iter().find(|seat| seat.key.user == user.name && seat.key.app == *slug);
                UserSeat {
                    app: slug.to_string(),
                    title: title_of(snapshot, slug.as_str()),
                    state: found.map_or(SeatState::Absent, |seat| seat.state).as_str(),
                }
            };
            let document = documents::user(user, &here, last, snapshot);
            UserLine {
                proofs: document.proofs.iter().map(|word| Word::of(words::PROOFS, word)).collect(),
                seats: user.apps.iter().map(seat).collect(),
                is_self: user.name == asked.permit.person().name,
                seen_s: last.map(|last| ago_s(last.at, now)),
                here_s: here.user(user.name.as_str()).map(|(_, since)| ago_s(since, now)),
                last_title: document.last_app.as_deref().map(|app| title_of(snapshot, app)),
                user: document,
            }
        };
        let users: Vec<UserLine> = shown.iter().enumerate().map(line).collect();
        let address = |page: usize| asked.address_with(&[("page", Some(&page.to_string()))]);
        Ok(UsersPage {
            found: found.len(),
            total: snapshot.users.len(),
            before: page.checked_sub(1).map(address),
            after: (found.len() > (page + 1) * ROWS).then(|| address(page + 1)),
            first: page * ROWS + usize::from(!users.is_empty()),
            last: page * ROWS + users.len(),
            search,
            users,
        })
    }
}

fn page_number(asked: &Asked<'_>) -> Result<usize, AdminReason> {
    let Some(value) = asked.parameter("page") else { return Ok(0) };
    let bad = || AdminReason::BadParameter { name: "page", value: value.clone(), example: "1" };
    value.parse().map_err(|_| bad())
}

/// Whether the name, an address or an app has what is searched for.
fn is_found(user: &User, search: &str) -> bool {
    let search = search.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&search);
    search.is_empty()
        || has(user.name.as_str())
        || user.addresses.iter().any(|(address, _)| has(&address.to_string()))
        || user.apps.iter().any(|app| has(app.as_str()))
}
