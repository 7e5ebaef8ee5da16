//! Completes what a scenario writes into a configuration that one door can use.
//!
//! `$PLAIN(arguments)` is the command of the plain app, `$PORTS` the door's ports for seats,
//! `$PORT` the door's own, `$SPARE1` to `$SPARE9` further ports, `$PYTHON167` and `$PYTHON139`
//! interpreters, `$APPS` the folder of test apps, `$DOOR` the door's folder, `$USERS` minsu,
//! jiyoung and hana.

use std::path::Path;

use super::ports::Ports;
use super::{apps, python};

/// The three people that most scenarios know.
const USERS: &str = "[{name: minsu, role: admin, addresses: [127.0.0.1]}, \
    {name: jiyoung, role: user, addresses: [127.0.0.2]}, \
    {name: hana, role: user, addresses: [127.0.0.3]}]";

/// Puts values in the place of names, and adds where to listen and to keep state unless it is said.
pub(crate) fn fill(text: &str, ports: &Ports, folder: &Path) -> String {
    let (first, last) = ports.seats();
    let mut text = text.to_string();
    if !text.contains("\nlisten:") {
        text = format!("listen: [\"127.0.0.1:$PORT\"]\n{text}");
    }
    if !text.contains("\nstate_dir:") {
        text = format!("state_dir: var\n{text}");
    }
    text = fill_plain(&text).replace("$PORTS", &format!("{first}-{last}"));
    text = text.replace("$PORT", &ports.spare(0).to_string());
    for number in 1..10 {
        text = text.replace(&format!("$SPARE{number}"), &ports.spare(number).to_string());
    }
    for release in ["167", "139"] {
        let name = format!("$PYTHON{release}");
        if text.contains(&name) {
            text = text.replace(&name, &python(release));
        }
    }
    text.replace("$APPS", apps().to_str().expect("a path in UTF-8"))
        .replace("$DOOR", folder.to_str().expect("a path in UTF-8"))
        .replace("$USERS", USERS)
}

/// Puts the plain app's command in the place of `$PLAIN` and `$PLAIN(--mode exit)`.
fn fill_plain(text: &str) -> String {
    let mut parts = text.split("$PLAIN");
    let mut filled = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (arguments, rest) = match part.strip_prefix('(') {
            Some(inner) => inner.split_once(')').expect("$PLAIN(…) is closed"),
            None => ("", part),
        };
        filled += &plain_command(arguments);
        filled += rest;
    }
    filled
}

fn plain_command(arguments: &str) -> String {
    let words = ["$PYTHON167", "-I", "-S", "$APPS/plain.py", "--port", "{port}", "--door", "$DOOR"];
    let words = words.into_iter().chain(arguments.split_whitespace());
    format!("[{}]", words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
}
