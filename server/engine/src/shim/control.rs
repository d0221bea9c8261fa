//! A control connection: requests and their replies, events as they come.

use super::connect_socket;
use model::Signal;
use serde::de::DeserializeOwned;
use shim_protocol::{
    Command, Event, FrameError, FromShim, Hello, InitState, Problem, Reply, Request, ShimRecord, State, Target, frame,
};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// How long a shim may take to answer. It does one thing at a time, and the
/// slowest, a start, waits for hooks and mounts only.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// After this long without an answer the shim is told to continue: somebody may have stopped it
/// with SIGSTOP, by hand or with a whole process group.
const WAKE_AFTER: Duration = Duration::from_secs(3);
/// Events that may wait for the keeper. When full, the connection is not read on,
/// and the shim keeps what it has to say.
const WAITING_EVENTS: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShimError {
    #[error("the shim is gone")]
    Gone,
    #[error("the shim did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent,
    #[error("{}", .0.message)]
    Refused(Problem),
    #[error("cannot talk with the shim: {0}")]
    Frame(#[from] FrameError),
    #[error("cannot talk with the shim: {0}")]
    Io(#[from] io::Error),
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Reply>>>>;

/// A connection to a shim that lives. Events wait in it until the keeper takes them.
#[derive(Debug)]
pub(crate) struct Shim {
    writer: OwnedWriteHalf,
    next_seq: u64,
    waiting: Waiting,
    events: mpsc::Receiver<Event>,
    run_dir: PathBuf,
}

/// Connects to the shim of the container with this run directory.
pub(crate) async fn connect(run_dir: &Path) -> Result<Shim, ShimError> {
    let mut stream = connect_socket(run_dir).await?;
    stream.write_all(&frame::encode(&Hello::Control)?).await?;
    Ok(Shim::new(stream, run_dir))
}

impl Shim {
    /// Takes over a connection on which control frames flow already.
    pub(super) fn new(stream: UnixStream, run_dir: &Path) -> Self {
        let (reader, writer) = stream.into_split();
        let waiting = Waiting::default();
        let (sender, events) = mpsc::channel(WAITING_EVENTS);
        // Ends with the connection, or when the keeper lets go of the events.
        tokio::spawn(listen(reader, waiting.clone(), sender));
        Self {
            writer,
            next_seq: 1,
            waiting,
            events,
            run_dir: run_dir.to_owned(),
        }
    }

    /// The next event; `None` when the connection is closed. Dropped while waiting, it loses nothing.
    pub(crate) async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub(crate) async fn ask(&mut self, command: Command) -> Result<Reply, ShimError> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let (sender, reply) = oneshot::channel();
        self.lock().insert(seq, sender);
        let bytes = frame::encode(&Request { seq, command })?;
        if self.writer.write_all(&bytes).await.is_err() {
            return Err(ShimError::Gone);
        }
        let mut reply = reply;
        let mut answered = tokio::time::timeout(WAKE_AFTER, &mut reply).await;
        if answered.is_err() {
            signal_process(&self.run_dir, Signal::CONT);
            answered = tokio::time::timeout(ANSWER_LIMIT.saturating_sub(WAKE_AFTER), &mut reply).await;
        }
        let reply = match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => return Err(ShimError::Gone),
            Err(_) => {
                self.lock().remove(&seq);
                return Err(ShimError::Silent);
            }
        };
        match reply.error {
            Some(problem) => Err(ShimError::Refused(problem)),
            None => Ok(reply),
        }
    }

    pub(crate) async fn state(&mut self) -> Result<State, ShimError> {
        let reply = self.ask(Command::State).await?;
        reply.state.map(|state| *state).ok_or(ShimError::Gone)
    }

    /// Kills what runs, waits for the end, and lets the shim go; whether it ended in time.
    pub(crate) async fn end(&mut self, limit: Duration) -> bool {
        let kill = Command::Signal {
            target: Target::Init,
            signal: 9,
        };
        // Refused where it has ended already.
        let _ = self.ask(kill).await;
        let over = matches!(self.state().await.map(|state| state.init), Ok(InitState::Exited(_)));
        let ended = over || tokio::time::timeout(limit, self.until_exit()).await.is_ok();
        let _ = self.ask(Command::Release).await;
        ended
    }

    async fn until_exit(&mut self) {
        while let Some(event) = self.next_event().await {
            if matches!(event, Event::Exited(_)) {
                break;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Reply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal to the shim itself, if it is there.
pub(crate) fn signal_process(run_dir: &Path, signal: Signal) {
    let found = std::fs::read(run_dir.join(ShimRecord::FILE)).ok();
    let Some(record) = found.and_then(|bytes| ShimRecord::from_json(&bytes).ok()) else {
        return;
    };
    if let Ok(Some(handle)) = sys::pidfd::open_if_same(record.pid, record.start_ticks) {
        // It may end in this moment.
        let _ = sys::pidfd::send_signal(&handle, signal.number());
    }
}

/// Reads until the connection ends, and then fails whoever waits for an answer.
async fn listen(mut reader: OwnedReadHalf, waiting: Waiting, events: mpsc::Sender<Event>) {
    loop {
        match read_frame::<FromShim>(&mut reader).await {
            Ok(FromShim::Reply(reply)) => {
                let asker = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&reply.seq);
                if let Some(asker) = asker {
                    let _ = asker.send(reply);
                }
            }
            Ok(FromShim::Event(event)) => {
                if events.send(event).await.is_err() {
                    break;
                }
            }
            Ok(FromShim::Created(_) | FromShim::Failed(_) | FromShim::Unknown) => {}
            Err(_) => break,
        }
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Reads one message and not a byte more.
pub(super) async fn read_frame<T: DeserializeOwned>(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> Result<T, FrameError> {
    let length = from.read_u32().await? as usize;
    if length > frame::MAX_BYTES {
        return Err(FrameError::TooLong(length));
    }
    let mut json = vec![0; length];
    from.read_exact(&mut json).await?;
    frame::decode(&json)
}
