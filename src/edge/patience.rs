//! How long a connection may do nothing. Pure: what a connection was seen doing, once a second,
//! and what time it is go in; whether it has been waited for long enough comes out.
//!
//! All limits on slow and silent clients are here, so that no request needs a timer of its own.

use std::time::Duration;

use pingora_core::apps::HttpServerOptions;

use crate::clock::Moment;

/// From the connection, or from the first byte of a later request, to the end of its head.
pub(crate) const HEAD_MS: u64 = 20_000;
/// Between two requests.
pub(crate) const KEEP_ALIVE_MS: u64 = 75_000;
/// Without a byte of a body that is being uploaded.
pub(crate) const UPLOAD_STALL_MS: u64 = 30_000;
/// Without a byte leaving for a client that has an answer to read.
pub(crate) const READER_STALL_MS: u64 = 60_000;

/// What Pingora has to watch, because only it knows which of many requests at once are open: an
/// HTTP/2 connection without any is ended like one of HTTP/1.1 between two.
pub(crate) fn of_multiplexed() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(Duration::from_millis(KEEP_ALIVE_MS));
    options
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Just accepted: a TLS handshake or the first head is due.
    Fresh,
    /// Between two requests.
    Idle,
    /// The head of a later request has begun.
    Head,
    /// The head is complete, a body is being read.
    Uploading,
    /// The request is complete, or nobody reads its body at the moment.
    Serving,
    /// HTTP/2: many requests at once, which have limits of their own (`entrance`).
    Multiplexed,
    /// A WebSocket: may be silent for hours. TCP keepalive finds dead peers.
    Tunnel,
}

impl Phase {
    const ALL: [Phase; 7] = [
        Phase::Fresh,
        Phase::Idle,
        Phase::Head,
        Phase::Uploading,
        Phase::Serving,
        Phase::Multiplexed,
        Phase::Tunnel,
    ];

    /// As a number, for an atomic.
    pub(crate) fn number(self) -> u8 {
        match self {
            Phase::Fresh => 0,
            Phase::Idle => 1,
            Phase::Head => 2,
            Phase::Uploading => 3,
            Phase::Serving => 4,
            Phase::Multiplexed => 5,
            Phase::Tunnel => 6,
        }
    }

    /// Back from [`Phase::number`].
    pub(crate) fn of_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Phase::Serving)
    }
}

/// What a connection is seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// What it is at.
    pub phase: Phase,
    /// How many requests it has begun.
    pub requests: u32,
    /// Bytes from the client so far.
    pub received_bytes: u64,
    /// Bytes to the client so far.
    pub sent_bytes: u64,
    /// Somebody wants to read from it, and nothing is there.
    pub awaits_client: bool,
    /// Somebody wants to write to it, and the client does not read.
    pub client_reads_nothing: bool,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// The head did not come in time.
    Head,
    /// No further request came.
    KeepAlive,
    /// The body stopped coming.
    Upload,
    /// The answer is not read.
    Reader,
}

impl Overdue {
    /// A sentence for the log.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Overdue::Head => "the head of a request did not come in time",
            Overdue::KeepAlive => "no further request came",
            Overdue::Upload => "the body of a request stopped coming",
            Overdue::Reader => "the client stopped reading the answer",
        }
    }
}

/// What was seen of a connection before, and since when it has been so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    seen: Seen,
    phase_since: Moment,
    received_since: Moment,
    sent_since: Moment,
}

impl Patience {
    /// Begins with a connection that was just accepted.
    pub(crate) fn new(now: Moment) -> Self {
        let seen = Seen {
            phase: Phase::Fresh,
            requests: 0,
            received_bytes: 0,
            sent_bytes: 0,
            awaits_client: false,
            client_reads_nothing: false,
        };
        Self { seen, phase_since: now, received_since: now, sent_since: now }
    }

