//! Which files a `COPY` means, and what they are: found by descriptors below a root
//! they cannot lead out of, and told by content, not by time.

use super::failure::Failure;
use build::{Pattern, clean, is_pattern};
use sha2::{Digest as _, Sha256};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree};

/// Deeper trees are refused: each level holds a descriptor.
const MOST_DEEP: usize = 400;
/// Attributes that are copied and count; others are the host's business.
const XATTRS: [&str; 2] = ["security.capability", "user."];

/// Something to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// From the root it was found in; relative.
    pub(super) path: PathBuf,
    /// What of the path is kept by `--parents`.
    pub(super) kept: PathBuf,
    pub(super) is_dir: bool,
}

/// What `--exclude` leaves out.
#[derive(Debug, Clone, Default)]
pub(super) struct Exclude(Vec<Pattern>);

impl Exclude {
    pub(super) fn new(texts: &[String]) -> Result<Self, Failure> {
        let patterns = texts
            .iter()
            .map(|text| Pattern::new(text).map_err(|error| Failure::mistake(error.to_string())));
        patterns.collect::<Result<_, _>>().map(Self)
    }

    /// `path` from what is copied, `whole` from the root it is in.
    pub(super) fn leaves_out(&self, path: &Path, whole: &Path) -> bool {
        let fits = |path: &Path| {
            let text = path.to_string_lossy();
            self.0.iter().any(|pattern| pattern.matches_or_holds(&text))
        };
        !self.0.is_empty() && (fits(path) || fits(whole))
    }
}

