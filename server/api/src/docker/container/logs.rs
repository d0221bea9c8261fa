//! `GET /containers/{id}/logs`

use super::log_details;
use crate::docker::problem::Failure;
use crate::docker::query::Query;
use crate::docker::stream::{Gone, Sender};
use crate::docker::{frame, hijack, stream};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use engine::{Container, Engine, EngineError, LogBatch, LogLine, LogStream, Logs};
use model::Timestamp;
use model::container::spec::LogMode;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

/// Lines read, and sent, at once.
const BLOCK: usize = 1000;

/// Which lines, and how they are dressed.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    stdout: bool,
    stderr: bool,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    timestamps: bool,
    /// Stands before each line; empty where it was not asked for.
    details: String,
    /// `None` is from the beginning.
    tail: Option<usize>,
    terminal: bool,
}

impl Wanted {
    pub(super) fn everything(stdout: bool, stderr: bool, terminal: bool) -> Self {
        Self {
            stdout,
            stderr,
            since: None,
            until: None,
            timestamps: false,
            details: String::new(),
            tail: None,
            terminal,
        }
    }

    fn read(query: &Query, container: &Container) -> Result<Self, Failure> {
        let wanted = Self {
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            since: query.time("since")?,
            until: query.time("until")?,
            timestamps: query.flag("timestamps"),
            details: if query.flag("details") {
                // The blank stands also where there are none.
                format!("{} ", log_details::of(container))
            } else {
                String::new()
            },
            // What is no number is all, as `all` is.
            tail: query.get("tail").and_then(|tail| tail.parse().ok()),
            terminal: container.spec.process.terminal,
        };
        if wanted.stdout || wanted.stderr {
            Ok(wanted)
        } else {
            Err(Failure::invalid("Bad parameters: you must choose at least one stream"))
        }
    }

    fn takes(&self, line: &LogLine) -> bool {
        let stream = match line.stream {
            LogStream::Stdout => self.stdout,
            LogStream::Stderr => self.stderr,
        };
        stream && self.since.is_none_or(|since| line.time >= since) && self.until.is_none_or(|until| line.time <= until)
    }

    fn is_past(&self, line: &LogLine) -> bool {
        self.until.is_some_and(|until| line.time > until)
    }

    fn dress(&self, lines: &[LogLine], open: &mut OpenLines) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines.iter().filter(|line| self.takes(line)) {
            let stream = (!self.terminal).then_some(line.stream);
            let end: &[u8] = if line.partial { b"" } else { b"\n" };
            let continues = line.dropped.is_none() && std::mem::replace(open.of(line.stream), !line.ends());
            // A line that was stored in several records has one time, at its beginning, and its
            // details there.
            let time = if self.timestamps && !continues {
                format!("{} ", line.time)
            } else {
                String::new()
            };
            let details = if continues { "" } else { &self.details };
            // Missing lines are told of, here as everywhere.
            let mark = line.dropped.map(|count| format!("[{count} lines were dropped]"));
            let text = mark.as_ref().map_or(&line.text[..], String::as_bytes);
            frame::write(&mut out, stream, &[time.as_bytes(), details.as_bytes(), text, end]);
        }
        out
    }
}

/// Whether the next record of a stream continues a line.
#[derive(Debug, Default)]
struct OpenLines {
    stdout: bool,
    stderr: bool,
}

impl OpenLines {
    fn of(&mut self, stream: LogStream) -> &mut bool {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }
}

