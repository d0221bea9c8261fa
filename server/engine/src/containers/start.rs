//! The start: each step with its undoing, until the command runs.

use crate::attach::Attached;
use crate::blocking::blocking;
use crate::clock;
use crate::containers::keeper::{Flow, Keeper};
use crate::containers::view::ExitInfo;
use crate::containers::{bundle, etc, files};
use crate::error::{Doing, EngineError};
use crate::shim::{self, LaunchError, ShimError};
use crate::undo::Undo;
use model::Timestamp;
use model::container::{HostIds, InitProcess, State, Verdict};
use model::event::Action;
use model::network::{Endpoint, NetworkMode, PortMapping, Protocol};
use shim_protocol::{Command, Launch};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;
use store::runs::Run;

/// What a shim may take to end a container that was never started.
const ABANDON_LIMIT: Duration = Duration::from_secs(10);
/// As a shell says it of what could not be begun for other reasons than the command's own.
const NOT_BEGUN: i32 = 128;

/// Why the command does not run.
#[derive(Debug)]
pub(super) struct NotStarted {
    code: i32,
    reason: String,
}

impl From<EngineError> for NotStarted {
    fn from(error: EngineError) -> Self {
        Self {
            code: NOT_BEGUN,
            reason: error.to_string(),
        }
    }
}

/// What a start gave.
struct Up {
    init: InitProcess,
    since: Timestamp,
    endpoint: Option<Endpoint>,
    ports: Vec<PortMapping>,
    first_line: u64,
}

impl Keeper {
    pub(super) async fn start_by_hand(&mut self) -> Result<(), EngineError> {
        match self.record.state.on_start() {
            Verdict::Go => {}
            Verdict::AlreadySo => return Ok(()),
            Verdict::Refuse(refusal) => return Err(self.refused(refusal)),
        }
        // While it begins, a restart that waited still counts: nobody sees it rest.
        let outcome = self.start(0).await;
        if self.restart.take().is_some() {
            self.show();
        }
        outcome
    }

    /// As `docker run --rm` has it: what was to be removed at its end goes, too,
    /// when it never began.
    pub(super) async fn remove_if_failed_start(&mut self, outcome: &Result<(), EngineError>) -> Flow {
        let failed = matches!(outcome, Err(EngineError::StartFailed { .. }));
        if failed && self.record.spec.auto_remove {
            return self.remove_after_end().await;
        }
        Flow::GoOn
    }

    pub(super) async fn start(&mut self, restart_count: u32) -> Result<(), EngineError> {
        if self.engine.ending.is_cancelled() {
            return Err(EngineError::Ending);
        }
        self.wait_for_writers().await?;
        // The intent is lasting first: what a shim of this run leaves is recognised.
        let mut next = self.record.clone();
        next.run += 1;
        next.restart_count = restart_count;
        if restart_count == 0 {
            next.restart_delay = None;
        }
        next.stopped_by_hand = false;
        next.stopped_by = None;
        self.save(next, Vec::new()).await?;
        let mut undo = Undo::default();
        match self.bring_up(&mut undo).await {
            Ok(up) => {
                undo.forget();
                self.record_start(up).await
            }
            Err(failure) => {
                self.abandon().await;
                for failure in undo.run().await {
                    tracing::error!(container = self.record.id.short(), failure, "cannot undo a start");
                }
                self.record_failure(failure).await
            }
        }
    }

