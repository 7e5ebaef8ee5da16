//! What is said after something was done: kept for the one page that the browser is sent to next,
//! and shown once, to the administrator who did it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

use crate::domain::UserName;

/// The most answers that wait to be shown; the oldest goes.
const WAITING_MAX: usize = 64;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tone {
    /// It is done.
    Good,
    /// It goes on.
    Wait,
    /// It failed.
    Bad,
}

/// What was done. Texts of the table say it; `detail` comes from elsewhere and is shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// One of `pages::words::TOLD`.
    pub(super) word: &'static str,
    /// How it went.
    pub(super) tone: Tone,
    /// About whom; may be empty.
    pub(super) user: String,
    /// About which app; may be empty.
    pub(super) app: String,
    /// How many.
    pub(super) count: usize,
    /// Further lines, such as what a reload changed.
    pub(super) details: Vec<String>,
}

impl Told {
    /// An answer about nobody in particular.
    pub(super) fn new(word: &'static str, tone: Tone) -> Self {
        Self { word, tone, user: String::new(), app: String::new(), count: 0, details: Vec::new() }
    }
}

struct Waiting {
    id: u64,
    whose: UserName,
    told: Told,
}

/// Answers that wait to be shown.
#[derive(Default)]
pub(super) struct Tellings {
    inner: Mutex<(u64, VecDeque<Waiting>)>,
}

impl Tellings {
    /// Keeps an answer; says the number to ask for it with.
    pub(super) fn keep(&self, whose: &UserName, told: Told) -> u64 {
        let mut inner = self.inner.lock();
        inner.0 += 1;
        let id = inner.0;
        if inner.1.len() >= WAITING_MAX {
            inner.1.pop_front();
        }
        inner.1.push_back(Waiting { id, whose: whose.clone(), told });
        id
    }

    /// Takes an answer that was kept for this administrator.
    pub(super) fn take(&self, whose: &UserName, id: u64) -> Option<Told> {
        let mut inner = self.inner.lock();
        let at = inner.1.iter().position(|one| one.id == id && one.whose == *whose)?;
        inner.1.remove(at).map(|one| one.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_once_and_to_nobody_else() {
        let name = |text| UserName::new(text).expect("a name");
        let (minsu, hana) = (name("minsu"), name("hana"));
        let tellings = Tellings::default();
        let told = Told::new("notice_shown", Tone::Good);
        let id = tellings.keep(&minsu, told.clone());
        assert_eq!(tellings.take(&hana, id), None);
        assert_eq!(tellings.take(&minsu, id + 1), None);
        assert_eq!(tellings.take(&minsu, id), Some(told.clone()));
        assert_eq!(tellings.take(&minsu, id), None);
        let first = tellings.keep(&minsu, told.clone());
        for _ in 0..WAITING_MAX {
            tellings.keep(&minsu, told.clone());
        }
        assert_eq!(tellings.take(&minsu, first), None, "the oldest went");
    }
}
