//! The loop: what is waited for, and what becomes of it.

use super::connection::{Connection, Role};
use super::container::{Container, join_shims};
use super::log::Log;
use super::process::{Process, ProcessKey};
use super::{complain, stdio};
use anyhow::{Context as _, Result};
use cgroup::Group;
use shim_protocol::{ExecState, ExitRecord, ExitStatus, Identity, Launch, UNSTARTED_GRACE};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};
use sys::children::Deaths;
use sys::epoll::{Interest, Poll, Ready};

/// From the end on, readers that take nothing for this long are cut off.
const LAST_READERS: Duration = Duration::from_secs(10);

/// How long a container has run before its shim goes where shims are.
const BEFORE_JOINING: Duration = Duration::from_millis(200);

pub(super) struct Shim {
    pub(super) launch: Launch,
    pub(super) container: Container,
    pub(super) init: Identity,
    pub(super) phase: Phase,
    /// Why the command could not be started.
    pub(super) failure: Option<String>,
    pub(super) processes: BTreeMap<ProcessKey, Process>,
    /// The key of the next exec.
    pub(super) next_exec: u64,
    pub(super) ended_execs: VecDeque<ExecState>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) log: Log,
    pub(super) listener: UnixListener,
    /// The clerk's place in the poll, and whether room is waited for.
    clerk: Option<(u64, bool)>,
    pub(super) deaths: Deaths,
    pub(super) poll: Poll,
    sources: BTreeMap<u64, Source>,
    next_token: u64,
    /// One for all reading. Only what is touched takes memory.
    pub(super) buffer: Vec<u8>,
    pub(super) released: bool,
    /// When to look at the count of kills for want of memory once more.
    pub(super) oom_look_at: Option<Instant>,
    /// Since when no server has been connected to a container that was never started.
    abandoned_since: Option<Instant>,
    /// Whether it has been said that the exit record cannot be written.
    pub(super) record_refused: bool,
    /// Ends without a record: nobody was ever told of this container.
    pub(super) unheard: bool,
    /// Where the shim is to go once its container runs.
    pub(super) shims: Option<Group>,
    pub(super) join_at: Option<Instant>,
}

/// How far the container is.
#[derive(Debug)]
pub(super) enum Phase {
    Created,
    Running {
        started_at_ns: i64,
    },
    /// Init has ended; its pipes are read to their end.
    Ending {
        status: ExitStatus,
        started_at_ns: Option<i64>,
        at_ns: i64,
        /// No later than this; afterwards, when the record is tried again.
        until: Instant,
    },
    Exited(ExitRecord),
}

/// What a token in the poll stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Deaths,
    Listener,
    Connection,
    /// The process that writes the log, where the container must not wait for it.
    Clerk,
    /// The cgroup's memory.
    Memory,
    Output(ProcessKey),
    Input(ProcessKey),
}

impl Shim {
    pub(super) fn new(
        launch: Launch,
        container: Container,
        init: Identity,
        log: Log,
        listener: UnixListener,
        deaths: Deaths,
    ) -> Result<Self> {
        let mut shim = Self {
            launch,
            container,
            init,
            phase: Phase::Created,
            failure: None,
            processes: BTreeMap::new(),
            next_exec: 1,
            ended_execs: VecDeque::new(),
            connections: BTreeMap::new(),
            log,
            listener: listener.try_clone().context("cannot share the socket")?,
            clerk: None,
            deaths,
            poll: Poll::new().context("cannot make an epoll instance")?,
            sources: BTreeMap::new(),
            next_token: 1,
            buffer: vec![0; stdio::CHUNK_BYTES],
            released: false,
            oom_look_at: None,
            abandoned_since: None,
            record_refused: false,
            unheard: false,
            shims: None,
            join_at: None,
        };
        listener.set_nonblocking(true).context("cannot use the socket")?;
        shim.watch(&listener, Source::Listener, Interest::READ)?;
        shim.listener = listener;
        let token = shim.new_token(Source::Deaths);
        shim.poll.add(&shim.deaths, token, Interest::READ)?;
        shim.watch_clerk()?;
        let token = shim.new_token(Source::Memory);
        if let Some(watch) = shim.container.oom_watch() {
            shim.poll.add(watch, token, Interest::READ)?;
        }
        Ok(shim)
    }

