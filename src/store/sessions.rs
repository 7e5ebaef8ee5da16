//! Sessions in a file of their own, `sessions.db` beside the database of the account. Apart,
//! because signing out has to be on the disk before it is said to be done while the account may
//! lag, because a copy of the account is no place for sessions, and because a broken account is no
//! reason to sign everybody out.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use crate::domain::UserName;
use crate::identify::Proofs;
use crate::platform::files;
use crate::trust::sessions::{Changes, Contents, Credential, Kept, Shelf, ShelfError};
use crate::trust::totp::Step;

/// The version that this usher reads and writes.
const SCHEMA: u32 = 1;
/// How long to wait for a lock: an earlier usher may still be writing.
const PATIENCE: Duration = Duration::from_secs(2);
/// More sessions than this are not read: so many users do not exist.
const SESSIONS_MAX: usize = 1_000_000;

/// The file.
pub struct SqliteShelf {
    path: PathBuf,
    /// `None`: a full disk had no room to open it for writing, which each write tries again.
    connection: Mutex<Option<Connection>>,
}

impl SqliteShelf {
    /// Opens or makes the file. One that cannot be read is set aside, and everybody signs in again;
    /// one that can only not be written, for want of space, is read.
    ///
    /// # Errors
    /// There can be no such file.
    pub fn open(path: &Path) -> Result<Self, ShelfError> {
        let connection = match connect(path) {
            Ok(connection) => Some(connection),
            Err(error) if look(path).is_ok() => {
                log::warn!("{}: {error}; who signs in is not kept for now", path.display());
                None
            }
            Err(error) => Some(begin_anew(path, error)?),
        };
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }
}

/// Puts what cannot be read out of the way.
fn begin_anew(path: &Path, error: rusqlite::Error) -> Result<Connection, ShelfError> {
    let code = error.sqlite_error_code();
    if matches!(code, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)) {
        // Nothing is wrong with the file.
        return Err(told(error));
    }
    let aside =
        set_aside(path).map_err(|rename| ShelfError(format!("{error}; it stays: {rename}")))?;
    log::warn!("{}: {error}; it is {} now", path.display(), aside.display());
    connect(path).map_err(told)
}

fn told(error: rusqlite::Error) -> ShelfError {
    ShelfError(error.to_string())
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Nobody else's business from its first byte. If that cannot be, SQLite says why.
    let _ = files::append_private(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    // What was deleted is not to be read out of the file.
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(include_str!("schema/sessions.sql"))?;
            transaction.pragma_update(None, "user_version", SCHEMA)?;
        }
        SCHEMA => {
            transaction.query_row("SELECT count(*) FROM sessions", [], |_| Ok(()))?;
        }
        _ => return Err(rusqlite::Error::InvalidParameterName("a newer usher wrote it".into())),
    }
    transaction.commit()?;
    Ok(connection)
}

/// A connection that only reads, and needs no file beside the one that is whole.
fn look(path: &Path) -> rusqlite::Result<Connection> {
    if std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.is_file() && log.len() > 0) {
        return Err(rusqlite::Error::InvalidPath(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != SCHEMA {
        return Err(rusqlite::Error::InvalidPath(path.to_owned()));
    }
    connection.query_row("SELECT count(*) FROM sessions", [], |_| Ok(()))?;
    Ok(connection)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The name under which an unreadable file is kept; an earlier one is replaced.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = beside(path, ".unreadable");
    std::fs::rename(path, &aside)?;
    for part in ["-wal", "-shm"] {
        match std::fs::remove_file(beside(path, part)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

impl Shelf for SqliteShelf {
    fn load(&self) -> Result<Contents, ShelfError> {
        let connection = self.connection.lock();
        let load = |connection: &Connection| -> rusqlite::Result<Contents> {
            let mut statement = connection.prepare(
                "SELECT hash, user, password, oidc, credential, began_at, used_at, address, \
                 browser FROM sessions",
            )?;
            let rows = statement.query_map([], |row| Ok(kept(row)))?;
            let mut sessions = Vec::new();
            for row in rows.take(SESSIONS_MAX) {
                // A row that makes no sense is nobody's session.
                sessions.extend(row?);
            }
            let mut statement = connection.prepare("SELECT user, step FROM used_steps")?;
            let rows = statement.query_map([], |row| {
                let name: String = row.get(0)?;
                Ok(UserName::new(&name).ok().zip(row.get(1).map(Step).ok()))
            })?;
            let mut used_steps = Vec::new();
            for row in rows {
                used_steps.extend(row?);
            }
            Ok(Contents { sessions, used_steps })
        };
        match &*connection {
            Some(connection) => load(connection),
            None => look(&self.path).and_then(|connection| load(&connection)),
        }
        .map_err(told)
    }

    fn write(&self, changes: &Changes) -> Result<(), ShelfError> {
        let mut connection = self.connection.lock();
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.path).map_err(told)?),
        };
        let write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            for session in &changes.kept {
                keep(&transaction, session)?;
            }
            for hash in &changes.ended {
                let mut statement =
                    transaction.prepare_cached("DELETE FROM sessions WHERE hash = ?")?;
                statement.execute([hash.as_slice()])?;
            }
            for (user, step) in &changes.used_steps {
                let mut statement = transaction
                    .prepare_cached("INSERT OR REPLACE INTO used_steps VALUES (?, ?)")?;
                statement.execute(params![user.as_str(), step.0])?;
            }
            transaction.commit()
        };
        write(connection).map_err(told)
    }
}

fn keep(connection: &Connection, session: &Kept) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    statement.execute(params![
        session.hash.as_slice(),
        session.user.as_str(),
        session.proven.password,
        session.proven.oidc,
        session.credential.0.as_slice(),
        session.began_at.0,
        session.used_at.0,
        session.address.to_string(),
        &*session.browser,
    ])?;
    Ok(())
}

