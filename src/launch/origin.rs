//! Whether a connection to the door comes from a seat's process. An app must not be taken for the
//! person whose address is this machine's own: the connection's holder tells, and cannot be forged.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::environment::{self, MARK};
use crate::clock::{Clock, Moment};
use crate::platform::{self, peers, sockets, table};

/// For so long a process is taken to be what it was found to be: no process number comes round
/// again within it.
const VERDICTS_AGE_MAX_MS: u64 = 2_000;

const FIRST_PROCESS: u32 = 1;

/// Whose a process is, by its number, as far as was asked lately.
pub(super) struct Origins {
    mark_beginning: String,
    clock: Arc<dyn Clock>,
    verdicts: Mutex<(Moment, HashMap<u32, bool>)>,
}

impl Origins {
    /// Seats are those of this state folder.
    pub(super) fn new(state_dir: &str, clock: Arc<dyn Clock>) -> Self {
        let verdicts = Mutex::new((clock.now(), HashMap::new()));
        Self { mark_beginning: environment::mark_beginning(state_dir), clock, verdicts }
    }

    /// Whether a process of any seat holds the other end of this connection within the machine.
    /// Both addresses are canonical. Costs a look at the list of processes and at the open files of
    /// the seats; nothing of that if the other end is of another account, which no seat can be.
    pub(super) fn is_seat(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let Some(end) = peers::end(peer, local) else { return false };
        let own_uid = platform::own_uid();
        if own_uid != 0 && end.uid != own_uid {
            return false;
        }
        let now = self.clock.now();
        let mut verdicts = self.verdicts.lock();
        if now.since_ms(verdicts.0) > VERDICTS_AGE_MAX_MS {
            *verdicts = (now, HashMap::new());
        }
        table::numbers()
            .filter(|pid| self.judge(*pid, &mut verdicts.1))
            .any(|pid| sockets::sockets_of(pid).contains(&end.inode))
    }

    /// A process is a seat's if it carries a mark, or if the leader of its session or its parent is
    /// a seat's.
    fn judge(&self, pid: u32, verdicts: &mut HashMap<u32, bool>) -> bool {
        let own = std::process::id();
        if pid == FIRST_PROCESS || pid == own {
            return false;
        }
        if let Some(verdict) = verdicts.get(&pid) {
            return *verdict;
        }
        let Some(process) = table::process(pid) else { return false };
        // Ends the search should a process vanish and its number come round meanwhile.
        verdicts.insert(pid, false);
        let is_marked = table::environment_value(pid, MARK)
            .is_some_and(|mark| mark.starts_with(&self.mark_beginning));
        let verdict = is_marked
            || self.judge(process.session, verdicts)
            || self.judge(process.parent, verdicts);
        if process.parent == own && !verdict {
            // It may be on its way to become one.
            verdicts.remove(&pid);
        } else {
            verdicts.insert(pid, verdict);
        }
        verdict
    }
}
