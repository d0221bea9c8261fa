//! The frames of `/api/v1/socket`: one WebSocket, many channels.
//!
//! Text frames are JSON, one [`ClientFrame`] or [`ServerFrame`] each. Binary
//! frames carry console bytes: a 4-byte big-endian channel number, then the
//! bytes. The client chooses channel numbers and never uses one twice on a
//! connection. A channel gets at most as many `data` frames as it was granted
//! credit for; consoles grant in frames as well.

use crate::build::{Build, Line as BuildLine, Step};
use crate::event::Event;
use crate::logs::{Line, Run};
use crate::stats::{HostStats, Stats};
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// What a client says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// Opens a channel. `from` is the first sequence number wanted.
    Open {
        ch: u32,
        topic: Topic,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
        /// The first credit.
        credit: u32,
    },
    /// Allows `n` more data frames.
    Credit {
        ch: u32,
        n: u32,
    },
    /// Something for the channel's source.
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

/// What a channel is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Topic {
    /// Every event; resumes by `from`.
    Events,
    /// A sample a second of the given containers; of all when absent.
    Stats {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
    },
    HostStats,
    /// Lines from number `from` on.
    Logs {
        container: String,
        /// Where more lines than these wait to be sent, only the newest ones are, after a
        /// `gap`. For readers that show the end of a log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        newest: Option<u32>,
    },
    /// One task, or all of them when absent: each change as a whole.
    Tasks {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
    },
    /// One build, or all of them when absent: each change of the build and of its steps.
    Builds {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<String>,
    },
    /// Lines of a build from number `from` on.
    BuildLog {
        build: String,
    },
    /// Joins the main process. Bytes travel in binary frames.
    Attach {
        container: String,
        rows: u16,
        cols: u16,
    },
    /// Joins an exec, which is started by the first to join. One with a terminal goes on
    /// when its clients leave, and sends its screen again to who joins it later.
    Exec {
        exec: String,
        rows: u16,
        cols: u16,
    },
}

/// What can be sent to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// The terminal has another size.
    Resize { rows: u16, cols: u16 },
    /// No more input will come.
    EndOfInput,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ServerFrame {
    Opened {
        ch: u32,
    },
    /// `seq` is where to resume: the number after the last thing in `data`.
    Data {
        ch: u32,
        seq: u64,
        data: Data,
    },
    /// This many things were skipped, since the reader was too slow.
    Gap {
        ch: u32,
        count: u64,
    },
    /// Resuming is not possible: read a snapshot anew.
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

/// What a channel brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Data {
    Events(Vec<Event>),
    Stats(Vec<Stats>),
    HostStats(HostStats),
    Lines(Vec<Line>),
    /// The runs of the container whose log is followed, when another one began.
    Runs(Vec<Run>),
    Tasks(Vec<Task>),
    Builds(Vec<BuildNews>),
    BuildLines(Vec<BuildLine>),
}

/// A build as it is now, with the steps that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BuildNews {
    pub build: Build,
    /// Empty where all builds are followed.
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
