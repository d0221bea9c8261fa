//! `create`: a container whose command waits.

use super::arguments::{Argument, Arguments, Global, unknown};
use super::state_file::{self, StateFile};
use super::systemd::Scope;
use super::{console, delete, hooks, listening, log, pidfd};
use anyhow::{Context as _, Result, bail};
use bundle::config_file::Config;
use cgroup::{Group, Hierarchies};
use oci_spec::runtime::{Process, Spec};
use runtime::resctrl::Class;
use runtime::{Create, Created, Gate, Rootfs, RuntimeHooks, Stdio};
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
    pub(super) pidfd_socket: Option<PathBuf>,
    /// The configuration, seen from the bundle.
    pub(super) config: PathBuf,
    /// Those of `--preserve-fds` and of `LISTEN_FDS`.
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
            pidfd_socket: None,
            config: PathBuf::from("config.json"),
            preserve_fds: 0,
            no_pivot: false,
            no_new_keyring: false,
            detach: false,
            keep: false,
        };
        let mut preserved: u32 = 0;
        while let Some(argument) = arguments.next()? {
            match argument {
                Argument::Operand(id) if wish.id.is_empty() => wish.id = id,
                Argument::Operand(text) => bail!("`{text}` is one operand too many"),
                Argument::Switch(name) => match name.as_str() {
                    "b" | "bundle" => wish.bundle = arguments.value()?.into(),
                    "console-socket" => wish.console_socket = Some(arguments.value()?.into()),
                    "pid-file" => wish.pid_file = Some(arguments.value()?.into()),
                    "pidfd-socket" => wish.pidfd_socket = Some(arguments.value()?.into()),
                    "config" | "f" => wish.config = arguments.value()?.into(),
                    "preserve-fds" => preserved = arguments.number()?,
                    "no-pivot" => wish.no_pivot = arguments.flag()?,
                    "no-new-keyring" => wish.no_new_keyring = arguments.flag()?,
                    "d" | "detach" => wish.detach = arguments.flag()?,
                    "keep" => wish.keep = arguments.flag()?,
                    "no-subreaper" => drop(arguments.flag()?),
                    _ => return unknown(&name),
                },
            }
        }
        wish.preserve_fds = preserved.saturating_add(listening::count());
        if wish.id.is_empty() {
            bail!("name the container");
        }
        wish.bundle =
            fs::canonicalize(&wish.bundle).with_context(|| format!("cannot use bundle `{}`", wish.bundle.display()))?;
        Ok(wish)
    }
}

/// What is made, for those who go on with it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) state: StateFile,
    pub(super) created: Created,
    pub(super) group: Group,
    pub(super) spec: Spec,
}

/// Whether the command waits for a `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Yes,
    No { detached: bool },
}

pub(super) fn create(global: &Global, arguments: Arguments) -> Result<()> {
    let wish = Wish::parse(arguments)?;
    let mut made = make(global, &wish, Waits::Yes)?;
    let handed_over = match (&wish.console_socket, made.created.terminal.take()) {
        (Some(socket), Some(master)) => console::hand_over(socket, &master),
        _ => Ok(()),
    };
    handed_over.inspect_err(|_| {
        // Of two failures the first is the one to tell.
        let _ = delete::remove(global, &made.state, &made.group, Some(&made.spec));
    })
}

/// Makes the container and its state; undone altogether when it fails.
pub(super) fn make(global: &Global, wish: &Wish, waits: Waits) -> Result<Made> {
    // What the caller left open is nothing to the container (CVE-2024-21626).
    sys::reaper::close_from(wish.preserve_fds.saturating_add(3));
    // Only new containers: commands must still reach those of an earlier version.
    if wish.id.starts_with('.') {
        bail!("invalid container ID `{}`: it must not begin with `.`", wish.id);
    }
    let dir = state_file::dir(global, &wish.id)?;
    let path = wish.bundle.join(&wish.config);
    let config = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let Config { mut spec, warnings } = bundle::config_file::parse(&path, &config)?;
    for warning in warnings {
        log::warning(global, &warning);
    }
    log::debug(global, &format!("read `{}`", path.display()));
    if let Some(process) = spec.process_mut() {
        listening::announce(process);
        warn_of_capabilities(global, process);
    }
    let terminal = spec
        .process()
        .as_ref()
        .and_then(|process| process.terminal())
        .unwrap_or(false);
    if terminal && wish.console_socket.is_none() && waits != (Waits::No { detached: false }) {
        bail!("cannot allocate a terminal for a container that is left alone without --console-socket");
    }
    if !terminal && wish.console_socket.is_some() {
        bail!("cannot use --console-socket: the container has no terminal");
    }
    fs::create_dir_all(&global.root).with_context(|| format!("cannot create `{}`", global.root.display()))?;
    match fs::DirBuilder::new().mode(0o711).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("container with given ID already exists: `{}`", wish.id)
        }
        Err(error) => return Err(error).with_context(|| format!("cannot create `{}`", dir.display())),
    }
    let made = fill(global, wish, spec, &config, &dir, waits);
    if made.is_err() {
        let _ = state_file::remove(&dir);
    }
    made
}

