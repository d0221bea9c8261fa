//! Unix sockets named below a directory handle, since a full path can be longer
//! than the 107 bytes a socket's name may have. unix(7)

use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

/// `name` below `dir` as a path that is short however deep the directory lies.
fn below(dir: BorrowedFd<'_>, name: &str) -> PathBuf {
    let mut path = String::from("/proc/self/fd/");
    let _ = write!(path, "{}/{name}", dir.as_raw_fd());
    path.into()
}

/// Listens at `name` in `dir`, mode 0600 from its first moment. Whatever bore the
/// name before is replaced.
///
/// The mode comes by way of the process's umask, which is changed for a moment.
pub fn listen_below(dir: impl AsFd, name: &str) -> io::Result<UnixListener> {
    let path = below(dir.as_fd(), name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&path);
    rustix::process::umask(before);
    listener
}

/// Connects to the socket `name` in `dir`.
pub fn connect_below(dir: impl AsFd, name: &str) -> io::Result<UnixStream> {
    UnixStream::connect(below(dir.as_fd(), name))
}

/// The user the other side ran as when it connected. `SO_PEERCRED`
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// The user this process acts as. geteuid(2)
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_socket_is_reached_below_a_path_longer_than_its_name_may_be() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let dir = File::open(&deep).unwrap();
        let listener = listen_below(&dir, "s").unwrap();
        assert_eq!(
            fs::metadata(deep.join("s")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let near = connect_below(&dir, "s").unwrap();
        let (far, _) = listener.accept().unwrap();
        assert_eq!(peer_uid(&far).unwrap(), own_uid());
        drop(near);
        assert!(listen_below(&dir, "s").is_ok(), "a name left over is taken again");
    }
}
