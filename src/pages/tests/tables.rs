//! The tables of texts: no text is missing, none is left over, both languages say the same things.

use super::super::files::built_in;
use super::super::reason::Reason;
use super::super::texts::Texts;
use super::super::view::{SeatState, SignInError, Step};
use super::super::*;
use crate::domain::Clause;
use serde::Serialize;
use std::collections::BTreeSet;

fn table(language: Language) -> Texts {
    let files = built_in();
    let file = &files[&format!("texts/{}.ini", language.tag())];
    Texts::parse(language, file.text().unwrap()).unwrap()
}

fn keys(language: Language) -> BTreeSet<String> {
    table(language).parameters().into_keys().map(str::to_owned).collect()
}

/// What the templates' `t("…" ~ value)` can become. A new one of these needs a line here.
fn families() -> Vec<(&'static str, Vec<String>)> {
    fn names<T: Serialize>(all: &[T]) -> Vec<String> {
        let name = |value| serde_json::to_value(value).unwrap().as_str().unwrap().to_owned();
        all.iter().map(name).collect()
    }
    let admin = "overview users seats statistics visits events server configuration";
    let admin = admin.split(' ').flat_map(|page| [page.to_owned(), format!("{page}_about")]);
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    fn pairs(words: &[&str], between: &str, ends: &[&str]) -> Vec<String> {
        let mut pairs = Vec::new();
        for word in words {
            pairs.extend(ends.iter().map(|end| format!("{word}{between}{end}")));
        }
        pairs
    }
    let failures = sample::failure_reasons();
    let failures = failures.iter().map(|reason| format!("{}.title", reason.code()));
    let numbers = |last: u8| (1..=last).map(|number| number.to_string()).collect::<Vec<_>>();
    let counted = pairs(words::COUNTED, "_by_", words::PERIODS);
    vec![
        ("event_kind.", own(words::EVENT_KINDS)),
        ("event_actor.", own(words::ACTORS)),
        ("runs_because.", own(words::RUNS_BECAUSE)),
        ("stops_because.", own(words::STOPS_BECAUSE)),
        ("visit_end.", own(words::VISIT_ENDS)),
        ("launch.", own(words::LAUNCHES)),
        ("proof.", own(words::PROOFS)),
        ("phase.", own(words::PHASES)),
        ("action.", [own(words::ACTIONS), own(&["notice", "reload"])].concat()),
        ("question.", pairs(words::QUESTIONS, "_", &["title", "text"])),
        ("told.", own(words::TOLD)),
        ("alert.", own(words::ALERTS)),
        ("range.", own(words::RANGES)),
        ("days.", own(words::DAYS)),
        ("statistics.charts_", own(words::PERIODS)),
        ("chart.", [own(words::CHARTS), counted].concat()),
        ("weekday.d", numbers(7)),
        ("month_short.m", numbers(12)),
        ("state.", names(&SeatState::ALL)),
        ("waiting.step_", names(&Step::ALL)),
        ("login.error_", names(&SignInError::ALL)),
        ("admin.", admin.collect()),
        ("failure.", failures.collect()),
    ]
}

fn reason_keys<R: Reason>(reasons: &[R]) -> impl Iterator<Item = String> {
    reasons.iter().flat_map(|reason| {
        let key = |part| format!("{}.{}.{part}", R::FAMILY, reason.code());
        let own = [Some(key("title")), Some(key("what"))];
        own.into_iter().chain([Some(reason.hint_key()), reason.remedy_key()]).flatten()
    })
}

/// The first string literals in calls of `function`, and whether something is appended to them.
fn literals(source: &str, function: &str, quote: char) -> Vec<(String, bool)> {
    let call = format!("{function}({quote}");
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    source
        .match_indices(call.as_str())
        .filter(|(place, _)| !source[..*place].ends_with(is_word))
        .filter_map(|(place, _)| source[place + call.len()..].split_once(quote))
        .map(|(literal, after)| (literal.to_owned(), after.trim_start().starts_with('~')))
        .collect()
}

fn used_keys() -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let families = families();
    for (name, file) in built_in().iter().filter(|(name, _)| name.ends_with(".html")) {
        for (literal, is_start) in literals(file.text().unwrap(), "t", '"') {
            if is_start {
                let known = families.iter().any(|(start, _)| *start == literal);
                assert!(known, "{name}: which texts can `{literal}` become?");
            } else {
                used.insert(literal);
            }
        }
    }
    for (start, ends) in families {
        used.extend(ends.into_iter().map(|end| format!("{start}{end}")));
    }
    used.extend(Clause::ALL.iter().map(|(code, _)| (*code).to_owned()));
    used.extend(reason_keys(&sample::restricted_reasons()));
    used.extend(reason_keys(&sample::failure_reasons()));
    used.extend(reason_keys(&sample::full_reasons()));
    used.extend(reason_keys(&sample::too_many_reasons()));
    used.extend(reason_keys(&sample::stopped_reasons()));
    used.extend(reason_keys(&sample::error_reasons()));
    used.extend(reason_keys(&sample::admin_reasons()));
    used.extend((1..=12).map(|month| format!("month.m{month}")));
    used.extend(["in_year", "short_day", "long_day"].map(|form| format!("moment.{form}")));
    used.extend(["days", "hours", "minutes", "seconds"].map(|unit| format!("unit.{unit}")));
    used.extend(in_app_keys());
    used
}

