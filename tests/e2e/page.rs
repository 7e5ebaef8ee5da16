//! What a person sees: real Chromium in front of real Streamlit, through the door.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::rig::{Browser, Door, until};

const PAGE: &str = "
apps:
  main: { title: Usher test page, script: $APPS/page.py, python: $PYTHON, ports: $PORTS }
users: $USERS
";

fn page(release: &str) -> String {
    PAGE.replace("$PYTHON", &format!("$PYTHON{release}"))
}

async fn a_page_renders_and_a_slider_reruns_it(release: &str) {
    let door = Door::open(&page(release)).await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/").await;
    browser.shows("Usher test page").await;
    assert!(browser.url().await.ends_with("/app/main/"), "{}", browser.url().await);
    assert_eq!(browser.value("user").await, "jiyoung");
    assert!(browser.value("streamlit").await.starts_with(if release == "139" {
        "1.39"
    } else {
        "1.67"
    }));
    assert_eq!(browser.value("days").await, "200");
    browser.slide_right().await;
    browser.shows("days=201").await;
    browser.press("Count").await;
    browser.shows("count=1").await;
    browser.picture(&format!("app-streamlit-{release}")).await;
    let pid = browser.value("pid").await;
    let before = door.seat("jiyoung", "main").await.expect("an entry");
    browser.reload().await;
    browser.shows("count=0").await;
    assert_eq!(browser.value("pid").await, pid, "a reload finds the same process");
    let after = door.seat("jiyoung", "main").await.expect("an entry");
    assert_eq!((after["pid"].to_string(), &after["generation"]), (pid, &before["generation"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_streamlit_1_67_the_page_renders_a_slider_reruns_it_and_a_reload_finds_the_same_process()
{
    a_page_renders_and_a_slider_reruns_it("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_streamlit_1_39_the_page_renders_a_slider_reruns_it_and_a_reload_finds_the_same_process()
{
    a_page_renders_and_a_slider_reruns_it("139").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_50_mb_uploads_in_the_browser_and_arrives_whole() {
    let door = Door::open(&page("167")).await;
    let content: Vec<u8> =
        (0..50_000_000_u32).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let file = door.path("봄 매출.bin");
    fs::write(&file, &content).unwrap();
    let mut browser = Browser::start("ko").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.shows("days=200").await;
    let input = browser.find("input[type=file]").await;
    input.send_keys(file.to_str().unwrap()).await.unwrap();
    assert_eq!(browser.value("uploaded").await, content.len().to_string());
    assert_eq!(browser.value("upload").await, hash(&content));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_in_the_browser_arrives_whole_and_under_its_korean_name() {
    let door = Door::open(&page("167")).await;
    let mut browser = Browser::start("ko").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    let expected = browser.value("download").await;
    browser.press("Download").await;
    let file: PathBuf = browser.downloads().join("매출.bin");
    until("the download", async || file.exists().then_some(())).await;
    let content = fs::read(file).unwrap();
    assert_eq!((content.len(), hash(&content)), (3_200_000, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_on_two_addresses_have_two_processes_and_never_see_each_others_state() {
    let door = Door::open(&page("167")).await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.shows("count=0").await;
    let jiyoung = (browser.value("user").await, browser.value("pid").await);
    let first = browser.new_window().await;
    browser.visit_as("127.0.0.3", &door, "/app/main/").await;
    browser.shows("count=0").await;
    let hana = (browser.value("user").await, browser.value("pid").await);
    assert_eq!((jiyoung.0.as_str(), hana.0.as_str()), ("jiyoung", "hana"));
    assert_ne!(jiyoung.1, hana.1);
    browser.press("Count").await;
    browser.shows("count=1").await;
    browser.press("Count").await;
    browser.shows("count=2").await;
    browser.switch_to(&first).await;
    browser.press("Count").await;
    browser.shows("count=1").await;
    assert_eq!((browser.value("user").await, browser.value("pid").await), jiyoung);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_with_a_syntax_error_shows_the_error_to_the_person() {
    let door = Door::open(&page("167").replace("page.py", "typo.py")).await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.shows("SyntaxError").await;
    browser.shows("typo.py").await;
    browser.picture("app-syntax-error").await;
    assert!(door.app_logs().contains("SyntaxError"), "and to the operator, in the app's log");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_page_gives_way_to_the_app_by_itself() {
    for (language, name) in [("ko", "waiting-ko"), ("en", "waiting-en")] {
        let door = Door::open(WAITS).await;
        let mut browser = Browser::start(language).await;
        browser.visit_as("127.0.0.2", &door, "/app/tool/").await;
        browser.shows("특성 관리").await;
        assert!(!browser.text().await.contains("plain app"));
        browser.picture(name).await;
        browser.resize(390, 844).await;
        browser.picture(&format!("{name}-phone")).await;
        browser.assert_fits().await;
        fs::write(door.path("go"), "").unwrap();
        browser.shows("plain app").await;
        assert!(browser.url().await.ends_with("/app/tool/"), "on the same address");
        assert_eq!(door.launches().len(), 1);
    }
}

const WAITS: &str = "
apps:
  tool: { title: 특성 관리, command: $PLAIN(--wait-for $DOOR/go), ports: $PORTS }
  broken: { title: 특성 관리, command: $PLAIN(--mode traceback), ports: $PORTS, restart: { attempts: 1, within: 10m } }
users: $USERS
";

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_page_says_so_by_itself_when_the_start_fails() {
    let door = Door::open(WAITS).await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/broken/").await;
    browser.shows("the flux capacitor is missing").await;
    browser.picture("failed-en").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_own_pages_fit_on_a_phone_and_on_a_desk_in_both_languages() {
    let door = Door::open(WAITS).await;
    for language in ["ko", "en"] {
        let mut browser = Browser::start(language).await;
        for (name, address, path) in [
            ("restricted", "127.0.0.99", "/"),
            ("home", "127.0.0.1", "/"),
            ("not-granted", "127.0.0.2", "/app/nope/"),
            ("failed", "127.0.0.3", "/app/broken/"),
            ("not-found", "127.0.0.2", "/nothing"),
        ] {
            browser.resize(1280, 800).await;
            browser.visit_as(address, &door, path).await;
            browser.assert_own_page(language).await;
            browser.picture(&format!("{name}-{language}")).await;
            browser.resize(390, 844).await;
            browser.assert_fits().await;
            browser.picture(&format!("{name}-{language}-phone")).await;
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
