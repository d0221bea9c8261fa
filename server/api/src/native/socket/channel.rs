use crate::native::problem::Failure;
use axum::body::Bytes;
use axum::extract::ws::Message as Frame;
use engine::EngineError;
use shared::socket::{Data, Message, ServerFrame};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// More credit than this is not kept.
const MOST_CREDIT: usize = 1 << 16;
/// Input that a console has not read yet.
const WAITING_INPUT: usize = 256;

/// Why a channel's work ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The connection is gone.
    Gone,
    Failed(Box<Failure>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Failure::from(error).into()
    }
}

/// What a client sends to a channel.
#[derive(Debug)]
pub(super) enum Input {
    Bytes(Bytes),
    Message(Message),
}

/// The working side of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    number: u32,
    credit: Arc<Semaphore>,
    out: mpsc::Sender<Frame>,
    pub(super) input: mpsc::Receiver<Input>,
}

/// The connection's side of a channel.
#[derive(Debug)]
pub(super) struct Handle {
    credit: Arc<Semaphore>,
    input: mpsc::Sender<Input>,
}

pub(super) fn new(number: u32, credit: u32, out: mpsc::Sender<Frame>) -> (Channel, Handle) {
    let credit = Arc::new(Semaphore::new((credit as usize).min(MOST_CREDIT)));
    let (sender, input) = mpsc::channel(WAITING_INPUT);
    let channel = Channel {
        number,
        credit: credit.clone(),
        out,
        input,
    };
    (channel, Handle { credit, input: sender })
}

impl Handle {
    pub(super) fn grant(&self, n: u32) {
        let room = MOST_CREDIT.saturating_sub(self.credit.available_permits());
        self.credit.add_permits((n as usize).min(room));
    }

    /// Whether there was room: who sends faster than is read loses the channel,
    /// since bytes left out would change what is typed.
    pub(super) fn give(&self, input: Input) -> bool {
        self.input.try_send(input).is_ok()
    }
}

impl Channel {
    pub(super) async fn opened(&self) -> Result<(), Stop> {
        self.say(&ServerFrame::Opened { ch: self.number }).await
    }

    /// Waits for credit, then sends. `seq` is where to resume.
    pub(super) async fn data(&self, seq: u64, data: Data) -> Result<(), Stop> {
        self.spend().await?;
        self.say(&ServerFrame::Data {
            ch: self.number,
            seq,
            data,
        })
        .await
    }

    pub(super) async fn bytes(&self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.spend().await?;
        let mut frame = Vec::with_capacity(4 + bytes.len());
        frame.extend_from_slice(&self.number.to_be_bytes());
        frame.extend_from_slice(bytes);
        self.out.send(Frame::Binary(frame.into())).await.map_err(|_| Stop::Gone)
    }

    pub(super) async fn gap(&self, count: u64) -> Result<(), Stop> {
        self.say(&ServerFrame::Gap { ch: self.number, count }).await
    }

    pub(super) async fn reset(&self) -> Result<(), Stop> {
        self.say(&ServerFrame::Reset { ch: self.number }).await
    }

    async fn spend(&self) -> Result<(), Stop> {
        let permit = self.credit.acquire().await.map_err(|_| Stop::Gone)?;
        permit.forget();
        Ok(())
    }

    async fn say(&self, frame: &ServerFrame) -> Result<(), Stop> {
        self.out.send(text(frame)).await.map_err(|_| Stop::Gone)
    }
}

pub(super) fn text(frame: &ServerFrame) -> Frame {
    Frame::Text(serde_json::to_string(frame).unwrap_or_default().into())
}

/// The last word of a channel.
pub(super) fn ending(number: u32, outcome: Result<String, Stop>) -> Option<ServerFrame> {
    match outcome {
        Ok(why) => Some(ServerFrame::Closed { ch: number, why }),
        Err(Stop::Failed(failure)) => Some(ServerFrame::Problem {
            ch: number,
            code: failure.problem.code,
            detail: failure.problem.detail,
        }),
        Err(Stop::Gone) => None,
    }
}
