//! Builds the parts, connects them, runs until told to leave, and leaves in order. The only place
//! that knows everything.
//!
//! Start: signals first, so that none finds the system's default action; then `state_dir` (one
//! usher at a time), the listeners, the account, the seats that outlived an earlier usher, and last
//! the doors. End: the doors close and WebSockets are told to come back, the seats are ended or
//! left, the account is written, and the process leaves.

mod doctor;
mod doors;
mod handover;
mod record;
mod service;
mod sign_in;
mod signals;
mod state;
mod trial;
mod watching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::account::Books;
use crate::admin;
use crate::assets::{Ask, Library};
use crate::clock::{Clock, OsClock};
use crate::config::Snapshot;
use crate::control::{self, Outcome};
use crate::domain::Actor;
use crate::edge::{Edge, EdgeParts, Listener};
use crate::gate::Gate;
use crate::launch::Launchers;
use crate::operate::{self, Handover, InForce, Operations, Parts, Phase};
use crate::pages::Pages;
use crate::platform;
use crate::supervise::{Drain, Supervisor};
use signals::{Signal, Signals};
use state::StateDir;
use watching::Watching;

pub use doctor::doctor;
pub use trial::try_script;

/// After this, connections that have not ended are cut off.
const CONNECTIONS_END_WITHIN: Duration = Duration::from_millis(2_000);
/// Where the seats stay, requests under way have this time before those that wait for a seat are
/// refused.
const REQUESTS_END_WITHIN: Duration = Duration::from_millis(1_000);
/// Wishes to hand over that wait; one is enough.
const HANDOVERS_WAITING_MAX: usize = 1;

/// `usher serve`
pub fn serve(file: &Path) -> Outcome {
    serve_as(file, |_| ())
}

/// Serves a configuration to which something was done after it was read.
fn serve_as(file: &Path, prepare: fn(&mut Snapshot)) -> Outcome {
    start_log();
    let (mut snapshot, pages) = match operate::load(file, admin::sample::problems) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            return Outcome::BadConfiguration;
        }
    };
    prepare(&mut snapshot);
    platform::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(snapshot.fixed.threads)
        .thread_name("usher")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error!("no threads: {error}");
            return Outcome::Failed;
        }
    };
    let outcome = match runtime.block_on(run(snapshot, pages)) {
        Ok(()) => Outcome::Done,
        Err(sentence) => {
            log::error!("{sentence}");
            Outcome::Failed
        }
    };
    // What is still blocked somewhere must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(300));
    outcome
}

/// Logs to standard error; `RUST_LOG` says more or less.
fn start_log() {
    // What matters of a proxied request the hooks tell; what is left are clients that hang up or
    // send nonsense, as an error for each, so that anybody could fill the log.
    let default = "info,pingora_core=warn,pingora_proxy=off,notify=warn";
    let filter = env_logger::Env::default().default_filter_or(default);
    // A test that serves twice in one process keeps the first.
    let _ = env_logger::Builder::from_env(filter).try_init();
}

/// Everything that runs.
struct House {
    state: StateDir,
    listeners: Vec<Listener>,
    edge: Edge<Gate>,
    operations: Arc<Operations>,
    supervisor: Supervisor,
    launchers: Arc<Launchers>,
    books: Arc<Books>,
    desk: control::Desk,
}

/// Why the house is left.
enum Leaving {
    /// The seats end too.
    Stop,
    /// The seats stay for the next usher.
    KeepSeats,
    /// The next usher is here and waits for the seats.
    HandOver(handover::Successor),
}

async fn run(snapshot: Snapshot, pages: Pages) -> Result<(), String> {
    let mut signals =
        Signals::register().map_err(|error| format!("signals cannot be taken: {error}"))?;
    let (handovers, mut wishes) = mpsc::channel(HANDOVERS_WAITING_MAX);
    let mut predecessor = handover::Predecessor::found();
    let house = tokio::select! {
        house = build(snapshot, pages, handovers, &mut predecessor) => house?,
        () = told_to_leave(&mut signals) => return Ok(()),
    };
    let (file_changed, mut changes) = mpsc::channel(1);
    let in_force = || Arc::clone(&house.operations.in_force().snapshot);
    let mut watching = Watching::start(&in_force(), file_changed)
        .map_err(|error| format!("the configuration cannot be watched: {error}"))?;
    predecessor.tell_serving();
    service::serving();
    let leaving = loop {
        watching.follow(&in_force());
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => break Leaving::Stop,
                Signal::Leave => break Leaving::KeepSeats,
                Signal::Reload => { house.operations.reload(&Actor::Operator).await; }
            },
            Some(()) = changes.recv() => { house.operations.reload(&Actor::Usher).await; }
            Some(wish) = wishes.recv() => {
                if let Some(successor) = hand_over(&house, wish).await {
                    break Leaving::HandOver(successor);
                }
            }
        }
    };
    leave(house, leaving).await;
    Ok(())
}

/// Before anything is built, only leaving makes sense.
async fn told_to_leave(signals: &mut Signals) {
    loop {
        match signals.next().await {
            Signal::Stop | Signal::Leave => return,
            Signal::Reload => {}
        }
    }
}

