//! Standard input, output and error of the calling process. dup2(2)

use crate::device::is_null;
use std::io;
use std::os::fd::AsFd;

/// Puts these in the place of the three, open across exec.
pub fn replace(stdin: impl AsFd, stdout: impl AsFd, stderr: impl AsFd) -> io::Result<()> {
    nix::unistd::dup2_stdin(&stdin)?;
    nix::unistd::dup2_stdout(&stdout)?;
    nix::unistd::dup2_stderr(&stderr)?;
    Ok(())
}

/// Whether one of the three is the null device.
pub fn has_null() -> bool {
    is_null(io::stdin()) || is_null(io::stdout()) || is_null(io::stderr())
}

/// Puts `null` in the place of each of the three that is the null device.
pub fn replace_null(null: impl AsFd) -> io::Result<()> {
    if is_null(io::stdin()) {
        nix::unistd::dup2_stdin(&null)?;
    }
    if is_null(io::stdout()) {
        nix::unistd::dup2_stdout(&null)?;
    }
    if is_null(io::stderr()) {
        nix::unistd::dup2_stderr(&null)?;
    }
    Ok(())
}

/// Makes `uid` the owner of those of the three that are anonymous pipes, so that the user
/// can open `/dev/stdout` and the like again. Device nodes, named FIFOs and regular files
/// belong to the host: their owner could change their mode, so they are left alone.
pub fn give_pipes_to(uid: u32) {
    crate::pipe::give_to(io::stdin(), uid, None);
    crate::pipe::give_to(io::stdout(), uid, None);
    crate::pipe::give_to(io::stderr(), uid, None);
}

/// Makes `uid` the owner of the terminal that all three are. fchown(2)
pub fn give_terminal_to(uid: u32) -> io::Result<()> {
    let owner = rustix::fs::Uid::from_raw(uid);
    Ok(rustix::fs::fchown(io::stdin(), Some(owner), None)?)
}
