//! Packed segments: closed ones, compressed, that are still read from any place.
//!
//! `N.log.zst` is a zstd file (RFC 8878) of many frames, each of
//! [`FRAME_BYTES`] of the segment, and ends in a seek table: a skippable frame as
//! zstd's seekable format lays it out (zstd, contrib/seekable_format). Every zstd
//! program unpacks it.

use crate::bytes::Bytes;
use crate::{LogError, segment};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use sys::lock_file::Held;
use zstd::bulk::{Compressor, Decompressor};

/// What is unpacked to read one record.
const FRAME_BYTES: usize = 256 << 10;
/// Fast, and text becomes a tenth.
const LEVEL: i32 = 3;

const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
/// Before the seek table's entries: magic and length.
const HEAD_BYTES: u64 = 8;
const ENTRY_BYTES: usize = 8;
/// Behind them: their number, a byte of flags, magic.
const FOOT_BYTES: usize = 9;
/// A frame that claims to hold more is none of ours.
const MOST_FRAME_BYTES: u32 = 16 << 20;

/// One frame: where it lies, and what of the segment it holds.
#[derive(Debug, Clone, Copy)]
struct Frame {
    at: u64,
    packed: u32,
    offset: u64,
    bytes: u32,
}

#[derive(Debug)]
pub(crate) struct Packed {
    file: File,
    frames: Vec<Frame>,
    /// The frame unpacked last: reading goes on in it as a rule.
    unpacked: Mutex<Option<(usize, Vec<u8>)>>,
}

impl Packed {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let frames = read_seek_table(&file)?;
        Ok(Self {
            file,
            frames,
            unpacked: Mutex::new(None),
        })
    }

    fn unpack(&self, frame: Frame) -> io::Result<Vec<u8>> {
        let mut packed = vec![0; frame.packed as usize];
        expect_all(&self.file, &mut packed, frame.at)?;
        let bytes = Decompressor::new()?.decompress(&packed, frame.bytes as usize)?;
        if bytes.len() != frame.bytes as usize {
            return Err(damaged("a frame holds fewer bytes than the seek table says"));
        }
        Ok(bytes)
    }
}

impl Bytes for Packed {
    fn size(&self) -> io::Result<u64> {
        Ok(self.frames.last().map_or(0, |last| last.offset + u64::from(last.bytes)))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        while filled < buffer.len() {
            let from = offset + filled as u64;
            let at = self
                .frames
                .partition_point(|frame| frame.offset + u64::from(frame.bytes) <= from);
            let Some(frame) = self.frames.get(at) else { break };
            let bytes = match &mut *unpacked {
                Some((known, bytes)) if *known == at => bytes,
                other => &mut other.insert((at, self.unpack(*frame)?)).1,
            };
            let skipped = usize::try_from(from - frame.offset).map_err(io::Error::other)?;
            let length = (bytes.len() - skipped).min(buffer.len() - filled);
            buffer[filled..filled + length].copy_from_slice(&bytes[skipped..skipped + length]);
            filled += length;
        }
        Ok(filled)
    }
}

fn read_seek_table(file: &File) -> io::Result<Vec<Frame>> {
    let none = || damaged("there is no seek table at its end");
    let size = file.metadata()?.len();
    let mut foot = [0; FOOT_BYTES];
    expect_all(file, &mut foot, size.checked_sub(FOOT_BYTES as u64).ok_or_else(none)?)?;
    let [a, b, c, d, flags, magic @ ..] = foot;
    if u32::from_le_bytes(magic) != SEEKABLE_MAGIC || flags != 0 {
        return Err(none());
    }
    let table_bytes = u64::from(u32::from_le_bytes([a, b, c, d])) * ENTRY_BYTES as u64;
    let table_at = size.checked_sub(FOOT_BYTES as u64 + table_bytes).ok_or_else(none)?;
    let end = table_at.checked_sub(HEAD_BYTES).ok_or_else(none)?;
    let mut table = vec![0; usize::try_from(table_bytes).map_err(io::Error::other)?];
    expect_all(file, &mut table, table_at)?;
    let (mut at, mut offset) = (0, 0);
    let mut frames = Vec::new();
    let (entries, _) = table.as_chunks::<ENTRY_BYTES>();
    for [a, b, c, d, bytes @ ..] in entries {
        let frame = Frame {
            at,
            packed: u32::from_le_bytes([*a, *b, *c, *d]),
            offset,
            bytes: u32::from_le_bytes(*bytes),
        };
        at += u64::from(frame.packed);
        offset += u64::from(frame.bytes);
        if at > end || frame.bytes > MOST_FRAME_BYTES {
            return Err(damaged("its seek table does not fit the file"));
        }
        frames.push(frame);
    }
    Ok(frames)
}

