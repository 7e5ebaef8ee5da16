//! Buffers that a tunnel has only while bytes flow, so that ten thousand idle WebSockets hold
//! none. Kept per thread: no lock.

use std::cell::RefCell;

/// One buffer's size: a megabyte of chart data is some sixty reads, and a thousand stalled
/// browsers hold 16 MiB.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Unused buffers that a thread keeps.
const KEPT_PER_THREAD_MAX: usize = 16;

thread_local! {
    static UNUSED: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer, usually of [`BUFFER_BYTES`]; what it holds at first is meaningless. Given back when
/// dropped, to whichever thread drops it.
pub(crate) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(crate) fn take() -> Self {
        let kept = UNUSED.with_borrow_mut(Vec::pop);
        Self(kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice()))
    }

    /// Bytes that somebody else read, however many.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.0);
        if bytes.len() != BUFFER_BYTES {
            return;
        }
        // While the thread ends there is no pool, and the memory is simply freed.
        let _ = UNUSED.try_with(|unused| {
            let mut unused = unused.borrow_mut();
            if unused.len() < KEPT_PER_THREAD_MAX {
                unused.push(bytes);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_few_are_kept() {
        drop(Buffer::of(vec![7; 10]));
        let mut first = Buffer::take();
        assert_eq!(first.bytes().len(), BUFFER_BYTES);
        first.bytes_mut()[0] = 42;
        drop(first);
        assert_eq!(Buffer::take().bytes()[0], 42);
        let many: Vec<Buffer> = (0..KEPT_PER_THREAD_MAX + 3).map(|_| Buffer::take()).collect();
        drop(many);
        UNUSED.with_borrow(|unused| assert_eq!(unused.len(), KEPT_PER_THREAD_MAX));
    }
}
