//! The account with its threads and the system's clock: killed processes, full disks, locked and
//! broken files, many who tell at once. What a clock that is moved by hand can show is tested
//! beside the code.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod children;
mod disk;
mod disks;
mod files;
mod many;
mod rig;
