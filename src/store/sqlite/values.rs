//! Between our types and the library's integers and texts.

use rusqlite::Row;

use crate::clock::Timestamp;
use crate::domain::{Actor, Role};

/// SQLite's integers are signed; nothing that is counted here comes near their end.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The way back. A negative number in a column of sizes is somebody's hand.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// A measurement. The library would make NULL of what is no number, and refuse the row.
pub(super) fn real(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

/// A time.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

/// A time that may be missing.
pub(super) fn time_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp))
}

/// A role of a row; what is no role has no rights.
pub(super) fn role(text: &str) -> Role {
    if text == Role::Admin.as_str() { Role::Admin } else { Role::User }
}

/// The two columns of an actor.
pub(super) fn actor(actor: &Actor) -> (&'static str, Option<&str>) {
    match actor {
        Actor::User(name) => ("user", Some(name.as_str())),
        Actor::Admin(name) => ("admin", Some(name.as_str())),
        Actor::Operator => ("operator", None),
        Actor::Usher => ("usher", None),
    }
}
