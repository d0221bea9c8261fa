//! What a layer is packed with, told from its first bytes.

use super::{Hashing, Limits};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What `xz -9` needs, and some: xz(1), "Memory usage".
const MOST_XZ_KIB: u32 = 80 << 10;

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    Plain,
    /// What every registry and engine reads.
    #[default]
    Gzip,
    Zstd,
}

impl Packing {
    /// From the first bytes: RFC 1952 2.3.1, RFC 8878 3.1.1.
    pub(crate) fn of(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::Plain
        }
    }

    /// Of a layer packed so: image-spec, media-types.md.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

impl Packing {
    /// What a media type says; `None` where it says nothing of it.
    pub(crate) fn named(media_type: &str) -> Option<Self> {
        match media_type.rsplit_once(['+', '.'])?.1 {
            "gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            "tar" => Some(Self::Plain),
            _ => None,
        }
    }
}

/// Packs what is written to it.
pub(crate) enum Packed<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packed<W> {
    pub(crate) fn new(packing: Packing, to: W) -> io::Result<Self> {
        Ok(match packing {
            Packing::Plain => Self::Plain(to),
            // No name and no time in the header: the same bytes each time.
            Packing::Gzip => Self::Gzip(flate2::write::GzEncoder::new(to, flate2::Compression::new(4))),
            Packing::Zstd => Self::Zstd(zstd::Encoder::new(to, 3)?),
        })
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(to) => Ok(to),
            Self::Gzip(to) => to.finish(),
            Self::Zstd(to) => to.finish(),
        }
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Gzip(to) => to.write(bytes),
            Self::Zstd(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gzip(to) => to.flush(),
            Self::Zstd(to) => to.flush(),
        }
    }
}

/// The bytes of a tar, out of gzip, zstd, bzip2, xz or nothing at all, told from the
/// first bytes; within bounds, so that a bomb does not go off.
pub struct Unpacked<R: Read> {
    inner: Inner<R>,
    /// How much there is to read, or has come so far.
    packed_bytes: PackedBytes,
    bytes: u64,
    limits: Limits,
}

enum Inner<R: Read> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Counted<R>>>>),
    Zstd(zstd::Decoder<'static, BufReader<Counted<R>>>),
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<BufReader<Counted<R>>>>),
    Xz(Box<lzma_rust2::XzReader<BufReader<Counted<R>>>>),
}

enum PackedBytes {
    Known(u64),
    SoFar(Arc<AtomicU64>),
}

impl PackedBytes {
    fn get(&self) -> u64 {
        match self {
            Self::Known(bytes) => *bytes,
            Self::SoFar(bytes) => bytes.load(Ordering::Relaxed),
        }
    }
}

/// Counts what goes in.
struct Counted<R> {
    from: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: Read> Unpacked<R> {
    /// Inflating is work enough for one thread.
    pub(crate) fn hashing(&self) -> Hashing {
        match self.inner {
            Inner::Plain(_) => Hashing::Ahead,
            _ => Hashing::Here,
        }
    }

    /// `packed_bytes`: how much there is to read. `None` where nobody knows: then what has
    /// come so far counts.
    pub fn new(from: R, packed_bytes: Option<u64>, limits: Limits) -> io::Result<Self> {
        let bytes = Arc::new(AtomicU64::new(0));
        let packed_bytes = packed_bytes.map_or_else(|| PackedBytes::SoFar(bytes.clone()), PackedBytes::Known);
        let mut from = BufReader::with_capacity(128 << 10, Counted { from, bytes });
        let head = from.fill_buf()?;
        // bzip2's own manual, "File format"; the .xz file format, 2.1.1.1.
        let is_bzip2 = head.starts_with(b"BZh");
        let is_xz = head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]);
        let inner = match Packing::of(head) {
            Packing::Plain if is_bzip2 => Inner::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(from))),
            Packing::Plain if is_xz => {
                Inner::Xz(Box::new(lzma_rust2::XzReader::new_mem_limit(from, true, MOST_XZ_KIB)))
            }
            Packing::Gzip => Inner::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(from))),
            Packing::Zstd => Inner::Zstd(zstd::Decoder::with_buffer(from)?),
            Packing::Plain => Inner::Plain(from),
        };
        Ok(Self {
            inner,
            packed_bytes,
            bytes: 0,
            limits,
        })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.inner {
            Inner::Plain(from) => from.read(buffer),
            Inner::Gzip(from) => from.read(buffer),
            Inner::Zstd(from) => from.read(buffer),
            Inner::Bzip2(from) => from.read(buffer),
            Inner::Xz(from) => from.read(buffer),
        }?;
        self.bytes += count as u64;
        let packed_bytes = self.packed_bytes.get();
        let ratio = self.bytes / packed_bytes.max(1);
        let ratio_broken = self.bytes > self.limits.ratio_from_bytes && ratio > self.limits.ratio;
        if self.bytes > self.limits.bytes || ratio_broken {
            return Err(io::Error::other(format!(
                "{} bytes came out of {}; that is no honest archive",
                self.bytes, packed_bytes
            )));
        }
        Ok(count)
    }
}

/// Whether the file is a tar, packed or not. The place in the file is its beginning
/// afterwards.
pub fn is_tar(mut file: &std::fs::File) -> bool {
    use std::io::Seek as _;
    let looks = |file| -> io::Result<bool> {
        let mut block = [0; 512];
        Unpacked::new(file, None, Limits::default())?.read_exact(&mut block)?;
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        let wanted = header.cksum();
        header.set_cksum();
        Ok(wanted.ok() == header.cksum().ok())
    };
    let found = looks(file).unwrap_or(false);
    file.rewind().is_ok() && found
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Unpacked::new(&bytes[..], None, Limits::default())
                .unwrap()
                .read_to_end(&mut out)
                .unwrap();
            assert_eq!(out, text);
        }
    }
}
