//! Fuzzing on the stable toolchain: seeded mutations of a kept corpus, over everything that reads
//! what strangers or a hurried operator write. An input that makes its target behave in a way that
//! was not seen before joins the inputs that are mutated, so that the search goes deeper where
//! there is something to find.
//!
//! Each target runs for `USHER_FUZZ_S` seconds: 60 in CI, 3 otherwise. A failure prints the input;
//! kept as a file in `corpus/TARGET/` it is tried first for ever after. `USHER_FUZZ_SEED` begins
//! elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on should stop here; its time is a budget, not a promise"
)]

mod engine;
#[path = "../../src/edge/frames.rs"]
mod frames;
mod targets;

use engine::fuzz;

#[test]
fn configuration() {
    fuzz("configuration", targets::configuration);
}

#[test]
fn address_table() {
    fuzz("address_table", targets::address_table);
}

#[test]
fn forwarded() {
    fuzz("forwarded", targets::forwarded);
}

#[test]
fn frames() {
    fuzz("frames", targets::frames);
}

#[test]
fn cookie() {
    fuzz("cookie", targets::cookie);
}
