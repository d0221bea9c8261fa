//! A further process in a running container.

use crate::channel::{Channel, Said};
use crate::create::Trace;
use crate::ids::IdMaps;
use crate::init::{self, Become};
use crate::resctrl::Class;
use crate::seccomp::{Announced, Listener};
use crate::shared_mounts::SharedRoot;
use crate::{ExecError, Failure, Stdio, process, scheduling, seccomp};
use bundle::config_file::OCI_VERSION;
use cgroup::Group;
use model::container::InitProcess;
use oci_spec::runtime::{Process, Spec};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use sys::clone::{Birth, Cloned};
use sys::namespace;

pub struct Exec<'a> {
    pub id: &'a str,
    pub bundle: &'a std::path::Path,
    pub init: InitProcess,
    pub process: &'a Process,
    /// The container's, for its filter of system calls.
    pub spec: &'a Spec,
    pub group: Group,
    /// Groups below it that the process joins instead, where any is named.
    pub below: &'a [cgroup::Below],
    pub stdio: Stdio,
    /// Descriptors from 3 on that the command inherits.
    pub preserve_fds: u32,
    /// Receives debug messages, in the new process too until that enters the container.
    pub trace: Option<Trace<'a>>,
}

/// A process that runs its program.
#[derive(Debug)]
pub struct Execed {
    pub pid: i32,
    pub start_ticks: u64,
    pub pidfd: OwnedFd,
    /// The near side of its terminal.
    pub terminal: Option<OwnedFd>,
}

/// Of each kind the container's, whether its own or its host's.
const ALL: u64 =
    namespace::MOUNT | namespace::UTS | namespace::IPC | namespace::PID | namespace::NETWORK | namespace::CGROUP;

