//! What a new process does between clone and exec.
//!
//! It is a copy of a process with one thread, so ordinary code may run; but it must
//! never return into the caller's work: it ends by exec or by `exit_now`. Until the
//! root is changed it sees the host's files and touches those of the container only
//! through handles below the container's root.

mod destination;
mod devices;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod mounts;
pub(crate) mod options;
mod privileges;
mod program;
mod reaper;
mod rootfs;

pub(crate) use privileges::{Become, Ready, begin_program};

use crate::channel::Channel;
use crate::hooks::DefaultEnvironment;
use crate::ids::IdMaps;
use crate::namespaces::{self, Namespaces};
use crate::sources::Sources;
use crate::{Failure, Stdio};
use bundle::config_file::OCI_VERSION;
use oci_spec::runtime::{Process, Spec};
use reaper::Reaper;
use serde_json::json;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use sys::namespace;

pub(crate) struct Init<'a> {
    pub(crate) id: &'a str,
    pub(crate) spec: &'a Spec,
    pub(crate) process: &'a Process,
    pub(crate) bundle: &'a Path,
    pub(crate) sources: Sources,
    pub(crate) stdio: Stdio,
    pub(crate) namespaces: Namespaces,
    /// Of a user namespace that is new.
    pub(crate) ids: Option<IdMaps>,
    /// Paths below `/proc/sys` and values.
    pub(crate) sysctls: Vec<(String, String)>,
    /// `tasks` files of v1 cgroups.
    pub(crate) tasks: Vec<OwnedFd>,
    pub(crate) filter: Option<crate::seccomp::Filter>,
    /// Where it waits instead of at the channel.
    pub(crate) gate: Option<GateFiles>,
    /// The container's part of each cgroup hierarchy: name and directory.
    pub(crate) groups: Vec<(String, PathBuf)>,
    /// Somebody who answers announced system calls.
    pub(crate) listener: Option<UnixStream>,
    pub(crate) no_pivot: bool,
    /// Name of a session keyring of its own.
    pub(crate) keyring: Option<&'a str>,
    pub(crate) preserve_fds: u32,
    /// First of all, for the ids of its users and what else the caller does for it.
    pub(crate) waits_for_caller: bool,
    /// Before its own hooks, for those of the caller.
    pub(crate) waits_for_hooks: bool,
    /// Its cgroup namespace is one that others made.
    pub(crate) joins_cgroup_namespace: bool,
    /// Whether its user namespace is another than the caller's.
    pub(crate) has_own_users: bool,
    /// Whether the caller is not in the host's user namespace itself.
    pub(crate) caller_has_own_users: bool,
    /// `None` in a process that has nothing to tell.
    pub(crate) channel: Option<Channel>,
    /// It has reported so; the process that created it need not be there any more.
    pub(crate) is_created: bool,
}

/// The FIFOs between init and a `start` of another process.
pub(crate) struct GateFiles {
    /// A byte comes out of it when the container is started.
    pub(crate) start: File,
    /// Takes the reason why the command did not begin. Closed by execve, it tells that the
    /// command did.
    pub(crate) outcome: OwnedFd,
}

impl GateFiles {
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.start.as_fd(), self.outcome.as_fd()]
    }
}

/// How the command begins, when it may.
enum Next<'a> {
    Execute(Ready),
    /// In a child of this process.
    Behind(Become<'a>, Reaper),
}

/// Sets the container up and becomes its command.
pub(crate) fn run(mut init: Init<'_>) -> ! {
    let failure = match set_up(&mut init) {
        Ok(Next::Behind(wanted, reaper)) => reaper.begin_behind(wanted, &mut init.channel),
        Ok(Next::Execute(ready)) => ready.execute(),
        Err(failure) => failure,
    };
    let told = match (&init.gate, &mut init.channel) {
        (Some(gate), _) if init.is_created => sys::pipe::write_all(&gate.outcome, &failure.to_bytes()).is_ok(),
        (_, Some(channel)) => {
            channel.say_failed(&failure);
            true
        }
        (_, None) => false,
    };
    if !told {
        // Nobody waits for it: its own standard error is what is left.
        let _ = writeln!(std::io::stderr(), "{failure}");
    }
    sys::clone::exit_now(failure.code)
}

