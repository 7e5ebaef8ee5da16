//! Sample pages with everything that can be shown, and with as little as there can be. They are
//! rendered at load to try the operator's templates, in tests, and by `examples/pages.rs`.

use super::admin_reason::AdminReason;
use super::failure::{FailureReason, PortHolder};
use super::log_tail::log_tail;
use super::reason::{ErrorReason, FullReason, RestrictedReason, StoppedReason, TooManyReason};
use super::view::{
    App, CodeField, Common, Failed, Full, Home, Page, Person, Presence, Problem, Progress,
    Restricted, SeatState, Session, Sessions, SignIn, SignInError, Step, StepTime, Stopped,
    Summary, Tile, TooMany, Waiting,
};

/// A page to try.
#[derive(Debug, Clone)]
pub struct Sample {
    /// A name for its file.
    pub name: String,
    /// Around it.
    pub common: Common,
    /// The page.
    pub page: Page,
}

/// Every page, each in the variants that its template distinguishes.
pub fn samples() -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut add = |name: &str, common: Common, page: Page| {
        samples.push(Sample { name: name.to_owned(), common, page });
    };
    add("home-user", person("지영", false), Page::Home(home(false)));
    add("home-admin", person("민수", true), Page::Home(home(true)));
    add("home-quiet", person("민수", true), Page::Home(quiet_home()));
    add("home-none", person("지영", false), Page::Home(Home { tiles: Vec::new(), summary: None }));
    add("waiting", person("지영", false), Page::Waiting(waiting()));
    add("waiting-queued", person("지영", false), Page::Waiting(queued()));
    add("waiting-late", stranger(), Page::Waiting(late()));
    add("sessions", person("지영", false), Page::Sessions(sessions()));
    add("sessions-none", person("지영", false), Page::Sessions(Sessions { sessions: Vec::new() }));
    add("login", unconfirmed(), Page::SignIn(sign_in(false, None)));
    add("login-name", stranger(), Page::SignIn(sign_in(true, None)));
    let provider_alone =
        SignIn { asks_password: false, code: CodeField::Absent, ..sign_in(true, None) };
    add("login-provider", stranger(), Page::SignIn(provider_alone));
    for error in SignInError::ALL {
        let name = format!("login-{error:?}").to_lowercase();
        add(&name, unconfirmed(), Page::SignIn(sign_in(false, Some(error))));
    }
    for reason in stopped_reasons() {
        let name = format!("stopped-{reason:?}").to_lowercase();
        add(&name, person("지영", false), Page::Stopped(Stopped { app: app(), reason }));
    }
    for (name, common, problem) in problems() {
        add(&name, common, Page::Problem(problem));
    }
    samples
}

fn problems() -> Vec<(String, Common, Problem)> {
    use super::reason::Reason;
    let user = || person("지영", false);
    let mut problems = Vec::new();
    for reason in restricted_reasons() {
        let name = format!("restricted-{}", reason.code());
        let is_stranger = reason == RestrictedReason::Stranger;
        let common = if is_stranger { stranger() } else { user() };
        let address = "192.168.1.200".to_owned();
        let restricted = Restricted { address, reason, sign_in_path: None };
        problems.push((name, common, Problem::Restricted(restricted)));
    }
    let restricted = Restricted {
        address: "2001:db8:85a3::8a2e:370:7334".to_owned(),
        reason: RestrictedReason::Stranger,
        sign_in_path: Some("/_usher/login?next=%2F".to_owned()),
    };
    problems.push(("restricted-sign-in".to_owned(), bare(), Problem::Restricted(restricted)));
    for reason in failure_reasons() {
        let name = format!("failed-{}", reason.code());
        let log_lines = log_tail(LOG);
        let failed = Failed { app: app(), reason, log_lines, may_retry: true };
        problems.push((name, user(), Problem::Failed(failed)));
    }
    let reason = FailureReason::Exited { code: 1 };
    let failed = Failed { app: app(), reason, log_lines: Vec::new(), may_retry: false };
    problems.push(("failed-bare".to_owned(), bare(), Problem::Failed(failed)));
    for reason in full_reasons() {
        let name = format!("full-{}", reason.code());
        problems.push((
            name,
            user(),
            Problem::Full(Full { app: app(), reason, retry_after_s: 30 }),
        ));
    }
    for reason in too_many_reasons() {
        let name = format!("too-many-{}", reason.code());
        let address = "192.168.1.101".to_owned();
        let too_many = TooMany { address, reason, retry_after_s: 60 };
        problems.push((name, user(), Problem::TooMany(too_many)));
    }
    for reason in error_reasons() {
        problems.push((format!("error-{}", reason.code()), user(), Problem::Error(reason)));
    }
    for reason in admin_reasons() {
        let name = format!("admin-{}", reason.code());
        problems.push((name, person("민수", true), Problem::Admin(reason)));
    }
    problems
}

