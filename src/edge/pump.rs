//! Carries the bytes of a WebSocket one way. A WebSocket has two ways that know nothing of each
//! other: a browser that does not read does not keep the seat from hearing it. Holds a buffer only
//! while bytes flow, follows the frames, and can end between two of them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffers::Buffer;
use super::frames::{FrameScanner, Passed};

/// Pieces that one poll of a way carries at most before others get their turn.
const PIECES_PER_POLL_MAX: usize = 16;

/// Why a way carries no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The one who sends has ended; everything was carried.
    SenderEnded,
    /// The one who sends broke off.
    SenderBroke,
    /// The one who receives broke off.
    ReceiverBroke,
}

/// One direction.
#[derive(Default)]
pub(crate) struct Way {
    held: Option<Held>,
    unflushed: bool,
    scanner: FrameScanner,
    closed: bool,
}

/// Bytes that were read and not yet written.
struct Held {
    buffer: Buffer,
    start: usize,
    end: usize,
    /// Whether a frame begins with them.
    begins_frame: bool,
    /// Behind the last frame that ends among them.
    boundary: Option<usize>,
}

impl Way {
    /// Whether a close frame has gone this way.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Takes up bytes that came before the way began.
    pub(crate) fn begin(&mut self, early: Vec<u8>, mut seen: impl FnMut(&mut [u8], &Passed)) {
        if !early.is_empty() {
            let end = early.len();
            self.hold(Buffer::of(early), end, &mut seen);
        }
    }

