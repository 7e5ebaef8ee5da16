//! What administrators and operators can order and ask: one place for the control socket, the
//! administrators' pages, signals and the file watcher, so that each order does and records the
//! same whoever gives it. Holds the configuration in force.

mod certificates;
mod exposition;
mod metrics;
mod reload;
mod seats;
mod sessions;
mod status;

pub use certificates::CertificateStatus;
pub use reload::{Reloaded, Trial, load};

pub use seats::SeatOrder;
pub use status::{SeatJson, rfc3339};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::account::{Account, Books, EventFact};
use crate::certificates::Served;
use crate::clock::{Clock, Timestamp};
use crate::config::{Problem, Snapshot};
use crate::domain::{Actor, CloseCode, Detail, SeatKey, UserName};
use crate::notice::{BadNotice, Board, NOTICE_BYTES_MAX, Notice};
use crate::observe::{Latest, MachineSample};
use crate::pages::Pages;
use crate::platform::{self, own::OwnUsage};
use crate::store::Reports;
use crate::supervise::{Sockets, Supervisor};
use crate::trust::Trust;
use crate::trust::sessions::Over;

/// The configuration that requests are answered by, and what is made of it.
pub struct InForce {
    /// The checked file.
    pub snapshot: Arc<Snapshot>,
    /// The pages with the operator's templates.
    pub pages: Arc<Pages>,
    /// When it was loaded.
    pub loaded_at: Timestamp,
}

/// How far usher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not answer yet.
    Starting,
    /// It serves.
    Serving,
    /// It leaves.
    Draining,
}

impl Phase {
    /// The word of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Serving => "serving",
            Phase::Draining => "draining",
        }
    }
}

/// What an order did, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The exit code of the command: 0 done, 1 failed, 78 bad configuration.
    pub exit: u8,
    /// Sentences.
    pub lines: Vec<String>,
}

impl Report {
    /// It went well.
    pub fn done(line: impl Into<String>) -> Self {
        Self { exit: 0, lines: vec![line.into()] }
    }

    /// It did not.
    pub fn failed(line: impl Into<String>) -> Self {
        Self { exit: 1, lines: vec![line.into()] }
    }
}

/// A wish to hand over to another binary; `app` carries it out.
pub struct Handover {
    /// The binary.
    pub binary: PathBuf,
    /// Where to say how it went.
    pub answer: oneshot::Sender<Report>,
}

/// Orders and questions.
pub struct Operations {
    in_force: ArcSwap<InForce>,
    /// What is wrong with the file on disk, if the last reload was refused.
    problems: Mutex<Vec<Problem>>,
    /// Held while a reload is under way: one at a time.
    reloading: tokio::sync::Mutex<()>,
    phase: AtomicU8,
    started_at: Timestamp,
    supervisor: Supervisor,
    account: Account,
    books: Arc<Books>,
    reports: Arc<dyn Reports>,
    clock: Arc<dyn Clock>,
    board: Board,
    machine: Latest,
    trust: Arc<Trust>,
    trial: Trial,
    tls: Option<Arc<Served>>,
    handovers: mpsc::Sender<Handover>,
}

/// What [`Operations::new`] connects.
pub struct Parts {
    /// The configuration at the start.
    pub in_force: InForce,
    /// The seats.
    pub supervisor: Supervisor,
    /// What is recorded.
    pub books: Arc<Books>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The latest sample of the machine.
    pub machine: Latest,
    /// Who is signed in.
    pub trust: Arc<Trust>,
    /// What a reload tries an operator's templates with.
    pub trial: Trial,
    /// What TLS is served with, if it is.
    pub tls: Option<Arc<Served>>,
    /// Where wishes to hand over go.
    pub handovers: mpsc::Sender<Handover>,
}

