//! The last steps, in the order that is possible: limits, user and capabilities, working
//! directory, filter, program.
//!
//! A filter of system calls may be older than the calls that this code makes. So all that
//! can be done before it is loaded is done before: after it there is execve(2), where the
//! process waits for its start also read(2), write(2) and capset(2), and the hooks that
//! belong inside.

use crate::Failure;
use crate::error::NOT_FOUND;
use crate::init::program::Candidates;
use crate::process::Rlimit;
use crate::seccomp::{Filter, Listener};
use crate::user::{self, Identity};
use oci_spec::runtime::{Process, Spec};
use std::io;
use sys::beneath;
use sys::credentials::{self, Capabilities};

/// What a process is to become.
pub(crate) struct Become<'a> {
    pub(crate) process: &'a Process,
    /// The container's.
    pub(crate) spec: &'a Spec,
    /// A user by name instead of the numbers in `process`.
    pub(crate) user: Option<&'a str>,
    /// Further groups by name or number, separated by commas.
    pub(crate) groups: &'a str,
    pub(crate) capabilities: Capabilities,
    pub(crate) last_capability: u32,
    pub(crate) filter: Option<Filter>,
    pub(crate) listener: Option<Listener>,
    pub(crate) preserve_fds: u32,
    pub(crate) keyring: Option<&'a str>,
    /// The standard streams are a terminal that was made for this process.
    pub(crate) has_terminal: bool,
}

impl Become<'_> {
    /// Checks early what can be checked, so that it fails at creation.
    pub(crate) fn prepared(self) -> Result<Self, Failure> {
        // A container without a process is created all the same.
        let has_process = self.spec.process().is_some();
        if has_process && self.process.args().as_ref().is_none_or(Vec::is_empty) {
            return Err(Failure::new("exec", "there is no command; give one"));
        }
        raise_limits(self.process)?;
        crate::scheduling::apply_of_container(self.spec)?;
        Ok(self)
    }

    fn identity(&self) -> Result<Identity, Failure> {
        let user = self.process.user();
        let mut additional = user.additional_gids().clone().unwrap_or_default();
        for group in self.groups.split(',').filter(|group| !group.is_empty()) {
            additional.push(user::resolve_group(group)?);
        }
        match self.user {
            Some(text) => user::resolve(text, &additional),
            None => Ok(Identity {
                uid: user.uid(),
                gid: user.gid(),
                groups: additional,
                home: user::home_of(user.uid()),
            }),
        }
    }
}

/// Those limits that need a right to be raised, which fails early thus; lowering them
/// now could hinder what comes before the program.
fn raise_limits(process: &Process) -> Result<(), Failure> {
    for limit in crate::process::rlimits(process) {
        let (soft, hard) = credentials::rlimit(limit.number).map_err(cannot_limit(&limit))?;
        if limit.hard > hard {
            credentials::set_rlimit(limit.number, soft, limit.hard).map_err(cannot_limit(&limit))?;
        }
    }
    Ok(())
}

fn cannot_limit(limit: &Rlimit) -> impl FnOnce(io::Error) -> Failure {
    let Rlimit { name, soft, hard, .. } = limit;
    Failure::io("rlimit", format!("cannot set {name} to {soft} (hard {hard})"))
}

/// Becomes the program; comes back only with the reason why not.
pub(crate) fn begin_program(wanted: Become<'_>) -> Failure {
    match prepare(wanted) {
        Ok(ready) => ready.execute(),
        Err(failure) => failure,
    }
}

/// A process that is all it is to be but for the filter and the program.
///
/// What is done once the filter is in force allocates, frees and closes nothing, unless it
/// fails: the system calls for that may be forbidden.
pub(crate) struct Ready {
    candidates: Candidates,
    filter: Option<Filter>,
    listener: Option<Listener>,
    is_filtered: bool,
    capabilities: Capabilities,
    /// CAP_SYS_ADMIN was kept to load the filter and is dropped after it.
    keeps_admin: bool,
}

impl Ready {
    /// Whether the filter can be in force while the process waits for its start, as it must
    /// be where others wait for the filter's listener.
    pub(crate) fn can_wait_filtered(&self) -> bool {
        let filter = self.filter.as_ref();
        filter.is_some_and(|filter| self.listener.is_some() || filter.allows_waiting(self.keeps_admin))
    }

