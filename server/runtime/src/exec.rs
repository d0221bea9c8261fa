//! A further process in a running container.

use crate::channel::{Channel, Said};
use crate::init::{self, Become};
use crate::{ExecError, Failure, Stdio};
use cgroup::Group;
use model::container::InitProcess;
use oci_spec::runtime::{Process, Spec};
use std::os::fd::{AsFd as _, OwnedFd};
use sys::clone::{Birth, Cloned};
use sys::namespace;

pub struct Exec<'a> {
    pub init: InitProcess,
    pub process: &'a Process,
    /// The container's, for its filter of system calls.
    pub spec: &'a Spec,
    pub group: Group,
    pub stdio: Stdio,
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

const ALL: u64 =
    namespace::MOUNT | namespace::UTS | namespace::IPC | namespace::PID | namespace::NETWORK | namespace::CGROUP;

/// Begins `process` in the container of `init`, as a child of the caller.
///
/// Two clones: the first enters the namespaces, but a pid namespace is only ever
/// entered by children, so it makes the second, a sibling of its own, and ends.
pub fn exec(request: Exec<'_>) -> Result<Execed, ExecError> {
    let handle = sys::pidfd::open_if_same(request.init.pid, request.init.start_ticks)
        .map_err(ExecError::system("open the container's init"))?
        .ok_or(ExecError::Ended)?;
    let filter = crate::seccomp::compile(request.spec).map_err(ExecError::Process)?;
    let last_capability = sys::credentials::last_capability();
    let entry = request.group.entry()?;
    let (mut ours, mut theirs) = Channel::pair().map_err(ExecError::system("make a socket pair"))?;
    let birth = Birth {
        namespaces: 0,
        cgroup: entry.v2.as_ref().map(|dir| dir.as_fd()),
        sibling: false,
    };
    let middle = match sys::clone::clone(birth).map_err(ExecError::system("clone"))? {
        Cloned::Child => {
            drop(ours);
            let mut tasks = entry.v1_tasks;
            let entered = init::join_cgroups(&mut tasks).and_then(|()| enter(&handle));
            match entered.and_then(|()| divide(&mut theirs)) {
                Ok(()) => {}
                Err(failure) => {
                    theirs.say_failed(&failure);
                    sys::clone::exit_now(failure.code);
                }
            }
            let wanted = Become {
                process: request.process,
                user: init::user_of(request.process),
                groups: "",
                capabilities: crate::plan::capabilities(request.process, last_capability),
                last_capability,
                filter,
                preserve_fds: 0,
                keyring: None,
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
    let outcome = listen(&mut ours);
    let _ = sys::children::wait_for(middle);
    outcome
}

fn listen(channel: &mut Channel) -> Result<Execed, ExecError> {
    fn hear(channel: &mut Channel) -> Result<Said, ExecError> {
        channel.listen().map_err(ExecError::system("hear from the new process"))
    }
    let pid = match hear(channel)? {
        Said::Pid(pid) => pid,
        Said::Failed(failure) => return Err(ExecError::Process(failure)),
        Said::Nothing | Said::Ready(_) | Said::Prepared => return Err(ExecError::Ended),
    };
    // Not reaped yet, so the number still means it.
    let pidfd = sys::pidfd::open(pid).map_err(ExecError::system("open the new process"))?;
    let start_ticks = sys::pidfd::start_ticks(pid).map_err(ExecError::system("read the new process's start time"))?;
    // Only now it may speak, or its words would come before its number.
    channel.go().map_err(ExecError::system("reach the new process"))?;
    let terminal = match hear(channel)? {
        Said::Ready(terminal) => terminal,
        Said::Failed(failure) => {
            let _ = sys::children::wait_for(pid);
            return Err(ExecError::Process(failure));
        }
        Said::Nothing | Said::Pid(_) | Said::Prepared => None,
    };
    if let Said::Failed(failure) = hear(channel)? {
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

fn enter(init: &OwnedFd) -> Result<(), Failure> {
    // Also keeps processes of the container from looking into this one.
    let _ = sys::credentials::hide();
    // The shim is spared when memory runs out; what it begins is not.
    sys::session::set_oom_score_adj(0).map_err(Failure::io("oom", "cannot set oom_score_adj"))?;
    namespace::enter_those_of(init, ALL).map_err(Failure::io("namespace", "cannot enter the container"))
}

/// Goes on as a child in the pid namespace; the process that was here tells its
/// number and ends.
fn divide(channel: &mut Channel) -> Result<(), Failure> {
    let birth = Birth {
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
    let terminal = match stdio {
        Stdio::Given { stdin, stdout, stderr } => {
            sys::standard_streams::replace(&stdin, &stdout, &stderr)
                .map_err(failed("cannot set the standard streams"))?;
            None
        }
        Stdio::Terminal { rows, cols } => {
            let root = std::fs::File::open("/").map_err(failed("cannot open `/`"))?;
            Some(init::terminal_in(root.as_fd(), rows, cols)?.0)
        }
    };
    channel
        .say_ready(terminal.as_ref().map(|master| master.as_fd()))
        .map_err(failed("cannot report"))
}