    async fn bring_up(&mut self, undo: &mut Undo) -> Result<Up, NotStarted> {
        let engine = self.engine.clone();
        let spec = self.record.spec.clone();
        let id = self.record.id.clone();
        let dirs = self.dirs();
        let ids = self.record.ids;
        let place = self.place().await?;
        let own_copy = place.owner.given();
        let root = blocking("make a container's directories", {
            let (dirs, engine) = (dirs.clone(), engine.clone());
            move || {
                dirs.make()
                    .and_then(|()| dirs.make_run())
                    .doing(|| format!("make the directories of container `{}`", dirs.dir.display()))?;
                engine.snapshots.prepare(&place)
            }
        })
        .await?;
        let volumes = engine.volumes_of(&spec).await?;

        // The network mostly waits for the kernel, and the shim begins by itself: all
        // three at once.
        let waiting = shim::prepare(&engine.program, &dirs.shim_log()).map_err(not_launched)?;
        let files = blocking("prepare a container's files", {
            let (dirs, spec, id) = (dirs.clone(), spec.clone(), id.clone());
            let (root, cgroup_path) = (root.clone(), engine.cgroup_path(&id));
            move || {
                files::prepare(&root, &spec, &volumes, own_copy)?;
                let users = ids.map(|ids| ::bundle::Users {
                    ids,
                    mapped: root.is_mapped(),
                });
                bundle::write(&dirs, &id, &spec, &volumes, &cgroup_path, users)?;
                let log = log_store::Reader::open(dirs.log()).doing(|| "read the log".to_owned())?;
                Ok(log.next_seq())
            }
        });
        let (plugged, first_line) = tokio::join!(self.plug_in(undo), files);
        let ((namespace, endpoint), first_line) = (plugged?, first_line?);
        self.write_names(endpoint.as_ref(), own_copy).await?;

        let launch = Launch {
            id: id.as_str().to_owned(),
            run: self.record.run,
            bundle_dir: dirs.dir.clone(),
            run_dir: dirs.run.clone(),
            log: shim_protocol::Log {
                dir: dirs.log(),
                mode: spec.log.mode.into(),
                segment_bytes: spec.log.segment_bytes,
                segments: spec.log.segments,
                compress: spec.log.compress,
            },
            rootfs: Some(root),
            network_namespace: namespace.is_some(),
            terminal: spec.process.terminal,
            stdin_open: spec.process.stdin_open,
            stdin_once: spec.process.stdin_once,
            size: spec.process.console_size.map(|size| shim_protocol::WindowSize {
                rows: size.rows,
                cols: size.columns,
            }),
            cgroup_path: engine.cgroup_path(&id),
            shim_cgroup: Some(engine.shim_cgroup_path()),
        };
        let (shim, identity) = shim::launch(waiting, &launch, namespace).await.map_err(not_launched)?;
        self.shim = Some(shim);
        let endpoint = match ids {
            // Its network belongs to its own root, so init made it.
            Some(_) => self.plug_into(identity.into(), undo).await?,
            None => endpoint,
        };
        if ids.is_some() {
            self.write_names(endpoint.as_ref(), own_copy).await?;
        }

        let ports = self.publish(endpoint.as_ref(), undo).await?;
        self.join_waiting().await;
        let since = clock::now();
        if let Some(shim) = &mut self.shim {
            shim.ask(Command::Start).await.map_err(not_begun)?;
        }
        Ok(Up {
            init: identity.into(),
            since,
            endpoint,
            ports,
            first_line,
        })
    }

    /// The files that name it and its neighbours.
    async fn write_names(&self, endpoint: Option<&Endpoint>, owner: Option<HostIds>) -> Result<(), EngineError> {
        let (dir, spec, id) = (self.dirs().etc(), self.record.spec.clone(), self.record.id.clone());
        let endpoint = endpoint.cloned();
        blocking("write a container's names", move || {
            etc::write(&dir, &id, &spec, endpoint.as_ref())?;
            match owner {
                Some(ids) => etc::FILES
                    .iter()
                    .try_for_each(|name| crate::snapshots::give(&dir.join(name), ids)),
                None => Ok(()),
            }
        })
        .await
    }

    /// Connects the network namespace that init made inside its own user namespace.
    async fn plug_into(&self, init: InitProcess, undo: &mut Undo) -> Result<Option<Endpoint>, EngineError> {
        let namespace = blocking("open a container's network", move || {
            let path = format!("/proc/{}/ns/net", init.pid);
            let opened = File::open(&path).doing(|| format!("open `{path}`"))?;
            Ok(OwnedFd::from(opened))
        })
        .await?;
        if self.record.spec.network.mode == NetworkMode::Bridge {
            return self
                .attach_to_bridge(Some(namespace), undo)
                .await
                .map(|(_, endpoint)| Some(endpoint));
        }
        blocking("bring up a network namespace", move || {
            network::start_loopback(&namespace).doing(|| "bring up a container's loopback device".to_owned())
        })
        .await?;
        Ok(None)
    }

