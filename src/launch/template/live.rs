//! A template that serves: what it is, which of its seats live, how those that ended did. Knows it
//! from one connection that stays open as long as both live.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::control::{self, Description, Message};
use super::recipe::Given;
use crate::domain::Exit;
use crate::launch::members::Identity;

/// Exits that came before anybody asked for them; beyond, the oldest are forgotten.
const EARLY_EXITS_MAX: usize = 256;

/// What tells one template from another, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Birth {
    /// The name of its recipe.
    pub(super) key: String,
    /// Its own number; a later one has a larger one.
    pub(super) number: u64,
    /// Its process.
    pub(super) identity: Identity,
    /// What its process carries.
    pub(super) mark: String,
    /// Where it is asked for seats.
    pub(super) socket: PathBuf,
    /// What it was told to import.
    pub(super) given: Given,
}

/// See the file. Dropped, it is let alone: it lives on.
pub(in crate::launch) struct Template {
    pub(super) birth: Birth,
    pub(super) description: Description,
    heard: Arc<Heard>,
    _listening: Task,
}

/// A task that ends with its owner.
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How a template is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// Its seats that live.
    pub(super) seats: BTreeSet<Identity>,
    /// It hung up: its process has ended or is ending.
    pub(super) has_ended: bool,
    /// It is not to be asked any more.
    pub(super) spoilt: Option<Spoilt>,
}

/// Why a template that lives is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::launch) enum Spoilt {
    /// What is installed changed.
    Changed(String),
    /// It has something that a fork would share, and never will be rid of it.
    Unfit(String),
    /// It does not answer.
    Silent(String),
}

#[derive(Default)]
struct Heard {
    life: watch::Sender<Life>,
    exits: Mutex<Exits>,
}

#[derive(Default)]
struct Exits {
    asked: HashMap<Identity, watch::Sender<Option<Exit>>>,
    early: VecDeque<(Identity, Exit)>,
    over: bool,
}

impl Template {
    /// Listens to a template. Must be called where tokio can be reached.
    ///
    /// # Errors
    /// It does not answer, or is another one.
    pub(super) async fn listen(birth: Birth) -> io::Result<Arc<Self>> {
        let (description, reader) = control::watch(&birth.socket).await?;
        if (description.pid, description.start_ticks) != birth.identity {
            return Err(io::Error::other("another one answers"));
        }
        let heard = Arc::new(Heard::default());
        heard.begin(&description);
        let listening = Arc::clone(&heard);
        let task = tokio::spawn(async move { listening.listen(reader).await });
        Ok(Arc::new(Self { birth, description, heard, _listening: Task(task) }))
    }

    /// Follows how it is.
    pub(super) fn life(&self) -> watch::Receiver<Life> {
        self.heard.life.subscribe()
    }

    /// Where it is asked for seats.
    pub(in crate::launch) fn socket(&self) -> &std::path::Path {
        &self.birth.socket
    }

    /// Its number.
    pub(in crate::launch) fn number(&self) -> u64 {
        self.birth.number
    }

    /// For people.
    pub(in crate::launch) fn headline(&self) -> String {
        let Description { pid, streamlit, .. } = &self.description;
        format!("template {pid} with Streamlit {streamlit}")
    }

    /// It is not to be asked any more; the first reason counts.
    pub(in crate::launch) fn spoil(&self, why: Spoilt) {
        self.heard.life.send_modify(|life| {
            life.spoilt.get_or_insert(why);
        });
    }

    /// Whether it may still be asked.
    pub(super) fn is_good(&self) -> bool {
        let life = self.heard.life.borrow();
        !life.has_ended && life.spoilt.is_none()
    }

    /// How this seat ends, once it has. The sender is dropped if the template will not tell.
    pub(in crate::launch) fn exit_of(&self, seat: Identity) -> watch::Receiver<Option<Exit>> {
        let mut exits = self.heard.exits.lock();
        let early = exits.early.iter().find(|(identity, _)| *identity == seat);
        let (tell, exit) = watch::channel(early.map(|(_, exit)| *exit));
        if !exits.over && exit.borrow().is_none() {
            exits.asked.insert(seat, tell);
        }
        exit
    }
}

impl Heard {
    fn begin(&self, description: &Description) {
        self.life.send_modify(|life| {
            life.seats = description.children.iter().map(control::Name::identity).collect();
        });
        description.exited.iter().for_each(|exited| self.exited(exited));
    }

    async fn listen(&self, mut reader: tokio::io::BufReader<tokio::net::UnixStream>) {
        loop {
            match control::next(&mut reader).await {
                Ok(Some(Message::Forked(name))) => self.life.send_modify(|life| {
                    life.seats.insert(name.identity());
                }),
                Ok(Some(Message::Exited(exited))) => self.exited(&exited),
                Ok(Some(other)) => log::debug!("a template says {other:?}"),
                Ok(None) => break,
                Err(error) => {
                    log::debug!("a template is not heard any more: {error}");
                    break;
                }
            }
        }
        let mut exits = self.exits.lock();
        exits.over = true;
        exits.asked.clear();
        drop(exits);
        self.life.send_modify(|life| life.has_ended = true);
    }

    fn exited(&self, exited: &control::Exited) {
        let (identity, exit) = (exited.identity(), exited.exit());
        let mut exits = self.exits.lock();
        match exits.asked.remove(&identity) {
            Some(asked) => {
                asked.send_replace(Some(exit));
            }
            None => {
                if exits.early.len() >= EARLY_EXITS_MAX {
                    exits.early.pop_front();
                }
                exits.early.push_back((identity, exit));
            }
        }
        drop(exits);
        self.life.send_modify(|life| {
            life.seats.remove(&identity);
        });
    }
}
