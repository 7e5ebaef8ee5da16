//! The details of what is recorded beside the notes of seats, each with its English text and its
//! clauses. The notes make theirs in `supervise`, and what became of sessions is said in `trust`.

use super::{Clause, Detail, Word};
use crate::domain::UserName;

impl Detail {
    /// All connections of a user were closed, so many.
    pub fn user_kicked(user: &UserName, closed: usize) -> Self {
        let clause = match closed {
            0 => Clause::NobodyKicked { user: user.to_string() },
            closed => Clause::UserKicked { user: user.to_string(), count: closed as u64 },
        };
        Self::new(format!("{user}: {closed} WebSockets closed"), vec![clause])
    }

    /// The connections of a seat were closed, so many.
    pub fn seat_kicked(closed: usize) -> Self {
        let clause = match closed {
            0 => Clause::NoneClosed {},
            closed => Clause::Closed { count: closed as u64 },
        };
        Self::new(format!("{closed} WebSockets closed"), vec![clause])
    }

    /// A notice with this text was put up.
    pub fn notice(text: &str) -> Self {
        Self::new(text, vec![Clause::Notice { text: text.to_owned() }])
    }

    /// Usher is to hand over to the program at this path.
    pub fn upgrade(path: &str) -> Self {
        Self::new(path, vec![Clause::Upgrade { path: path.to_owned() }])
    }

    /// A configuration was applied, with these changes.
    pub fn reloaded(changes: &[String]) -> Self {
        let told = changes.join("; ");
        let count = Clause::Reloaded { count: changes.len() as u64 };
        Self::new(told.clone(), vec![count, Clause::Changes { changes: told }])
    }

    /// A configuration was refused: its first problem, and how many there are.
    pub fn reload_refused(first: &str, problems: usize) -> Self {
        let count = Clause::ReloadRefused { count: problems as u64 };
        Self::new(first, vec![count, Clause::Problem { problem: first.to_owned() }])
    }

    /// The certificate in this file expires in so many days; none: it has.
    pub fn certificate_expires(text: String, file: String, days: Option<u64>) -> Self {
        let clause = match days {
            Some(days) => Clause::CertificateExpires { file, days },
            None => Clause::CertificateExpired { file },
        };
        Self::new(text, vec![clause])
    }

    /// A copy of the database was made.
    pub fn backup_made(path: &str, size_bytes: u64) -> Self {
        let clause = Clause::BackupMade { path: path.to_owned(), size: size_bytes };
        Self::new(format!("{path} ({size_bytes} bytes)"), vec![clause])
    }

    /// A copy of the database was not made.
    pub fn backup_failed(cause: &str) -> Self {
        Self::new(cause, vec![Clause::Cause { cause: cause.to_owned() }])
    }

    /// A broken database was set aside.
    pub fn set_aside(cause: &str, path: &str) -> Self {
        let aside = Clause::SetAside { path: path.to_owned() };
        let text = format!("{cause}; set aside as {path}");
        Self::new(text, vec![aside, Clause::Cause { cause: cause.to_owned() }])
    }

    /// A request was turned away: why, by its code and by the headline of its page.
    pub fn turned_away(code: &str, why: Word, request: String) -> Self {
        Self::new(format!("{code}: {request}"), vec![Clause::TurnedAway { why, request }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_english_text_is_the_one_that_tools_know() {
        let user = UserName::new("minsu").expect("a name");
        let changes = ["apps: lab added", "users: hana added"].map(str::to_owned);
        let why = Word::of("restricted", "stranger.title");
        for (detail, text) in [
            (Detail::user_kicked(&user, 2), "minsu: 2 WebSockets closed"),
            (Detail::user_kicked(&user, 0), "minsu: 0 WebSockets closed"),
            (Detail::seat_kicked(1), "1 WebSockets closed"),
            (Detail::notice("lunch"), "lunch"),
            (Detail::reloaded(&changes), "apps: lab added; users: hana added"),
            (Detail::reload_refused("a.yaml:1:1: bad", 3), "a.yaml:1:1: bad"),
            (Detail::backup_made("/b/a.db", 4096), "/b/a.db (4096 bytes)"),
            (Detail::set_aside("malformed", "a.corrupt"), "malformed; set aside as a.corrupt"),
            (Detail::turned_away("stranger", why, "GET /".to_owned()), "stranger: GET /"),
        ] {
            assert_eq!(detail.text(), text);
            assert!(!detail.clauses().is_empty(), "{text}");
        }
    }
}
