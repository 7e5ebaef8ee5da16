//! What holds for every page. The tables of texts, the operator's files and the colours have files
//! of their own.

mod colours;
mod hostile;
mod replacing;
mod tables;

use super::view::{Common, Page, Problem, Restricted};
use super::*;

pub(super) fn built_in() -> Pages {
    Pages::load(None).unwrap()
}

pub(super) fn html(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// Every sample in both languages.
fn each(check: impl Fn(&sample::Sample, Language, &Response)) {
    let pages = built_in();
    for sample in sample::samples() {
        for language in Language::ALL {
            let response = pages.render(&sample.page, language, &sample.common);
            assert_eq!(response.problem, None, "{} {language:?}", sample.name);
            check(&sample, language, &response);
        }
    }
}

/// The values of an attribute, wherever it stands.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_page_is_whole_in_both_languages() {
    each(|sample, language, response| {
        let html = html(response);
        let name = &sample.name;
        assert!(html.trim_start().starts_with("<!doctype html>"), "{name}");
        assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())), "{name}");
        assert!(html.trim_end().ends_with("</html>"), "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name} has one headline");
        for left_over in ["{{", "{%", "{app", "{time}\"", "undefined", ">none<", "NaN"] {
            let is_for_a_script = left_over == "{time}\"";
            assert!(is_for_a_script || !html.contains(left_over), "{name}: {left_over}");
        }
    });
}

#[test]
fn every_page_carries_the_headers_of_own_pages() {
    each(|sample, language, response| {
        let header = |name| response.header(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(header("Content-Type"), "text/html; charset=utf-8");
        assert_eq!(header("Content-Language"), language.tag());
        assert_eq!(header("Vary"), "Accept-Language");
        assert_eq!(header("Cache-Control"), "no-store");
        assert_eq!(header("X-Content-Type-Options"), "nosniff");
        assert_eq!(header("Referrer-Policy"), "same-origin");
        assert_eq!(header("X-Frame-Options"), "SAMEORIGIN");
        let policy = header("Content-Security-Policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"));
        assert!(!policy.contains("unsafe"));
        let kinds = ["home", "waiting", "restricted", "failed", "full", "login", "admin"];
        assert!(kinds.contains(&header("X-Usher-Page")), "{}", sample.name);
        assert_eq!(response.header("X-Usher-Incident"), sample.common.incident.as_deref());
    });
}

#[test]
fn no_page_has_anything_inline_or_from_elsewhere() {
    each(|sample, _, response| {
        let html = html(response);
        let name = &sample.name;
        assert!(!html.contains("<style") && !html.contains(" style="), "{name}");
        assert_eq!(html.matches("<script").count(), html.matches("<script src=\"/_usher/").count());
        for handler in [" onclick=", " onload=", " onsubmit=", " onerror=", "javascript:"] {
            assert!(!html.contains(handler), "{name}: {handler}");
        }
        for attribute in ["href", "src", "action"] {
            for address in attributes(html, attribute) {
                let is_own = address.is_empty() || address == "#main" || address.starts_with('/');
                assert!(is_own && !address.starts_with("//"), "{name}: {address}");
            }
        }
    });
}

#[test]
fn every_form_carries_the_token() {
    each(|sample, _, response| {
        let html = html(response);
        let Some(token) = &sample.common.form_token else { return };
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            assert!(form.contains("method=\"post\""), "{}", sample.name);
            let field = format!("name=\"csrf\" value=\"{token}\"");
            assert!(form.contains(&field), "{}: {form}", sample.name);
        }
    });
}

#[test]
fn every_label_and_description_points_at_something() {
    each(|sample, _, response| {
        let html = html(response);
        let ids = attributes(html, "id");
        for attribute in ["for", "aria-describedby", "aria-labelledby", "data-show"] {
            for target in attributes(html, attribute) {
                assert!(ids.contains(&target), "{}: {attribute}={target}", sample.name);
            }
        }
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{}: an id twice", sample.name);
    });
}

#[test]
fn statuses_are_those_of_the_contract() {
    each(|sample, _, response| {
        let expected = match &sample.page {
            Page::Home(_)
            | Page::Sessions(_)
            | Page::SignIn(_)
            | Page::Waiting(_)
            | Page::Stopped(_) => 200,
            Page::Problem(problem) => match problem {
                Problem::Restricted(_) => 403,
                Problem::Failed(_) => 502,
                Problem::Full(_) => 503,
                Problem::TooMany(_) => 429,
                Problem::Error(reason) => reason.status(),
                Problem::Admin(reason) => reason.status(),
            },
        };
        assert_eq!(response.status, expected, "{}", sample.name);
        let may_be_retried = matches!(expected, 429 | 503);
        assert_eq!(response.header("Retry-After").is_some(), may_be_retried, "{}", sample.name);
    });
}

