//! Whether a connection to the door comes from a seat's process. An app must not be taken for the
//! person whose address is this machine's own: the connection's holder tells, and cannot be forged.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::environment::{self, MARK};
use crate::clock::{Clock, Moment};
use crate::platform::{self, peers, sockets, table};

/// For so long a process is taken to be what it was found to be: no process number comes round
/// again within it.
const VERDICTS_AGE_MAX_MS: u64 = 2_000;

const FIRST_PROCESS: u32 = 1;

/// Whose processes and connections are, as far as was asked lately.
pub(super) struct Origins {
    mark_beginning: String,
    clock: Arc<dyn Clock>,
    /// How many have asked so far.
    asked: AtomicU64,
    found: Mutex<Found>,
}

/// What was found at the last look.
struct Found {
    /// Which processes are seats', and since when that is remembered.
    verdicts: HashMap<u32, bool>,
    remembered_since: Moment,
    /// The sockets of all seats, for those who asked before the look began: the first so many.
    held: HashSet<u64>,
    answers: u64,
}

impl Origins {
    /// Seats are those of this state folder.
    pub(super) fn new(state_dir: &str, clock: Arc<dyn Clock>) -> Self {
        let found = Mutex::new(Found {
            verdicts: HashMap::new(),
            remembered_since: clock.now(),
            held: HashSet::new(),
            answers: 0,
        });
        let mark_beginning = environment::mark_beginning(state_dir);
        Self { mark_beginning, clock, asked: AtomicU64::new(0), found }
    }

    /// Whether a process of any seat holds the other end of this connection within the machine.
    /// Both addresses are canonical. Costs a look at the list of processes and at the open files of
    /// the seats, which all share who ask while another one looks; nothing of that if the other end
    /// is of another account, which no seat can be.
    pub(super) fn is_seat(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        let Some(end) = peers::end(peer, local) else { return false };
        let own_uid = platform::own_uid();
        if own_uid != 0 && end.uid != own_uid {
            return false;
        }
        let number = self.asked.fetch_add(1, Ordering::AcqRel);
        let mut found = self.found.lock();
        if number >= found.answers {
            // Whoever has a number by now has a connection that this look finds.
            found.answers = self.asked.load(Ordering::Acquire);
            self.look(&mut found);
        }
        found.held.contains(&end.inode)
    }

    fn look(&self, found: &mut Found) {
        let now = self.clock.now();
        if now.since_ms(found.remembered_since) > VERDICTS_AGE_MAX_MS {
            found.remembered_since = now;
            found.verdicts.clear();
        }
        let Found { verdicts, held, .. } = found;
        held.clear();
        for pid in table::numbers().filter(|pid| self.judge(*pid, verdicts)) {
            // One that ends meanwhile holds nothing.
            let _ = sockets::each_socket_of(pid, |inode| {
                held.insert(inode);
            });
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsClock;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command, Stdio};

    const STATE_DIR: &str = "/var/lib/usher-of-this-test";

    /// A process that is connected to `door` until its input ends.
    #[expect(clippy::disallowed_methods, reason = "processes are started in this module")]
    fn caller(door: SocketAddr, mark: Option<&str>) -> Child {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("exec 3<>/dev/tcp/{}/{}; read -r", door.ip(), door.port())]);
        command.env_remove(MARK).envs(mark.map(|mark| (MARK, mark)));
        command.stdin(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn connections_of_seats_are_told_from_others_when_all_ask_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = listener.local_addr().unwrap();
        let own_mark = format!("{}han/lab:1", environment::mark_beginning(STATE_DIR));
        let marks = [Some(own_mark.as_str()), Some("/var/lib/another han/lab:1"), None];
        let origins = Origins::new(STATE_DIR, Arc::new(OsClock));
        // Twice: the second time some processes are known, and some connections are not.
        for _ in 0..2 {
            let mut callers = Vec::new();
            let mut connections = Vec::new();
            for mark in marks.into_iter().cycle().take(12) {
                callers.push(caller(door, mark));
                let (socket, peer) = listener.accept().unwrap();
                connections.push((peer, mark == Some(own_mark.as_str()), socket));
            }
            let own = TcpStream::connect(door).unwrap();
            connections.push((own.local_addr().unwrap(), false, listener.accept().unwrap().0));
            std::thread::scope(|scope| {
                for (peer, is_seat, _) in &connections {
                    let origins = &origins;
                    scope.spawn(move || assert_eq!(origins.is_seat(*peer, door), *is_seat));
                }
            });
            for mut caller in callers {
                drop(caller.stdin.take());
                caller.wait().unwrap();
            }
            let (gone, ..) = connections[0];
            assert!(!origins.is_seat(gone, door), "nobody holds it any more");
        }
    }
}
