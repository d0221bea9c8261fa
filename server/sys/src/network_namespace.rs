//! Network namespaces, entered by threads made for it: the namespace a thread is
//! in is the thread's own, so a thread that changed it is never used again.
//! network_namespaces(7)

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::thread;

/// Makes a network namespace and runs `work` inside it. The namespace lives on
/// while the descriptor, a process or a socket holds it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn within_new<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<(OwnedFd, T)> {
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok((current()?, work()))
    })
}

/// Runs `work` inside `namespace`.
pub fn within<T: Send>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_a_thread(|| {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        Ok(work())
    })
}

/// The network namespace of the calling thread.
pub fn current() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

fn on_a_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name("network-namespace".to_owned())
            .spawn_scoped(scope, work)?;
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
