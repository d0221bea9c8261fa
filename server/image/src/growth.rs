//! A blob read while it arrives: one writes, another follows behind it through the
//! file, so that neither waits for the other's pace and memory stays as it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How much of a blob is in its file.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    bytes: u64,
    end: Option<End>,
    /// Nobody follows any more.
    given_up: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// All of it came.
    Whole,
    /// No more will come.
    Broken,
}

impl Growth {
    /// So much is in the file now.
    pub(crate) fn reached(&self, bytes: u64) {
        self.lock().bytes = bytes;
        self.changed.notify_all();
    }

    /// The first end counts.
    pub(crate) fn end(&self, end: End) {
        self.lock().end.get_or_insert(end);
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Who followed it can make nothing of it.
    pub(crate) fn give_up(&self) {
        self.lock().given_up = true;
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.lock().given_up
    }

    /// Waits until there is more than `bytes`, or an end.
    fn beyond(&self, bytes: u64) -> State {
        let waiting = |state: &mut State| state.bytes <= bytes && state.end.is_none();
        *self
            .changed
            .wait_while(self.lock(), waiting)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads behind the writer.
#[derive(Debug)]
pub(crate) struct Follower {
    file: File,
    at: u64,
    growth: Arc<Growth>,
}

impl Follower {
    pub(crate) fn new(file: File, growth: Arc<Growth>) -> Self {
        Self { file, at: 0, growth }
    }
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.growth.beyond(self.at);
        let there = usize::try_from(state.bytes - self.at).unwrap_or(usize::MAX);
        if there == 0 {
            return match state.end {
                Some(End::Broken) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the rest did not come")),
                _ => Ok(0),
            };
        }
        let wanted = buffer.len().min(there);
        let count = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_follower_waits_for_what_is_not_there_yet() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let growth = Arc::new(Growth::default());
        let mut follower = Follower::new(file.reopen().unwrap(), growth.clone());
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            follower.read_to_string(&mut text).map(|_| text)
        });
        let mut bytes = 0;
        for word in ["one ", "two ", "three"] {
            file.write_all(word.as_bytes()).unwrap();
            bytes += word.len() as u64;
            growth.reached(bytes);
        }
        growth.end(End::Whole);
        assert_eq!(reading.join().unwrap().unwrap(), "one two three");
    }

    #[test]
    fn what_breaks_off_is_not_taken_for_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"half").unwrap();
        let growth = Arc::new(Growth::default());
        growth.reached(4);
        growth.end(End::Broken);
        growth.end(End::Whole);
        let mut follower = Follower::new(file.reopen().unwrap(), growth);
        let mut bytes = Vec::new();
        assert!(follower.read_to_end(&mut bytes).is_err());
        assert_eq!(bytes, b"half");
    }
}
