//! What each page is given. Plain data in the pages' own words: no inner type of usher serialises,
//! and nothing here is looked up, only shown.

use super::admin_reason::AdminReason;
use super::failure::FailureReason;
use super::reason::{ErrorReason, FullReason, RestrictedReason, StoppedReason, TooManyReason};
use serde::{Serialize, Serializer};

/// What every page may show around its own content.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Common {
    /// The name in the header and the title: the only app that the person may use, for whom the
    /// server is that app. Empty: `Usher`.
    #[serde(serialize_with = "named")]
    pub site_name: String,
    /// The number under which this answer can be found in the log.
    pub incident: Option<String>,
    /// Whom to ask: the names of the administrators, without the person who asks. Strangers are
    /// not told any.
    pub administrators: Vec<String>,
    /// The user who asks, if it is one.
    pub person: Option<Person>,
    /// The administrators' pages, without a slash at the end: `/admin`.
    pub admin_path: String,
    /// The token that every form carries.
    pub form_token: Option<String>,
}

#[expect(clippy::ptr_arg, reason = "serde gives a reference to the field")]
fn named<S: Serializer>(name: &String, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if name.is_empty() { "Usher" } else { name })
}

/// The user who asks.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// The user's name.
    pub name: String,
    /// The role is `admin`.
    pub is_admin: bool,
    /// There is a cookie session that can be ended.
    pub is_signed_in: bool,
}

/// A page that is no problem, or a problem.
#[derive(Debug, Clone)]
pub enum Page {
    /// The tiles of apps; for an administrator also the summary.
    Home(Home),
    /// A user's own cookie sessions.
    Sessions(Sessions),
    /// Password and code.
    SignIn(SignIn),
    /// A seat is being made ready.
    Waiting(Waiting),
    /// A seat has ended, and nothing went wrong.
    Stopped(Stopped),
    /// The answer is no.
    Problem(Problem),
}

/// An answer that is no; also as JSON for whoever does not navigate.
#[derive(Debug, Clone)]
pub enum Problem {
    /// 403.
    Restricted(Restricted),
    /// 502: a failed seat.
    Failed(Failed),
    /// 503: no seat now.
    Full(Full),
    /// 429.
    TooMany(TooMany),
    /// Everything else.
    Error(ErrorReason),
    /// On an administrator's page or in their API.
    Admin(AdminReason),
}

/// An app as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct App {
    /// The slug in the path.
    pub slug: String,
    /// The title.
    pub title: String,
}

/// The state of a seat, as a badge shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeatState {
    /// There is no process.
    Absent,
    /// The process is being started.
    Starting,
    /// The process is asked whether it is healthy.
    Probing,
    /// It serves.
    Ready,
    /// It is being ended.
    Stopping,
    /// It failed and will be tried again.
    Backoff,
    /// It failed and stays so.
    Failed,
}

impl SeatState {
    /// Every state.
    pub const ALL: [SeatState; 7] = [
        SeatState::Absent,
        SeatState::Starting,
        SeatState::Probing,
        SeatState::Ready,
        SeatState::Stopping,
        SeatState::Backoff,
        SeatState::Failed,
    ];
}

/// The home page.
#[derive(Debug, Clone, Serialize)]
pub struct Home {
    /// The apps the user may use, in file order.
    pub tiles: Vec<Tile>,
    /// For administrators.
    pub summary: Option<Summary>,
}

/// One app on the home page.
#[derive(Debug, Clone, Serialize)]
pub struct Tile {
    /// The app.
    pub app: App,
    /// This user's seat.
    pub state: SeatState,
    /// Seconds since the seat is in this state; not for an absent one.
    pub for_s: Option<f64>,
}

/// The server in a few numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Who has an app open, longest first; the page names the first eight and counts the rest.
    pub people: Vec<Presence>,
    /// Seats with a process.
    pub seats: u64,
    /// `limits.seats`.
    pub seats_limit: u64,
    /// Seats that failed.
    pub seats_failed: u64,
    /// Processor cores in use, of the whole machine.
    pub cpu_cores: f64,
    /// Processor cores there are.
    pub cpu_cores_total: f64,
    /// Memory in use, of the whole machine.
    pub memory_bytes: u64,
    /// Memory there is.
    pub memory_total_bytes: u64,
}

