//! How Streamlit is told what it must know, the same whether its process is spawned or forked.
//!
//! Options are given as on its command line, where they win over its `config.toml` and environment.
//! Some the door depends on. The rest are defaults for somebody who has said nothing: an app's
//! `arguments`, `environment` or `config.toml` may say otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

use super::Launch;
use super::environment::Environment;
use crate::domain::Endpoint;

/// The name of the variable that signs Streamlit's cookies: an option on the command line could be
/// read by every account of the machine, and newer versions refuse it.
pub(super) const COOKIE_SECRET: &str = "STREAMLIT_SERVER_COOKIE_SECRET";

const MIB: u64 = 1024 * 1024;

/// A port to name where Streamlit must be told one and listens on a Unix socket.
const NO_PORT: u16 = 8501;

/// The sections of Streamlit's options: `--SECTION.name` among an app's arguments is Streamlit's,
/// as on its command line.
const SECTIONS: [&str; 11] = [
    "browser", "client", "global", "logger", "magic", "mapbox", "runner", "secrets", "server",
    "theme", "ui",
];

/// What people expect to be watched and reloaded, this option decides.
const WATCHER: &str = "server.fileWatcherType";

/// One launch of Streamlit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Options by name, as text; the installed version may lack some.
    pub(super) flags: BTreeMap<String, String>,
    /// What the script finds behind its own name.
    pub(super) arguments: Vec<String>,
    /// Whether somebody develops here, so that changes of files and of `config.toml` are to be
    /// noticed.
    pub(super) watches: bool,
}

impl Run {
    /// What a launch of this script on this endpoint needs.
    pub(super) fn new(
        launch: &Launch,
        script: &Path,
        arguments: &[String],
        endpoint: &Endpoint,
        environment: &Environment,
    ) -> Self {
        let (mut flags, arguments) = split(arguments);
        let said = said_in_files(&launch.app.working_directory, script, environment);
        for (name, value) in DEFAULTS {
            if !said.contains(name) && !environment.contains_key(OsStr::new(&variable(name))) {
                flags.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        let watches = flags.get(WATCHER).is_none_or(|kind| kind != "none");
        flags.extend(required(launch, endpoint));
        Self { flags, arguments, watches }
    }
}

/// What is better behind usher than Streamlit's own default: statistics are not sent, files that
/// nobody edits are not watched, and no 15 to 45 ms of garbage collection follow each interaction.
const DEFAULTS: [(&str, &str); 4] = [
    ("browser.gatherUsageStats", "false"),
    (WATCHER, "none"),
    ("runner.postScriptGC", "false"),
    ("logger.hideWelcomeMessage", "true"),
];

fn required(launch: &Launch, endpoint: &Endpoint) -> BTreeMap<String, String> {
    let port = match endpoint {
        Endpoint::Tcp(address) => address.port(),
        Endpoint::Unix(_) => NO_PORT,
    };
    let upload_mib = launch.upload_max_bytes.div_ceil(MIB).max(1);
    let mut flags = BTreeMap::from(
        [
            ("server.address", "127.0.0.1".to_owned()),
            ("server.port", port.to_string()),
            ("server.headless", "true".to_owned()),
            ("server.showEmailPrompt", "false".to_owned()),
            ("server.maxUploadSize", upload_mib.to_string()),
            (
                "server.trustedUserHeaders",
                r#"{"X-Usher-User":"name","X-Usher-Role":"role"}"#.to_owned(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let base = launch.base_path.trim_matches('/');
    if !base.is_empty() {
        flags.insert("server.baseUrlPath".to_owned(), base.to_owned());
    }
    flags
}

/// Streamlit's own options among an app's arguments, and the script's arguments. `--` ends the
/// former, as on the command line.
fn split(arguments: &[String]) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut flags, mut rest) = (BTreeMap::new(), Vec::new());
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        if argument == "--" {
            rest.extend(left.by_ref().cloned());
        } else if let Some(option) = own_option(argument) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (option, left.next().cloned().unwrap_or_default()),
            };
            flags.insert(name.to_owned(), value);
        } else {
            rest.push(argument.clone());
        }
    }
    (flags, rest)
}

fn own_option(argument: &str) -> Option<&str> {
    let option = argument.strip_prefix("--")?;
    let (section, _) = option.split_once('.')?;
    SECTIONS.contains(&section).then_some(option)
}

/// The variable that sets an option: `server.fileWatcherType` is
/// `STREAMLIT_SERVER_FILE_WATCHER_TYPE`.
fn variable(option: &str) -> String {
    let mut name = String::from("STREAMLIT_");
    let mut before = '.';
    for character in option.chars() {
        // `postScriptGC` is POST_SCRIPT_GC: only the first capital of several starts a word.
        if character.is_ascii_uppercase() && !before.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(if character == '.' { '_' } else { character.to_ascii_uppercase() });
        before = character;
    }
    name
}

/// The options that a `config.toml` of Streamlit's sets, of the three that count.
fn said_in_files(
    working_directory: &Path,
    script: &Path,
    environment: &Environment,
) -> BTreeSet<String> {
    let home = environment.get(OsStr::new("HOME")).map(Path::new);
    [home, Some(working_directory), script.parent()]
        .into_iter()
        .flatten()
        .filter_map(|folder| std::fs::read_to_string(folder.join(".streamlit/config.toml")).ok())
        .flat_map(|text| names_in(&text))
        .collect()
}

/// The full names of the keys that a simple TOML file sets. No more of TOML is understood than the
/// one form that Streamlit's documentation shows, and the dotted one.
fn names_in(text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut names = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = format!("{}.", name.trim());
        } else if let Some((key, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            names.push(format!("{section}{}", key.trim()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_among_the_arguments_are_streamlits() {
        let given = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (arguments, options, rest) in [
            ("", vec![], ""),
            ("a --mode fast", vec![], "a --mode fast"),
            ("--server.fileWatcherType=auto a", vec![("server.fileWatcherType", "auto")], "a"),
            ("a --theme.base dark b", vec![("theme.base", "dark")], "a b"),
            ("-- --theme.base dark", vec![], "--theme.base dark"),
            ("--model.rate 3 -- --", vec![], "--model.rate 3 --"),
        ] {
            let (flags, left) = split(&given(arguments));
            let options =
                options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            assert_eq!((flags, left), (options.collect(), given(rest)), "{arguments}");
        }
    }

    #[test]
    fn variables_are_named_as_streamlit_names_them() {
        for (option, expected) in [
            ("server.fileWatcherType", "STREAMLIT_SERVER_FILE_WATCHER_TYPE"),
            ("runner.postScriptGC", "STREAMLIT_RUNNER_POST_SCRIPT_GC"),
            ("server.enableCORS", "STREAMLIT_SERVER_ENABLE_CORS"),
            ("server.cookieSecret", COOKIE_SECRET),
        ] {
            assert_eq!(variable(option), expected);
        }
    }

    #[test]
    fn what_a_file_sets_is_seen() {
        let text = "# x.y = 1\n[server]\nfileWatcherType = \"auto\" # why\n#port=1\n\n[ runner ]\n\
                    postScriptGC=true\n[[x]]\n";
        assert_eq!(names_in(text), ["server.fileWatcherType", "runner.postScriptGC"]);
        assert_eq!(names_in("browser.gatherUsageStats = true"), ["browser.gatherUsageStats"]);
    }
}