    /// Carries what comes until one side stops. `seen` is told of each piece before it goes on,
    /// and may change it.
    pub(crate) fn poll_carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin + ?Sized),
        to: &mut (impl AsyncWrite + Unpin + ?Sized),
        mut seen: impl FnMut(&mut [u8], &Passed),
    ) -> Poll<Stop> {
        for _ in 0..PIECES_PER_POLL_MAX {
            if ready!(self.poll_deliver(cx, to)).is_err() {
                return Poll::Ready(Stop::ReceiverBroke);
            }
            let mut buffer = Buffer::take();
            match ready!(poll_read(cx, from, &mut buffer)) {
                Err(_) => return Poll::Ready(Stop::SenderBroke),
                Ok(0) => return Poll::Ready(Stop::SenderEnded),
                Ok(end) => self.hold(buffer, end, &mut seen),
            }
        }
        // Much comes this way; it goes on when others had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Delivers what is still held.
    pub(crate) async fn deliver(
        &mut self,
        to: &mut (impl AsyncWrite + Unpin + ?Sized),
    ) -> io::Result<()> {
        poll_fn(|cx| self.poll_deliver(cx, to)).await
    }

    /// Carries on to the end of the frame that is under way, and no further; false if the ends of
    /// frames are unknown. The way carries nothing more afterwards. The caller has the deadline.
    pub(crate) async fn end_frame(
        &mut self,
        from: &mut (impl AsyncRead + Unpin + ?Sized),
        to: &mut (impl AsyncWrite + Unpin + ?Sized),
    ) -> io::Result<bool> {
        if self.cut_held() {
            self.deliver(to).await?;
            return Ok(true);
        }
        self.deliver(to).await?;
        while self.scanner.to_boundary(&[]).is_none() {
            if self.scanner.is_lost() {
                return Ok(false);
            }
            let mut buffer = Buffer::take();
            let read = poll_fn(|cx| poll_read(cx, from, &mut buffer)).await?;
            if read == 0 {
                return Ok(false);
            }
            let end = self.scanner.to_boundary(&buffer.bytes()[..read]).unwrap_or(read);
            self.hold(buffer, end, &mut |_, _| {});
            self.deliver(to).await?;
        }
        Ok(true)
    }

    /// Follows a piece that goes nowhere.
    pub(crate) fn listen(&mut self, piece: &[u8]) {
        self.closed |= self.scanner.pass(piece).close;
    }

    /// Cuts what is held behind the last whole frame; false if a frame has begun to go that does
    /// not end there.
    fn cut_held(&mut self) -> bool {
        match &mut self.held {
            None => false,
            Some(Held { boundary: Some(boundary), start, end, .. }) if *boundary >= *start => {
                *end = *boundary;
                true
            }
            Some(Held { begins_frame: true, start: 0, .. }) => {
                self.held = None;
                true
            }
            Some(_) => false,
        }
    }

    fn hold(&mut self, mut buffer: Buffer, end: usize, seen: &mut impl FnMut(&mut [u8], &Passed)) {
        let begins_frame = self.scanner.to_boundary(&[]).is_some();
        let piece = &mut buffer.bytes_mut()[..end];
        let passed = self.scanner.pass(piece);
        self.closed |= passed.close;
        seen(piece, &passed);
        self.held = Some(Held { buffer, start: 0, end, begins_frame, boundary: passed.boundary });
    }

    fn poll_deliver(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut (impl AsyncWrite + Unpin + ?Sized),
    ) -> Poll<io::Result<()>> {
        if let Some(held) = &mut self.held {
            while held.start < held.end {
                let rest = &held.buffer.bytes()[held.start..held.end];
                let written = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                held.start += written;
            }
            self.held = None;
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut *to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads what is there onto `bytes`, without a buffer while nothing is; says how much, 0 at the
/// end. May be dropped.
pub(crate) async fn read_onto(
    from: &mut (impl AsyncRead + Unpin + ?Sized),
    bytes: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut buffer = Buffer::take();
        let read = ready!(poll_read(cx, from, &mut buffer))?;
        bytes.extend_from_slice(&buffer.bytes()[..read]);
        Poll::Ready(Ok(read))
    })
    .await
}

fn poll_read(
    cx: &mut Context<'_>,
    from: &mut (impl AsyncRead + Unpin + ?Sized),
    buffer: &mut Buffer,
) -> Poll<io::Result<usize>> {
    let mut space = ReadBuf::new(buffer.bytes_mut());
    ready!(Pin::new(&mut *from).poll_read(cx, &mut space))?;
    Poll::Ready(Ok(space.filled().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn text(payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126);
        [&[0x81, length], payload].concat()
    }

    async fn carry(
        way: &mut Way,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Stop {
        poll_fn(|cx| way.poll_carry(cx, from, to, |_, _| {})).await
    }

    #[tokio::test]
    async fn everything_arrives_in_order_and_is_seen() {
        let (mut sender, mut from) = duplex(3000);
        let (mut to, mut receiver) = duplex(700);
        let sent: Vec<u8> = (0..3000u32).flat_map(|n| text(&n.to_be_bytes())).collect();
        let expected = [text(b"early"), sent.clone()].concat();
        let send = tokio::spawn(async move {
            sender.write_all(&sent).await.unwrap();
        });
        let carry = tokio::spawn(async move {
            let mut way = Way::default();
            let mut bytes = 0;
            way.begin(text(b"early"), |piece, _| bytes += piece.len());
            let stop = poll_fn(|cx| {
                way.poll_carry(cx, &mut from, &mut to, |piece, passed| {
                    assert!(passed.data);
                    bytes += piece.len();
                })
            });
            assert!(matches!(stop.await, Stop::SenderEnded));
            bytes
        });
        let mut received = vec![0; expected.len()];
        receiver.read_exact(&mut received).await.unwrap();
        assert_eq!(received, expected);
        send.await.unwrap();
        assert_eq!(carry.await.unwrap(), expected.len());
    }

    #[tokio::test]
    async fn a_receiver_that_left_is_told_from_a_sender_that_left() {
        let (mut sender, mut from) = duplex(100);
        let (mut to, receiver) = duplex(100);
        drop(receiver);
        sender.write_all(&text(b"x")).await.unwrap();
        let stop = carry(&mut Way::default(), &mut from, &mut to).await;
        assert!(matches!(stop, Stop::ReceiverBroke), "{stop:?}");
        let (mut to, _receiver) = duplex(100);
        drop(sender);
        let stop = carry(&mut Way::default(), &mut from, &mut to).await;
        assert!(matches!(stop, Stop::SenderEnded), "{stop:?}");
    }

    /// Wherever the way is when it is told to end, the receiver gets whole frames.
    #[tokio::test]
    async fn the_way_ends_between_two_frames() {
        let sent = [text(b"one"), text(b"two"), text(b"three")].concat();
        let boundaries = [0, 5, 10, 17];
        for first in 0..=sent.len() {
            for room in [1, 4, 7, 100] {
                let (mut sender, mut from) = duplex(1000);
                let (mut to, mut receiver) = duplex(room);
                let mut way = Way::default();
                sender.write_all(&sent[..first]).await.unwrap();
                // As far as it goes while nobody reads.
                poll_fn(|cx| {
                    assert!(way.poll_carry(cx, &mut from, &mut to, |_, _| {}).is_pending());
                    Poll::Ready(())
                })
                .await;
                sender.write_all(&sent[first..]).await.unwrap();
                let read = tokio::spawn(async move {
                    let mut received = Vec::new();
                    receiver.read_to_end(&mut received).await.unwrap();
                    received
                });
                assert!(way.end_frame(&mut from, &mut to).await.unwrap(), "{first} {room}");
                drop(to);
                let received = read.await.unwrap();
                assert!(boundaries.contains(&received.len()), "{first} {room}: {received:?}");
                assert_eq!(received, sent[..received.len()]);
                assert!(received.len() >= first.min(room).saturating_sub(6), "{first} {room}");
            }
        }
    }

    #[tokio::test]
    async fn a_frame_that_never_ends_is_not_made_up() {
        let (mut sender, mut from) = duplex(1000);
        let (mut to, _receiver) = duplex(1000);
        let mut way = Way::default();
        sender.write_all(&text(b"half")[..3]).await.unwrap();
        poll_fn(|cx| {
            assert!(way.poll_carry(cx, &mut from, &mut to, |_, _| {}).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(sender);
        assert!(!way.end_frame(&mut from, &mut to).await.unwrap());
    }
}
