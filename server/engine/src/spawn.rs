//! Starts shims. Images made of packages are the only other reason to start a program.

use crate::error::{Doing, EngineError};
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Where the program of the shims comes from.
#[derive(Debug, Clone)]
pub enum RuntimeProgram {
    /// Carried by the server's own program.
    Embedded(&'static [u8]),
    /// A file, read once at the start.
    File(PathBuf),
}

/// The program of every shim: one sealed copy in memory, so that its pages are
/// shared, a container cannot write to it, and replacing the file on disk harms
/// nothing that runs.
#[derive(Debug)]
pub(crate) struct Program {
    copy: OwnedFd,
}

impl Program {
    pub(crate) fn load(program: &RuntimeProgram) -> Result<Self, EngineError> {
        let copy = match program {
            RuntimeProgram::Embedded(bytes) => sys::sealed_file::sealed_copy("gantry-runtime", bytes),
            RuntimeProgram::File(path) => {
                let bytes = fs::read(path).doing(|| format!("read the runtime `{}`", path.display()))?;
                sys::sealed_file::sealed_copy("gantry-runtime", &bytes)
            }
        };
        Ok(Self {
            copy: copy.doing(|| "make a sealed copy of the runtime in memory".to_owned())?,
        })
    }

    /// Starts a shim that hears us on `launch`. What it has to say when it cannot
    /// even speak the protocol goes to the file `complaints`.
    pub(crate) fn spawn_shim(&self, launch: UnixStream, complaints: &Path) -> Result<Child, EngineError> {
        let stderr = File::create(complaints).doing(|| format!("make `{}`", complaints.display()))?;
        // The child resolves the path before its descriptors are closed on exec.
        let path = format!("/proc/self/fd/{}", self.copy.as_raw_fd());
        let shim = Command::new(path)
            .arg0("gantry-runtime")
            .arg("shim")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(launch)))
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .doing(|| "start a shim".to_owned())?;
        // Containers have what the server was started with. It waits for us to speak first.
        if let Some(pid) = shim.id() {
            sys::descriptors::give_first_limit(pid).doing(|| "give a shim its limit of open files".to_owned())?;
        }
        Ok(shim)
    }
}
