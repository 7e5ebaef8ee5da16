//! What is known of an app before it is started again: what its seats imported, and what must not be
//! imported ahead. Kept in files, so that the first template after a restart has it. It may be lost
//! or wrong: then a template starts slower, or once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::control::Excluded;
use super::recipe::{Given, Recipe};
use crate::launch::shared::digest;
use crate::platform::files;

/// Larger files are no lists of names, in bytes.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// More names are not imported ahead.
const NAMES_MAX: usize = 8_000;
/// So many new modules are worth another template, although its seats have no pages in common with
/// those of the one before. Fewer wait for the next one.
const WORTH_A_TEMPLATE: usize = 64;
/// So many are if the one before has no seats.
const WORTH_A_TEMPLATE_WITHOUT_SEATS: usize = 16;

/// The files, in a folder that exists.
#[derive(Debug)]
pub(super) struct Knowledge {
    folder: PathBuf,
    /// Two templates of one interpreter may find something out at the same time.
    writing: Mutex<()>,
}

/// What a seat has written.
#[derive(Debug, Default, Deserialize)]
struct Learned {
    version: u32,
    modules: Vec<String>,
    /// Those that its template had not imported.
    new: Vec<String>,
}

/// What must not be imported ahead.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Unfit {
    /// What was installed when that was found out: it holds for just that.
    surroundings: String,
    modules: BTreeMap<String, String>,
}

impl Knowledge {
    /// What is known in this folder.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, writing: Mutex::new(()) }
    }

    /// Where seats that run this script note what they have imported.
    pub(super) fn learned_path(&self, python: &Path, script: &Path) -> PathBuf {
        let name = digest(format!("{}\0{}", python.display(), script.display()).as_bytes());
        self.folder.join(format!("learned.{name}.json"))
    }

    /// What the next template of these scripts is told: what the one before was, and what seats have
    /// imported since.
    pub(super) fn given(
        &self,
        recipe: &Recipe,
        scripts: BTreeSet<PathBuf>,
        before: Option<&Given>,
    ) -> Given {
        let mut learned = before.map(|given| given.learned.clone()).unwrap_or_default();
        let mut known: BTreeSet<String> = learned.iter().cloned().collect();
        for script in &scripts {
            let seen = self.learned(&recipe.python, script).unwrap_or_default();
            learned.extend(seen.modules.into_iter().filter(|name| known.insert(name.clone())));
        }
        learned.truncate(NAMES_MAX);
        Given { scripts, learned }
    }

    /// How many modules seats have imported that a template which was given this could have
    /// imported ahead.
    pub(super) fn missing(&self, recipe: &Recipe, given: &Given, left_out: &[String]) -> usize {
        let known: BTreeSet<&String> = given.learned.iter().collect();
        let is_missing = |name: &String| !known.contains(name) && !covers(left_out, name);
        let missing: BTreeSet<String> = given
            .scripts
            .iter()
            .filter_map(|script| self.learned(&recipe.python, script))
            .flat_map(|learned| learned.new)
            .filter(is_missing)
            .collect();
        missing.len()
    }

    /// Modules that are not to be imported ahead as long as the same is installed.
    pub(super) fn excluded(&self, recipe: &Recipe) -> Vec<String> {
        self.unfit(recipe).modules.into_keys().collect()
    }

    /// Notes a module that is not to be imported ahead.
    pub(super) fn exclude(&self, recipe: &Recipe, excluded: &Excluded) {
        let _one_at_a_time = self.writing.lock();
        let mut unfit = self.unfit(recipe);
        let because = format!("{}: {}", excluded.because, excluded.detail);
        unfit.modules.insert(excluded.module.clone(), because);
        let path = self.unfit_path(recipe);
        let written = serde_json::to_vec_pretty(&unfit)
            .map_err(io::Error::from)
            .and_then(|text| files::replace_private(&path, &text));
        if let Err(error) = written {
            log::warn!("{} is not written: {error}", path.display());
        }
    }

    fn learned(&self, python: &Path, script: &Path) -> Option<Learned> {
        let learned: Learned = read(&self.learned_path(python, script))?;
        (learned.version == 1).then_some(learned)
    }

    fn unfit(&self, recipe: &Recipe) -> Unfit {
        let surroundings = recipe.surroundings();
        read(&self.unfit_path(recipe))
            .filter(|unfit: &Unfit| unfit.surroundings == surroundings)
            .unwrap_or(Unfit { surroundings, modules: BTreeMap::new() })
    }

    fn unfit_path(&self, recipe: &Recipe) -> PathBuf {
        let name = digest(recipe.python.as_os_str().as_encoded_bytes());
        self.folder.join(format!("excluded.{name}.json"))
    }
}

