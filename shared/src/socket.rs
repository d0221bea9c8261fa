//! The frames of `/api/v1/socket`: one WebSocket, many channels.
//!
//! Text frames are JSON, one [`ClientFrame`] or [`ServerFrame`] each. Binary
//! frames carry console bytes: a 4-byte big-endian channel number, then the
//! bytes. The client chooses channel numbers and does not reuse them on a
//! connection. A channel receives at most as many `data` frames as it has
//! credit for; for consoles, credit counts frames as well.

use crate::build::{Build, Line as BuildLine, Step};
use crate::event::Event;
use crate::logs::{Line, Run};
use crate::stats::{HostStats, Stats};
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// A frame sent by the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// Opens a channel. `from` is the first sequence number to send.
    Open {
        ch: u32,
        topic: Topic,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
        /// Initial credit.
        credit: u32,
    },
    /// Allows `n` more data frames.
    Credit {
        ch: u32,
        n: u32,
    },
    /// Sends a message to the channel's source.
    Send {
        ch: u32,
        message: Message,
    },
    Close {
        ch: u32,
    },
    /// Answered by `pong`.
    Ping,
}

/// The source that a channel follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Topic {
    /// All events; `from` resumes.
    Events,
    /// One sample per second of the given containers, or of all.
    Stats {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
    },
    HostStats,
    /// Log lines from `from`.
    Logs {
        container: String,
        /// If more lines than this are pending, sends a `gap` and then only the newest ones. For
        /// clients that show the end of a log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newest: Option<u32>,
    },
    /// One task, or all tasks; the whole task is sent on each change.
    Tasks {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
    },
    /// One build, or all builds; sent on each change of the build or its steps.
    Builds {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
    },
    /// Build log lines from `from`.
    BuildLog {
        build: String,
    },
    /// Attaches to the container's init process. Input and output are binary frames.
    Attach {
        container: String,
        rows: u16,
        cols: u16,
    },
    /// Attaches to an exec. The first attach starts it. An exec with a terminal keeps running when
    /// its clients detach, and sends its screen to clients that attach later.
    Exec {
        exec: String,
        rows: u16,
        cols: u16,
    },
}

/// A message to a channel's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Resizes the terminal.
    Resize { rows: u16, cols: u16 },
    /// Closes standard input.
    EndOfInput,
}

/// A frame sent by the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ServerFrame {
    Opened {
        ch: u32,
    },
    /// `seq` is the number to resume from: one after the last item in `data`.
    Data {
        ch: u32,
        seq: u64,
        data: Data,
    },
    /// This number of items was skipped because the client was too slow.
    Gap {
        ch: u32,
        count: u64,
    },
    /// Cannot resume; the client must fetch the current state again.
    Reset {
        ch: u32,
    },
    Closed {
        ch: u32,
        why: String,
    },
    Problem {
        ch: u32,
        code: String,
        detail: String,
    },
    Pong,
}

/// Data of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Data {
    Events(Vec<Event>),
    Stats(Vec<Stats>),
    HostStats(HostStats),
    Lines(Vec<Line>),
    /// The runs of the container whose log is followed, sent when a new run starts.
    Runs(Vec<Run>),
    Tasks(Vec<Task>),
    Builds(Vec<BuildNews>),
    BuildLines(Vec<BuildLine>),
}

/// The current state of a build, with the steps that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BuildNews {
    pub build: Build,
    /// Empty if the channel follows all builds.
    #[serde(default)]
    pub steps: Vec<Step>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_as_they_are_documented() {
        let open = ClientFrame::Open {
            ch: 3,
            topic: Topic::Logs {
                container: "web".into(),
                newest: None,
            },
            from: Some(7),
            credit: 16,
        };
        let text = r#"{"op":"open","ch":3,"topic":{"kind":"logs","container":"web"},"from":7,"credit":16}"#;
        assert_eq!(serde_json::to_string(&open).expect("valid"), text);
        assert_eq!(serde_json::from_str::<ClientFrame>(text).expect("valid"), open);
        let data = r#"{"op":"data","ch":3,"seq":1,"data":{"lines":[]}}"#;
        let frame: ServerFrame = serde_json::from_str(data).expect("valid");
        assert_eq!(
            frame,
            ServerFrame::Data {
                ch: 3,
                seq: 1,
                data: Data::Lines(Vec::new())
            }
        );
    }
}
