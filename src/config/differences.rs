//! What is different between two snapshots, in words for whoever ordered a reload. Settings are
//! compared as the table of keys shows them, so none can be forgotten; users are compared by
//! field, and their secrets are never shown.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Fixed, Snapshot, User};

/// The most names of one kind in one line.
const NAMES_MAX: usize = 20;
/// Settings that are told by [`restarts`] instead.
const FIXED: [&str; 5] = ["listen", "tls.listen", "admin.listen", "threads", "state_dir"];

impl Snapshot {
    /// What applying `after` in place of this one changes, a line each; empty: nothing. What only
    /// a new start applies is told as such.
    pub fn differences(&self, after: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(users(self, after));
        lines.extend(apps(self, after));
        lines.extend(settings(self, after));
        lines.extend(certificates(self, after));
        lines.extend(environments(self, after));
        lines.extend(restarts(&self.fixed, &after.fixed));
        lines
    }
}

fn users(before: &Snapshot, after: &Snapshot) -> Option<String> {
    let old: HashMap<_, _> = before.users.iter().map(|u| (u.name.as_str(), &**u)).collect();
    let new: HashSet<_> = after.users.iter().map(|u| u.name.as_str()).collect();
    let mut added = Vec::new();
    let mut changed = Vec::new();
    for user in &after.users {
        match old.get(user.name.as_str()) {
            None => added.push(user.name.to_string()),
            Some(earlier) => {
                let keys = changed_keys(before, after, earlier, user);
                if !keys.is_empty() {
                    changed.push(format!("{} ({})", user.name, keys.join(", ")));
                }
            }
        }
    }
    let removed = before.users.iter().filter(|u| !new.contains(u.name.as_str()));
    let removed = removed.map(|u| u.name.to_string()).collect();
    line("users", [("added", added), ("changed", changed), ("removed", removed)])
}

fn changed_keys(before: &Snapshot, after: &Snapshot, old: &User, new: &User) -> Vec<&'static str> {
    // An app that came or went is told once, not at each user who may use all apps.
    let old_apps = old.apps.iter().filter(|slug| after.app(slug.as_str()).is_some());
    let new_apps = new.apps.iter().filter(|slug| before.app(slug.as_str()).is_some());
    let same_apps = old_apps.collect::<BTreeSet<_>>() == new_apps.collect::<BTreeSet<_>>();
    [
        ("role", old.role == new.role),
        ("addresses", old.addresses == new.addresses),
        ("apps", same_apps),
        ("port", old.port == new.port),
        ("upstream", old.upstream == new.upstream),
        ("password", old.password == new.password),
        ("totp", old.totp == new.totp),
        ("login", old.login == new.login),
        ("proofs", old.proofs == new.proofs),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(key, _)| key)
    .collect()
}

fn apps(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let missing_in = |from: &Snapshot, other: &Snapshot| -> Vec<String> {
        let slugs = from.apps.iter().map(|app| &app.slug);
        slugs.filter(|slug| other.app(slug.as_str()).is_none()).map(ToString::to_string).collect()
    };
    let mut lines: Vec<_> = line(
        "apps",
        [
            ("added", missing_in(after, before)),
            ("changed", Vec::new()),
            ("removed", missing_in(before, after)),
        ],
    )
    .into_iter()
    .collect();
    if let (Some(old), Some(new)) = (before.apps.first(), after.apps.first())
        && old.slug != new.slug
    {
        lines.push(format!("apps: the first is {} instead of {}", new.slug, old.slug));
    }
    lines
}

fn line(what: &str, parts: [(&str, Vec<String>); 3]) -> Option<String> {
    let part = |(verb, names): (&str, Vec<String>)| {
        let more = names.len().saturating_sub(NAMES_MAX);
        let shown = names.into_iter().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
        match (shown.is_empty(), more) {
            (true, _) => None,
            (false, 0) => Some(format!("{verb} {shown}")),
            (false, more) => Some(format!("{verb} {shown} and {more} more")),
        }
    };
    let parts: Vec<_> = parts.into_iter().filter_map(part).collect();
    if parts.is_empty() { None } else { Some(format!("{what}: {}", parts.join("; "))) }
}

/// Files of the same name in which there is something else.
fn certificates(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let (Some(old), Some(new)) = (&before.tls, &after.tls) else { return Vec::new() };
    let mut lines = Vec::new();
    for files in &new.certificates {
        let earlier = old.certificates.iter().find(|had| had.certificate == files.certificate);
        if earlier.is_some_and(|had| had.chain != files.chain) {
            let until = files.chain.until_day();
            lines.push(format!("{}: renewed, until {until}", files.certificate.display()));
        }
    }
    if let (Some((had, old)), Some((file, new))) = (&old.client_ca, &new.client_ca)
        && had == file
        && old != new
    {
        lines.push(format!("{}: other authorities", file.display()));
    }
    lines
}

fn settings(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let in_both = |path: &str| match path.strip_prefix("apps.").and_then(|p| p.split('.').next()) {
        Some(slug) => before.app(slug).is_some() && after.app(slug).is_some(),
        None => !FIXED.contains(&path),
    };
    let values = |snapshot: &Snapshot| -> BTreeMap<String, String> {
        snapshot.in_force.iter().map(|s| (s.path.clone(), s.value.clone())).collect()
    };
    let (old, new) = (values(before), values(after));
    let told = after.in_force.iter().filter(|s| in_both(&s.path)).filter_map(|setting| {
        let (path, now) = (&setting.path, &setting.value);
        match old.get(path) {
            Some(then) if then == now => None,
            Some(then) => Some(format!("{path}: {then} → {now}")),
            None => Some(format!("{path}: {now} (new)")),
        }
    });
    let gone = before
        .in_force
        .iter()
        .filter(|s| in_both(&s.path) && !new.contains_key(&s.path))
        .map(|s| format!("{}: {} (removed)", s.path, s.value));
    told.chain(gone).collect()
}

