//! The clauses of an event as one column: JSON, a list of
//! `{"code": "detail.ready", "values": {"time": {"ms": 430}, "how": {"word": "launch.fork"}}}`.
//! What cannot be read (a newer usher's row) is no clauses: the row's English text stands for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Clause, Detail, Value, Word};

/// The longest column, in bytes. What is longer is left to the English text, whole.
const CLAUSES_BYTES_MAX: usize = 16 * 1024;

/// A clause as it was written, perhaps by a newer usher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseRow {
    /// The key of its text.
    pub code: String,
    /// What the text has, by name.
    pub values: Vec<(String, Value)>,
}

impl From<&Clause> for ClauseRow {
    fn from(clause: &Clause) -> Self {
        let values = clause.values().into_iter().map(|(name, value)| (name.to_owned(), value));
        Self { code: clause.code().to_owned(), values: values.collect() }
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    code: String,
    values: BTreeMap<String, WrittenValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenValue {
    Text(String),
    Word(String),
    Count(u64),
    Ms(u64),
    Bytes(u64),
}

/// The column of what an event says; `None`: there is nothing, or too much.
pub(super) fn to_column(detail: &Detail) -> Option<String> {
    let written: Vec<Written> = detail.clauses().iter().map(written).collect();
    let column = serde_json::to_string(&written).ok()?;
    (!written.is_empty() && column.len() <= CLAUSES_BYTES_MAX).then_some(column)
}

/// What a column says.
pub(super) fn of_column(column: Option<&str>) -> Vec<ClauseRow> {
    let written = column.and_then(|column| serde_json::from_str::<Vec<Written>>(column).ok());
    written.unwrap_or_default().into_iter().map(row).collect()
}

fn written(clause: &Clause) -> Written {
    let value = |(name, value): (&str, Value)| {
        let value = match value {
            Value::Text(text) => WrittenValue::Text(text),
            Value::Word(word) => WrittenValue::Word(word.key().to_owned()),
            Value::Count(count) => WrittenValue::Count(count),
            Value::Milliseconds(ms) => WrittenValue::Ms(ms),
            Value::Bytes(bytes) => WrittenValue::Bytes(bytes),
        };
        (name.to_owned(), value)
    };
    let values = clause.values().into_iter().map(value).collect();
    Written { code: clause.code().to_owned(), values }
}

fn row(written: Written) -> ClauseRow {
    let value = |(name, value)| {
        let value = match value {
            WrittenValue::Text(text) => Value::Text(text),
            WrittenValue::Word(key) => Value::Word(Word::by_key(key)),
            WrittenValue::Count(count) => Value::Count(count),
            WrittenValue::Ms(ms) => Value::Milliseconds(ms),
            WrittenValue::Bytes(bytes) => Value::Bytes(bytes),
        };
        (name, value)
    };
    ClauseRow { code: written.code, values: written.values.into_iter().map(value).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::LaunchKind;

    #[test]
    fn what_is_written_is_what_is_read() {
        let clauses = vec![
            Clause::Ready { time: 430, how: LaunchKind::Fork.into() },
            Clause::Problem { problem: "a \"b\"\n\u{1}{c}".to_owned() },
            Clause::MemoryUsed { used: u64::MAX, limit: 1 << 30 },
            Clause::Closed { count: 3 },
            Clause::Gone {},
        ];
        let column = to_column(&Detail::new("", clauses.clone())).expect("a column");
        assert!(column.starts_with(
            r#"[{"code":"detail.ready","values":{"how":{"word":"launch.fork"},"time":{"ms":430}}}"#
        ));
        let sorted = |mut row: ClauseRow| {
            row.values.sort_by(|a, b| a.0.cmp(&b.0));
            row
        };
        let expected: Vec<_> = clauses.iter().map(|clause| sorted(clause.into())).collect();
        let read: Vec<_> = of_column(Some(&column)).into_iter().map(sorted).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn nothing_and_too_much_are_no_column() {
        assert_eq!(to_column(&Detail::none()), None);
        let notice = |bytes: usize| Clause::Notice { text: "x".repeat(bytes) };
        let column = |bytes| to_column(&Detail::new("x", vec![notice(bytes)]));
        assert!(column(CLAUSES_BYTES_MAX / 2).is_some());
        assert_eq!(column(CLAUSES_BYTES_MAX), None);
    }

    #[test]
    fn what_cannot_be_read_is_no_clauses() {
        for column in [
            None,
            Some(""),
            Some("{}"),
            Some("[1]"),
            Some(r#"[{"code": "detail.gone"}]"#),
            Some(r#"[{"code": "detail.ran", "values": {"time": {"fortnights": 2}}}]"#),
            Some(r#"[{"code": "detail.gone", "val"#),
        ] {
            assert_eq!(of_column(column), [], "{column:?}");
        }
    }
}
