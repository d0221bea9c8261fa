//! `RUN`: a command in a container of its own; what it changed becomes a layer.

use super::cache::Outcome;
use super::container::StepContainer;
use super::failure::Failure;
use super::log::LineStream;
use super::mounts::{Files, Mounted, Mounting};
use super::request::BuildNetwork;
use super::root::place_of;
use super::stage::Ground;
use crate::blocking::blocking;
use crate::clock;
use build::instruction::RunNetwork;
use build::{RunOrder, Settings};
use image::{CommitOptions, Layer, Written};
use model::container::spec::{ImageChoice, LogOptions, Network, Process, Security};
use model::container::{ContainerName, ExitStatus, RestartPolicy, Spec, UserNamespace};
use model::image::{Digest, Reference};
use model::network::NetworkMode;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Told again when a command fails.
const LAST_LINES: usize = 10;
/// The same in every build: it must not find its way into layers.
const HOSTNAME: &str = "build";
/// Where the engine itself mounts something.
const OWN_POINTS: [&str; 10] = [
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/sys",
    "/sys/fs/cgroup",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/hostname",
];

/// A command about to run.
pub(super) struct Running<'a> {
    pub(super) ground: &'a Arc<Ground>,
    /// The step's place on the board.
    pub(super) step: usize,
    pub(super) order: &'a RunOrder,
    /// Of each mount that names some.
    pub(super) files: &'a [Option<Files>],
    pub(super) layers: &'a [Layer],
    pub(super) settings: &'a Settings,
}

impl Running<'_> {
    /// Runs it to its end. Whatever happens, nothing of the container stays.
    pub(super) async fn run(&self) -> Result<Outcome, Failure> {
        let engine = &self.ground.engine;
        let mut container = StepContainer::make(engine).await?;
        let outcome = self.in_container(&mut container).await;
        container.take_back().await;
        let outcome = match outcome {
            Ok(mounted) => self.commit(&container, mounted).await,
            Err(failure) => Err(failure),
        };
        container.remove().await;
        outcome
    }

    async fn in_container(&self, container: &mut StepContainer) -> Result<Mounted, Failure> {
        let ground = self.ground;
        // Pruning of caches waits until nobody has one.
        let _running = ground.engine.builds.runs.clone().read_owned().await;
        let resolve = |path: &str| self.settings.resolve(path);
        let mounting = Mounting {
            engine: &ground.engine,
            ground,
            dirs: &container.dirs,
            resolve: &resolve,
        };
        let mounted = mounting
            .all(&self.order.mounts, self.files, self.order.script.as_ref())
            .await?;
        let spec = self.spec(&mounted)?;
        let place = place_of(self.layers, container.dirs.dir.clone());
        let last = Mutex::new(VecDeque::new());
        let heard = |stream: LineStream, line: &str| {
            ground.board.line(Some(self.step), stream, line);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line.to_owned());
        };
        let ended = container.run(&spec, place, &ground.cancel, heard).await?;
        if ended.status == ExitStatus::Code(0) {
            return Ok(mounted);
        }
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        Err(self.failed(ended.status, ended.oom_killed, &Vec::from(last)))
    }

    fn failed(&self, status: ExitStatus, oom_killed: bool, last: &[String]) -> Failure {
        let code = status.code();
        let mut message = format!("`{}` ended with exit code {code}", self.order.words.join(" ").trim());
        if oom_killed {
            message.push_str(": it had no more memory; give the build a higher limit");
        }
        if !last.is_empty() {
            message.push_str("; its last lines:");
            for line in last {
                message.push_str("\n  ");
                message.push_str(line);
            }
        }
        Failure::Command { message, code }
    }

    async fn commit(&self, container: &StepContainer, mounted: Mounted) -> Result<Outcome, Failure> {
        let mut points: Vec<PathBuf> = OWN_POINTS.iter().map(PathBuf::from).collect();
        points.extend(mounted.points);
        let engine = self.ground.engine.clone();
        let place = place_of(self.layers, container.dirs.dir.clone());
        let written = engine.snapshots.written(&place)?;
        commit_changes(&self.ground.clone(), engine, written, self.layers.to_vec(), points).await
    }

    fn spec(&self, mounted: &Mounted) -> Result<Spec, Failure> {
        let request = &self.ground.request;
        let order = self.order;
        let of_host = match order.network {
            RunNetwork::None => NetworkMode::None,
            RunNetwork::Host => NetworkMode::Host,
            RunNetwork::Default => match request.network {
                BuildNetwork::Default => NetworkMode::Bridge,
                BuildNetwork::None => NetworkMode::None,
                BuildNetwork::Host => NetworkMode::Host,
            },
        };
        if of_host == NetworkMode::Host && !request.may_use_host_network {
            return Err(Failure::mistake(
                "`--network=host` opens the host's network to the build, which needs the role `admin`",
            ));
        }
        let env = order
            .env
            .iter()
            .chain(&order.hidden_env)
            .map(|(name, value)| format!("{name}={value}"));
        let unnamed = |error: &dyn std::fmt::Display| Failure::mistake(error.to_string());
        let mut limits = request.limits.clone();
        crate::containers::create::limit_processes(&self.ground.engine, &mut limits);
        Ok(Spec {
            name: ContainerName::suggest(rand::random()),
            image: ImageChoice {
                reference: Reference::parse("scratch").map_err(|error| unnamed(&error))?,
                id: Digest::from_sha256([0; 32]),
            },
            process: Process {
                command: order.words.clone(),
                env: env.chain(mounted.env.iter().cloned()).collect(),
                working_dir: order.working_dir.clone(),
                user: order.user.clone(),
                ..Process::default()
            },
            hostname: Some(HOSTNAME.to_owned()),
            domainname: None,
            labels: Vec::new(),
            network: Network {
                mode: of_host,
                ports: Vec::new(),
                exposed: Vec::new(),
                publish_all: false,
                dns: Vec::new(),
                dns_search: Vec::new(),
                dns_options: Vec::new(),
                extra_hosts: request.extra_hosts.clone(),
            },
            mounts: mounted.mounts.clone(),
            limits,
            security: Security {
                users: UserNamespace::Host,
                ..Security::default()
            },
            restart: RestartPolicy::No,
            auto_remove: false,
            stop_signal: None,
            stop_timeout: None,
            init: false,
            system: false,
            read_only_root: false,
            shm_bytes: request.shm_bytes,
            rlimits: request.rlimits.clone(),
            sysctls: Vec::new(),
            devices: Vec::new(),
            oom_score_adj: None,
            health: None,
            log: LogOptions::default(),
            annotations: Vec::new(),
        })
    }
}

/// Makes a layer of what was changed, if anything was.
pub(super) async fn commit_changes(
    ground: &Arc<Ground>,
    engine: Arc<crate::engine::Inner>,
    written: Written,
    parents: Vec<Layer>,
    mount_points: Vec<PathBuf>,
) -> Result<Outcome, Failure> {
    let latest = ground.epoch();
    let options = CommitOptions {
        latest,
        mount_points,
        // As it is written, unless times are to be others.
        adopt: latest.is_none(),
        ..CommitOptions::default()
    };
    let cancel = ground.cancel.clone();
    let layer = blocking("make a layer", move || {
        Ok(engine.images.commit_layer(&written, &parents, &options, &cancel))
    });
    let layer = layer.await??;
    Ok(Outcome {
        created: latest.unwrap_or_else(clock::now),
        layer: (!layer.is_empty()).then_some(layer),
    })
}