async fn build(
    snapshot: Snapshot,
    pages: Pages,
    handovers: mpsc::Sender<Handover>,
    predecessor: &mut handover::Predecessor,
) -> Result<House, String> {
    let fixed = snapshot.fixed.clone();
    let tls = doors::served(&snapshot)?;
    let listeners = predecessor.listeners(&doors::wanted(&fixed, tls.as_ref()))?;
    predecessor.tell_prepared_and_wait().await?;
    let state = StateDir::open(&fixed.state_dir).map_err(|error| error.to_string())?;
    let secret = state.secret().map_err(|error| error.to_string())?;
    let clock: Arc<dyn Clock> = Arc::new(OsClock);
    for warning in &snapshot.warnings {
        log::warn!("{warning}");
    }
    let snapshot = Arc::new(snapshot);
    let trust = sign_in::trust(&snapshot, secret)?;
    let books = record::open(&snapshot, Arc::clone(&clock))?;
    let account = books.account().clone();
    let launchers = Launchers::new(&fixed.state_dir, Arc::clone(&clock))
        .map(Arc::new)
        .map_err(|error| format!("{}: {error}", fixed.state_dir.display()))?;
    let from_seat = {
        let launchers = Arc::clone(&launchers);
        Arc::new(move |peer, local| launchers.is_from_seat(peer, local))
    };
    let supervisor =
        record::supervise(&snapshot, &clock, Arc::clone(&launchers) as _, secret, &account);
    record::recall(&snapshot, &supervisor, &books);
    let observer = record::observe(&snapshot, &supervisor, &books);
    let operations = Arc::new(Operations::new(Parts {
        in_force: InForce {
            snapshot: Arc::clone(&snapshot),
            pages: Arc::new(pages),
            loaded_at: clock.wall(),
        },
        supervisor: supervisor.clone(),
        books: Arc::clone(&books),
        clock: Arc::clone(&clock),
        machine: observer,
        trust,
        trial: admin::sample::problems,
        tls,
        handovers,
    }));
    tokio::spawn(Arc::clone(&operations).tend_sessions());
    tokio::spawn(Arc::clone(&operations).tend_certificates());
    let control = control::bind(&fixed.state_dir)
        .map_err(|error| format!("the control socket cannot be made: {error}"))?;
    let desk = control::Desk::default();
    tokio::spawn(control::serve(control, Arc::clone(&operations), desk.clone()));
    let library = library(&launchers, &clock);
    snapshot.apps.iter().for_each(|app| library.look_up(app));
    let gate = Gate::new(Arc::clone(&operations), library, secret, &platform::host_name());
    let edge =
        Edge::new(EdgeParts { keeper: Arc::new(gate), clock, from_seat, threads: fixed.threads });
    for listener in &listeners {
        edge.open(listener).map_err(|error| format!("{}: {error}", listener.address()))?;
    }
    state.write_pid().map_err(|error| error.to_string())?;
    operations.enter(Phase::Serving);
    if snapshot.apps.iter().any(|app| app.has_limit()) {
        log::info!("{}", supervisor.keeping());
    }
    doors::tell(&listeners);
    Ok(House { state, listeners, edge, operations, supervisor, launchers, books, desk })
}

/// The front ends of the apps, which are where the launchers find Streamlit.
fn library(launchers: &Arc<Launchers>, clock: &Arc<dyn Clock>) -> Library {
    let launchers = Arc::clone(launchers);
    let ask: Ask = Arc::new(move |app| {
        let launchers = Arc::clone(&launchers);
        Box::pin(async move { launchers.streamlit_of(&app).await })
    });
    Library::new(ask, Arc::clone(clock))
}

/// Starts the other binary; while it prepares, everything goes on here.
async fn hand_over(house: &House, wish: Handover) -> Option<handover::Successor> {
    let Handover { binary, answer } = wish;
    let file = house.operations.in_force().snapshot.file.clone();
    match handover::begin(&binary, &file, &house.listeners).await {
        Ok(successor) => Some(successor.answering(answer)),
        Err(sentence) => {
            log::error!("upgrade: {sentence}");
            // Whoever asked has gone if nobody listens.
            let _ = answer.send(operate::Report::failed(sentence));
            None
        }
    }
}

/// In order: nobody new, WebSockets told, seats ended or left, account written.
async fn leave(house: House, leaving: Leaving) {
    let House { state, listeners, edge, operations, supervisor, launchers, books, desk } = house;
    operations.enter(Phase::Draining);
    let (how, successor) = match leaving {
        Leaving::Stop => {
            service::leaving();
            log::info!("stopping; the seats end");
            (Drain::StopSeats, None)
        }
        Leaving::KeepSeats => {
            service::leaving();
            log::info!("leaving; the seats stay for the next usher");
            (Drain::KeepSeats, None)
        }
        Leaving::HandOver(successor) => (Drain::KeepSeats, Some(successor)),
    };
    // The listeners stay open for a successor, who has them too; for nobody else.
    drop(listeners);
    let (gone, all_gone) = oneshot::channel::<()>();
    let connections = async {
        let cut_off = edge.drain(CONNECTIONS_END_WITHIN).await;
        drop(gone);
        cut_off
    };
    let seats = async {
        if how == Drain::KeepSeats {
            // Requests under way still find their seats; those that wait for one are told.
            let _ = tokio::time::timeout(REQUESTS_END_WITHIN, all_gone).await;
        }
        supervisor.drain(how).await;
    };
    let (cut_off, ()) = tokio::join!(connections, seats);
    if cut_off > 0 {
        log::info!("{cut_off} connections were cut off");
    }
    // What is kept warm for the next starts belongs to whoever has the seats.
    launchers.close(how == Drain::KeepSeats).await;
    if let Err(error) = operations.trust().sessions.write().await {
        log::warn!("{error}");
    }
    record::close(books).await;
    if successor.is_none() {
        state.remove_pid();
    }
    drop(state);
    if let Some(successor) = successor {
        successor.take_over(&desk).await;
    }
    log::info!("gone");
}
