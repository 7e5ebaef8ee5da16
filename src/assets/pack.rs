//! Packs, quickly or well.

use std::io::{self, Write};

use bytes::Bytes;

use super::coding::Coding;

/// How much time packing may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// A browser waits for it.
    Quick,
    /// Nobody waits, and many will have it.
    Best,
}

/// What is shorter is not packed: it would hardly become smaller.
pub(super) const WORTH_PACKING_BYTES_MIN: usize = 256;
/// The window of brotli, as a power of two: what browsers take.
const BROTLI_WINDOW: u32 = 22;

/// Packs; `None` if it does not become smaller.
pub(super) fn pack(coding: Coding, effort: Effort, plain: &[u8]) -> Option<Bytes> {
    if plain.len() < WORTH_PACKING_BYTES_MIN {
        return None;
    }
    let packed = match coding {
        Coding::Plain => return None,
        Coding::Gzip => gzip(effort, plain),
        Coding::Zstd => zstd::bulk::compress(plain, zstd_level(effort)),
        Coding::Brotli => brotli(effort, plain),
    };
    match packed {
        Ok(packed) if packed.len() < plain.len() => Some(packed.into()),
        Ok(_) => None,
        Err(error) => {
            log::error!("packing with {coding:?}: {error}");
            None
        }
    }
}

fn gzip(effort: Effort, plain: &[u8]) -> io::Result<Vec<u8>> {
    let level = match effort {
        Effort::Quick => flate2::Compression::new(5),
        Effort::Best => flate2::Compression::best(),
    };
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
    packer.write_all(plain)?;
    packer.finish()
}

fn zstd_level(effort: Effort) -> i32 {
    match effort {
        Effort::Quick => 3,
        Effort::Best => 19,
    }
}

fn brotli(effort: Effort, plain: &[u8]) -> io::Result<Vec<u8>> {
    let quality = match effort {
        Effort::Quick => 4,
        Effort::Best => 11,
    };
    let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, quality, BROTLI_WINDOW);
    packer.write_all(plain)?;
    Ok(packer.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn unpack(coding: Coding, packed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let read = match coding {
            Coding::Plain => unreachable!("not packed"),
            Coding::Gzip => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain),
            Coding::Zstd => {
                zstd::stream::read::Decoder::new(packed).unwrap().read_to_end(&mut plain)
            }
            Coding::Brotli => brotli::Decompressor::new(packed, 4096).read_to_end(&mut plain),
        };
        read.unwrap();
        plain
    }

    #[test]
    fn what_was_packed_is_there_and_smaller() {
        // Like a script: few words, in no order.
        let words = ["const ", "return ", "(e)=>", "function ", "this.", "props", ";\n", "{", "}"];
        let place = |at: u32| (at.wrapping_mul(2_654_435_761) >> 11) as usize % words.len();
        let plain: String = (0..20_000).map(|at| words[place(at)]).collect();
        for coding in [Coding::Gzip, Coding::Zstd, Coding::Brotli] {
            let pack = |effort| pack(coding, effort, plain.as_bytes()).unwrap();
            let (quick, best) = (pack(Effort::Quick), pack(Effort::Best));
            assert_eq!(unpack(coding, &quick), plain.as_bytes(), "{coding:?}");
            assert_eq!(unpack(coding, &best), plain.as_bytes(), "{coding:?}");
            assert!(best.len() <= quick.len() && quick.len() < plain.len() / 3, "{coding:?}");
        }
    }

    #[test]
    fn what_does_not_become_smaller_is_not_packed() {
        let noise: Vec<u8> =
            (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for coding in [Coding::Plain, Coding::Gzip, Coding::Zstd, Coding::Brotli] {
            for plain in [&b"short"[..], &noise] {
                let packed = pack(coding, Effort::Best, plain);
                assert!(packed.is_none_or(|packed| packed.len() < plain.len()), "{coding:?}");
            }
        }
        assert_eq!(pack(Coding::Gzip, Effort::Quick, &[b'a'; WORTH_PACKING_BYTES_MIN - 1]), None);
    }
}
