//! Paths that are not ours to trust, resolved below a directory that they cannot
//! leave: `..` and symbolic links are as in a changed root. openat2(2)

use rustix::fs::{Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

const RESOLVE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// As many links as the kernel itself follows. path_resolution(7)
const MOST_LINKS: u32 = 40;

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
/// What is there stays as it is; links on the way are followed, also to where nothing
/// is yet.
pub fn make_dirs(root: impl AsFd, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    // Mostly it is there.
    match open_dir(&root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return outcome,
    }
    let mut walk = Walk::from(&root)?;
    walk.enter(path, mode)?;
    walk.finish()
}

/// The way from a root directory to a place inside it that may not be there yet. Each
/// directory is held open, so `..` goes back to one of them and never above the root.
struct Walk {
    /// The root, then each directory on the way.
    dirs: Vec<OwnedFd>,
    links: u32,
}

impl Walk {
    fn from(root: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            dirs: vec![open_dir(root, Path::new("/"))?],
            links: MOST_LINKS,
        })
    }

    fn last(&self) -> io::Result<BorrowedFd<'_>> {
        let last = self.dirs.last().ok_or(io::ErrorKind::NotFound)?;
        Ok(last.as_fd())
    }

    fn finish(mut self) -> io::Result<OwnedFd> {
        Ok(self.dirs.pop().ok_or(io::ErrorKind::NotFound)?)
    }

    /// Goes to `path`, from the root if it is absolute, and makes what is missing.
    fn enter(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        for component in path.components() {
            match component {
                Component::RootDir => self.dirs.truncate(1),
                Component::ParentDir if self.dirs.len() > 1 => drop(self.dirs.pop()),
                Component::Normal(name) => self.step(name, mode)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn step(&mut self, name: &OsStr, mode: u32) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW;
        loop {
            match openat(self.last()?, name, flags, Mode::empty()) {
                Ok(dir) => {
                    self.dirs.push(dir);
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOENT) => {
                    // Removed again by somebody else, as often as that may be.
                    self.count()?;
                    match mkdirat(self.last()?, name, Mode::from_raw_mode(mode)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(Errno::LOOP | Errno::NOTDIR) => match self.read_link(name)? {
                    Some(target) => return self.enter(&target, mode),
                    None => return Err(Errno::NOTDIR.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where the link `name` points; `None` when it is something else. The kernel's own
    /// links in `/proc` are no paths, and are refused.
    fn read_link(&mut self, name: &OsStr) -> io::Result<Option<PathBuf>> {
        self.count()?;
        match readlinkat(self.last()?, name, Vec::new()) {
            Ok(_) if crate::mount::is_proc(self.last()?)? => Err(Errno::LOOP.into()),
            Ok(target) => Ok(Some(PathBuf::from(OsStr::from_bytes(target.as_bytes())))),
            Err(Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn count(&mut self) -> io::Result<()> {
        self.links = self.links.checked_sub(1).ok_or(Errno::LOOP)?;
        Ok(())
    }
}

/// The root directory of this process.
pub fn own_root() -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/", flags, Mode::empty())?)
}

/// Makes the directory `root` the working directory. fchdir(2)
pub fn enter_root(root: impl AsFd) -> io::Result<()> {
    Ok(rustix::process::fchdir(root)?)
}

/// Makes `path` the working directory. No link of the kernel's own is followed, such as
/// `/proc/self/fd/5`: it could lead out of the root directory.
pub fn enter(path: &Path) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
    let root = own_root()?;
    let dir = loop {
        match openat2(&root, inside(path), flags, Mode::empty(), RESOLVE) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            outcome => break outcome?,
        }
    };
    Ok(rustix::process::fchdir(dir)?)
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

/// Opens what `path` means inside `root` for reading and writing; a symbolic link anywhere
/// in `path` is an error. It does not become the controlling terminal.
pub fn open_without_links(root: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY;
    let resolve = RESOLVE | ResolveFlags::NO_SYMLINKS;
    loop {
        match openat2(&root, inside(path), flags, Mode::empty(), resolve) {
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
/// there, and gives a handle of what is. Links are followed, also to where nothing is yet.
pub fn make_file(root: impl AsFd, path: &Path, mode: u32) -> io::Result<OwnedFd> {
    let root = root.as_fd();
    match find(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        outcome => return outcome,
    }
    let mut walk = Walk::from(root)?;
    let mut path = path.to_owned();
    loop {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        walk.enter(parent, 0o755)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::WRONLY;
        match openat(walk.last()?, name, flags, Mode::from_raw_mode(mode)) {
            Ok(_) => return find_without_links(walk.last()?, Path::new(name)),
            Err(Errno::EXIST) => match walk.read_link(name)? {
                Some(target) => path = target,
                None => return find_without_links(walk.last()?, Path::new(name)),
            },
            Err(Errno::INTR) => walk.count()?,
            Err(error) => return Err(error.into()),
        }
    }
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
    fn directories_are_made_where_links_to_nothing_point() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("var")).unwrap();
        symlink("/run", root.join("var/run")).unwrap();
        symlink("../../lib/x", root.join("var/lib")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let handle = File::open(&root).unwrap();
        make_dirs(&handle, Path::new("/var/run/a"), 0o755).unwrap();
        make_dirs(&handle, Path::new("/var/lib/b"), 0o755).unwrap();
        assert!(root.join("run/a").is_dir() && root.join("lib/x/b").is_dir());
        assert!(make_dirs(&handle, Path::new("/round/c"), 0o755).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_are_made_where_links_to_nothing_point() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for name in ["etc", "usr/lib", "real/deep"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let links = [
            ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
            ("etc/absolute", "/made/absolute"),
            ("etc/up", "../../../../../../../above"),
            ("etc/first", "second"),
            ("etc/second", "/usr/lib/third"),
            ("usr/lib/third", "../fourth"),
            ("short", "real/deep"),
            ("beside", "short/../of-real"),
        ];
        for (place, target) in links {
            symlink(target, root.join(place)).unwrap();
        }
        let handle = File::open(&root).unwrap();
        for (place, made) in [
            ("/etc/resolv.conf", "run/systemd/resolve/stub-resolv.conf"),
            ("etc/absolute", "made/absolute"),
            ("/etc/up", "above"),
            ("/etc/first", "usr/fourth"),
            // As the kernel has it: above what the link means.
            ("/beside", "real/of-real"),
            ("/short/../new", "real/new"),
        ] {
            let found = make_file(&handle, Path::new(place), 0o644).unwrap();
            assert!(!is_dir(&found).unwrap());
            assert!(root.join(made).is_file(), "{place}");
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "something was made outside"
        );
    }

    #[test]
    fn links_that_lead_to_no_place_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("file"), "").unwrap();
        for (place, target) in [
            ("loop", "loop"),
            ("one", "two"),
            ("two", "one"),
            ("through", "file/x"),
            ("dots", ".."),
        ] {
            symlink(target, root.join(place)).unwrap();
        }
        let handle = File::open(root).unwrap();
        for place in ["loop", "one", "through", "loop/x"] {
            assert!(make_file(&handle, Path::new(place), 0o644).is_err(), "{place}");
            assert!(make_dirs(&handle, Path::new(place), 0o755).is_err(), "{place}");
        }
        // A link to the root is what it means.
        assert!(is_dir(make_file(&handle, Path::new("dots"), 0o644).unwrap()).unwrap());
    }

    #[test]
    fn a_file_in_the_way_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let handle = File::open(dir.path()).unwrap();
        assert!(make_dirs(&handle, Path::new("/file/x"), 0o755).is_err());
    }
}
