//! The tests of the whole way from a text to a snapshot or its problems.

mod bad_apps;
mod bad_door;
mod bad_users;
mod bad_yaml;
mod certificates;
mod examples;
mod good;
mod random;

use std::path::Path;

use super::{Problem, Snapshot};

/// The shortest correct parts, for rows that are about something else.
const APPS: &str = "apps: {main: {script: s.py}}";
const USERS: &str = "users: [{name: minsu, role: admin, addresses: [10.0.0.1]}]";

/// A row's text with `@apps` and `@users` in full.
fn in_full(row: &str) -> String {
    row.replace("@apps", APPS).replace("@users", USERS)
}

/// Reads a text as that of a file.
fn parse(text: &str) -> Result<Snapshot, Vec<Problem>> {
    Snapshot::parse(Path::new("/nowhere/usher.yaml"), text)
}

/// Problems or warnings without the file's name.
fn told(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|problem| problem.to_string().replacen("/nowhere/usher.yaml:", "", 1))
        .collect()
}

/// Each row's text is refused, and exactly these problems are told.
fn assert_told(rows: &[(&str, &[&str])]) {
    for (row, expected) in rows {
        let problems = parse(&in_full(row)).err().unwrap_or_default();
        assert_eq!(told(&problems), *expected, "{row}");
    }
}
