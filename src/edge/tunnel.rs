//! A WebSocket between a browser and a seat, from its first frame to its last.
//!
//! Runs as a task of its own that holds little more than the two streams, the lease and the stay.
//! Ends when either side ends, when the lease is told to close (kicked, session over, seat ends),
//! or when usher leaves; where usher ends it, the browser gets a close frame with the code, between
//! two frames.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use pingora_core::protocols::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

use super::buffers::Buffer;
use super::frames::Passed;
use super::pump::{Stop, Way};
use super::seam::{Doorkeeper, ToSeat, Tunnelled};
use super::seat_stream::SeatStream;
use crate::account::{AccessFact, StayEnd};
use crate::clock::{Clock, Moment};
use crate::domain::CloseCode;

/// For the end of a frame that is under way, and for the close frame to leave.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// For the browser's own close after ours. Ending at once would reset the connection and could
/// take the close frame along.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// For what a browser said last to reach its seat.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(2);
/// What a seat says when it ends. The browser is told 1001, which is an ended seat's code; 1012 is
/// what usher says of itself.
const SERVICE_RESTART: u16 = 1012;

/// When usher leaves, and when this WebSocket of many has to close.
#[derive(Clone)]
pub(crate) struct Leaving {
    /// Becomes true.
    pub begun: watch::Receiver<bool>,
    /// So long after that, so that the browsers do not all come back at once.
    pub after: Duration,
}

impl Leaving {
    /// Returns when it is time.
    pub(crate) async fn due(&mut self) {
        // An edge that is gone has left, too.
        let _ = self.begun.wait_for(|begun| *begun).await;
        tokio::time::sleep(self.after).await;
    }
}

/// What a tunnel begins with.
pub(crate) struct Begin<D: Doorkeeper> {
    /// Takes the line of the access log at the end.
    pub keeper: Arc<D>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The browser's stream.
    pub browser: Stream,
    /// What the browser sent already.
    pub browser_early: Vec<u8>,
    /// The seat's stream.
    pub seat: SeatStream,
    /// What the seat sent already.
    pub seat_early: Vec<u8>,
    /// The right to hold it.
    pub right: Box<D::Tunnel>,
    /// The line of the access log, as far as it is known.
    pub line: Box<AccessFact>,
}

/// An open WebSocket.
pub(crate) struct Tunnel<D: Doorkeeper> {
    keeper: Arc<D>,
    clock: Arc<dyn Clock>,
    browser: Stream,
    seat: SeatStream,
    right: Box<D::Tunnel>,
    line: Box<AccessFact>,
    up: Way,
    down: Way,
}

/// Why a tunnel ended.
enum Ended {
    Browser,
    Seat,
    Told(CloseCode),
    Leaving,
}

impl<D: Doorkeeper> Tunnel<D> {
    pub(crate) fn new(begin: Begin<D>) -> Self {
        let Begin { keeper, clock, browser, browser_early, seat, seat_early, right, line } = begin;
        let mut tunnel = Self {
            keeper,
            clock,
            browser,
            seat,
            right,
            line,
            up: Way::default(),
            down: Way::default(),
        };
        let Self { clock, right, line, up, down, .. } = &mut tunnel;
        up.begin(browser_early, |piece, passed| {
            goes_up(&**right, piece, passed, || clock.now(), &mut line.in_bytes);
        });
        down.begin(seat_early, |piece, passed| {
            goes_down(&**right, piece, passed, || clock.now(), &mut line.out_bytes);
        });
        tunnel
    }

    /// Carries until it ends.
    pub(crate) async fn run(mut self, mut leaving: Leaving) {
        let ended = self.carry(&mut leaving).await;
        drop(leaving);
        match ended {
            Ended::Browser => self.browser_ended().await,
            Ended::Seat => self.seat_ended().await,
            Ended::Told(code) => {
                self.right.ends(end_for(code));
                self.close(code).await;
            }
            Ended::Leaving => {
                self.right.ends(StayEnd::UsherStops);
                self.close(CloseCode::UsherRestarts).await;
            }
        }
        let took_ms = self.clock.now().since_ms(self.right.began());
        self.line.took_us = took_ms.saturating_mul(1000);
        self.keeper.record(*self.line);
    }

    async fn carry(&mut self, leaving: &mut Leaving) -> Ended {
        let Self { clock, browser, seat, right, line, up, down, .. } = self;
        let right = &**right;
        let carried = poll_fn(|cx| {
            let upward = up.poll_carry(cx, browser, seat, |piece, passed| {
                goes_up(right, piece, passed, || clock.now(), &mut line.in_bytes);
            });
            if let Poll::Ready(stop) = upward {
                return Poll::Ready(match stop {
                    Stop::SenderEnded | Stop::SenderBroke => Ended::Browser,
                    Stop::ReceiverBroke => Ended::Seat,
                });
            }
            let downward = down.poll_carry(cx, seat, browser, |piece, passed| {
                goes_down(right, piece, passed, || clock.now(), &mut line.out_bytes);
            });
            downward.map(|stop| match stop {
                Stop::SenderEnded | Stop::SenderBroke => Ended::Seat,
                Stop::ReceiverBroke => Ended::Browser,
            })
        });
        tokio::select! {
            biased;
            code = right.closed() => Ended::Told(code),
            () = leaving.due() => Ended::Leaving,
            ended = carried => ended,
        }
    }

