//! What events say: what really happened, read on the pages of both languages.

use usher::admin::sample::samples;
use usher::domain::{Actor, Detail, Exit, Failure, Language, SeatState};

use crate::house::{House, html, pages};

/// The texts of the elements that begin like this, without what is marked up in them.
fn texts(html: &str, begin: &str, end: &str) -> Vec<String> {
    let inside = |part: &str| part.split(end).next().unwrap_or_default().to_owned();
    html.split(begin).skip(1).map(|part| text(&inside(part))).collect()
}

fn text(html: &str) -> String {
    let text: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |p| p.1)).collect();
    let text = text
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `kind: detail` of every event, oldest first.
async fn told(house: &House, language: Language) -> Vec<String> {
    house.flush().await;
    let page = house.page_in(language, "/events").await;
    let kinds = texts(&page, "<th scope=\"row\">", "</th>");
    let details = texts(&page, "<td class=\"detail", "</td>");
    let lines = kinds.iter().zip(details).map(|(kind, detail)| format!("{kind}: {detail}"));
    let mut lines: Vec<String> = lines.collect();
    lines.reverse();
    lines
}

fn lacking<'a>(told: &[String], expected: &[&'a str]) -> Vec<&'a str> {
    expected.iter().filter(|line| !told.iter().any(|told| told == *line)).copied().collect()
}

/// A house in which most things have happened.
async fn lived_in() -> House {
    let house = House::new();
    house.submit("/seats/jiyoung/main/start", "").await.expect("a start");
    house.clock.advance(612_345);
    house.launcher.crash(Exit::Signal(11));
    let ended = async || {
        while house.operations.supervisor().seats().iter().any(|s| s.state == SeatState::Ready) {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, ended()).await.expect("it crashes");
    house.submit("/seats/jiyoung/main/start", "").await.expect("a start");
    house.call("/seats/jiyoung/main/kick", "").await.expect("a kick");
    house.clock.advance(75_000);
    house.submit("/seats/jiyoung/main/stop", "").await.expect("a stop");
    house.launcher.fail(Failure::ScriptMissing { path: "/srv/gone.py".to_owned() });
    house.submit("/seats/hana/sales/start", "").await.expect("an answer");
    house.submit("/users/jiyoung/kick", "").await.expect("a kick");
    house.call("/notices", r#"{"text": "점심시간 <12시>"}"#).await.expect("a notice");
    house.write(|file| file.replace("title: 매출 현황", "titel: x"));
    house.call("/reload", "").await.expect_err("a refusal");
    house.write(|file| file.replace("매출 현황", "Sales"));
    house.call("/reload", "").await.expect("a reload");
    house.operations.record("seat_gone", &Actor::Usher, None, Detail::new("as it was", vec![]));
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_in_the_language_of_the_page() {
    let house = lived_in().await;
    let korean = told(&house, Language::Korean).await;
    let expected = [
        "시작됨: 0초 만에 시작되었습니다. (미리 준비된 프로세스에서 복제)",
        "비정상 종료: 앱이 신호 SIGSEGV (11)로 종료되었습니다. 시작한 지 10분 12초 만입니다. \
         다음 요청이 오면 다시 시작합니다.",
        "관리자 조작: 시작",
        "연결 끊음: 열려 있는 연결이 없었습니다.",
        "종료하는 중: 이유: 관리자가 종료",
        "시작 실패: 실행할 파일 /srv/gone.py를 찾을 수 없습니다. 2초 뒤에 다시 시도할 수 있습니다.",
        "연결 끊음: jiyoung 님에게는 열려 있는 연결이 없었습니다.",
        "공지: ‘점심시간 <12시>’",
        "서버가 멈춘 사이 종료됨: as it was",
    ];
    assert_eq!(lacking(&korean, &expected), [""; 0], "{korean:#?}");
    let english = told(&house, Language::English).await;
    let expected = [
        "Started: Ready after 0 s (forked from a warm process).",
        "Crashed: The app was ended by the signal SIGSEGV (11). It had run for 10 min 12 s. \
         The next request starts it again.",
        "Order: Start",
        "Stopping: Reason: an administrator’s order",
        "Disconnected: jiyoung had no open connection.",
        "Notice: “점심시간 <12시>”",
        "Ended while the server was away: as it was",
    ];
    assert_eq!(lacking(&english, &expected), [""; 0], "{english:#?}");
    for (told, begin) in [
        (&korean, "설정 거부: 파일에 문제가 1개 있어 설정을 적용하지 않았습니다. 문제: "),
        (&korean, "설정 적용: 설정을 적용했습니다. 바뀐 항목은 1개입니다. 바뀐 내용: "),
        (&korean, "종료됨: 이유: 관리자가 종료 · 실행 시간: 1분 15초 · 종료 "),
        (&english, "Stopped: Reason: an administrator’s order · Ran for 1 min 15 s · E"),
    ] {
        assert!(told.iter().any(|line| line.starts_with(begin)), "{begin}: {told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seats_page_and_the_overview_tell_the_same() {
    let house = lived_in().await;
    house.flush().await;
    for (language, said) in [
        (
            Language::Korean,
            "앱이 신호 SIGSEGV (11)로 종료되었습니다. 시작한 지 10분 12초 만입니다.",
        ),
        (Language::English, "The app was ended by the signal SIGSEGV (11). It had run for 10 min"),
    ] {
        let page = house.page_in(language, "/seats/jiyoung/main").await;
        assert!(page.contains(said), "{page}");
    }
    let overview = house.page_in(Language::Korean, "/").await;
    assert!(overview.contains("‘점심시간 &lt;12시&gt;’"), "{overview}");
    assert!(overview.contains("<span lang=\"en\">as it was</span>"), "{overview}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_has_the_text_as_ever_and_the_clauses_beside_it() {
    let house = lived_in().await;
    house.flush().await;
    let told = house.document("/events?kind=seat_crashed").await;
    let event = &told["events"][0];
    let text = "failed after 612 s: the process ended by itself (signal 11); \
        the next request starts it again";
    assert_eq!(event["detail"], text);
    let value = serde_json::json!({
        "name": "time", "kind": "seconds", "text": null, "number": 612.0
    });
    let after = serde_json::json!({ "code": "detail.after", "values": [value] });
    assert_eq!(event["clauses"][1], after, "{event}");
    let told = house.document("/events?kind=seat_gone").await;
    assert_eq!(told["events"][0]["clauses"], serde_json::json!([]));
}

/// The samples have an event of each kind, made as usher makes it.
#[test]
fn nothing_that_usher_says_stays_in_english_on_a_korean_page() {
    let samples = samples();
    let events = samples.iter().find(|sample| sample.name == "events").expect("the events");
    for language in Language::ALL {
        let page = html(&events.render(&pages(), language));
        let foreign = texts(&page, "<span lang=\"en\">", "</span>");
        assert_eq!(foreign, ["what a newer usher says"]);
    }
}
