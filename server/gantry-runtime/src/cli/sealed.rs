//! Running from a copy that nobody can write to.
//!
//! A container reaches the program that enters it through `/proc/PID/exe`, and
//! could write to the host's file once that has ended (CVE-2019-5736). So what
//! enters containers runs from a sealed copy in memory. A server starts its shims
//! from one; the command line makes its own.

use anyhow::{Context as _, Result};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

const SELF: &str = "/proc/self/exe";

/// Comes back only in a process that runs from a sealed copy.
pub(super) fn ensure() -> Result<()> {
    let own = File::open(SELF).context("cannot open this program")?;
    if sys::sealed_file::is_sealed(&own) {
        return Ok(());
    }
    let bytes = fs::read(SELF).context("cannot read this program")?;
    let copy = sys::sealed_file::sealed_copy("gantry-runtime", &bytes).context("cannot copy this program")?;
    let path = CString::new(format!("/proc/self/fd/{}", copy.as_raw_fd()))?;
    let arguments: Vec<CString> = std::env::args_os()
        .map(|argument| CString::new(argument.into_vec()))
        .collect::<Result<_, _>>()?;
    let environment: Vec<CString> = std::env::vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<_, _>>()?;
    Err(sys::program::execute(&path, &arguments, &environment)).context("cannot run the sealed copy of this program")
}