    /// Loads the filter before the process has to wait, or to do something else inside it.
    pub(crate) fn load_filter_early(&mut self) -> Result<(), Failure> {
        if self.filter.is_none() || self.is_filtered {
            return Ok(());
        }
        self.load_filter()?;
        if !self.keeps_admin {
            return Ok(());
        }
        // What was kept for loading; execve alone would take it away as well.
        credentials::set_capabilities_of(self.capabilities)
            .map_err(|error| Failure::io("user", "cannot set the capabilities")(error))
    }

    fn load_filter(&mut self) -> Result<(), Failure> {
        match &self.filter {
            Some(filter) if !self.is_filtered => {
                filter.load(self.listener.as_ref()).map_err(cannot_load)?;
                self.is_filtered = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Loads the filter on a process that stays and has no listener. It executes nothing, so
    /// no_new_privs costs it nothing and loading needs no capability.
    pub(super) fn stay(&self) -> Result<(), Failure> {
        credentials::set_no_new_privileges().map_err(Failure::io("exec", "cannot set no_new_privs"))?;
        credentials::set_capabilities_of(self.capabilities)
            .map_err(Failure::io("user", "cannot set the capabilities"))?;
        let filter = self.filter.as_ref();
        filter.map_or(Ok(()), |filter| filter.load_without_listener().map_err(cannot_load))
    }

    /// Becomes the program; comes back only with the reason why not.
    pub(crate) fn execute(mut self) -> Failure {
        match self.load_filter() {
            Ok(()) => self.candidates.execute(),
            Err(failure) => failure,
        }
    }
}

fn cannot_load(error: io::Error) -> Failure {
    Failure::io("seccomp", "cannot load the filter of system calls")(error)
}

/// Does all that comes before the filter.
pub(crate) fn prepare(wanted: Become<'_>) -> Result<Ready, Failure> {
    let process = wanted.process;
    if let Some(name) = wanted.keyring {
        // Kernels without keyrings are fine.
        let _ = credentials::join_session_keyring(name);
    }
    crate::scheduling::apply(process)?;
    let identity = wanted.identity()?;
    if wanted.has_terminal {
        // Not possible where `/dev/pts` is shown from another user namespace.
        let _ = sys::standard_streams::give_terminal_to(identity.uid);
    } else {
        sys::standard_streams::give_pipes_to(identity.uid);
    }
    let cwd = process.cwd();
    let no_directory = || Failure::io("cwd", format!("cannot change to directory `{}`", cwd.display()));
    let mut is_there = cwd.as_os_str().is_empty();
    if !is_there {
        match beneath::enter(cwd) {
            Ok(()) => is_there = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure {
                    code: NOT_FOUND,
                    ..no_directory()(error)
                });
            }
            // The user may be allowed where root without capabilities is not.
            _ => {}
        }
    }
    credentials::set_umask(process.user().umask().unwrap_or(0o022));
    crate::labels::set_for_exec(process)?;
    let candidates = Candidates::of(process, identity.home.as_deref())?;
    for limit in crate::process::rlimits(process) {
        credentials::set_rlimit(limit.number, limit.soft, limit.hard).map_err(cannot_limit(&limit))?;
    }
    let mut capabilities = wanted.capabilities;
    if identity.uid != 0 {
        // Only what was asked to survive for others than root.
        capabilities.permitted = capabilities.ambient;
        capabilities.effective = capabilities.ambient;
    }
    let no_new_privileges = process.no_new_privileges().unwrap_or(false);
    // Without no_new_privs loading a filter needs it.
    let needs_admin = wanted.filter.is_some() && !no_new_privileges;
    credentials::become_user(
        identity.uid,
        identity.gid,
        &identity.groups,
        capabilities,
        if needs_admin { credentials::SYS_ADMIN } else { 0 },
        wanted.last_capability,
    )
    .map_err(Failure::io("user", format!("cannot become user {}", identity.uid)))?;
    if !is_there {
        beneath::enter(cwd).map_err(no_directory())?;
    }
    // A directory that was opened outside would be shown as not reachable.
    std::env::current_dir().map_err(Failure::io("cwd", "the working directory is not in the container"))?;
    sys::program::reset_signals();
    sys::program::close_from_on_exec(wanted.preserve_fds.saturating_add(3))
        .map_err(Failure::io("exec", "cannot close descriptors"))?;
    if no_new_privileges {
        credentials::set_no_new_privileges().map_err(Failure::io("exec", "cannot set no_new_privs"))?;
    }
    Ok(Ready {
        candidates,
        filter: wanted.filter,
        listener: wanted.listener,
        is_filtered: false,
        capabilities,
        keeps_admin: needs_admin,
    })
}
