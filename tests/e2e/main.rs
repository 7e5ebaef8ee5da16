//! The promises of the front door, checked from outside: the real binary, real Streamlit, real
//! Chromium.
//!
//! A scenario is named after the promise it checks. It knows the configuration file, the command
//! line, URLs and JSON, and nothing of the program's inside. Clients call from 127.0.0.1 (minsu, an
//! administrator), .2 (jiyoung), .3 (hana) and .99 (a stranger). Each scenario has a door of its
//! own, with its own folder and ports, so all of them may run at the same time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop here; the rig starts real processes and reads the real clock"
)]

mod rig;

mod access;
mod activity;
mod admin;
mod attacks;
mod broken_apps;
mod chaos;
mod cold;
mod control;
mod dwell;
mod fork;
mod front;
mod headers;
mod hostile;
mod http;
mod hundred;
mod in_page;
mod life;
mod limits;
mod long_paths;
mod looks;
mod multiplexed;
mod page;
mod paths;
mod provider;
mod reload;
mod room;
mod sign_in;
mod slow;
mod stop;
mod streamlit;
mod tls;
mod tools;
mod unwritable;
mod upgrade;
mod usable;
mod websocket;
