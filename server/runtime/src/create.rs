//! Making a container: everything up to the moment before its command begins.

use crate::channel::{Channel, Said};
use crate::hooks::HookError;
use crate::ids::IdMaps;
use crate::init::{self, GateFiles, Init};
use crate::namespaces::Namespaces;
use crate::net_devices::{self, Moved, Wanted};
use crate::resctrl::Class;
use crate::seccomp::Filter;
use crate::shared_mounts::SharedRoot;
use crate::sources::Sources;
use crate::{CreateError, Failure, StartError};
use cgroup::Group;
use model::container::InitProcess;
use oci_spec::runtime::{Process, Spec};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use sys::clone::{Birth, Cloned};

pub struct Create<'a> {
    pub id: &'a str,
    pub spec: &'a Spec,
    /// The directory that the spec's relative paths are seen from.
    pub bundle: &'a Path,
    pub rootfs: Rootfs,
    pub stdio: Stdio,
    /// Joined instead of what the spec says of the network.
    pub network_namespace: Option<OwnedFd>,
    /// Gets the limits of the spec; nobody else may be using it.
    pub group: Group,
    /// Somebody made it for this container, who knows of other processes in it; else it
    /// is made here.
    pub group_is_there: bool,
    pub gate: Gate,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// Descriptors from 3 on that the command inherits.
    pub preserve_fds: u32,
    /// Run in the caller's namespaces when the container's are made, before init
    /// runs the hooks that are its own.
    pub runtime_hooks: Option<RuntimeHooks<'a>>,
    /// Called as soon as init is there, long before its command can begin.
    pub remember: Option<Remember<'a>>,
    /// Receives debug messages, in the new process too until that has its namespaces.
    pub trace: Option<Trace<'a>>,
}

/// Receives a debug message.
pub type Trace<'a> = &'a dyn Fn(&str);

/// Is told who init is.
pub type Remember<'a> = &'a dyn Fn(InitProcess) -> io::Result<()>;

/// Is told who init is.
pub type RuntimeHooks<'a> = &'a dyn Fn(InitProcess) -> Result<(), HookError>;

/// Where the root filesystem comes from.
#[derive(Debug, Clone)]
pub enum Rootfs {
    /// `root.path` of the spec.
    Directory,
    /// A directory of the container's own, wherever it lies.
    Own {
        path: PathBuf,
        /// It is seen through the ids of the container's user namespace.
        mapped: bool,
    },
    /// Mounted for this container alone, and seen in no other mount namespace.
    Overlay {
        /// Topmost first.
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
        /// The layers are seen through the ids of the container's user namespace.
        mapped: bool,
        options: Vec<String>,
    },
}

/// Standard streams of a new process.
#[derive(Debug)]
pub enum Stdio {
    Given {
        stdin: OwnedFd,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    /// A new terminal of this size.
    Terminal {
        rows: u16,
        cols: u16,
        /// Line feeds are passed on as they are: whoever shows the output ends lines itself.
        keeps_line_ends: bool,
    },
}

impl Stdio {
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Given { stdin, stdout, stderr } => vec![stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
            Self::Terminal { .. } => Vec::new(),
        }
    }

    /// Replaces devices of the host that every program may use, such as `/dev/null`, by
    /// descriptors through which their nodes cannot be changed: root of the container has
    /// the same number as the owner of the node.
    pub(crate) fn protect_devices(&mut self) {
        let Self::Given { stdin, stdout, stderr } = self else {
            return;
        };
        for stream in [stdin, stdout, stderr] {
            if sys::device::is_stateless(&*stream) {
                // Not possible for a node of another mount namespace, which then stays.
                if let Ok(protected) = sys::device::open_through_read_only_mount(&*stream) {
                    *stream = protected;
                }
            }
        }
    }

    /// Gives pipes to root of the container's user namespace, which gives them to the user
    /// of the process: else `/dev/stdout` could not be opened again.
    pub(crate) fn give_to_root_of(&self, ids: &IdMaps) {
        let Self::Given { stdin, stdout, stderr } = self else {
            return;
        };
        let (Some(user), Some(group)) = (ids.outside_user(0), ids.outside_group(0)) else {
            return;
        };
        for stream in [stdin, stdout, stderr] {
            sys::pipe::give_to(stream, user, Some(group));
        }
    }
}

/// What init waits for before its command begins.
#[derive(Debug, Clone)]
pub enum Gate {
    /// [`Created::start`], by the process that created it.
    Pipe,
    /// [`start`], by another process.
    Fifos {
        /// The byte that lets it begin comes through this one.
        start: PathBuf,
        /// Why it did not begin comes through this one.
        outcome: PathBuf,
    },
    /// For nothing: it goes on when it is ready. [`Created::start`] tells how it went.
    Open,
}

