//! The description of the API (OpenAPI 3.1), made from the table of routes and the structs of the
//! documents, so that it cannot say anything else than what is answered.

use serde_json::{Map, Value, json};

use super::described::{Described, Schemas, about};
use super::json as documents;
use super::router::{Document, Order, ROUTES, Route, SeatAction, Verb, What};

/// What is said about one operation.
struct Told {
    /// The name that generated clients give it.
    name: String,
    /// A sentence.
    summary: &'static str,
    /// Parameters of the query by name.
    parameters: &'static [&'static str],
    /// The schema of the body, if there is one.
    body: Option<Value>,
    /// The status of success.
    status: u16,
    /// What is answered then.
    answer: Value,
    /// The statuses of refusals, beside those of everybody.
    refusals: &'static [u16],
}

/// The document, for pages at `admin_path`.
pub(super) fn description(admin_path: &str) -> Value {
    let mut schemas = Schemas::default();
    let error = documents::Error::schema(&mut schemas);
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let Some(path) = route.pattern.strip_prefix("/api") else { continue };
        let Some(told) = told(route.what, &mut schemas) else { continue };
        let method = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        let item = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        item[method] = operation(route, told, &error);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Usher",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "The administrators' API.",
            "description": "Administrators are known as on every page: by their address, and by \
                            their cookie session where a password is asked for. Calls that change \
                            something carry the header X-Usher-Request: 1. Times are RFC 3339 with \
                            the offset of the configured zone, durations are seconds (_s), sizes \
                            are bytes (_bytes). What does not apply is null.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": format!("{admin_path}/api") }],
        "paths": paths,
        "components": { "schemas": schemas.into_value() },
    })
}

fn operation(route: &Route, told: Told, error: &Value) -> Value {
    let mut answers = Map::new();
    let answer = |what: &str, schema: &Value| json!({ "description": what, "content": { "application/json": { "schema": schema } } });
    answers.insert(told.status.to_string(), answer("Done.", &told.answer));
    let common: &[u16] = match route.verb {
        Verb::Get => &[401, 403, 404],
        Verb::Post => &[401, 403, 404, 413],
    };
    for status in common.iter().chain(told.refusals) {
        answers.insert(status.to_string(), answer(refusal(*status), error));
    }
    let mut parameters: Vec<Value> = ["user", "app"]
        .into_iter()
        .filter(|name| route.pattern.contains(&format!("{{{name}}}")))
        .map(path_parameter)
        .collect();
    parameters.extend(told.parameters.iter().map(|name| query_parameter(name)));
    if route.verb == Verb::Post {
        parameters.push(json!({
            "name": "X-Usher-Request", "in": "header", "required": true,
            "description": "Always 1: another site cannot send it.",
            "schema": { "type": "string", "enum": ["1"] },
        }));
    }
    let mut operation = json!({
        "operationId": told.name,
        "summary": told.summary,
        "parameters": parameters,
        "responses": answers,
    });
    if let Some(body) = told.body {
        operation["requestBody"] = json!({
            "required": true, "content": { "application/json": { "schema": body } },
        });
    }
    operation
}

fn refusal(status: u16) -> &'static str {
    match status {
        400 => "A parameter or the body cannot be read.",
        401 => "Sign in first.",
        403 => "Not an address of this server's users, a call of another site, or no header.",
        404 => "There is no such thing, or the caller is no administrator.",
        409 => "Not in the present state.",
        413 => "The body is too large.",
        _ => "Not now; Retry-After says when.",
    }
}

fn path_parameter(name: &str) -> Value {
    let sentence = if name == "user" { "The user's name." } else { "The app's name in addresses." };
    json!({
        "name": name, "in": "path", "required": true, "description": sentence,
        "schema": { "type": "string" },
    })
}

fn query_parameter(name: &str) -> Value {
    let text = json!({ "type": "string" });
    let (sentence, schema) = match name {
        "from" => ("From this day or time on.", text),
        "to" => ("Until this day, which is counted too, or before this time.", text),
        "user" => ("Only this user's.", text),
        "app" => ("Only this app's.", text),
        "kind" => ("Only of this kind.", text),
        "after" => ("What an earlier answer gave as `after`: what follows it.", text),
        _ => (
            "At most so many.",
            json!({ "type": "integer", "minimum": 1, "maximum": crate::store::ROWS_MAX }),
        ),
    };
    json!({ "name": name, "in": "query", "description": sentence, "schema": schema })
}

