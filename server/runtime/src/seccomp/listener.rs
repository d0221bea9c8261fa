//! Who answers the system calls that a filter announces. runtime-spec,
//! config-linux.md, "The Container Process State"; seccomp_unotify(2)

use crate::Failure;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSyscall, Spec};
use serde_json::{Value, json};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// An agent's socket, connected while the host's paths are there.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixStream,
    message: String,
}

/// Who the container process is, for the agent.
pub(crate) struct Announced<'a> {
    /// runtime-spec, runtime.md, "State"
    pub(crate) state: &'a Value,
    /// As the host numbers it.
    pub(crate) pid: Option<i32>,
}

fn announced(rule: &&LinuxSyscall) -> bool {
    rule.action() == LinuxSeccompAction::ScmpActNotify
}

/// Refuses what could never be answered.
pub(super) fn check(seccomp: &LinuxSeccomp) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::new("seccomp", why));
    if seccomp
        .listener_path()
        .as_ref()
        .is_none_or(|path| path.as_os_str().is_empty())
    {
        return refuse("the action `SCMP_ACT_NOTIFY` needs a listenerPath: the calls would wait for ever");
    }
    // The listener itself is handed over by this call, after the filter is in force.
    let rules = seccomp.syscalls().iter().flatten();
    if rules
        .filter(announced)
        .any(|rule| rule.names().iter().any(|name| name == "sendmsg"))
    {
        return refuse("`sendmsg` cannot be announced to a listener: by it the listener is handed over");
    }
    Ok(())
}

/// Reaches the agent that the spec names; `None` where nothing is announced.
pub(crate) fn connect(spec: &Spec) -> Result<Option<UnixStream>, Failure> {
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let announces = |it: &&LinuxSeccomp| it.syscalls().iter().flatten().any(|rule| announced(&rule));
    let Some(path) = seccomp.filter(announces).and_then(|it| it.listener_path().as_ref()) else {
        return Ok(None);
    };
    let reached = UnixStream::connect(path);
    // The wording is runc's, which people and test suites search for.
    let why = format!("failed to connect with seccomp agent at `{}`", path.display());
    Ok(Some(reached.map_err(Failure::io("seccomp", why))?))
}

impl Listener {
    pub(crate) fn new(socket: UnixStream, spec: &Spec, announced: &Announced<'_>) -> Self {
        let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
        let metadata = seccomp.and_then(|it| it.listener_metadata().as_deref());
        let message = json!({
            "ociVersion": announced.state["ociVersion"],
            "fds": ["seccompFd"],
            "pid": announced.pid,
            "metadata": metadata.unwrap_or_default(),
            "state": announced.state,
        });
        Self {
            socket,
            message: message.to_string(),
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn hand_over(&self, announcements: &OwnedFd) -> io::Result<()> {
        let sent = sys::fd_passing::send(&self.socket, self.message.as_bytes(), &[announcements.as_fd()])?;
        if sent == self.message.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}