/// The in-app script names its texts in quotes of its own kind.
fn in_app_keys() -> BTreeSet<String> {
    let files = built_in();
    let script = files["assets/in_app.js"].text().unwrap();
    let texts = table(Language::English);
    let named = texts.section("in_app").into_keys();
    named
        .filter(|key| script.contains(&format!("'{key}'")))
        .map(|key| format!("in_app.{key}"))
        .collect()
}

#[test]
fn no_text_is_missing_and_none_is_left_over() {
    let used = used_keys();
    for language in Language::ALL {
        let there = keys(language);
        let missing: Vec<_> = used.difference(&there).collect();
        let left_over: Vec<_> = there.difference(&used).collect();
        assert!(missing.is_empty(), "{language:?} lacks {missing:?}");
        assert!(left_over.is_empty(), "{language:?} does not use {left_over:?}");
    }
}

#[test]
fn both_languages_use_the_same_parameters() {
    let (korean, english) = (table(Language::Korean), table(Language::English));
    assert_eq!(korean.parameters(), english.parameters());
}

#[test]
fn every_clause_of_an_event_has_its_text_with_its_values() {
    for language in Language::ALL {
        let table = table(language);
        let parameters = table.parameters();
        for (code, values) in Clause::ALL {
            let mut values = values.to_vec();
            values.sort_unstable();
            assert_eq!(parameters.get(code), Some(&values), "{language:?}: {code}");
        }
    }
}

#[test]
fn words_of_events_have_texts_that_need_nothing() {
    let lists = [words::STOPS_BECAUSE, words::LAUNCHES, words::ACTIONS];
    let lists = ["stops_because", "launch", "action"].into_iter().zip(lists);
    let mut keys: Vec<String> = lists
        .flat_map(|(list, words)| words.iter().map(move |word| format!("{list}.{word}")))
        .collect();
    keys.push("problem.retry".to_owned());
    keys.extend(sample::restricted_reasons().iter().map(Reason::title_key));
    keys.extend(sample::too_many_reasons().iter().map(Reason::title_key));
    keys.extend(sample::error_reasons().iter().map(Reason::title_key));
    keys.extend(sample::admin_reasons().iter().map(Reason::title_key));
    for language in Language::ALL {
        let table = table(language);
        for key in &keys {
            assert!(table.say(key, &[]).is_ok(), "{language:?}: {key}");
        }
    }
}

#[test]
fn texts_the_in_app_script_says_are_in_its_table() {
    let files = built_in();
    let script = files["assets/in_app.js"].text().unwrap();
    let texts = table(Language::Korean);
    let section = texts.section("in_app");
    let said = literals(script, "say", '\'').into_iter().chain(literals(script, "button", '\''));
    for (key, _) in said {
        assert!(section.contains_key(key.as_str()), "{key}");
    }
}

#[test]
fn codes_are_unique_over_all_families() {
    fn codes<R: Reason>(reasons: &[R]) -> impl Iterator<Item = &'static str> {
        reasons.iter().map(Reason::code)
    }
    let codes: Vec<&str> = codes(&sample::restricted_reasons())
        .chain(codes(&sample::failure_reasons()))
        .chain(codes(&sample::full_reasons()))
        .chain(codes(&sample::too_many_reasons()))
        .chain(codes(&sample::stopped_reasons()))
        .chain(codes(&sample::error_reasons()))
        .chain(codes(&sample::admin_reasons()))
        .collect();
    let unique: BTreeSet<&str> = codes.iter().copied().collect();
    assert_eq!(unique.len(), codes.len());
}

#[test]
fn korean_is_polite_and_english_has_no_hangul() {
    let is_hangul = |letter: char| ('가'..='힣').contains(&letter);
    let english = table(Language::English);
    for (key, _) in english.parameters() {
        let text = english.section(key.split('.').next().unwrap());
        assert!(text.values().all(|text| !text.chars().any(is_hangul)), "{key}");
    }
    let korean = table(Language::Korean);
    for section in ["restricted", "failure", "full", "too_many", "stopped", "error", "admin_error"]
    {
        for (key, text) in korean.section(section) {
            let is_sentence =
                !key.ends_with("title") && key.contains('.') || key.starts_with("hint");
            let ends_politely = ["다.", "요.", "})", "다. ({detail})"];
            let is_polite = ends_politely.iter().any(|end| text.ends_with(end));
            assert!(!is_sentence || is_polite, "{section}.{key}: {text}");
        }
    }
}
