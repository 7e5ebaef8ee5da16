//! The process side with real processes: what a seat is given, how it is found, and that nothing of
//! it is ever left.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where it stands")]

#[path = "launch/fixture.rs"]
mod fixture;

#[path = "launch/failures.rs"]
mod failures;

#[path = "launch/given.rs"]
mod given;

#[path = "launch/endings.rs"]
mod endings;

#[path = "launch/survivors.rs"]
mod survivors;

#[path = "launch/health.rs"]
mod health;

#[path = "launch/streamlit.rs"]
mod streamlit;

#[path = "launch/fork.rs"]
mod fork;

#[path = "launch/templates.rs"]
mod templates;

#[path = "launch/limits.rs"]
mod limits;