pub(in crate::docker) async fn logs(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response, Failure> {
    let id = engine.find(&name)?;
    let container = engine.inspect(&id)?;
    if container.spec.log.mode == LogMode::Off {
        return Err(Failure::new(
            StatusCode::NOT_IMPLEMENTED,
            "configured logging driver does not support reading",
        ));
    }
    let wanted = Wanted::read(&query, &container)?;
    let terminal = wanted.terminal;
    let follow = query.flag("follow");
    let logs = engine.logs(&id)?;
    let container = engine.watch(&id)?;
    // Whatever cannot be read at all is told by the status.
    let from = beginning(&logs, &wanted).await?;
    // A container that writes faster than the client reads must not keep the answer open.
    let end = logs.range().await?.next;
    let body = stream::body(move |sender| async move {
        let sent = if follow {
            send_following(&logs, &wanted, from, container, &sender).await
        } else {
            let mut open = OpenLines::default();
            send_range(&logs, &wanted, from..end, &sender, &mut open)
                .await
                .map(drop)
        };
        match sent {
            Err(Broken::Log(error)) => {
                tracing::warn!(%error, "a log could not be read to its end");
                Ok(())
            }
            Err(Broken::Gone) => Err(Gone),
            Ok(()) => Ok(()),
        }
    });
    Ok(([(CONTENT_TYPE, hijack::content_type(terminal))], body).into_response())
}

/// What was written until now, for a client that joins.
pub(super) async fn write_history(
    logs: &Logs,
    wanted: &Wanted,
    client: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut from = beginning(logs, wanted).await.map_err(io::Error::other)?;
    let end = logs.range().await.map_err(io::Error::other)?.next;
    let mut open = OpenLines::default();
    while from < end {
        let lines = read_until(logs, from, end).await.map_err(io::Error::other)?;
        let Some(last) = lines.last() else { return Ok(()) };
        from = last.seq + 1;
        client.write_all(&wanted.dress(&lines, &mut open)).await?;
    }
    Ok(())
}

/// Up to [`BLOCK`] lines from number `from` on, before number `end`.
async fn read_until(logs: &Logs, from: u64, end: u64) -> Result<Vec<LogLine>, EngineError> {
    let mut lines = logs.read(from, BLOCK).await?;
    lines.retain(|line| line.seq < end);
    Ok(lines)
}

pub(super) async fn send_history(logs: &Logs, wanted: &Wanted, sender: &Sender) -> Result<(), Gone> {
    let (Ok(from), Ok(range)) = (beginning(logs, wanted).await, logs.range().await) else {
        return Ok(());
    };
    match send_range(logs, wanted, from..range.next, sender, &mut OpenLines::default()).await {
        Err(Broken::Gone) => Err(Gone),
        _ => Ok(()),
    }
}

enum Broken {
    Gone,
    Log(EngineError),
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Self::Log(error)
    }
}

/// The number of the first line that is wanted.
async fn beginning(logs: &Logs, wanted: &Wanted) -> Result<u64, EngineError> {
    let range = logs.range().await?;
    let earliest = match wanted.since {
        Some(since) => logs.seq_at(since).await?.max(range.first),
        None => range.first,
    };
    let Some(tail) = wanted.tail else {
        return Ok(earliest);
    };
    let (mut counted, mut before) = (0, range.next);
    // The newest line of a stream counts also where it has no newline.
    let mut seen = OpenLines::default();
    while before > earliest {
        let lines = logs.read_before(before, BLOCK).await?;
        let Some(first) = lines.first().map(|line| line.seq) else {
            break;
        };
        for line in lines.iter().rev() {
            if line.seq < earliest {
                return Ok(earliest);
            }
            // A line in several records counts once, by its last one.
            if wanted.takes(line) && (!std::mem::replace(seen.of(line.stream), true) || line.ends()) {
                if counted == tail {
                    return Ok(line.seq + 1);
                }
                counted += 1;
            }
        }
        before = first;
    }
    Ok(earliest)
}

/// Sends the lines of a range of numbers; returns the number after the last one sent.
async fn send_range(
    logs: &Logs,
    wanted: &Wanted,
    range: Range<u64>,
    sender: &Sender,
    open: &mut OpenLines,
) -> Result<u64, Broken> {
    let mut from = range.start;
    while from < range.end {
        let lines = read_until(logs, from, range.end).await?;
        let Some(last) = lines.last() else { break };
        from = last.seq + 1;
        let done = lines.iter().any(|line| wanted.is_past(line));
        let bytes = wanted.dress(&lines, open);
        if !bytes.is_empty() {
            sender.send(bytes).await?;
        }
        if done {
            break;
        }
    }
    Ok(from)
}

