//! Paths that are not ours to trust, resolved below a directory that they cannot
//! leave: `..` and symbolic links are as in a changed root. openat2(2)

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

const RESOLVE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// Opens the directory that `path` means inside `root`.
pub fn open_dir(root: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    loop {
        match openat2(&root, inside(path), flags, Mode::empty(), RESOLVE) {
            // Something was renamed on the way; the kernel asks to try again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// Makes the directory `path` inside `root` with all its parents, and opens it.
/// What is there stays as it is; links on the way are followed.
pub fn make_dirs(root: impl AsFd, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let root = root.as_fd();
    let mut reached = PathBuf::new();
    let mut dir = open_dir(root, Path::new("/"))?;
    for component in path.components() {
        let Component::Normal(name) = component else {
            if component == Component::ParentDir {
                reached.pop();
                dir = open_dir(root, &reached)?;
            }
            continue;
        };
        reached.push(name);
        dir = match open_dir(root, &reached) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match mkdirat(&dir, name, Mode::from_raw_mode(mode)) {
                    Ok(()) | Err(Errno::EXIST) => open_dir(root, &reached)?,
                    Err(error) => return Err(error.into()),
                }
            }
            outcome => outcome?,
        };
    }
    Ok(dir)
}

/// `openat2` takes a path relative to the root; `.` is the root itself.
fn inside(path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        relative.to_owned()
    }
}

/// A handle of whatever `path` means inside `root`, for attaching mounts and for
/// looking at; not for reading. `O_PATH`
pub fn find(root: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    loop {
        match openat2(&root, inside(path), flags, Mode::empty(), RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// As [`find`], but a symbolic link anywhere in `path` is an error. `RESOLVE_NO_SYMLINKS`
pub fn find_without_links(root: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    loop {
        match openat2(
            &root,
            inside(path),
            flags,
            Mode::empty(),
            RESOLVE | ResolveFlags::NO_SYMLINKS,
        ) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// Whether a handle means a directory. fstat(2)
pub fn is_dir(handle: impl AsFd) -> io::Result<bool> {
    let found = rustix::fs::fstat(handle)?;
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Directory)
}

/// Writes to the file that `path` means inside `root`, all at once; links that the
/// kernel itself makes, such as `/proc/self`, are followed. openat2(2)
pub fn write(root: impl AsFd, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = openat2(root, inside(path), flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    io::Write::write_all(&mut std::fs::File::from(file), bytes)
}

/// Makes an empty file `path` inside `root` with its parents, unless something is
/// there, and gives a handle of what is.
pub fn make_file(root: impl AsFd, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let root = root.as_fd();
    match find(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return outcome,
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = make_dirs(root, parent, 0o755)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
    match rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(mode)) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    find(parent, Path::new(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    #[test]
    fn directories_are_made_inside_even_through_a_link_that_points_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink("/etc", root.join("link")).unwrap();
        symlink("../../..", root.join("up")).unwrap();
        let handle = File::open(&root).unwrap();
        make_dirs(&handle, Path::new("/link/a/b"), 0o755).unwrap();
        make_dirs(&handle, Path::new("/up/c"), 0o755).unwrap();
        assert!(root.join("etc/a/b").is_dir());
        assert!(root.join("c").is_dir());
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let handle = File::open(dir.path()).unwrap();
        assert!(make_dirs(&handle, Path::new("/file/x"), 0o755).is_err());
    }
}