    /// Runs until the container has ended and nobody needs the shim any more.
    pub(super) fn run(&mut self) -> Result<()> {
        let mut ready = Vec::new();
        // Init may have ended before deaths were watched.
        self.reap();
        while !self.is_done() {
            ready.clear();
            self.poll
                .wait(&mut ready, self.timeout())
                .context("cannot wait for events")?;
            for event in &ready {
                self.handle(*event);
            }
            let kept = self.log.commit();
            self.rearm_clerk();
            self.serve_those_behind(kept);
            self.keep_deadlines();
            self.join_late();
        }
        self.say_goodbye();
        Ok(())
    }

    /// Joining takes a lock of the kernel that can be milliseconds away: neither the
    /// start waits for it, nor the end of a container that is over at once.
    fn join_late(&mut self) {
        let Phase::Running { .. } = self.phase else { return };
        if self.shims.is_none() {
            return;
        }
        let now = Instant::now();
        if now < *self.join_at.get_or_insert(now + BEFORE_JOINING) {
            return;
        }
        self.join_at = None;
        if let Some(group) = self.shims.take()
            && let Err(error) = join_shims(&group)
        {
            complain(&error);
        }
    }

    fn handle(&mut self, ready: Ready) {
        // A source may be gone by what was handled before it in the same round.
        let Some(source) = self.sources.get(&ready.token).copied() else {
            return;
        };
        match source {
            Source::Deaths => self.reap(),
            Source::Listener => self.accept(),
            Source::Connection => self.connection_ready(ready.token, ready),
            Source::Memory => self.memory_is_short(),
            Source::Clerk if ready.hung_up => self.clerk_is_gone(),
            // The commit after each round sends.
            Source::Clerk => {}
            Source::Output(key) => self.read_output(key, ready.token),
            Source::Input(key) => self.input_ready(key, ready.hung_up),
        }
    }

    fn is_done(&self) -> bool {
        let served = self
            .connections
            .values()
            .any(|connection| matches!(connection.role, Role::Raw(_)));
        matches!(self.phase, Phase::Exited(_)) && !served && (self.released || !self.has_server())
    }

    fn has_server(&self) -> bool {
        self.connections.values().any(Connection::is_control)
    }