/// One of each.
pub fn restricted_reasons() -> Vec<RestrictedReason> {
    vec![
        RestrictedReason::Stranger,
        RestrictedReason::NotGranted { app: "payroll".to_owned() },
        RestrictedReason::UntrustedProxy,
        RestrictedReason::SeatProcess,
        RestrictedReason::PasswordNotSet,
        RestrictedReason::NotVouched,
        RestrictedReason::CrossSite,
        RestrictedReason::FormExpired,
    ]
}

/// One of each.
pub fn admin_reasons() -> Vec<AdminReason> {
    let (user, app) = ("지영".to_owned(), "main".to_owned());
    vec![
        AdminReason::BadParameter {
            name: "from",
            value: "yesterday".to_owned(),
            example: "2026-11-26",
        },
        AdminReason::BadBody,
        AdminReason::NoticeEmpty,
        AdminReason::NoticeTooLong { limit_bytes: 2000 },
        AdminReason::HeaderMissing,
        AdminReason::NoSuchUser { user: user.clone() },
        AdminReason::NoSuchApp { app: app.clone() },
        AdminReason::NoSuchSeat { user: user.clone(), app: app.clone() },
        AdminReason::NothingRuns { user, app },
        AdminReason::CannotStart { cause: "all 100 seats are in use".to_owned() },
        AdminReason::ConfigurationRefused {
            problems: "conf/usher.yaml:12:5: apps.main.titel: there is no such key here \
                       (did you mean `title`?)"
                .to_owned(),
        },
        AdminReason::RecordsUnreadable {
            cause: "the database is locked by somebody else".to_owned(),
        },
    ]
}

/// One of each.
pub fn full_reasons() -> Vec<FullReason> {
    vec![
        FullReason::Seats { limit: 100 },
        FullReason::Waiting { limit: 200 },
        FullReason::StartingTooOften { failures: 3 },
        FullReason::NoPortLeft { ports: "8501-8599".to_owned() },
        FullReason::StartingTooSlowly { waited_s: 120.0 },
    ]
}

/// One of each.
pub fn too_many_reasons() -> Vec<TooManyReason> {
    vec![
        TooManyReason::SignIns { wait_s: 540.0 },
        TooManyReason::Connections { limit: 500 },
        TooManyReason::Requests { limit: 100 },
    ]
}

/// One of each.
pub fn stopped_reasons() -> Vec<StoppedReason> {
    vec![
        StoppedReason::Cancelled,
        StoppedReason::Idle,
        StoppedReason::Untouched,
        StoppedReason::Lifetime,
        StoppedReason::Operator,
        StoppedReason::Replaced,
    ]
}

/// One of each.
pub fn error_reasons() -> Vec<ErrorReason> {
    vec![
        ErrorReason::Malformed,
        ErrorReason::SignInNeeded,
        ErrorReason::NotFound,
        ErrorReason::MethodNotAllowed { allowed: "GET, HEAD" },
        ErrorReason::OthersWait,
        ErrorReason::TooLarge { limit_bytes: 200 << 20 },
        ErrorReason::UnknownHost { host: "evil.example".to_owned() },
        ErrorReason::HeadersTooLarge,
        ErrorReason::Internal,
        ErrorReason::NoAnswer,
        ErrorReason::Rests,
        ErrorReason::ShuttingDown,
        ErrorReason::Restarting,
    ]
}

/// One of each.
pub fn failure_reasons() -> Vec<FailureReason> {
    vec![
        FailureReason::ScriptMissing { path: "/srv/apps/src/main.py".to_owned() },
        FailureReason::ProgramMissing {
            program: "/srv/apps/.venv/bin/python".to_owned(),
            cause: "No such file or directory (os error 2)".to_owned(),
        },
        FailureReason::StreamlitMissing { interpreter: "/usr/bin/python3".to_owned() },
        FailureReason::DirectoryMissing { path: "/srv/apps".to_owned() },
        FailureReason::NotReady { waited_s: 60.0 },
        FailureReason::Exited { code: 1 },
        FailureReason::Signalled { signal: "SIGSEGV (11)".to_owned() },
        FailureReason::OutOfMemory { limit_bytes: 512 << 20 },
        FailureReason::Gone,
        FailureReason::PortTaken {
            port: 8501,
            holder: Some(PortHolder { name: "jupyter-lab".to_owned(), pid: 4123 }),
        },
        FailureReason::PortTaken { port: 8501, holder: None },
        FailureReason::NoPortLeft { ports: "8501-8599".to_owned() },
        FailureReason::NoProcess { detail: "Resource temporarily unavailable".to_owned() },
        FailureReason::UpstreamUnreachable { address: "127.0.0.1:9000".to_owned() },
    ]
}

const LOG: &str = "\
  You can now view your Streamlit app in your browser.
  URL: http://127.0.0.1:8501/app/main
