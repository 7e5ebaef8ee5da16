//! HTTP requests that come before the first WebSocket of a visit: the page itself, its files. They
//! wait here, and belong to the visit if it begins within the gap. Pure.

use std::collections::VecDeque;

use crate::clock::Moment;

/// Requests and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Requests.
    pub(crate) requests: u64,
    /// Bytes from the browser.
    pub(crate) in_bytes: u64,
    /// Bytes to the browser.
    pub(crate) out_bytes: u64,
}

impl Carried {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            in_bytes: self.in_bytes.saturating_sub(earlier.in_bytes),
            out_bytes: self.out_bytes.saturating_sub(earlier.out_bytes),
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            requests: self.requests + more.requests,
            in_bytes: self.in_bytes + more.in_bytes,
            out_bytes: self.out_bytes + more.out_bytes,
        }
    }
}

/// The gap is divided into so many parts; what comes within one is kept together.
const PARTS_MAX: u64 = 128;

/// The traffic of one seat.
#[derive(Default)]
pub(super) struct Traffic {
    counted: Carried,
    waiting: VecDeque<(Moment, Carried)>,
}

impl Traffic {
    /// What came since this was called last, of a seat that has carried `total` since the start.
    pub(super) fn news(&mut self, total: Carried) -> Carried {
        let news = total.since(self.counted);
        self.counted = total;
        news
    }

    /// Nobody is here: it waits for a visit.
    pub(super) fn wait(&mut self, news: Carried, now: Moment, gap_ms: u64) {
        self.forget(now, gap_ms);
        if news.is_nothing() {
            return;
        }
        match self.waiting.back_mut() {
            Some((at, last)) if now.since_ms(*at) < gap_ms / PARTS_MAX => *last = last.plus(news),
            Some(_) | None => self.waiting.push_back((now, news)),
        }
    }

    /// A visit begins: what came within the gap before is its own.
    pub(super) fn take(&mut self, now: Moment, gap_ms: u64) -> Carried {
        self.forget(now, gap_ms);
        self.waiting.drain(..).fold(Carried::default(), |sum, (_, news)| sum.plus(news))
    }

    fn forget(&mut self, now: Moment, gap_ms: u64) {
        while self.waiting.front().is_some_and(|(at, _)| now.since_ms(*at) >= gap_ms) {
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(requests: u64) -> Carried {
        Carried { requests, ..Carried::default() }
    }

    #[test]
    fn what_is_older_than_the_gap_belongs_to_nobody() {
        let mut traffic = Traffic::default();
        for (at, total) in [(0, 1), (40, 11), (99, 111)] {
            let news = traffic.news(requests(total));
            traffic.wait(news, Moment(1_000 + at), 100);
        }
        assert_eq!(traffic.take(Moment(1_100), 100), requests(110));
        assert_eq!(traffic.take(Moment(1_100), 100), requests(0), "once only");
    }

    #[test]
    fn a_long_gap_holds_a_bounded_number_of_parts() {
        let mut traffic = Traffic::default();
        let gap_ms = 86_400_000;
        for second in 0..100_000 {
            let news = traffic.news(requests(second + 1));
            traffic.wait(news, Moment(second * 1000), gap_ms);
        }
        assert!(traffic.waiting.len() <= PARTS_MAX as usize + 1, "{}", traffic.waiting.len());
        let taken = traffic.take(Moment(100_000_000), gap_ms).requests;
        assert!((85_000..=86_400).contains(&taken), "{taken}");
    }
}
