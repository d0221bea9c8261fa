//! Puts files into the root of a stage: parents are resolved inside it, owners, modes
//! and links are as asked for.

use super::failure::Failure;
use super::select::{Chosen, Exclude, find, kept_xattrs, open_tree};
use crate::error::{Doing as _, EngineError};
use build::{Mode, Owners};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use sys::tree::{Kind, Status, Tree};
use sys::unpack::{Attributes, Root, Special};
use tar::EntryType;
use tokio_util::sync::CancellationToken;

const MOST_DEEP: usize = 400;
const MOST_LINKS: usize = 40;
const MOST_ENTRIES: u64 = 2_000_000;

/// How files become those of the image.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    /// `None` keeps whose they are.
    pub(super) owner: Option<Owners>,
    pub(super) mode: Option<Mode>,
    /// Of what has no time of its own, in seconds; `None` is now.
    pub(super) time_s: Option<i64>,
}

/// The root of a stage, being changed.
pub(super) struct Placing<'a> {
    root: &'a OwnedFd,
    writer: Root,
    how: How,
    cancel: &'a CancellationToken,
    /// Files of several names, by where the first one went.
    links: HashMap<(u64, u64), PathBuf>,
}

impl<'a> Placing<'a> {
    /// `path` is `root`'s, by which it can be opened again.
    pub(super) fn new(
        root: &'a OwnedFd,
        path: &Path,
        how: How,
        cancel: &'a CancellationToken,
    ) -> Result<Self, Failure> {
        Ok(Self {
            writer: Root::open(path).doing(|| "open the files of a stage".to_owned())?,
            root,
            how,
            cancel,
            links: HashMap::new(),
        })
    }

