//! Actions: each asks once, is carried out, recorded with the administrator, and told.

use http::Method;
use usher::admin::{Outcome, Refusal};
use usher::domain::{Failure, Language, SeatState};

use crate::house::{House, TOKEN, html};

const SEAT: &str = "/seats/jiyoung/main";

impl House {
    fn state(&self) -> SeatState {
        let seats = self.operations.supervisor().seats();
        seats.first().map_or(SeatState::Absent, |seat| seat.state)
    }

    /// Sends a form and reads the page that it leads to.
    async fn told(&self, path: &str, fields: &str) -> String {
        let place = self.submit(path, fields).await.expect("it leads somewhere");
        assert!(place.contains("?told="), "{place}");
        self.page(&place).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_started_restarted_and_stopped_by_forms() {
    let house = House::new();
    for (action, state, said) in [
        ("start", SeatState::Ready, "5G &lt;Feature&gt; Manager of jiyoung is running."),
        ("restart", SeatState::Ready, "5G &lt;Feature&gt; Manager of jiyoung was restarted."),
        ("stop", SeatState::Absent, "5G &lt;Feature&gt; Manager of jiyoung was stopped."),
    ] {
        let question = house.page(&format!("{SEAT}/{action}")).await;
        assert!(question.contains(&format!("action=\"/admin{SEAT}/{action}\"")), "{question}");
        let page = house.told(&format!("{SEAT}/{action}"), "").await;
        assert!(page.contains(said), "{action}: {page}");
        assert_eq!(house.state(), state, "{action}");
    }
    let ordered = house.happened().await;
    let ordered: Vec<_> = ordered.iter().filter(|event| event.contains("seat_ordered")).collect();
    assert_eq!(ordered, ["seat_ordered admin 민수"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_leads_back_to_where_it_was_asked() {
    let house = House::new();
    for (back, expected) in [
        ("", "/seats/jiyoung/main?told="),
        ("?back=seats", "/seats?told="),
        ("?back=overview", "/?told="),
        ("?back=https%3A%2F%2Felsewhere.example", "/seats/jiyoung/main?told="),
    ] {
        let question = house.page(&format!("{SEAT}/start{back}")).await;
        assert!(!question.contains("elsewhere"), "{question}");
        let place = house.submit(&format!("{SEAT}/start{back}"), "").await.expect("a place");
        assert!(place.starts_with(expected), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_said_once_and_to_nobody_who_guesses() {
    let house = House::new();
    let place = house.submit(&format!("{SEAT}/start"), "").await.expect("a place");
    assert!(house.page(&place).await.contains("data-told"));
    assert!(!house.page(&place).await.contains("data-told"));
    assert!(!house.page("/seats?told=999").await.contains("data-told"));
    assert!(!house.page("/seats?told=%3Cb%3E").await.contains("data-told"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_why() {
    let house = House::new();
    house.launcher.fail(Failure::ScriptMissing { path: "/srv/gone.py".to_owned() });
    let page = house.told(&format!("{SEAT}/start"), "").await;
    assert!(page.contains("could not be started") && page.contains("/srv/gone.py"), "{page}");
    let seats = house.page("/seats").await;
    assert!(seats.contains("The file to run, /srv/gone.py, was not found."), "{seats}");
    let seats = house.page_in(Language::Korean, "/seats").await;
    assert!(seats.contains("실행할 파일 /srv/gone.py를 찾을 수 없습니다."), "{seats}");
    let status = house.document("/seats").await;
    assert!(
        ["failed", "backoff"].contains(&status["seats"][0]["state"].as_str().expect("a state"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_asked_about_before_it_is_shown() {
    let house = House::new();
    let body = format!("csrf={TOKEN}&text=Lunch+%3Cnow%3E");
    let asked = house.ask(Method::POST, "/notices", &[], &body, Language::English).await;
    let Ok(Outcome::Page(question)) = asked else { panic!("no question") };
    let question = html(&question);
    assert!(question.contains("Send this notice?"), "{question}");
    assert!(question.contains("value=\"Lunch &lt;now&gt;\""), "{question}");
    assert!(house.operations.board().notices().is_empty());
    let page = house.told("/notices", "text=Lunch+%3Cnow%3E&sure=1").await;
    assert!(page.contains("The notice was sent. 0 people have an app open now."), "{page}");
    assert_eq!(&*house.operations.board().notices()[0].text, "Lunch <now>");
    let page = house.told("/notices", "text=+&sure=1").await;
    assert!(page.contains("The notice is empty"), "{page}");
    assert_eq!(house.happened().await, ["notice admin 민수"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_kicked_by_form_and_a_seat_by_call() {
    let house = House::new();
    let page = house.told("/users/jiyoung/kick", "").await;
    assert!(page.contains("jiyoung was disconnected: 0 connections."), "{page}");
    house.call(&format!("{SEAT}/start"), "").await.expect("a start");
    let (status, answer) = house.call(&format!("{SEAT}/kick"), "").await.expect("an answer");
    assert_eq!((status, &answer["websockets_closed"]), (200, &0.into()));
    let kicks = house.happened().await;
    assert_eq!(kicks.iter().filter(|event| *event == "kicked admin 민수").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_changed_or_every_problem() {
    let house = House::new();
    let page = house.told("/configuration/reload", "").await;
    assert!(page.contains("Nothing changed."), "{page}");
    house.write(|file| file.replace("title: 매출 현황", "titel: x, scirpt: y"));
    let page = house.told("/configuration/reload", "").await;
    assert!(page.contains("the file has 2 problems") && page.contains("titel"), "{page}");
    assert!(page.contains("did you mean"), "{page}");
    let configuration = house.document("/configuration").await;
    assert_eq!(configuration["problems"].as_array().map(Vec::len), Some(2));
    assert!(house.page("/").await.contains("The configuration file has 2 problems"));
    let refusal = house.call("/reload", "").await.expect_err("a refusal");
    let told = format!("{refusal:?}");
    assert!(told.contains("ConfigurationRefused") && told.contains("apps.sales.titel"), "{told}");
    house.write(|file| file.replace("매출 현황", "Sales"));
    let page = house.told("/configuration/reload", "").await;
    assert!(page.contains("The configuration was applied: 1 change."), "{page}");
    let (status, answer) = house.call("/reload", "").await.expect("an answer");
    assert_eq!((status, answer), (200, serde_json::json!({"changes": []})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_that_finds_a_seat_leads_to_it() {
    let house = House::new();
    for (query, expected) in [
        ("user=jiyoung&app=main", "/admin/seats/jiyoung/main"),
        ("user=%EB%AF%BC%EC%88%98&app=sales", "/admin/seats/%EB%AF%BC%EC%88%98/sales"),
        ("user=nobody&app=main", "/admin/seats?told="),
    ] {
        match house.get(&format!("/seats/find?{query}")).await {
            Ok(Outcome::See(place)) => assert!(place.starts_with(expected), "{place}"),
            Ok(_) => panic!("{query} leads nowhere"),
            Err(refusal) => panic!("{query}: {refusal:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_is_refused() {
    let house = House::new();
    let refusal = house.submit("/notices", &"x".repeat(20_000)).await.err();
    assert!(matches!(refusal, Some(Refusal::Body(_, 16_384))), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_these_pages_that_is_wrong_is_found_by_the_reload() {
    let house = House::new();
    let folder = house.folder.path().join("templates/admin");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("seats_live.html"), "\n{{ view.content.seatz }}").expect("a file");
    house.write(|file| format!("{file}templates: templates\n"));
    let refusal = house.call("/reload", "").await.expect_err("a refusal");
    assert!(format!("{refusal:?}").contains("seats_live.html:2"), "{refusal:?}");
    std::fs::write(folder.join("seats_live.html"), "ours").expect("a file");
    house.call("/reload", "").await.expect("a reload");
    assert!(house.page("/seats").await.contains("<div data-part>ours"));
}
