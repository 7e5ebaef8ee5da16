//! What there is below the admin path: one table of method, pattern and meaning. The pages, the
//! description of the API and the tests of who may come in are all made from it.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// The two methods; HEAD is answered as GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Asks and changes nothing.
    Get,
    /// Changes something.
    Post,
}

/// The pages that the navigation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageName {
    /// How the server is and who is here.
    Overview,
    /// Who may come.
    Users,
    /// What runs.
    Seats,
    /// Visits and time by day and week.
    Statistics,
    /// Who stayed when.
    Visits,
    /// What happened.
    Events,
    /// The machine and this process.
    Server,
    /// What is in force.
    Configuration,
}

/// What an administrator may do to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeatAction {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop it and start it again.
    Restart,
    /// Close its WebSockets; it runs on.
    Kick,
}

/// The documents of the API that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// The description of the API.
    Description,
    /// Seats that are not absent.
    Seats,
    /// The end of a seat's log.
    SeatLog,
    /// Users of the configuration.
    Users,
    /// Visits, newest first.
    Visits,
    /// Events, newest first.
    Events,
    /// Visits, people and times by day, week, user, app and hour.
    Statistics,
    /// The machine and this process.
    Server,
    /// What is in force.
    Configuration,
    /// The notices.
    Notices,
}

/// The orders of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// To a seat.
    Seat(SeatAction),
    /// Put a notice up.
    Notice,
    /// Apply the file.
    Reload,
}

/// Tables as CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sheet {
    /// Visits.
    Visits,
    /// Statistics.
    Statistics,
}

/// What a route means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// One of the pages.
    Page(PageName),
    /// The page of one seat.
    Seat,
    /// From a form with a user and an app to the page of their seat.
    FindSeat,
    /// The question before an action on a seat.
    AskSeat(SeatAction),
    /// The action.
    DoSeat(SeatAction),
    /// The question before a user's WebSockets are closed.
    AskKick,
    /// Closing them.
    DoKick,
    /// The question before a notice, and putting it up.
    Notice,
    /// The question before a reload.
    AskReload,
    /// The reload.
    DoReload,
    /// The events of a page.
    Live(PageName),
    /// The events of the page of one seat.
    LiveSeat,
    /// A table as CSV.
    Csv(Sheet),
    /// A document of the API.
    Api(Document),
    /// An order of the API.
    Order(Order),
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// Behind the admin path. `{user}` and `{app}` stand for one segment each.
    pub pattern: &'static str,
    /// What it means.
    pub what: What,
}

const fn get(pattern: &'static str, what: What) -> Route {
    Route { verb: Verb::Get, pattern, what }
}

const fn post(pattern: &'static str, what: What) -> Route {
    Route { verb: Verb::Post, pattern, what }
}

/// Everything that there is.
pub static ROUTES: &[Route] = &[
    get("/", What::Page(PageName::Overview)),
    get("/users", What::Page(PageName::Users)),
    get("/users/{user}/kick", What::AskKick),
    post("/users/{user}/kick", What::DoKick),
    get("/seats", What::Page(PageName::Seats)),
    get("/seats/find", What::FindSeat),
    get("/seats/{user}/{app}", What::Seat),
    get("/seats/{user}/{app}/start", What::AskSeat(SeatAction::Start)),
    get("/seats/{user}/{app}/stop", What::AskSeat(SeatAction::Stop)),
    get("/seats/{user}/{app}/restart", What::AskSeat(SeatAction::Restart)),
    get("/seats/{user}/{app}/kick", What::AskSeat(SeatAction::Kick)),
    post("/seats/{user}/{app}/start", What::DoSeat(SeatAction::Start)),
    post("/seats/{user}/{app}/stop", What::DoSeat(SeatAction::Stop)),
    post("/seats/{user}/{app}/restart", What::DoSeat(SeatAction::Restart)),
    post("/seats/{user}/{app}/kick", What::DoSeat(SeatAction::Kick)),
    get("/statistics", What::Page(PageName::Statistics)),
    get("/statistics.csv", What::Csv(Sheet::Statistics)),
    get("/visits", What::Page(PageName::Visits)),
    get("/visits.csv", What::Csv(Sheet::Visits)),
    get("/events", What::Page(PageName::Events)),
    get("/server", What::Page(PageName::Server)),
    get("/configuration", What::Page(PageName::Configuration)),
    get("/configuration/reload", What::AskReload),
    post("/configuration/reload", What::DoReload),
    post("/notices", What::Notice),
    get("/live/overview", What::Live(PageName::Overview)),
    get("/live/seats", What::Live(PageName::Seats)),
    get("/live/seats/{user}/{app}", What::LiveSeat),
    get("/live/server", What::Live(PageName::Server)),
    get("/api/openapi.json", What::Api(Document::Description)),
    get("/api/seats", What::Api(Document::Seats)),
    get("/api/seats/{user}/{app}/log", What::Api(Document::SeatLog)),
    post("/api/seats/{user}/{app}/start", What::Order(Order::Seat(SeatAction::Start))),
    post("/api/seats/{user}/{app}/stop", What::Order(Order::Seat(SeatAction::Stop))),
    post("/api/seats/{user}/{app}/restart", What::Order(Order::Seat(SeatAction::Restart))),
    post("/api/seats/{user}/{app}/kick", What::Order(Order::Seat(SeatAction::Kick))),
    get("/api/users", What::Api(Document::Users)),
    get("/api/visits", What::Api(Document::Visits)),
    get("/api/events", What::Api(Document::Events)),
    get("/api/statistics", What::Api(Document::Statistics)),
    get("/api/server", What::Api(Document::Server)),
    get("/api/configuration", What::Api(Document::Configuration)),
    get("/api/notices", What::Api(Document::Notices)),
    post("/api/notices", What::Order(Order::Notice)),
    post("/api/reload", What::Order(Order::Reload)),
];

