//! The writable layer of an overlay becomes a tar: its marks of what is gone become
//! whiteouts (image-spec, layer.md, "Representing Changes").

use super::compare::{Below, MOST_DEEP, too_deep};
use super::note::{METACOPY, OPAQUE, REDIRECT, note};
use super::write::TarWriter;
use crate::ImageError;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree, Xattrs};
use tokio_util::sync::CancellationToken;

/// What is packed, and what of it is left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changes<'a> {
    /// The overlay's writable layer.
    pub(crate) upper: &'a Path,
    /// The layers below it, topmost first.
    pub(crate) lower: &'a [PathBuf],
    /// Where something was mounted: what the mount needed there is no change.
    pub(crate) mount_points: &'a [PathBuf],
    /// Later times are written as this: seconds since 1970.
    pub(crate) latest_s: Option<i64>,
    /// Whether the directory becomes the layer's: then it is made to be what the tar says.
    pub(crate) tidy: bool,
}

/// Writes the changes as a tar to `to`; gives it back with how many bytes of files they have.
pub(crate) fn pack<W: Write>(changes: Changes<'_>, to: W, cancel: &CancellationToken) -> Result<(W, u64), ImageError> {
    let mut packing = Packing {
        tar: TarWriter::new(to, changes.latest_s),
        below: Below::open(changes.lower, changes.mount_points)?,
        changes,
        cancel,
    };
    let root = Tree::open(changes.upper).map_err(ImageError::file("open", changes.upper))?;
    packing.root(&root)?;
    let files_bytes = packing.tar.files_bytes();
    let at = ImageError::file("pack", changes.upper);
    packing.tar.finish().map(|to| (to, files_bytes)).map_err(at)
}

struct Packing<'a, W: Write> {
    tar: TarWriter<W>,
    below: Below<'a>,
    changes: Changes<'a>,
    cancel: &'a CancellationToken,
}

impl<W: Write> Packing<'_, W> {
    /// The root is told only where it is not as the layers below have it.
    fn root(&mut self, root: &Tree) -> Result<(), ImageError> {
        let at = self.at(Path::new(""));
        let (status, xattrs) = (root.status().map_err(&at)?, kept(root.xattrs().map_err(&at)?));
        let (mode, uid, gid) = match self.below.find(Path::new("")) {
            Some(below) => (below.mode, below.uid, below.gid),
            None => (0o755, 0, 0),
        };
        if (status.mode, status.uid, status.gid) != (mode, uid, gid) {
            self.tar.directory(b"", &status, &xattrs).map_err(&at)?;
        }
        self.children(root, Path::new(""), 0)
    }

    fn children(&mut self, dir: &Tree, path: &Path, depth: usize) -> Result<(), ImageError> {
        if depth > MOST_DEEP {
            return Err(self.at(path)(too_deep()));
        }
        for name in dir.names().map_err(self.at(path))? {
            if self.cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let path = path.join(&name);
            // What goes away while it is packed is as if it had gone before.
            if let Some(status) = dir.find(&name).map_err(self.at(&path))? {
                self.entry(dir, &name, &path, &status, depth)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: &Tree,
        name: &OsStr,
        path: &Path,
        status: &Status,
        depth: usize,
    ) -> Result<(), ImageError> {
        let at = self.at(path);
        if status.kind == Kind::Directory {
            let dir = match parent.open_dir(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                outcome => outcome.map_err(at)?,
            };
            return self.directory(&dir, path, depth);
        }
        if status.is_whiteout() {
            let mark = path.with_file_name(OsString::from_vec([b".wh.", name.as_bytes()].concat()));
            return self.tar.marker(mark.as_os_str().as_bytes()).map_err(at);
        }
        if status.kind == Kind::Socket || (status.size_bytes == 0 && self.below.is_mounts(path)) {
            if self.changes.tidy {
                parent.remove_file(name).map_err(at)?;
            }
            return Ok(());
        }
        let bytes = path.as_os_str().as_bytes();
        match self.tar.entry(parent, name, bytes, status, is_kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome.map_err(at),
        }
    }

    fn directory(&mut self, dir: &Tree, path: &Path, depth: usize) -> Result<(), ImageError> {
        let at = self.at(path);
        if self.below.is_of_mounts(dir, path, depth).map_err(&at)? {
            return Ok(());
        }
        let status = dir.status().map_err(&at)?;
        let xattrs = dir.xattrs().map_err(&at)?;
        let has = |wanted: &str| {
            let mut all = xattrs.iter();
            all.find(|(name, _)| note(name) == Some(wanted.as_bytes()))
        };
        if has(REDIRECT).is_some() || has(METACOPY).is_some() {
            let error =
                io::Error::other("the overlay only notes where its content is; mount it with `redirect_dir=off`");
            return Err(at(error));
        }
        let opaque = has(OPAQUE).is_some_and(|(_, value)| value == b"y");
        let bytes = path.as_os_str().as_bytes();
        self.tar.directory(bytes, &status, &kept(xattrs)).map_err(&at)?;
        if opaque {
            // A new directory hides nothing; overlayfs marks it to spare itself a look.
            if self.below.find(path).is_some() {
                let mark = [bytes, b"/.wh..wh..opq"].concat();
                self.tar.marker(&mark).map_err(&at)?;
            } else if self.changes.tidy {
                let name = format!("{}{OPAQUE}", sys::overlay::attribute_prefix());
                dir.remove_xattr(&name).map_err(&at)?;
            }
        }
        self.children(dir, path, depth + 1)
    }

    fn at(&self, path: &Path) -> impl Fn(io::Error) -> ImageError + use<W> {
        let path = self.changes.upper.join(path);
        move |source| ImageError::File {
            doing: "pack",
            path: path.clone(),
            source,
        }
    }
}

fn is_kept(name: &OsStr) -> bool {
    note(name).is_none()
}

fn kept(xattrs: Xattrs) -> Xattrs {
    xattrs.into_iter().filter(|(name, _)| is_kept(name)).collect()
}