/// Somebody who has an app open.
#[derive(Debug, Clone, Serialize)]
pub struct Presence {
    /// The user's name.
    pub user: String,
    /// The app's title.
    pub app: String,
    /// Seconds since the visit began.
    pub for_s: f64,
}

/// The page a person sees while their seat is made ready.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// The app.
    pub app: App,
    /// Where the start is.
    pub progress: Progress,
}

/// Where the start of a seat is. The waiting page shows it, and its events carry it as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// What is being done now.
    pub step: Step,
    /// Seconds spent in each step so far, in order; the last is `step`'s.
    pub steps: Vec<StepTime>,
    /// 1 is the next to be started; only in the queue.
    pub queue_place: Option<u64>,
    /// Seconds since the seat was asked for.
    pub elapsed_s: f64,
    /// How long it usually takes for this user and app, from asked for to ready.
    pub usual_s: Option<f64>,
    /// The end of the app's log.
    pub log_lines: Vec<String>,
}

/// What is done to make a seat ready, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It waits for others that start before it.
    Queued,
    /// The process is being started.
    Starting,
    /// The process runs; it is not healthy yet.
    Probing,
    /// It is.
    Ready,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 4] = [Step::Queued, Step::Starting, Step::Probing, Step::Ready];
}

/// Seconds spent in a step.
#[derive(Debug, Clone, Serialize)]
pub struct StepTime {
    /// The step.
    pub step: Step,
    /// Seconds.
    pub took_s: f64,
}

/// A seat has ended, and nothing went wrong.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The app.
    pub app: App,
    /// Why.
    pub reason: StoppedReason,
}

/// 403.
#[derive(Debug, Clone)]
pub struct Restricted {
    /// The address that was seen.
    pub address: String,
    /// Why.
    pub reason: RestrictedReason,
    /// Where to sign in, if that can help.
    pub sign_in_path: Option<String>,
}

/// 502: a failed seat.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The app.
    pub app: App,
    /// Why.
    pub reason: FailureReason,
    /// The end of the app's log; empty for everybody but the seat's user and administrators.
    pub log_lines: Vec<String>,
    /// This person may start it again.
    pub may_retry: bool,
}

/// 503: no seat now.
#[derive(Debug, Clone)]
pub struct Full {
    /// The app.
    pub app: App,
    /// Why.
    pub reason: FullReason,
    /// Whole seconds after which the page tries again by itself.
    pub retry_after_s: u32,
}

/// 429.
#[derive(Debug, Clone)]
pub struct TooMany {
    /// The address that was seen.
    pub address: String,
    /// What was too many.
    pub reason: TooManyReason,
    /// Whole seconds after which it may be tried again.
    pub retry_after_s: u32,
}

/// The sign-in page.
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    /// A name is asked for: the address does not tell who it is.
    pub asks_name: bool,
    /// A password is asked for; without, only the organisation's sign-in is offered.
    pub asks_password: bool,
    /// Whether a code is asked for.
    pub code: CodeField,
    /// Where to go afterwards: a path of this site.
    pub next: String,
    /// What was wrong the last time.
    pub error: Option<SignInError>,
    /// Where the organisation's own sign-in begins, if there is one.
    pub provider_path: Option<String>,
}

/// The field for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeField {
    /// There is none.
    Absent,
    /// Some have a code and some have none.
    Optional,
    /// It must be filled in.
    Required,
}

/// What was wrong with a sign-in. It never says which of password and code was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInError {
    /// The name, the password or the code.
    Wrong,
    /// The form was open too long.
    Expired,
    /// The session had ended.
    SessionEnded,
    /// The organisation's sign-in said no, or not what was expected.
    Provider,
}

impl SignInError {
    /// Every error.
    pub const ALL: [SignInError; 4] = [
        SignInError::Wrong,
        SignInError::Expired,
        SignInError::SessionEnded,
        SignInError::Provider,
    ];
}

/// A user's own sessions.
#[derive(Debug, Clone, Serialize)]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<Session>,
}

/// One cookie session.
#[derive(Debug, Clone, Serialize)]
pub struct Session {
    /// A public handle of it; not the cookie.
    pub id: String,
    /// The session of this very request.
    pub is_this: bool,
    /// The browser and system, as far as they can be told.
    pub browser: String,
    /// The address it was last used from.
    pub address: String,
    /// When it began, RFC 3339 in the configured zone.
    pub started_at: String,
    /// Seconds since it was last used.
    pub idle_s: f64,
}
