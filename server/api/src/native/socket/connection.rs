//! One client: reads what it says, keeps its channels, and writes what they have.

use super::channel::{self, Handle, Input, Stop};
use super::{console, feed};
use crate::native::front::Front;
use crate::native::guard::{self, Caller};
use crate::native::mask;
use crate::native::problem::{Answer, Failure};
use crate::native::withdrawal::RECHECK;
use access::Permission;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use axum::http::{HeaderMap, StatusCode};
use engine::ExecId;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use shared::socket::{ClientFrame, ServerFrame, Topic};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// Frames of all channels that wait for the network.
const WAITING: usize = 64;
/// A client that takes nothing for so long is cut off.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const MOST_CHANNELS: usize = 256;
/// RFC 6455, section 7.4.1; and a private code for "sign in again".
const GOING_AWAY: u16 = 1001;
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_PAYLOAD: u16 = 1007;
const TOO_BIG: u16 = 1009;
const SIGNED_OUT: u16 = 4401;
/// What the close frame waits for room in the queue.
const CLOSE_TIME: Duration = Duration::from_secs(1);

struct Connection {
    front: Front,
    caller: Caller,
    out: mpsc::Sender<Frame>,
    channels: HashMap<u32, Open>,
    work: JoinSet<u32>,
}

/// A channel that is open.
struct Open {
    handle: Handle,
    work: AbortHandle,
    /// Without it the channel is closed.
    permission: Permission,
}

pub(super) async fn run(front: Front, caller: Caller, headers: HeaderMap, socket: WebSocket) {
    let (sink, mut stream) = socket.split();
    let (out, frames) = mpsc::channel(WAITING);
    let mut writer = tokio::spawn(write(sink, frames));
    let stop = front.stop.clone();
    let mut recheck = tokio::time::interval(RECHECK);
    let mut changes = front.access.changes();
    let mut connection = Connection {
        front,
        caller,
        out,
        channels: HashMap::new(),
        work: JoinSet::new(),
    };
    let goodbye = loop {
        tokio::select! {
            // A change of rights counts before any frame that comes after it.
            biased;
            _ = &mut writer => return,
            () = stop.cancelled() => break Some((GOING_AWAY, "the server is ending")),
            Ok(()) = changes.changed() => {
                if !connection.check_caller(&headers).await {
                    break Some((SIGNED_OUT, "the session has ended"));
                }
            }
            _ = recheck.tick() => {
                if !connection.check_caller(&headers).await {
                    break Some((SIGNED_OUT, "the session has ended"));
                }
            }
            Some(ended) = connection.work.join_next() => {
                if let Ok(number) = ended {
                    connection.channels.remove(&number);
                }
            }
            frame = stream.next() => match frame {
                Some(Ok(frame)) => if connection.hear(frame).await.is_err() {
                    break None;
                },
                Some(Err(error)) => break violation(error),
                None => break None,
            },
        }
    };
    connection.work.abort_all();
    if let Some((code, reason)) = goodbye {
        let close = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = tokio::time::timeout(CLOSE_TIME, connection.out.send(Frame::Close(Some(close)))).await;
    }
    drop(connection);
    let _ = tokio::time::timeout(CLOSE_TIME, writer).await;
}

