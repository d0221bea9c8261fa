//! Making a container: everything up to the moment before its command begins.

use crate::channel::{Channel, Said};
use crate::hooks::HookError;
use crate::init::{self, Init};
use crate::plan::Namespaces;
use crate::seccomp::Filter;
use crate::{CreateError, Failure, StartError};
use cgroup::Group;
use model::container::InitProcess;
use oci_spec::runtime::{Process, Spec};
use std::os::fd::{AsFd as _, OwnedFd};
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
    /// Made here, with the limits of the spec; nobody else may be using it.
    pub group: Group,
    pub gate: Gate,
    pub no_pivot: bool,
    pub no_new_keyring: bool,
    /// Descriptors from 3 on that the command inherits.
    pub preserve_fds: u32,
    /// Run in the caller's namespaces when the container's are made, before init
    /// runs the hooks that are its own.
    pub runtime_hooks: Option<RuntimeHooks<'a>>,
}

/// Is told who init is.
pub type RuntimeHooks<'a> = &'a dyn Fn(InitProcess) -> Result<(), HookError>;

/// Where the root filesystem comes from.
#[derive(Debug, Clone)]
pub enum Rootfs {
    /// `root.path` of the spec.
    Directory,
    /// Mounted for this container alone, and seen in no other mount namespace.
    Overlay {
        /// Topmost first.
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
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
    Terminal { rows: u16, cols: u16 },
}

/// What init waits for before its command begins.
#[derive(Debug, Clone)]
pub enum Gate {
    /// [`Created::start`], by the process that created it.
    Pipe,
    /// A byte that somebody writes into this FIFO.
    Fifo(PathBuf),
}

/// A container whose command has not begun.
#[derive(Debug)]
pub struct Created {
    pub init: InitProcess,
    pub pidfd: OwnedFd,
    /// The near side of its terminal.
    pub terminal: Option<OwnedFd>,
    channel: Channel,
}

/// Creates a container. On failure init is gone and reaped, and so is the cgroup,
/// unless it was somebody else's.
pub fn create(mut request: Create<'_>) -> Result<Created, CreateError> {
    let process = request
        .spec
        .process()
        .as_ref()
        .ok_or_else(|| CreateError::Bundle("it has no process".to_owned()))?;
    let namespaces = Namespaces::of(request.spec, request.network_namespace.take())?;
    if !namespaces.has_new(sys::namespace::MOUNT) {
        return Err(CreateError::Bundle("it needs a mount namespace of its own".to_owned()));
    }
    let root = match &request.rootfs {
        Rootfs::Directory => None,
        Rootfs::Overlay {
            lower,
            upper,
            work,
            options,
        } => Some(
            sys::overlay::mount_detached(sys::overlay::Layers {
                lower,
                upper: Some((upper, work)),
                options,
            })
            .map_err(CreateError::system("mount the overlay of the root filesystem"))?,
        ),
    };
    let filter = crate::seccomp::compile(request.spec).map_err(CreateError::Init)?;
    crate::group::make(&request.group, request.spec)?;
    let group = request.group.clone();
    begin(request, process, namespaces, root, filter).inspect_err(|_| crate::group::unmake(&group))
}

/// Clones init and waits until it is ready.
fn begin(
    request: Create<'_>,
    process: &Process,
    namespaces: Namespaces,
    root: Option<OwnedFd>,
    filter: Option<Filter>,
) -> Result<Created, CreateError> {
    let entry = request.group.entry()?;
    let (mut ours, theirs) = Channel::pair().map_err(CreateError::system("make a socket pair"))?;
    let birth = Birth {
        // The cgroup namespace is made later, when init sits in its cgroup.
        namespaces: namespaces.new & !sys::namespace::CGROUP,
        cgroup: entry.v2.as_ref().map(|dir| dir.as_fd()),
        sibling: false,
    };
    let (pid, pidfd) = match sys::clone::clone(birth).map_err(CreateError::system("clone init"))? {
        Cloned::Child => {
            drop(ours);
            init::run(Init {
                id: request.id,
                spec: request.spec,
                process,
                bundle: request.bundle,
                root,
                stdio: request.stdio,
                namespaces,
                tasks: entry.v1_tasks,
                filter,
                gate: request.gate,
                no_pivot: request.no_pivot,
                keyring: (!request.no_new_keyring).then_some(request.id),
                preserve_fds: request.preserve_fds,
                waits_for_hooks: request.runtime_hooks.is_some(),
                channel: Some(theirs),
            })
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop(theirs);
    let undo = |error| {
        let _ = sys::pidfd::send_signal(&pidfd, 9);
        let _ = sys::children::wait_for(pid);
        error
    };
    let start_ticks = sys::pidfd::start_ticks(pid)
        .map_err(CreateError::system("read init's start time"))
        .map_err(undo)?;
    let init = InitProcess { pid, start_ticks };
    let hear = |channel: &mut Channel| channel.listen().map_err(CreateError::system("hear from init"));
    let mut said = hear(&mut ours).map_err(undo)?;
    if let (Said::Prepared, Some(hooks)) = (&said, request.runtime_hooks) {
        hooks(init).map_err(|error| undo(error.into()))?;
        ours.go().map_err(CreateError::system("reach init")).map_err(undo)?;
        said = hear(&mut ours).map_err(undo)?;
    }
    match said {
        Said::Ready(terminal) => Ok(Created {
            init,
            pidfd,
            terminal,
            channel: ours,
        }),
        Said::Failed(failure) => Err(undo(CreateError::Init(failure))),
        Said::Nothing | Said::Pid(_) | Said::Prepared => Err(undo(CreateError::Vanished)),
    }
}

impl Created {
    /// Lets the command begin; comes back when its program runs or did not.
    ///
    /// # Errors
    /// With the exit code 126, 127 or 128. Init has ended then, and is not reaped.
    pub fn start(&mut self) -> Result<(), StartError> {
        let lost =
            |error: std::io::Error| StartError::from(Failure::new("start", format!("init cannot be reached: {error}")));
        self.channel.go().map_err(lost)?;
        match self.channel.listen().map_err(lost)? {
            Said::Failed(failure) => Err(failure.into()),
            Said::Nothing | Said::Ready(_) | Said::Pid(_) | Said::Prepared => Ok(()),
        }
    }
}
