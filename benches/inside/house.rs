//! A gate with everything behind it, and one user's ready seat.

use std::fmt::Write;
use std::net::TcpListener;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::mpsc;
use usher::account::{Books, Settings};
use usher::admin::sample::problems;
use usher::assets::Library;
use usher::authorize::{Permit, SeatPermit, authorize};
use usher::clock::{Clock, OsClock};
use usher::gate::Gate;
use usher::identify::{Identity, Proofs};
use usher::launch::{Launcher, Launchers};
use usher::observe::Latest;
use usher::operate::{InForce, Operations, Parts};
use usher::request::{Door, Target};
use usher::store::SqliteShelf;
use usher::supervise::{self, Supervisor};
use usher::trust::Trust;

/// Longer than a seat takes that runs already.
const READY_WITHIN_MS: u64 = 10_000;

pub(crate) struct House {
    pub(crate) gate: Gate,
    pub(crate) operations: Arc<Operations>,
    _folder: TempDir,
    _app: TcpListener,
}

impl House {
    /// With so many users, of whom the first calls from 127.0.0.1.
    pub(crate) async fn new(users: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let app = TcpListener::bind("127.0.0.1:0").expect("a port");
        let file = folder.path().join("usher.yaml");
        let address = app.local_addr().expect("an address").to_string();
        std::fs::write(&file, configuration(users, &address)).expect("a file");
        let (snapshot, pages) = usher::operate::load(&file, problems).expect("a good file");
        let snapshot = Arc::new(snapshot);
        let state = &snapshot.fixed.state_dir;
        std::fs::create_dir_all(state).expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(OsClock);
        let launchers = Launchers::new(state, Arc::clone(&clock)).expect("launchers");
        launchers.survivors().await;
        let books = Books::open(state, Settings::of(&snapshot), Arc::clone(&clock));
        let shelf = SqliteShelf::open(&state.join("sessions.db")).expect("a shelf");
        let (supervisor, driver) = Supervisor::new(supervise::Parts {
            snapshot: Arc::clone(&snapshot),
            launcher: Arc::new(launchers),
            clock: Arc::clone(&clock),
            secret: [3; supervise::SECRET_BYTES],
            notes: Arc::new(|_| {}),
        });
        tokio::spawn(driver.run());
        let (handovers, _) = mpsc::channel(1);
        let loaded_at = clock.wall();
        let operations = Arc::new(Operations::new(Parts {
            in_force: InForce { snapshot, pages: Arc::new(pages), loaded_at },
            supervisor,
            books: Arc::new(books.expect("books")),
            clock: Arc::clone(&clock),
            machine: Latest::default(),
            trust: Arc::new(Trust::new(Arc::new(shelf), [5; 32]).expect("trust")),
            trial: problems,
            tls: None,
            handovers,
        }));
        let library = Library::new(Arc::new(|_| Box::pin(async { None })), clock);
        let gate = Gate::new(Arc::clone(&operations), library, [7; 32], "bench");
        let house = Self { gate, operations, _folder: folder, _app: app };
        let lease = house.operations.supervisor().acquire(&house.permit(), READY_WITHIN_MS).await;
        assert!(lease.is_ok(), "the seat is ready");
        house
    }

    fn permit(&self) -> SeatPermit {
        let in_force = self.operations.in_force();
        let snapshot = &in_force.snapshot;
        let identity = Identity::Known {
            person: Arc::clone(&snapshot.directory.people()[0]),
            proven: Proofs { address: true, ..Proofs::default() },
            session: None,
        };
        let target = Target::of("/app/bench/", "/admin");
        match authorize(&snapshot.policy, &identity, &target, Door::Main) {
            Ok(Permit::Seat(permit)) => permit,
            Ok(_) | Err(_) => panic!("no seat"),
        }
    }
}

fn configuration(users: usize, app: &str) -> String {
    let mut text = format!(
        "apps:\n  bench: {{ upstream: \"{app}\" }}\nusers:\n  - {{ name: u0, role: user, addresses: [127.0.0.1] }}\n"
    );
    for user in 1..users {
        let [_, b, c, d] = (user as u32).to_be_bytes();
        writeln!(text, "  - {{ name: u{user}, role: user, addresses: [10.{b}.{c}.{d}] }}")
            .expect("a string takes everything");
    }
    text
}
