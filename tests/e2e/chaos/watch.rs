//! Who looks on all the time: at the processes that carry usher's mark, at what usher knows of its
//! seats, and at who listens on their ports.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;

use super::stage::Stage;
use crate::rig::Caller;

/// What the contract gives a new usher to adopt or end what it finds.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
/// How long as many may listen as do not fit to the seats: some start, some end.
const PORTS_WITHIN: Duration = Duration::from_secs(8);

/// A living process with usher's mark in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) pid: u32,
    /// `user/app` of a seat, `template` of a template.
    pub(super) key: String,
    /// The whole mark: it tells one launch from the next.
    mark: String,
}

impl Marked {
    pub(super) fn is_seat(&self) -> bool {
        self.key.contains('/')
    }

    fn lives_still(&self, folder: &Path) -> bool {
        mark_of(self.pid, folder).as_ref() == Some(self)
    }
}

/// All processes of usher with this state folder.
pub(super) fn marked(folder: &Path) -> Vec<Marked> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| mark_of(pid, folder)).collect()
}

fn mark_of(pid: u32, folder: &Path) -> Option<Marked> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let mark = variables.find_map(|variable| variable.strip_prefix(b"USHER_SEAT="))?;
    let mark = String::from_utf8_lossy(mark).into_owned();
    let rest = mark.strip_prefix(folder.to_str().expect("UTF-8"))?.strip_prefix(':')?;
    let key = rest.split(':').next()?.to_owned();
    Some(Marked { pid, key, mark })
}

/// What usher says of its seats: the processes by their keys, 0 where it does not know one yet.
pub(super) async fn known(admin: &Caller) -> Option<BTreeMap<String, u32>> {
    let asked = admin.try_send(admin.request(Method::GET, "/admin/api/seats"));
    let answer = tokio::time::timeout(SETTLED_WITHIN, asked).await.ok()?.ok()?;
    let told: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let seat = |seat: &serde_json::Value| {
        let key = format!("{}/{}", seat["user"].as_str()?, seat["app"].as_str()?);
        let pid = seat["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        let alive = ["starting", "probing", "ready", "stopping"];
        let state = seat["state"].as_str()?;
        alive.contains(&state).then(|| (key, pid.unwrap_or(0)))
    };
    Some(told["seats"].as_array()?.iter().filter_map(seat).collect())
}

/// How many sockets listen on these ports of 127.0.0.1.
pub(super) fn listening((first, last): (u16, u16)) -> usize {
    const LISTENS: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let port = |line: &str| {
        let mut fields = line.split_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
        (state == LISTENS).then_some(port)
    };
    table.lines().filter_map(port).filter(|port| (first..=last).contains(port)).count()
}

/// Looks until it is over.
pub(super) async fn watch(admin: Caller, stage: Arc<Stage>) {
    let mut watch = Watch::default();
    while !stage.is_over() {
        no_two_for_one_seat(&stage);
        match stage.undisturbed_for(SETTLED_WITHIN) {
            Some(since) => watch.look(&admin, &stage, since).await,
            None => watch = Watch::default(),
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// What is not as it should be, and since when.
#[derive(Default)]
struct Watch {
    since: Option<Instant>,
    strays: BTreeMap<u32, Instant>,
    ports: Option<Instant>,
}

impl Watch {
    async fn look(&mut self, admin: &Caller, stage: &Stage, since: Instant) {
        if self.since != Some(since) {
            *self = Self { since: Some(since), ..Self::default() };
        }
        let found = marked(stage.folder());
        let Some(known) = known(admin).await else {
            stage.count("looks without an answer");
            return;
        };
        let listen = listening(stage.ports());
        if stage.undisturbed_for(SETTLED_WITHIN) != Some(since) {
            return;
        }
        stage.count("looks at an undisturbed usher");
        self.look_at_strays(stage, found, &known);
        let fit = listen == known.values().filter(|pid| **pid != 0).count();
        self.ports = if fit { None } else { self.ports.or(Some(Instant::now())) };
        if self.ports.is_some_and(|since| since.elapsed() > PORTS_WITHIN) {
            stage.broken(format!("{listen} sockets listen for the seats {known:?}"));
        }
    }

    fn look_at_strays(&mut self, stage: &Stage, found: Vec<Marked>, known: &BTreeMap<String, u32>) {
        let is_known = |found: &Marked| {
            known.get(&found.key).is_some_and(|pid| *pid == found.pid || *pid == 0)
        };
        let strays: Vec<Marked> =
            found.into_iter().filter(|one| one.is_seat() && !is_known(one)).collect();
        self.strays.retain(|pid, _| strays.iter().any(|stray| stray.pid == *pid));
        for stray in strays {
            let since = *self.strays.entry(stray.pid).or_insert_with(Instant::now);
            if since.elapsed() > SETTLED_WITHIN && stray.lives_still(stage.folder()) {
                stage.broken(format!("{stray:?} is a stray; usher knows of {known:?}"));
            }
        }
    }
}

/// A process that was seen before and after another one of its seat lived beside it.
fn no_two_for_one_seat(stage: &Stage) {
    let mut found = marked(stage.folder());
    found.retain(Marked::is_seat);
    found.sort_by(|one, other| one.key.cmp(&other.key));
    for pair in found.windows(2).filter(|pair| pair[0].key == pair[1].key) {
        // Both are looked at once more, so that both lived when the first look was over.
        if pair.iter().all(|one| one.lives_still(stage.folder())) {
            stage.broken(format!("two processes for one seat: {pair:?}"));
        }
    }
}
