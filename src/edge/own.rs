//! Usher's own WebSockets: the server's side of RFC 6455 for short texts, no more.

use std::io;
use std::time::Duration;

use pingora_core::protocols::Stream;
use tokio::io::AsyncWriteExt;

use super::pump;
use super::tunnel::{Leaving, close_frame};
use crate::answer::{OwnFrame, OwnWebSocket};
use crate::domain::CloseCode;

/// The longest text that a browser may send, in bytes.
const TEXT_BYTES_MAX: usize = 4096;
/// The longest payload of a control frame, in bytes.
const CONTROL_BYTES_MAX: usize = 125;
/// The longest header of a frame from a browser: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
/// Between two pings: proxies in between end what is silent for a minute.
const PING_EVERY: Duration = Duration::from_secs(25);
/// For a frame to leave.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

const PING: &[u8] = &[0x89, 0];

/// What a browser sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Ping(Vec<u8>),
    Close,
}

/// Bytes of a browser that are not a whole frame yet.
#[derive(Default)]
struct Inbox {
    bytes: Vec<u8>,
    /// The beginning of a text that comes in several frames.
    begun: Option<Vec<u8>>,
}

/// A browser that does not keep to the protocol.
#[derive(Debug, PartialEq, Eq)]
struct Misbehaved;

/// A frame's header and where its payload lies.
struct Frame {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    payload: std::ops::Range<usize>,
}

impl Inbox {
    /// The next whole message; `None`: more bytes are needed.
    fn next(&mut self) -> Result<Option<Said>, Misbehaved> {
        loop {
            let Some(frame) = self.frame()? else {
                if self.bytes.is_empty() {
                    self.bytes = Vec::new();
                }
                return Ok(None);
            };
            let Frame { fin, opcode, mask, payload } = frame;
            let end = payload.end;
            let mut data = self.bytes[payload].to_vec();
            for (byte, key) in data.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= key;
            }
            self.bytes.drain(..end);
            match (opcode, self.begun.take()) {
                (0x1, None) => self.begun = Some(data),
                (0x0, Some(begun)) => self.begun = Some([begun, data].concat()),
                (0x8, _) => return Ok(Some(Said::Close)),
                (0x9, begun) => {
                    self.begun = begun;
                    return Ok(Some(Said::Ping(data)));
                }
                (0xa, begun) => {
                    self.begun = begun;
                    continue;
                }
                _ => return Err(Misbehaved),
            }
            let whole = self.begun.as_ref().map_or(0, Vec::len);
            if whole > TEXT_BYTES_MAX {
                return Err(Misbehaved);
            }
            if fin && let Some(whole) = self.begun.take() {
                let text = String::from_utf8(whole).map_err(|_| Misbehaved)?;
                return Ok(Some(Said::Text(text)));
            }
        }
    }

    fn frame(&self) -> Result<Option<Frame>, Misbehaved> {
        let [first, second, ..] = self.bytes[..] else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let control = opcode & 0x8 != 0;
        // Extensions were not agreed on; browsers mask what they send; control frames are whole.
        if first & 0x70 != 0 || second & 0x80 == 0 || (control && !fin) {
            return Err(Misbehaved);
        }
        let (length, header) = match second & 0x7f {
            126 => {
                let Some(bytes) = self.bytes.get(2..4) else { return Ok(None) };
                (usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), 4)
            }
            127 => return Err(Misbehaved),
            length => (usize::from(length), 2),
        };
        let most = if control { CONTROL_BYTES_MAX } else { TEXT_BYTES_MAX };
        if length > most {
            return Err(Misbehaved);
        }
        let start = header + 4;
        let Some(mask) = self.bytes.get(header..start) else { return Ok(None) };
        if self.bytes.len() < start + length {
            return Ok(None);
        }
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        Ok(Some(Frame { fin, opcode, mask, payload: start..start + length }))
    }
}

/// A text, ping or pong as a server sends it.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_BYTES_MAX);
    frame.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// An open WebSocket of usher's own.
pub(crate) struct Own {
    stream: Stream,
    inbox: Inbox,
    socket: Box<dyn OwnWebSocket>,
}

/// What happens next.
enum Next {
    Said(Said),
    Send(OwnFrame),
    Ping,
    Leave,
}

impl Own {
    /// Begins with what the browser sent already.
    pub(crate) fn new(stream: Stream, early: Vec<u8>, socket: Box<dyn OwnWebSocket>) -> Self {
        Self { stream, inbox: Inbox { bytes: early, begun: None }, socket }
    }

