//! Reading many records without a copy of each, for searches.

use super::{LogError, Reader};
use crate::segment;
use std::ops::ControlFlow;

/// Encoded records handed out at once.
const BLOCK_BYTES: usize = 1 << 20;

impl Reader {
    /// Gives the records from number `from` to the one before `to` in blocks: the number of
    /// a block's first record, and the encoded records, each ending in a newline (see
    /// [`crate::cri::parse_raw`]). Ends when `visit` breaks off. Returns the number to read
    /// on from. Records rotated away meanwhile are passed over.
    pub fn scan(
        &mut self,
        from: u64,
        to: u64,
        mut visit: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<u64, LogError> {
        let mut next = from.max(self.first_seq());
        let mut buffer = Vec::new();
        while next < to.min(self.next_seq()) {
            match self.scan_segment(&mut next, to, &mut buffer, &mut visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break,
                Err(error) if error.is_not_found() => {
                    self.refresh()?;
                    next = next.max(self.first_seq());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(next)
    }

    fn scan_segment(
        &mut self,
        next: &mut u64,
        to: u64,
        buffer: &mut Vec<u8>,
        visit: &mut impl FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LogError> {
        let (at, count) = self.segment_of(*next);
        let first = self.segments[at].first;
        let end = to.min(first + count);
        let log = self.file(first)?;
        let path = segment::log_path(&self.dir, first);
        let mut offset = self.locate(at, &*log, *next - first)?;
        buffer.resize(BLOCK_BYTES.max(buffer.len()), 0);
        while *next < end {
            let length = log.read_at(buffer, offset).map_err(LogError::file("read", &path))?;
            let Some(last) = memchr::memrchr(b'\n', &buffer[..length]) else {
                if length < buffer.len() {
                    // Somebody cut the file: the missing numbers are passed over.
                    *next = end;
                    break;
                }
                buffer.resize(buffer.len() * 2, 0);
                continue;
            };
            let mut lines = &buffer[..=last];
            let mut found = memchr::memchr_iter(b'\n', lines).count() as u64;
            if found > end - *next {
                found = end - *next;
                let wanted = usize::try_from(found).unwrap_or(usize::MAX);
                let cut = memchr::memchr_iter(b'\n', lines).nth(wanted - 1);
                lines = &lines[..cut.map_or(0, |cut| cut + 1)];
            }
            let block = *next;
            *next += found;
            offset += lines.len() as u64;
            if visit(block, lines).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
