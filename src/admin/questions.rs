//! The pages' actions: each asks once, is carried out by POST, and leads back (303) to a page that
//! says what it did. Without a script the question is a page; with one it is a dialog with the same
//! form, so that both send the same request.

use serde::Serialize;

use super::Admin;
use super::asked::{Asked, Outcome, Refusal};
use super::router::{PageName, SeatAction};
use super::told::{Told, Tone};
use super::views;
use crate::answer::Body;
use crate::domain::SeatKey;
use crate::pages::AdminReason;

/// Where an action leads back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    Page(PageName),
    Seat,
}

/// What is asked before something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Question {
    /// Which: the end of its texts' keys.
    pub(super) word: &'static str,
    /// Whether it ends something that people use.
    pub(super) is_danger: bool,
    /// Where the answer goes.
    pub(super) action: String,
    /// Where no leads.
    pub(super) back: String,
    /// About whom; may be empty.
    pub(super) user: String,
    /// About which app; may be empty.
    pub(super) app: String,
    /// How many are cut off.
    pub(super) count: u32,
    /// The text of a notice.
    pub(super) text: Option<String>,
}

impl Back {
    /// `back=` says from where the question was asked.
    fn of(asked: &Asked<'_>) -> Self {
        let pages = [PageName::Overview, PageName::Users, PageName::Seats];
        let named = asked.parameter("back");
        match pages.into_iter().find(|page| Some(page.as_str()) == named.as_deref()) {
            Some(page) => Back::Page(page),
            None => Back::Seat,
        }
    }

    fn path(self, asked: &Asked<'_>, key: &SeatKey) -> String {
        match self {
            Back::Page(page) => asked.path(&views::page_path(page)),
            Back::Seat => asked.path(&views::seat_path(key.user.as_str(), key.app.as_str())),
        }
    }

    /// As it stands in addresses.
    fn query(self) -> String {
        match self {
            Back::Page(page) => format!("?back={}", page.as_str()),
            Back::Seat => String::new(),
        }
    }
}

impl Admin {
    /// To the page where an answer will be shown.
    fn see(&self, asked: &Asked<'_>, path: &str, told: Told) -> Outcome {
        let id = self.tellings.keep(&asked.permit.person().name, told);
        Outcome::See(format!("{path}?told={id}"))
    }

    pub(super) fn find_seat(&self, asked: &Asked<'_>) -> Result<Outcome, Refusal> {
        let user = asked.parameter("user").unwrap_or_default();
        let app = asked.parameter("app").unwrap_or_default();
        let path = match self.key(asked, &user, &app) {
            Ok(key) => asked.path(&views::seat_path(key.user.as_str(), key.app.as_str())),
            Err(reason) => {
                let told = self.tell_refused(asked, reason);
                return Ok(self.see(asked, &asked.path("/seats"), told));
            }
        };
        Ok(Outcome::See(path))
    }

    pub(super) fn ask_seat(
        &self,
        asked: &Asked<'_>,
        key: &SeatKey,
        action: SeatAction,
    ) -> Result<Outcome, Refusal> {
        let back = Back::of(asked);
        let question = Question {
            word: action.as_str(),
            is_danger: action != SeatAction::Start,
            action: asked.path(asked.rest) + &back.query(),
            back: back.path(asked, key),
            user: key.user.to_string(),
            app: views::title_of(&asked.in_force.snapshot, key.app.as_str()),
            count: self.websockets_of(|seat| seat == key),
            text: None,
        };
        Ok(self.show_question(asked, PageName::Seats, question))
    }

    pub(super) async fn do_seat(
        &self,
        asked: &Asked<'_>,
        key: SeatKey,
        action: SeatAction,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        asked.form(body).await?;
        let told = self.order_and_tell(asked, &key, action).await;
        Ok(self.see(asked, &Back::of(asked).path(asked, &key), told))
    }