/// Begins `process` in the container of `init`, as a child of the caller.
///
/// Two clones: the first enters the namespaces, but a pid namespace is only ever
/// entered by children, so it makes the second, a sibling of its own, and ends.
pub fn exec(mut request: Exec<'_>) -> Result<Execed, ExecError> {
    let handle = sys::pidfd::open_if_same(request.init.pid, request.init.start_ticks)
        .map_err(ExecError::system("open the container's init"))?
        .ok_or(ExecError::Ended)?;
    process::check(request.process).map_err(|error| ExecError::Process(Failure::new("exec", error.to_string())))?;
    request.stdio.protect_devices();
    if let Ok(Some(ids)) = IdMaps::of(request.spec) {
        request.stdio.give_to_root_of(&ids);
    }
    let filter = crate::seccomp::compile(request.spec).map_err(ExecError::Process)?;
    let last_capability = sys::credentials::last_capability();
    let place = Place::of(&request, handle)?;
    let listener = listener(&request).map_err(ExecError::Process)?;
    let class = Class::of(request.spec, request.id)?;
    let entry = if request.below.is_empty() {
        crate::group::entry_for_exec(&request.group, request.spec, request.init.pid)?
    } else {
        request.group.entry_below(request.below)?
    };
    let (mut ours, mut theirs) = Channel::pair().map_err(ExecError::system("make a socket pair"))?;
    let affinity = request.process.exec_cpu_affinity().as_ref();
    let trace = request.trace.unwrap_or(&|_| {});
    let birth = Birth {
        namespaces: 0,
        cgroup: entry.v2.as_ref().map(|dir| dir.as_fd()),
        sibling: false,
    };
    let middle = match sys::clone::clone(birth).map_err(ExecError::system("clone"))? {
        Cloned::Child => {
            drop(ours);
            let mut tasks = entry.v1_tasks;
            crate::create::close_others(
                &[
                    &[theirs.as_fd()],
                    &request.stdio.descriptors(),
                    &tasks.iter().map(|file| file.as_fd()).collect::<Vec<_>>(),
                    &place.descriptors().collect::<Vec<_>>(),
                    &listener.iter().map(|listener| listener.as_fd()).collect::<Vec<_>>(),
                ],
                request.preserve_fds,
            );
            let entered = scheduling::set_affinity(affinity.and_then(|affinity| affinity.initial().as_deref()))
                .inspect(|()| {
                    trace(&format!(
                        "nsexec container setup: affinity: {}",
                        scheduling::affinity_mask()
                    ));
                })
                .and_then(|()| init::join_cgroups(&mut tasks))
                .map(|()| scheduling::reset_affinity())
                .and_then(|()| scheduling::set_affinity(affinity.and_then(|it| it.cpu_affinity_final().as_deref())))
                .and_then(|()| place.enter());
            drop(place);
            match entered.and_then(|()| divide(&mut theirs, 0)) {
                Ok(()) => {}
                Err(failure) => {
                    theirs.say_failed(&failure);
                    sys::clone::exit_now(failure.code);
                }
            }
            let wanted = Become {
                process: request.process,
                spec: request.spec,
                user: init::user_of(request.process),
                groups: "",
                capabilities: process::capabilities(request.process, last_capability),
                last_capability,
                filter,
                listener,
                preserve_fds: request.preserve_fds,
                keyring: None,
                has_terminal: matches!(request.stdio, Stdio::Terminal { .. }),
            };
            let failure = match streams(request.stdio, &mut theirs).and_then(|()| wanted.prepared()) {
                Ok(wanted) => init::begin_program(wanted),
                Err(failure) => failure,
            };
            theirs.say_failed(&failure);
            sys::clone::exit_now(failure.code)
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop((theirs, request.stdio));
    let outcome = listen(&mut ours, class.as_ref());
    if let Ok(execed) = &outcome {
        trace(&format!("child process in init(): {}", execed.pid));
        trace("setns_init: about to exec");
    }
    let _ = sys::children::wait_for(middle);
    outcome
}

/// The listener of the container's filter, which this process gets as well. Its own
/// number is not known yet: the agent learns it from what is announced.
fn listener(request: &Exec<'_>) -> Result<Option<Listener>, Failure> {
    let Some(socket) = seccomp::connect(request.spec)? else {
        return Ok(None);
    };
    let state = serde_json::json!({
        "ociVersion": OCI_VERSION, "id": request.id, "status": "running", "pid": request.init.pid,
        "bundle": request.bundle, "annotations": request.spec.annotations(),
    });
    let announced = Announced {
        state: &state,
        pid: None,
    };
    Ok(Some(Listener::new(socket, request.spec, &announced)))
}

/// Where the new process is to be, worked out while the host's /proc is there.
struct Place {
    init: OwnedFd,
    namespaces: u64,
    has_own_users: bool,
    /// Init's root directory, where the mount namespace is not the container's own: its
    /// processes have another one than the namespace.
    root: Option<OwnedFd>,
    /// The shim is spared when memory runs out; what it begins is not.
    oom_score_adj: Option<i32>,
    /// Root of a user namespace may not lower it.
    only_raises_oom_score: bool,
}

impl Place {
    fn of(request: &Exec<'_>, init: OwnedFd) -> Result<Self, ExecError> {
        let pid = request.init.pid;
        // The kernel refuses a process that enters the user namespace it is in.
        let shared = |name| namespace::is_shared_with(pid, name).map_err(ExecError::system("look at the container"));
        let has_own_users = !shared("user")?;
        let mut namespaces = ALL;
        if has_own_users {
            namespaces |= namespace::USER;
        }
        if namespace::has_time() && !shared("time")? {
            namespaces |= namespace::TIME;
        }
        let shares_mounts = SharedRoot::of(request.spec, request.bundle).is_some();
        if shares_mounts && shared("mnt")? {
            namespaces &= !namespace::MOUNT;
        }
        let root = shares_mounts
            .then(|| std::fs::File::open(format!("/proc/{pid}/root")).map(OwnedFd::from))
            .transpose()
            .map_err(ExecError::system("open the container's root directory"))?;
        if root.is_some()
            && sys::pidfd::open_if_same(pid, request.init.start_ticks)
                .ok()
                .flatten()
                .is_none()
        {
            return Err(ExecError::Ended);
        }
        let of_container = request.spec.process().as_ref().and_then(Process::oom_score_adj);
        Ok(Self {
            init,
            namespaces,
            has_own_users,
            root,
            oom_score_adj: request.process.oom_score_adj().or(of_container),
            only_raises_oom_score: !sys::user_namespace::is_initial(),
        })
    }

    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(&self.init)
            .chain(&self.root)
            .map(|handle| handle.as_fd())
    }

    fn enter(&self) -> Result<(), Failure> {
        if let Some(score) = self.oom_score_adj {
            match sys::session::set_oom_score_adj(score) {
                Err(error) if self.only_raises_oom_score && error.kind() == std::io::ErrorKind::PermissionDenied => {}
                outcome => outcome.map_err(Failure::io("oom", "cannot set oom_score_adj"))?,
            }
        }
        // Also keeps processes of the container from looking into this one.
        let _ = sys::credentials::hide();
        namespace::enter_those_of(&self.init, self.namespaces)
            .map_err(Failure::io("namespace", "cannot enter the container"))?;
        if let Some(root) = &self.root {
            sys::mount::change_root(root).map_err(Failure::io("rootfs", "cannot change the root directory"))?;
        }
        if self.has_own_users {
            sys::credentials::become_root().map_err(Failure::io(
                "user",
                "cannot become root of the container's user namespace",
            ))?;
            let _ = sys::credentials::hide();
        }
        Ok(())
    }
}

fn listen(channel: &mut Channel, class: Option<&Class>) -> Result<Execed, ExecError> {
    fn hear(channel: &mut Channel) -> Result<Said, ExecError> {
        channel.listen().map_err(ExecError::system("hear from the new process"))
    }
    let pid = match hear(channel)? {
        Said::Pid(pid) => pid,
        Said::Failed(failure) => return Err(ExecError::Process(failure)),
        Said::Nothing | Said::Ready | Said::Prepared | Said::Terminal(_) | Said::Root(_) => {
            return Err(ExecError::Ended);
        }
    };
    // Not reaped yet, so the number still means it.
    let pidfd = sys::pidfd::open(pid).map_err(ExecError::system("open the new process"))?;
    let start_ticks = sys::pidfd::start_ticks(pid).map_err(ExecError::system("read the new process's start time"))?;
    if let Some(Err(error)) = class.map(|class| class.add(pid)) {
        let _ = sys::pidfd::send_signal(&pidfd, 9);
        let _ = sys::children::wait_for(pid);
        return Err(error.into());
    }
    // Only now it may speak, or its words would come before its number.
    channel.go().map_err(ExecError::system("reach the new process"))?;
    let mut terminal = None;
    let failure = loop {
        match hear(channel)? {
            Said::Terminal(master) => terminal = Some(master),
            Said::Ready | Said::Prepared | Said::Pid(_) | Said::Root(_) => {}
            Said::Failed(failure) => break Some(failure),
            Said::Nothing => break crate::start::ended_before_program(pid),
        }
    };
    if let Some(failure) = failure {
        let _ = sys::children::wait_for(pid);
        return Err(ExecError::Process(failure));
    }
    Ok(Execed {
        pid,
        start_ticks,
        pidfd,
        terminal,
    })
}

/// Goes on as a child, in the pid namespace that was entered and in new `namespaces`;
/// the process that was here tells its number and ends.
pub(crate) fn divide(channel: &mut Channel, namespaces: u64) -> Result<(), Failure> {
    let birth = Birth {
        namespaces,
        sibling: true,
        ..Birth::default()
    };
    match sys::clone::clone(birth).map_err(Failure::io("clone", "cannot clone"))? {
        Cloned::Child => {
            if !channel.wait() {
                sys::clone::exit_now(crate::error::NOT_STARTED);
            }
            sys::session::leave().map_err(Failure::io("session", "cannot begin a session"))
        }
        Cloned::Parent { pid, .. } => {
            let told = channel.say_pid(pid);
            sys::clone::exit_now(i32::from(told.is_err()))
        }
    }
}

fn streams(stdio: Stdio, channel: &mut Channel) -> Result<(), Failure> {
    let failed = |what: &'static str| Failure::io("terminal", what);
    let root = std::fs::File::open("/").map_err(failed("cannot open `/`"))?;
    match stdio {
        Stdio::Given { stdin, stdout, stderr } => {
            sys::standard_streams::replace(&stdin, &stdout, &stderr)
                .map_err(failed("cannot set the standard streams"))?;
            init::use_own_null(root.as_fd());
        }
        Stdio::Terminal {
            rows,
            cols,
            keeps_line_ends,
        } => {
            let (master, _) = init::terminal_in(root.as_fd(), (rows, cols), keeps_line_ends)?;
            channel.send_terminal(master.as_fd()).map_err(failed("cannot report"))?;
        }
    }
    Ok(())
}
