//! Collects what checking finds: every problem, every warning, and every setting as it is in
//! force. Decides nothing.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use super::file::Place;
use super::{Problem, Setting};

/// The most problems of one file that are kept; nobody reads on after so many.
const PROBLEMS_MAX: usize = 10_000;

/// What is wrong with one value, before it is known whose value it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong, to be read after the key's path.
    pub(super) sentence: String,
    /// What to do; may be empty.
    pub(super) hint: String,
}

/// Shorthand for a [`Wrong`].
pub(super) fn wrong(sentence: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong { sentence: sentence.into(), hint: hint.into() }
}

/// A value as a sentence may show it: in backquotes, short, on one line.
pub(super) fn quoted(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut shown: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The report of one reading of one file.
pub(super) struct Report {
    file: PathBuf,
    problems: RefCell<Vec<Problem>>,
    left_out: Cell<usize>,
    warnings: RefCell<Vec<Problem>>,
    settings: RefCell<Vec<Setting>>,
}

impl Report {
    /// An empty report about `file`.
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            problems: RefCell::default(),
            left_out: Cell::new(0),
            warnings: RefCell::default(),
            settings: RefCell::default(),
        }
    }

    /// Adds a problem.
    pub(super) fn problem(&self, place: Place, path: String, wrong: Wrong) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < PROBLEMS_MAX {
            problems.push(self.about(place, path, wrong));
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// Adds a warning: worth knowing, though it may be meant.
    pub(super) fn warning(&self, place: Place, path: String, wrong: Wrong) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < PROBLEMS_MAX {
            warnings.push(self.about(place, path, wrong));
        }
    }

    /// Notes a setting as it is in force.
    pub(super) fn setting(&self, path: String, value: String) {
        self.settings.borrow_mut().push(Setting { path, value });
    }

    /// Whether there is no problem so far.
    pub(super) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The problems in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = sorted(self.problems.into_inner());
        if self.left_out.get() > 0 {
            let last = problems.last().map_or(Place::START, |problem| Place {
                line: u32::try_from(problem.line).unwrap_or(u32::MAX),
                column: u32::try_from(problem.column).unwrap_or(u32::MAX),
            });
            let sentence = format!("{} more problems are not shown", self.left_out.get());
            let file = self.file;
            problems.push(problem(&file, last, String::new(), wrong(sentence, "")));
        }
        problems
    }

    /// The warnings in the order of the file, and the settings in the order of reading.
    pub(super) fn take_rest(&self) -> (Vec<Problem>, Vec<Setting>) {
        (sorted(self.warnings.take()), self.settings.take())
    }

    fn about(&self, place: Place, path: String, wrong: Wrong) -> Problem {
        problem(&self.file, place, path, wrong)
    }
}

fn problem(file: &Path, place: Place, path: String, wrong: Wrong) -> Problem {
    Problem {
        file: file.to_owned(),
        line: place.line as usize,
        column: place.column as usize,
        path,
        sentence: wrong.sentence,
        hint: wrong.hint,
    }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    // Stable: two problems at one place keep the order in which they were found.
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}
