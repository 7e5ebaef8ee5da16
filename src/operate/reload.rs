//! Reload: read and check the file off the request path, then publish it whole, or say what is
//! wrong and change nothing.

use std::sync::Arc;

use super::{InForce, Operations, Report, certificates, shown};
use crate::account::Settings;
use crate::config::{Problem, Snapshot};
use crate::domain::{Actor, CloseCode, Detail};
use crate::pages::{Pages, TemplateProblem};
use crate::supervise::Sockets;

/// What a reload did.
#[derive(Debug)]
pub enum Reloaded {
    /// The file is in force; what changed, in words, and which changes need a new start.
    Applied {
        /// What changed; empty: nothing.
        changes: Vec<String>,
    },
    /// The file is wrong; nothing changed.
    Refused(Vec<Problem>),
}

impl Operations {
    /// Applies the file. One reload at a time; the one that waits reads the file afresh.
    pub async fn reload(&self, actor: &Actor) -> Reloaded {
        let _one_at_a_time = self.reloading.lock().await;
        let file = self.file();
        let trial = self.trial;
        let loaded = tokio::task::spawn_blocking(move || load(&file, trial)).await;
        let loaded = loaded.unwrap_or_else(|failure| {
            Err(vec![problem(&self.file(), format!("the check itself failed: {failure}"))])
        });
        self.account.counters().reloaded(loaded.is_ok());
        match loaded {
            Ok((snapshot, pages)) => match self.serve_certificates(&snapshot) {
                Ok(()) => self.apply(snapshot, pages, actor),
                Err(problem) => self.refuse(vec![problem], actor),
            },
            Err(problems) => self.refuse(problems, actor),
        }
    }

    fn refuse(&self, problems: Vec<Problem>, actor: &Actor) -> Reloaded {
        for problem in &problems {
            log::error!("configuration not applied: {problem}");
        }
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        let detail = Detail::reload_refused(&first, problems.len());
        self.record("reload_refused", actor, None, detail);
        self.problems.lock().clone_from(&problems);
        Reloaded::Refused(problems)
    }

    /// New handshakes are made with the certificates of a configuration. First of all, because it
    /// is all that can still be refused; a door that has no TLS gets it with the next start.
    fn serve_certificates(&self, snapshot: &Snapshot) -> Result<(), Problem> {
        match (&self.tls, &snapshot.tls) {
            (Some(served), Some(tls)) => certificates::replace(served, tls)
                .map_err(|sentence| problem(&snapshot.file, sentence)),
            (None, _) | (_, None) => Ok(()),
        }
    }

    /// `usher reload`
    pub async fn reload_ordered(&self) -> Report {
        match self.reload(&Actor::Operator).await {
            Reloaded::Applied { changes } if changes.is_empty() => Report::done("nothing changed"),
            Reloaded::Applied { changes } => Report { exit: 0, lines: changes },
            Reloaded::Refused(problems) => {
                Report { exit: 78, lines: problems.iter().map(ToString::to_string).collect() }
            }
        }
    }

    fn apply(&self, snapshot: Snapshot, pages: Pages, actor: &Actor) -> Reloaded {
        let before = self.in_force();
        let changes = before.snapshot.differences(&snapshot);
        let snapshot = Arc::new(snapshot);
        // The supervisor first: nobody has a permit for what is new before it knows it.
        self.supervisor.configure(Arc::clone(&snapshot));
        self.books.configure(Settings::of(&snapshot));
        let ended = self.trust.sessions.configure(snapshot.sessions, &snapshot.users);
        self.close_sockets_of_changed(&before.snapshot, &snapshot, actor);
        self.sessions_ended(&ended, actor);
        for warning in &snapshot.warnings {
            log::warn!("{warning}");
        }
        self.in_force.store(Arc::new(InForce {
            snapshot,
            pages: Arc::new(pages),
            loaded_at: self.clock.wall(),
        }));
        self.problems.lock().clear();
        for change in &changes {
            log::info!("configuration: {change}");
        }
        if !changes.is_empty() {
            self.record("reloaded", actor, None, Detail::reloaded(&changes));
        }
        Reloaded::Applied { changes }
    }

    /// Whose addresses, role or proofs changed has to come in again.
    fn close_sockets_of_changed(&self, before: &Snapshot, after: &Snapshot, actor: &Actor) {
        for user in &before.users {
            let same = after.user(user.name.as_str()).is_some_and(|now| {
                now.role == user.role
                    && now.addresses == user.addresses
                    && now.login == user.login
                    && now.password == user.password
                    && now.totp == user.totp
                    && now.proofs == user.proofs
            });
            if !same {
                let which = Sockets::OfUser(user.name.clone());
                self.supervisor.close_websockets(&which, CloseCode::Kicked, actor);
            }
        }
    }
}

/// Tries the templates of pages that others than `pages` make: what is wrong with an operator's.
pub type Trial = fn(&Pages) -> Vec<TemplateProblem>;

/// Reads the file and everything that it names and that is loaded at once.
///
/// # Errors
/// Every problem.
pub fn load(file: &std::path::Path, trial: Trial) -> Result<(Snapshot, Pages), Vec<Problem>> {
    let snapshot = Snapshot::load(file)?;
    let loaded = Pages::load(snapshot.templates.as_deref()).and_then(|pages| {
        let problems = if snapshot.templates.is_some() { trial(&pages) } else { Vec::new() };
        if problems.is_empty() { Ok(pages) } else { Err(problems) }
    });
    match loaded {
        Ok(pages) => {
            for unknown in pages.unknown_files() {
                log::warn!("{} replaces no template and is not used", shown(unknown));
            }
            Ok((snapshot, pages))
        }
        Err(problems) => Err(problems
            .into_iter()
            .map(|found| Problem {
                file: found.file.clone(),
                line: found.line.unwrap_or(1),
                column: 1,
                path: String::new(),
                sentence: found.message.clone(),
                hint: "the template is not used until it is right".to_owned(),
            })
            .collect()),
    }
}

fn problem(file: &std::path::Path, sentence: String) -> Problem {
    Problem {
        file: file.to_owned(),
        line: 1,
        column: 1,
        path: String::new(),
        sentence,
        hint: String::new(),
    }
}
