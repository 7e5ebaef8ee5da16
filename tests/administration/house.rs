//! Operations with a store in a folder of their own, and an administrator who asks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use usher::account::{Books, EventFact, Settings, StartFact};
use usher::admin::sample::problems;
use usher::admin::{Admin, Asked, Outcome, Refusal};
use usher::answer::{Body, BodyError, EventSource};
use usher::authorize::{AdminPermit, Permit, SeatPermit, authorize};
use usher::clock::{Clock, Timestamp};
use usher::config::Snapshot;
use usher::domain::{Language, SeatKey, UserName};
use usher::identify::{Identity, Proofs};
use usher::observe::Latest;
use usher::operate::{InForce, Operations, Parts};
use usher::pages::view::Common;
use usher::pages::{Pages, Response};
use usher::request::{Connection, Door, Head, Target};
use usher::store::SqliteShelf;
use usher::supervise::{self, Happening, Supervisor};
use usher::trust::Trust;

use crate::fake::{FakeLauncher, HandClock};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// 2026-11-26 10:00 in Seoul.
pub(crate) const NOW: Timestamp = Timestamp(1_795_654_800_000);
/// The token of this administrator's forms.
pub(crate) const TOKEN: &str = "the-token";

const FILE: &str = "
timezone: Asia/Seoul
apps:
  main: { title: \"5G <Feature> Manager\", script: main.py }
  sales: { title: 매출 현황, script: sales.py }
users:
  - { name: 민수, role: admin, addresses: [192.168.1.100] }
  - { name: jiyoung, role: user, addresses: [192.168.1.101, 10.20.0.0/24] }
  - { name: hana, role: user, addresses: [192.168.1.102], apps: [sales] }
";

/// Everything behind the pages.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) launcher: Arc<FakeLauncher>,
    pub(crate) operations: Arc<Operations>,
    pub(crate) books: Arc<Books>,
    admin: Admin,
}

/// A body that is there already.
struct Ready(Bytes);

#[async_trait]
impl Body for Ready {
    async fn read(&mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        if self.0.len() > limit_bytes { Err(BodyError::TooLarge) } else { Ok(self.0.clone()) }
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::over(tempfile::tempdir().expect("a folder"))
    }

    /// Over a folder that may have a database.
    pub(crate) fn over(folder: TempDir) -> Self {
        Self::at(folder, Arc::new(HandClock::at(NOW)))
    }

    /// The same, when this clock says.
    pub(crate) fn at(folder: TempDir, clock: Arc<HandClock>) -> Self {
        let file = folder.path().join("usher.yaml");
        std::fs::write(&file, FILE).expect("the file");
        std::fs::write(folder.path().join("main.py"), "").expect("a script");
        std::fs::write(folder.path().join("sales.py"), "").expect("a script");
        let (snapshot, pages) = usher::operate::load(&file, problems).expect("a good file");
        let snapshot = Arc::new(snapshot);
        let launcher = Arc::new(FakeLauncher::default());
        let state = snapshot.fixed.state_dir.clone();
        std::fs::create_dir_all(&state).expect("a folder");
        let books = Books::open(&state, Settings::of(&snapshot), Arc::clone(&clock) as _);
        let books = Arc::new(books.expect("the books"));
        let supervisor = supervisor(&snapshot, &clock, &launcher, &books);
        let shelf = SqliteShelf::open(&state.join("sessions.db")).expect("a shelf");
        let (handovers, _) = mpsc::channel(1);
        let operations = Arc::new(Operations::new(Parts {
            in_force: InForce { snapshot, pages: Arc::new(pages), loaded_at: clock.wall() },
            supervisor,
            books: Arc::clone(&books),
            clock: Arc::clone(&clock) as _,
            machine: Latest::default(),
            trust: Arc::new(Trust::new(Arc::new(shelf), [5; 32]).expect("trust")),
            trial: problems,
            tls: None,
            handovers,
        }));
        let admin = Admin::new(Arc::clone(&operations));
        Self { folder, clock, launcher, operations, books, admin }
    }

    /// Replaces the file on the disk.
    pub(crate) fn write(&self, change: impl FnOnce(&str) -> String) {
        std::fs::write(self.folder.path().join("usher.yaml"), change(FILE)).expect("the file");
    }

    /// Everything that was told is in the database.
    pub(crate) async fn flush(&self) {
        let books = Arc::clone(&self.books);
        let flushed = tokio::task::spawn_blocking(move || books.flush(PATIENCE)).await;
        assert!(flushed.expect("no panic"), "the writer answers");
    }

    /// The account ends, and takes nothing any more.
    pub(crate) async fn stop_books(&self) {
        let books = Arc::clone(&self.books);
        let stopped = tokio::task::spawn_blocking(move || books.stop(PATIENCE)).await;
        assert!(stopped.expect("no panic"), "the writer answers");
    }

    /// A user's right to their seat.
    pub(crate) fn seat_permit(&self, user: &str, app: &str) -> SeatPermit {
        let target = format!("/app/{app}/");
        let Permit::Seat(permit) = self.authorized(user, &target) else { panic!("no seat") };
        permit
    }

    fn permit(&self) -> AdminPermit {
        let Permit::Admin(permit) = self.authorized("민수", "/admin/") else {
            panic!("no admin")
        };
        permit
    }