    /// A network namespace as the spec has it; `None` is the host's own, or one that init
    /// makes.
    async fn plug_in(&self, undo: &mut Undo) -> Result<(Option<OwnedFd>, Option<Endpoint>), EngineError> {
        if self.record.ids.is_some() {
            return Ok((None, None));
        }
        match self.record.spec.network.mode {
            NetworkMode::Host => Ok((None, None)),
            NetworkMode::None => {
                let namespace = blocking("make a network namespace", || {
                    network::empty_namespace().doing(|| "make a network namespace".to_owned())
                })
                .await?;
                Ok((Some(namespace), None))
            }
            NetworkMode::Bridge => {
                let (namespace, endpoint) = self.attach_to_bridge(None, undo).await?;
                Ok((namespace, Some(endpoint)))
            }
        }
    }

    /// Gives an address and connects `namespace` with it, or a new one.
    async fn attach_to_bridge(
        &self,
        namespace: Option<OwnedFd>,
        undo: &mut Undo,
    ) -> Result<(Option<OwnedFd>, Endpoint), EngineError> {
        let engine = self.engine.clone();
        let id = self.record.id.clone();
        let before = self.record.endpoint.as_ref().map(|endpoint| endpoint.address);
        let address = engine.addresses.take(&id, before)?;
        undo.push("give back the address", {
            let (engine, id) = (engine.clone(), id.clone());
            async move {
                engine.addresses.release(&id);
                Ok(())
            }
        });
        let (namespace, endpoint) = blocking("connect a container to the network", {
            let engine = engine.clone();
            move || {
                let connected = match namespace {
                    Some(namespace) => engine
                        .network
                        .attach_to(&id, address, namespace)
                        .map(|endpoint| (None, endpoint)),
                    None => engine
                        .network
                        .attach(&id, address)
                        .map(|made| (Some(made.namespace), made.endpoint)),
                };
                connected.doing(|| "connect the container to the network".to_owned())
            }
        })
        .await?;
        undo.push("remove the network device", {
            let endpoint = endpoint.clone();
            async move {
                blocking("remove a network device", move || {
                    engine
                        .network
                        .detach(&endpoint)
                        .doing(|| format!("remove the device `{}`", endpoint.host_device))
                })
                .await
            }
        });
        Ok((namespace, endpoint))
    }

    /// Opens the ports after the container is made and before its command runs:
    /// a taken port is told before anything happened.
    async fn publish(&self, endpoint: Option<&Endpoint>, undo: &mut Undo) -> Result<Vec<PortMapping>, EngineError> {
        let network = &self.record.spec.network;
        let mut wanted = network.ports.clone();
        if network.publish_all {
            wanted.extend(exposed_without_mapping(&network.exposed, &network.ports));
        }
        let Some(endpoint) = endpoint.cloned().filter(|_| !wanted.is_empty()) else {
            return Ok(Vec::new());
        };
        let (engine, id) = (self.engine.clone(), self.record.id.clone());
        undo.push("give back the ports", {
            let (engine, id) = (engine.clone(), id.clone());
            async move { blocking("unpublish ports", move || engine.unpublish_ports(&id)).await }
        });
        blocking("publish ports", move || engine.publish_ports(&id, &endpoint, &wanted)).await
    }

    /// Connects those who attached before the start, so that they get every byte.
    async fn join_waiting(&mut self) {
        for (options, reply) in std::mem::take(&mut self.attaching) {
            let outcome: Result<Attached, EngineError> = self.join(options).await;
            let _ = reply.send(outcome);
        }
    }

