//! How times and days are shown in lists and charts. It must not know the clock or a zone: what is
//! given is in the zone that it is shown in.

use jiff::civil::Date;
use minijinja::Environment;
use std::sync::Arc;

use super::texts::{Parameter, TextError, Texts};

/// `2026-11-26T07:01:15.123+09:00` or `2026-11-26`: the day, and the time if there is one.
fn parts(text: &str) -> Option<(Date, Option<&str>)> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time.get(..8)?)),
        None => (text, None),
    };
    Some((day.parse().ok()?, time))
}

/// `2026-11-26 07:01`, the same in every language; what cannot be read is shown as it came.
fn when(text: &str) -> String {
    match parts(text) {
        Some((day, Some(time))) => format!("{day} {}", &time[..5]),
        Some((_, None)) | None => text.to_owned(),
    }
}

/// `2026-11-26 07:01:15`
fn when_s(text: &str) -> String {
    match parts(text) {
        Some((day, Some(time))) => format!("{day} {time}"),
        Some((_, None)) | None => text.to_owned(),
    }
}

/// `07:01`
fn clock(text: &str) -> String {
    match parts(text) {
        Some((_, Some(time))) => time[..5].to_owned(),
        Some((_, None)) | None => text.to_owned(),
    }
}

/// `11월 26일`, `26 Nov`
fn short_day(texts: &Texts, text: &str) -> Result<String, TextError> {
    let Some((day, _)) = parts(text) else { return Ok(text.to_owned()) };
    let month = texts.say(&format!("month_short.m{}", day.month()), &[])?;
    let number = Parameter::Text(day.day().to_string());
    texts.say("moment.short_day", &[("month", Parameter::Text(month)), ("day", number)])
}

/// `2026년 11월 26일 (목)`, `Thu 26 November 2026`
fn long_day(texts: &Texts, text: &str) -> Result<String, TextError> {
    let Some((day, _)) = parts(text) else { return Ok(text.to_owned()) };
    let weekday = day.weekday().to_monday_one_offset();
    let said = |key: &str| texts.say(key, &[]).map(Parameter::Text);
    let number = |number: String| Parameter::Text(number);
    let parameters = [
        ("weekday", said(&format!("weekday.d{weekday}"))?),
        ("month", said(&format!("month.m{}", day.month()))?),
        ("day", number(day.day().to_string())),
        ("year", number(day.year().to_string())),
    ];
    texts.say("moment.long_day", &parameters)
}

/// `1234567` as `1,234,567`.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Two decimals at most, as many as say something: `0.25`, `1.5`, `12`.
fn decimals(number: f64) -> String {
    if !number.is_finite() {
        return "0".to_owned();
    }
    let digits = if number.abs() >= 99.95 {
        0
    } else if number.abs() >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Gives the templates their filters.
pub(super) fn add_filters(environment: &mut Environment<'static>, texts: &Arc<Texts>) {
    environment.add_filter("when", when);
    environment.add_filter("when_s", when_s);
    environment.add_filter("clock", clock);
    environment.add_filter("number", number);
    environment.add_filter("decimals", decimals);
    let table = Arc::clone(texts);
    environment.add_filter("short_day", move |text: &str| {
        short_day(&table, text).map_err(super::engine::text_error)
    });
    let table = Arc::clone(texts);
    environment.add_filter("long_day", move |text: &str| {
        long_day(&table, text).map_err(super::engine::text_error)
    });
}

#[cfg(test)]
mod tests {
    use super::super::files::built_in;
    use super::super::language::Language;
    use super::*;

    fn texts(language: Language) -> Texts {
        let files = built_in();
        let file = &files[&format!("texts/{}.ini", language.tag())];
        Texts::parse(language, file.text().unwrap()).unwrap()
    }

    #[test]
    fn times_are_shown_as_they_are() {
        let at = "2026-11-26T07:01:15.123+09:00";
        assert_eq!(when(at), "2026-11-26 07:01");
        assert_eq!(when_s(at), "2026-11-26 07:01:15");
        assert_eq!(clock(at), "07:01");
        for wrong in ["", "yesterday", "2026-11-26", "2026-13-26T07:01:15Z", "2026-11-26T7:1"] {
            assert_eq!([when(wrong), when_s(wrong), clock(wrong)], [wrong; 3]);
        }
    }

    #[test]
    fn days_are_said_in_the_language() {
        let (korean, english) = (texts(Language::Korean), texts(Language::English));
        for text in ["2026-11-26", "2026-11-26T07:01:15+09:00"] {
            assert_eq!(short_day(&korean, text).unwrap(), "11월 26일");
            assert_eq!(short_day(&english, text).unwrap(), "26 Nov");
            assert_eq!(long_day(&korean, text).unwrap(), "2026년 11월 26일 (목)");
            assert_eq!(long_day(&english, text).unwrap(), "Thu 26 November 2026");
        }
        assert_eq!(long_day(&english, "soon").unwrap(), "soon");
    }

    #[test]
    fn numbers_have_groups_and_few_decimals() {
        for (given, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(number(given), expected);
        }
        for (given, expected) in [
            (0.0, "0"),
            (0.256, "0.26"),
            (1.5, "1.5"),
            (2.0, "2"),
            (12.34, "12.3"),
            (100.4, "100"),
            (0.001, "0"),
            (f64::NAN, "0"),
        ] {
            assert_eq!(decimals(given), expected);
        }
    }
}
