//! The container as the kernel has it: made, started, entered and cleared away by
//! `runtime` and `cgroup`.

use super::complain;
use super::console::problem;
use super::stdio::Theirs;
use anyhow::{Context as _, Result};
use cgroup::{Group, Hierarchies, OomWatch};
use oci_spec::runtime::{Process, Spec};
use runtime::{Create, Created, Gate, Rootfs, Stdio};
use shim_protocol::{Exec, Identity, Launch, Problem, Root};
use std::os::fd::OwnedFd;
use std::path::Path;

pub(super) struct Container {
    created: Created,
    group: Group,
    oom_watch: Option<OomWatch>,
    /// Kills that were told already.
    oom_told: u64,
    /// Kept until the container is at rest, so that tearing the network down needs
    /// no living process.
    network_namespace: Option<OwnedFd>,
}

/// Why the command did not begin.
#[derive(Debug)]
pub(super) struct StartFailure {
    pub(super) step: String,
    pub(super) message: String,
    /// 126, 127 or 128.
    pub(super) code: i32,
}

/// A process that was begun by [`Container::exec`].
pub(super) struct Begun {
    pub(super) identity: Identity,
    pub(super) pidfd: OwnedFd,
    pub(super) terminal: Option<OwnedFd>,
}

/// Moves the shim to where it stays: outside the container's cgroup, whose end it
/// must see, and outside the server's, which may be killed as a whole.
pub(super) fn join_shims(group: &Group) -> Result<()> {
    group
        .join()
        .with_context(|| format!("cannot join cgroup `{}`", group.path()))
}

/// The group of [`join_shims`], made if it is not there.
pub(super) fn make_shims(hierarchies: &Hierarchies, path: &str) -> Result<Group> {
    let group = hierarchies.group(path);
    group.create().with_context(|| format!("cannot make cgroup `{path}`"))?;
    Ok(group)
}

pub(super) fn read_spec(launch: &Launch) -> Result<Spec> {
    // The engine wrote it: there is nothing to warn of.
    Ok(bundle::config_file::read(&launch.bundle_dir.join("config.json"))?.spec)
}

impl Container {
    /// Makes everything up to the moment before the command begins. Tells who init
    /// is, and gives the terminal's near side where there is one.
    pub(super) fn create(
        launch: &Launch,
        hierarchies: &Hierarchies,
        stdio: Option<Theirs>,
        network_namespace: Option<OwnedFd>,
    ) -> Result<(Self, Begun)> {
        let spec = read_spec(launch)?;
        let group = hierarchies.group(&launch.cgroup_path);
        let kept = match &network_namespace {
            Some(namespace) => Some(namespace.try_clone().context("cannot hold the network namespace")?),
            None => None,
        };
        let size = launch.size.unwrap_or_default();
        let mut created = runtime::create(Create {
            id: &launch.id,
            spec: &spec,
            bundle: &launch.bundle_dir,
            rootfs: match &launch.rootfs {
                None => Rootfs::Directory,
                Some(Root::Overlay(overlay)) => Rootfs::Overlay {
                    lower: overlay.lower.clone(),
                    upper: overlay.upper.clone(),
                    work: overlay.work.clone(),
                    mapped: overlay.mapped,
                    options: overlay.options.clone(),
                },
                Some(Root::Directory { path, mapped }) => Rootfs::Own {
                    path: path.clone(),
                    mapped: *mapped,
                },
            },
            stdio: stdio_of(stdio, size.rows, size.cols),
            network_namespace,
            group: group.clone(),
            group_is_there: false,
            gate: Gate::Pipe,
            no_pivot: false,
            no_new_keyring: false,
            preserve_fds: 0,
            runtime_hooks: None,
            remember: None,
            trace: None,
        })?;
        let pidfd = created.pidfd.try_clone().context("cannot hold init");
        let begun = Begun {
            identity: created.init.into(),
            pidfd: pidfd.inspect_err(|_| unmake_group(&group))?,
            terminal: created.terminal.take(),
        };
        let oom_watch = group
            .watch_oom()
            .inspect_err(|error| complain(&anyhow::anyhow!("kills for want of memory are told late: {error}")));
        let container = Self {
            created,
            oom_watch: oom_watch.ok().flatten(),
            oom_told: 0,
            group,
            network_namespace: kept,
        };
        Ok((container, begun))
    }

