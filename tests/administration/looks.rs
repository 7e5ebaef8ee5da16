//! What holds for the HTML of every page, in both languages.

use usher::admin::sample::{Sample, answers, problems, samples};
use usher::domain::Language;

use crate::house::{html, pages};

fn each(check: impl Fn(&Sample, Language, &str)) {
    let pages = pages();
    for sample in samples().iter().chain(&answers()) {
        for language in Language::ALL {
            check(sample, language, &html(&sample.render(&pages, language)));
        }
    }
}

/// The values of an attribute, wherever it stands.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_page_is_whole() {
    each(|sample, language, html| {
        let name = sample.name;
        assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())), "{name}");
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name} has one headline");
        assert_eq!(html.matches("aria-current=\"page\"").count(), 1, "{name} is somewhere");
        for left_over in ["{{", "{%", "undefined", ">none<", "NaN", "inf", ">true<", ">false<"] {
            // Settings may well be true or false.
            let is_setting = name.starts_with("configuration") && left_over.ends_with("e<");
            let is_word = left_over == "inf" && !html.contains(">inf") && !html.contains(" inf");
            assert!(is_setting || is_word || !html.contains(left_over), "{name}: {left_over}");
        }
    });
}

#[test]
fn nothing_is_inline_or_from_elsewhere() {
    each(|sample, _, html| {
        let name = sample.name;
        assert!(!html.contains("<style") && !html.contains(" style="), "{name}");
        assert_eq!(html.matches("<script").count(), html.matches("<script src=\"/_usher/").count());
        for attribute in ["href", "src", "action"] {
            for address in attributes(html, attribute) {
                let is_own = address.is_empty() || address.starts_with(['#', '/', '?']);
                assert!(is_own && !address.starts_with("//"), "{name}: {address}");
            }
        }
    });
}

#[test]
fn every_form_that_changes_something_carries_the_token() {
    each(|sample, _, html| {
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().expect("an end");
            let posts = form.contains("method=\"post\"");
            assert_eq!(posts, form.contains("name=\"csrf\""), "{}: {form}", sample.name);
        }
    });
}

#[test]
fn every_label_and_description_points_at_something_and_no_id_stands_twice() {
    each(|sample, _, html| {
        let ids = attributes(html, "id");
        for attribute in ["for", "aria-describedby", "aria-labelledby", "list"] {
            for targets in attributes(html, attribute) {
                let missing = targets.split(' ').find(|target| !ids.contains(target));
                // A list of names is only there where there are few.
                assert!(missing.is_none_or(|id| id == "users"), "{}: {missing:?}", sample.name);
            }
        }
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{}: an id twice: {ids:?}", sample.name);
    });
}

#[test]
fn every_chart_has_a_title_and_the_same_as_a_table() {
    each(|sample, _, html| {
        let charts = html.matches("<figure class=\"chart\"").count();
        let images = html.matches("role=\"img\" aria-labelledby").count();
        let empty = html.matches("chart__none").count();
        assert_eq!(charts, images + empty, "{}", sample.name);
        assert!(html.matches("</title>").count() > images, "{}", sample.name);
    });
}

#[test]
fn the_samples_are_all_there_and_their_templates_work() {
    assert!(samples().len() > 25);
    assert_eq!(problems(&pages()), []);
    let drawn = |name: &str| {
        let samples = samples();
        let sample = samples.iter().find(|sample| sample.name == name).expect("a sample");
        html(&sample.render(&pages(), Language::English)).matches("<figure").count()
    };
    let charts = ["overview", "seat", "server", "statistics", "statistics-none"].map(drawn);
    assert_eq!(charts, [2, 2, 5, 4, 0]);
}