impl Operations {
    /// Connects the parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            started_at: parts.clock.wall(),
            in_force: ArcSwap::from_pointee(parts.in_force),
            problems: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
            phase: AtomicU8::new(Phase::Starting as u8),
            supervisor: parts.supervisor,
            account: parts.books.account().clone(),
            reports: parts.books.reports(),
            books: parts.books,
            clock: parts.clock,
            board: Board::default(),
            machine: parts.machine,
            trust: parts.trust,
            trial: parts.trial,
            tls: parts.tls,
            handovers: parts.handovers,
        }
    }

    /// The configuration in force. Take it once per request.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The notices.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The seats.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// What is recorded.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account at work: its database, its health, its copies.
    pub fn books(&self) -> &Arc<Books> {
        &self.books
    }

    /// What was recorded. Its methods block for milliseconds.
    pub fn reports(&self) -> &Arc<dyn Reports> {
        &self.reports
    }

    /// The clocks.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The latest sample of the machine.
    pub fn machine(&self) -> MachineSample {
        self.machine.get()
    }

    /// Who is signed in, and who tries to.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// What this process uses now; `None` where the system does not say.
    pub fn process(&self) -> Option<OwnUsage> {
        platform::own::usage()
    }

    /// When this usher started.
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// What is wrong with the file on disk; empty if it is the one in force.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.lock().clone()
    }

    /// How far usher is.
    pub fn phase(&self) -> Phase {
        [Phase::Starting, Phase::Serving, Phase::Draining]
            .into_iter()
            .find(|phase| *phase as u8 == self.phase.load(Ordering::Acquire))
            .unwrap_or(Phase::Draining)
    }

    /// Usher has come to this phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Closes a user's WebSockets (4003) and ends their sessions; the seat runs on. Says how many
    /// WebSockets it were; `None`: there is no such user.
    pub fn kick(&self, user: &str, actor: &Actor) -> Option<usize> {
        let in_force = self.in_force();
        let user = in_force.snapshot.user(user)?.name.clone();
        let ended = self.trust.sessions.end_all_of(&user, Over::Kicked);
        let which = Sockets::OfUser(user.clone());
        let closed = self.supervisor.close_websockets(&which, CloseCode::Kicked, actor);
        self.sessions_ended(&ended, actor);
        self.record("kicked", actor, None, Detail::user_kicked(&user, closed));
        log::info!("{user} was kicked by {actor}: {closed} WebSockets closed");
        Some(closed)
    }

    /// Closes the WebSockets of one seat (4003); it runs on.
    pub fn kick_seat(&self, key: &SeatKey, actor: &Actor) -> usize {
        let which = Sockets::OfSeat(key.clone());
        let closed = self.supervisor.close_websockets(&which, CloseCode::Kicked, actor);
        self.record("kicked", actor, Some(key.clone()), Detail::seat_kicked(closed));
        closed
    }

    /// `usher kick`
    pub async fn kick_ordered(&self, user: &str) -> Report {
        match self.kick(user, &Actor::Operator) {
            Some(closed) => {
                Report::done(format!("{user}: {closed} WebSockets closed; the seats run on"))
            }
            None => Report::failed(format!("there is no user {user}")),
        }
    }

    /// Puts a notice up.
    ///
    /// # Errors
    /// The text is empty or too long.
    pub fn notice(&self, text: &str, actor: &Actor) -> Result<Notice, BadNotice> {
        let notice = self.board.put_up(text, actor.clone(), self.clock.wall())?;
        self.record("notice", actor, None, Detail::notice(&notice.text));
        Ok(notice)
    }

    /// `usher notice`
    pub async fn notice_ordered(&self, text: &str) -> Report {
        match self.notice(text, &Actor::Operator) {
            Ok(notice) => Report::done(format!("notice {} is shown", notice.id)),
            Err(BadNotice::Empty) => Report::failed("the notice is empty"),
            Err(BadNotice::TooLong) => Report::failed(format!(
                "the notice is longer than {NOTICE_BYTES_MAX} bytes; shorten it"
            )),
        }
    }

    /// `usher upgrade`
    pub async fn upgrade_ordered(&self, binary: PathBuf) -> Report {
        let (answer, answered) = oneshot::channel();
        self.record("upgrade", &Actor::Operator, None, Detail::upgrade(&shown(&binary)));
        if self.handovers.try_send(Handover { binary, answer }).is_err() {
            return Report::failed("an upgrade is under way already");
        }
        answered
            .await
            .unwrap_or_else(|_| Report::failed("this usher ended before the new one answered"))
    }

    /// Keeps an event.
    pub fn record(&self, kind: &'static str, actor: &Actor, key: Option<SeatKey>, detail: Detail) {
        let at = self.clock.wall();
        self.account.event(EventFact {
            at,
            kind,
            actor: actor.clone(),
            key,
            address: None,
            detail,
        });
    }

    fn file(&self) -> PathBuf {
        self.in_force().snapshot.file.clone()
    }

    fn seat_keys(&self, user: &str, app: Option<&str>) -> Result<Vec<SeatKey>, Report> {
        let in_force = self.in_force();
        let snapshot = &in_force.snapshot;
        let Some(user) = snapshot.user(user) else {
            return Err(Report::failed(format!("there is no user {user}")));
        };
        let key = |slug: &crate::domain::AppSlug| SeatKey {
            user: UserName::clone(&user.name),
            app: slug.clone(),
        };
        match app {
            None => Ok(user.apps.iter().map(key).collect()),
            Some(app) => match user.apps.iter().find(|slug| slug.as_str() == app) {
                Some(slug) => Ok(vec![key(slug)]),
                None if snapshot.app(app).is_none() => {
                    Err(Report::failed(format!("there is no app {app}")))
                }
                None => Err(Report::failed(format!("{} may not use {app}", user.name))),
            },
        }
    }
}

/// A path for people: relative to nothing, as it was given.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
