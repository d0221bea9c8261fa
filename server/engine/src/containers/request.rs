//! What a keeper can be asked.

use crate::attach::{AttachOptions, Attached};
use crate::containers::hold::HoldId;
use crate::containers::new::RemoveOptions;
use crate::containers::view::{Container, ProbeResult};
use crate::error::EngineError;
use crate::files::root::ContainerRoot;
use model::Signal;
use model::container::spec::StopTimeout;
use model::container::{ContainerName, Limits, RestartPolicy, StoppedBy};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where the answer goes. Nobody waiting for it any more is no failure.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// What a stop is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AndThen {
    /// Somebody wants it to rest: restart policies keep still.
    Rest,
    Start,
    /// The server ends and takes its containers along; the policy decides when it returns.
    ServerEnds,
}

#[derive(Debug)]
pub(crate) enum Request {
    Start(Reply<()>),
    Stop {
        timeout: Option<StopTimeout>,
        signal: Option<Signal>,
        and_then: AndThen,
        by: StoppedBy,
        reply: Reply<()>,
    },
    Kill {
        signal: Signal,
        by: StoppedBy,
        reply: Reply<()>,
    },
    Pause(Reply<()>),
    Unpause(Reply<()>),
    /// Freezes a running container for a commit; `None` where it stands still without that.
    BeginHold(Reply<Option<HoldId>>),
    EndHold {
        hold: HoldId,
        reply: Reply<()>,
    },
    Rename {
        name: ContainerName,
        reply: Reply<()>,
    },
    Update {
        limits: Option<Box<Limits>>,
        restart: Option<RestartPolicy>,
        reply: Reply<Arc<Container>>,
    },
    Remove {
        options: RemoveOptions,
        reply: Reply<()>,
    },
    Attach {
        options: AttachOptions,
        /// Answered when the attachment is sure to see all that comes.
        registered: Reply<()>,
        stream: Reply<Attached>,
    },
    /// The files, for looking at or for writing.
    OpenRoot {
        to_write: bool,
        reply: Reply<ContainerRoot>,
    },
    Resize {
        rows: u16,
        cols: u16,
        reply: Reply<()>,
    },
    /// A health probe of this run ended.
    Probed {
        run: u64,
        result: ProbeResult,
    },
}
