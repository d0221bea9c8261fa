//! The container of a `RUN`: like any other, but in no registry and without a row, and
//! gone when the command has ended.

use super::failure::Failure;
use super::log::LineStream;
use crate::blocking::blocking;
use crate::containers::{bundle, etc};
use crate::engine::Inner;
use crate::error::{Doing as _, EngineError};
use crate::layout::ContainerDirs;
use crate::shim::{self, Shim};
use crate::snapshots::Place;
use model::container::{ContainerId, ExitStatus, Spec};
use model::network::{Endpoint, NetworkMode};
use shim_protocol::{Attach, Command, Event, Launch, OutputStream, Target};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// What a killed command may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Between the last byte of output and the word of the end.
const EXIT_LIMIT: Duration = Duration::from_secs(30);
/// A line without end is cut here.
const LINE_BYTES: usize = 16 << 10;
/// What the shim keeps of the output, which is read as it comes.
const LOG_BYTES: u64 = 64 << 10;

pub(super) struct StepContainer {
    engine: Arc<Inner>,
    pub(super) id: ContainerId,
    pub(super) dirs: ContainerDirs,
    /// Its configuration may hold secrets: it lies below the run directory.
    bundle: ContainerDirs,
    endpoint: Option<Endpoint>,
}

/// How the command ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) oom_killed: bool,
}

impl StepContainer {
    /// Makes its directories.
    pub(super) async fn make(engine: &Arc<Inner>) -> Result<Self, EngineError> {
        let id = ContainerId::from_random(rand::random());
        let dirs = engine.layout.container(&id);
        let bundle = ContainerDirs {
            dir: dirs.run.join("bundle"),
            run: dirs.run.clone(),
        };
        blocking("make a container's directories", {
            let (dirs, bundle) = (dirs.clone(), bundle.clone());
            move || {
                dirs.make()
                    .and_then(|()| dirs.make_run())
                    .and_then(|()| bundle.make())
                    .doing(|| format!("make the directories of a build step `{}`", dirs.dir.display()))
            }
        })
        .await?;
        Ok(Self {
            engine: engine.clone(),
            id,
            dirs,
            bundle,
            endpoint: None,
        })
    }

