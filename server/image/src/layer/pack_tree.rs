//! What a tree changes of the one it began as becomes a tar: image-spec, layer.md,
//! "Representing Changes".

use super::compare::ChangeKind;
use super::tree_changes::{Node, WrittenTree, compare, is_told};
use super::write::TarWriter;
use crate::ImageError;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Tree};
use tokio_util::sync::CancellationToken;

/// Writes the changes as a tar to `to`; gives it back with how many bytes of files they
/// have. Later times are written as `latest_s`, seconds since 1970.
pub(crate) fn pack_tree<W: Write>(
    written: &WrittenTree,
    mount_points: &[PathBuf],
    latest_s: Option<i64>,
    to: W,
    cancel: &CancellationToken,
) -> Result<(W, u64), ImageError> {
    let at = ImageError::file("pack", &written.tree);
    let packed = (|| {
        let (changes, root_is_other) = compare(written, mount_points)?;
        let tree = Tree::open(&written.tree)?;
        let mut packing = Packing {
            tar: TarWriter::new(to, latest_s).with_first_ids(written.first_ids),
            cancel,
        };
        if root_is_other {
            packing.directory(&tree, Path::new(""))?;
        }
        packing.all(&tree, &changes, Path::new(""))?;
        let files_bytes = packing.tar.files_bytes();
        Ok((packing.tar.finish()?, files_bytes))
    })();
    match packed {
        Err(_) if cancel.is_cancelled() => Err(ImageError::Cancelled),
        outcome => outcome.map_err(at),
    }
}

struct Packing<'a, W: Write> {
    tar: TarWriter<W>,
    cancel: &'a CancellationToken,
}

impl<W: Write> Packing<'_, W> {
    fn all(&mut self, tree: &Tree, changes: &[Node], path: &Path) -> io::Result<()> {
        for change in changes {
            if self.cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            match self.one(tree, change, &path.join(&change.name)) {
                // What goes away while it is packed is as if it had gone before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    fn one(&mut self, tree: &Tree, change: &Node, path: &Path) -> io::Result<()> {
        if change.kind == ChangeKind::Deleted {
            let mark = [b".wh.", change.name.as_bytes()].concat();
            let mark = path.with_file_name(OsString::from_vec(mark));
            return self.tar.marker(mark.as_os_str().as_bytes());
        }
        let Some(status) = tree.find(&change.name)? else {
            return Ok(());
        };
        if status.kind != Kind::Directory {
            let bytes = path.as_os_str().as_bytes();
            return self.tar.entry(tree, &change.name, bytes, &status, is_told);
        }
        let dir = tree.open_dir(&change.name)?;
        self.directory(&dir, path)?;
        self.all(&dir, &change.below, path)
    }

    fn directory(&mut self, dir: &Tree, path: &Path) -> io::Result<()> {
        let xattrs = dir.xattrs()?.into_iter().filter(|(name, _)| is_told(name)).collect();
        self.tar.directory(path.as_os_str().as_bytes(), &dir.status()?, &xattrs)
    }
}
