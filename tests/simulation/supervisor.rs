//! The handle and the driver with a launcher that has no processes, under paused time: what the
//! gate and the edge see.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use usher::authorize::{Permit, SeatPermit, authorize};
use usher::clock::{Clock, Timestamp};
use usher::config::Snapshot;
use usher::domain::{
    Actor, AppSlug, CloseCode, Endpoint, Exit, Failure, Generation, LaunchKind, SeatKey, SeatState,
    StopReason, UserName,
};
use usher::identify::{Identity, Proofs, SessionId};
use usher::launch::{Started, Usage};
use usher::request::{Door, Target};
use usher::supervise::{
    Drain, Driver, Happening, Lease, Order, OrderRefused, Parts, Refusal, RunsBecause, SeatNote,
    Sockets, Supervisor,
};

use crate::fake::{Course, FakeLauncher, TokioClock};

const HELD_MS: u64 = 120_000;
const APP: &str = "script: main.py, idle_timeout: 3m, untouched_timeout: 8m, memory_max: 1GiB";

/// A supervisor at work.
struct House {
    supervisor: Supervisor,
    launcher: Arc<FakeLauncher>,
    clock: Arc<TokioClock>,
    notes: Arc<Mutex<Vec<SeatNote>>>,
    snapshot: Arc<Snapshot>,
    driver: JoinHandle<()>,
}

fn snapshot(app: &str, users: &[&str], limits: &str) -> Arc<Snapshot> {
    let entry = |(at, name): (usize, &&str)| {
        format!("  - {{ name: {name}, role: user, addresses: [127.0.0.{}] }}\n", at + 2)
    };
    let users: String = users.iter().enumerate().map(entry).collect();
    let text = format!("apps:\n  main: {{ {app} }}\nusers:\n{users}limits: {{ {limits} }}\n");
    Arc::new(Snapshot::parse(Path::new("/srv/usher.yaml"), &text).expect("a good file"))
}

fn house_of(launcher: FakeLauncher, limits: &str) -> House {
    let snapshot = snapshot(APP, &["kim", "lee", "park"], limits);
    let launcher = Arc::new(launcher);
    let clock = Arc::new(TokioClock::new());
    let notes = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&notes);
    let (supervisor, driver): (Supervisor, Driver) = Supervisor::new(Parts {
        snapshot: Arc::clone(&snapshot),
        launcher: Arc::clone(&launcher) as _,
        clock: Arc::clone(&clock) as _,
        secret: [3; usher::supervise::SECRET_BYTES],
        notes: Arc::new(move |note| sink.lock().push(note)),
    });
    let driver = tokio::spawn(driver.run());
    House { supervisor, launcher, clock, notes, snapshot, driver }
}

fn house() -> House {
    house_of(FakeLauncher::default(), "seats: 9, starts_at_once: 2, waiting_per_seat: 200")
}

fn key(user: &str) -> SeatKey {
    SeatKey {
        user: UserName::new(user).expect("a name"),
        app: AppSlug::new("main").expect("a slug"),
    }
}

impl House {
    fn permit_in(&self, user: &str, session: Option<u8>) -> SeatPermit {
        let name = UserName::new(user).expect("a name");
        let person = self.snapshot.directory.named(&name).expect("a person");
        let identity = Identity::Known {
            person: Arc::clone(person),
            proven: Proofs { address: true, ..Proofs::default() },
            session: session.map(|byte| SessionId([byte; 16])),
        };
        let target = Target::of("/app/main/", "/admin");
        match authorize(&self.snapshot.policy, &identity, &target, Door::Main) {
            Ok(Permit::Seat(permit)) => permit,
            other => panic!("{other:?}"),
        }
    }

    fn permit(&self, user: &str) -> SeatPermit {
        self.permit_in(user, None)
    }

    async fn lease(&self, user: &str) -> Lease {
        self.supervisor.acquire(&self.permit(user), HELD_MS).await.expect("a lease")
    }

