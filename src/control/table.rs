//! `usher status` for people: a table of seats from the same JSON that `--json` prints.

use std::fmt::Write;

use serde_json::Value;

const COLUMNS: [&str; 9] =
    ["USER", "APP", "STATE", "PID", "TABS", "CPU", "MEMORY", "RUNS BECAUSE", "STOPS"];

/// The status as text.
pub(super) fn status(value: &Value) -> String {
    let mut text = String::new();
    let usher = &value["usher"];
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "usher {} (pid {}) {} since {}; configuration {} loaded {}",
        plain(&usher["version"]),
        plain(&usher["pid"]),
        plain(&usher["state"]),
        moment(&usher["started_at"]),
        plain(&usher["configuration"]["file"]),
        moment(&usher["configuration"]["loaded_at"]),
    );
    for problem in usher["configuration"]["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "problem: {}", plain(problem));
    }
    let rows: Vec<[String; 9]> = value["seats"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        text.push_str("no seat\n");
    } else {
        table(&mut text, &rows);
    }
    text
}

fn row(seat: &Value) -> [String; 9] {
    let stops = match (&seat["stops_at"], &seat["stops_because"]) {
        (Value::Null, _) => "-".to_owned(),
        (at, because) => format!("{} ({})", moment(at), words(because)),
    };
    [
        plain(&seat["user"]),
        plain(&seat["app"]),
        plain(&seat["state"]),
        plain(&seat["pid"]),
        plain(&seat["websockets"]),
        seat["cpu_cores"].as_f64().map_or("-".to_owned(), |cores| format!("{cores:.2}")),
        seat["memory_bytes"].as_u64().map_or("-".to_owned(), mebibytes),
        words(&seat["runs_because"]),
        stops,
    ]
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

/// RFC 3339 as people read a time: to the second, in the zone that it is written in.
fn moment(value: &Value) -> String {
    let text = plain(value);
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        (_, _) => text,
    }
}

/// A reason as people read it.
fn words(value: &Value) -> String {
    plain(value).replace('_', " ")
}

/// A JSON value as a word; absent ones as a dash, control characters left out.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    text.chars().filter(|c| !c.is_control()).collect()
}

fn table(text: &mut String, rows: &[[String; 9]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(COLUMNS[column].len())
    };
    let mut line = |cells: &[&str]| {
        let padded: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                format!("{cell}{}", " ".repeat(width(column) - cell.chars().count()))
            })
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    };
    line(&COLUMNS);
    for row in rows {
        line(&row.each_ref().map(String::as_str));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_seats() {
        let value = serde_json::json!({
            "usher": {
                "version": "0.1.0", "pid": 7, "state": "serving",
                "started_at": "2026-11-26T20:52:38.581+09:00",
                "configuration": {"file": "u.yaml", "loaded_at": "T", "problems": ["u.yaml:1:2: x"]}
            },
            "seats": [{
                "user": "민수", "app": "main", "state": "ready", "pid": 42, "websockets": 1,
                "cpu_cores": 0.256, "memory_bytes": 52428800, "runs_because": "tab_open",
                "stops_at": "2026-11-26T21:22:42.607+09:00", "stops_because": "untouched"
            }]
        });
        assert_eq!(
            status(&value),
            "usher 0.1.0 (pid 7) serving since 2026-11-26 20:52:38; configuration u.yaml loaded T\n\
             problem: u.yaml:1:2: x\n\
             USER  APP   STATE  PID  TABS  CPU   MEMORY  RUNS BECAUSE  STOPS\n\
             민수    main  ready  42   1     0.26  50 MiB  tab open      2026-11-26 21:22:42 (untouched)\n"
        );
    }
}