fn set_up<'a>(init: &mut Init<'a>) -> Result<Next<'a>, Failure> {
    let reaper = has_reaper(init.spec).then(Reaper::prepare);
    let own_mounts = init.namespaces.has_own_mounts();
    join_cgroups(&mut init.tasks)?;
    crate::scheduling::reset_affinity();
    become_root_inside(init)?;
    let _ = sys::credentials::hide();
    sys::session::leave().map_err(Failure::io("session", "cannot begin a session"))?;
    enter_namespaces(init)?;
    let spec = init.spec;
    // Read and written in the host's /proc, which shows the new namespaces to who
    // is in them, and which no image has touched.
    for (path, value) in &init.sysctls {
        fs::write(Path::new("/proc/sys").join(path), value)
            .map_err(Failure::io("sysctl", format!("cannot set `{path}` to `{value}`")))?;
    }
    let last_capability = sys::credentials::last_capability();
    let own_groups = open_groups(init)?;
    join_mounts(&mut init.namespaces)?;
    let root = rootfs::attach(init.bundle, spec, init.sources.root.take(), own_mounts)?;
    if !own_mounts {
        // It does not go with the namespace: the caller has to detach it.
        let sent = channel(init)?.send_root(root.as_fd());
        sent.map_err(Failure::io("rootfs", "cannot report"))?;
    }
    let surroundings = mounts::Surroundings {
        bundle: init.bundle,
        // One that is joined shows what it is rooted at, too.
        has_cgroup_namespace: init.namespaces.has_new(namespace::CGROUP) || init.joins_cgroup_namespace,
        own_groups: &own_groups,
        ids: init.ids.as_ref(),
        is_system: crate::group::is_system(spec),
        label: crate::labels::of_mounts(spec),
    };
    mounts::make_all(root.as_fd(), spec, &mut init.sources, &surroundings)?;
    drop(own_groups);
    let only_binds = init.has_own_users || init.caller_has_own_users;
    devices::make_all(root.as_fd(), spec, only_binds)?;
    let terminal = open_streams(init, root.as_fd())?;
    mounts::finish_dev(root.as_fd(), spec)?;
    mounts::guard(root.as_fd(), spec)?;
    // /proc is the host's still, and shows the pid as the host has it.
    let host_pid = fs::read_link("/proc/self")
        .ok()
        .and_then(|pid| pid.to_str()?.parse::<i32>().ok());
    let (id, bundle) = (init.id, init.bundle);
    let state = |status: &str| {
        json!({
            "ociVersion": OCI_VERSION, "id": id, "status": status, "pid": host_pid, "bundle": bundle,
            "annotations": spec.annotations(),
        })
    };
    let hooks = spec.hooks().as_ref();
    let run_hooks = |name, list, state, environment| {
        crate::hooks::run(name, list, &state, environment).map_err(|error| Failure::of_hook(&error))
    };
    if init.waits_for_hooks {
        let channel = channel(init)?;
        channel.say_prepared().map_err(Failure::io("hook", "cannot report"))?;
        if !channel.wait() {
            sys::clone::exit_now(crate::error::NOT_STARTED);
        }
    }
    let create_hooks = hooks.and_then(|hooks| hooks.create_container().as_ref());
    if create_hooks.is_some_and(|hooks| !hooks.is_empty()) {
        // As with runc: such hooks find the container's files below their directory.
        sys::beneath::enter_root(&root).map_err(Failure::io("hook", "cannot enter the root filesystem"))?;
    }
    run_hooks(
        "createContainer",
        create_hooks,
        state("creating"),
        DefaultEnvironment::Inherited,
    )?;
    let created = state("created");
    let creating = state("creating");
    let listener = init.listener.take().map(|socket| {
        let announced = crate::seccomp::Announced {
            state: &creating,
            pid: host_pid,
        };
        crate::seccomp::Listener::new(socket, spec, &announced)
    });
    let way = match (own_mounts, init.no_pivot) {
        (false, _) => rootfs::Way::ChangeRoot,
        (true, true) => rootfs::Way::Cover,
        (true, false) => rootfs::Way::Pivot,
    };
    rootfs::enter(root, spec, way)?;
    let wanted = Become {
        process: init.process,
        spec,
        user: user_of(init.process),
        groups: annotation_of(spec, bundle::annotation::GROUPS).unwrap_or_default(),
        capabilities: crate::process::capabilities(init.process, last_capability),
        last_capability,
        filter: init.filter.take(),
        listener,
        preserve_fds: init.preserve_fds,
        keyring: init.keyring,
        has_terminal: terminal.is_some(),
    }
    .prepared()?;
    if init.gate.is_some() {
        program::check(init.process)?;
    }
    if let Some(master) = terminal {
        let sent = channel(init)?.send_terminal(master.as_fd());
        sent.map_err(Failure::io("terminal", "cannot report"))?;
    }
    let mut next = match reaper {
        // It clones first, which a filter may forbid.
        Some(reaper) => Next::Behind(wanted, reaper),
        None => Next::Execute(privileges::prepare(wanted)?),
    };
    if let Next::Execute(ready) = &mut next
        && ready.can_wait_filtered()
    {
        ready.load_filter_early()?;
    }
    channel(init)?
        .say_ready()
        .map_err(|error| Failure::io("start", "cannot report")(error))?;
    init.is_created = true;
    wait_at_gate(init)?;
    if spec.process().is_none() {
        return Err(Failure::new("start", "the configuration has no process"));
    }
    let start_hooks = hooks.and_then(|hooks| hooks.start_container().as_ref());
    if start_hooks.is_some_and(|hooks| !hooks.is_empty()) {
        // They are programs of the container as its command is, and see what it will.
        if let Next::Execute(ready) = &mut next {
            ready.load_filter_early()?;
        }
        let variables = variables_with_home(init.process);
        run_hooks(
            "startContainer",
            start_hooks,
            created,
            DefaultEnvironment::Variables(&variables),
        )?;
    }
    Ok(next)
}