    async fn refusal(&self, user: &str) -> Refusal {
        match self.supervisor.acquire(&self.permit(user), HELD_MS).await {
            Ok(_) => panic!("a lease"),
            Err(refusal) => refusal,
        }
    }

    fn state(&self, user: &str) -> SeatState {
        self.supervisor.view(&key(user)).state
    }

    /// What was noted, as stable words with reasons.
    fn noted(&self) -> Vec<String> {
        let word = |note: SeatNote| match note.what {
            Happening::Stopping { reason } => format!("stopping {}", reason.as_str()),
            Happening::Stopped { reason, .. } => format!("stopped {}", reason.as_str()),
            Happening::Refused(refusal) => format!("refused {}", refusal.code()),
            what @ (Happening::Launching
            | Happening::Ready { .. }
            | Happening::Adopted { .. }
            | Happening::Gone
            | Happening::StartFailed { .. }
            | Happening::Crashed { .. }
            | Happening::Lingers { .. }
            | Happening::Ordered(_)
            | Happening::Kept
            | Happening::Closed { .. }
            | Happening::Outdated
            | Happening::Violated { .. }) => what.code().trim_start_matches("seat_").to_owned(),
        };
        self.notes.lock().drain(..).map(word).collect()
    }
}

fn after(ms: u64) -> tokio::time::Sleep {
    tokio::time::sleep(Duration::from_millis(ms))
}

#[tokio::test(start_paused = true)]
async fn two_hundred_at_once_are_one_start() {
    let house = Arc::new(house());
    let ask = |_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.lease("kim").await.generation() })
    };
    let asking: Vec<_> = (0..200).map(ask).collect();
    let mut generations = Vec::new();
    for asked in asking {
        generations.push(asked.await.expect("an answer"));
    }
    generations.dedup();
    assert_eq!(generations.len(), 1, "all have the same launch");
    assert_eq!(house.launcher.starts_begun(), 1);
    let status = house.supervisor.seats().remove(0);
    assert_eq!((status.waiting, status.state), (0, SeatState::Ready));
    assert_eq!(house.noted(), ["launching", "ready"]);
}

#[tokio::test(start_paused = true)]
async fn one_too_many_is_refused_at_once() {
    let house = house_of(FakeLauncher::default(), "waiting_per_seat: 2, seats: 1");
    let permit = house.permit("kim");
    let (first, second) =
        (house.supervisor.acquire(&permit, HELD_MS), house.supervisor.acquire(&permit, HELD_MS));
    let third = async {
        tokio::task::yield_now().await;
        (house.refusal("kim").await, house.refusal("lee").await)
    };
    let (first, second, (third, other)) = tokio::join!(first, second, third);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(third, Refusal::TooManyWaiting { waiting_max: 2 });
    assert_eq!(other, Refusal::Full { seats_max: 1 });
}

