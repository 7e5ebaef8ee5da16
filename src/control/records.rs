//! The commands about what was recorded: `report` and `backup`. They read the database themselves,
//! so that they work whether the server runs or not.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;

use super::Outcome;
use crate::account::backup::back_up;
use crate::account::database_path;
use crate::account::report::{self, Format};
use crate::clock::{Clock, OsClock, Timestamp, saturating_ms};
use crate::config::{self, Snapshot};
use crate::store::sqlite::Database;
use crate::store::{Reports, StatisticsQuery};

/// The days of a report without `--from`.
const DAYS_BY_DEFAULT: i64 = 29;
/// Progress is shown for what takes longer.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// What `usher report` is asked.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    /// The first day, as `2026-11-01`; `None`: 30 days back from the last.
    pub from: Option<String>,
    /// The last day; `None`: today.
    pub to: Option<String>,
    /// The format.
    pub format: Format,
}

/// `usher report`
pub fn report(file: &Path, request: &ReportRequest) -> Outcome {
    let snapshot = match Snapshot::load(file) {
        Ok(snapshot) => snapshot,
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            return Outcome::BadConfiguration;
        }
    };
    match write_report(&snapshot, request) {
        Ok(()) => Outcome::Done,
        Err(sentence) => failed(&sentence),
    }
}

fn write_report(snapshot: &Snapshot, request: &ReportRequest) -> Result<(), String> {
    let path = database_path(&snapshot.fixed.state_dir);
    if !path.is_file() {
        return Err(format!("{} does not exist: nothing was recorded yet", path.display()));
    }
    let now = OsClock.wall();
    let to = match &request.to {
        Some(text) => date(text)?,
        None => today(now, snapshot)?,
    };
    let from = match &request.from {
        Some(text) => date(text)?,
        None => to.saturating_sub(jiff::Span::new().days(DAYS_BY_DEFAULT)),
    };
    if from > to {
        return Err(format!("{from} is after {to}; swap --from and --to"));
    }
    let zone = snapshot.timezone.clone();
    let query = StatisticsQuery { from, to, zone, now, user: None, app: None };
    let statistics =
        Database::at(path).reports().statistics(&query).map_err(|error| error.to_string())?;
    let mut out = io::stdout().lock();
    match report::write(&mut out, &statistics, request.format, &snapshot.timezone) {
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(()) => Ok(()),
    }
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("{text} is no date; write it as 2026-11-26"))
}

fn today(now: Timestamp, snapshot: &Snapshot) -> Result<Date, String> {
    jiff::Timestamp::from_millisecond(now.0)
        .map(|now| now.to_zoned_datetime(snapshot.timezone.clone()).date())
        .map_err(|error| format!("the clock is wrong: {error}"))
}

/// `usher backup`
pub fn backup(file: &Path, destination: &Path) -> Outcome {
    let state_dir = match config::state_dir_of(file) {
        Ok(state_dir) => state_dir,
        Err(problems) => {
            for problem in &problems {
                println!("{problem}");
            }
            return Outcome::BadConfiguration;
        }
    };
    let database = database_path(&state_dir);
    if !database.is_file() {
        return failed(&format!("{} does not exist: there is nothing to copy", database.display()));
    }
    let began = OsClock.now();
    let shows = io::stderr().is_terminal();
    let destination = destination_of(destination);
    let copied = back_up(&database, &destination, &mut |progress| {
        let took_ms = OsClock.now().since_ms(began);
        if shows && took_ms >= saturating_ms(PROGRESS_AFTER) {
            let (done, all) = (progress.pages_done, progress.pages.max(1));
            // Nothing depends on the terminal.
            let _ = write!(io::stderr(), "\r{:3} %", done * 100 / all);
        }
        true
    });
    match copied {
        Ok(copied) => {
            println!("{}: {} bytes", copied.path.display(), copied.bytes);
            Outcome::Done
        }
        Err(error) => failed(&format!("no copy was made: {error}")),
    }
}

/// A folder gets a file named after the database.
fn destination_of(destination: &Path) -> PathBuf {
    if destination.is_dir() { destination.join("usher.db") } else { destination.to_owned() }
}

fn failed(sentence: &str) -> Outcome {
    eprintln!("usher: {sentence}");
    Outcome::Failed
}
