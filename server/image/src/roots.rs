//! An image's files as one tree, where no overlay shows its layers on each other: made
//! once, when somebody first needs it, and gone with the layer on top.
//!
//! ```text
//! roots/<chain hex>   the layers up to this one     roots/.new-<random>   being made
//! roots/nothing       of no layers                  roots/.old-<random>   being removed
//! ```

use crate::content::random_name;
use crate::layer::Seen;
use crate::settling::Kind;
use crate::{ImageError, Store};
use model::image::Digest;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use sys::copy_tree::Copier;

/// Of no layers at all.
const NOTHING: &str = "nothing";

/// How the layers of an image are seen as one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RootForm {
    /// An overlay, mounted for who asks.
    #[default]
    Overlay,
    /// A directory of further names of the layers' files: they take no room of their own,
    /// and nobody may write to them.
    Links,
    /// A btrfs subvolume, to make snapshots of.
    Subvolume,
}

impl Store {
    /// As it is, with another form of roots.
    #[must_use]
    pub fn with_roots(mut self, roots: RootForm) -> Self {
        self.roots = roots;
        self
    }

    /// The files of these layers (lowest first), to be read. Blocks.
    pub fn open_root(&self, chain: &[Digest]) -> Result<OwnedFd, ImageError> {
        let layers = self.chain_paths(chain);
        let root = match (self.roots, &layers[..]) {
            (RootForm::Overlay, [_, _, ..]) => sys::overlay::mount_detached(sys::overlay::Layers {
                lower: &layers,
                upper: None,
                options: &[],
            }),
            (RootForm::Overlay, [only]) => File::open(only).map(OwnedFd::from),
            _ => {
                let root = self.root(chain)?;
                return File::open(&root)
                    .map(OwnedFd::from)
                    .map_err(ImageError::file("open", root));
            }
        };
        root.map_err(ImageError::file("look at", "the image's files"))
    }

    /// The directory that has the files of these layers (lowest first); made if need be.
    /// Nobody may change what is in it. Blocks.
    pub fn root(&self, chain: &[Digest]) -> Result<PathBuf, ImageError> {
        let place = self.root_place(chain.last());
        if place.is_dir() {
            return Ok(place);
        }
        let new = self.roots_dir().join(format!(".new-{}", random_name()));
        let made = self
            .fill_root(chain, &new)
            .map_err(ImageError::file("put together", &place))
            .and_then(|()| self.name_root(&new, chain.last()));
        // Still there when it failed, or another was faster.
        if new.exists()
            && let Err(error) = remove_tree(&new)
        {
            tracing::warn!(%error, path = %new.display(), "a half made root is left until the next start");
        }
        made.map(|()| place)
    }

    fn name_root(&self, new: &Path, top: Option<&Digest>) -> Result<(), ImageError> {
        let settling = &self.content.settling;
        if let Some(top) = top {
            settling.begin(Kind::Root, top.hex())?;
        }
        let place = self.root_place(top);
        sys::unpack::rename_new(new, &place).map_err(ImageError::file("name", place))?;
        self.content.settle_soon()
    }

    fn fill_root(&self, chain: &[Digest], new: &Path) -> io::Result<()> {
        fs::create_dir_all(self.roots_dir())?;
        if self.roots == RootForm::Subvolume {
            sys::btrfs::create_subvolume(new)?;
        } else {
            fs::create_dir(new)?;
        }
        fs::set_permissions(new, Permissions::from_mode(0o755))?;
        if chain.is_empty() {
            return Ok(());
        }
        let to: OwnedFd = File::open(new)?.into();
        let mut merging = Merging {
            copier: Copier::new(to.as_fd(), None),
            // No file has a name in two subvolumes.
            links: self.roots != RootForm::Subvolume,
        };
        merging.directory(&Seen::all(&self.chain_paths(chain))?, &to, Path::new(""))
    }

    fn roots_dir(&self) -> PathBuf {
        self.snapshots.with_file_name("roots")
    }

    fn root_place(&self, top: Option<&Digest>) -> PathBuf {
        self.roots_dir().join(top.map_or(NOTHING, Digest::hex))
    }

