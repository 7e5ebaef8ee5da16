//! Tables as CSV (RFC 4180), for spreadsheets: UTF-8 with its mark, so that Korean is read right,
//! and nothing that a spreadsheet would take for a formula.

use super::Admin;
use super::asked::{Asked, Outcome, Refusal};
use super::documents;
use super::router::Sheet;
use crate::account::report;
use crate::store::{Limit, ROWS_MAX};

/// The most visits of one file.
pub(super) const VISITS_MAX: usize = 20 * ROWS_MAX;
const CSV: &str = "text/csv; charset=utf-8";
/// U+FEFF, by which spreadsheets know UTF-8.
const MARK: &str = "\u{feff}";

/// A table under way.
struct Table(String);

impl Table {
    fn new(columns: &[&str]) -> Self {
        let mut table = Self(MARK.to_owned());
        table.row(columns.iter().map(|name| (*name).to_owned()));
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.0.push_str(&quoted(&cell));
        }
        self.0.push_str("\r\n");
    }
}

/// A cell. What begins like a formula gets an apostrophe, as spreadsheets themselves do.
fn quoted(cell: &str) -> String {
    let is_number = cell.parse::<f64>().is_ok();
    let is_formula = !is_number && cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if is_formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

fn file(name: &str, table: Table) -> Outcome {
    Outcome::File { name: format!("{name}.csv"), content_type: CSV, content: table.0.into() }
}

impl Admin {
    pub(super) async fn csv(&self, asked: &Asked<'_>, sheet: Sheet) -> Result<Outcome, Refusal> {
        match sheet {
            Sheet::Visits => self.visits_csv(asked).await,
            Sheet::Statistics => self.statistics_csv(asked).await,
        }
    }

    async fn visits_csv(&self, asked: &Asked<'_>) -> Result<Outcome, Refusal> {
        let snapshot = &asked.in_force.snapshot;
        let mut table = Table::new(&[
            "id",
            "user",
            "role",
            "app",
            "address",
            "browser",
            "started_at",
            "ended_at",
            "dwell_s",
            "active_s",
            "requests",
            "in_bytes",
            "out_bytes",
            "ended_because",
        ]);
        let mut query = asked.visit_query(ROWS_MAX)?;
        query.limit = Limit::new(ROWS_MAX);
        for _ in 0..VISITS_MAX / ROWS_MAX {
            let asked_now = query.clone();
            let page = self.ask(move |reports| reports.visits(&asked_now)).await?;
            for row in &page.rows {
                let visit = documents::visit(row, snapshot);
                table.row([
                    visit.id.to_string(),
                    visit.user,
                    visit.role.to_owned(),
                    visit.app,
                    visit.address,
                    visit.browser,
                    visit.started_at.0,
                    visit.ended_at.map(|at| at.0).unwrap_or_default(),
                    visit.dwell_s.to_string(),
                    visit.active_s.to_string(),
                    visit.requests.to_string(),
                    visit.in_bytes.to_string(),
                    visit.out_bytes.to_string(),
                    visit.ended_because.unwrap_or_default(),
                ]);
            }
            match page.after {
                Some(after) => query.after = Some(after),
                None => break,
            }
        }
        Ok(file("visits", table))
    }

    /// The same table as `usher report` prints.
    async fn statistics_csv(&self, asked: &Asked<'_>) -> Result<Outcome, Refusal> {
        let found = self.statistics(self.statistics_query(asked)?).await?;
        let mut text = MARK.as_bytes().to_vec();
        // Writing to memory cannot fail.
        let _ = report::write(&mut text, &found, report::Format::Csv, asked.zone());
        Ok(Outcome::File {
            name: format!("statistics-{}-{}.csv", found.from, found.to),
            content_type: CSV,
            content: text.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("민수", "민수"),
            ("a,b", "\"a,b\""),
            ("a \"b\"\nc", "\"a \"\"b\"\"\nc\""),
            ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
            ("-5", "-5"),
            ("-x", "'-x"),
            ("@x", "'@x"),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