    /// Runs the command to its end. `heard` gets each line.
    pub(super) async fn run(
        &mut self,
        spec: &Spec,
        place: Place,
        cancel: &CancellationToken,
        mut heard: impl FnMut(LineStream, &str) + Send,
    ) -> Result<Ended, Failure> {
        let (mut shim, mut output) = self.launch(spec, place).await?;
        let outcome = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Failure::Cancelled),
            outcome = self.follow(&mut shim, &mut output, &mut heard) => outcome,
        };
        if outcome.is_err() {
            shim.end(KILL_LIMIT).await;
        } else {
            let _ = shim.ask(Command::Release).await;
        }
        outcome
    }

    async fn launch(&mut self, spec: &Spec, place: Place) -> Result<(Shim, UnixStream), Failure> {
        let engine = self.engine.clone();
        let dirs = self.dirs.clone();
        let waiting = shim::prepare(&engine.program, &dirs.shim_log()).map_err(not_launched)?;
        let namespace = self.plug_in(spec).await?;
        let root = blocking("prepare a build step's files", {
            let (bundle_dirs, spec, id) = (self.bundle.clone(), spec.clone(), self.id.clone());
            let cgroup_path = engine.cgroup_path(&id);
            let (engine, endpoint) = (engine.clone(), self.endpoint.clone());
            move || {
                let root = engine.snapshots.prepare(&place)?;
                crate::containers::prepare_files(&root, &spec, &[], None)?;
                bundle::write(&bundle_dirs, &id, &spec, &[], &cgroup_path, None)?;
                etc::write(&bundle_dirs.etc(), &id, &spec, endpoint.as_ref())?;
                Ok(root)
            }
        })
        .await?;
        let launch = Launch {
            id: self.id.as_str().to_owned(),
            run: 1,
            bundle_dir: self.bundle.dir.clone(),
            run_dir: dirs.run.clone(),
            log: shim_protocol::Log {
                dir: self.bundle.log(),
                mode: spec.log.mode.into(),
                segment_bytes: LOG_BYTES,
                segments: 2,
                compress: false,
            },
            rootfs: Some(root),
            network_namespace: namespace.is_some(),
            terminal: false,
            stdin_open: false,
            stdin_once: false,
            size: None,
            cgroup_path: engine.cgroup_path(&self.id),
            shim_cgroup: Some(engine.shim_cgroup_path()),
        };
        let (mut shim, _) = shim::launch(waiting, &launch, namespace).await.map_err(not_launched)?;
        // Joined before the start, so that no byte is missed.
        let attach = Attach {
            target: Target::Init,
            stdin: false,
            stdout: true,
            stderr: true,
        };
        let begun = async {
            let output = shim::attach(&dirs.run, attach).await?;
            shim.ask(Command::Start).await.map(|_| output)
        };
        match begun.await {
            Ok(output) => Ok((shim, output)),
            Err(error) => {
                shim.end(KILL_LIMIT).await;
                Err(Failure::mistake(format!("the command cannot be started: {error}")))
            }
        }
    }

    /// Output until its end, then how the command ended.
    async fn follow(
        &self,
        shim: &mut Shim,
        output: &mut UnixStream,
        heard: &mut (impl FnMut(LineStream, &str) + Send),
    ) -> Result<Ended, Failure> {
        let mut lines = [Lines::new(LineStream::Stdout), Lines::new(LineStream::Stderr)];
        let mut header = [0; shim_protocol::stream::HEADER_BYTES];
        let mut piece = Vec::new();
        // The end of the connection is the end of the output.
        while output.read_exact(&mut header).await.is_ok() {
            let Some((stream, length)) = shim_protocol::stream::parse_header(header) else {
                break;
            };
            piece.resize(length as usize, 0);
            if output.read_exact(&mut piece).await.is_err() {
                break;
            }
            let lines = match stream {
                OutputStream::Stdout => &mut lines[0],
                OutputStream::Stderr => &mut lines[1],
            };
            lines.push(&piece, heard);
        }
        for lines in &mut lines {
            lines.end(heard);
        }
        let ended = tokio::time::timeout(EXIT_LIMIT, async {
            while let Some(event) = shim.next_event().await {
                if let Event::Exited(record) = event {
                    return Some(record);
                }
            }
            None
        });
        match ended.await {
            Ok(Some(record)) => Ok(Ended {
                status: record.status.into(),
                oom_killed: record.oom_killed,
            }),
            _ => Err(Failure::Engine(EngineError::Conflict(
                "the process that keeps the command went away; nobody knows how it ended".to_owned(),
            ))),
        }
    }

    /// A network namespace as the spec has it; `None` is the host's own.
    async fn plug_in(&mut self, spec: &Spec) -> Result<Option<OwnedFd>, EngineError> {
        match spec.network.mode {
            NetworkMode::Host => Ok(None),
            NetworkMode::None => {
                let namespace = blocking("make a network namespace", || {
                    network::empty_namespace().doing(|| "make a network namespace".to_owned())
                });
                namespace.await.map(Some)
            }
            NetworkMode::Bridge => {
                let engine = self.engine.clone();
                let id = self.id.clone();
                let address = engine.addresses.take(&id, None)?;
                let attachment = blocking("connect a build step to the network", move || {
                    engine
                        .network
                        .attach(&id, address)
                        .doing(|| "connect a build step to the network".to_owned())
                })
                .await?;
                self.endpoint = Some(attachment.endpoint);
                Ok(Some(attachment.namespace))
            }
        }
    }

    /// Takes back everything it held. `keep_files` leaves its directories for the one
    /// who takes the changes out of them.
    pub(super) async fn take_back(&mut self) {
        let (engine, id) = (self.engine.clone(), self.id.clone());
        let endpoint = self.endpoint.take();
        let group = engine.group(&id);
        let outcome = blocking("clean up after a build step", move || {
            let mut failures = Vec::new();
            if group.exists()
                && let Err(error) = group.kill_all().and_then(|()| group.remove())
            {
                failures.push(error.to_string());
            }
            if let Some(endpoint) = endpoint
                && let Err(error) = engine.network.detach(&endpoint)
            {
                failures.push(error.to_string());
            }
            engine.addresses.release(&id);
            if failures.is_empty() {
                Ok(())
            } else {
                Err(EngineError::Conflict(failures.join("; ")))
            }
        });
        if let Err(error) = outcome.await {
            tracing::error!(container = self.id.short(), %error, "cannot clean up after a build step");
        }
    }

    /// And its files.
    pub(super) async fn remove(self) {
        let dirs = self.dirs.clone();
        let removed = blocking("remove the files of a build step", move || {
            dirs.remove()
                .doing(|| format!("remove the directory `{}`", dirs.dir.display()))
        });
        if let Err(error) = removed.await {
            tracing::error!(container = self.id.short(), %error, "cannot remove the files of a build step");
        }
    }
}

fn not_launched(error: shim::LaunchError) -> Failure {
    match error {
        shim::LaunchError::Failed(problem) => Failure::mistake(problem.message),
        error => Failure::Engine(EngineError::Conflict(error.to_string())),
    }
}

/// Bytes become lines.
struct Lines {
    stream: LineStream,
    open: Vec<u8>,
}

impl Lines {
    fn new(stream: LineStream) -> Self {
        Self {
            stream,
            open: Vec::new(),
        }
    }

    fn push(&mut self, bytes: &[u8], heard: &mut impl FnMut(LineStream, &str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(part);
            if self.open.ends_with(b"\n") {
                self.open.pop();
                if self.open.ends_with(b"\r") {
                    self.open.pop();
                }
                self.say(heard);
            } else if self.open.len() >= LINE_BYTES {
                self.say(heard);
            }
        }
    }

    fn end(&mut self, heard: &mut impl FnMut(LineStream, &str)) {
        if !self.open.is_empty() {
            self.say(heard);
        }
    }

    fn say(&mut self, heard: &mut impl FnMut(LineStream, &str)) {
        heard(self.stream, &String::from_utf8_lossy(&self.open));
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::new(LineStream::Stdout);
        let mut all = Vec::new();
        let mut heard = |_: LineStream, line: &str| all.push(line.to_owned());
        for piece in ["a", "b\nc\r\n\n", "open"] {
            lines.push(piece.as_bytes(), &mut heard);
        }
        lines.end(&mut heard);
        assert_eq!(all, ["ab", "c", "", "open"]);
    }
}