fn kept(row: &Row<'_>) -> Option<Kept> {
    use crate::clock::Timestamp;
    let address: String = row.get(7).ok()?;
    let browser: String = row.get(8).ok()?;
    let user: String = row.get(1).ok()?;
    Some(Kept {
        hash: row.get(0).ok()?,
        user: UserName::new(&user).ok()?,
        proven: Proofs { address: false, password: row.get(2).ok()?, oidc: row.get(3).ok()? },
        credential: Credential(row.get(4).ok()?),
        began_at: Timestamp(row.get(5).ok()?),
        used_at: Timestamp(row.get(6).ok()?),
        address: address.parse::<IpAddr>().ok()?,
        browser: Arc::from(browser),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn session(number: u8, used_at: i64) -> Kept {
        Kept {
            hash: [number; 32],
            user: UserName::new("민수").expect("a name"),
            proven: Proofs { address: false, password: true, oidc: number == 2 },
            credential: Credential([9; 16]),
            began_at: Timestamp(5),
            used_at: Timestamp(used_at),
            address: "2001:db8::1".parse().expect("an address"),
            browser: "Firefox".into(),
        }
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.db");
        let step = |step| (UserName::new("민수").expect("a name"), Step(step));
        let shelf = SqliteShelf::open(&path).expect("opened");
        let first = Changes {
            kept: vec![session(1, 10), session(2, 10), session(3, 10)],
            ended: Vec::new(),
            used_steps: vec![step(7)],
        };
        shelf.write(&first).expect("written");
        let second = Changes {
            kept: vec![session(1, 99)],
            ended: vec![[3; 32], [4; 32]],
            used_steps: vec![step(8)],
        };
        shelf.write(&second).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(shelf);
        let shelf = SqliteShelf::open(&path).expect("opened again");
        let contents = shelf.load().expect("loaded");
        assert_eq!(contents.sessions, [session(1, 99), session(2, 10)]);
        assert_eq!(contents.used_steps, [step(8)]);
    }

    #[test]
    fn rows_that_make_no_sense_are_nobodys() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = SqliteShelf::open(&folder.path().join("sessions.db")).expect("opened");
        let changes = Changes { kept: vec![session(1, 10), session(2, 10)], ..Changes::default() };
        shelf.write(&changes).expect("written");
        shelf
            .connection
            .lock()
            .as_ref()
            .expect("open")
            .execute_batch(
                "UPDATE sessions SET address = 'nowhere' WHERE oidc;
                 INSERT INTO sessions VALUES (x'00', 'a', 1, 0, x'', 0, 0, '::1', '');
                 INSERT INTO sessions SELECT x'01', '', 1, 0, credential, 0, 0, '::1', '' \
                 FROM sessions LIMIT 1;",
            )
            .expect("written");
        assert_eq!(shelf.load().expect("loaded").sessions, [session(1, 10)]);
    }

    #[test]
    fn an_unreadable_file_is_set_aside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.db");
        std::fs::write(&path, "no database, but long enough to be taken for one".repeat(40))
            .expect("written");
        let shelf = SqliteShelf::open(&path).expect("opened");
        assert!(shelf.load().expect("loaded").sessions.is_empty());
        assert!(folder.path().join("sessions.db.unreadable").exists());
        let newer = |connection: &Connection| connection.pragma_update(None, "user_version", 9);
        shelf.connection.lock().as_ref().map(newer).expect("open").expect("written");
        drop(shelf);
        assert!(SqliteShelf::open(&path).is_ok(), "a newer usher's");
        assert!(SqliteShelf::open(&folder.path().join("missing/sessions.db")).is_err());
    }

    /// What a full disk refuses is the file beside it that is made when it is opened.
    #[test]
    fn a_file_that_can_only_not_be_written_is_read_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("50%?#.db");
        let kept = |number| Changes { kept: vec![session(number, 10)], ..Changes::default() };
        SqliteShelf::open(&path).expect("opened").write(&kept(1)).expect("written");
        let in_the_way = beside(&path, "-wal");
        std::fs::create_dir(&in_the_way).expect("a folder");
        assert!(connect(&path).is_err());
        let shelf = SqliteShelf::open(&path).expect("opened");
        assert_eq!(shelf.load().expect("loaded").sessions, [session(1, 10)]);
        assert!(shelf.write(&kept(2)).is_err());
        std::fs::remove_dir(&in_the_way).expect("out of the way");
        shelf.write(&kept(2)).expect("written");
        assert_eq!(shelf.load().expect("loaded").sessions, [session(1, 10), session(2, 10)]);
        assert!(!beside(&path, ".unreadable").exists());
    }
}