/// A container whose command has not begun.
#[derive(Debug)]
pub struct Created {
    pub init: InitProcess,
    pub pidfd: OwnedFd,
    /// The near side of its terminal.
    pub terminal: Option<OwnedFd>,
    /// The mount of its root filesystem in a mount namespace that is not its own, where it
    /// stays until [`SharedRoot::detach`].
    pub root_mount: Option<u64>,
    channel: Channel,
    has_reaper: bool,
    /// Whether init was told to begin.
    begun: bool,
}

/// Creates a container. On failure init is gone and reaped, and so is the cgroup,
/// unless it was somebody else's.
pub fn create(mut request: Create<'_>) -> Result<Created, CreateError> {
    let none = no_process();
    let process = match (request.spec.process(), &request.gate) {
        (Some(process), _) => process,
        // Only `start` needs one. runtime-spec, config.md, "Process"
        (None, Gate::Fifos { .. }) => &none,
        (None, Gate::Pipe | Gate::Open) => return Err(CreateError::Bundle("it has no process".to_owned())),
    };
    let namespaces = Namespaces::of(request.spec, request.network_namespace.take())?;
    let ids = IdMaps::of(request.spec)?;
    namespaces.check(request.spec, ids.as_ref())?;
    crate::process::check(process)?;
    crate::scheduling::check(request.spec, process).map_err(CreateError::Init)?;
    crate::labels::check(process)?;
    let plan = Plan {
        sysctls: crate::sysctl::of(request.spec, &namespaces)?,
        sources: Sources::open(request.spec, request.bundle, &request.rootfs, &namespaces, ids.as_ref())?,
        filter: crate::seccomp::compile(request.spec).map_err(CreateError::Init)?,
        listener: crate::seccomp::connect(request.spec).map_err(CreateError::Init)?,
        gate: open_gate(&request.gate)?,
        shared_mounts: SharedRoot::of(request.spec, request.bundle),
        devices: crate::net_devices::of(request.spec, &namespaces)?,
        class: Class::of(request.spec, request.id)?,
        namespaces,
        ids,
    };
    let class = plan.class.clone();
    let group = request.group.clone();
    crate::group::make(&group, request.group_is_there, request.spec)?;
    class
        .as_ref()
        .map_or(Ok(()), Class::make)
        .map_err(CreateError::from)
        .and_then(|()| {
            begin(request, process, plan).inspect_err(|_| {
                // Of two failures the first is the one to tell.
                let _ = crate::resctrl::remove(&class.iter().flat_map(Class::own_directories).collect::<Vec<_>>());
            })
        })
        .inspect_err(|_| crate::group::unmake(&group))
}

/// The process of a container that is created without one and can never be started.
fn no_process() -> Process {
    let mut process = Process::default();
    process.set_args(None).set_capabilities(None).set_rlimits(None);
    process.set_cwd("/".into());
    process
}

/// What is worked out before anything of the container is there.
struct Plan {
    namespaces: Namespaces,
    ids: Option<IdMaps>,
    sysctls: Vec<(String, String)>,
    sources: Sources,
    filter: Option<Filter>,
    listener: Option<UnixStream>,
    gate: Option<GateFiles>,
    /// The mount namespace, where it is not the container's own.
    shared_mounts: Option<SharedRoot>,
    /// Network devices that are moved in.
    devices: Vec<Wanted>,
    class: Option<Class>,
}

/// Opens the gate's FIFOs, which init may not be able to reach. Open for writing too,
/// the first neither waits for the other side nor ever ends.
fn open_gate(gate: &Gate) -> Result<Option<GateFiles>, CreateError> {
    let Gate::Fifos { start, outcome } = gate else {
        return Ok(None);
    };
    let failed = || CreateError::system("open the FIFO that the start goes through");
    Ok(Some(GateFiles {
        start: File::options().read(true).write(true).open(start).map_err(failed())?,
        outcome: sys::pipe::open_writer(outcome).map_err(failed())?,
    }))
}