/// What a path names beside its route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The `{user}`; empty where the pattern has none.
    pub user: String,
    /// The `{app}`.
    pub app: String,
}

/// Where a request goes.
#[derive(Clone, Debug)]
pub enum Found {
    /// Here.
    Route(&'static Route, Captured),
    /// The same path with, or without, its last slash.
    Elsewhere(String),
    /// Nowhere: the path is for other methods, as in `Allow`.
    OtherMethod(&'static str),
    /// Nowhere.
    Nothing,
}

/// Looks a request up. `rest` is its path behind the admin path.
pub fn find(method: &Method, rest: &str) -> Found {
    let matching: Vec<(&'static Route, Captured)> =
        ROUTES.iter().filter_map(|route| Some((route, capture(route.pattern, rest)?))).collect();
    let verb = match *method {
        Method::GET | Method::HEAD => Some(Verb::Get),
        Method::POST => Some(Verb::Post),
        _ => None,
    };
    let allows = |verb| matching.iter().any(|(route, _)| route.verb == verb);
    if let Some((route, captured)) = matching.iter().find(|(route, _)| Some(route.verb) == verb) {
        return Found::Route(route, captured.clone());
    }
    match (allows(Verb::Get), allows(Verb::Post)) {
        (true, true) => Found::OtherMethod("GET, HEAD, POST"),
        (true, false) => Found::OtherMethod("GET, HEAD"),
        (false, true) => Found::OtherMethod("POST"),
        (false, false) => elsewhere(rest),
    }
}

fn elsewhere(rest: &str) -> Found {
    if rest.is_empty() {
        return Found::Elsewhere("/".to_owned());
    }
    match rest.strip_suffix('/') {
        Some(shorter) if ROUTES.iter().any(|route| capture(route.pattern, shorter).is_some()) => {
            Found::Elsewhere(shorter.to_owned())
        }
        Some(_) | None => Found::Nothing,
    }
}

/// What the path has where the pattern has a name; `None` if they do not fit.
fn capture(pattern: &str, rest: &str) -> Option<Captured> {
    let mut captured = Captured::default();
    let mut segments = rest.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        match wanted {
            "{user}" => captured.user = decoded(segment)?,
            "{app}" => captured.app = decoded(segment)?,
            _ if wanted == segment => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(captured)
}

/// A segment as it was meant; `None` if it is empty or no text.
fn decoded(segment: &str) -> Option<String> {
    let text = percent_decode_str(segment).decode_utf8().map(Cow::into_owned).ok()?;
    (!text.is_empty()).then_some(text)
}

impl PageName {
    /// The word of addresses and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            PageName::Overview => "overview",
            PageName::Users => "users",
            PageName::Seats => "seats",
            PageName::Statistics => "statistics",
            PageName::Visits => "visits",
            PageName::Events => "events",
            PageName::Server => "server",
            PageName::Configuration => "configuration",
        }
    }
}

impl SeatAction {
    /// All of them.
    pub const ALL: [SeatAction; 4] =
        [SeatAction::Start, SeatAction::Restart, SeatAction::Stop, SeatAction::Kick];

    /// The word of addresses and texts.
    pub fn as_str(self) -> &'static str {
        match self {
            SeatAction::Start => "start",
            SeatAction::Stop => "stop",
            SeatAction::Restart => "restart",
            SeatAction::Kick => "kick",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, rest: &str) -> String {
        match find(&method, rest) {
            Found::Route(route, captured) => {
                format!("{:?} {} {}", route.what, captured.user, captured.app).trim_end().to_owned()
            }
            Found::Elsewhere(path) => format!("-> {path}"),
            Found::OtherMethod(allowed) => format!("allowed {allowed}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_where_the_table_says() {
        for (method, rest, expected) in [
            (Method::GET, "", "-> /"),
            (Method::GET, "/", "Page(Overview)"),
            (Method::HEAD, "/users", "Page(Users)"),
            (Method::GET, "/users/", "-> /users"),
            (Method::GET, "//", "-> /"),
            (Method::GET, "/users/x", "nothing"),
            (Method::GET, "/seats/find", "FindSeat"),
            (Method::GET, "/seats/minsu/main", "Seat minsu main"),
            (Method::GET, "/seats/minsu/main/", "-> /seats/minsu/main"),
            (Method::GET, "/seats//main", "nothing"),
            (Method::GET, "/seats/%EA%B9%80/main", "Seat 김 main"),
            (Method::GET, "/seats/%FF/main", "nothing"),
            (Method::GET, "/seats/minsu/main/stop", "AskSeat(Stop) minsu main"),
            (Method::POST, "/seats/minsu/main/stop", "DoSeat(Stop) minsu main"),
            (Method::POST, "/seats/minsu/main", "allowed GET, HEAD"),
            (Method::DELETE, "/seats/minsu/main/stop", "allowed GET, HEAD, POST"),
            (Method::GET, "/api/reload", "allowed POST"),
            (Method::POST, "/api/seats/a/b/kick", "Order(Seat(Kick)) a b"),
            (Method::GET, "/api", "nothing"),
            (Method::GET, "/api/nothing", "nothing"),
        ] {
            assert_eq!(found(method.clone(), rest), expected, "{method} {rest}");
        }
    }

    #[test]
    fn no_two_lines_are_the_same() {
        let mut lines: Vec<_> = ROUTES.iter().map(|route| (route.verb, route.pattern)).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), ROUTES.len());
    }
}
