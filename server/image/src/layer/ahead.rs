//! A reader read ahead on a thread of its own: inflating is one core's work, and
//! hashing and writing what comes out another's.

use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// So much at once, and so many of them between the threads.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;

/// Which of the two threads hashes: the one with less to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hashing {
    /// That reads ahead: nothing has to be inflated there.
    Ahead,
    Here,
}

/// Runs `work` over what a second thread reads from `from`. Both have ended when
/// this returns: who reads no more ends the reading.
pub(crate) fn read_ahead<T>(
    from: impl Read + Send,
    hashing: Hashing,
    work: impl FnOnce(&mut Ahead) -> T,
) -> io::Result<T> {
    let (full, pieces) = sync_channel(PIECES);
    let (give_back, empty) = channel();
    let (hashed, hash) = channel();
    let (hash, hashed) = match hashing {
        Hashing::Ahead => (Hash::Ahead(hash), Some(hashed)),
        Hashing::Here => (Hash::Here(Sha256::new()), None),
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("unpack-ahead".to_owned())
            .spawn_scoped(scope, move || fill(from, &full, &empty, hashed.as_ref()))?;
        let mut ahead = Ahead {
            pieces,
            give_back,
            piece: Vec::new(),
            at: 0,
            over: false,
            hash,
        };
        Ok(work(&mut ahead))
    })
}

fn fill(
    mut from: impl Read,
    full: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
    hashed: Option<&Sender<Sha256>>,
) {
    let mut hash = Sha256::new();
    loop {
        let mut piece = empty.try_recv().unwrap_or_default();
        piece.resize(PIECE_BYTES, 0);
        let mut filled = 0;
        let outcome = loop {
            match from.read(&mut piece[filled..]) {
                Ok(0) => break Ok(true),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if filled == piece.len() {
                break Ok(false);
            }
        };
        piece.truncate(filled);
        if hashed.is_some() {
            hash.update(&piece);
        }
        // What was read before an error is told before it.
        if filled > 0 && full.send(Ok(piece)).is_err() {
            return;
        }
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                if let Some(hashed) = hashed {
                    let _ = hashed.send(hash);
                }
                return;
            }
            Err(error) => {
                let _ = full.send(Err(error));
                return;
            }
        }
    }
}

enum Hash {
    Here(Sha256),
    /// Comes when all was read.
    Ahead(Receiver<Sha256>),
}

/// The near end.
pub(crate) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    give_back: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    over: bool,
    hash: Hash,
}

impl Ahead {
    /// Of all bytes, also those that nobody wanted to read.
    pub(crate) fn digest(&mut self) -> io::Result<Digest> {
        io::copy(self, &mut io::sink())?;
        let hash = match &mut self.hash {
            Hash::Here(hash) => std::mem::take(hash),
            Hash::Ahead(hash) => hash.recv().map_err(|_| io::Error::other("the end was not reached"))?,
        };
        Ok(Digest::from_sha256(hash.finalize().into()))
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            if self.over {
                return Ok(0);
            }
            let _ = self.give_back.send(std::mem::take(&mut self.piece));
            self.at = 0;
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece?,
                Err(_) => {
                    self.over = true;
                    return Ok(0);
                }
            }
            if let Hash::Here(hash) = &mut self.hash {
                hash.update(&self.piece);
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_in_their_order_and_are_hashed() {
        let bytes: Vec<u8> = (0..=250).cycle().take(PIECE_BYTES * 9 + 17).collect();
        for hashing in [Hashing::Ahead, Hashing::Here] {
            let mut out = vec![0; PIECE_BYTES + 1];
            let digest = read_ahead(&bytes[..], hashing, |ahead| {
                ahead.read_exact(&mut out).unwrap();
                ahead.digest().unwrap()
            });
            assert_eq!(digest.unwrap(), Digest::from_sha256(Sha256::digest(&bytes).into()));
            assert!(out[..] == bytes[..=PIECE_BYTES]);
        }
    }

    #[test]
    fn what_came_before_an_error_is_read_before_it() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("torn"))
            }
        }
        let mut out = Vec::new();
        let outcome = read_ahead((&b"whole"[..]).chain(Fails), Hashing::Here, |ahead| {
            ahead.read_to_end(&mut out)
        });
        assert_eq!(outcome.unwrap().unwrap_err().to_string(), "torn");
        assert_eq!(out, b"whole");
    }

    #[test]
    fn who_stops_reading_ends_the_other_thread() {
        let outcome = read_ahead(io::repeat(1), Hashing::Ahead, |ahead| ahead.read(&mut [0]));
        assert_eq!(outcome.unwrap().unwrap(), 1);
    }
}
