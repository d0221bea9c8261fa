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

/// Memory of what was sent and the other side has not read yet; 0 when it has read all.
/// ioctl(2) `SIOCOUTQ`
pub fn unread_by_peer(stream: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes one int to the address given, which lives during the call.
    // SIOCOUTQ and TIOCOUTQ have the same number. sys/ioctl.h
    let done = unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or_default())
}

/// The user this process acts as. geteuid(2)
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn bytes_are_unread_until_the_peer_has_taken_the_last() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        assert_eq!(unread_by_peer(&near).unwrap(), 0);
        near.write_all(b"head").unwrap();
        far.read_exact(&mut [0; 3]).unwrap();
        assert_ne!(unread_by_peer(&near).unwrap(), 0);
        far.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(unread_by_peer(&near).unwrap(), 0);
    }

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
