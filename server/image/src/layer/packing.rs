//! What a layer is packed with, told from its first bytes.

use std::io::{self, BufRead, BufReader, Read};

/// Bombs: so much may come out of one layer, and so many times what went in.
const MOST_BYTES: u64 = 256 << 30;
const MOST_RATIO: u64 = 1100;
/// Small layers of zeros have a high ratio honestly.
const RATIO_FROM_BYTES: u64 = 1 << 30;

/// The bytes of a tar, out of gzip, zstd or nothing at all.
pub(crate) struct Unpacked<R: Read> {
    inner: Inner<R>,
    packed_bytes: u64,
    bytes: u64,
}

enum Inner<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<R>>>),
    Zstd(zstd::Decoder<'static, BufReader<R>>),
}

impl<R: Read> Unpacked<R> {
    /// `packed_bytes`: how much there is to read.
    pub(crate) fn new(from: R, packed_bytes: u64) -> io::Result<Self> {
        let mut from = BufReader::with_capacity(128 << 10, from);
        let head = from.fill_buf()?;
        let inner = if head.starts_with(&[0x1f, 0x8b]) {
            Inner::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(from)))
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Inner::Zstd(zstd::Decoder::with_buffer(from)?)
        } else {
            Inner::Plain(from)
        };
        Ok(Self {
            inner,
            packed_bytes,
            bytes: 0,
        })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Inner::Plain(from) => from.read(buffer),
            Inner::Gzip(from) => from.read(buffer),
            Inner::Zstd(from) => from.read(buffer),
        }?;
        self.bytes += count as u64;
        let ratio_broken = self.bytes > RATIO_FROM_BYTES && self.bytes / self.packed_bytes.max(1) > MOST_RATIO;
        if self.bytes > MOST_BYTES || ratio_broken {
            return Err(io::Error::other(format!(
                "{} bytes came out of {}; that is no honest archive",
                self.bytes, self.packed_bytes
            )));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn every_packing_gives_the_same_bytes() {
        let text = b"text of the layer".repeat(100);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let packed = [
            text.clone(),
            gzip.finish().unwrap(),
            zstd::encode_all(&text[..], 1).unwrap(),
        ];
        for bytes in packed {
            let mut out = Vec::new();
            Unpacked::new(&bytes[..], bytes.len() as u64)
                .unwrap()
                .read_to_end(&mut out)
                .unwrap();
            assert_eq!(out, text);
        }
    }
}