    pub(super) fn start(&mut self) -> Result<(), StartFailure> {
        self.created.start().map_err(|error| StartFailure {
            step: error.step.clone(),
            code: error.code,
            message: error.to_string(),
        })
    }

    /// Begins a further process.
    pub(super) fn exec(&self, launch: &Launch, exec: &Exec, stdio: Theirs) -> Result<Begun, Problem> {
        let process: Process = serde_json::from_value(exec.process.clone()).map_err(|error| {
            problem(
                "exec",
                format!("the process is not as the OCI specification has it: {error}"),
            )
        })?;
        // Parsed anew each time: kept, it would be the largest thing in memory.
        let spec = read_spec(launch).map_err(|error| problem("exec", format!("{error:#}")))?;
        let size = exec.size.unwrap_or_default();
        let terminal = process.terminal().unwrap_or(false);
        let begun = runtime::exec(runtime::Exec {
            id: &launch.id,
            bundle: &launch.bundle_dir,
            init: self.created.init,
            process: &process,
            spec: &spec,
            group: self.group.clone(),
            below: &[],
            stdio: stdio_of((!terminal).then_some(stdio), size.rows, size.cols),
            preserve_fds: 0,
            trace: None,
        });
        let begun = begun
            .map(|execed| Begun {
                identity: Identity {
                    pid: execed.pid,
                    start_ticks: execed.start_ticks,
                },
                pidfd: execed.pidfd,
                terminal: execed.terminal,
            })
            .map_err(|error| Problem {
                step: match &error {
                    runtime::ExecError::Process(failure) => failure.step.clone(),
                    _ => "exec".to_owned(),
                },
                code: Some(error.code()),
                message: error.to_string(),
            });
        drop(spec);
        sys::allocator::trim();
        begun
    }

    pub(super) fn oom_watch(&self) -> Option<&OomWatch> {
        self.oom_watch.as_ref()
    }

    pub(super) fn stop_oom_watch(&mut self) {
        self.oom_watch = None;
    }

    /// Whether there were kills since the last time.
    pub(super) fn new_oom_kills(&mut self) -> bool {
        let kills = self.oom_kills();
        let new = kills > self.oom_told;
        self.oom_told = kills;
        new
    }

    /// How many processes of the container the kernel killed for want of memory.
    pub(super) fn oom_kills(&self) -> u64 {
        self.group.oom_kills().unwrap_or(0)
    }

    /// Kills what init left behind.
    pub(super) fn kill_rest(&self) -> Result<()> {
        self.group
            .kill_all()
            .context("cannot kill what is left in the container")
    }

    pub(super) fn remove_group(&self) -> Result<()> {
        self.group.remove().context("cannot remove the container's cgroup")
    }

    /// The container is at rest: what was held for it is let go.
    pub(super) fn let_go(&mut self) {
        self.network_namespace = None;
    }
}

fn stdio_of(given: Option<Theirs>, rows: u16, cols: u16) -> Stdio {
    match given {
        Some(Theirs { stdin, stdout, stderr }) => Stdio::Given { stdin, stdout, stderr },
        None => Stdio::Terminal {
            rows,
            cols,
            keeps_line_ends: false,
        },
    }
}

/// Clears a group away after a container could not be made.
pub(super) fn unmake_group(group: &Group) {
    for outcome in [group.kill_all(), group.remove()] {
        if let Err(error) = outcome {
            complain(&anyhow::Error::new(error).context(format!("cannot clear cgroup `{}` away", group.path())));
        }
    }
}

/// Whether `dir` is there: said early and by name, since it is the commonest
/// mistake.
pub(super) fn expect_dir(dir: &Path) -> Result<()> {
    anyhow::ensure!(dir.is_dir(), "`{}` is no directory", dir.display());
    Ok(())
}
