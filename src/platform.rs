//! The few system calls that need `unsafe` or `rustix`. No policy: callers decide what to ask for.

pub mod streams;
