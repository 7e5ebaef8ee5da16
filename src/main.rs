//! Flags, configuration, run, exit code.

fn main() {}