/// What the sources mean in `root`, in their order and each pattern's by name.
///
/// # Errors
/// A source that is not there, or patterns that all fit nothing.
pub(super) fn choose(root: &OwnedFd, sources: &[String], parents: bool, place: &str) -> Result<Vec<Chosen>, Failure> {
    let mut chosen = Vec::new();
    for source in sources {
        let (before, source) = match source.split_once("/./").filter(|_| parents) {
            Some((before, after)) => (clean(before), after),
            None => (String::new(), source.as_str()),
        };
        let whole = if before.is_empty() {
            clean(source)
        } else {
            clean(&format!("{before}/{source}"))
        };
        let paths = if is_pattern(&whole) {
            matching(root, &whole, parents).map_err(|error| unreadable(source, place, &error))?
        } else {
            vec![PathBuf::from(&whole)]
        };
        for path in paths {
            let status = find(root, &path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Failure::mistake(format!(
                    "`{source}` is not in {place}; check the path, and whether .dockerignore leaves it out"
                )),
                _ => unreadable(source, place, &error),
            })?;
            chosen.push(Chosen {
                kept: path.strip_prefix(&before).unwrap_or(&path).to_owned(),
                is_dir: status.kind == Kind::Directory,
                path,
            });
        }
    }
    if chosen.is_empty() && !sources.is_empty() {
        return Err(Failure::mistake(format!(
            "nothing in {place} fits {}; check the patterns, and whether .dockerignore leaves it out",
            sources
                .iter()
                .map(|source| format!("`{source}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )));
    }
    Ok(chosen)
}

fn unreadable(source: &str, place: &str, error: &io::Error) -> Failure {
    Failure::mistake(format!("`{source}` in {place} cannot be read: {error}"))
}

/// Of what the path leads to; links are followed inside the root.
pub(super) fn find(root: &OwnedFd, path: &Path) -> io::Result<Status> {
    sys::tree::status_of(sys::beneath::find(root, path)?)
}

pub(super) fn open_tree(root: &OwnedFd, path: &Path) -> io::Result<Tree> {
    sys::beneath::open_dir(root, path).map(Tree::from_dir)
}

pub(super) fn open_file(root: BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    sys::tree::reopen_file(sys::beneath::find(root, path)?)
}

/// Name by name; `**` reaches over any number of them, with `--parents` only.
fn matching(root: &OwnedFd, pattern: &str, deep: bool) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::new()];
    let mut names = pattern.split('/');
    while let Some(name) = names.next() {
        if deep && name == "**" {
            let rest: Vec<&str> = names.collect();
            let whole = Pattern::new(&format!("**/{}", rest.join("/"))).map_err(io::Error::other)?;
            let mut all = Vec::new();
            for dir in &found {
                everything(root, dir, dir, &whole, &mut all, 0)?;
            }
            return Ok(all);
        }
        let mut next = Vec::new();
        if !is_pattern(name) {
            next.extend(
                found
                    .iter()
                    .map(|dir| dir.join(name))
                    .filter(|path| find(root, path).is_ok()),
            );
        } else {
            let pattern = Pattern::new(name).map_err(|error| io::Error::other(error.to_string()))?;
            for dir in &found {
                let Ok(tree) = open_tree(root, dir) else { continue };
                let fitting = tree
                    .names()?
                    .into_iter()
                    .filter(|name| pattern.matches(&name.to_string_lossy()));
                next.extend(fitting.map(|name| dir.join(name)));
            }
        }
        found = next;
    }
    Ok(found)
}

fn everything(
    root: &OwnedFd,
    top: &Path,
    dir: &Path,
    pattern: &Pattern,
    all: &mut Vec<PathBuf>,
    depth: usize,
) -> io::Result<()> {
    if depth > MOST_DEEP {
        return Err(io::Error::other("directories are nested too deeply"));
    }
    let tree = open_tree(root, dir)?;
    for name in tree.names()? {
        let path = dir.join(&name);
        let is_dir = tree.find(&name)?.is_some_and(|status| status.kind == Kind::Directory);
        let relative = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
        if pattern.matches(&relative) {
            all.push(path);
        } else if is_dir {
            everything(root, top, &path, pattern, all, depth + 1)?;
        }
    }
    Ok(())
}

/// The content of what was chosen, with names, modes and owners, without times.
pub(super) fn digest(root: &OwnedFd, chosen: &[Chosen], parents: bool, exclude: &Exclude) -> io::Result<String> {
    let mut hash = Hash(Sha256::new());
    for one in chosen {
        if parents {
            hash.part(one.kept.as_os_str().as_bytes());
        }
        if one.is_dir {
            let tree = open_tree(root, &one.path)?;
            if parents {
                hash.status(&tree.status()?);
            }
            hash.part("dir");
            hash_dir(&mut hash, &tree, Path::new(""), &one.path, exclude, 0)?;
        } else {
            let name = one.path.file_name().unwrap_or_default();
            if exclude.leaves_out(Path::new(name), &one.path) {
                continue;
            }
            hash.part("file");
            hash.part(name.as_bytes());
            let handle = sys::beneath::find(root, &one.path)?;
            let status = sys::tree::status_of(&handle)?;
            hash.status(&status);
            if status.kind == Kind::File {
                let file = sys::tree::reopen_file(&handle)?;
                hash.file(file)?;
            }
        }
    }
    Ok(hash.finish())
}

fn hash_dir(
    hash: &mut Hash,
    dir: &Tree,
    below: &Path,
    whole: &Path,
    exclude: &Exclude,
    depth: usize,
) -> io::Result<()> {
    if depth > MOST_DEEP {
        return Err(io::Error::other("directories are nested too deeply"));
    }
    for name in dir.names()? {
        let (path, whole) = (below.join(&name), whole.join(&name));
        let Some(status) = dir.find(&name)? else { continue };
        if exclude.leaves_out(&path, &whole) {
            continue;
        }
        hash.part(path.as_os_str().as_bytes());
        hash.status(&status);
        match status.kind {
            Kind::Directory => hash_dir(hash, &dir.open_dir(&name)?, &path, &whole, exclude, depth + 1)?,
            Kind::File => hash.file(dir.open_file(&name)?)?,
            Kind::Symlink => hash.part(dir.read_link(&name)?.as_bytes()),
            Kind::Fifo | Kind::Socket | Kind::Character { .. } | Kind::Block { .. } => {}
        }
    }
    Ok(())
}

struct Hash(Sha256);

impl Hash {
    fn part(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn status(&mut self, status: &Status) {
        // The size of a directory is the file system's own affair.
        let size = if status.kind == Kind::File {
            status.size_bytes
        } else {
            0
        };
        let mode = if status.kind == Kind::Symlink { 0 } else { status.mode };
        self.part(format!(
            "{:?} {mode:o} {} {} {size}",
            status.kind, status.uid, status.gid
        ));
    }

    fn file(&mut self, mut file: File) -> io::Result<()> {
        for (name, value) in kept_xattrs(&file)? {
            self.part(name.as_bytes());
            self.part(value);
        }
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.0.update(&buffer[..count]);
        }
    }

    fn finish(self) -> String {
        model::image::Digest::from_sha256(self.0.finalize().into())
            .hex()
            .to_owned()
    }
}

/// Those that a copy keeps.
pub(super) fn kept_xattrs(file: &File) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let all = sys::tree::xattrs(file.as_fd())?;
    let is_kept = |name: &OsString| {
        XATTRS
            .iter()
            .any(|prefix| name.as_bytes().starts_with(prefix.as_bytes()))
    };
    Ok(all.into_iter().filter(|(name, _)| is_kept(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn tree(paths: &[&str]) -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.file_name().unwrap().as_bytes()).unwrap();
        }
        let root = File::open(dir.path()).unwrap().into();
        (dir, root)
    }

    fn names(root: &OwnedFd, sources: &[&str], parents: bool) -> Result<Vec<String>, String> {
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        let chosen = choose(root, &sources, parents, "the context").map_err(|failure| failure.message())?;
        Ok(chosen
            .iter()
            .map(|one| one.kept.to_string_lossy().into_owned())
            .collect())
    }

    #[test]
    fn patterns_choose_by_name_and_what_fits_nothing_is_told() {
        let (_dir, root) = tree(&["a.txt", "b.txt", "c.md", "s/a.txt", "s/t/b.txt"]);
        assert_eq!(names(&root, &["*.txt"], false).unwrap(), ["a.txt", "b.txt"]);
        assert_eq!(names(&root, &["/s/*.txt", "c.md"], false).unwrap(), ["s/a.txt", "c.md"]);
        assert_eq!(
            names(&root, &["**/*.txt"], true).unwrap(),
            ["a.txt", "b.txt", "s/a.txt", "s/t/b.txt"]
        );
        assert_eq!(names(&root, &["s/./t/b.txt"], true).unwrap(), ["t/b.txt"]);
        assert_eq!(names(&root, &["c.md", "*.none"], false).unwrap(), ["c.md"]);
        assert!(names(&root, &["*.none"], false).unwrap_err().contains(".dockerignore"));
        assert!(
            names(&root, &["none"], false)
                .unwrap_err()
                .contains("`none` is not in the context")
        );
        assert_eq!(names(&root, &["../../a.txt"], false).unwrap(), ["a.txt"]);
    }

    #[test]
    fn a_link_leads_nowhere_outside() {
        let (dir, root) = tree(&["in"]);
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        symlink("../../../in", dir.path().join("up")).unwrap();
        assert!(names(&root, &["out"], false).is_err());
        assert_eq!(names(&root, &["up"], false).unwrap(), ["up"]);
    }

    #[test]
    fn content_and_mode_count_and_times_do_not() {
        let (dir, root) = tree(&["d/a", "d/b"]);
        let of = |exclude: &[&str]| {
            let exclude: Vec<String> = exclude.iter().map(|text| (*text).to_owned()).collect();
            let chosen = choose(&root, &["d".to_owned()], false, "x").unwrap();
            digest(&root, &chosen, false, &Exclude::new(&exclude).unwrap()).unwrap()
        };
        let (first, without) = (of(&[]), of(&["b"]));
        assert_ne!(first, without);
        fs::write(dir.path().join("d/a"), "a").unwrap();
        assert_eq!(of(&[]), first);
        fs::write(dir.path().join("d/b"), "other").unwrap();
        assert_ne!(of(&[]), first);
        assert_eq!(of(&["b"]), without);
        fs::set_permissions(dir.path().join("d/a"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_ne!(of(&["b"]), without);
    }
}
