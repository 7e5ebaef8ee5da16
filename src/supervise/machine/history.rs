//! How long starts took, so that the waiting page can say what is usual.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{AppSlug, SeatKey};

/// The starts that are remembered of each seat and each app.
const STARTS_MAX: usize = 7;
/// The most seats, and the most apps, whose starts are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// Times from launch to ready, in milliseconds, latest last.
type Times = VecDeque<u64>;

/// How long starts took.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    seats: BTreeMap<Arc<SeatKey>, Times>,
    apps: BTreeMap<AppSlug, Times>,
}

impl History {
    /// Remembers a start.
    pub(super) fn add(&mut self, key: &Arc<SeatKey>, start_ms: u64) {
        remember(&mut self.seats, Arc::clone(key), start_ms);
        remember(&mut self.apps, key.app.clone(), start_ms);
    }

    /// Remembers a start of before this usher, told newest first: it is older than all that is known.
    pub(super) fn recall(&mut self, key: &Arc<SeatKey>, start_ms: u64) {
        put_before(&mut self.seats, Arc::clone(key), start_ms);
        put_before(&mut self.apps, key.app.clone(), start_ms);
    }

    /// The median of this seat's starts, else of this app's.
    pub(super) fn usual_ms(&self, key: &SeatKey) -> Option<u64> {
        self.seats.get(key).and_then(median).or_else(|| self.apps.get(&key.app).and_then(median))
    }
}

fn put_before<K: Ord>(times: &mut BTreeMap<K, Times>, key: K, start_ms: u64) {
    if times.len() < REMEMBERED_MAX || times.contains_key(&key) {
        let starts = times.entry(key).or_default();
        if starts.len() < STARTS_MAX {
            starts.push_front(start_ms);
        }
    }
}

fn remember<K: Ord>(times: &mut BTreeMap<K, Times>, key: K, start_ms: u64) {
    if times.len() >= REMEMBERED_MAX && !times.contains_key(&key) {
        // Rare and harmless: somebody's next waiting page shows the app's usual time.
        times.pop_first();
    }
    let starts = times.entry(key).or_default();
    if starts.len() >= STARTS_MAX {
        starts.pop_front();
    }
    starts.push_back(start_ms);
}

fn median(times: &Times) -> Option<u64> {
    let mut sorted: Vec<u64> = times.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::machine::tests::key;

    #[test]
    fn what_is_usual_is_the_median_of_the_latest() {
        let mut history = History::default();
        assert_eq!(history.usual_ms(&key("kim", "main")), None);
        for ms in [9_000, 9_000, 9_000, 100, 200, 300, 400, 500, 600, 700] {
            history.add(&key("kim", "main"), ms);
        }
        assert_eq!(history.usual_ms(&key("kim", "main")), Some(400));
        assert_eq!(history.usual_ms(&key("lee", "main")), Some(400), "the app's");
        history.add(&key("lee", "main"), 5_000);
        assert_eq!(history.usual_ms(&key("lee", "main")), Some(5_000));
        assert_eq!(history.usual_ms(&key("lee", "lab")), None);
    }

    #[test]
    fn what_is_recalled_is_older_than_what_was_seen() {
        let mut history = History::default();
        for ms in [300, 400, 500] {
            history.add(&key("kim", "main"), ms);
        }
        // Newest first; the last two are more than are remembered.
        for ms in [2_000, 2_000, 2_000, 2_000, 9_000, 9_000] {
            history.recall(&key("kim", "main"), ms);
        }
        assert_eq!(history.usual_ms(&key("kim", "main")), Some(2_000));
        for ms in [301, 302] {
            history.add(&key("kim", "main"), ms);
        }
        assert_eq!(history.usual_ms(&key("kim", "main")), Some(400), "the oldest go first");
    }
}
