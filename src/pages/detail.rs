//! What an event says, in the words of one language: its clauses, each a text of the table with its
//! values.

use super::texts::{Parameter, TextError, Texts};
use minijinja::value::Value;

/// A clause as a template has it: `code`, and `values` with `name`, `kind`, `text` and `number`.
struct Clause {
    code: String,
    values: Vec<(String, Parameter)>,
}

/// The clauses one after the other; nothing if there are none, or one that this table has no text
/// for, as in a newer usher's row.
pub(super) fn sentences(texts: &Texts, clauses: &Value) -> String {
    read(clauses).and_then(|clauses| say(texts, &clauses)).unwrap_or_default()
}

fn say(texts: &Texts, clauses: &[Clause]) -> Option<String> {
    let mut said = String::new();
    let mut follows_sentence = true;
    for Clause { code, values } in clauses {
        if !said.is_empty() {
            said.push_str(if follows_sentence { " " } else { " · " });
        }
        let values: Vec<_> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let clause: Result<String, TextError> = texts.say(code, &values);
        said.push_str(&clause.ok()?);
        follows_sentence = texts.is_sentence(code)?;
    }
    Some(said)
}

fn read(clauses: &Value) -> Option<Vec<Clause>> {
    clauses.try_iter().ok()?.map(|clause| read_one(&clause)).collect()
}

fn read_one(clause: &Value) -> Option<Clause> {
    let code = clause.get_attr("code").ok()?.as_str()?.to_owned();
    let values = clause.get_attr("values").ok()?;
    let values = values.try_iter().ok()?.map(|value| read_value(&value)).collect::<Option<_>>()?;
    Some(Clause { code, values })
}

fn read_value(value: &Value) -> Option<(String, Parameter)> {
    let part = |name| value.get_attr(name).ok();
    let text = || Some(part("text")?.as_str()?.to_owned());
    let number = || f64::try_from(part("number")?).ok();
    let parameter = match part("kind")?.as_str()? {
        "text" => Parameter::Text(text()?),
        "word" => Parameter::Word(text()?),
        "count" => Parameter::Count(number()? as u64),
        "seconds" => Parameter::Seconds(number()?),
        "bytes" => Parameter::Bytes(number()? as u64),
        _ => return None,
    };
    Some((part("name")?.as_str()?.to_owned(), parameter))
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::*;
    use minijinja::value::Serde;
    use serde_json::json;

    fn said(clauses: serde_json::Value) -> String {
        let source = "[unit]\nseconds = {n} s\n[l]\nfork = Forked\n[d]\nready = Ready after {time} \
             ({how}).\nran = Time: {time}\nclosed = {count:one/many} closed";
        let texts = Texts::parse(Language::English, source).expect("a table");
        sentences(&texts, &Value::from(Serde(clauses)))
    }

    fn value(name: &str, kind: &str, text: Option<&str>, number: Option<f64>) -> serde_json::Value {
        json!({ "name": name, "kind": kind, "text": text, "number": number })
    }

    #[test]
    fn sentences_follow_each_other_and_labels_are_set_apart() {
        let time = value("time", "seconds", None, Some(0.5));
        let ready = json!({ "code": "d.ready",
            "values": [time.clone(), value("how", "word", Some("l.fork"), None)] });
        let ran = json!({ "code": "d.ran", "values": [time] });
        let closed = json!({ "code": "d.closed",
            "values": [value("count", "count", None, Some(1.0))] });
        for (clauses, expected) in [
            (json!([ready, ran, closed]), "Ready after 0.5 s (forked). Time: 0.5 s · 1 one closed"),
            (json!([closed, ready]), "1 one closed · Ready after 0.5 s (forked)."),
            (json!([]), ""),
        ] {
            assert_eq!(said(clauses), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_said_by_the_english_text() {
        let time = |kind: &str| json!([value("time", kind, None, Some(1.0))]);
        let ran = json!({ "code": "d.ran", "values": time("seconds") });
        for clause in [
            json!({ "code": "d.new", "values": time("seconds") }),
            json!({ "code": "d.ran", "values": time("fortnights") }),
            json!({ "code": "d.ran", "values": [] }),
            json!({ "code": "d.ran", "values": [value("time", "word", Some("l.new"), None)] }),
            json!({ "code": "d.ran" }),
            json!("d.ran"),
        ] {
            assert_eq!(said(json!([ran, clause])), "", "{clause}");
        }
    }
}
