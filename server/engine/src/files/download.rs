//! Bytes made on a thread of their own while somebody takes them: archives of any size
//! go out in a few pieces of memory.

use crate::engine::Inner;
use crate::error::EngineError;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

const PIECE_BYTES: usize = 256 << 10;
const PIECES: usize = 4;

/// What is being made. Dropped, the making ends.
#[derive(Debug)]
pub struct Download {
    pieces: mpsc::Receiver<Result<Vec<u8>, EngineError>>,
    first: Option<Vec<u8>>,
}

impl Download {
    /// The next piece; `None` after the last. After an error there is none.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, EngineError>> {
        match self.first.take() {
            Some(piece) => Some(Ok(piece)),
            None => self.pieces.recv().await,
        }
    }

    /// Begins `work`, which writes. What fails before the first piece fails here.
    pub(crate) async fn begin<F>(engine: &Arc<Inner>, work: F) -> Result<Self, EngineError>
    where
        F: FnOnce(&mut dyn Write) -> Result<(), EngineError> + Send + 'static,
    {
        let (sender, mut pieces) = mpsc::channel(PIECES);
        engine.tracker.spawn_blocking(move || {
            let mut to = BufWriter::with_capacity(PIECE_BYTES, Pieces(sender.clone()));
            let outcome = work(&mut to).and_then(|()| {
                to.flush().map_err(|error| EngineError::Host {
                    doing: "send what was made".to_owned(),
                    source: Box::new(error),
                })
            });
            if let Err(error) = outcome {
                // What is left in the buffer is not the end of anything.
                let _ = to.into_parts();
                let _ = sender.blocking_send(Err(error));
            }
        });
        match pieces.recv().await {
            Some(Ok(piece)) => Ok(Self {
                pieces,
                first: Some(piece),
            }),
            Some(Err(error)) => Err(error),
            None => Ok(Self { pieces, first: None }),
        }
    }
}

struct Pieces(mpsc::Sender<Result<Vec<u8>, EngineError>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(bytes.to_vec()));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
