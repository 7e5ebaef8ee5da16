//! The administrators' pages for those who have no mouse, or whose browser runs no scripts.

use serde_json::{Value, json};

use crate::rig::{Browser, Door, Key, until};

const TOOL: &str = "
apps:
  tool: { title: 매출 현황, command: $PLAIN, ports: $PORTS }
users: $USERS
";
/// A person at a page never needs more.
const TABS_MAX: usize = 60;

/// What has the focus, and whether it can be seen to have it.
const FOCUSED: &str = "\
    const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();\
    return { id: one.id, name: one.nodeName, href: one.getAttribute('href') ?? '', in_main: !!one.closest('main'),\
        in_dialog: !!one.closest('dialog'), seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2\
            && box.width > 0 && box.top >= 0 && box.bottom <= innerHeight }";

const STOP: &str = "/admin/seats/jiyoung/tool/stop?back=seats";

async fn at_the_seats(prepare: impl AsyncFn(&Browser)) -> (Door, Browser) {
    let door = Door::open(TOOL).await;
    door.jiyoung().get("/app/tool/pid").await.expect(200);
    let mut browser = Browser::start("ko").await;
    prepare(&browser).await;
    browser.visit_as("127.0.0.1", &door, "/admin/seats").await;
    browser.shows("jiyoung").await;
    (door, browser)
}

/// Strikes Tab until this has the focus, and passes only what can be seen to have it on the way.
async fn tab_to(browser: &Browser, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..TABS_MAX {
        browser.strike(Key::Tab).await;
        let focused = browser.run(FOCUSED).await;
        // Behind the last element the focus is at none.
        assert!(focused["seen"] == true || focused["name"] == "BODY", "nobody sees {focused}");
        if is_it(&focused) {
            return focused;
        }
    }
    panic!("{what} cannot be reached by keyboard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_stopped_by_keyboard_alone_and_the_focus_is_always_seen() {
    let (door, browser) = at_the_seats(async |_| ()).await;
    let skip = tab_to(&browser, "the skip link", |_| true).await;
    assert_eq!(skip["href"], json!("#main"), "it comes first");
    browser.strike(Key::Enter).await;
    let next = tab_to(&browser, "the content", |_| true).await;
    assert_eq!(next["in_main"], json!(true), "{next}");
    tab_to(&browser, "Stop", |focused| focused["href"] == STOP).await;
    browser.strike(Key::Enter).await;
    until("the question", async || (browser.run(FOCUSED).await["in_dialog"] == true).then_some(()))
        .await;
    browser.strike(Key::Escape).await;
    until("the focus where it was", async || {
        (browser.run(FOCUSED).await["href"] == STOP).then_some(())
    })
    .await;
    assert!(door.seat("jiyoung", "tool").await.is_some(), "nothing was stopped yet");
    browser.strike(Key::Enter).await;
    browser.shows("저장하지 않은 내용은 사라집니다.").await;
    browser.strike(Key::Enter).await;
    browser.shows("매출 현황을 종료했습니다.").await;
    door.seat_gone("jiyoung", "tool").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_stopped_a_notice_sent_and_the_statistics_read_without_scripts() {
    let (door, browser) = at_the_seats(async |browser| browser.without_scripts().await).await;
    browser.find(&format!("a[href='{STOP}']")).await.click().await.unwrap();
    browser.shows("jiyoung 님의 매출 현황을 종료할까요?").await;
    browser.press("종료").await;
    browser.shows("매출 현황을 종료했습니다.").await;
    door.seat_gone("jiyoung", "tool").await;

    browser.find(".tabs a[href='/admin/']").await.click().await.unwrap();
    browser.find("textarea").await.send_keys("점심 뒤에 다시 시작합니다").await.unwrap();
    browser.press("공지 보내기").await;
    browser.shows("이 공지를 보낼까요?").await;
    browser.press("공지 보내기").await;
    browser.shows("공지를 보냈습니다.").await;

    browser.find(".tabs a[href='/admin/statistics']").await.click().await.unwrap();
    let link = browser.find("a[href*='statistics.csv']").await;
    let link = link.attr("href").await.unwrap().unwrap();
    let sheet = door.minsu().get(&link).await.expect(200);
    assert!(sheet.header("content-type").unwrap().starts_with("text/csv"), "{sheet:?}");
    assert!(sheet.text().lines().next().unwrap().contains("visits"), "{}", sheet.text());
}
