//! A process that stands alone: its own session, foster parent of orphans, last to
//! be killed for want of memory. credentials(7), prctl(2), proc(5).

use rustix::process::{getpid, set_child_subreaper, setsid};
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

/// Leaves the caller's session and terminal; nothing happens to a process that
/// already leads one. setsid(2)
pub fn leave() -> io::Result<()> {
    match setsid() {
        Ok(_) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes over the standard input, which becomes /dev/null, so that it is closed
/// when the returned descriptor is.
pub fn take_stdin() -> io::Result<OwnedFd> {
    let taken = io::stdin().as_fd().try_clone_to_owned()?;
    let null = fs::File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    Ok(taken)
}

/// Orphaned descendants become this process's children. `PR_SET_CHILD_SUBREAPER`
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// From -1000 (never killed for want of memory) to 1000 (first).
/// /proc/self/oom_score_adj, proc(5)
pub fn set_oom_score_adj(score: i32) -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", score.to_string())
}

/// The same of another process.
pub fn set_oom_score_adj_of(pid: i32, score: i32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string())
}

/// Names this boot of the host: pids and start times of another one mean nothing.
/// /proc/sys/kernel/random/boot_id, random(4)
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
