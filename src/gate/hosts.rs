//! Which `Host` names the door answers to. An attacker can point a name of their own at this
//! address, and a browser would then carry the visitor's address to us from the attacker's page;
//! so names that nobody configured are refused (421).

use std::net::IpAddr;

/// The names that are always ours.
#[derive(Clone, Debug)]
pub(super) struct OwnNames {
    names: Vec<String>,
}

impl OwnNames {
    /// `localhost` and the machine's own names: its host name, and the part before the first dot.
    pub(super) fn new(host_name: &str) -> Self {
        let full = host_name.trim().trim_end_matches('.').to_ascii_lowercase();
        let mut names = vec!["localhost".to_owned()];
        if let Some((short, _)) = full.split_once('.') {
            names.push(short.to_owned());
        }
        names.push(full);
        names.retain(|name| !name.is_empty());
        Self { names }
    }

    /// Whether the door answers to this host (without a port).
    pub(super) fn answers_to(&self, host: &str, configured: &[String]) -> bool {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() {
            return true;
        }
        let host = bare.strip_suffix('.').unwrap_or(bare);
        let is_host = |name: &String| name.eq_ignore_ascii_case(host);
        self.names.iter().any(is_host)
            || configured.iter().any(is_host)
            || host.to_ascii_lowercase().ends_with(".localhost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_door_answers_to() {
        let own = OwnNames::new("Server1.lab.example\n");
        let configured = vec!["apps.example.org".to_owned()];
        for (host, answered) in [
            ("127.0.0.1", true),
            ("[::1]", true),
            ("192.168.1.7", true),
            ("localhost", true),
            ("LOCALHOST", true),
            ("app.localhost", true),
            ("server1", true),
            ("server1.lab.example", true),
            ("server1.lab.example.", true),
            ("apps.example.org", true),
            ("Apps.Example.org", true),
            ("x.apps.example.org", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("server1.evil.example", false),
        ] {
            assert_eq!(own.answers_to(host, &configured), answered, "{host}");
        }
    }
}
