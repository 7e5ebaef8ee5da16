//! A copy of the database while it is in use, by SQLite's online backup.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{failed, open_reader};
use crate::store::StoreError;

/// Pages that are copied at a time.
const PAGES_AT_ONCE: i32 = 512;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupProgress {
    /// Pages there are.
    pub pages: u64,
    /// Pages that were copied.
    pub pages_done: u64,
}

/// Copies the database at `source` into the new file `copy` and checks that the copy is whole. The
/// copy is of one moment, one file, and needs no write-ahead log. `progress` is told how far it is,
/// and ends the copying by answering false.
///
/// # Errors
/// There is no whole copy; what is left of it is the caller's to remove.
pub fn copy_to(
    source: &Path,
    copy: &Path,
    progress: &mut dyn FnMut(BackupProgress) -> bool,
) -> Result<(), StoreError> {
    let doing = "copying the database";
    let source = open_reader(source)?;
    // The transaction holds the moment: else every write of usher would start the copy over.
    let moment = source.unchecked_transaction().map_err(failed(doing))?;
    moment
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
        .map_err(failed(doing))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(copy, flags).map_err(failed(doing))?;
    copy_pages(&moment, &mut target, progress)?;
    settle(&target).map_err(failed(doing))?;
    let said: String = target
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed("checking the copy"))?;
    if said != "ok" {
        return Err(StoreError::Corrupt { cause: said });
    }
    target.close().map_err(|(_, error)| failed(doing)(error))
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(BackupProgress) -> bool,
) -> Result<(), StoreError> {
    let doing = "copying the database";
    let backup = Backup::new(source, target).map_err(failed(doing))?;
    loop {
        let step = backup.step(PAGES_AT_ONCE).map_err(failed(doing))?;
        let now = backup.progress();
        let pages = u64::try_from(now.pagecount).unwrap_or(0);
        let left = u64::try_from(now.remaining).unwrap_or(0);
        let wanted = progress(BackupProgress { pages, pages_done: pages.saturating_sub(left) });
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More if wanted => {}
            StepResult::More => {
                let cause = "it was ended before its end".to_owned();
                return Err(StoreError::Failed { doing, cause });
            }
            StepResult::Busy | StepResult::Locked | _ => return Err(StoreError::Busy),
        }
    }
}

/// The copied header asks for a write-ahead log, which a copy has no use for.
fn settle(copy: &Connection) -> rusqlite::Result<()> {
    copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))
}