/// Values of variables are not shown, so a changed one needs a line of its own.
fn environments(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for app in &after.apps {
        let Some(old) = before.app(app.slug.as_str()) else { continue };
        let changed: Vec<_> = app
            .environment
            .iter()
            .filter(|(name, value)| old.environment.get(*name).is_some_and(|old| old != *value))
            .map(|(name, _)| name.as_str())
            .collect();
        if !changed.is_empty() {
            lines.push(format!("apps.{}.environment: changed {}", app.slug, changed.join(", ")));
        }
    }
    lines
}

fn restarts(before: &Fixed, after: &Fixed) -> Vec<String> {
    let addresses = |list: &[std::net::SocketAddr]| {
        let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
        format!("[{}]", shown.join(", "))
    };
    let shown = |fixed: &Fixed| {
        [
            addresses(&fixed.listen),
            addresses(&fixed.tls_listen),
            addresses(&fixed.admin_listen),
            fixed.threads.to_string(),
            fixed.state_dir.display().to_string(),
        ]
    };
    FIXED
        .iter()
        .zip(shown(before).iter().zip(shown(after)))
        .filter(|(_, (old, new))| *old != new)
        .map(|(key, (old, new))| format!("{key}: {old} → {new} (only a restart applies this)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    fn of(text: &str) -> Snapshot {
        let file = std::path::Path::new("/nowhere/usher.yaml");
        Snapshot::parse(file, text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    const BEFORE: &str = "
apps:
  main: {script: a.py, environment: {MODE: one, KEY: x}}
  old: {command: [run, '{port}']}
users:
- {name: minsu, role: admin, addresses: [10.0.0.1]}
- {name: jiyoung, addresses: [10.0.0.2]}
- {name: gone, addresses: [10.0.0.3]}
";

    #[test]
    fn what_changed_is_said_in_words() {
        for (old, new, expected) in [
            ("", "", &[][..]),
            ("script: a.py", "idle_timeout: 1800s, script: a.py", &[]),
            ("name: jiyoung, a", "name: hana, a", &["users: added hana; removed jiyoung"]),
            (
                "jiyoung, addresses: [10.0.0.2]",
                "jiyoung, addresses: [10.0.0.9], port: 8500",
                &["users: changed jiyoung (addresses, port)"],
            ),
            ("role: admin", "role: user", &["users: changed minsu (role)"]),
            ("  old:", "  new:", &["apps: added new; removed old"]),
            (
                "script: a.py",
                "idle_timeout: 1h, script: b.py",
                &["apps.main.script: a.py → b.py", "apps.main.idle_timeout: 30m → 1h"],
            ),
            ("KEY: x", "KEY: secret", &["apps.main.environment: changed KEY"]),
            ("MODE: one, KEY: x", "MODE: one", &["apps.main.environment: {KEY, MODE} → {MODE}"]),
            (
                "users:",
                "listen: ['127.0.0.1:9']\nthreads: 7\nlanguage: ko\nusers:",
                &[
                    "language: auto → ko",
                    "listen: [0.0.0.0:8000] → [127.0.0.1:9] (only a restart applies this)",
                    "threads: THREADS → 7 (only a restart applies this)",
                ],
            ),
            (
                "users:",
                "directory: /\nusers:",
                &[
                    "directory: . → /",
                    "state_dir: /nowhere/var → /var (only a restart applies this)",
                ],
            ),
        ] {
            let before = of(BEFORE);
            let after = of(&BEFORE.replacen(old, new, 1));
            let threads = before.fixed.threads.to_string();
            let expected: Vec<_> =
                expected.iter().map(|line| line.replace("THREADS", &threads)).collect();
            assert_eq!(before.differences(&after), expected, "{old} → {new}");
        }
    }

    #[test]
    fn an_app_that_is_first_now_is_told() {
        let before = of(BEFORE);
        let after = of(&BEFORE.replace("  main:", "  zero: {script: z.py}\n  main:"));
        assert_eq!(
            before.differences(&after),
            ["apps: added zero", "apps: the first is zero instead of main"]
        );
    }

    #[test]
    fn every_key_of_a_user_is_compared() {
        let before = of(BEFORE);
        let user = &before.users[0];
        let other = User {
            name: user.name.clone(),
            role: crate::domain::Role::User,
            addresses: Vec::new(),
            login: Some("x".to_owned()),
            port: Some(1),
            upstream: "127.0.0.1:1".parse().ok(),
            apps: Vec::new(),
            password: Some("x".to_owned()),
            totp: Some("x".to_owned()),
            proofs: Vec::new(),
        };
        let mut compared = changed_keys(&before, &before, user, &other);
        let mut known: Vec<_> = keys::USER.keys.iter().map(|key| key.name()).collect();
        known.retain(|key| *key != "name");
        compared.sort_unstable();
        known.sort_unstable();
        assert_eq!(compared, known);
    }

    #[test]
    fn every_fixed_key_is_in_the_table() {
        let names: Vec<String> = keys::sections()
            .iter()
            .flat_map(|section| {
                section.keys.iter().map(|key| match section.pattern {
                    "" => key.name().to_owned(),
                    pattern => format!("{pattern}.{}", key.name()),
                })
            })
            .collect();
        assert!(FIXED.iter().all(|fixed| names.iter().any(|name| name == fixed)));
    }
}