    async fn record_start(&mut self, up: Up) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        let mut next = self.record.clone();
        next.state = State::Running {
            init: up.init,
            since: up.since,
        };
        next.endpoint = up.endpoint;
        next.ports = up.ports;
        let mut change = engine.journal.change().await?;
        store::containers::update(change.db(), &next).await?;
        let run = Run {
            run: next.run,
            first_line: up.first_line,
            started: up.since,
            ended: None,
            exit_code: None,
            oom_killed: false,
            stopped_by: None,
        };
        store::runs::insert(change.db(), &next.id, &run).await?;
        store::images::mark_used(change.db(), &next.spec.image.id, up.since).await?;
        super::side_events::begin(&mut change, &next.id, &next.spec).await?;
        let subject = model::event::Subject::Container(next.id.as_str().to_owned());
        let facts = super::keeper::with_facts(&next, Vec::new());
        change.event(subject, Action::Start, facts).await?;
        change
            .commit(|| {
                self.record = next;
                self.restart = None;
                self.oom_killed = false;
                self.begin_health(None);
                self.show();
            })
            .await?;
        self.describe().await;
        Ok(())
    }

    async fn record_failure(&mut self, failure: NotStarted) -> Result<(), EngineError> {
        let NotStarted { code, reason } = failure;
        let at = clock::now();
        let mut next = self.record.clone();
        next.state = State::Failed {
            code,
            reason: reason.clone(),
            at,
        };
        next.ports = Vec::new();
        if next.restart_count > 0 {
            next.restart_delay = super::end::delay_after(&next, code, Duration::ZERO);
        }
        self.last_exit = Some(ExitInfo {
            run: next.run,
            code,
            oom_killed: false,
            error: Some(reason.clone()),
            at,
        });
        for (_, reply) in std::mem::take(&mut self.attaching) {
            let _ = reply.send(Err(EngineError::StartFailed {
                name: self.name(),
                code,
                reason: reason.clone(),
            }));
        }
        let facts = vec![
            ("exit_code".to_owned(), code.to_string()),
            ("error".to_owned(), reason.clone()),
        ];
        self.save(next, vec![(Action::Die, facts)]).await?;
        Err(EngineError::StartFailed {
            name: self.name(),
            code,
            reason,
        })
    }

    /// Ends a shim whose container was made and not started, or failed to.
    async fn abandon(&mut self) {
        let Some(mut shim) = self.shim.take() else {
            return;
        };
        if !shim.end(ABANDON_LIMIT).await {
            let killed = self.kill_group().await;
            self.log_failure("kill the processes of a container that did not start", killed);
        }
    }
}

fn not_launched(error: LaunchError) -> NotStarted {
    let code = match &error {
        LaunchError::Failed(problem) => problem.code.unwrap_or(NOT_BEGUN),
        _ => NOT_BEGUN,
    };
    NotStarted {
        code,
        reason: error.to_string(),
    }
}

fn not_begun(error: ShimError) -> NotStarted {
    let code = match &error {
        ShimError::Refused(problem) => problem.code.unwrap_or(NOT_BEGUN),
        _ => NOT_BEGUN,
    };
    NotStarted {
        code,
        reason: error.to_string(),
    }
}

/// Each exposed port that no mapping names yet, on a free port of the host.
fn exposed_without_mapping(exposed: &[String], mapped: &[PortMapping]) -> Vec<PortMapping> {
    exposed
        .iter()
        .filter_map(|text| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            Some((port.parse().ok()?, Protocol::parse(protocol).ok()?))
        })
        .filter(|(port, protocol)| {
            !mapped
                .iter()
                .any(|known| known.container_port == *port && known.protocol == *protocol)
        })
        .map(|(container_port, protocol)| PortMapping {
            host_address: None,
            host_port: 0,
            container_port,
            protocol,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposed_ports_that_are_mapped_already_get_no_second_port() {
        let mapped = PortMapping::parse("8080:80").unwrap();
        let more = exposed_without_mapping(&["80/tcp".to_owned(), "53/udp".to_owned()], &mapped);
        assert_eq!(more.len(), 1);
        assert_eq!((more[0].container_port, more[0].protocol), (53, Protocol::Udp));
    }
}