fn told(what: What, schemas: &mut Schemas) -> Option<Told> {
    match what {
        What::Api(document) => Some(told_document(document, schemas)),
        What::Order(order) => Some(told_order(order, schemas)),
        What::Page(_)
        | What::Seat
        | What::FindSeat
        | What::AskSeat(_)
        | What::DoSeat(_)
        | What::AskKick
        | What::DoKick
        | What::Notice
        | What::AskReload
        | What::DoReload
        | What::Live(_)
        | What::LiveSeat
        | What::Csv(_) => None,
    }
}

fn told_document(document: Document, schemas: &mut Schemas) -> Told {
    use documents as d;
    let (name, summary, parameters, answer): (_, _, &'static [&'static str], _) = match document {
        Document::Description => {
            ("description", "This description.", &[], json!({ "type": "object" }))
        }
        Document::Seats => ("seats", "Seats that are not absent.", &[], d::Seats::schema(schemas)),
        Document::SeatLog => {
            ("seat_log", "The end of a seat's log.", &[], d::SeatLog::schema(schemas))
        }
        Document::Users => {
            ("users", "Users of the configuration.", &["after", "limit"], d::Users::schema(schemas))
        }
        Document::Visits => (
            "visits",
            "Visits, newest first.",
            &["from", "to", "user", "app", "limit", "after"],
            d::Visits::schema(schemas),
        ),
        Document::Events => (
            "events",
            "Events, newest first.",
            &["from", "to", "user", "app", "kind", "limit", "after"],
            d::Events::schema(schemas),
        ),
        Document::Statistics => (
            "statistics",
            "Visits, people and times; the last thirty days if no range is given.",
            &["from", "to", "user", "app"],
            d::Statistics::schema(schemas),
        ),
        Document::Server => {
            ("server", "The machine and this process.", &[], d::Server::schema(schemas))
        }
        Document::Configuration => (
            "configuration",
            "What is in force, and what is wrong with the file.",
            &[],
            d::Configuration::schema(schemas),
        ),
        Document::Notices => {
            ("notices", "The notices, newest first.", &[], d::Notices::schema(schemas))
        }
    };
    let refusals: &'static [u16] = match document {
        Document::Visits | Document::Events | Document::Statistics => &[400, 503],
        Document::Users => &[400],
        Document::Description
        | Document::Seats
        | Document::SeatLog
        | Document::Server
        | Document::Configuration
        | Document::Notices => &[],
    };
    Told { name: name.to_owned(), summary, parameters, body: None, status: 200, answer, refusals }
}

fn told_order(order: Order, schemas: &mut Schemas) -> Told {
    let (name, summary, status, answer) = match order {
        Order::Seat(action) => {
            let (summary, status) = match action {
                SeatAction::Start => ("Start a seat.", 202),
                SeatAction::Stop => ("Stop a seat.", 202),
                SeatAction::Restart => ("Stop a seat and start it again.", 202),
                SeatAction::Kick => ("Close a seat's WebSockets; it runs on.", 200),
            };
            let name = format!("{}_seat", action.as_str());
            (name, summary, status, documents::Ordered::schema(schemas))
        }
        Order::Notice => (
            "put_up_notice".to_owned(),
            "Tell something to everybody who has an app open.",
            201,
            documents::Notice::schema(schemas),
        ),
        Order::Reload => (
            "reload".to_owned(),
            "Apply the configuration file.",
            200,
            documents::Reloaded::schema(schemas),
        ),
    };
    let text = about(json!({ "type": "string", "minLength": 1 }), "At most 2,000 bytes.");
    let notice = json!({
        "type": "object", "required": ["text"], "properties": { "text": text },
    });
    let (body, refusals): (_, &'static [u16]) = match order {
        Order::Notice => (Some(notice), &[400]),
        Order::Seat(_) | Order::Reload => (None, &[409]),
    };
    Told { name, summary, parameters: &[], body, status, answer, refusals }
}