/// Clones init and waits until it is ready.
fn begin(mut request: Create<'_>, process: &Process, plan: Plan) -> Result<Created, CreateError> {
    let entry = crate::group::entry(&request.group, request.spec, plan.ids.as_ref())?;
    let (mut ours, mut theirs) = Channel::pair().map_err(CreateError::system("make a socket pair"))?;
    let hooks = request.runtime_hooks.take();
    let remember = request.remember.take();
    let trace = request.trace.take().unwrap_or(&|_| {});
    let opens = matches!(request.gate, Gate::Open);
    let has_own_users = plan.namespaces.has_own_users();
    request.stdio.protect_devices();
    if let Some(ids) = plan.ids.as_ref().filter(|_| has_own_users) {
        request.stdio.give_to_root_of(ids);
    }
    let caller_has_own_users = !sys::user_namespace::is_initial();
    let waits_for_caller = plan.ids.is_some() || !plan.devices.is_empty() || plan.class.is_some();
    let sets_clocks = !crate::namespaces::offsets(request.spec).is_empty();
    let later = sys::namespace::CGROUP | if sets_clocks { sys::namespace::TIME } else { 0 };
    let between = plan.namespaces.needs_a_process_between();
    let made = Birth {
        // The cgroup namespace is made later, when init sits in its cgroup; a time
        // namespace whose clocks are set off before anybody is in it.
        namespaces: plan.namespaces.new & !later,
        cgroup: entry.v2.as_ref().map(|dir| dir.as_fd()),
        sibling: false,
    };
    let birth = Birth {
        namespaces: if between { 0 } else { made.namespaces },
        ..made
    };
    let (pid, pidfd) = match sys::clone::clone(birth).map_err(CreateError::system("clone init"))? {
        Cloned::Child => {
            drop(ours);
            trace(&format!(
                "nsexec container setup: affinity: {}",
                crate::scheduling::affinity_mask()
            ));
            let mut tasks = entry.v1_tasks;
            let mut namespaces = plan.namespaces;
            close_others(
                &[
                    &[theirs.as_fd()],
                    &request.stdio.descriptors(),
                    &tasks.iter().map(|file| file.as_fd()).collect::<Vec<_>>(),
                    &namespaces.joined.iter().map(|(_, it)| it.as_fd()).collect::<Vec<_>>(),
                    &plan.sources.descriptors().collect::<Vec<_>>(),
                    &plan.gate.iter().flat_map(GateFiles::descriptors).collect::<Vec<_>>(),
                    &plan.listener.iter().map(|socket| socket.as_fd()).collect::<Vec<_>>(),
                ],
                request.preserve_fds,
            );
            let joins_cgroup_namespace = namespaces.joins(sys::namespace::CGROUP);
            if between {
                let entered = init::join_cgroups(&mut tasks)
                    .and_then(|()| init::join_namespaces(&mut namespaces))
                    .and_then(|()| crate::exec::divide(&mut theirs, made.namespaces));
                if let Err(failure) = entered {
                    theirs.say_failed(&failure);
                    sys::clone::exit_now(failure.code);
                }
            }
            init::run(Init {
                id: request.id,
                spec: request.spec,
                process,
                bundle: request.bundle,
                sources: plan.sources,
                stdio: request.stdio,
                namespaces,
                ids: plan.ids,
                sysctls: plan.sysctls,
                tasks,
                filter: plan.filter,
                gate: plan.gate,
                groups: request.group.dirs_by_hierarchy(),
                joins_cgroup_namespace,
                listener: plan.listener,
                no_pivot: request.no_pivot,
                keyring: (!request.no_new_keyring).then_some(request.id),
                preserve_fds: request.preserve_fds,
                waits_for_caller,
                waits_for_hooks: hooks.is_some(),
                has_own_users,
                caller_has_own_users,
                channel: Some(theirs),
                is_created: false,
            })
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop((
        theirs,
        request.stdio,
        plan.sources,
        plan.filter,
        plan.gate,
        plan.listener,
    ));
    let care = Care {
        process,
        namespaces: &plan.namespaces,
        ids: plan.ids.as_ref(),
        devices: &plan.devices,
        class: plan.class.as_ref(),
        waits: waits_for_caller,
    };
    let (pid, pidfd) = if between { follow(&mut ours, pid)? } else { (pid, pidfd) };
    let mut moved = None;
    let mut root = None;
    let brought = care.attend(&mut ours, pid, &mut moved).and_then(|init| {
        if let Some(remember) = remember {
            remember(init).map_err(CreateError::system("write down who init is"))?;
        }
        trace(&format!("child process in init(): {}", init.pid));
        let (terminal, begun) = go_with(&mut ours, init, hooks, opens, &mut root)?;
        trace("init: closing the pipe to signal completion");
        Ok((init, terminal, begun))
    });
    match brought {
        Ok((init, terminal, begun)) => Ok(Created {
            init,
            pidfd,
            terminal,
            root_mount: root.and_then(|root| sys::mount::id_of(root).ok()),
            channel: ours,
            has_reaper: init::has_reaper(request.spec),
            begun,
        }),
        Err(error) => {
            // Before init ends, and its network namespace with it.
            if let Some(moved) = moved {
                moved.take_back();
            }
            let _ = sys::pidfd::send_signal(&pidfd, 9);
            let _ = sys::children::wait_for(pid);
            if let (Some(shared), Some(root)) = (plan.shared_mounts, root) {
                let _ = shared.detach_handle(&root);
            }
            Err(error)
        }
    }
}

/// What init does not need it is not to hold: others see it in `/proc/PID/fd` until the
/// command begins, and a working directory could be one of them (CVE-2024-21626).
pub(crate) fn close_others(kept: &[&[BorrowedFd<'_>]], preserve_fds: u32) {
    sys::descriptors::close_all_but(preserve_fds.saturating_add(3), &kept.concat());
}

/// Goes with init until it is ready; its terminal, and whether it was told to begin.
fn go_with(
    channel: &mut Channel,
    init: InitProcess,
    hooks: Option<RuntimeHooks<'_>>,
    opens: bool,
    root: &mut Option<OwnedFd>,
) -> Result<(Option<OwnedFd>, bool), CreateError> {
    let go = |channel: &mut Channel| channel.go().map_err(CreateError::system("reach init"));
    // Said beforehand, so that init need not wait for this process to be woken.
    let begun = opens && hooks.is_none();
    if begun {
        // If it is gone already it has told why.
        let _ = go(channel);
    }
    let mut hooks = hooks;
    let mut terminal = None;
    loop {
        match channel.listen().map_err(CreateError::system("hear from init"))? {
            Said::Ready => return Ok((terminal, begun)),
            Said::Terminal(master) => terminal = Some(master),
            Said::Root(mount) => *root = Some(mount),
            Said::Prepared => {
                if let Some(hooks) = hooks.take() {
                    hooks(init)?;
                }
                go(channel)?;
            }
            Said::Failed(failure) => return Err(CreateError::Init(failure)),
            Said::Nothing => {
                let ended = crate::start::ended_before_program(init.pid);
                return Err(ended.map_or(CreateError::Vanished, CreateError::Init));
            }
            Said::Pid(_) => return Err(CreateError::Vanished),
        }
    }
}

/// Learns who init is from the process that went between, and buries that one.
fn follow(channel: &mut Channel, between: i32) -> Result<(i32, OwnedFd), CreateError> {
    let said = channel.listen();
    let _ = sys::children::wait_for(between);
    let pid = match said.map_err(CreateError::system("hear from init"))? {
        Said::Pid(pid) => pid,
        Said::Failed(failure) => return Err(CreateError::Init(failure)),
        _ => return Err(CreateError::Vanished),
    };
    // Not reaped yet, so the number still means it.
    let pidfd = sys::pidfd::open(pid).map_err(CreateError::system("open init"))?;
    channel.go().map_err(CreateError::system("reach init"))?;
    Ok((pid, pidfd))
}

/// What is done for init that it may not or cannot do itself.
struct Care<'a> {
    process: &'a Process,
    namespaces: &'a Namespaces,
    ids: Option<&'a IdMaps>,
    devices: &'a [Wanted],
    class: Option<&'a Class>,
    /// Init waits until it is done.
    waits: bool,
}

impl Care<'_> {
    fn attend(&self, channel: &mut Channel, pid: i32, moved: &mut Option<Moved>) -> Result<InitProcess, CreateError> {
        let start_ticks = sys::pidfd::start_ticks(pid).map_err(CreateError::system("read init's start time"))?;
        if let Some(score) = self.process.oom_score_adj() {
            match sys::session::set_oom_score_adj_of(pid, score) {
                // Root of a user namespace may only raise it: what cannot be had is left.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !sys::user_namespace::is_initial() => {
                }
                outcome => outcome.map_err(CreateError::system("set init's oom_score_adj"))?,
            }
        }
        if let Some(class) = self.class {
            class.add(pid)?;
        }
        if !self.devices.is_empty() {
            let namespace = net_devices::namespace_of(self.namespaces, pid)
                .map_err(CreateError::system("open the container's network namespace"))?;
            *moved = Some(net_devices::move_into(self.devices, &namespace)?);
        }
        if let Some(ids) = self.ids {
            ids.write(pid)
                .map_err(CreateError::system("map the ids of the user namespace"))?;
        }
        if self.waits {
            channel.go().map_err(CreateError::system("reach init"))?;
        }
        Ok(InitProcess { pid, start_ticks })
    }
}

impl Created {
    /// Lets the command begin; comes back when its program runs or did not.
    ///
    /// # Errors
    /// With the exit code 126, 127 or 128. Init has ended then, and is not reaped.
    pub fn start(&mut self) -> Result<(), StartError> {
        let lost =
            |error: io::Error| StartError::from(Failure::new("start", format!("init cannot be reached: {error}")));
        if !self.begun {
            self.channel.go().map_err(lost)?;
        }
        match self.channel.listen().map_err(lost)? {
            Said::Failed(failure) => Err(failure.into()),
            // With a reaper in front it is another process that executes the program.
            _ if self.has_reaper => Ok(()),
            _ => crate::start::ended_before_program(self.init.pid).map_or(Ok(()), |failure| Err(failure.into())),
        }
    }
}