fn fill(global: &Global, wish: &Wish, spec: Spec, config: &[u8], dir: &Path, waits: Waits) -> Result<Made> {
    state_file::keep_config(dir, config)?;
    let gate = match waits {
        Waits::No { .. } => Gate::Open,
        Waits::Yes => {
            let (start, outcome) = (state_file::fifo(dir), state_file::outcome(dir));
            for fifo in [&start, &outcome] {
                sys::pipe::make_fifo(fifo).with_context(|| format!("cannot make `{}`", fifo.display()))?;
            }
            Gate::Fifos { start, outcome }
        }
    };
    let hierarchies = Hierarchies::discover()?;
    let scope = global
        .systemd_cgroup
        .then(|| Scope::start(&hierarchies, &spec, &wish.id));
    let scope = scope.transpose()?;
    let group = match &scope {
        Some(scope) => scope.group().clone(),
        None => hierarchies.group(&cgroup_path(&spec, &wish.id)),
    };
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    for ignored in resources.map_or_else(Vec::new, |resources| group.ignored(&bundle::limits(resources).0)) {
        log::warning(global, ignored);
    }
    log::debug(global, &format!("cgroup `{}`", group.path()));
    let root = spec.root().as_ref().map_or(Path::new("rootfs"), |root| root.path());
    let state = StateFile {
        id: wish.id.clone(),
        pid: 0,
        start_ticks: 0,
        bundle: wish.bundle.clone(),
        rootfs: wish.bundle.join(root),
        cgroup: group.path(),
        unit: scope.as_ref().map(|scope| scope.unit().to_owned()),
        resctrl: Class::of(&spec, &wish.id)?.map_or_else(Vec::new, |class| class.own_directories()),
        created: now(),
        root_mount: None,
        annotations: spec.annotations().clone().unwrap_or_default().into_iter().collect(),
    };
    let runtime_hooks = spec.hooks().as_ref().map(|hooks| {
        let state = &state;
        move |init| hooks::before_pivot(hooks, state, init)
    });
    let created = runtime::create(Create {
        id: &wish.id,
        spec: &spec,
        bundle: &wish.bundle,
        rootfs: Rootfs::Directory,
        stdio: stdio(spec.process().as_ref(), wish.console_socket.is_none())?,
        network_namespace: None,
        group: group.clone(),
        group_is_there: scope.is_some(),
        gate,
        no_pivot: wish.no_pivot,
        no_new_keyring: wish.no_new_keyring,
        preserve_fds: wish.preserve_fds,
        runtime_hooks: runtime_hooks.as_ref().map(|hooks| hooks as RuntimeHooks<'_>),
        remember: Some(&|init| state.with_init(init).save(dir)),
        trace: Some(&|message| log::debug(global, message)),
    })
    .inspect_err(|error| {
        if error.is_of_hook() {
            hooks::after_end(global, &state, &spec);
        }
    })?;
    let made = Made {
        state: StateFile {
            root_mount: created.root_mount,
            ..state.with_init(created.init)
        },
        created,
        group,
        spec,
    };
    let finish = || {
        if made.state.root_mount.is_some() {
            made.state.save(dir).context("cannot save the state")?;
        }
        if let Some(scope) = scope {
            scope.keep()?;
        }
        if let Some(socket) = &wish.pidfd_socket {
            pidfd::hand_over(socket, "standard", &made.created.pidfd)?;
        }
        match &wish.pid_file {
            Some(path) => write_pid(path, made.created.init.pid),
            None => Ok(()),
        }
    };
    finish().inspect_err(|_| {
        let _ = delete::remove(global, &made.state, &made.group, Some(&made.spec));
    })?;
    Ok(made)
}

/// A host may be a container itself, with less than it is asked for.
pub(super) fn warn_of_capabilities(global: &Global, process: &Process) {
    let lacking = runtime::lacking_capabilities(process);
    if !lacking.is_empty() {
        // The wording is runc's, which people and test suites search for.
        let names = lacking.join(" ");
        log::warning(
            global,
            &format!("ignoring unknown or unavailable capabilities: [{names}]"),
        );
    }
    for name in runtime::capabilities_never_ambient(process) {
        log::warning(
            global,
            &format!("can't raise ambient capability {name}: it is not both permitted and inheritable"),
        );
    }
}

/// Absolute is below every hierarchy's mount; relative and none below our own.
fn cgroup_path(spec: &Spec, id: &str) -> String {
    let given = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref());
    match given.map(|path| path.to_string_lossy()) {
        Some(path) if path.starts_with('/') => path.into_owned(),
        // systemd's form, `slice:prefix:name`, without its driver.
        Some(path) if path.contains(':') => format!("/gantry-runtime/{}", path.replace(':', "-")),
        Some(path) if !path.is_empty() => format!("/gantry-runtime/{path}"),
        _ => format!("/gantry-runtime/{id}"),
    }
}

/// The standard streams of a process: the caller's own, or a terminal. One that is `shown` by
/// this command leaves the ends of lines to the caller's terminal, and writes them to a pipe
/// or a file as they are.
pub(super) fn stdio(process: Option<&Process>, shown: bool) -> Result<Stdio> {
    if process.and_then(Process::terminal).unwrap_or(false) {
        let size = process.and_then(Process::console_size);
        let part = |number: u64| u16::try_from(number).unwrap_or(0);
        return Ok(Stdio::Terminal {
            rows: size.map_or(0, |size| part(size.height())),
            cols: size.map_or(0, |size| part(size.width())),
            keeps_line_ends: shown,
        });
    }
    inherited()
}

fn inherited() -> Result<Stdio> {
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