    pub(super) fn ask_kick(&self, asked: &Asked<'_>, user: &str) -> Result<Outcome, Refusal> {
        self.check_user(asked, user)?;
        let question = Question {
            word: "user_kick",
            is_danger: true,
            action: asked.path(asked.rest),
            back: asked.path("/users"),
            user: user.to_owned(),
            app: String::new(),
            count: self.websockets_of(|seat| seat.user.as_str() == user),
            text: None,
        };
        Ok(self.show_question(asked, PageName::Users, question))
    }

    pub(super) async fn do_kick(
        &self,
        asked: &Asked<'_>,
        user: &str,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        asked.form(body).await?;
        self.check_user(asked, user)?;
        let count = self.operations.kick(user, &asked.actor()).unwrap_or(0);
        let told = Told { user: user.to_owned(), count, ..Told::new("user_kicked", Tone::Good) };
        Ok(self.see(asked, &asked.path("/users"), told))
    }

    /// A notice: `sure` in the form says that the question was answered.
    pub(super) async fn notice(
        &self,
        asked: &Asked<'_>,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        let form = asked.form(body).await?;
        let text = form.field("text").trim().to_owned();
        let overview = asked.path("/");
        if form.field("sure") == "1" || text.is_empty() {
            let told = match self.put_up(&text, &asked.actor()) {
                Ok(_) => Told { count: self.people(), ..Told::new("notice_shown", Tone::Good) },
                Err(reason) => self.tell_refused(asked, reason),
            };
            return Ok(self.see(asked, &overview, told));
        }
        let question = Question {
            word: "notice",
            is_danger: false,
            action: asked.path("/notices"),
            back: overview,
            user: String::new(),
            app: String::new(),
            count: self.websockets_of(|_| true),
            text: Some(text),
        };
        Ok(self.show_question(asked, PageName::Overview, question))
    }

    pub(super) fn ask_reload(&self, asked: &Asked<'_>) -> Outcome {
        let question = Question {
            word: "reload",
            is_danger: false,
            action: asked.path("/configuration/reload"),
            back: asked.path("/configuration"),
            user: String::new(),
            app: asked.in_force.snapshot.file.display().to_string(),
            count: 0,
            text: None,
        };
        self.show_question(asked, PageName::Configuration, question)
    }

    pub(super) async fn do_reload(
        &self,
        asked: &Asked<'_>,
        body: &mut dyn Body,
    ) -> Result<Outcome, Refusal> {
        asked.form(body).await?;
        let told = match self.reload(&asked.actor()).await {
            Ok(changes) if changes.is_empty() => Told::new("reloaded_nothing", Tone::Good),
            Ok(changes) => {
                Told { count: changes.len(), details: changes, ..Told::new("reloaded", Tone::Good) }
            }
            // The page itself lists the problems.
            Err(AdminReason::ConfigurationRefused { .. }) => Told {
                count: self.operations.problems().len(),
                ..Told::new("reload_refused", Tone::Bad)
            },
            Err(reason) => self.tell_refused(asked, reason),
        };
        Ok(self.see(asked, &asked.path("/configuration"), told))
    }

    fn check_user(&self, asked: &Asked<'_>, user: &str) -> Result<(), AdminReason> {
        match asked.in_force.snapshot.user(user) {
            Some(_) => Ok(()),
            None => Err(AdminReason::NoSuchUser { user: user.to_owned() }),
        }
    }

    fn websockets_of(&self, is_meant: impl Fn(&SeatKey) -> bool) -> u32 {
        let stays = self.operations.account().stays();
        let count = stays.iter().filter(|stay| is_meant(&stay.key)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many people have an app open.
    fn people(&self) -> usize {
        let stays = self.operations.account().stays();
        let mut users: Vec<&str> = stays.iter().map(|stay| stay.key.user.as_str()).collect();
        users.sort_unstable();
        users.dedup();
        users.len()
    }
}
