//! The schema: numbered files, applied in order, each once. The file's `user_version` says how far
//! it is. A migration that was released is never changed; a change is a new file.

use rusqlite::{Connection, TransactionBehavior};

use super::failed;
use crate::store::StoreError;

/// The migrations in order; the first makes version 1.
const MIGRATIONS: [&str; 3] = [
    include_str!("../schema/0001.sql"),
    include_str!("../schema/0002.sql"),
    include_str!("../schema/0003.sql"),
];

/// The newest version that this usher knows.
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// How far the file is; 0 is an empty one.
fn version(connection: &Connection) -> Result<u32, StoreError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed("reading the schema's version"))
}

/// Whether this usher can make something of the file.
fn must_be_known(connection: &Connection) -> Result<u32, StoreError> {
    match version(connection)? {
        found if found > KNOWN => Err(StoreError::NewerSchema { found, known: KNOWN }),
        found => Ok(found),
    }
}

/// Whether the file is as this usher needs it for reading.
pub(super) fn must_be_newest(connection: &Connection) -> Result<(), StoreError> {
    match must_be_known(connection)? {
        KNOWN => Ok(()),
        found => Err(StoreError::OlderSchema { found, known: KNOWN }),
    }
}

/// Brings the file to the newest version, in one transaction. Says what it was before.
pub(super) fn migrate(connection: &mut Connection) -> Result<u32, StoreError> {
    migrate_to(connection, KNOWN)
}

fn migrate_to(connection: &mut Connection, wanted: u32) -> Result<u32, StoreError> {
    let doing = "bringing the database up to date";
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed(doing))?;
    // Inside the transaction, because two processes may begin at once.
    let before = must_be_known(&transaction)?;
    for (number, sql) in (1_u32..).zip(MIGRATIONS) {
        if number > before && number <= wanted {
            transaction.execute_batch(sql).map_err(failed(doing))?;
            transaction.pragma_update(None, "user_version", number).map_err(failed(doing))?;
        }
    }
    transaction.commit().map_err(failed(doing))?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::{Actor, Clause, Detail};
    use crate::store::sqlite::{Database, SqliteJournal};
    use crate::store::{Batch, ClauseRow, EventQuery, EventRecord, Journal, Reports};

    #[test]
    fn an_older_file_is_brought_up_to_date_and_keeps_its_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(migrate_to(&mut connection, 1).unwrap(), 0);
        assert_eq!(version(&connection).unwrap(), 1);
        connection
            .execute_batch(
                "INSERT INTO visits VALUES (7, 1, 'minsu', 'main', 'admin', '127.0.0.1', 'Chrome', \
                 1000, 2000, 2000, 900, 0, 3, 10, 20, 'left')",
            )
            .unwrap();
        assert_eq!(migrate(&mut connection).unwrap(), 1);
        assert_eq!(version(&connection).unwrap(), KNOWN);
        let kept: (i64, String, i64) = connection
            .query_row("SELECT id, user, dwell_ms FROM visits", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(kept, (7, "minsu".to_owned(), 900));
        let digests: i64 =
            connection.query_row("SELECT count(*) FROM digests", [], |row| row.get(0)).unwrap();
        assert_eq!(digests, 0);
        assert_eq!(migrate(&mut connection).unwrap(), KNOWN, "the second time nothing is done");
    }

    #[test]
    fn an_event_of_an_older_file_keeps_its_text_and_a_new_one_has_clauses() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::at(folder.path().join("usher.db"));
        let mut connection = Connection::open(database.path()).unwrap();
        migrate_to(&mut connection, 2).unwrap();
        let old = "INSERT INTO events (at, kind, actor, detail) \
            VALUES (1000, 'seat_gone', 'usher', 'as it was')";
        connection.execute_batch(old).unwrap();
        drop(connection);

        let mut journal = SqliteJournal::open(&database, Timestamp(0)).unwrap();
        let event = EventRecord {
            at: Timestamp(2000),
            kind: "seat_gone",
            actor: Actor::Usher,
            key: None,
            address: None,
            detail: Detail::new("as it is", vec![Clause::Gone {}]),
        };
        journal.write(&Batch { events: vec![event], ..Batch::default() }).unwrap();
        // Nor may a column that nobody can read cost the row.
        let odd = "INSERT INTO events (at, kind, actor, detail, clauses) \
            VALUES (3000, 'seat_gone', 'usher', 'newer', '[{\"code\": 7}]')";
        Connection::open(database.path()).unwrap().execute_batch(odd).unwrap();
        let rows = database.reports().events(&EventQuery::default()).unwrap().rows;
        let told: Vec<_> =
            rows.iter().map(|row| (row.detail.as_str(), row.clauses.clone())).collect();
        let gone = ClauseRow::from(&Clause::Gone {});
        assert_eq!(told, [("newer", vec![]), ("as it is", vec![gone]), ("as it was", vec![])]);
    }

    #[test]
    fn a_newer_file_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", KNOWN + 3).unwrap();
        let refused = migrate(&mut connection).unwrap_err();
        assert_eq!(refused, StoreError::NewerSchema { found: KNOWN + 3, known: KNOWN });
        assert!(refused.to_string().contains("newer usher"), "{refused}");
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE digests (mine TEXT)").unwrap();
        migrate(&mut connection).unwrap_err();
        assert_eq!(version(&connection).unwrap(), 0);
        let tables: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(tables, ["digests"]);
    }
}
