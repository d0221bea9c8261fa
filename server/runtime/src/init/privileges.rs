//! The last steps, in the order that is possible: limits, filter, user and
//! capabilities, program.

use super::program;
use crate::Failure;
use crate::error::NOT_FOUND;
use crate::process::Rlimit;
use crate::seccomp::{Filter, Listener};
use crate::user::{self, Identity};
use oci_spec::runtime::{Process, Spec};
use std::ffi::CString;
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
    /// Whether a working directory that is missing is made, as for containers.
    pub(crate) makes_directory: bool,
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
    match prepare(&wanted) {
        Ok((arguments, environment)) => program::execute(&arguments, &environment),
        Err(failure) => failure,
    }
}

pub(super) fn prepare(wanted: &Become<'_>) -> Result<(Vec<CString>, Vec<CString>), Failure> {
    let process = wanted.process;
    if let Some(name) = wanted.keyring {
        // Kernels without keyrings are fine.
        let _ = credentials::join_session_keyring(name);
    }
    for limit in crate::process::rlimits(process) {
        credentials::set_rlimit(limit.number, limit.soft, limit.hard).map_err(cannot_limit(&limit))?;
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
    if !cwd.as_os_str().is_empty() {
        let failed = || Failure::io("cwd", format!("cannot change to directory `{}`", cwd.display()));
        match beneath::enter(cwd) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !wanted.makes_directory => {
                return Err(Failure {
                    code: NOT_FOUND,
                    ..failed()(error)
                });
            }
            // The specification leaves it open; runc makes it too, and images count on it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                beneath::make_dirs(beneath::own_root().map_err(failed())?, cwd, 0o755).map_err(failed())?;
                beneath::enter(cwd).map_err(failed())?;
            }
            // The user may be allowed where root without capabilities is not.
            _ => {}
        }
    }
    credentials::set_umask(process.user().umask().unwrap_or(0o022));
    crate::labels::set_for_exec(process)?;
    let no_new_privileges = process.no_new_privileges().unwrap_or(false);
    let load = |filter: &Filter| {
        filter
            .load(wanted.listener.as_ref())
            .map_err(Failure::io("seccomp", "cannot load the filter of system calls"))
    };
    if let Some(filter) = wanted.filter.as_ref().filter(|_| !no_new_privileges) {
        // Without no_new_privs loading needs a capability that goes next.
        load(filter)?;
    }
    let mut capabilities = wanted.capabilities;
    if identity.uid != 0 {
        // Only what was asked to survive for others than root.
        capabilities.permitted = capabilities.ambient;
        capabilities.effective = capabilities.ambient;
    }
    credentials::become_user(
        identity.uid,
        identity.gid,
        &identity.groups,
        capabilities,
        wanted.last_capability,
    )
    .map_err(Failure::io("user", format!("cannot become user {}", identity.uid)))?;
    if !cwd.as_os_str().is_empty() {
        beneath::enter(cwd).map_err(Failure::io(
            "cwd",
            format!("cannot change to directory `{}`", cwd.display()),
        ))?;
    }
    // A directory that was opened outside would be shown as not reachable.
    std::env::current_dir().map_err(Failure::io("cwd", "the working directory is not in the container"))?;
    sys::program::reset_signals();
    sys::program::close_from_on_exec(3 + wanted.preserve_fds)
        .map_err(Failure::io("exec", "cannot close descriptors"))?;
    let texts = |list: &Option<Vec<String>>| {
        list.iter()
            .flatten()
            .map(|text| CString::new(text.as_str()).map_err(|_| Failure::new("exec", "an argument holds a zero byte")))
            .collect::<Result<Vec<_>, _>>()
    };
    let arguments = texts(process.args())?;
    let mut environment = last_of_each(texts(process.env())?);
    if !environment
        .iter()
        .any(|variable| variable.to_bytes().starts_with(b"HOME="))
    {
        let home = identity.home.as_deref().filter(|home| !home.is_empty()).unwrap_or("/");
        environment.extend(CString::new(format!("HOME={home}")));
    }
    if no_new_privileges {
        credentials::set_no_new_privileges().map_err(Failure::io("exec", "cannot set no_new_privs"))?;
        if let Some(filter) = &wanted.filter {
            load(filter)?;
        }
    }
    Ok((arguments, environment))
}

/// Of variables that are set twice programs take the first or the last, as they
/// like: only the last one stays.
fn last_of_each(environment: Vec<CString>) -> Vec<CString> {
    let name = |variable: &CString| {
        variable
            .to_bytes()
            .split(|byte| *byte == b'=')
            .next()
            .map(<[u8]>::to_vec)
    };
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<CString> = environment
        .into_iter()
        .rev()
        .filter(|variable| seen.insert(name(variable)))
        .collect();
    kept.reverse();
    kept
}