fn expect_all(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Packs every segment of the log in `dir` but the last, which is written to. May
/// be done beside the writer and readers, twice at once too, and cut off at any
/// moment: a segment is there in one form at least.
///
/// # Errors
/// Says which segment could not be packed; it stays as it is.
pub fn pack_closed(dir: &Path) -> Result<(), LogError> {
    let firsts = segment::list(dir)?;
    let Some((_, closed)) = firsts.split_last() else {
        return Ok(());
    };
    for first in closed {
        pack(dir, *first)?;
    }
    Ok(())
}

fn pack(dir: &Path, first: u64) -> Result<(), LogError> {
    let plain_path = segment::log_path(dir, first);
    let plain = match File::open(&plain_path) {
        Ok(plain) => plain,
        // Packed before, or rotated away.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LogError::file("open", plain_path)(error)),
    };
    let Some(held) = Held::try_take(plain).map_err(LogError::file("lock", &plain_path))? else {
        // Somebody else is at it.
        return Ok(());
    };
    let plain = held.file();
    if plain.metadata().is_ok_and(|known| known.nlink() == 0) {
        return Ok(());
    }
    let unfinished = segment::unfinished_path(dir, first);
    let packed_path = segment::packed_path(dir, first);
    let packed = write_packed(plain, &unfinished).and_then(|()| fs::rename(&unfinished, &packed_path));
    if let Err(error) = packed {
        let _ = fs::remove_file(&unfinished);
        return Err(LogError::file("pack", plain_path)(error));
    }
    match fs::remove_file(&plain_path) {
        Ok(()) => Ok(()),
        // It was rotated away meanwhile, and does not come back.
        Err(error) if error.kind() == io::ErrorKind::NotFound => segment::remove(dir, first),
        Err(error) => Err(LogError::file("remove", plain_path)(error)),
    }
}

/// On the disk when it returns: the plain segment goes next.
fn write_packed(plain: &File, path: &Path) -> io::Result<()> {
    let mut packed = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    let mut table = Vec::new();
    let mut buffer = vec![0; FRAME_BYTES];
    let mut offset = 0;
    loop {
        let length = Bytes::read_at(plain, &mut buffer, offset)?;
        if length == 0 {
            break;
        }
        offset += length as u64;
        let frame = compressor.compress(&buffer[..length])?;
        packed.write_all(&frame)?;
        for size in [frame.len(), length] {
            table.extend(u32::try_from(size).map_err(io::Error::other)?.to_le_bytes());
        }
    }
    let entries = u32::try_from(table.len() / ENTRY_BYTES).map_err(io::Error::other)?;
    let table_length = u32::try_from(table.len() + FOOT_BYTES).map_err(io::Error::other)?;
    packed.write_all(&SKIPPABLE_MAGIC.to_le_bytes())?;
    packed.write_all(&table_length.to_le_bytes())?;
    packed.write_all(&table)?;
    packed.write_all(&entries.to_le_bytes())?;
    packed.write_all(&[0])?;
    packed.write_all(&SEEKABLE_MAGIC.to_le_bytes())?;
    packed.sync_data()
}