/// The close code that tells a client what it did wrong; `None` when the connection broke.
fn violation(error: axum::Error) -> Option<(u16, &'static str)> {
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    match *error.into_inner().downcast::<Error>().ok()? {
        Error::Capacity(_) => Some((TOO_BIG, "the message is too big")),
        Error::Utf8(_) => Some((INVALID_PAYLOAD, "the text is not UTF-8")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((PROTOCOL_ERROR, "the frame breaks the protocol")),
        _ => None,
    }
}

/// What a topic needs, where the caller has it.
fn permission(front: &Front, caller: &Caller, topic: &Topic) -> Answer<Permission> {
    let container = match topic {
        Topic::Attach { container, .. } => front.engine.find(container)?,
        Topic::Exec { exec, .. } => {
            let id = ExecId::parse(exec).ok_or_else(|| Failure::not_found("exec", exec))?;
            front.engine.exec_inspect(&id)?.container
        }
        // Build arguments and variables are in the steps and in what they write.
        Topic::Builds { build: Some(_) } | Topic::BuildLog { .. } => {
            caller.require(Permission::Operate)?;
            return Ok(Permission::Operate);
        }
        // They show less to a viewer, so they end with the role they were opened with.
        Topic::Tasks { .. } | Topic::Builds { build: None } if mask::sees_values(caller) => {
            return Ok(Permission::Operate);
        }
        Topic::Events
        | Topic::Stats { .. }
        | Topic::HostStats
        | Topic::Logs { .. }
        | Topic::Tasks { .. }
        | Topic::Builds { build: None } => return Ok(Permission::Read),
    };
    let container = front.engine.inspect(&container)?;
    caller.require_for(&container)?;
    Ok(guard::permission_for(&container))
}

async fn write(mut sink: SplitSink<WebSocket, Frame>, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        match tokio::time::timeout(WRITE_PATIENCE, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = sink.close().await;
}

impl Connection {
    /// Looks the caller up again; whether they may stay. Channels that need more than the
    /// caller's role has now are closed.
    async fn check_caller(&mut self, headers: &HeaderMap) -> bool {
        let caller = match guard::caller(&self.front, headers).await {
            Ok(caller) => caller,
            // It could not be looked up; the next round tries again.
            Err(failure) => return failure.problem.status >= 500,
        };
        self.caller = caller;
        let identity = &self.caller.identity;
        let lost = self.channels.extract_if(|_, open| !identity.may(open.permission));
        for (ch, open) in lost.collect::<Vec<_>>() {
            open.work.abort();
            let failure = self.caller.lacks("this channel", open.permission);
            if let Some(frame) = channel::ending(ch, Err(failure.into())) {
                let _ = self.say(&frame).await;
            }
        }
        true
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), Stop> {
        match frame {
            Frame::Text(text) => match serde_json::from_str(&text) {
                Ok(frame) => self.obey(frame).await,
                Err(error) => self.refuse(0, "malformed", &error.to_string()).await,
            },
            Frame::Binary(bytes) => self.pass_on(&bytes).await,
            // The library answers pings by itself.
            Frame::Ping(_) | Frame::Pong(_) => Ok(()),
            Frame::Close(_) => Err(Stop::Gone),
        }
    }

    async fn obey(&mut self, frame: ClientFrame) -> Result<(), Stop> {
        match frame {
            ClientFrame::Open {
                ch,
                topic,
                from,
                credit,
            } => self.open(ch, topic, from, credit).await,
            ClientFrame::Credit { ch, n } => {
                if let Some(open) = self.channels.get(&ch) {
                    open.handle.grant(n);
                }
                Ok(())
            }
            ClientFrame::Send { ch, message } => self.give(ch, Input::Message(message)).await,
            ClientFrame::Close { ch } => {
                if let Some(open) = self.channels.remove(&ch) {
                    open.work.abort();
                }
                Ok(())
            }
            ClientFrame::Ping => self.say(&ServerFrame::Pong).await,
        }
    }

    async fn open(&mut self, ch: u32, topic: Topic, from: Option<u64>, credit: u32) -> Result<(), Stop> {
        if self.channels.contains_key(&ch) {
            return self.refuse(ch, "channel_in_use", "this channel is open already").await;
        }
        if self.channels.len() == MOST_CHANNELS {
            let detail = format!("a connection has at most {MOST_CHANNELS} channels; close some");
            return self.refuse(ch, "too_many_channels", &detail).await;
        }
        let permission = match permission(&self.front, &self.caller, &topic) {
            Ok(permission) => permission,
            Err(failure) => return self.end(ch, failure).await,
        };
        let (channel, handle) = channel::new(ch, credit, self.out.clone());
        let (front, caller, out) = (self.front.clone(), self.caller.clone(), self.out.clone());
        let sees_values = permission != Permission::Read;
        let work = self.work.spawn(async move {
            let outcome = match topic {
                Topic::Attach { .. } | Topic::Exec { .. } => console::run(&front, &caller, channel, topic).await,
                _ => feed::run(&front, channel, topic, from, sees_values).await,
            };
            if let Some(last) = channel::ending(ch, outcome) {
                let _ = out.send(channel::text(&last)).await;
            }
            ch
        });
        let open = Open {
            handle,
            work,
            permission,
        };
        self.channels.insert(ch, open);
        Ok(())
    }

    async fn pass_on(&mut self, frame: &Bytes) -> Result<(), Stop> {
        let Some((number, _)) = frame.split_first_chunk::<4>() else {
            return self
                .refuse(0, "malformed", "a binary frame begins with a channel's number")
                .await;
        };
        self.give(u32::from_be_bytes(*number), Input::Bytes(frame.slice(4..)))
            .await
    }

    async fn give(&mut self, ch: u32, input: Input) -> Result<(), Stop> {
        let Some(open) = self.channels.get(&ch) else {
            // It may have ended while this was on its way.
            return Ok(());
        };
        if open.handle.give(input) {
            return Ok(());
        }
        open.work.abort();
        self.channels.remove(&ch);
        self.refuse(
            ch,
            "input_too_fast",
            "the container does not read its input as fast as it is sent",
        )
        .await
    }

    async fn refuse(&self, ch: u32, code: &str, detail: &str) -> Result<(), Stop> {
        self.end(ch, Failure::new(StatusCode::BAD_REQUEST, code, detail)).await
    }

    async fn end(&self, ch: u32, failure: Failure) -> Result<(), Stop> {
        match channel::ending(ch, Err(failure.into())) {
            Some(frame) => self.say(&frame).await,
            None => Ok(()),
        }
    }

    async fn say(&self, frame: &ServerFrame) -> Result<(), Stop> {
        self.out.send(channel::text(frame)).await.map_err(|_| Stop::Gone)
    }
}