    /// Notes what is seen now and judges.
    pub(crate) fn judge(&mut self, now: Moment, seen: Seen) -> Option<Overdue> {
        if (seen.phase, seen.requests) != (self.seen.phase, self.seen.requests) {
            self.phase_since = now;
        }
        if seen.received_bytes != self.seen.received_bytes || !seen.awaits_client {
            self.received_since = now;
        }
        if seen.sent_bytes != self.seen.sent_bytes || !seen.client_reads_nothing {
            self.sent_since = now;
        }
        self.seen = seen;
        let over = |since: Moment, limit_ms: u64| now.since_ms(since) >= limit_ms;
        let overdue = match seen.phase {
            Phase::Fresh | Phase::Head => over(self.phase_since, HEAD_MS).then_some(Overdue::Head),
            Phase::Idle => over(self.phase_since, KEEP_ALIVE_MS).then_some(Overdue::KeepAlive),
            Phase::Uploading => {
                over(self.received_since, UPLOAD_STALL_MS).then_some(Overdue::Upload)
            }
            // Nobody has been served yet: it may not even speak HTTP/2.
            Phase::Multiplexed if seen.requests == 0 => {
                over(self.phase_since, HEAD_MS).then_some(Overdue::Head)
            }
            Phase::Serving | Phase::Multiplexed => None,
            Phase::Tunnel => return None,
        };
        overdue.or_else(|| over(self.sent_since, READER_STALL_MS).then_some(Overdue::Reader))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Seen = Seen {
        phase: Phase::Serving,
        requests: 1,
        received_bytes: 100,
        sent_bytes: 0,
        awaits_client: false,
        client_reads_nothing: false,
    };

    /// Shows `at(second)` every second and says when and why it was overdue.
    fn overdue(seconds: u64, at: impl Fn(u64) -> Seen) -> Option<(u64, Overdue)> {
        let mut patience = Patience::new(Moment(0));
        (1..=seconds).find_map(|second| {
            patience.judge(Moment(second * 1000), at(second)).map(|why| (second, why))
        })
    }

    #[test]
    fn silence_has_limits() {
        let stays = |seen: Seen| move |_| seen;
        for (expected, seen) in [
            (Some((21, Overdue::Head)), Seen { phase: Phase::Head, ..QUIET }),
            (Some((76, Overdue::KeepAlive)), Seen { phase: Phase::Idle, ..QUIET }),
            (
                Some((31, Overdue::Upload)),
                Seen { phase: Phase::Uploading, awaits_client: true, ..QUIET },
            ),
            (None, Seen { phase: Phase::Uploading, awaits_client: false, ..QUIET }),
            (None, QUIET),
            (Some((60, Overdue::Reader)), Seen { client_reads_nothing: true, ..QUIET }),
            (None, Seen { phase: Phase::Tunnel, client_reads_nothing: true, ..QUIET }),
            (None, Seen { phase: Phase::Multiplexed, ..QUIET }),
            (Some((21, Overdue::Head)), Seen { phase: Phase::Multiplexed, requests: 0, ..QUIET }),
        ] {
            assert_eq!(overdue(3_600, stays(seen)), expected, "{seen:?}");
        }
        let fresh = Seen { phase: Phase::Fresh, requests: 0, ..QUIET };
        assert_eq!(overdue(100, stays(fresh)), Some((20, Overdue::Head)));
    }

    #[test]
    fn a_head_that_trickles_in_is_late_but_a_body_may_trickle() {
        let trickling = |phase, second| Seen { phase, received_bytes: second, ..QUIET };
        let head = overdue(3_600, |second| trickling(Phase::Head, second));
        assert_eq!(head, Some((21, Overdue::Head)));
        let body = overdue(3_600, |second| Seen {
            awaits_client: true,
            ..trickling(Phase::Uploading, second)
        });
        assert_eq!(body, None);
    }

    #[test]
    fn a_busy_connection_that_is_always_seen_at_the_same_phase_is_not_idle() {
        let busy = |second: u64| Seen {
            phase: if second.is_multiple_of(2) { Phase::Idle } else { Phase::Head },
            requests: second as u32,
            ..QUIET
        };
        assert_eq!(overdue(3_600, busy), None);
        let one_phase = |second: u64| Seen { phase: Phase::Head, requests: second as u32, ..QUIET };
        assert_eq!(overdue(3_600, one_phase), None);
    }

    #[test]
    fn a_reader_that_reads_slowly_is_waited_for() {
        let slow =
            |second: u64| Seen { sent_bytes: second / 50, client_reads_nothing: true, ..QUIET };
        assert_eq!(overdue(3_600, slow), None);
    }

    #[test]
    fn phases_survive_being_numbers() {
        for phase in Phase::ALL {
            assert_eq!(Phase::of_number(phase.number()), phase);
        }
    }
}
