//! A segment's bytes, from any place, whether they lie on the disk as they are or
//! packed.

use crate::packed::Packed;
use crate::{LogError, segment};
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

pub(crate) trait Bytes: Debug + Send + Sync {
    fn size(&self) -> io::Result<u64>;

    /// As many bytes as there are, up to the buffer's length.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Bytes for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match FileExt::read_at(self, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Opens a segment in whichever form it has.
pub(crate) fn open(dir: &Path, first: u64) -> Result<Arc<dyn Bytes>, LogError> {
    let plain = segment::log_path(dir, first);
    match File::open(&plain) {
        Ok(file) => return Ok(Arc::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(LogError::file("open", plain)(error)),
    }
    // A packed segment has its name before the plain one loses it.
    let packed = segment::packed_path(dir, first);
    match Packed::open(&packed) {
        Ok(packed) => Ok(Arc::new(packed)),
        Err(error) => Err(LogError::file("open", packed)(error)),
    }
}
