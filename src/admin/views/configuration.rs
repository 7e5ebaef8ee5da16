//! The configuration: what is in force, and what is wrong with the file as it is now.

use serde::Serialize;

use super::super::{Admin, json};
use crate::operate::InForce;

/// Settings that belong together.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct Group {
    /// The common beginning of their paths, such as `apps.main`; empty: settings of the file
    /// itself.
    pub(in crate::admin) name: String,
    /// What follows it, with the value.
    pub(in crate::admin) settings: Vec<json::Setting>,
}

/// The page.
#[derive(Clone, Debug, Serialize)]
pub(in crate::admin) struct ConfigurationPage {
    pub(in crate::admin) configuration: json::Configuration,
    pub(in crate::admin) groups: Vec<Group>,
    pub(in crate::admin) users: usize,
    pub(in crate::admin) apps: usize,
}

impl Admin {
    pub(in crate::admin) fn configuration_page(&self, in_force: &InForce) -> ConfigurationPage {
        let configuration = self.configuration(in_force);
        ConfigurationPage {
            groups: groups(&configuration.settings),
            users: in_force.snapshot.users.len(),
            apps: in_force.snapshot.apps.len(),
            configuration,
        }
    }
}

/// Groups in the order of their first setting.
pub(in crate::admin) fn groups(settings: &[json::Setting]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for setting in settings {
        let (name, rest) = split(&setting.path);
        let setting = json::Setting { path: rest.to_owned(), value: setting.value.clone() };
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.settings.push(setting),
            None => groups.push(Group { name: name.to_owned(), settings: vec![setting] }),
        }
    }
    groups
}

/// `apps.main.restart.within` belongs to `apps.main`, `limits.seats` to `limits`.
fn split(path: &str) -> (&str, &str) {
    let parts = if path.starts_with("apps.") { 2 } else { 1 };
    match path.match_indices('.').nth(parts - 1) {
        Some((at, _)) => (&path[..at], &path[at + 1..]),
        None => ("", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_grouped_by_what_they_are_about() {
        for (path, expected) in [
            ("listen", ("", "listen")),
            ("limits.seats", ("limits", "seats")),
            ("apps.main.title", ("apps.main", "title")),
            ("apps.main.restart.within", ("apps.main", "restart.within")),
            ("tls.certificates[0].key", ("tls", "certificates[0].key")),
        ] {
            assert_eq!(split(path), expected);
        }
        let setting = |path: &str| json::Setting { path: path.to_owned(), value: String::new() };
        let found = groups(&["listen", "limits.seats", "hosts", "limits.upload"].map(setting));
        let shape: Vec<_> =
            found.iter().map(|group| (group.name.as_str(), group.settings.len())).collect();
        assert_eq!(shape, [("", 2), ("limits", 2)]);
    }
}
