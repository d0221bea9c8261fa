//! What arrives without anybody waiting for it, read by a thread that waits: a task gathers it
//! into large pieces, so that the two meet once a piece and not once a packet.

use std::io::{self, BufRead, Read};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

/// So much at once, and so many of them between the two.
const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;

/// One without bytes is the end: a task that went away said nothing of an end.
type Piece = io::Result<Vec<u8>>;

/// The near end; for a thread that may block.
pub(super) struct Arriving {
    pieces: Receiver<Piece>,
    /// What was read goes back to be filled again.
    give_back: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    over: bool,
}

impl Arriving {
    /// Reads `from` on a task of its own, which ends with it, with this end, and when it is
    /// cancelled. Needs a runtime.
    pub(super) fn new(from: impl AsyncRead + Send + Unpin + 'static, cancel: &CancellationToken) -> Self {
        let (full, pieces) = channel(PIECES);
        let (give_back, empty) = channel(PIECES + 1);
        let cancel = cancel.clone();
        tokio::spawn(async move {
            let ended = async {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = full.closed() => {}
                }
            };
            tokio::select! {
                () = fill(from, &full, empty) => {}
                () = ended => {}
            }
        });
        Self {
            pieces,
            give_back,
            piece: Vec::new(),
            at: 0,
            over: false,
        }
    }
}

/// Sends what comes, to its end or to what fails.
async fn fill(mut from: impl AsyncRead + Unpin, full: &Sender<Piece>, mut empty: Receiver<Vec<u8>>) {
    loop {
        let mut piece = empty.try_recv().unwrap_or_default();
        piece.clear();
        piece.reserve_exact(PIECE_BYTES);
        let outcome = gather(&mut from, &mut piece).await;
        // What was read before an error is told before it.
        if !piece.is_empty() && full.send(Ok(piece)).await.is_err() {
            return;
        }
        let last = match outcome {
            Ok(true) => continue,
            Ok(false) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let _ = full.send(last).await;
        return;
    }
}

/// Whether more may come.
async fn gather(from: &mut (impl AsyncRead + Unpin), piece: &mut Vec<u8>) -> io::Result<bool> {
    while piece.len() < PIECE_BYTES {
        let room = (PIECE_BYTES - piece.len()) as u64;
        if (&mut *from).take(room).read_buf(piece).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

impl BufRead for Arriving {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.piece.len() && !self.over {
            let _ = self.give_back.try_send(std::mem::take(&mut self.piece));
            self.at = 0;
            let broken = || Err(io::Error::other("the rest did not come"));
            self.piece = self.pieces.blocking_recv().unwrap_or_else(broken)?;
            self.over = self.piece.is_empty();
        }
        Ok(&self.piece[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncWriteExt as _, duplex};

    async fn all(mut arriving: Arriving) -> (Vec<u8>, io::Result<usize>) {
        let reading = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            let outcome = arriving.read_to_end(&mut out);
            (out, outcome)
        });
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn all_bytes_come_in_their_order() {
        let bytes: Vec<u8> = (0..=250).cycle().take(PIECE_BYTES * 9 + 17).collect();
        let (mut far, near) = duplex(1000);
        let sent = bytes.clone();
        tokio::spawn(async move { far.write_all(&sent).await });
        let (out, outcome) = all(Arriving::new(near, &CancellationToken::new())).await;
        assert_eq!(outcome.unwrap(), bytes.len());
        assert!(out == bytes);
    }

    #[tokio::test]
    async fn what_came_before_an_error_is_read_before_it() {
        let torn = tokio_util::io::StreamReader::new(futures_util::stream::iter([
            Ok(&b"whole"[..]),
            Err(io::Error::other("torn")),
        ]));
        let (out, outcome) = all(Arriving::new(torn, &CancellationToken::new())).await;
        assert_eq!(outcome.unwrap_err().to_string(), "torn");
        assert_eq!(out, b"whole");
    }

    #[tokio::test]
    async fn what_is_cancelled_ends_though_nothing_comes() {
        let cancel = CancellationToken::new();
        let (_far, near) = duplex(1000);
        let arriving = Arriving::new(near, &cancel);
        cancel.cancel();
        all(arriving).await.1.unwrap_err();
    }
}