/// Whether so many new modules are worth another template than one with so many seats.
pub(super) fn is_worth_a_template(missing: usize, seats: usize) -> bool {
    missing >= if seats == 0 { WORTH_A_TEMPLATE_WITHOUT_SEATS } else { WORTH_A_TEMPLATE }
}

/// Whether one of the names is the module's, or that of a package around it.
fn covers(names: &[String], module: &str) -> bool {
    names.iter().any(|name| {
        module
            .strip_prefix(name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    if fs::metadata(path).ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(python: &Path) -> Recipe {
        Recipe {
            python: python.to_owned(),
            package: "/none/streamlit".into(),
            environment: BTreeMap::new(),
            working_directory: "/".into(),
            preload: Vec::new(),
        }
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_seats_imported_adds_up_and_keeps_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let knowledge = Knowledge::in_folder(folder.path().to_owned());
        let recipe = recipe(Path::new("/python"));
        let scripts = BTreeSet::from(["/a.py".into(), "/b.py".into(), "/none.py".into()]);
        let write = |script: &str, text: &str| {
            let path = knowledge.learned_path(&recipe.python, Path::new(script));
            fs::write(path, text).unwrap();
        };
        write("/a.py", r#"{"version": 1, "modules": ["z", "y", "x"], "new": ["x", "p.q"]}"#);
        write("/b.py", r#"{"version": 1, "modules": ["x", "w"], "new": ["w", "pq"]}"#);
        let before = Given { learned: names("y v"), ..Given::default() };
        let given = knowledge.given(&recipe, scripts.clone(), Some(&before));
        assert_eq!(given, Given { scripts, learned: names("y v z x w") });
        let first = Given { learned: Vec::new(), ..given.clone() };
        assert_eq!(knowledge.missing(&recipe, &first, &[]), 4);
        assert_eq!(knowledge.missing(&recipe, &first, &names("p x")), 2);
        assert_eq!(knowledge.missing(&recipe, &given, &names("p pq")), 0);
        for nonsense in ["", "{}", "[]", r#"{"version": 2, "modules": ["n"], "new": ["n"]}"#] {
            write("/a.py", nonsense);
            assert_eq!(knowledge.missing(&recipe, &first, &[]), 2, "{nonsense}");
        }
    }

    #[test]
    fn what_was_excluded_is_so_until_something_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        fs::write(&python, "one").unwrap();
        let knowledge = Knowledge::in_folder(folder.path().to_owned());
        let recipe = recipe(&python);
        assert!(knowledge.excluded(&recipe).is_empty());
        for module in ["polars", "grpc"] {
            let (because, detail) = ("thread".to_owned(), "jemalloc".to_owned());
            let module = module.to_owned();
            knowledge.exclude(&recipe, &Excluded { module, because, detail });
        }
        assert_eq!(knowledge.excluded(&recipe), names("grpc polars"));
        let other = folder.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(other, python).unwrap();
        assert!(knowledge.excluded(&recipe).is_empty());
    }

    #[test]
    fn a_few_new_modules_are_worth_a_template_only_where_nobody_shares_pages() {
        for (missing, seats, worth) in
            [(0, 0, false), (15, 0, false), (16, 0, true), (63, 1, false), (64, 1, true)]
        {
            assert_eq!(is_worth_a_template(missing, seats), worth, "{missing} {seats}");
        }
    }
}