/// The environment of `process`, with the `HOME` that its program gets.
fn variables_with_home(process: &Process) -> Vec<String> {
    let mut variables = process.env().clone().unwrap_or_default();
    let has_home = variables
        .iter()
        .any(|variable| variable.strip_prefix("HOME=").is_some_and(|home| !home.is_empty()));
    if !has_home {
        let home = crate::user::home_of(process.user().uid()).filter(|home| !home.is_empty());
        variables.push(format!("HOME={}", home.as_deref().unwrap_or("/")));
    }
    variables
}

/// v1 groups are joined by the process itself: moving another one takes a global
/// lock that is slow to get. "0" is the writer.
pub(crate) fn join_cgroups(tasks: &mut Vec<OwnedFd>) -> Result<(), Failure> {
    for file in tasks.drain(..) {
        File::from(file)
            .write_all(b"0")
            .map_err(Failure::io("cgroup", "cannot join the container's cgroup"))?;
    }
    Ok(())
}

/// Waits until the ids of its new user namespace are there and what else its caller does
/// for it, and becomes root.
fn become_root_inside(init: &mut Init<'_>) -> Result<(), Failure> {
    if init.waits_for_caller && !channel(init)?.wait() {
        sys::clone::exit_now(crate::error::NOT_STARTED);
    }
    if init.has_own_users {
        sys::credentials::become_root().map_err(Failure::io(
            "user",
            "cannot become root of the user namespace, whose mappings may lack it",
        ))?;
    }
    Ok(())
}

/// All but the mount namespace, in which `/proc` is that of others.
pub(crate) fn join_namespaces(namespaces: &mut Namespaces) -> Result<(), Failure> {
    join(namespaces.joined.extract_if(.., |(kind, _)| *kind != namespace::MOUNT))
}

fn join_mounts(namespaces: &mut Namespaces) -> Result<(), Failure> {
    join(namespaces.joined.drain(..))
}

fn join(namespaces: impl Iterator<Item = (u64, OwnedFd)>) -> Result<(), Failure> {
    for (kind, handle) in namespaces {
        namespace::enter(&handle, kind).map_err(Failure::io("namespace", "cannot join a namespace"))?;
    }
    Ok(())
}

/// The container's part of each hierarchy, while the host's mounts are there; those alone
/// that are to be shown.
fn open_groups(init: &mut Init<'_>) -> Result<Vec<(String, OwnedFd)>, Failure> {
    let has_namespace = init.namespaces.has_new(namespace::CGROUP) || init.joins_cgroup_namespace;
    if has_namespace || !mounts::shows_cgroups(init.spec) {
        return Ok(Vec::new());
    }
    let groups = std::mem::take(&mut init.groups);
    let open = |(name, dir): (String, PathBuf)| {
        let failed = format!("cannot open cgroup `{}`", dir.display());
        let opened = sys::mount::copy_path_detached(&dir, false).map_err(Failure::io("mount", failed))?;
        Ok((name, opened))
    };
    groups.into_iter().map(open).collect()
}

/// Clocks can be set off until the first process is in the namespace, which is this one.
fn set_clocks(offsets: &[String]) -> Result<(), Failure> {
    let failed = |what: &'static str| Failure::io("time", what);
    namespace::unshare_time().map_err(failed("cannot make a time namespace"))?;
    // The files belong to the process only while others may look into that.
    let _ = sys::credentials::show();
    let entered = fs::write("/proc/self/timens_offsets", offsets.concat())
        .map_err(failed("cannot set the clocks' offsets"))
        .and_then(|()| namespace::enter_new_time().map_err(failed("cannot enter the time namespace")));
    let _ = sys::credentials::hide();
    entered
}