    /// Until the nearest deadline; for ever when there is none.
    fn timeout(&self) -> Option<Duration> {
        let drains = self
            .processes
            .values()
            .filter(|process| !process.held)
            .filter_map(|process| process.drain_until);
        let ending = match &self.phase {
            Phase::Ending { until, .. } => Some(*until),
            Phase::Created => self.abandoned_since.map(|since| since + UNSTARTED_GRACE),
            Phase::Running { .. } => None,
            Phase::Exited(_) => self
                .connections
                .values()
                .filter(|connection| !connection.is_control())
                .map(|connection| connection.stuck_since.unwrap_or_else(Instant::now) + LAST_READERS)
                .min(),
        };
        let nearest = drains
            .chain(ending)
            .chain(self.oom_look_at)
            .chain(self.join_at.filter(|_| matches!(self.phase, Phase::Running { .. })))
            .min()?;
        // Rounded up to whole milliseconds, or the last one is spent turning.
        Some(nearest.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn keep_deadlines(&mut self) {
        let now = Instant::now();
        match &self.phase {
            Phase::Created if self.has_server() => self.abandoned_since = None,
            Phase::Created => {
                let since = *self.abandoned_since.get_or_insert(now);
                if now >= since + UNSTARTED_GRACE {
                    self.undo();
                }
            }
            Phase::Running { .. } | Phase::Ending { .. } => {}
            Phase::Exited(_) => {
                let stuck: Vec<u64> = self
                    .connections
                    .iter()
                    .filter(|(_, connection)| !connection.is_control())
                    .filter(|(_, connection)| connection.stuck_since.is_some_and(|since| now >= since + LAST_READERS))
                    .map(|(token, _)| *token)
                    .collect();
                for token in stuck {
                    self.disconnect(token);
                }
            }
        }
        if self.oom_look_at.is_some_and(|at| now >= at) {
            self.oom_look_at = None;
            self.tell_of_oom();
        }
        self.end_drains(now);
        self.try_to_end(now);
    }

    fn watch_clerk(&mut self) -> Result<()> {
        self.clerk = None;
        let token = self.next_token;
        if let Some(clerk) = self.log.descriptor() {
            // Without interest: only its end is told.
            self.poll.add(clerk, token, Interest::default())?;
            self.clerk = Some((token, false));
            self.new_token(Source::Clerk);
        }
        Ok(())
    }

    fn rearm_clerk(&mut self) {
        let waiting = self.log.is_waiting();
        if let (Some((token, armed)), Some(clerk)) = (&mut self.clerk, self.log.descriptor())
            && *armed != waiting
        {
            *armed = waiting;
            let interest = if waiting { Interest::WRITE } else { Interest::default() };
            expect_polled(self.poll.modify(clerk, *token, interest));
        }
    }

    fn clerk_is_gone(&mut self) {
        if let Some((token, _)) = self.clerk {
            self.sources.remove(&token);
        }
        // The poll forgets the old socket when it is closed.
        self.log.replace_clerk();
        if let Err(error) = self.watch_clerk() {
            complain(&error);
        }
    }

    pub(super) fn watch(&mut self, descriptor: impl AsFd, source: Source, interest: Interest) -> Result<u64> {
        let token = self.new_token(source);
        self.poll
            .add(descriptor, token, interest)
            .context("cannot wait for a descriptor")?;
        Ok(token)
    }

    fn new_token(&mut self, source: Source) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.sources.insert(token, source);
        token
    }

    pub(super) fn unwatch(&mut self, token: u64, descriptor: impl AsFd) {
        self.sources.remove(&token);
        // It may have been taken out before, while its process was held.
        let _ = self.poll.remove(descriptor);
    }

    /// Makes the poll wait for what a connection needs now.
    pub(super) fn rearm(&mut self, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let read = match &connection.role {
            Role::New(_) | Role::Control(_) => true,
            Role::Raw(raw) => {
                let takes = self.processes.get(&raw.process).is_none_or(Process::takes_input);
                !raw.input_ended && (takes || !raw.stdin)
            }
        };
        let wanted = Interest {
            read,
            write: connection.pending() > 0,
            priority: false,
        };
        if wanted != connection.armed {
            connection.armed = wanted;
            let outcome = self.poll.modify(connection.stream(), token, wanted);
            expect_polled(outcome);
        }
    }

    /// Closes a connection and everything that hung on it.
    pub(super) fn disconnect(&mut self, token: u64) {
        self.end_raw_input(token);
        let Some(connection) = self.connections.remove(&token) else {
            return;
        };
        self.unwatch(token, connection.stream());
        if let Role::Raw(raw) = &connection.role {
            if let Some(process) = self.processes.get_mut(&raw.process) {
                process.readers.retain(|reader| *reader != token);
            }
            if raw.owner {
                self.unhold(raw.process);
            }
        }
    }

    /// Sends the last replies. The server may be slow, but not for ever.
    fn say_goodbye(&mut self) {
        for connection in self.connections.values_mut() {
            let stream = connection.stream();
            let limited =
                stream.set_nonblocking(false).is_ok() && stream.set_write_timeout(Some(Duration::from_secs(1))).is_ok();
            if limited {
                let _ = connection.flush();
            }
        }
    }
}

/// Changing what is waited for fails only for want of kernel memory.
pub(super) fn expect_polled(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        complain(&anyhow::Error::new(error).context("cannot change what is waited for"));
    }
}