#[test]
fn a_problem_as_json_has_three_texts() {
    let pages = built_in();
    for sample in sample::samples() {
        let Page::Problem(problem) = &sample.page else { continue };
        for language in Language::ALL {
            let response = pages.render_json(problem, language, &sample.common);
            assert_eq!(response.status, problem.status());
            assert_eq!(response.header("Content-Type"), Some("application/json"));
            let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            let error = json["error"].as_object().unwrap();
            assert_eq!(json.as_object().unwrap().len(), 1);
            assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "hint", "message"]);
            assert_eq!(error["code"], problem.code());
            assert!(error.values().all(|text| text.as_str().is_some_and(|text| !text.is_empty())));
        }
    }
}

#[test]
fn the_restricted_page_names_the_address_and_says_where_to_turn() {
    let pages = built_in();
    let common = Common {
        administrators: vec!["minsu".to_owned()],
        incident: Some("8F3K-27QD".to_owned()),
        ..Common::default()
    };
    let restricted = Restricted {
        address: "203.0.113.9".to_owned(),
        reason: RestrictedReason::Stranger,
        sign_in_path: None,
    };
    let page = Page::Problem(Problem::Restricted(restricted));
    for (language, title) in
        [(Language::Korean, "접근 제한"), (Language::English, "Access restricted")]
    {
        let response = pages.render(&page, language, &common);
        for expected in [title, "203.0.113.9", "minsu", "8F3K-27QD"] {
            assert!(html(&response).contains(expected), "{expected}");
        }
    }
}

#[test]
fn allow_and_www_authenticate_go_with_their_statuses() {
    let pages = built_in();
    let render = |reason| {
        let page = Page::Problem(Problem::Error(reason));
        pages.render(&page, Language::English, &Common::default())
    };
    let response = render(ErrorReason::MethodNotAllowed { allowed: "GET, HEAD" });
    assert_eq!((response.status, response.header("Allow")), (405, Some("GET, HEAD")));
    let response = render(ErrorReason::SignInNeeded);
    assert_eq!(response.status, 401);
    assert!(response.header("WWW-Authenticate").is_some());
}

#[test]
fn the_in_app_element_carries_the_texts_of_both_languages() {
    let element = built_in().in_app_element("a\"><script>", None);
    assert_eq!(element.matches("<script").count(), 1);
    assert_eq!(attributes(&element, "data-app"), ["a&quot;&gt;&lt;script&gt;"]);
    let texts = in_app_texts(&element);
    for language in Language::ALL {
        assert!(texts[language.tag()]["keep"].as_str().is_some());
    }
}

#[test]
fn a_configured_language_is_the_only_one_in_an_app() {
    for language in Language::ALL {
        let texts = in_app_texts(&built_in().in_app_element("main", Some(language)));
        assert_eq!(texts.as_object().unwrap().keys().collect::<Vec<_>>(), [language.tag()]);
    }
}

fn in_app_texts(element: &str) -> serde_json::Value {
    let texts = attributes(element, "data-texts")[0].replace("&quot;", "\"").replace("&#39;", "'");
    serde_json::from_str(&texts).unwrap()
}

#[test]
fn a_server_without_a_name_is_called_usher() {
    let page = Page::Problem(Problem::Error(ErrorReason::NotFound));
    let response = built_in().render(&page, Language::English, &Common::default());
    assert!(html(&response).contains("<span>Usher</span>"));
    assert!(html(&response).contains(" · Usher</title>"));
}

#[test]
fn an_asset_named_by_a_page_can_be_had_and_kept() {
    let pages = built_in();
    each(|sample, _, response| {
        let html = html(response);
        for address in attributes(html, "src").into_iter().chain(attributes(html, "href")) {
            let Some(address) = address.strip_prefix(ASSETS_PATH) else { continue };
            let (name, version) = address.split_once("?v=").unwrap();
            let asset = pages.asset(name, Some(version), None).unwrap();
            assert!(asset.header("Cache-Control").unwrap().contains("immutable"), "{name}");
            assert_eq!(asset.status, 200, "{}", sample.name);
        }
    });
}