fn enter_namespaces(init: &mut Init<'_>) -> Result<(), Failure> {
    join_namespaces(&mut init.namespaces)?;
    let offsets = namespaces::offsets(init.spec);
    if !offsets.is_empty() {
        set_clocks(&offsets)?;
    }
    if init.namespaces.has_new(namespace::NETWORK) {
        crate::net_devices::raise_loopback().map_err(Failure::io("network", "cannot set up the loopback device"))?;
    }
    if init.namespaces.has_new(namespace::CGROUP) {
        namespace::unshare_cgroup().map_err(Failure::io("namespace", "cannot make a cgroup namespace"))?;
    }
    if init.namespaces.has_new(namespace::UTS) {
        if let Some(name) = init.spec.hostname() {
            namespace::set_hostname(name).map_err(Failure::io("hostname", format!("cannot set hostname `{name}`")))?;
        }
        if let Some(name) = init.spec.domainname() {
            namespace::set_domainname(name)
                .map_err(Failure::io("hostname", format!("cannot set domain name `{name}`")))?;
        }
    }
    Ok(())
}

/// Puts the standard streams in place; gives a terminal's near side for the caller.
fn open_streams(init: &mut Init<'_>, root: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Failure> {
    let failed = |what: &'static str| Failure::io("terminal", what);
    let placeholder = Stdio::Terminal {
        rows: 0,
        cols: 0,
        keeps_line_ends: false,
    };
    match std::mem::replace(&mut init.stdio, placeholder) {
        Stdio::Given { stdin, stdout, stderr } => {
            sys::standard_streams::replace(&stdin, &stdout, &stderr)
                .map_err(failed("cannot set the standard streams"))?;
            use_own_null(root);
            Ok(None)
        }
        Stdio::Terminal {
            rows,
            cols,
            keeps_line_ends,
        } => {
            let (master, peer) = terminal_in(root, (rows, cols), keeps_line_ends)?;
            devices::make_console(root, &peer)?;
            Ok(Some(master))
        }
    }
}

/// Standard streams that are the caller's null device become the container's own, whose
/// node the container may do with as it likes. Without one they stay the caller's.
pub(crate) fn use_own_null(root: BorrowedFd<'_>) {
    if sys::standard_streams::has_null()
        && let Ok(null) = devices::own_null(root)
    {
        let _ = sys::standard_streams::replace_null(&null);
    }
}

/// Opens a terminal of the devpts below `root` and makes it this session's.
pub(crate) fn terminal_in(
    root: BorrowedFd<'_>,
    (rows, cols): (u16, u16),
    keeps_line_ends: bool,
) -> Result<(OwnedFd, OwnedFd), Failure> {
    let failed = |what: &'static str| Failure::io("terminal", what);
    let dir = sys::beneath::open_dir(root, Path::new("/dev/pts")).map_err(failed("cannot open `/dev/pts`"))?;
    let (master, peer) = sys::pty::open(&dir).map_err(failed("cannot open a terminal"))?;
    if rows > 0 && cols > 0 {
        sys::terminal::resize(&master, rows, cols).map_err(failed("cannot set the terminal's size"))?;
    }
    if keeps_line_ends {
        sys::terminal::keep_line_ends(&peer).map_err(failed("cannot set the terminal's output mode"))?;
    }
    sys::pty::control(&peer).map_err(failed("cannot take the terminal"))?;
    sys::standard_streams::replace(&peer, &peer, &peer).map_err(failed("cannot set the standard streams"))?;
    Ok((master, peer))
}

fn wait_at_gate(init: &mut Init<'_>) -> Result<(), Failure> {
    let Some(gate) = &init.gate else {
        if !channel(init)?.wait() {
            // Nobody is left who could start or hear.
            sys::clone::exit_now(crate::error::NOT_STARTED);
        }
        return Ok(());
    };
    sys::pipe::read_byte(&gate.start)
        .map(drop)
        .map_err(|error| Failure::io("start", "cannot wait at the FIFO")(error))
}

fn channel<'c>(init: &'c mut Init<'_>) -> Result<&'c mut Channel, Failure> {
    init.channel
        .as_mut()
        .ok_or_else(|| Failure::new("start", "the caller cannot be reached"))
}

pub(crate) fn has_reaper(spec: &Spec) -> bool {
    annotation_of(spec, bundle::annotation::INIT) == Some("true")
}

fn annotation_of<'a>(spec: &'a Spec, key: &str) -> Option<&'a str> {
    spec.annotations().as_ref()?.get(key).map(String::as_str)
}

/// A user by name, which is looked up in the container's files; the numbers mean
/// nothing then.
pub(crate) fn user_of(process: &Process) -> Option<&str> {
    process.user().username().as_deref().filter(|name| !name.is_empty())
}
