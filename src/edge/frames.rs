//! Reads the headers of WebSocket frames (RFC 6455 section 5.2) as they pass, however the bytes
//! are cut, and nothing of what is in them except the code of a close frame. Pure; keeps 32 bytes.

/// Follows one direction of a WebSocket.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameScanner {
    state: State,
    /// Of the frame that is being read.
    opcode: u8,
    masked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At a boundary: the next byte begins a frame.
    #[default]
    Boundary,
    /// The byte with the mask bit and the short length.
    ShortLength,
    /// So many bytes of a longer length are missing.
    LongLength { missing: u8, length: u64 },
    /// So many bytes of the mask are missing.
    Mask { missing: u8, length: u64 },
    /// So many bytes of the payload are missing. `at` counts its first bytes, as far as the close
    /// code needs them.
    Payload { missing: u64, at: PayloadAt },
    /// A length that no frame may have: where frames begin is unknown from here on.
    Lost,
}

/// Where in a payload the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PayloadAt {
    First,
    /// With the first byte, which is the upper half of a close code.
    Second(u8),
    Later,
}

const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_CONTROL_BIT: u8 = 0x8;
const MASK_BIT: u8 = 0x80;
const LENGTH_BITS: u8 = 0x7f;

/// What a piece of a direction held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Some of it belongs to a data frame (text, binary or a continuation).
    pub data: bool,
    /// The header of a close frame was completed.
    pub close: bool,
    /// The index in the piece of the lower half of an unmasked close code, with the whole code.
    pub close_code: Option<(usize, u16)>,
    /// Where in the piece the last frame ended.
    pub boundary: Option<usize>,
}

impl FrameScanner {
    /// Reads the next piece.
    pub(crate) fn pass(&mut self, piece: &[u8]) -> Passed {
        let mut passed = Passed::default();
        let mut at = 0;
        while at < piece.len() {
            at += self.advance(&piece[at..], at, &mut passed);
            if self.state == State::Boundary {
                passed.boundary = Some(at);
            }
        }
        passed
    }

    /// How many bytes at the start of `piece` end the frame that is under way: 0 at a boundary,
    /// `None` if it does not end there or boundaries are unknown. Reads nothing.
    pub(crate) fn to_boundary(&self, piece: &[u8]) -> Option<usize> {
        let mut ahead = self.clone();
        let mut at = 0;
        loop {
            match ahead.state {
                State::Boundary => return Some(at),
                State::Lost => return None,
                State::ShortLength
                | State::LongLength { .. }
                | State::Mask { .. }
                | State::Payload { .. } => {}
            }
            if at == piece.len() {
                return None;
            }
            at += ahead.advance(&piece[at..], at, &mut Passed::default());
        }
    }

    /// Whether boundaries can no longer be known.
    pub(crate) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// Reads at least one byte of `rest`, which begins at `index` of the piece; says how many.
    fn advance(&mut self, rest: &[u8], index: usize, passed: &mut Passed) -> usize {
        let byte = rest[0];
        match self.state {
            State::Boundary => {
                self.opcode = byte & 0x0f;
                self.state = State::ShortLength;
                1
            }
            State::ShortLength => {
                self.masked = byte & MASK_BIT != 0;
                self.state = match byte & LENGTH_BITS {
                    126 => State::LongLength { missing: 2, length: 0 },
                    127 => State::LongLength { missing: 8, length: 0 },
                    length => self.after_length(u64::from(length)),
                };
                self.note(passed);
                1
            }
            State::LongLength { missing, length } => {
                let length = length << 8 | u64::from(byte);
                self.state = match missing {
                    1 if length > i64::MAX as u64 => State::Lost,
                    1 => self.after_length(length),
                    _ => State::LongLength { missing: missing - 1, length },
                };
                self.note(passed);
                1
            }
            State::Mask { missing, length } => {
                self.state = match missing {
                    1 => payload(length),
                    _ => State::Mask { missing: missing - 1, length },
                };
                1
            }
            State::Payload { missing, at } => self.payload(rest, index, missing, at, passed),
            State::Lost => {
                passed.data = true;
                rest.len()
            }
        }
    }

    fn payload(
        &mut self,
        rest: &[u8],
        index: usize,
        missing: u64,
        at: PayloadAt,
        passed: &mut Passed,
    ) -> usize {
        self.note(passed);
        let closing = self.opcode == OPCODE_CLOSE && !self.masked;
        let (read, at) = match at {
            PayloadAt::First if closing => (1, PayloadAt::Second(rest[0])),
            PayloadAt::Second(upper) => {
                passed.close_code = Some((index, u16::from_be_bytes([upper, rest[0]])));
                (1, PayloadAt::Later)
            }
            PayloadAt::First | PayloadAt::Later => {
                let read = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                (read, PayloadAt::Later)
            }
        };
        let missing = missing - read as u64;
        self.state = if missing == 0 { State::Boundary } else { State::Payload { missing, at } };
        read
    }

    fn after_length(&self, length: u64) -> State {
        if self.masked { State::Mask { missing: 4, length } } else { payload(length) }
    }

