//! What the server and a container's shim say to each other. This page is the
//! protocol; both sides take their types from here.
//!
//! # Frames
//!
//! A frame is a length (four bytes, big-endian) and that many bytes of JSON, at
//! most [`frame::MAX_BYTES`]. The JSON is an object with a version, `"v"`, and
//! the fields of one message. Fields a reader does not know are ignored, and an
//! unknown command is answered with an error, so that what is added needs no new
//! version; `"v"` is raised only when a message changes its meaning. Log lines
//! and console bytes never travel in frames.
//!
//! # The launch
//!
//! ```text
//! server                                       shim
//!   |  spawn "gantry-runtime shim", stdin = one end of a unix stream pair
//!   |---- Launch (+ network namespace by SCM_RIGHTS) ---->|
//!   |                                          joins its cgroup, binds shim.sock,
//!   |                                          makes the container, writes shim.json
//!   |<--- Created { pid, start_ticks }  or  Failed -------|
//! ```
//!
//! The descriptor, when [`Launch::network_namespace`] says there is one, comes
//! with the first byte of the frame. After `Failed` the shim has undone what it
//! made and ends. After `Created` the launch channel is a control connection like
//! any other.
//!
//! # Control connections
//!
//! Further connections are made to `shim.sock` in [`Launch::run_dir`] (mode 0600;
//! the peer must have the shim's own uid). The first frame is a [`Hello`].
//! `Control` gets no answer. Then the client sends [`Request`]s, each with a
//! number of its choice, and each is answered once by a [`FromShim::Reply`] with
//! that number, in the order of asking. [`FromShim::Event`]s are pushed on every
//! control connection between replies. A control connection that does not read is
//! closed when [`CONTROL_BUFFER_BYTES`] wait for it; it may come back and ask for
//! [`Command::State`]. That a connection closes means nothing to the container.
//!
//! # Raw connections
//!
//! After [`Hello::Attach`] or [`Hello::Exec`] the shim answers with one `Reply`
//! numbered 0. After an `ok` the connection is raw:
//!
//! - towards the client: for a terminal the bytes as they come, otherwise pieces
//!   with an eight-byte header each, see [`stream::header`];
//! - from the client: bytes for the standard input. Half-closing (`shutdown`) is
//!   the end of input: an exec's pipe is closed by it, and init's when the
//!   container is `stdin_once`; a terminal has no such end and takes no notice.
//!   With `stdin_once` leaving altogether closes init's input too.
//!
//! The shim closes the connection when the process has ended and all its output
//! has been sent; [`Event::Exited`] or [`Event::ExecExited`] is sent before. Who
//! attaches before [`Command::Start`] gets every byte.
//!
//! A reader for whom more than [`READER_BUFFER_BYTES`] wait never delays the
//! container, its log or other readers. One attached to init is served from the
//! log until it has caught up; it is cut off only when records it has not seen
//! were dropped or rotated away. One attached to an exec that it did not begin is
//! cut off. The client that began an exec is waited for: what it asked to run may
//! be a pipeline's first half.
//!
//! A `detach`ed exec's connection is closed after the reply; its output is thrown
//! away, unless someone attaches.
//!
//! # The end
//!
//! When init has ended the shim kills what is left in the container's cgroup,
//! reads the pipes to their end (at most two seconds), closes the log, reads the
//! OOM counter, writes [`ExitRecord`] to `exit.json` in [`Launch::bundle_dir`]
//! durably, removes the cgroup, and only then pushes [`Event::Exited`]. It ends
//! when [`Command::Release`] is asked, or when no control connection is open: the
//! record says it all. Raw connections that still read get up to the end first;
//! one that takes nothing for ten seconds is cut off. `shim.sock` and `shim.json`
//! are gone then. A container whose `Start` failed ends the same
//! way, with [`ExitRecord::failure`] set.
//!
//! If the server goes before `Start`, the created container is kept for
//! [`UNSTARTED_GRACE`] and then undone without a record.
#![forbid(unsafe_code)]

pub mod control;
pub mod exit;
pub mod frame;
pub mod launch;
pub mod record;
pub mod stream;

pub use control::{Command, Event, ExecState, FromShim, Identity, InitState, Problem, Reply, Request, State, Target};
pub use exit::ExitStatus;
pub use frame::{FrameError, Inbox, decode, encode};
pub use launch::{Launch, Log, LogMode, Overlay, Root, WindowSize};
pub use record::{ExitRecord, RecordError, ShimRecord};
pub use stream::{Attach, Exec, Hello, OutputStream};

use std::time::Duration;

/// The version both sides of this crate speak and the newest they understand.
pub const VERSION: u32 = 1;

/// The oldest version a reader still takes. A server meets shims as old as the
/// containers that run.
pub const OLDEST_VERSION: u32 = 1;

/// File name of the shim's socket in [`Launch::run_dir`].
pub const SOCKET: &str = "shim.sock";

/// How much may wait for an attached reader before it is cut off.
pub const READER_BUFFER_BYTES: usize = 1 << 20;

/// How much may wait for a control connection before it is closed.
pub const CONTROL_BUFFER_BYTES: usize = 2 << 20;

/// How long a created container waits for a server that went away before asking
/// for its start.
pub const UNSTARTED_GRACE: Duration = Duration::from_mins(1);
