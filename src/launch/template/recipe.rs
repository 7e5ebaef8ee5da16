//! What templates of one kind have in common: everything that a library could read when it is
//! imported. Apps with the same recipe share a template.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::config::App;
use crate::launch::environment::Environment;
use crate::launch::interpreter;
use crate::launch::script::Runnable;
use crate::launch::shared::digest;

/// See the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The interpreter.
    pub(super) python: PathBuf,
    /// Where its Streamlit is.
    pub(super) package: PathBuf,
    /// What it is started with; nothing of one user's.
    pub(super) environment: Environment,
    /// Where it is started.
    pub(super) working_directory: PathBuf,
    /// What the configuration wants to have imported.
    pub(super) preload: Vec<String>,
}

/// What one template was told to import, beside its recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Scripts whose imports it has read.
    pub(super) scripts: BTreeSet<PathBuf>,
    /// What seats were seen to import; the order counts.
    pub(super) learned: Vec<String>,
}

impl Recipe {
    /// The recipe of an app.
    pub(super) fn of(app: &App, preload: &[String], runnable: &Runnable) -> Self {
        Self {
            python: runnable.python.clone(),
            package: runnable.facts.package.clone(),
            environment: runnable.environment.clone(),
            working_directory: app.working_directory.clone(),
            preload: preload.to_vec(),
        }
    }

    /// A short name that is the same for the same recipe, in this usher and the next.
    pub(super) fn key(&self) -> String {
        let mut bytes = Vec::new();
        let mut add = |part: &OsStr| {
            bytes.extend(part.len().to_le_bytes());
            bytes.extend(part.as_encoded_bytes());
        };
        for part in [&self.python, &self.package, &self.working_directory] {
            add(part.as_os_str());
        }
        self.preload.iter().for_each(|name| add(OsStr::new(name)));
        for (name, value) in &self.environment {
            add(name);
            add(value);
        }
        digest(&bytes)
    }

    /// What is installed, as far as a look from outside tells.
    pub(super) fn surroundings(&self) -> String {
        interpreter::surroundings(&self.python, &self.package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_changes_with_each_part() {
        let recipe = Recipe {
            python: "/p".into(),
            package: "/s".into(),
            environment: Environment::from([("A".into(), "b".into())]),
            working_directory: "/w".into(),
            preload: vec!["m".to_owned()],
        };
        let key = |change: fn(&mut Recipe)| {
            let mut changed = recipe.clone();
            change(&mut changed);
            changed.key()
        };
        let keys = [
            recipe.key(),
            key(|it| it.python = "/q".into()),
            key(|it| it.package = "/t".into()),
            key(|it| it.environment = Environment::from([("Ab".into(), "".into())])),
            key(|it| it.working_directory = "/v".into()),
            key(|it| it.preload = vec!["m".to_owned(), String::new()]),
        ];
        assert_eq!(BTreeSet::from(keys.clone()).len(), keys.len());
        assert_eq!(recipe.key(), key(|_| ()));
    }
}
