//! `create`: a container whose command waits.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::console;
use super::state_file::{self, StateFile, Status};
use anyhow::{Context as _, Result, bail};
use cgroup::Hierarchies;
use model::container::InitProcess;
use oci_spec::runtime::Spec;
use runtime::{Create, Created, Gate, Rootfs, Stdio};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Wish {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) console_socket: Option<PathBuf>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) preserve_fds: u32,
    pub(super) no_pivot: bool,
    pub(super) no_new_keyring: bool,
    /// `run` only.
    pub(super) detach: bool,
    pub(super) keep: bool,
}

impl Wish {
    pub(super) fn parse(mut arguments: Arguments) -> Result<Self> {
        let mut wish = Self {
            id: String::new(),
            bundle: PathBuf::from("."),
            console_socket: None,
            pid_file: None,
            preserve_fds: 0,
            no_pivot: false,
            no_new_keyring: false,
            detach: false,
            keep: false,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Argument::Operand(id) if wish.id.is_empty() => wish.id = id,
                Argument::Operand(text) => bail!("`{text}` is one operand too many"),
                Argument::Switch(name) => match name.as_str() {
                    "b" | "bundle" => wish.bundle = arguments.value()?.into(),
                    "console-socket" => wish.console_socket = Some(arguments.value()?.into()),
                    "pid-file" => wish.pid_file = Some(arguments.value()?.into()),
                    "preserve-fds" => wish.preserve_fds = arguments.number()?,
                    "no-pivot" => wish.no_pivot = true,
                    "no-new-keyring" => wish.no_new_keyring = true,
                    "d" | "detach" => wish.detach = true,
                    "keep" => wish.keep = true,
                    "no-subreaper" => {}
                    _ => return unknown(&name),
                },
            }
        }
        if wish.id.is_empty() {
            bail!("name the container");
        }
        wish.bundle =
            fs::canonicalize(&wish.bundle).with_context(|| format!("cannot use bundle `{}`", wish.bundle.display()))?;
        Ok(wish)
    }
}

pub(super) fn create(global: &Global, arguments: Arguments) -> Result<()> {
    let wish = Wish::parse(arguments)?;
    let (_, mut created) = make(global, &wish, true)?;
    if let (Some(socket), Some(master)) = (&wish.console_socket, created.terminal.take()) {
        console::hand_over(socket, &master)?;
    }
    Ok(())
}

/// Makes the container and its state; undone altogether when it fails.
pub(super) fn make(global: &Global, wish: &Wish, apart: bool) -> Result<(StateFile, Created)> {
    let dir = state_file::dir(global, &wish.id)?;
    let bundle::config_file::Config { spec, warnings } = bundle::config_file::read(&wish.bundle.join("config.json"))?;
    for warning in warnings {
        super::log::warning(global, &warning);
    }
    let terminal = spec
        .process()
        .as_ref()
        .and_then(|process| process.terminal())
        .unwrap_or(false);
    if terminal && wish.console_socket.is_none() && apart {
        bail!("a container with a terminal needs --console-socket");
    }
    if !terminal && wish.console_socket.is_some() {
        bail!("--console-socket is for containers with a terminal");
    }
    fs::create_dir_all(&global.root).with_context(|| format!("cannot create `{}`", global.root.display()))?;
    match fs::DirBuilder::new().mode(0o711).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => bail!("container `{}` exists already", wish.id),
        Err(error) => return Err(error).with_context(|| format!("cannot create `{}`", dir.display())),
    }
    let path = cgroup_path(&spec, &wish.id);
    let made = fill(global, wish, &spec, &dir, &path, terminal);
    if made.is_err() {
        let _ = fs::remove_dir_all(&dir);
    }
    made
}

fn fill(
    global: &Global,
    wish: &Wish,
    spec: &Spec,
    dir: &Path,
    cgroup_path: &str,
    terminal: bool,
) -> Result<(StateFile, Created)> {
    let fifo = state_file::fifo(dir);
    sys::pipe::make_fifo(&fifo).with_context(|| format!("cannot make `{}`", fifo.display()))?;
    let group = Hierarchies::discover()?.group(cgroup_path);
    let state_of = |init: InitProcess| StateFile {
        id: wish.id.clone(),
        pid: init.pid,
        start_ticks: init.start_ticks,
        bundle: wish.bundle.clone(),
        cgroup: cgroup_path.to_owned(),
        created: now(),
        started: false,
        annotations: spec.annotations().clone().unwrap_or_default().into_iter().collect(),
    };
    let hooks = spec.hooks().as_ref();
    let runtime_hooks = |init| {
        let mut shown = state_of(init).to_oci(Status::Created);
        shown["status"] = "creating".into();
        runtime::hooks::run("prestart", hooks.and_then(|hooks| hooks.prestart().as_ref()), &shown)?;
        runtime::hooks::run(
            "createRuntime",
            hooks.and_then(|hooks| hooks.create_runtime().as_ref()),
            &shown,
        )
    };
    let created = runtime::create(Create {
        id: &wish.id,
        spec,
        bundle: &wish.bundle,
        rootfs: Rootfs::Directory,
        stdio: stdio(terminal, spec)?,
        network_namespace: None,
        group: group.clone(),
        gate: Gate::Fifo(fifo),
        no_pivot: wish.no_pivot,
        no_new_keyring: wish.no_new_keyring,
        preserve_fds: wish.preserve_fds,
        runtime_hooks: hooks.is_some().then_some(&runtime_hooks),
    })?;
    let state = state_of(created.init);
    let known = state.save(global).and_then(|()| match &wish.pid_file {
        Some(path) => write_pid(path, created.init.pid),
        None => Ok(()),
    });
    if let Err(error) = known {
        // Of the two failures the first is the one to tell.
        let _ = group.kill_all();
        let _ = group.remove();
        return Err(error);
    }
    Ok((state, created))
}

/// Absolute is below every hierarchy's mount; relative and none below our own.
fn cgroup_path(spec: &Spec, id: &str) -> String {
    let given = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref());
    match given.map(|path| path.to_string_lossy()) {
        Some(path) if path.starts_with('/') => path.into_owned(),
        // systemd's form, `slice:prefix:name`.
        Some(path) if path.contains(':') => format!("/gantry-runtime/{}", path.replace(':', "-")),
        Some(path) if !path.is_empty() => format!("/gantry-runtime/{path}"),
        _ => format!("/gantry-runtime/{id}"),
    }
}

fn stdio(terminal: bool, spec: &Spec) -> Result<Stdio> {
    if terminal {
        let size = spec.process().as_ref().and_then(|process| process.console_size());
        let part = |number: u64| u16::try_from(number).unwrap_or(0);
        return Ok(Stdio::Terminal {
            rows: size.map_or(0, |size| part(size.height())),
            cols: size.map_or(0, |size| part(size.width())),
        });
    }
    inherited()
}

/// The caller's own standard streams.
pub(super) fn inherited() -> Result<Stdio> {
    let share = |stream: &dyn std::os::fd::AsFd| -> Result<OwnedFd> {
        stream
            .as_fd()
            .try_clone_to_owned()
            .context("cannot share the standard streams")
    };
    Ok(Stdio::Given {
        stdin: share(&io::stdin().as_fd())?,
        stdout: share(&io::stdout().as_fd())?,
        stderr: share(&io::stderr().as_fd())?,
    })
}

pub(super) fn write_pid(path: &Path, pid: i32) -> Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, pid.to_string())
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn now() -> String {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    model::Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(0)).to_string()
}
