//! Standard input, output and error of the calling process. dup2(2)

use std::io;
use std::os::fd::AsFd;

/// Puts these in the place of the three, open across exec.
pub fn replace(stdin: impl AsFd, stdout: impl AsFd, stderr: impl AsFd) -> io::Result<()> {
    nix::unistd::dup2_stdin(&stdin)?;
    nix::unistd::dup2_stdout(&stdout)?;
    nix::unistd::dup2_stderr(&stderr)?;
    Ok(())
}

/// Makes `uid` the owner of the three, so that the user may open `/dev/stdout` and
/// the like again. What cannot have an owner is left alone.
pub fn give_to(uid: u32) {
    let owner = Some(rustix::fs::Uid::from_raw(uid));
    let _ = rustix::fs::fchown(io::stdin(), owner, None);
    let _ = rustix::fs::fchown(io::stdout(), owner, None);
    let _ = rustix::fs::fchown(io::stderr(), owner, None);
}
