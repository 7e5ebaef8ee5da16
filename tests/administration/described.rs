//! Every document of the API against its own description, with a small validator of the part of
//! JSON Schema that the description uses; and the description against itself.

use http::Method;
use serde_json::Value;
use usher::admin::Outcome;
use usher::admin::router::{ROUTES, Verb, What};
use usher::domain::Language;

use crate::house::House;

/// Why a value does not fit, or nothing.
fn misfit(value: &Value, schema: &Value, root: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        return misfit(value, target.unwrap_or_else(|| panic!("no {reference}")), root, at);
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let fitting = choices.iter().filter(|choice| misfit(value, choice, root, at).is_none());
        return (fitting.count() != 1).then(|| format!("{at}: none or several of oneOf"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |wanted: &Value| wanted == kind || (wanted == "number" && kind == "integer");
    let wanted = &schema["type"];
    let is_kind = wanted.as_array().map_or_else(|| fits(wanted), |all| all.iter().any(fits));
    if !is_kind {
        return Some(format!("{at}: {kind} is not {}", schema["type"]));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array)
        && !words.contains(value)
    {
        return Some(format!("{at}: {value} is none of {words:?}"));
    }
    match value {
        Value::String(text) if schema["format"] == "date-time" => {
            let is_time = text.parse::<jiff::Timestamp>().is_ok() && text.ends_with("+09:00");
            (!is_time).then(|| format!("{at}: {text} is no time of Seoul"))
        }
        Value::String(text) if schema["format"] == "date" => {
            text.parse::<jiff::civil::Date>().err().map(|_| format!("{at}: {text} is no day"))
        }
        Value::Array(items) => {
            items.iter().find_map(|item| misfit(item, &schema["items"], root, &format!("{at}[]")))
        }
        Value::Object(fields) if schema.get("properties").is_some() => {
            let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
            let missing =
                required.iter().find(|name| !fields.contains_key(name.as_str().expect("a name")));
            if let Some(missing) = missing {
                return Some(format!("{at} lacks {missing}"));
            }
            fields.iter().find_map(|(name, value)| match schema["properties"].get(name) {
                Some(schema) => misfit(value, schema, root, &format!("{at}.{name}")),
                None => Some(format!("{at}.{name} is not described")),
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            None
        }
    }
}

fn schema_of<'d>(description: &'d Value, path: &str, method: &str, status: u16) -> &'d Value {
    let answer = &description["paths"][path][method]["responses"][status.to_string()];
    let schema = &answer["content"]["application/json"]["schema"];
    assert!(!schema.is_null(), "{method} {path} {status} is not described");
    schema
}

/// A house in which something has happened.
async fn lived_in() -> House {
    let house = House::new();
    house.call("/seats/jiyoung/main/start", "").await.expect("a start");
    house.call("/seats/hana/sales/start", "").await.expect("a start");
    house.call("/notices", r#"{"text": "점심시간입니다"}"#).await.expect("a notice");
    house.flush().await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_as_described() {
    let house = lived_in().await;
    let description = house.document("/openapi.json").await;
    assert_eq!(description["servers"][0]["url"], "/admin/api");
    let mut tried = 0;
    for route in ROUTES {
        let (Some(pattern), What::Api(_)) = (route.pattern.strip_prefix("/api"), route.what) else {
            continue;
        };
        let path = pattern.replace("{user}", "jiyoung").replace("{app}", "main");
        let document = house.document(&path).await;
        let schema = schema_of(&description, pattern, "get", 200);
        assert_eq!(misfit(&document, schema, &description, pattern), None);
        tried += 1;
    }
    assert!(tried >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_answers_as_described() {
    let house = lived_in().await;
    let description = house.document("/openapi.json").await;
    let seat = "/seats/{user}/{app}";
    for (pattern, body) in [
        (format!("{seat}/kick"), ""),
        (format!("{seat}/restart"), ""),
        (format!("{seat}/stop"), ""),
        (format!("{seat}/start"), ""),
        ("/notices".to_owned(), r#"{"text": "x"}"#),
        ("/reload".to_owned(), ""),
    ] {
        let path = pattern.replace("{user}", "jiyoung").replace("{app}", "main");
        let (status, document) = house.call(&path, body).await.expect("an answer");
        let schema = schema_of(&description, &pattern, "post", status);
        assert_eq!(misfit(&document, schema, &description, &pattern), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_every_line_of_the_table_and_no_other() {
    let house = House::new();
    let description = house.document("/openapi.json").await;
    let paths = description["paths"].as_object().expect("paths");
    let described: usize =
        paths.values().map(|item| item.as_object().expect("methods").len()).sum();
    let routes = ROUTES.iter().filter(|route| route.pattern.starts_with("/api/"));
    assert_eq!(described, routes.clone().count());
    let mut names = Vec::new();
    for route in routes {
        let path = route.pattern.strip_prefix("/api").expect("checked");
        let method = if route.verb == Verb::Get { "get" } else { "post" };
        let operation = &paths[path][method];
        names.push(operation["operationId"].as_str().expect("a name").to_owned());
        let parameters = operation["parameters"].to_string();
        for name in ["user", "app"] {
            let is_in_path = route.pattern.contains(&format!("{{{name}}}"));
            let is_described = parameters.contains("\"in\":\"path\"")
                && parameters.contains(&format!("\"name\":\"{name}\""));
            assert!(!is_in_path || is_described, "{path}: {name}");
        }
        let has_header = parameters.contains("X-Usher-Request");
        assert_eq!(has_header, route.verb == Verb::Post, "{path}");
    }
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "an operation's name stands twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_lead_somewhere_and_every_field_has_a_sentence() {
    let house = House::new();
    let description = house.document("/openapi.json").await;
    fn look(value: &Value, root: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let target = root.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some_and(Value::is_object), "{reference}");
                }
                fields.values().for_each(|value| look(value, root));
            }
            Value::Array(items) => items.iter().for_each(|item| look(item, root)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    look(&description, &description);
    for (name, schema) in description["components"]["schemas"].as_object().expect("schemas") {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().expect("fields") {
            let is_told = schema["description"].as_str().is_some_and(|told| told.ends_with('.'));
            assert!(is_told, "{name}.{field}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_not_as_described_are_refused() {
    let house = House::new();
    for (body, code) in [
        ("", "BadBody"),
        ("text=x", "BadBody"),
        ("[]", "BadBody"),
        (r#"{"text": 7}"#, "BadBody"),
        (r#"{"text": "  "}"#, "NoticeEmpty"),
    ] {
        let refusal = house.call("/notices", body).await.expect_err("a refusal");
        assert!(format!("{refusal:?}").contains(code), "{body}: {refusal:?}");
    }
    let long = format!("{{\"text\": \"{}\"}}", "가".repeat(700));
    let refusal = house.call("/notices", &long).await.expect_err("a refusal");
    assert!(format!("{refusal:?}").contains("NoticeTooLong { limit_bytes: 2000 }"), "{refusal:?}");
    let huge = "x".repeat(17 * 1024);
    let refusal = house.call("/notices", &huge).await.expect_err("a refusal");
    assert!(format!("{refusal:?}").contains("TooLarge"), "{refusal:?}");
    assert!(house.operations.board().notices().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_where_they_ended() {
    let house = House::new();
    for number in 0..25 {
        let body = format!("{{\"text\": \"notice {number}\"}}");
        house.call("/notices", &body).await.expect("a notice");
        house.clock.advance(1000);
    }
    house.flush().await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let told = house.document(&format!("/events?kind=notice&limit=10{after}")).await;
        for event in told["events"].as_array().expect("a list") {
            seen.push(event["detail"].as_str().expect("a text").to_owned());
        }
        match told["after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let expected: Vec<_> = (0..25).rev().map(|number| format!("notice {number}")).collect();
    assert_eq!(seen, expected);
    let users = house.document("/users?limit=2").await;
    assert_eq!(users["after"], "jiyoung");
    let rest = house.document("/users?after=jiyoung").await;
    assert_eq!((&rest["users"][0]["name"], &rest["after"]), (&"hana".into(), &Value::Null));
    let korean = house.ask(Method::GET, "/api/users", &[], "", Language::Korean).await;
    assert!(matches!(korean, Ok(Outcome::Json(200, _))));
}
