//! The supervisor under everything that can happen to it.
//!
//! * `seeded`: a thousand worlds with faults drawn from a seed: first safety with faults, then
//!   liveness without. `SEED=n` replays one, `SEEDS=n` runs as many.
//! * `exhaustive`: every sequence of moves up to a small length. `LENGTH=n` makes it longer.
//! * `supervisor`: the handle and the driver with a fake launcher, under paused time.
//!
//! `world` is the machine with everything around it in one value: processes, the proxy's leases,
//! requests that wait. `promises` is what it must never break, told independently of the machine.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod exhaustive;
mod fake;
mod moves;
mod promises;
mod random;
mod seeded;
mod supervisor;
mod world;