    fn note(&self, passed: &mut Passed) {
        if self.opcode & OPCODE_CONTROL_BIT == 0 {
            passed.data = true;
        }
        if self.opcode == OPCODE_CLOSE {
            passed.close = true;
        }
    }
}

fn payload(length: u64) -> State {
    if length == 0 {
        State::Boundary
    } else {
        State::Payload { missing: length, at: PayloadAt::First }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as RFC 6455 writes it.
    fn frame(opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        let bit = if masked { MASK_BIT } else { 0 };
        match payload.len() {
            length @ 0..=125 => bytes.push(bit | length as u8),
            length @ 126..=0xffff => {
                bytes.push(bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn kinds_of_frames_are_told_apart() {
        for (bytes, data, close, code) in [
            (frame(1, false, b"hi"), true, false, None),
            (frame(2, true, &[0; 300]), true, false, None),
            (frame(0, false, &[0; 70_000]), true, false, None),
            (frame(1, true, b""), true, false, None),
            (frame(9, false, b"ping"), false, false, None),
            (frame(10, true, b"pong"), false, false, None),
            (frame(8, false, &[0x03, 0xf4, b'x']), false, true, Some((3, 1012))),
            (frame(8, false, &[0x03, 0xe8]), false, true, Some((3, 1000))),
            (frame(8, false, &[]), false, true, None),
            (frame(8, true, &[0x03, 0xf4]), false, true, None),
        ] {
            let mut scanner = FrameScanner::default();
            let passed = scanner.pass(&bytes);
            let boundary = Some(bytes.len());
            let expected = Passed { data, close, close_code: code, boundary };
            assert_eq!(passed, expected, "{:x?}", &bytes[..2]);
            assert_eq!(scanner.to_boundary(&[]), Some(0));
        }
    }

    #[test]
    fn the_end_of_a_frame_is_found_ahead() {
        let text = frame(1, false, b"hello");
        for cut in 1..text.len() {
            let mut scanner = FrameScanner::default();
            scanner.pass(&text[..cut]);
            assert_eq!(scanner.to_boundary(&[]), None);
            let mut rest = text[cut..].to_vec();
            assert_eq!(scanner.to_boundary(&rest), Some(text.len() - cut), "cut at {cut}");
            rest.extend(frame(9, false, b"next"));
            assert_eq!(scanner.to_boundary(&rest), Some(text.len() - cut), "cut at {cut}");
            rest.truncate(text.len() - cut - 1);
            assert_eq!(scanner.to_boundary(&rest), None, "cut at {cut}");
        }
    }

    #[test]
    fn an_impossible_length_loses_the_boundaries_for_good() {
        let mut scanner = FrameScanner::default();
        scanner.pass(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert!(scanner.is_lost());
        assert_eq!(scanner.to_boundary(&[]), None);
        assert!(scanner.pass(b"anything").data);
        assert!(scanner.is_lost());
    }

    /// xorshift64*: the seeds of failures can be replayed anywhere.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
        }
    }

    /// Whatever the frames and however their bytes are cut, pieces say together what the whole
    /// says, and the boundaries are where the frames end.
    #[test]
    fn any_cut_of_any_stream_reads_the_same() {
        for seed in 1..=200 {
            let mut random = Random(seed);
            let mut bytes = Vec::new();
            let mut boundaries = vec![0];
            for _ in 0..random.below(12) + 1 {
                let opcode = [0, 1, 2, 8, 9, 10][random.below(6) as usize];
                let length =
                    [0, 1, 2, 125, 126, 127, 4000, 65_535, 65_536][random.below(9) as usize];
                let payload: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                bytes.extend(frame(opcode, random.below(2) == 1, &payload));
                boundaries.push(bytes.len());
            }
            let whole = FrameScanner::default().pass(&bytes);
            let mut scanner = FrameScanner::default();
            let mut together = Passed::default();
            let mut at = 0;
            while at < bytes.len() {
                let most = [1, 2, 9, 100, 20_000][random.below(5) as usize];
                let end = bytes.len().min(at + 1 + random.below(most) as usize);
                let next = boundaries.iter().find(|boundary| **boundary >= at).copied();
                assert_eq!(
                    scanner.to_boundary(&bytes[at..]),
                    next.map(|boundary| boundary - at),
                    "seed {seed} at {at}"
                );
                let passed = scanner.pass(&bytes[at..end]);
                together.data |= passed.data;
                together.close |= passed.close;
                if let Some((index, code)) = passed.close_code {
                    together.close_code = Some((at + index, code));
                }
                let last = boundaries.iter().rfind(|boundary| (at + 1..=end).contains(boundary));
                assert_eq!(passed.boundary.map(|index| at + index), last.copied(), "seed {seed}");
                together.boundary = last.copied().or(together.boundary);
                at = end;
            }
            assert_eq!(together, whole, "seed {seed}");
            assert_eq!(scanner.to_boundary(&[]), Some(0), "seed {seed}");
        }
    }
}
