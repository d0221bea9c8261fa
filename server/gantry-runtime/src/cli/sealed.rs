//! Running from where nobody can write to the program.
//!
//! A container reaches the program that enters it through `/proc/PID/exe`, and
//! could write to the host's file once that has ended (CVE-2019-5736). So what
//! enters containers runs from a read-only mount of its own file that is attached
//! nowhere, or where the kernel has none, from a sealed copy in memory, which takes
//! milliseconds to make. A server starts its shims from one copy for all.

use anyhow::{Context as _, Result};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

const SELF: &str = "/proc/self/exe";

/// Comes back only in a process that runs from such a place.
pub(super) fn ensure() -> Result<()> {
    let own = File::open(SELF).context("cannot open this program")?;
    if sys::sealed_file::is_sealed(&own) || sys::mount::is_read_only_file_mount(&own) {
        return Ok(());
    }
    let guarded = match read_only_mount() {
        Ok(mount) => mount,
        // An old kernel, or no right to mount.
        Err(_) => sealed_copy()?,
    };
    let path = CString::new(format!("/proc/self/fd/{}", guarded.as_raw_fd()))?;
    let arguments: Vec<CString> = std::env::args_os()
        .map(|argument| CString::new(argument.into_vec()))
        .collect::<Result<_, _>>()?;
    let environment: Vec<CString> = std::env::vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<_, _>>()?;
    Err(sys::program::execute(path, arguments, environment)).context("cannot run this program from a guarded place")
}

/// It is let go when its descriptor is closed by exec, and then cannot be changed.
fn read_only_mount() -> std::io::Result<OwnedFd> {
    let mount = sys::mount::copy_path_detached(Path::new(SELF), false)?;
    sys::mount::change(&mount, sys::mount::READ_ONLY, 0, false)?;
    Ok(mount)
}

fn sealed_copy() -> Result<OwnedFd> {
    let bytes = fs::read(SELF).context("cannot read this program")?;
    sys::sealed_file::sealed_copy("gantry-runtime", &bytes).context("cannot copy this program")
}