    fn authorized(&self, user: &str, path: &str) -> Permit {
        let in_force = self.operations.in_force();
        let name = UserName::new(user).expect("a name");
        let person = in_force.snapshot.directory.named(&name).expect("a person");
        let identity = Identity::Known {
            person: Arc::clone(person),
            proven: Proofs { address: true, ..Proofs::default() },
            session: None,
        };
        let target = Target::of(path, "/admin");
        authorize(&in_force.snapshot.policy, &identity, &target, Door::Main).expect("a permit")
    }

    /// A request of the administrator.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
        language: Language,
    ) -> Result<Outcome, Refusal> {
        let mut request = http::Request::builder().method(method).uri(format!("/admin{path}"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a value");
            request = request.header(HeaderName::from_static(name), value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let connection = Connection {
            peer: ([192, 168, 1, 100], 50_000).into(),
            local: None,
            tls: false,
            door: Door::Main,
            from_seat: false,
        };
        let head = Head { parts: &parts, connection: &connection };
        let common = Common {
            admin_path: "/admin".to_owned(),
            form_token: Some(TOKEN.to_owned()),
            ..Common::default()
        };
        let asked = Asked {
            head: &head,
            rest: parts.uri.path().strip_prefix("/admin").expect("below it"),
            permit: &self.permit(),
            in_force: &self.operations.in_force(),
            language,
            common,
            is_token: &|token| token == TOKEN,
        };
        let mut body = Ready(Bytes::copy_from_slice(body.as_bytes()));
        self.admin.answer(&asked, &mut body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Outcome, Refusal> {
        self.ask(Method::GET, path, &[], "", Language::English).await
    }

    /// A page as HTML.
    pub(crate) async fn page(&self, path: &str) -> String {
        self.page_in(Language::English, path).await
    }

    /// A page as HTML, in a language.
    pub(crate) async fn page_in(&self, language: Language, path: &str) -> String {
        match self.ask(Method::GET, path, &[], "", language).await {
            Ok(Outcome::Page(page)) => html(&page),
            Ok(_) => panic!("{path} is no page"),
            Err(refusal) => panic!("{path}: {refusal:?}"),
        }
    }

    /// A document of the API.
    pub(crate) async fn document(&self, path: &str) -> Value {
        match self.get(&format!("/api{path}")).await {
            Ok(Outcome::Json(200, bytes)) => serde_json::from_slice(&bytes).expect("JSON"),
            Ok(_) => panic!("{path} is no document"),
            Err(refusal) => panic!("{path}: {refusal:?}"),
        }
    }

    /// Sends a form; says where it leads.
    pub(crate) async fn submit(&self, path: &str, fields: &str) -> Result<String, Refusal> {
        let body = format!("csrf={TOKEN}&{fields}");
        let outcome = self.ask(Method::POST, path, &[], &body, Language::English).await?;
        let Outcome::See(place) = outcome else { panic!("{path} leads nowhere") };
        Ok(place.strip_prefix("/admin").expect("an administrators' page").to_owned())
    }

    /// Calls the API.
    pub(crate) async fn call(&self, path: &str, body: &str) -> Result<(u16, Value), Refusal> {
        let mark = [("x-usher-request", "1")];
        let path = format!("/api{path}");
        let outcome = self.ask(Method::POST, &path, &mark, body, Language::English).await?;
        let Outcome::Json(status, bytes) = outcome else { panic!("{path} is no call") };
        Ok((status, serde_json::from_slice(&bytes).expect("JSON")))
    }

    /// The events of a page.
    pub(crate) async fn events(&self, path: &str) -> Box<dyn EventSource> {
        match self.get(path).await {
            Ok(Outcome::Events(events)) => events,
            Ok(_) => panic!("{path} has no events"),
            Err(refusal) => panic!("{path}: {refusal:?}"),
        }
    }

    /// Every event so far as `kind actor`, oldest first.
    pub(crate) async fn happened(&self) -> Vec<String> {
        self.flush().await;
        let told = self.document("/events?limit=1000").await;
        let event = |event: &Value| {
            let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", word("kind"), word("actor"), word("actor_name"))
        };
        told["events"].as_array().expect("a list").iter().rev().map(event).collect()
    }
}

fn supervisor(
    snapshot: &Arc<Snapshot>,
    clock: &Arc<HandClock>,
    launcher: &Arc<FakeLauncher>,
    books: &Arc<Books>,
) -> Supervisor {
    let account = books.account().clone();
    let (supervisor, driver) = Supervisor::new(supervise::Parts {
        snapshot: Arc::clone(snapshot),
        launcher: Arc::clone(launcher) as _,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        secret: [3; supervise::SECRET_BYTES],
        notes: Arc::new(move |note| {
            if let Happening::Ready { kind, start_ms, queued_ms } = note.what {
                let (at, key) = (note.at, Arc::clone(&note.key));
                account.started(StartFact { at, key, launch: kind, start_ms, queued_ms });
            }
            account.event(EventFact {
                at: note.at,
                kind: note.what.code(),
                actor: note.actor.clone(),
                key: Some(SeatKey::clone(&note.key)),
                address: None,
                detail: note.what.detail(),
            });
        }),
    });
    tokio::spawn(driver.run());
    supervisor
}

pub(crate) fn html(page: &Response) -> String {
    assert_eq!(page.problem, None);
    assert_eq!(page.header("X-Usher-Page"), Some("admin"));
    String::from_utf8(page.body.to_vec()).expect("text")
}

/// Without the pages, for tests that only look at templates.
pub(crate) fn pages() -> Pages {
    Pages::load(None).expect("the built-in pages")
}
