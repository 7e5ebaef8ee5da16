//! The files that are held in memory, of all front ends together, within a limit: what was not
//! asked for the longest goes first. No input or output.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::asset::Asset;

/// Which front end a file belongs to. Never used twice, so that what is loaded late for one that
/// was replaced is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FrontId(pub(super) u64);

type Files = HashMap<Box<str>, Arc<Asset>>;

/// See the file.
pub(super) struct Shelf {
    limit_bytes: usize,
    files: RwLock<HashMap<FrontId, Files>>,
    /// Goes on with each file that is put in: precise enough to tell what is no longer used, and
    /// nothing is written where only something is read.
    time: AtomicU64,
}

impl Shelf {
    /// An empty one.
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, files: RwLock::default(), time: AtomicU64::new(1) }
    }

    /// A file that is here.
    pub(super) fn get(&self, front: FrontId, name: &str) -> Option<Arc<Asset>> {
        let files = self.files.read();
        let asset = files.get(&front)?.get(name)?;
        let now = self.time.load(Ordering::Relaxed);
        if asset.used.load(Ordering::Relaxed) != now {
            asset.used.store(now, Ordering::Relaxed);
        }
        Some(Arc::clone(asset))
    }

    /// Puts a file in; the one that is here already, if somebody was quicker.
    pub(super) fn put(&self, front: FrontId, name: &str, asset: Asset) -> Arc<Asset> {
        let mut files = self.files.write();
        let now = self.time.fetch_add(1, Ordering::Relaxed) + 1;
        let of_front = files.entry(front).or_default();
        let asset = Arc::clone(of_front.entry(name.into()).or_insert_with(|| Arc::new(asset)));
        asset.used.store(now, Ordering::Relaxed);
        self.make_room(&mut files);
        asset
    }

    /// A file that is here has grown.
    pub(super) fn grew(&self) {
        self.make_room(&mut self.files.write());
    }

    /// Forgets all files of a front end.
    pub(super) fn clear(&self, front: FrontId) {
        self.files.write().remove(&front);
    }

    /// The latest one always stays: somebody waits for it.
    fn make_room(&self, files: &mut HashMap<FrontId, Files>) {
        let all = files.values().flat_map(HashMap::values);
        let mut held_bytes: usize = all.map(|asset| asset.bytes()).sum();
        while held_bytes > self.limit_bytes {
            let all = files.iter().flat_map(|(front, files)| {
                files.iter().map(move |(name, asset)| (*front, name, asset))
            });
            let oldest = all.min_by_key(|(_, _, asset)| asset.used.load(Ordering::Relaxed));
            let Some((front, name, asset)) = oldest else { return };
            if asset.used.load(Ordering::Relaxed) == self.time.load(Ordering::Relaxed) {
                return;
            }
            held_bytes -= asset.bytes();
            let name = name.clone();
            if let Some(files) = files.get_mut(&front) {
                files.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::asset::Keeping;
    use super::super::coding::Coding;
    use super::super::pack::Effort;
    use super::*;

    const ONE: FrontId = FrontId(1);
    const OTHER: FrontId = FrontId(2);

    fn file(bytes: usize) -> Asset {
        Asset::new(Bytes::from(vec![b'a'; bytes]), "a.js", Keeping::ForEver)
    }

    #[test]
    fn what_was_not_asked_for_the_longest_goes_first() {
        let shelf = Shelf::new(3_500);
        for name in ["a", "b", "c"] {
            shelf.put(ONE, name, file(1_000));
        }
        assert!(shelf.get(ONE, "a").is_some());
        shelf.put(OTHER, "d", file(1_000));
        let here: Vec<_> = [(ONE, "a"), (ONE, "b"), (ONE, "c"), (OTHER, "d")]
            .into_iter()
            .filter(|(front, name)| shelf.get(*front, name).is_some())
            .collect();
        assert_eq!(here, [(ONE, "a"), (ONE, "c"), (OTHER, "d")]);
    }

    #[test]
    fn one_that_is_larger_than_all_room_stays_until_the_next() {
        let shelf = Shelf::new(500);
        shelf.put(ONE, "a", file(1_000));
        assert!(shelf.get(ONE, "a").is_some());
        shelf.put(ONE, "b", file(100));
        assert!(shelf.get(ONE, "a").is_none());
        assert!(shelf.get(ONE, "b").is_some());
    }

    #[test]
    fn forms_take_room_too() {
        let shelf = Shelf::new(2_010);
        shelf.put(ONE, "a", file(1_000));
        let asset = shelf.put(ONE, "b", file(1_000));
        assert!(asset.pack(Coding::Gzip, Effort::Best));
        shelf.grew();
        assert!(shelf.get(ONE, "a").is_none());
        assert!(shelf.get(ONE, "b").is_some());
    }

    #[test]
    fn front_ends_do_not_see_each_others_files_and_end_whole() {
        let shelf = Shelf::new(10_000);
        let first = shelf.put(ONE, "a", file(10));
        let again = shelf.put(ONE, "a", file(20));
        assert!(Arc::ptr_eq(&first, &again), "who was quicker");
        assert!(shelf.get(OTHER, "a").is_none());
        shelf.clear(ONE);
        assert!(shelf.get(ONE, "a").is_none());
    }
}
