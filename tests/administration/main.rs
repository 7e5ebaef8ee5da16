//! The administrators' pages and API over real operations and a real store, without a socket.
//!
//! * `looks`: what holds for the HTML of every page, from the samples.
//! * `reached`: every line of the table of routes, as administrator.
//! * `described`: every document of the API against its own description.
//! * `ordered`: actions: asked once, carried out, recorded, told.
//! * `told`: what events say, on the pages of both languages and in the API.
//! * `script`: a week that three users spend at two apps, told to the real account.
//! * `week`: its exact numbers on the page, in the API, in the CSV and in the file itself.
//! * `live`: the events of a page.
//! * `metrics`: `/metrics` by the rules of OpenMetrics, and its dashboard.
//!
//! Who may come in at all is tried with the real binary in `tests/e2e`.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod described;
mod fake;
mod house;
mod live;
mod looks;
mod metrics;
mod ordered;
mod reached;
mod script;
mod told;
mod week;
