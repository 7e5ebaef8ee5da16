//! Tables as CSV (RFC 4180), for spreadsheets: UTF-8 with its mark, so that Korean is read right,
//! and nothing that a spreadsheet would take for a formula.

use super::Admin;
use super::asked::{Asked, Outcome, Refusal};
use super::documents;
use super::json::Amounts;
use super::router::Sheet;
use crate::pages::AdminReason;
use crate::store::{Limit, ROWS_MAX};

/// The most visits of one file.
pub(super) const VISITS_MAX: usize = 20 * ROWS_MAX;
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
    Outcome::File {
        name: format!("{name}.csv"),
        content_type: "text/csv; charset=utf-8",
        content: table.0.into(),
    }
}

const AMOUNTS: [&str; 9] = [
    "visits",
    "people",
    "dwell_s",
    "active_s",
    "dwell_mean_s",
    "dwell_median_s",
    "requests",
    "in_bytes",
    "out_bytes",
];

fn amounts(amounts: &Amounts) -> [String; 9] {
    let maybe = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    [
        amounts.visits.to_string(),
        amounts.people.to_string(),
        amounts.dwell_s.to_string(),
        amounts.active_s.to_string(),
        maybe(amounts.dwell_mean_s),
        maybe(amounts.dwell_median_s),
        amounts.requests.to_string(),
        amounts.in_bytes.to_string(),
        amounts.out_bytes.to_string(),
    ]
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

    /// `by=` says what a row is: a day, a week, a user, an app, a seat or an hour of the week.
    async fn statistics_csv(&self, asked: &Asked<'_>) -> Result<Outcome, Refusal> {
        let found = self.statistics(self.statistics_query(asked)?).await?;
        let told = documents::statistics(&found, &asked.in_force.snapshot);
        let by = asked.parameter("by").unwrap_or_else(|| "day".to_owned());
        let with = |names: &[&str]| Table::new(&[names, &AMOUNTS[..]].concat());
        let mut table;
        match by.as_str() {
            "day" => {
                table = with(&["date"]);
                for day in &told.days {
                    table.row([day.date.0.clone()].into_iter().chain(amounts(&day.amounts)));
                }
            }
            "week" => {
                table = with(&["week", "monday"]);
                for week in &told.weeks {
                    let names = [week.week.clone(), week.monday.0.clone()];
                    table.row(names.into_iter().chain(amounts(&week.amounts)));
                }
            }
            "user" | "app" | "seat" => {
                table = with(&["user", "app"]);
                let shares = match by.as_str() {
                    "user" => &told.users,
                    "app" => &told.apps,
                    _ => &told.seats,
                };
                for share in shares {
                    let names = [
                        share.user.clone().unwrap_or_default(),
                        share.app.clone().unwrap_or_default(),
                    ];
                    table.row(names.into_iter().chain(amounts(&share.amounts)));
                }
            }
            "hour" => {
                table = Table::new(&[
                    "weekday",
                    "hour",
                    "visits",
                    "dwell_s",
                    "active_s",
                    "people_mean",
                ]);
                for hour in &told.hours {
                    table.row([
                        hour.weekday.to_string(),
                        hour.hour.to_string(),
                        hour.visits.to_string(),
                        hour.dwell_s.to_string(),
                        hour.active_s.to_string(),
                        hour.people_mean.to_string(),
                    ]);
                }
            }
            _ => {
                let reason = AdminReason::BadParameter { name: "by", value: by, example: "week" };
                return Err(reason.into());
            }
        }
        let name = format!("statistics-by-{by}-{}-{}", told.from.0, told.to.0);
        Ok(file(&name, table))
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
