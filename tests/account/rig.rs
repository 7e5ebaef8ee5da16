//! Books in a folder of their own, permits to tell of, and waiting for what must come.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use usher::account::{Books, EventFact, Settings, Stay, Visitor};
use usher::authorize::{Permit, SeatPermit, authorize};
use usher::clock::{Clock, OsClock};
use usher::config::Snapshot;
use usher::domain::{Actor, Detail, UserName};
use usher::identify::{Identity, Proofs};
use usher::request::{Door, Target};
use usher::store::{EventQuery, EventRow, Limit, VisitQuery, VisitRow};

/// Longer than anything takes on a machine that does ten other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Books, and whose visits they keep.
pub(crate) struct House {
    pub(crate) books: Books,
    snapshot: Snapshot,
}

fn snapshot(state_dir: &Path) -> Snapshot {
    let text = format!(
        "state_dir: {}\napps:\n  main: {{ command: [true] }}\nvisits: {{ gap: 1m }}\nlogs: {{ access: log/access.log }}\nusers:\n  \
         - {{ name: kim, role: user, addresses: [127.0.0.2] }}\n  \
         - {{ name: lee, role: user, addresses: [127.0.0.3] }}\n",
        state_dir.display()
    );
    Snapshot::parse(&state_dir.join("usher.yaml"), &text).expect("a good file")
}

impl House {
    /// Opens the books of a folder.
    pub(crate) fn open(state_dir: &Path) -> Self {
        let snapshot = snapshot(state_dir);
        let clock: Arc<dyn Clock> = Arc::new(OsClock);
        let books = Books::open(state_dir, Settings::of(&snapshot), clock).unwrap();
        Self { books, snapshot }
    }

    pub(crate) fn permit(&self, user: &str) -> SeatPermit {
        let name = UserName::new(user).unwrap();
        let person = self.snapshot.directory.named(&name).expect("a person");
        let identity = Identity::Known {
            person: Arc::clone(person),
            proven: Proofs { address: true, ..Proofs::default() },
            session: None,
        };
        let target = Target::of("/app/main/", "/admin");
        match authorize(&self.snapshot.policy, &identity, &target, Door::Main) {
            Ok(Permit::Seat(permit)) => permit,
            other => panic!("{other:?}"),
        }
    }

    /// A WebSocket of this user.
    pub(crate) fn stay(&self, user: &str) -> Stay {
        let visitor = Visitor { address: [127, 0, 0, 2].into(), browser: "curl/8".into() };
        self.books.account().stay(&self.permit(user), visitor)
    }

    /// Tells of something.
    pub(crate) fn event(&self, kind: &'static str, detail_bytes: usize) {
        self.books.account().event(EventFact {
            at: OsClock.wall(),
            kind,
            actor: Actor::Operator,
            key: None,
            address: None,
            detail: Detail::new("x".repeat(detail_bytes), Vec::new()),
        });
    }

    pub(crate) fn flush(&self) {
        assert!(self.books.flush(PATIENCE), "the writer answers");
    }

    /// The newest events.
    pub(crate) fn events(&self) -> Vec<EventRow> {
        let query = EventQuery { limit: Limit::new(1000), ..EventQuery::default() };
        self.books.reports().events(&query).unwrap().rows
    }

    /// The newest visits.
    pub(crate) fn visits(&self) -> Vec<VisitRow> {
        let query = VisitQuery { limit: Limit::new(1000), ..VisitQuery::default() };
        self.books.reports().visits(&query).unwrap().rows
    }
}

/// Waits until there is something, and returns it.
#[expect(
    clippy::disallowed_methods,
    reason = "waits for other threads and processes by the wall clock"
)]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