    /// What the browser said last still goes to the seat.
    async fn browser_ended(&mut self) {
        self.right.ends(StayEnd::Left);
        let last_words = async {
            self.up.deliver(&mut self.seat).await?;
            self.seat.shutdown().await
        };
        let _ = tokio::time::timeout(LAST_WORDS_LIMIT, last_words).await;
    }

    /// What the seat said last has gone already. A seat that ended without a word gets one.
    async fn seat_ended(&mut self) {
        let browser_left = self.up.closed();
        self.right.ends(if browser_left { StayEnd::Left } else { StayEnd::SeatEnded });
        self.close(CloseCode::SeatEnded).await;
    }

    /// Tells the browser, unless it was told by the seat, and lets it say goodbye.
    async fn close(&mut self, code: CloseCode) {
        match tokio::time::timeout(CLOSE_LIMIT, self.say_close(code)).await {
            Ok(Ok(())) => {}
            // It does not listen, or it has left.
            Ok(Err(_)) | Err(_) => return,
        }
        let _ = tokio::time::timeout(ANSWER_LIMIT, self.goodbye()).await;
        let _ = tokio::time::timeout(ANSWER_LIMIT, self.browser.shutdown()).await;
    }

    /// Reads on until the browser closes, too.
    async fn goodbye(&mut self) -> io::Result<()> {
        let mut buffer = Buffer::take();
        while !self.up.closed() {
            match self.browser.read(buffer.bytes_mut()).await? {
                0 => return Ok(()),
                read => self.up.listen(&buffer.bytes()[..read]),
            }
        }
        Ok(())
    }

    async fn say_close(&mut self, code: CloseCode) -> io::Result<()> {
        let Self { browser, seat, down, .. } = self;
        if down.closed() {
            return down.deliver(browser).await;
        }
        if !down.end_frame(seat, browser).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        browser.write_all(&close_frame(code)).await?;
        browser.flush().await
    }
}

/// A close frame as a server sends it.
pub(crate) fn close_frame(code: CloseCode) -> Vec<u8> {
    const FIN_AND_CLOSE: u8 = 0x88;
    let text = code.text().as_bytes();
    // Texts of close codes are a few words.
    let length = u8::try_from(2 + text.len()).unwrap_or(125).min(125);
    let mut frame = vec![FIN_AND_CLOSE, length];
    frame.extend(code.code().to_be_bytes());
    frame.extend(text.iter().take(usize::from(length) - 2));
    frame
}

fn end_for(code: CloseCode) -> StayEnd {
    match code {
        CloseCode::SeatEnded => StayEnd::SeatEnded,
        CloseCode::UsherRestarts => StayEnd::UsherStops,
        CloseCode::SessionEnded => StayEnd::SessionEnded,
        CloseCode::Kicked => StayEnd::Kicked,
    }
}

fn goes_up<T: Tunnelled>(
    right: &T,
    piece: &[u8],
    passed: &Passed,
    now: impl FnOnce() -> Moment,
    in_bytes: &mut u64,
) {
    *in_bytes += piece.len() as u64;
    right.count_in(piece.len() as u64);
    if passed.data {
        right.browser_data(now());
    }
}

fn goes_down<T: Tunnelled>(
    right: &T,
    piece: &mut [u8],
    passed: &Passed,
    now: impl FnOnce() -> Moment,
    out_bytes: &mut u64,
) {
    *out_bytes += piece.len() as u64;
    right.count_out(piece.len() as u64);
    if passed.data {
        right.app_data(now());
    }
    if let Some((index, SERVICE_RESTART)) = passed.close_code {
        // Both codes have the same upper half.
        let [_, lower] = CloseCode::SeatEnded.code().to_be_bytes();
        piece[index] = lower;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seats_end_has_one_code() {
        let [upper, lower] = CloseCode::SeatEnded.code().to_be_bytes();
        assert_eq!(SERVICE_RESTART.to_be_bytes()[0], upper);
        assert_ne!(SERVICE_RESTART.to_be_bytes()[1], lower);
    }

    #[test]
    fn close_frames_say_code_and_text() {
        let frame = close_frame(CloseCode::Kicked);
        assert_eq!(frame[..4], [0x88, 19, 0x0f, 0xa3]);
        assert_eq!(&frame[4..], b"no longer allowed");
    }
}
