//! What people look at, judged by axe-core in Chromium: every page of usher's own and every card in
//! an app's page, in both languages, light and dark, on a narrow phone and on a desk.

use std::path::Path;

use tempfile::TempDir;
use usher::admin;
use usher::pages::{ASSETS_PATH, Language, Pages, Response, sample};

use crate::rig::{Browser, axe};

/// The widths of the narrowest phone, of a usual one and of a desk, in pixels.
const NARROW_PX: u32 = 320;
const PHONE_PX: u32 = 390;
const DESK_PX: u32 = 1280;

/// Samples that differ from another one of these beginnings in nothing but words.
const ALIKE: [&str; 8] =
    ["admin-", "error-", "failed-", "full-", "login-", "restricted-", "stopped-", "too-many-"];

/// Tells what breaks WCAG A or AA. Colours alone differ between light and dark.
const JUDGE: &str = "\
    const rules = arguments[0] ? { type: 'rule', values: ['color-contrast'] }\
        : { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] };\
    return axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then(result =>\
        result.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html}`)))";

/// What the server tells the script in an app's page, and how its WebSocket ended.
const CARDS: [(&str, &str); 5] = [
    ("notice", "message({ type: 'notice', id: 1, text: '18:00', at: '2026-11-26T09:00:00Z' })"),
    ("countdown", "message({ type: 'stops', in_s: 120, because: 'idle' })"),
    ("ended", "message({ type: 'ended', because: 'operator' })"),
    ("reconnecting", "closed(1012)"),
    ("signed-out", "closed(4001)"),
];

/// A WebSocket that is told from outside what it has received.
const FAKE_SOCKET: &str = "\
    window.WebSocket = class { static OPEN = 1; static CLOSING = 2; readyState = 1;\
        constructor() { window.socket = this; }\
        send() {} close() {} addEventListener() {}\
        message(told) { this.onmessage({ data: JSON.stringify(told) }); }\
        closed(code) { this.readyState = 3; this.onclose({ code }); } }";

/// The pages in files, with what they load beside them.
struct Gallery {
    folder: TempDir,
    pages: Pages,
    names: Vec<String>,
}

impl Gallery {
    fn of(language: Language) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(axe(), folder.path().join("axe.js")).unwrap();
        let mut gallery = Self { folder, pages: Pages::load(None).unwrap(), names: Vec::new() };
        let mut seen: Vec<&str> = Vec::new();
        for sample in sample::samples() {
            let alike = ALIKE.into_iter().find(|start| sample.name.starts_with(start));
            if alike.is_none_or(|start| !seen.contains(&start)) {
                let response = gallery.pages.render(&sample.page, language, &sample.common);
                gallery.hang(sample.name.clone(), &response);
            }
            seen.extend(alike);
        }
        for sample in
            admin::sample::samples().into_iter().chain(admin::sample::answers().into_iter().take(1))
        {
            let response = sample.render(&gallery.pages, language);
            gallery.hang(format!("administration-{}", sample.name), &response);
        }
        gallery
    }

    fn hang(&mut self, name: String, response: &Response) {
        assert_eq!(response.problem, None, "{name}");
        let html = std::str::from_utf8(&response.body).unwrap();
        for address in html.split(ASSETS_PATH).skip(1) {
            let asset = address.split(['?', '"']).next().unwrap();
            let content = self.pages.asset(asset, None, None).expect("an asset that there is");
            std::fs::write(self.folder.path().join(asset), &content.body).unwrap();
        }
        self.put(name, &html.replace(ASSETS_PATH, ""));
    }

    /// The page of an app in which a card is shown.
    fn hang_card(&mut self, name: &str, told: &str, language: Language) {
        let element = self.pages.in_app_element("main", Some(language));
        let script = self.pages.asset("in_app.js", None, None).expect("the script");
        std::fs::write(self.folder.path().join("in_app.js"), &script.body).unwrap();
        let element = element.replace(ASSETS_PATH, "");
        let html = format!(
            "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>App</title>\
             <script>{FAKE_SOCKET}</script>{element}</head><body><main><h1>App</h1></main>\
             <script>addEventListener('load', () => window.socket.{told})</script></body></html>",
            language.tag()
        );
        self.put(format!("card-{name}"), &html);
    }

    fn put(&mut self, name: String, html: &str) {
        let html = html.replacen("</head>", "<script src=\"axe.js\"></script></head>", 1);
        std::fs::write(self.folder.path().join(format!("{name}.html")), html).unwrap();
        self.names.push(name);
    }

    fn address(&self, name: &str) -> String {
        let path: &Path = &self.folder.path().join(format!("{name}.html"));
        format!("file://{}", path.display())
    }
}

async fn judge(browser: &Browser, gallery: &Gallery, complaints: &mut Vec<String>) {
    for name in &gallery.names {
        browser.screen(DESK_PX, false).await;
        browser.goto(&gallery.address(name)).await;
        if name.starts_with("card-") {
            browser.find_card().await;
        }
        for (width_px, is_dark) in [(DESK_PX, false), (PHONE_PX, false), (NARROW_PX, true)] {
            browser.screen(width_px, is_dark).await;
            let over_px = browser.over_width().await;
            if over_px > 0 {
                complaints.push(format!("{name}: {over_px} pixels wider than {width_px}"));
            }
            if width_px != PHONE_PX {
                let told = browser.run_with(JUDGE, vec![is_dark.into()]).await;
                let told = told.as_array().expect("a list").iter();
                complaints.extend(told.map(|what| format!("{name}: dark {is_dark}: {what}")));
            }
        }
    }
}

async fn nothing_to_complain_about(language: Language) {
    let mut gallery = Gallery::of(language);
    for (name, told) in CARDS {
        gallery.hang_card(name, told, language);
    }
    assert!(gallery.names.len() > 50, "{:?}", gallery.names);
    let browser = Browser::start(language.tag()).await;
    let mut complaints = Vec::new();
    judge(&browser, &gallery, &mut complaints).await;
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_card_in_korean_is_accessible_and_fits_in_light_and_dark() {
    nothing_to_complain_about(Language::Korean).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_card_in_english_is_accessible_and_fits_in_light_and_dark() {
    nothing_to_complain_about(Language::English).await;
}