/// Goes on until the container ends, or the time is reached.
async fn send_following(
    logs: &Logs,
    wanted: &Wanted,
    from: u64,
    mut container: watch::Receiver<Arc<Container>>,
    sender: &Sender,
) -> Result<(), Broken> {
    let end = logs.range().await?.next;
    let mut open = OpenLines::default();
    let mut from = send_range(logs, wanted, from..end, sender, &mut open).await?;
    let mut follower = logs.follow(from)?;
    let deadline = until_then(wanted.until);
    tokio::pin!(deadline);
    loop {
        let running = {
            let container = container.borrow_and_update();
            container.is_running() || container.restart_at.is_some()
        };
        if !running {
            // Its log is complete before its end is told.
            let end = logs.range().await?.next;
            send_range(logs, wanted, from..end, sender, &mut open).await?;
            return Ok(());
        }
        tokio::select! {
            batch = follower.next() => match batch {
                None => return Ok(()),
                Some(LogBatch::Skipped(_)) => {}
                Some(LogBatch::Lines(lines)) => {
                    if let Some(last) = lines.last() {
                        from = last.seq + 1;
                    }
                    let bytes = wanted.dress(&lines, &mut open);
                    if !bytes.is_empty() {
                        sender.send(bytes).await?;
                    }
                    if lines.iter().any(|line| wanted.is_past(line)) {
                        return Ok(());
                    }
                }
            },
            changed = container.changed() => if changed.is_err() {
                // Removed.
                return Ok(());
            },
            () = &mut deadline => return Ok(()),
        }
    }
}

async fn until_then(until: Option<Timestamp>) {
    match until {
        Some(until) => tokio::time::sleep(until.since(crate::now())).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, stream: LogStream, text: &str, partial: bool) -> LogLine {
        LogLine {
            seq,
            first_seq: seq,
            time: Timestamp::from_unix_nanos(1),
            stream,
            partial,
            end_of_stream: false,
            dropped: None,
            text: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn lines_are_dressed_in_frames_unless_there_is_a_terminal() {
        let lines = [
            line(1, LogStream::Stdout, "a", false),
            line(2, LogStream::Stderr, "b", true),
        ];
        let dress = |wanted: &Wanted| wanted.dress(&lines, &mut OpenLines::default());
        let mut wanted = Wanted::everything(true, true, true);
        assert_eq!(dress(&wanted), b"a\nb");
        wanted.terminal = false;
        wanted.stdout = false;
        assert_eq!(dress(&wanted), b"\x02\0\0\0\0\0\0\x01b");
        wanted.timestamps = true;
        assert!(dress(&wanted).ends_with(b"1970-01-01T00:00:00.000000001Z b"));
        wanted.details = "a=1 ".to_owned();
        assert!(dress(&wanted).ends_with(b"1970-01-01T00:00:00.000000001Z a=1 b"));
    }

    #[test]
    fn a_line_in_several_records_has_one_time() {
        let mut wanted = Wanted::everything(true, true, true);
        wanted.timestamps = true;
        let lines = [
            line(1, LogStream::Stdout, "a", true),
            line(2, LogStream::Stderr, "x", false),
            line(3, LogStream::Stdout, "b", false),
            line(4, LogStream::Stdout, "c", false),
        ];
        let mut open = OpenLines::default();
        // However the records are read.
        let mut dressed = wanted.dress(&lines[..2], &mut open);
        dressed.extend(wanted.dress(&lines[2..], &mut open));
        let time = "1970-01-01T00:00:00.000000001Z";
        let text = String::from_utf8(dressed).expect("text");
        assert_eq!(text, format!("{time} a{time} x\nb\n{time} c\n"));
    }
}
