//! One client: reads what it says, keeps its channels, and writes what they have.

use super::channel::{self, Handle, Input, Stop};
use super::{console, feed};
use crate::native::front::Front;
use crate::native::guard::{self, Caller};
use crate::native::problem::Failure;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use axum::http::{HeaderMap, StatusCode};
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
/// How soon a session that was ended elsewhere loses its socket.
const RECHECK: Duration = Duration::from_secs(30);
const MOST_CHANNELS: usize = 256;
/// RFC 6455, section 7.4.1: going away, and a private code for "sign in anew".
const GOING_AWAY: u16 = 1001;
const SIGNED_OUT: u16 = 4401;

struct Connection {
    front: Front,
    caller: Caller,
    out: mpsc::Sender<Frame>,
    channels: HashMap<u32, (Handle, AbortHandle)>,
    work: JoinSet<u32>,
}

pub(super) async fn run(front: Front, caller: Caller, headers: HeaderMap, socket: WebSocket) {
    let (sink, mut stream) = socket.split();
    let (out, frames) = mpsc::channel(WAITING);
    let mut writer = tokio::spawn(write(sink, frames));
    let stop = front.stop.clone();
    let mut recheck = tokio::time::interval_at(tokio::time::Instant::now() + RECHECK, RECHECK);
    let mut connection = Connection {
        front,
        caller,
        out,
        channels: HashMap::new(),
        work: JoinSet::new(),
    };
    let goodbye = loop {
        tokio::select! {
            frame = stream.next() => match frame {
                Some(Ok(frame)) => if connection.hear(frame).await.is_err() {
                    break None;
                },
                Some(Err(_)) | None => break None,
            },
            Some(ended) = connection.work.join_next() => {
                if let Ok(number) = ended {
                    connection.channels.remove(&number);
                }
            }
            _ = &mut writer => return,
            () = stop.cancelled() => break Some((GOING_AWAY, "the server is ending")),
            _ = recheck.tick() => {
                if guard::caller(&connection.front, &headers).await.is_err() {
                    break Some((SIGNED_OUT, "the session has ended"));
                }
            }
        }
    };
    connection.work.abort_all();
    if let Some((code, reason)) = goodbye {
        let close = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = connection.out.try_send(Frame::Close(Some(close)));
    }
    drop(connection);
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
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
                if let Some((handle, _)) = self.channels.get(&ch) {
                    handle.grant(n);
                }
                Ok(())
            }
            ClientFrame::Send { ch, message } => self.give(ch, Input::Message(message)).await,
            ClientFrame::Close { ch } => {
                if let Some((_, work)) = self.channels.remove(&ch) {
                    work.abort();
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
        let (channel, handle) = channel::new(ch, credit, self.out.clone());
        let (front, caller, out) = (self.front.clone(), self.caller.clone(), self.out.clone());
        let work = self.work.spawn(async move {
            let outcome = match topic {
                Topic::Attach { .. } | Topic::Exec { .. } => console::run(&front, &caller, channel, topic).await,
                _ => feed::run(&front, channel, topic, from).await,
            };
            if let Some(last) = channel::ending(ch, outcome) {
                let _ = out.send(channel::text(&last)).await;
            }
            ch
        });
        self.channels.insert(ch, (handle, work));
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
        let Some((handle, work)) = self.channels.get(&ch) else {
            // It may have ended while this was on its way.
            return Ok(());
        };
        if handle.give(input) {
            return Ok(());
        }
        work.abort();
        self.channels.remove(&ch);
        self.refuse(
            ch,
            "input_too_fast",
            "the container does not read its input as fast as it is sent",
        )
        .await
    }

    async fn refuse(&self, ch: u32, code: &str, detail: &str) -> Result<(), Stop> {
        let failure = Failure::new(StatusCode::BAD_REQUEST, code, detail);
        match channel::ending(ch, Err(failure.into())) {
            Some(frame) => self.say(&frame).await,
            None => Ok(()),
        }
    }

    async fn say(&self, frame: &ServerFrame) -> Result<(), Stop> {
        self.out.send(channel::text(frame)).await.map_err(|_| Stop::Gone)
    }
}
