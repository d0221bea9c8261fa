//! Segment files: names, and finding them.

use crate::LogError;
use std::fs;
use std::path::{Path, PathBuf};

/// Length of the number in a name.
const DIGITS: usize = 20;

/// Numbers are padded so that names sort as numbers do.
pub(crate) fn log_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}.log"))
}

/// The same segment after it was packed.
pub(crate) fn packed_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}.log.zst"))
}

/// What is going to be a packed segment.
pub(crate) fn unfinished_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!(".{first:0DIGITS$}.zst.new"))
}

pub(crate) fn index_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:0DIGITS$}.index"))
}

/// The first numbers of all segments, ascending. A log that was never written has none.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, LogError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LogError::file("read", dir)(error)),
    };
    let mut firsts = Vec::new();
    for entry in entries {
        let name = entry.map_err(LogError::file("read", dir))?.file_name();
        let number = name
            .to_str()
            .map(|name| name.strip_suffix(".zst").unwrap_or(name))
            .and_then(|name| name.strip_suffix(".log"));
        // Names that we do not write are somebody else's files.
        let number = number.filter(|digits| digits.len() == DIGITS);
        firsts.extend(
            number
                .and_then(|number| number.parse::<u64>().ok())
                .filter(|first| *first > 0),
        );
    }
    firsts.sort_unstable();
    firsts.dedup();
    Ok(firsts)
}

/// Removes a segment in all its forms. Nothing is wrong when it is gone already.
/// The plain form goes before the packed one: by that whoever packs it learns.
pub(crate) fn remove(dir: &Path, first: u64) -> Result<(), LogError> {
    for path in [index_path, log_path, packed_path, unfinished_path].map(|path| path(dir, first)) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LogError::file("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
