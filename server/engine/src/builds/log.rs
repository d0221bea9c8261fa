//! The lines of a build: a file that grows, one JSON object a line, and readers that
//! follow it by number.

use crate::clock;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;

/// Longer ones are cut into several.
const LINE_BYTES: usize = 16 << 10;

/// Counted from 1 over the whole build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildLine {
    pub number: u64,
    /// The step's place in the build's list; `None` is the build itself.
    pub step: Option<usize>,
    pub time: Timestamp,
    pub stream: LineStream,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineStream {
    Stdout,
    Stderr,
    /// Said by the builder.
    Note,
}

#[derive(Serialize, Deserialize)]
struct Form {
    n: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    t: i64,
    s: LineStream,
    text: String,
}

/// The writing end.
#[derive(Debug)]
pub(super) struct LogWriter {
    file: File,
    next: u64,
}

impl LogWriter {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            next: 1,
        })
    }

    /// Writes a line, in parts if it is long; the number of the next one.
    pub(super) fn write(&mut self, step: Option<usize>, stream: LineStream, text: &str) -> io::Result<u64> {
        let mut rest = text;
        loop {
            let mut end = rest.len().min(LINE_BYTES);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let form = Form {
                n: self.next,
                step,
                t: clock::now().as_unix_nanos(),
                s: stream,
                text: rest[..end].to_owned(),
            };
            let mut json = serde_json::to_vec(&form)?;
            json.push(b'\n');
            self.file.write_all(&json)?;
            self.next += 1;
            rest = &rest[end..];
            if rest.is_empty() {
                return Ok(self.next);
            }
        }
    }
}

/// Reads on from where it stopped.
#[derive(Debug)]
pub struct BuildLog {
    file: BufReader<File>,
    from: u64,
    /// The beginning of a line whose end was not there yet.
    partial: Vec<u8>,
}

impl BuildLog {
    pub(super) fn open(path: &Path, from: u64) -> io::Result<Self> {
        Ok(Self {
            file: BufReader::new(File::open(path)?),
            from,
            partial: Vec::new(),
        })
    }

    /// The next lines that are there now, at most `max`. Blocks as a file does.
    pub fn read(&mut self, max: usize) -> io::Result<Vec<BuildLine>> {
        let mut lines = Vec::new();
        while lines.len() < max {
            self.file.read_until(b'\n', &mut self.partial)?;
            if self.partial.last() != Some(&b'\n') {
                break;
            }
            let json = std::mem::take(&mut self.partial);
            // A line cut off by the end of a server is left out.
            let Ok(form) = serde_json::from_slice::<Form>(&json) else {
                continue;
            };
            if form.n >= self.from {
                lines.push(BuildLine {
                    number: form.n,
                    step: form.step,
                    time: Timestamp::from_unix_nanos(form.t),
                    stream: form.s,
                    text: form.text,
                });
            }
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_on_while_they_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer = LogWriter::create(&path).unwrap();
        writer.write(Some(0), LineStream::Stdout, "one").unwrap();
        let mut reader = BuildLog::open(&path, 1).unwrap();
        assert_eq!(reader.read(10).unwrap().len(), 1);
        assert!(reader.read(10).unwrap().is_empty());
        writer.write(None, LineStream::Note, &"ä".repeat(LINE_BYTES)).unwrap();
        let lines = reader.read(10).unwrap();
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3]);
        let whole: String = lines.into_iter().map(|line| line.text).collect();
        assert_eq!(whole.len(), 2 * LINE_BYTES);
        assert_eq!(BuildLog::open(&path, 3).unwrap().read(10).unwrap().len(), 1);
    }
}