    /// Talks until one side ends.
    pub(crate) async fn run(mut self, leaving: Leaving) {
        // However it ends, there is nobody to tell.
        let _ = self.talk(leaving).await;
        let _ = tokio::time::timeout(WRITE_LIMIT, self.stream.shutdown()).await;
    }

    async fn talk(&mut self, mut leaving: Leaving) -> io::Result<()> {
        let mut pings = tokio::time::interval(PING_EVERY);
        pings.tick().await;
        loop {
            let next = tokio::select! {
                said = hear(&mut self.stream, &mut self.inbox) => Next::Said(said?),
                frame = self.socket.next() => Next::Send(frame),
                _ = pings.tick() => Next::Ping,
                () = leaving.due() => Next::Leave,
            };
            match next {
                Next::Said(Said::Text(text)) => self.socket.receive(&text),
                Next::Said(Said::Ping(payload)) => self.send(&frame(0xa, &payload)).await?,
                Next::Said(Said::Close) => {
                    return self.send(&[0x88, 0]).await;
                }
                Next::Send(OwnFrame::Text(text)) => self.send(&frame(0x1, text.as_bytes())).await?,
                Next::Send(OwnFrame::Close(code)) => return self.close(code).await,
                Next::Leave => return self.close(CloseCode::UsherRestarts).await,
                Next::Ping => self.send(PING).await?,
            }
        }
    }

    async fn close(&mut self, code: CloseCode) -> io::Result<()> {
        self.send(&close_frame(code)).await?;
        let answer = async {
            while !matches!(hear(&mut self.stream, &mut self.inbox).await?, Said::Close) {}
            io::Result::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(1), answer).await.unwrap_or(Ok(()))
    }

    async fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let send = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(WRITE_LIMIT, send)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The next message. May be dropped and called again.
async fn hear(stream: &mut Stream, inbox: &mut Inbox) -> io::Result<Said> {
    loop {
        match inbox.next() {
            Ok(Some(said)) => return Ok(said),
            Ok(None) => {}
            Err(Misbehaved) => return Err(io::ErrorKind::InvalidData.into()),
        }
        if pump::read_onto(stream, &mut inbox.bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | length as u8),
            length => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
        }
        let mask = [9, 8, 7, 6];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    fn all(bytes: &[u8], by: usize) -> Result<Vec<Said>, Misbehaved> {
        let mut inbox = Inbox::default();
        let mut said = Vec::new();
        for piece in bytes.chunks(by) {
            inbox.bytes.extend_from_slice(piece);
            while let Some(one) = inbox.next()? {
                said.push(one);
            }
        }
        Ok(said)
    }

    #[test]
    fn messages_are_understood_however_they_come() {
        let text = |text: &str| Said::Text(text.to_owned());
        let long = "가".repeat(1000);
        for (bytes, expected) in [
            (masked(0x81, b"{\"act\":true}"), vec![text("{\"act\":true}")]),
            (masked(0x81, long.as_bytes()), vec![text(&long)]),
            (
                [masked(0x01, b"one "), masked(0x89, b"p"), masked(0x80, b"two")].concat(),
                vec![Said::Ping(b"p".to_vec()), text("one two")],
            ),
            ([masked(0x8a, b""), masked(0x81, b"x")].concat(), vec![text("x")]),
            (masked(0x88, &[3, 232]), vec![Said::Close]),
        ] {
            for by in [1, 3, bytes.len()] {
                assert_eq!(all(&bytes, by).as_ref(), Ok(&expected), "by {by}");
            }
        }
    }

    #[test]
    fn what_breaks_the_protocol_ends_the_socket() {
        for bytes in [
            vec![0x81, 1, b'x'],
            masked(0xc1, b"compressed"),
            masked(0x82, b"binary"),
            masked(0x80, b"continues nothing"),
            [masked(0x01, b"a"), masked(0x81, b"b")].concat(),
            masked(0x09, b"ping in pieces"),
            masked(0x89, &[0; 126]),
            masked(0x81, &[0xff, 0xfe]),
            masked(0x81, &[b'x'; TEXT_BYTES_MAX + 1]),
            [masked(0x01, &[b'x'; 4000]), masked(0x80, &[b'x'; 200])].concat(),
            vec![0x81, 0xff],
        ] {
            assert_eq!(all(&bytes, bytes.len()), Err(Misbehaved), "{:x?}", &bytes[..2]);
        }
    }

    #[test]
    fn frames_have_the_length_they_say() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = frame(0x1, &vec![b'x'; length]);
            assert_eq!(frame.len(), header + length);
            assert_eq!(frame[0], 0x81);
        }
    }
}