    /// Removes what an earlier run left half made, and what an earlier boot of the host did
    /// not bring to the disk: its layers may be lost as well.
    pub(crate) fn sweep_roots(&self) -> Result<(), ImageError> {
        let lost = self.content.settling.lost(Kind::Root)?;
        for path in self.list_roots()? {
            let name = name_of(&path);
            if name.starts_with('.') || lost.iter().any(|hex| hex == name) {
                remove_tree(&path).map_err(ImageError::file("remove", path))?;
            }
        }
        Ok(())
    }

    /// Those of other layers than `is_kept` says, by the hexadecimal digits of the one on top.
    pub(crate) fn unneeded_roots(&self, is_kept: impl Fn(&str) -> bool) -> Result<Vec<(PathBuf, u64)>, ImageError> {
        let all = self.list_roots()?.into_iter();
        let unneeded = all.filter(|path| {
            let name = name_of(path);
            // What is being made or unmade has its owner.
            name != NOTHING && !name.starts_with('.') && !is_kept(name)
        });
        Ok(unneeded.map(|path| (path.clone(), directories_bytes(&path))).collect())
    }

    /// What a root takes besides its layers: its directories.
    pub(crate) fn root_disk_bytes(&self, top: &Digest) -> u64 {
        directories_bytes(&self.root_place(Some(top)))
    }

    /// First out of sight, then away: what can be seen is whole.
    pub(crate) fn remove_root(&self, path: &Path) -> Result<(), ImageError> {
        let hidden = self.roots_dir().join(format!(".old-{}", random_name()));
        fs::rename(path, &hidden).map_err(ImageError::file("hide", path))?;
        remove_tree(&hidden).map_err(ImageError::file("remove", hidden))
    }

    /// Of these layers, by the digits of the one on top: they may hold what was damaged.
    pub(crate) fn remove_roots_of<'c>(&self, tops: impl Iterator<Item = &'c Digest>) -> Result<(), ImageError> {
        for top in tops {
            let place = self.root_place(Some(top));
            if place.exists() {
                self.remove_root(&place)?;
            }
        }
        Ok(())
    }

    fn list_roots(&self) -> Result<Vec<PathBuf>, ImageError> {
        let dir = self.roots_dir();
        let entries = match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            outcome => outcome.map_err(ImageError::file("read", &dir))?,
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        paths.collect::<io::Result<_>>().map_err(ImageError::file("read", dir))
    }
}

struct Merging<'a> {
    copier: Copier<'a>,
    links: bool,
}

impl Merging<'_> {
    fn directory(&mut self, seen: &Seen, to: &OwnedFd, path: &Path) -> io::Result<()> {
        for name in seen.names()? {
            let Some((dir, status)) = seen.find(&name)? else {
                continue;
            };
            let path = path.join(&name);
            if status.kind == sys::tree::Kind::Directory {
                let inner = self.copier.directory(to, &name)?;
                self.directory(&seen.child(&name)?, &inner, &path)?;
            } else if self.links {
                self.copier.link(dir, to, &name, &path)?;
            } else {
                self.copier.entry(dir, to, &name, &path)?;
            }
        }
        match seen.dirs.first() {
            Some(top) => self.copier.finish_directory(top, to),
            None => Ok(()),
        }
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn remove_tree(path: &Path) -> io::Result<()> {
    if sys::btrfs::is_subvolume(path)? {
        sys::btrfs::remove_subvolume(path)
    } else {
        fs::remove_dir_all(path)
    }
}

/// Whole blocks of the directories alone: the files are those of the layers.
fn directories_bytes(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !found.is_dir() {
        return 0;
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    crate::disk_size::allocated(&found) + entries.map(|entry| directories_bytes(&entry.path())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_an_earlier_boot_did_not_bring_to_the_disk_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Store::open(dir.path()).unwrap().with_roots(RootForm::Links);
        let [settled, lost] = [1, 2].map(|byte| Digest::from_sha256([byte; 32]));
        let store = open();
        for layer in [&settled, &lost] {
            let files = dir.path().join("snapshots").join(layer.hex()).join("fs");
            fs::create_dir_all(&files).unwrap();
            fs::write(files.join("file"), "text").unwrap();
            assert!(store.root(std::slice::from_ref(layer)).unwrap().join("file").is_file());
        }
        let note = format!("content/unsettled/another.root.{}", lost.hex());
        fs::write(dir.path().join(note), "").unwrap();
        let store = open();
        assert!(store.root_place(Some(&settled)).is_dir());
        assert!(!store.root_place(Some(&lost)).exists());
    }
}