2026-11-26 09:02:11.803 Uncaught app execution
Traceback (most recent call last):
  File \"/srv/apps/src/main.py\", line 12, in <module>
    features = load_features(\"data/5g_features.json\")
  File \"/srv/apps/src/features.py\", line 48, in load_features
    with open(path, encoding=\"utf-8\") as file:
FileNotFoundError: [Errno 2] No such file or directory: 'data/5g_features.json'
";

/// More than a page names.
const ADMINISTRATORS: [&str; 4] = ["민수", "현우", "서연", "도윤"];

fn person(name: &str, is_admin: bool) -> Common {
    Common {
        site_name: "5G Feature Manager".to_owned(),
        incident: Some("8F3K-27QD".to_owned()),
        administrators: if is_admin {
            Vec::new()
        } else {
            ADMINISTRATORS.map(str::to_owned).into()
        },
        person: Some(Person { name: name.to_owned(), is_admin, is_signed_in: true }),
        admin_path: "/admin".to_owned(),
        form_token: Some("b64token".to_owned()),
    }
}

/// A user whose address is known and whose password is not yet.
fn unconfirmed() -> Common {
    let mut common = person("민수", true);
    common.incident = None;
    common.person = common.person.map(|person| Person { is_signed_in: false, ..person });
    common
}

fn stranger() -> Common {
    let known = person("", false);
    Common {
        site_name: String::new(),
        administrators: Vec::new(),
        person: None,
        form_token: None,
        ..known
    }
}

/// As little as there can be.
fn bare() -> Common {
    Common { admin_path: "/admin".to_owned(), ..Common::default() }
}

fn app() -> App {
    App { slug: "main".to_owned(), title: "5G Feature Manager".to_owned() }
}

fn home(is_admin: bool) -> Home {
    let titles =
        ["5G Feature Manager", "매출 현황", "품질 검사 결과 조회", "기지국 배치 시뮬레이터"];
    let states = [SeatState::Ready, SeatState::Absent, SeatState::Starting, SeatState::Failed];
    let tiles = titles.iter().zip(states).enumerate().map(|(number, (title, state))| Tile {
        app: App { slug: format!("app-{number}"), title: (*title).to_owned() },
        state,
        for_s: (state != SeatState::Absent).then_some(754.0),
    });
    Home { tiles: tiles.collect(), summary: is_admin.then(summary) }
}

fn summary() -> Summary {
    let names = ["지영", "현우", "서연", "도윤", "하은", "박준호", "Alexander", "이수민", "예준"];
    let people = names.iter().enumerate().map(|(number, name)| Presence {
        user: (*name).to_owned(),
        app: ["5G Feature Manager", "매출 현황"][number % 2].to_owned(),
        for_s: 9_000.0 / (number + 1) as f64,
    });
    Summary {
        people: people.collect(),
        seats: 11,
        seats_limit: 100,
        seats_failed: 1,
        cpu_cores: 1.36,
        cpu_cores_total: 4.0,
        memory_bytes: 15_247_000_000,
        memory_total_bytes: 16 << 30,
    }
}

fn quiet_home() -> Home {
    let tile = Tile { app: app(), state: SeatState::Absent, for_s: None };
    let quiet = Summary { people: Vec::new(), seats: 0, seats_failed: 0, ..summary() };
    Home { tiles: vec![tile], summary: Some(quiet) }
}

fn waiting() -> Waiting {
    let took = |step, took_s| StepTime { step, took_s };
    let steps = vec![took(Step::Queued, 1.2), took(Step::Starting, 0.4), took(Step::Probing, 2.6)];
    let log_lines = log_tail(LOG.lines().next().unwrap_or_default());
    let progress = Progress {
        step: Step::Probing,
        steps,
        queue_place: None,
        elapsed_s: 4.2,
        usual_s: Some(6.0),
        log_lines,
    };
    Waiting { app: app(), progress }
}

fn queued() -> Waiting {
    let progress = Progress {
        step: Step::Queued,
        steps: vec![StepTime { step: Step::Queued, took_s: 0.8 }],
        queue_place: Some(3),
        elapsed_s: 0.8,
        usual_s: None,
        log_lines: Vec::new(),
    };
    Waiting { app: App { slug: "sales".to_owned(), title: "매출 현황".to_owned() }, progress }
}

fn late() -> Waiting {
    let mut waiting = waiting();
    waiting.progress.elapsed_s = 83.0;
    waiting.progress.log_lines = log_tail(LOG);
    waiting
}

fn sign_in(asks_name: bool, error: Option<SignInError>) -> SignIn {
    SignIn {
        asks_name,
        asks_password: true,
        code: if asks_name { CodeField::Optional } else { CodeField::Required },
        next: "/app/main/".to_owned(),
        error,
        provider_path: asks_name.then(|| "/_usher/oidc/start?next=%2F".to_owned()),
    }
}

fn sessions() -> Sessions {
    let session = |id: &str, browser: &str, address: &str, idle_s: f64| Session {
        id: id.to_owned(),
        is_this: id == "a1",
        browser: browser.to_owned(),
        address: address.to_owned(),
        started_at: "2026-11-26T08:58:03+09:00".to_owned(),
        idle_s,
    };
    let sessions = vec![
        session("a1", "Chrome 156 · Windows 11", "192.168.1.101", 3.0),
        session("b2", "Safari 26 · iPhone", "10.20.0.17", 4_320.0),
        session("c3", "Firefox 151 · Linux", "2001:db8:85a3::8a2e:370:7334", 27_900.0),
    ];
    Sessions { sessions }
}
