//! The operator's folder: what it replaces, and what is said about a broken file.

use super::super::view::{Common, Home, Page};
use super::super::*;
use super::{built_in, html};
use std::fs;
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn problems(files: &[(&str, &[u8])]) -> Vec<String> {
    let folder = folder(files);
    let problems = Pages::load(Some(folder.path())).err().expect("the folder is broken");
    let prefix = format!("{}/", folder.path().display());
    problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

fn home() -> Page {
    Page::Home(Home { tiles: Vec::new(), summary: None })
}

#[test]
fn a_file_of_the_same_name_replaces_the_built_in_one() {
    let folder = folder(&[("home.html", b"<h1>ours: {{ t(\"home.open\") }}</h1>")]);
    let pages = Pages::load(Some(folder.path())).unwrap();
    let response = pages.render(&home(), Language::Korean, &Common::default());
    assert_eq!(html(&response), "<h1>ours: 열기</h1>");
    assert_eq!(response.header("X-Usher-Page"), Some("home"));
}

#[test]
fn a_replaced_base_is_seen_by_every_page() {
    let folder = folder(&[("base.html", b"<p>ours</p>{% block main %}{% endblock %}")]);
    let refused = Pages::load(Some(folder.path())).err().expect("no macros");
    assert!(refused.iter().all(|problem| problem.line.is_some()), "{refused:?}");
    let base = "{% import \"parts.html\" as parts %}<p>ours</p>{% block main %}{% endblock %}";
    fs::write(folder.path().join("base.html"), base).unwrap();
    let pages = Pages::load(Some(folder.path())).unwrap();
    for sample in sample::samples() {
        let response = pages.render(&sample.page, Language::English, &sample.common);
        assert!(html(&response).contains("<p>ours</p>"), "{}", sample.name);
    }
}

#[test]
fn some_texts_can_be_replaced_and_the_rest_stays() {
    let folder = folder(&[("texts/en.ini", b"[home]\nopen = Go\n")]);
    let pages = Pages::load(Some(folder.path())).unwrap();
    let page = sample::samples().into_iter().find(|sample| sample.name == "home-user").unwrap();
    let response = pages.render(&page.page, Language::English, &page.common);
    assert!(html(&response).contains(">Go<") && html(&response).contains("Choose an app"));
    let korean = pages.render(&page.page, Language::Korean, &page.common);
    assert!(html(&korean).contains("열기"));
}

#[test]
fn a_replaced_asset_has_another_version() {
    let folder = folder(&[("assets/usher.css", b"body { color: red }")]);
    let pages = Pages::load(Some(folder.path())).unwrap();
    let page = html(&pages.render(&home(), Language::Korean, &Common::default())).to_owned();
    let before = html(&built_in().render(&home(), Language::Korean, &Common::default())).to_owned();
    let version = |page: &str| {
        let (_, rest) = page.split_once("usher.css?v=").unwrap();
        rest[..16].to_owned()
    };
    assert_ne!(version(&page), version(&before));
    let asset = pages.asset("usher.css", Some(&version(&page)), None).unwrap();
    assert_eq!(&asset.body[..], b"body { color: red }");
}

#[test]
fn every_broken_file_is_named_with_its_line() {
    let said = problems(&[
        ("home.html", b"fine\n{% if %}\n"),
        ("failed.html", b"{{ 1 +* 2 }}"),
        ("login.html", b"good\nbad \xff\n"),
    ]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("home.html:2: syntax error")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("failed.html:1: syntax error")), "{said:?}");
    assert!(said.contains(&"login.html:2: this is not UTF-8".to_owned()), "{said:?}");
}

#[test]
fn what_fails_only_when_rendered_is_found_at_load() {
    for (file, source, expected) in [
        ("home.html", "\n\n{{ view.tilez }}", "home.html:3: undefined value"),
        ("home.html", "{{ t(\"home.nothing\") }}", "home.html:1: invalid operation: there is no"),
        ("home.html", "{{ asset(\"nothing.js\") }}", "home.html:1: invalid operation: no asset"),
        ("home.html", "{% extends \"nothing.html\" %}", "home.html:1: template not found"),
        ("error.html", "{{ t(\"error.eyebrow\") }}", "error.html:1: invalid operation: the text"),
        ("full.html", "\n{{ view.address }}", "full.html:2: undefined value: a value that"),
        ("parts.html", "", "templates/base.html:"),
    ] {
        let said = problems(&[(file, source.as_bytes())]);
        assert!(said.iter().any(|line| line.starts_with(expected)), "{expected}: {said:?}");
    }
}

#[test]
fn broken_texts_are_named_with_their_lines() {
    let said = problems(&[
        ("texts/ko.ini", "[home]\nopen = {open\n".as_bytes()),
        ("texts/en.ini", b"[home]\n\nopne = Go\nfor = {tiem}\n"),
    ]);
    assert_eq!(
        said,
        [
            "texts/ko.ini:2: a `{` without its `}`",
            "texts/en.ini:4: `home.for` has no parameter `tiem`; it has [time]",
            "texts/en.ini:3: there is no text `home.opne`",
        ]
    );
}

#[test]
fn files_that_replace_nothing_are_named() {
    let folder = folder(&[("hom.html", b"x"), ("assets/x.png", b"x"), (".home.html.swp", b"x")]);
    let pages = Pages::load(Some(folder.path())).unwrap();
    let unknown: Vec<_> = pages.unknown_files().iter().map(|path| path.file_name()).collect();
    assert_eq!(unknown, [Some("x.png".as_ref()), Some("hom.html".as_ref())]);
}

#[test]
fn a_folder_that_is_not_there_is_a_problem() {
    let problems = Pages::load(Some(Path::new("/nonexistent/templates"))).err().unwrap();
    assert!(problems[0].message.contains("cannot be read"), "{problems:?}");
}

#[test]
fn a_template_that_fails_after_all_gives_way_to_the_built_in_one() {
    let source = b"{% if common.site_name == \"rare\" %}\n{{ nothing }}{% endif %}ours";
    let folder = folder(&[("home.html", source)]);
    let pages = Pages::load(Some(folder.path())).unwrap();
    let common = Common { site_name: "rare".to_owned(), ..Common::default() };
    let response = pages.render(&home(), Language::English, &common);
    let problem = response.problem.clone().expect("the problem is handed on");
    assert_eq!((problem.file, problem.line), (folder.path().join("home.html"), Some(2)));
    assert!(html(&response).contains("There is no app for you yet"));
}

#[test]
fn a_view_of_somebody_else_can_be_tried() {
    let pages = built_in();
    let sheet = Sheet { template: "home.html", kind: PageKind::Admin, status: 200 };
    let nothing = serde_json::json!({ "tiles": [], "summary": null });
    assert_eq!(pages.try_view(sheet, Language::Korean, &Common::default(), nothing), Ok(()));
    let wrong = serde_json::json!({ "tiles": 3 });
    let problem = pages.try_view(sheet, Language::Korean, &Common::default(), wrong).unwrap_err();
    assert_eq!(problem.file, Path::new("templates/home.html"));
    assert!(problem.line.is_some());
}
