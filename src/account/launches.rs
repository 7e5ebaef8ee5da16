//! How long starts of seats took, by how they came to be: a histogram that nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::LaunchKind;

/// The upper edges of the buckets, in milliseconds; what took longer is in none of them.
pub const START_BUCKETS_MS: [u64; 10] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000];

/// Starts of one kind.
#[derive(Debug, Default)]
struct Starts {
    /// By bucket, each with those of its own only.
    buckets: [AtomicU64; START_BUCKETS_MS.len()],
    count: AtomicU64,
    sum_ms: AtomicU64,
}

/// Starts since the beginning, by kind.
#[derive(Debug, Default)]
pub(super) struct Launches {
    kinds: [Starts; LaunchKind::ALL.len()],
}

/// Starts of one kind at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTimes {
    /// How they came to be.
    pub kind: LaunchKind,
    /// How many took at most as long as the bucket's edge; those of smaller buckets are in.
    pub at_most: [u64; START_BUCKETS_MS.len()],
    /// All of them.
    pub count: u64,
    /// What they took together, in milliseconds.
    pub sum_ms: u64,
}

impl Launches {
    /// A start succeeded.
    pub(super) fn started(&self, kind: LaunchKind, start_ms: u64) {
        let starts = &self.kinds[kind as usize];
        if let Some(bucket) = START_BUCKETS_MS.iter().position(|edge| start_ms <= *edge) {
            starts.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        starts.sum_ms.fetch_add(start_ms, Ordering::Relaxed);
        starts.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts by kind.
    pub(super) fn times(&self) -> Vec<StartTimes> {
        let times = |kind: LaunchKind| {
            let starts = &self.kinds[kind as usize];
            let mut so_far = 0;
            let at_most = starts.buckets.each_ref().map(|bucket| {
                so_far += bucket.load(Ordering::Relaxed);
                so_far
            });
            // One that is being counted may be in its bucket already: never fewer than those.
            let count = starts.count.load(Ordering::Relaxed).max(so_far);
            StartTimes { kind, at_most, count, sum_ms: starts.sum_ms.load(Ordering::Relaxed) }
        };
        LaunchKind::ALL.into_iter().map(times).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_is_in_every_bucket_that_is_wide_enough() {
        let launches = Launches::default();
        for start_ms in [430, 500, 501, 999_999] {
            launches.started(LaunchKind::Fork, start_ms);
        }
        let times = launches.times();
        let fork = times.iter().find(|times| times.kind == LaunchKind::Fork).expect("fork");
        assert_eq!(fork.at_most, [0, 0, 2, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!((fork.count, fork.sum_ms), (4, 1_001_430));
        let others = times.iter().filter(|times| times.kind != LaunchKind::Fork);
        assert!(others.clone().all(|times| times.count == 0) && others.count() == 3);
    }
}
