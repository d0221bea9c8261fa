//! Layers on each other, as an overlay shows them, one directory at a time.

use super::note::is_opaque;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree};

/// A directory in several layers, topmost first, as far as nothing hides it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) dirs: Vec<Tree>,
}

impl Seen {
    pub(crate) fn through(layers: &[Tree], path: &Path) -> io::Result<Self> {
        let mut dirs = Vec::new();
        for layer in layers {
            match look(layer, path)? {
                Look::Dir(dir, hides) => {
                    dirs.push(dir);
                    if hides {
                        break;
                    }
                }
                Look::Hidden => break,
                Look::Nothing => {}
            }
        }
        Ok(Self { dirs })
    }

    /// Of whole layers, topmost first.
    pub(crate) fn all(layers: &[PathBuf]) -> io::Result<Self> {
        let opened = layers.iter().map(|layer| Tree::open(layer));
        Self::through(&opened.collect::<io::Result<Vec<_>>>()?, Path::new(""))
    }

    /// The directory `name` in it, as all of them show it.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Self> {
        let mut dirs = Vec::new();
        for dir in &self.dirs {
            match dir.find(name)? {
                None => {}
                Some(status) if status.kind == Kind::Directory => {
                    let inner = dir.open_dir(name)?;
                    let hides = is_opaque(&inner)?;
                    dirs.push(inner);
                    if hides {
                        break;
                    }
                }
                Some(_) => break,
            }
        }
        Ok(Self { dirs })
    }

    /// What the name is, and in which layer; `None` where none has it, or one hides it.
    pub(crate) fn find(&self, name: &OsStr) -> io::Result<Option<(&Tree, Status)>> {
        for dir in &self.dirs {
            if let Some(status) = dir.find(name)? {
                return Ok((!status.hides_in_layer()).then_some((dir, status)));
            }
        }
        Ok(None)
    }

    pub(crate) fn names(&self) -> io::Result<BTreeSet<OsString>> {
        let mut names = BTreeSet::new();
        for dir in &self.dirs {
            names.extend(dir.names()?);
        }
        let mut seen = BTreeSet::new();
        for name in names {
            if self.find(&name)?.is_some() {
                seen.insert(name);
            }
        }
        Ok(seen)
    }
}

pub(crate) enum Look {
    /// And whether it, or a directory above it, hides what is below.
    Dir(Tree, bool),
    /// Taken away, or something else here.
    Hidden,
    Nothing,
}

pub(crate) fn look(root: &Tree, path: &Path) -> io::Result<Look> {
    let mut dir = root.reopen()?;
    let mut hides = is_opaque(&dir)?;
    for part in path.components() {
        let std::path::Component::Normal(name) = part else {
            continue;
        };
        match dir.find(name)? {
            Some(status) if status.kind == Kind::Directory => dir = dir.open_dir(name)?,
            Some(_) => return Ok(Look::Hidden),
            None if hides => return Ok(Look::Hidden),
            None => return Ok(Look::Nothing),
        }
        hides = hides || is_opaque(&dir)?;
    }
    Ok(Look::Dir(dir, hides))
}
