//! The small script that usher adds to an app's page: notices, warnings, and coming back by itself.

use rustix::process::Signal;

use crate::rig::{Browser, Door, until};

const PAGE: &str = "
apps:
  main: { title: Usher test page, script: $APPS/page.py, python: $PYTHON, ports: $PORTS }
  silent: { title: Silent, script: $APPS/page.py, python: $PYTHON, ports: $PORTS, notices: false }
users: $USERS
";

const NOTICE: &str = "열두 시에 서버를 다시 시작합니다";

async fn a_notice_appears(release: &str) {
    let door = Door::open(&PAGE.replace("$PYTHON", &format!("$PYTHON{release}"))).await;
    let mut browser = Browser::start("ko").await;
    browser.visit_as("127.0.0.2", &door, "/app/silent/").await;
    browser.shows("days=200").await;
    let silent = browser.new_window().await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.shows("days=200").await;
    door.run(&["notice", NOTICE]).await.expect(0);
    browser.shows(NOTICE).await;
    browser.picture(&format!("notice-streamlit-{release}")).await;
    browser.slide_right().await;
    browser.shows("days=201").await;
    browser.switch_to(&silent).await;
    assert!(!browser.text().await.contains(NOTICE), "switched off for this app");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_appears_in_the_page_of_1_67_and_the_app_goes_on() {
    a_notice_appears("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_appears_in_the_page_of_1_39_and_the_app_goes_on() {
    a_notice_appears("139").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_door_the_page_comes_back_to_its_session_by_itself() {
    let mut door = Door::open(&PAGE.replace("$PYTHON", "$PYTHON167")).await;
    let mut browser = Browser::start("en").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    browser.press("Count").await;
    browser.shows("count=1").await;
    let pid = browser.value("pid").await;
    door.signal(Signal::USR1);
    door.exited().await;
    browser.connected(false).await;
    door.start().await;
    browser.connected(true).await;
    browser.slide_right().await;
    browser.shows("days=201").await;
    browser.press("Count").await;
    browser.shows("count=2").await;
    assert_eq!(browser.value("pid").await, pid, "nothing was lost");
}

/// How often the open page was refused when it tried to come back.
fn refused(door: &Door) -> usize {
    let log = std::fs::read_to_string(door.path("var/log/access.log")).unwrap_or_default();
    let is_refusal = |line: &&str| line.contains("/app/main/_stcore/") && line.contains("503");
    log.lines().filter(is_refusal).count()
}

async fn a_stop_lasts_until_the_person_comes_back(release: &str) {
    let page = PAGE.replace("$PYTHON", &format!("$PYTHON{release}"));
    let stops_soon = page.replace("Usher test page,", "Usher test page, untouched_timeout: 4s,");
    let door = Door::open(&stops_soon).await;
    let mut browser = Browser::start("ko").await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    let first = browser.value("pid").await;
    browser.shows("오래 사용하지 않아 앱을 종료했습니다.").await;
    door.seat_gone("jiyoung", "main").await;
    until("the open page to try again and again", async || (refused(&door) >= 4).then_some(()))
        .await;
    assert!(door.seat("jiyoung", "main").await.is_none(), "the stop lasts");
    assert!(door.log_lines(&["incident"]).is_empty(), "nothing to keep: {}", door.log());
    browser.picture(&format!("stopped-streamlit-{release}")).await;
    // The old page tries again more and more rarely: the next seat waits for it.
    door.write(&page);
    door.run(&["reload"]).await.expect(0);
    let old = browser.new_window().await;
    browser.visit_as("127.0.0.2", &door, "/app/main/").await;
    let second = browser.value("pid").await;
    assert_ne!(first, second, "who opens the page starts the app");
    browser.switch_to(&old).await;
    until("the old page to say no longer that the app has stopped", async || {
        (!browser.text().await.contains("앱을 종료했습니다")).then_some(())
    })
    .await;
    // Streamlit connects it again by itself and draws it anew at the next thing the person does.
    browser.press("Count").await;
    until("the old page to come back too", async || {
        (browser.value("pid").await == second).then_some(())
    })
    .await;
    door.run(&["seat", "stop", "jiyoung"]).await.expect(0);
    browser.shows("앱이 종료되었습니다.").await;
    browser.press_in_card("다시 열기").await;
    until("the app of the third start", async || {
        let pid = browser.value("pid").await;
        (pid != first && pid != second).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_1_67_lasts_until_the_person_comes_back() {
    a_stop_lasts_until_the_person_comes_back("167").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_1_39_lasts_until_the_person_comes_back() {
    a_stop_lasts_until_the_person_comes_back("139").await;
}
