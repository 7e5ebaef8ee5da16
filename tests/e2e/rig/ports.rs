//! Ports that no other test takes: blocks outside the range from which the kernel gives ports to
//! outgoing connections, each held by a lock on a file, so that several test programs on one
//! machine stay apart. The kernel frees the lock when the program ends, however it ends.

use std::fs::File;
use std::net::TcpListener;

use rustix::fs::{FlockOperation, flock};

const FIRST_PORT: u16 = 20_000;
const BLOCKS: u16 = 120;
const BLOCK_PORTS: u16 = 100;
const SEATS_FROM: u16 = 20;

/// A hundred ports: the first few for doors and other listeners of the test, the rest for seats.
pub(crate) struct Ports {
    first: u16,
    _lock: File,
}

impl Ports {
    /// Takes a block that nobody holds and in which nobody listens.
    pub(crate) fn take() -> Self {
        let folder = std::env::temp_dir().join("usher-test-ports");
        std::fs::create_dir_all(&folder).expect("the folder of port locks");
        for block in 0..BLOCKS {
            let lock =
                File::options().create(true).append(true).open(folder.join(block.to_string()));
            let lock = lock.expect("a port lock");
            let first = FIRST_PORT + block * BLOCK_PORTS;
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() && is_quiet(first) {
                return Self { first, _lock: lock };
            }
        }
        panic!("all {BLOCKS} port blocks are taken: do other tests run on this machine?");
    }

    /// A port for a listener of the test or the door: 0 is the door's own.
    pub(crate) fn spare(&self, number: u16) -> u16 {
        assert!(number < SEATS_FROM, "spare ports end before those of seats");
        self.first + number
    }

    /// The first and last port for seats.
    pub(crate) fn seats(&self) -> (u16, u16) {
        (self.first + SEATS_FROM, self.first + BLOCK_PORTS - 1)
    }
}

/// Whether every port of the block can be bound.
fn is_quiet(first: u16) -> bool {
    (first..first + BLOCK_PORTS).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}
