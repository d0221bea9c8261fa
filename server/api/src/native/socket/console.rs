//! Consoles: bytes both ways between a client and a process.

use super::channel::{Channel, Input, Stop};
use crate::native::container;
use crate::native::front::Front;
use crate::native::guard::Caller;
use crate::native::problem::Failure;
use engine::{AttachOptions, Attached, Engine, EngineError, ExecId, ExecState, WaitCondition};
use model::container::ContainerId;
use shared::socket::{Message, Topic};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

const READ_BYTES: usize = 32 << 10;
/// Of the pieces that carry standard output and error: see [`engine::Attached`].
const HEADER: usize = 8;

/// The process at the other end.
enum Process {
    Main(ContainerId),
    Exec(ExecId),
}

impl Process {
    async fn resize(&self, engine: &Engine, rows: u16, cols: u16) -> Result<(), EngineError> {
        match self {
            Self::Main(id) => engine.resize(id, rows, cols).await,
            Self::Exec(id) => engine.exec_resize(id, rows, cols).await,
        }
    }

    /// In words, once its streams have ended.
    async fn ending(&self, engine: &Engine) -> String {
        let code = match self {
            Self::Main(id) => match engine.wait(id, WaitCondition::NotRunning) {
                Ok(waiting) => waiting.ended().await.code,
                Err(_) => return "the container was removed".to_owned(),
            },
            Self::Exec(id) => match engine.exec_wait(id).await.map(|exec| exec.state) {
                Ok(ExecState::Exited { status, .. }) => status.code(),
                Ok(ExecState::Failed { code, reason, .. }) => return format!("{reason} (status {code})"),
                Ok(_) | Err(_) => return "the container was removed".to_owned(),
            },
        };
        format!("the process ended with status {code}")
    }
}

/// Until the process ends; the answer says how.
pub(super) async fn run(front: &Front, caller: &Caller, mut channel: Channel, topic: Topic) -> Result<String, Stop> {
    let engine = &front.engine;
    let (process, attached) = match topic {
        Topic::Attach { container, rows, cols } => {
            let id = engine.find(&container)?;
            let all = AttachOptions {
                stdin: true,
                stdout: true,
                stderr: true,
            };
            let attaching = engine.attach(&id, all).await?;
            channel.opened().await?;
            let attached = attaching.attached().await?;
            let process = Process::Main(id);
            if attached.is_terminal() {
                let _ = process.resize(engine, rows, cols).await;
            }
            (process, attached)
        }
        Topic::Exec { exec, rows, cols } => {
            let id = ExecId::parse(&exec).ok_or_else(|| Failure::not_found("exec", &exec))?;
            if engine.exec_inspect(&id)?.spec.terminal {
                container::require_owner(front, caller, &id)?;
                return terminal(front, caller, channel, id, (rows, cols)).await;
            }
            let attached = to_end(engine, {
                let (engine, id) = (engine.clone(), id.clone());
                async move { engine.exec_start(&id, false, None).await }
            })
            .await?;
            channel.opened().await?;
            let process = Process::Exec(id);
            match attached {
                Some(attached) => (process, attached),
                None => return Ok(process.ending(engine).await),
            }
        }
        _ => return Ok(String::new()),
    };
    let (_, nothing) = mpsc::channel(1);
    let input = std::mem::replace(&mut channel.input, nothing);
    join(engine, &process, &channel, input, attached).await?;
    Ok(process.ending(engine).await)
}

/// Runs `work` to its end even when the client leaves meanwhile: a process that was started
/// halfway would have no client and no timer that ends it.
async fn to_end<T: Send + 'static>(
    engine: &Engine,
    work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
) -> Result<T, EngineError> {
    engine.run_to_end(work).await.map_err(|_| EngineError::Ending)?
}

/// Joins the console of an exec, until it ends. A client that leaves leaves it running.
async fn terminal(
    front: &Front,
    caller: &Caller,
    mut channel: Channel,
    id: ExecId,
    size: (u16, u16),
) -> Result<String, Stop> {
    let engine = &front.engine;
    let mut client = to_end(engine, {
        let (engine, id, owner) = (engine.clone(), id.clone(), caller.owner());
        async move { engine.join_console(&id, &owner, size).await }
    })
    .await?;
    channel.opened().await?;
    let (_, nothing) = mpsc::channel(1);
    let mut given = std::mem::replace(&mut channel.input, nothing);
    let input = client.input();
    let typing = async {
        while let Some(given) = given.recv().await {
            match given {
                Input::Bytes(bytes) => {
                    if input.write(&bytes).await.is_err() {
                        break;
                    }
                }
                // One that has just ended has no size.
                Input::Message(Message::Resize { rows, cols }) => drop(engine.exec_resize(&id, rows, cols).await),
                // A terminal has no end of input: that is a key.
                Input::Message(Message::EndOfInput) => {}
            }
        }
        // The end of input is not the end of output.
        std::future::pending::<()>().await;
    };
    let showing = async {
        while let Some(bytes) = client.read().await {
            channel.bytes(&bytes).await?;
        }
        Ok::<(), Stop>(())
    };
    tokio::select! {
        shown = showing => shown?,
        () = typing => {}
    }
    Ok(Process::Exec(id).ending(engine).await)
}

async fn join(
    engine: &Engine,
    process: &Process,
    channel: &Channel,
    mut input: mpsc::Receiver<Input>,
    attached: Attached,
) -> Result<(), Stop> {
    let mut frames = (!attached.is_terminal()).then(Frames::default);
    let (mut from, mut to) = attached.into_split();
    let typing = async {
        while let Some(given) = input.recv().await {
            match given {
                Input::Bytes(bytes) => {
                    if to.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Input::Message(Message::Resize { rows, cols }) => {
                    // A process without a terminal has no size, and one that ended none either.
                    let _ = process.resize(engine, rows, cols).await;
                }
                Input::Message(Message::EndOfInput) => match process {
                    // Others may be joined too: that one of them leaves means nothing.
                    Process::Main(id) => drop(engine.close_input(id).await),
                    Process::Exec(_) => drop(to.shutdown().await),
                },
            }
        }
        // The end of input is not the end of output.
        std::future::pending::<()>().await;
    };
    let showing = async {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => count,
            };
            match &mut frames {
                None => channel.bytes(&buffer[..count]).await?,
                Some(frames) => channel.bytes(&frames.take(&buffer[..count])).await?,
            }
        }
    };
    tokio::select! {
        shown = showing => shown,
        () = typing => Ok(()),
    }
}

/// Takes the headers out of two streams in one.
#[derive(Debug, Default)]
struct Frames {
    header: Vec<u8>,
    left: usize,
}

impl Frames {
    /// What was written, whichever stream it was.
    fn take(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut written = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            if self.left == 0 {
                let count = (HEADER - self.header.len()).min(bytes.len());
                self.header.extend_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                if let [.., a, b, c, d] = self.header[..]
                    && self.header.len() == HEADER
                {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.header.clear();
                }
                continue;
            }
            let count = self.left.min(bytes.len());
            written.extend_from_slice(&bytes[..count]);
            self.left -= count;
            bytes = &bytes[count..];
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_out_wherever_a_read_cuts_them() {
        let stream = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x00\x02\0\0\0\0\0\0\x02de";
        for cut in 1..stream.len() {
            let mut frames = Frames::default();
            let mut written = frames.take(&stream[..cut]);
            written.extend(frames.take(&stream[cut..]));
            assert_eq!(written, b"abcde", "cut at {cut}");
        }
    }
}
