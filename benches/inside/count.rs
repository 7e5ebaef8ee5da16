//! Usher's allocator, which counts.
#![expect(unsafe_code, reason = "an allocator is nothing else")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use mimalloc::MiMalloc;

static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);
static MOST_BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Of each thread: the account's writer and the runtime do their own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// See the module.
pub(crate) struct Counting;

// SAFETY: everything is passed on to an allocator that keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST_BYTES.fetch_max(held, Ordering::Relaxed);
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { MiMalloc.dealloc(memory, layout) }
    }
}

/// How often this thread has allocated while doing this.
pub(crate) fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// The bytes that the result holds, and the most that were held on the way, beside what was there.
pub(crate) fn bytes<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = HELD_BYTES.load(Ordering::Relaxed);
    MOST_BYTES.store(before, Ordering::Relaxed);
    let made = work();
    let held = HELD_BYTES.load(Ordering::Relaxed).saturating_sub(before);
    (made, held, MOST_BYTES.load(Ordering::Relaxed).saturating_sub(before))
}