#[tokio::test(start_paused = true)]
async fn who_leaves_does_not_stop_the_start() {
    let house = house();
    let permit = house.permit("kim");
    let limited = house.supervisor.acquire(&permit, 300).await;
    assert_eq!(limited.err(), Some(Refusal::TooSlow));
    let dropped = house.supervisor.acquire(&permit, HELD_MS);
    assert!(tokio::time::timeout(Duration::from_millis(10), dropped).await.is_err());
    assert_eq!(house.supervisor.seats()[0].waiting, 0, "nobody waits any more");
    let settled = house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(settled.state, SeatState::Ready);
    assert!(house.supervisor.ready(&permit).is_some());
    assert_eq!(house.launcher.starts_begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_sees_its_start() {
    let house = house();
    let view = house.supervisor.begin(&house.permit("kim")).expect("it starts");
    assert_eq!(view.state, SeatState::Starting);
    let mut seat = house.supervisor.watch(&key("kim"));
    let mut states = vec![view.state];
    while states.last() != Some(&SeatState::Ready) {
        seat.changed().await.expect("news");
        let state = seat.borrow_and_update().state;
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    assert_eq!(states, [SeatState::Starting, SeatState::Probing, SeatState::Ready]);
    let view = seat.borrow().clone();
    let took = |from: Option<Timestamp>, to: Option<Timestamp>| {
        to.expect("a time").0 - from.expect("a time").0
    };
    assert_eq!(took(view.launch_began_at, view.probing_at), 50);
    assert_eq!(took(view.probing_at, view.ready_at), 700);
    assert_eq!(view.usual_start_ms, Some(750));
    assert_eq!(house.supervisor.view(&key("lee")).usual_start_ms, Some(750), "of the app");
}

#[tokio::test(start_paused = true)]
async fn the_queue_has_places() {
    let house = house_of(FakeLauncher::default(), "starts_at_once: 1");
    for user in ["kim", "lee", "park"] {
        house.supervisor.begin(&house.permit(user)).expect("it is queued");
    }
    let place = |user| house.supervisor.view(&key(user)).queue_place;
    after(1).await;
    assert_eq!((place("kim"), place("lee"), place("park")), (None, Some(1), Some(2)));
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!((place("lee"), place("park")), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_missing_script_is_told_at_once_and_heals_by_itself() {
    let house = house();
    let missing = Failure::ScriptMissing { path: "main.py".to_owned() };
    for wait_ms in [2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000] {
        house.launcher.next(Course { fails: Some(missing.clone()), ..Course::default() });
        let failure = missing.clone();
        let told = Refusal::Failed { failure, retry_after_ms: Some(wait_ms) };
        assert_eq!(house.refusal("kim").await, told);
        let again = house.refusal("kim").await;
        assert!(matches!(again, Refusal::BackingOff { .. }), "{again:?}");
        let next = house.supervisor.view(&key("kim")).next_try_at.expect("a time");
        let wall = house.clock.wall();
        assert!((next.0 - wall.0 - i64::try_from(wait_ms).expect("small")).abs() < 10);
        after(wait_ms).await;
    }
    // The author has put it there. Nobody else had to do anything.
    house.lease("kim").await;
}

#[tokio::test(start_paused = true)]
async fn who_ends_too_often_is_left_failed_until_the_person_retries() {
    let house = house();
    let early = Failure::ExitedEarly(Exit::Code(1));
    for attempt in 1..=5 {
        house.launcher.next(Course { healthy_ms: None, ..Course::default() });
        let asked = house.lease_or_refusal("kim");
        let dies = async {
            after(200).await;
            let generation = house.supervisor.view(&key("kim")).generation.expect("a launch");
            house.launcher.dies(generation.0, Exit::Code(1));
        };
        let (refusal, ()) = tokio::join!(asked, dies);
        let Err(Refusal::Failed { failure, retry_after_ms }) = refusal else {
            panic!("attempt {attempt}")
        };
        assert_eq!(failure, early);
        assert_eq!(retry_after_ms.is_none(), attempt == 5, "attempt {attempt}");
        after(retry_after_ms.unwrap_or(3_600_000)).await;
    }
    assert_eq!(house.state("kim"), SeatState::Failed);
    let left = Refusal::Failed { failure: early, retry_after_ms: None };
    assert_eq!(house.refusal("kim").await, left);
    house.supervisor.retry(&house.permit("kim")).expect("it is tried again");
    house.lease("kim").await;
}

impl House {
    async fn lease_or_refusal(&self, user: &str) -> Result<Lease, Refusal> {
        self.supervisor.acquire(&self.permit(user), HELD_MS).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_never_answers_is_too_slow_and_ended() {
    let house = house();
    house.launcher.next(Course { healthy_ms: None, ends_ms: None, ..Course::default() });
    let began = house.clock.now();
    assert_eq!(house.refusal("kim").await, Refusal::TooSlow);
    assert_eq!(house.clock.now().since_ms(began), 60_000);
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(house.supervisor.seats()[0].state, SeatState::Backoff);
    assert_eq!(house.state("kim"), SeatState::Absent, "the back-off was over before its end");
    assert_eq!(house.launcher.running(), 0);
    assert_eq!(house.launcher.done(), ["start", "stop", "kill", "forget"].map(of_kim));
}

fn of_kim(what: &str) -> String {
    format!("{what} kim/main")
}

#[tokio::test(start_paused = true)]
async fn a_launcher_with_a_fault_is_a_failed_start() {
    let house = house();
    house.launcher.next(Course { panics: true, ..Course::default() });
    let refusal = house.refusal("kim").await;
    assert!(matches!(refusal, Refusal::Failed { failure: Failure::System { .. }, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_dead_seat_is_followed_by_the_next() {
    let house = house();
    let lease = house.lease("kim").await;
    let first = lease.generation();
    let websocket = lease.into_websocket();
    house.launcher.dies(first.0, Exit::Signal(11));
    assert_eq!(websocket.closed().await, CloseCode::SeatEnded);
    let second = house.lease("kim").await;
    assert!(second.generation() > first);
    assert_ne!(second.connection_group(), websocket.lease().connection_group());
    assert_eq!(house.noted(), ["launching", "ready", "crashed", "launching", "ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_suspected_seat_gives_no_lease_until_it_is_known() {
    let house = house();
    let lease = house.lease("kim").await;
    let first = lease.generation();
    house.supervisor.suspect(&lease);
    assert!(house.supervisor.ready(&house.permit("kim")).is_none(), "not before it is known");
    assert_eq!(house.lease("kim").await.generation(), first, "it answers");
    // Now it refuses connections because it is just ending.
    house.launcher.answers(first.0, false);
    house.supervisor.suspect(&lease);
    let dies = async {
        after(30).await;
        house.launcher.dies(first.0, Exit::Code(0));
    };
    let (next, ()) = tokio::join!(house.lease("kim"), dies);
    assert!(next.generation() > first, "the request goes to the next launch");
    // And one that refuses connections for long, but lives, is replaced.
    house.launcher.answers(next.generation().0, false);
    house.supervisor.suspect(&next);
    assert!(matches!(house.refusal("kim").await, Refusal::Failed { .. }), "the second failure");
    assert!(house.launcher.done().contains(&of_kim("stop")));
}

#[tokio::test(start_paused = true)]
async fn a_kick_closes_websockets_and_the_seat_runs_on() {
    let house = house();
    let (one, two) = (house.permit_in("kim", Some(1)), house.permit_in("kim", Some(2)));
    let open = async |permit| {
        house.supervisor.acquire(&permit, HELD_MS).await.expect("a lease").into_websocket()
    };
    let (first, second, other) = (open(one).await, open(two).await, house.lease("lee").await);
    let other = other.into_websocket();
    let admin = Actor::Admin(UserName::new("boss").expect("a name"));
    let session = Sockets::OfSession(SessionId([2; 16]));
    let closed = house.supervisor.close_websockets(&session, CloseCode::SessionEnded, &admin);
    assert_eq!(closed, 1);
    assert_eq!(second.closed().await, CloseCode::SessionEnded);
    assert_eq!((first.closing(), other.closing()), (None, None));
    let user = Sockets::OfUser(UserName::new("kim").expect("a name"));
    house.supervisor.close_websockets(&user, CloseCode::Kicked, &admin);
    assert_eq!(first.closed().await, CloseCode::Kicked);
    assert_eq!(second.closing(), Some(CloseCode::SessionEnded), "the first reason stands");
    assert_eq!(other.closing(), None);
    assert_eq!(house.state("kim"), SeatState::Ready);
    drop((first, second));
    assert_eq!(house.supervisor.close_websockets(&user, CloseCode::Kicked, &admin), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_is_out_within_a_second() {
    let house = house();
    let websocket = house.lease("kim").await.into_websocket();
    house.supervisor.configure(snapshot(APP, &["lee", "park"], "seats: 9"));
    let closed = tokio::time::timeout(Duration::from_secs(1), websocket.closed()).await;
    assert_eq!(closed, Ok(CloseCode::Kicked));
    assert_eq!(house.refusal("kim").await, Refusal::Removed);
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert!(house.supervisor.seats().is_empty());
    assert_eq!(house.noted(), ["launching", "ready", "stopping removed", "stopped removed"]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_launch_waits_until_nobody_is_connected() {
    let house = house();
    let lease = house.lease("kim").await;
    let first = lease.generation();
    let websocket = lease.into_websocket();
    let changed = snapshot(&format!("{APP}, arguments: [x]"), &["kim"], "seats: 9");
    house.supervisor.configure(changed);
    after(60_000).await;
    assert!(house.supervisor.seats()[0].outdated);
    assert_eq!(websocket.closing(), None, "nobody is disturbed");
    drop(websocket);
    after(10_000).await;
    assert!(house.supervisor.seats().is_empty(), "it has ended");
    assert!(house.lease("kim").await.generation() > first);
    let noted = house.noted();
    assert!(noted.contains(&"stopping replaced".to_owned()), "{noted:?}");
}

#[tokio::test(start_paused = true)]
async fn usher_stops_and_all_seats_end() {
    let house = house();
    house.launcher.next(Course { ends_ms: None, ..Course::default() });
    let stubborn = house.lease("kim").await.into_websocket();
    let waiting = house.refusal("lee");
    let drain = async {
        after(100).await;
        house.supervisor.drain(Drain::StopSeats).await;
    };
    let (refused, ()) = tokio::join!(waiting, drain);
    assert_eq!(refused, Refusal::Draining);
    assert_eq!(stubborn.closed().await, CloseCode::UsherRestarts);
    assert_eq!(house.launcher.running(), 0);
    assert_eq!(house.refusal("park").await, Refusal::Draining);
    house.driver.await.expect("the driver has come to its end");
}

#[tokio::test(start_paused = true)]
async fn usher_restarts_and_all_seats_stay() {
    let house = house();
    let websocket = house.lease("kim").await.into_websocket();
    house.supervisor.begin(&house.permit("lee")).expect("it starts");
    after(10).await;
    house.supervisor.drain(Drain::KeepSeats).await;
    assert_eq!(websocket.closed().await, CloseCode::UsherRestarts);
    assert!(house.supervisor.ready(&house.permit("kim")).is_none());
    assert_eq!(house.refusal("kim").await, Refusal::Draining);
    assert_eq!(house.launcher.running(), 1);
    assert_eq!(house.launcher.starts_dropped(), 1, "a launch under way was given up");
    assert_eq!(house.launcher.done(), [of_kim("start")], "nothing was ended");
    house.driver.await.expect("the driver has come to its end");
}

#[tokio::test(start_paused = true)]
async fn idle_is_no_tab_and_no_request_for_its_time() {
    let house = house();
    drop(house.lease("kim").await);
    after(170_000).await;
    drop(house.supervisor.ready(&house.permit("kim")).expect("a request"));
    after(170_000).await;
    assert_eq!(house.state("kim"), SeatState::Ready);
    let view = house.supervisor.view(&key("kim"));
    assert_eq!(view.stops_because, Some(StopReason::Idle));
    let left_ms = view.stops_at.expect("a time").0 - house.clock.wall().0;
    assert!((left_ms - 10_000).abs() < 10, "{left_ms}");
    assert!(view.warn_at.expect("a time") < house.clock.wall());
    // A download holds a lease for as long as it takes.
    let download = house.supervisor.ready(&house.permit("kim")).expect("a request");
    after(1_000_000).await;
    assert_eq!(house.state("kim"), SeatState::Ready);
    drop(download);
    after(180_000 - 100).await;
    assert_eq!(house.state("kim"), SeatState::Ready);
    after(200).await;
    assert_ne!(house.state("kim"), SeatState::Ready);
}

#[tokio::test(start_paused = true)]
async fn untouched_is_told_before_and_can_be_put_off() {
    const LIMIT_MS: u64 = 8 * 60_000;
    const NEARLY_MS: u64 = 7 * 60_000;
    let house = house();
    let websocket = house.lease("kim").await.into_websocket();
    after(NEARLY_MS).await;
    let status = &house.supervisor.seats()[0];
    assert_eq!(status.stops_because, Some(StopReason::Untouched));
    assert_eq!(status.runs_because, Some(RunsBecause::TabOpen));
    assert_eq!(status.websockets, 1);
    let kept = house.supervisor.keep(&house.permit("kim")).expect("it is ready");
    let left_ms = kept.stops_at.expect("a time").0 - house.clock.wall().0;
    assert!((left_ms - 480_000).abs() < 10, "{left_ms}");
    after(NEARLY_MS).await;
    websocket.browser_data(house.clock.now());
    assert_eq!(house.supervisor.seats()[0].runs_because, Some(RunsBecause::Acts));
    after(NEARLY_MS).await;
    // The script in the page reports; from then on a data frame alone is nobody's act.
    house.supervisor.act(&house.permit("kim"));
    after(NEARLY_MS).await;
    websocket.browser_data(house.clock.now());
    after(LIMIT_MS - NEARLY_MS - 1_000).await;
    assert_eq!(websocket.closing(), None);
    after(2_000).await;
    assert_eq!(websocket.closed().await, CloseCode::SeatEnded);
}

#[tokio::test(start_paused = true)]
async fn too_much_memory_ends_a_seat() {
    let house = house();
    let lease = house.lease("kim").await;
    house.launcher.uses(
        lease.generation().0,
        Usage { cpu_ms: 500, memory_bytes: 1 << 30, ..Usage::default() },
    );
    after(3_000).await;
    let status = &house.supervisor.seats()[0];
    assert_eq!((status.state, status.memory_bytes), (SeatState::Ready, Some(1 << 30)));
    assert!(status.cpu_cores.is_some());
    house.launcher.uses(
        lease.generation().0,
        Usage { cpu_ms: 500, memory_bytes: (1 << 30) + 1, ..Usage::default() },
    );
    let websocket = lease.into_websocket();
    let closed = tokio::time::timeout(Duration::from_secs(3), websocket.closed()).await;
    assert_eq!(closed, Ok(CloseCode::SeatEnded));
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(house.noted(), ["launching", "ready", "stopping memory", "stopped memory"]);
}

#[tokio::test(start_paused = true)]
async fn whom_the_system_ended_for_memory_was_stopped_and_did_not_crash() {
    let house = house();
    let lease = house.lease("kim").await;
    let first = lease.generation();
    let websocket = lease.into_websocket();
    house.launcher.dies(first.0, Exit::OutOfMemory { limit_bytes: 1 << 30 });
    assert_eq!(websocket.closed().await, CloseCode::SeatEnded);
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(house.noted(), ["launching", "ready", "stopping memory", "stopped memory"]);
    let view = house.supervisor.view(&key("kim"));
    assert!(matches!(view.rests_because, Some(StopReason::Memory { .. })), "{view:?}");
    assert_eq!(view.failure, None);
    assert!(house.lease("kim").await.generation() > first, "whoever wants it has it again");
}

#[tokio::test(start_paused = true)]
async fn who_is_slowed_down_computes_however_little_it_gets() {
    let house = house();
    let websocket = house.lease("kim").await.into_websocket();
    let generation = websocket.lease().generation().0;
    let slow = Usage { memory_bytes: 1, is_slowed_down: true, ..Usage::default() };
    house.launcher.uses(generation, slow);
    after(9 * 60_000).await;
    let status = &house.supervisor.seats()[0];
    assert!(status.is_slowed_down && status.state == SeatState::Ready, "{status:?}");
    house.launcher.uses(generation, Usage { is_slowed_down: false, ..slow });
    after(9 * 60_000).await;
    assert_eq!(house.noted(), ["launching", "ready", "stopping untouched", "stopped untouched"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_can_be_cancelled_by_who_alone_waits() {
    let house = house();
    let permit = house.permit("kim");
    assert_eq!(house.supervisor.cancel(&permit), Err(OrderRefused::NothingThere));
    house.supervisor.begin(&permit).expect("it starts");
    after(10).await;
    {
        let held = house.lease_or_refusal("kim");
        let cancel = async {
            after(1).await;
            house.supervisor.cancel(&permit)
        };
        let refused = tokio::select! {
            _ = held => panic!("too early"),
            refused = cancel => refused,
        };
        assert_eq!(refused, Err(OrderRefused::OthersWait), "a request is held");
    }
    let mine = house.supervisor.watch(&key("kim"));
    let other = house.supervisor.watch(&key("kim"));
    assert_eq!(house.supervisor.cancel(&permit), Err(OrderRefused::OthersWait), "another page");
    drop(other);
    house.supervisor.cancel(&permit).expect("nobody else waits");
    drop(mine);
    house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert!(house.supervisor.seats().is_empty());
    assert_eq!(house.launcher.starts_dropped(), 1, "the launch was given up");
    assert_eq!(house.noted(), ["launching", "stopping cancelled", "stopped cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn orders_are_obeyed() {
    let house = house();
    let order = |order| house.supervisor.order(&key("kim"), order, &Actor::Operator);
    order(Order::Start).expect("it starts");
    let started = house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(started.state, SeatState::Ready);
    order(Order::Restart).expect("it restarts");
    // Who comes meanwhile waits for the next launch and never gets the dying one.
    let lease = house.lease("kim").await;
    assert!(Some(lease.generation()) > started.generation);
    order(Order::Stop).expect("it stops");
    let stopped = house.supervisor.settled(&key("kim"), HELD_MS).await;
    assert_eq!(stopped.state, SeatState::Absent);
    assert_eq!(house.launcher.running(), 0);
    let nobody = house.supervisor.order(&key("nobody"), Order::Start, &Actor::Operator);
    assert_eq!(nobody, Err(OrderRefused::Refused(Refusal::Removed)));
}

fn survivor(user: &str, generation: u64, fingerprint: u64) -> Started {
    Started {
        key: key(user),
        generation: Generation(generation),
        kind: LaunchKind::Fork,
        pid: Some(77),
        process_started_ticks: Some(1),
        endpoint: Endpoint::Tcp(([127, 0, 0, 1], 8_777).into()),
        launched_at: Timestamp(1_763_999_000_000),
        fingerprint,
    }
}

#[tokio::test(start_paused = true)]
async fn seats_outlive_usher() {
    let launcher = FakeLauncher::default();
    let snapshot = snapshot(APP, &["kim"], "seats: 9");
    let fingerprint = snapshot.fingerprint(&key("kim")).expect("granted");
    let future = 1_999_000_000_000;
    launcher.survives(survivor("kim", future, fingerprint));
    launcher.survives(survivor("gone", 5, 1));
    launcher.hold();
    let house = house_of(launcher, "seats: 9");
    let release = async {
        after(500).await;
        assert_eq!(house.launcher.starts_begun(), 0, "nothing starts before all are known");
        house.launcher.release();
    };
    // Who comes before the survivors are known gets the survivor.
    let (lease, ()) = tokio::join!(house.lease("kim"), release);
    assert_eq!(lease.generation(), Generation(future));
    house.supervisor.settled(&key("gone"), HELD_MS).await;
    assert_eq!(house.launcher.done(), ["stop gone/main", "forget gone/main"]);
    assert_eq!(house.supervisor.seats().len(), 1);
    house.supervisor.order(&key("kim"), Order::Restart, &Actor::Operator).expect("taken");
    drop(lease);
    assert_eq!(house.lease("kim").await.generation(), Generation(future + 1), "they only grow");
}

#[tokio::test(start_paused = true)]
async fn a_log_s_end_can_be_read() {
    let house = house();
    assert_eq!(house.supervisor.log_tail(&key("kim"), 2).await, ["two", "three"]);
}