    /// The directory and its parents are there afterwards. Those that are made get the mode
    /// asked for, as BuildKit has it since 0.21.
    pub(super) fn make_dir(&mut self, path: &Path) -> Result<(), Failure> {
        let mut reached = PathBuf::from("/");
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            reached.push(name);
            match find(self.root, &reached) {
                Ok(status) if status.kind == Kind::Directory => {}
                Ok(_) => {
                    return Err(Failure::mistake(format!(
                        "`{}` is there and is no directory; choose another path",
                        reached.display()
                    )));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let place = self.real_path(&reached)?;
                    let mode = self.how.mode.as_ref().map_or(0o755, |mode| mode.apply(0o755, true));
                    let attributes = self.made(mode);
                    self.writer
                        .directory(&place)
                        .and_then(|()| self.writer.finish_directory(&place, &attributes))
                        .map_err(|error| failed(&reached, error))?;
                }
                Err(error) => return Err(failed(&reached, error)),
            }
        }
        Ok(())
    }

    /// A file that is made of text.
    pub(super) fn write(&mut self, path: &Path, text: &[u8]) -> Result<(), Failure> {
        let place = self.place_of_file(path)?;
        let mode = self.how.mode.as_ref().map_or(0o644, |mode| mode.apply(0o644, false));
        let attributes = self.made(mode);
        self.writer
            .file(&place, &attributes, |file| file.write_all(text))
            .map_err(|error| failed(path, error))
    }

    /// A file that is downloaded or the like.
    pub(super) fn file(
        &mut self,
        path: &Path,
        mode: u32,
        time_s: Option<i64>,
        mut from: impl Read,
    ) -> Result<(), Failure> {
        let place = self.place_of_file(path)?;
        let mode = self.how.mode.as_ref().map_or(mode, |change| change.apply(mode, false));
        let mut attributes = self.made(mode);
        if let Some(time_s) = time_s {
            attributes.modified_s = time_s;
            attributes.modified_ns = 0;
        }
        self.writer
            .file(&place, &attributes, |file| io::copy(&mut from, file).map(drop))
            .map_err(|error| failed(path, error))
    }

    /// Whether `path` is a directory already, through links too.
    pub(super) fn is_dir(&self, path: &Path) -> bool {
        find(self.root, path).is_ok_and(|status| status.kind == Kind::Directory)
    }

    /// Copies one source to `destination`; `into` says that a file goes into it.
    pub(super) fn copy(
        &mut self,
        from: &OwnedFd,
        chosen: &Chosen,
        destination: &Path,
        into: bool,
        exclude: &Exclude,
    ) -> Result<(), Failure> {
        let name = chosen.path.file_name().unwrap_or_default();
        if chosen.is_dir {
            self.make_dir(destination)?;
            let source = open_tree(from, &chosen.path).map_err(|error| failed(&chosen.path, error))?;
            let place = self.real_path(destination)?;
            return self.copy_dir(&source, &place, Path::new(""), &chosen.path, exclude, 0);
        }
        if exclude.leaves_out(Path::new(name), &chosen.path) {
            return Ok(());
        }
        let target = if into {
            destination.join(name)
        } else {
            destination.to_owned()
        };
        let place = self.place_of_file(&target)?;
        // What a link leads to is copied, inside the root it is in.
        let handle = sys::beneath::find(from, &chosen.path).map_err(|error| failed(&chosen.path, error))?;
        let status = sys::tree::status_of(&handle).map_err(|error| failed(&chosen.path, error))?;
        if status.kind != Kind::File {
            let parent = chosen.path.parent().unwrap_or(Path::new("/"));
            let tree = open_tree(from, parent).map_err(|error| failed(parent, error))?;
            return self
                .copy_entry(&tree, name, &status, &place)
                .map_err(|error| failed(&target, error));
        }
        let mut file = sys::tree::reopen_file(&handle).map_err(|error| failed(&chosen.path, error))?;
        let attributes = self.attributes(
            &status,
            kept_xattrs(&file).map_err(|error| failed(&chosen.path, error))?,
        );
        self.writer
            .file(&place, &attributes, |to| io::copy(&mut file, to).map(drop))
            .map_err(|error| failed(&target, error))
    }

    /// With `--parents`: the directories of the path are made as they are in the source.
    pub(super) fn copy_with_parents(
        &mut self,
        from: &OwnedFd,
        chosen: &Chosen,
        destination: &Path,
        exclude: &Exclude,
    ) -> Result<(), Failure> {
        let before = chosen
            .path
            .ancestors()
            .nth(chosen.kept.components().count())
            .unwrap_or(Path::new(""));
        self.make_dir(destination)?;
        let dirs = if chosen.is_dir {
            Some(chosen.kept.as_path())
        } else {
            chosen.kept.parent()
        };
        let mut reached = PathBuf::new();
        for component in dirs.unwrap_or(Path::new("")).components() {
            reached.push(component);
            let target = destination.join(&reached);
            let status = find(from, &before.join(&reached)).map_err(|error| failed(&reached, error))?;
            if !self.is_dir(&target) {
                let place = self.real_path(&target)?;
                let attributes = self.attributes(&status, Vec::new());
                self.writer
                    .directory(&place)
                    .and_then(|()| self.writer.finish_directory(&place, &attributes))
                    .map_err(|error| failed(&target, error))?;
            }
        }
        let target = destination.join(&chosen.kept);
        self.copy(from, chosen, &target, false, exclude)
    }

    fn copy_dir(
        &mut self,
        source: &Tree,
        place: &Path,
        below: &Path,
        whole: &Path,
        exclude: &Exclude,
        depth: usize,
    ) -> Result<(), Failure> {
        if depth > MOST_DEEP {
            return Err(Failure::mistake(format!(
                "`{}` is nested too deeply to be copied",
                below.display()
            )));
        }
        for name in source.names().map_err(|error| failed(below, error))? {
            if self.cancel.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let (path, whole, target) = (below.join(&name), whole.join(&name), place.join(&name));
            let status = source.find(&name).map_err(|error| failed(&path, error))?;
            let Some(status) = status.filter(|_| !exclude.leaves_out(&path, &whole)) else {
                continue;
            };
            if status.kind == Kind::Directory {
                self.may_be_dir(&target)?;
                let dir = source.open_dir(&name).map_err(|error| failed(&path, error))?;
                self.writer.directory(&target).map_err(|error| failed(&target, error))?;
                self.copy_dir(&dir, &target, &path, &whole, exclude, depth + 1)?;
                // What was written into it changed its time.
                self.writer
                    .finish_directory(&target, &self.attributes(&status, Vec::new()))
                    .map_err(|error| failed(&target, error))?;
            } else {
                self.may_be_file(&target)?;
                self.copy_entry(source, &name, &status, &target)
                    .map_err(|error| failed(&target, error))?;
            }
        }
        Ok(())
    }

    fn copy_entry(&mut self, source: &Tree, name: &OsStr, status: &Status, target: &Path) -> io::Result<()> {
        match status.kind {
            Kind::File => {
                if status.links > 1 {
                    if let Some(first) = self.links.get(&status.identity) {
                        return self.writer.hard_link(target, first);
                    }
                    self.links.insert(status.identity, target.to_owned());
                }
                let mut file = source.open_file(name)?;
                let attributes = self.attributes(status, kept_xattrs(&file)?);
                self.writer
                    .file(target, &attributes, |to| io::copy(&mut file, to).map(drop))
            }
            Kind::Symlink => {
                let link = PathBuf::from(source.read_link(name)?);
                self.writer.symlink(target, &link, &self.attributes(status, Vec::new()))
            }
            Kind::Fifo => self.special(target, Special::Fifo, status),
            Kind::Character { major, minor } => self.special(target, Special::Character { major, minor }, status),
            Kind::Block { major, minor } => self.special(target, Special::Block { major, minor }, status),
            // A socket means nothing without the process behind it.
            Kind::Socket | Kind::Directory => Ok(()),
        }
    }

    fn special(&mut self, target: &Path, special: Special, status: &Status) -> io::Result<()> {
        let attributes = self.attributes(status, Vec::new());
        self.writer.special(target, special, &attributes)
    }

    /// Unpacks an archive into the directory, its entries no further than there.
    pub(super) fn unpack(&mut self, archive: impl Read, destination: &Path) -> Result<(), Failure> {
        self.make_dir(destination)?;
        let base = self.real_path(destination)?;
        let headers = image::Headers::within(image::Limits::default());
        let mut archive = headers.archive(archive);
        let mut directories = Vec::new();
        let mut count = 0u64;
        let broken = |error: io::Error| Failure::mistake(format!("the archive cannot be unpacked: {error}"));
        let mut entries = archive.entries().map_err(broken)?;
        while let Some(entry) = headers.next(&mut entries) {
            if self.cancel.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            count += 1;
            if count > MOST_ENTRIES {
                return Err(Failure::mistake(format!(
                    "the archive has more than {MOST_ENTRIES} entries"
                )));
            }
            let mut entry = entry.map_err(broken)?;
            let path = PathBuf::from(OsString::from_vec(entry.path_bytes().into_owned()));
            self.unpack_entry(&mut entry, &base, &mut directories)
                .map_err(|error| {
                    Failure::mistake(format!(
                        "the archive's `{}` cannot be unpacked: {error}",
                        path.display()
                    ))
                })?;
            image::Headers::leave(&mut entry).map_err(broken)?;
        }
        for (target, attributes) in directories.iter().rev() {
            self.writer
                .finish_directory(target, attributes)
                .map_err(|error| failed(target, error))?;
        }
        Ok(())
    }

    fn unpack_entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        base: &Path,
        directories: &mut Vec<(PathBuf, Attributes)>,
    ) -> io::Result<()> {
        let mut heading = image::Heading::of(entry)?;
        let relative = inside(&heading.path)?;
        let target = base.join(&relative);
        let kind = entry.header().entry_type();
        if let Some(owner) = self.how.owner {
            (heading.attributes.uid, heading.attributes.gid) = (owner.uid, owner.gid);
        }
        if let Some(change) = &self.how.mode
            && kind != EntryType::Symlink
        {
            heading.attributes.mode = change.apply(heading.attributes.mode, kind == EntryType::Directory);
        }
        let attributes = &heading.attributes;
        let link = |entry: &tar::Entry<'_, R>| {
            let bytes = entry.link_name_bytes().unwrap_or_default().into_owned();
            PathBuf::from(OsString::from_vec(bytes))
        };
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.writer.file(&target, attributes, |file| heading.fill(entry, file))
            }
            EntryType::Directory if relative.as_os_str().is_empty() => Ok(()),
            EntryType::Directory => {
                self.writer.directory(&target)?;
                directories.push((target, heading.attributes));
                Ok(())
            }
            EntryType::Symlink => self.writer.symlink(&target, &link(entry), attributes),
            EntryType::Link => {
                let first = base.join(inside(&link(entry))?);
                self.writer.hard_link(&target, &first)
            }
            EntryType::Fifo => self.writer.special(&target, Special::Fifo, attributes),
            EntryType::Char | EntryType::Block => Err(io::Error::other("devices are not unpacked")),
            _ => Ok(()),
        }
    }

    /// Where a file at `path` lies in truth: a link there is followed, its parents are made.
    fn place_of_file(&mut self, path: &Path) -> Result<PathBuf, Failure> {
        if let Some(parent) = path.parent() {
            self.make_dir(parent)?;
        }
        let place = self.real_path(path)?;
        self.may_be_file(&place)?;
        Ok(place)
    }

    /// Follows links at the end of a path, inside the root; what is not there stays as it is.
    fn real_path(&self, path: &Path) -> Result<PathBuf, Failure> {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Ok(path);
            };
            let Ok(tree) = open_tree(self.root, parent) else {
                return Ok(path);
            };
            match tree.find(name) {
                Ok(Some(status)) if status.kind == Kind::Symlink => {
                    let link = PathBuf::from(tree.read_link(name).map_err(|error| failed(&path, error))?);
                    let joined = parent.join(link);
                    path = PathBuf::from(format!("/{}", build::clean(&joined.to_string_lossy())));
                }
                _ => return Ok(path),
            }
        }
        Err(Failure::mistake(format!(
            "`{}` is a link that leads to itself",
            path.display()
        )))
    }

    fn kind_at(&self, place: &Path) -> Option<Kind> {
        let (parent, name) = (place.parent()?, place.file_name()?);
        let tree = open_tree(self.root, parent).ok()?;
        tree.find(name).ok()?.map(|status| status.kind)
    }

    fn may_be_dir(&self, place: &Path) -> Result<(), Failure> {
        match self.kind_at(place) {
            None | Some(Kind::Directory) => Ok(()),
            Some(_) => Err(Failure::mistake(format!(
                "the directory `{}` cannot be copied: something else has its name there",
                place.display()
            ))),
        }
    }

    fn may_be_file(&self, place: &Path) -> Result<(), Failure> {
        match self.kind_at(place) {
            Some(Kind::Directory) => Err(Failure::mistake(format!(
                "the file `{}` cannot be copied: a directory has its name there",
                place.display()
            ))),
            _ => Ok(()),
        }
    }

    fn attributes(&self, status: &Status, xattrs: Vec<(OsString, Vec<u8>)>) -> Attributes {
        let owner = self.how.owner.unwrap_or(Owners {
            uid: status.uid,
            gid: status.gid,
        });
        Attributes {
            uid: owner.uid,
            gid: owner.gid,
            mode: match &self.how.mode {
                Some(mode) if status.kind != Kind::Symlink => mode.apply(status.mode, status.kind == Kind::Directory),
                _ => status.mode,
            },
            modified_s: status.modified_s,
            modified_ns: i64::from(status.modified_ns),
            xattrs,
        }
    }

    /// Of what the builder makes itself.
    fn made(&self, mode: u32) -> Attributes {
        let owner = self.how.owner.unwrap_or_default();
        let now = crate::clock::now().as_unix_nanos();
        Attributes {
            uid: owner.uid,
            gid: owner.gid,
            mode,
            modified_s: self.how.time_s.unwrap_or(now / 1_000_000_000),
            modified_ns: if self.how.time_s.is_some() {
                0
            } else {
                now % 1_000_000_000
            },
            xattrs: Vec::new(),
        }
    }
}

/// A name in an archive, relative and without `..`.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a name with `..` leads out of the archive",
                ));
            }
        }
    }
    Ok(relative)
}

fn failed(path: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotADirectory => Failure::mistake(format!(
            "`{}` lies below something that is no directory; choose another path",
            path.display()
        )),
        _ => Failure::Engine(EngineError::Host {
            doing: format!("copy `{}`", path.display()),
            source: Box::new(error),
        }),
    }
}
