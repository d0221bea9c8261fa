//! What each layer of an image brings: one directory at a time, as that layer has it or
//! as all layers up to it show it; and what is carried though nobody sees it.

use crate::layer::{Look, Seen, is_opaque, look};
use crate::{ImageError, Store};
use model::image::Digest;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use sys::tree::{Kind, Status, Tree};

/// Deeper trees are refused: each level holds a descriptor.
const MOST_DEEP: usize = 400;
/// Of files that waste room, the worst are told.
const MOST_TOLD: usize = 200;

/// A name in a directory of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    pub name: OsString,
    pub kind: Kind,
    pub change: LayerChange,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of a directory: of all files below it that this layer brings.
    pub size_bytes: u64,
    /// How many entries of this layer are below a directory.
    pub entries: u64,
    /// Where a link points.
    pub target: Option<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerChange {
    Added,
    Changed,
    Removed,
    /// From a layer below.
    Unchanged,
}

/// Bytes of files that a later layer replaces or takes away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waste {
    /// Of all files of all layers.
    pub total_bytes: u64,
    pub wasted_bytes: u64,
    /// Path, bytes, and in how many layers it stands; the greatest first.
    pub worst: Vec<(PathBuf, u64, u32)>,
}

impl Store {
    /// The directory `path` as the topmost layer of `chain` (lowest first) has it; with
    /// `whole`, as all of them together show it. Blocks.
    ///
    /// # Errors
    /// `NotFound` when there is no such directory.
    pub fn layer_files(&self, chain: &[Digest], path: &Path, whole: bool) -> Result<Vec<LayerFile>, ImageError> {
        let at = |error| ImageError::file("look at", path)(error);
        let layers = self.chain_paths(chain);
        let roots = layers
            .iter()
            .map(|layer| Tree::open(layer))
            .collect::<io::Result<Vec<_>>>();
        let roots = roots.map_err(at)?;
        let Some((top, below)) = roots.split_first() else {
            return Ok(Vec::new());
        };
        let own = dir_in(top, path).map_err(at)?;
        let under = Seen::through(below, path).map_err(at)?;
        if own.is_none() && (!whole || under.dirs.is_empty()) {
            return Err(at(io::ErrorKind::NotFound.into()));
        }
        let hides_all = match &own {
            Some(dir) => is_opaque(dir).map_err(at)?,
            None => false,
        };
        let mut files = BTreeMap::new();
        if let Some(dir) = &own {
            for name in dir.names().map_err(at)? {
                if let Some(file) = of_layer(dir, &name, &under).map_err(at)? {
                    files.insert(name, file);
                }
            }
        }
        for name in under.names().map_err(at)? {
            if files.contains_key(&name) {
                continue;
            }
            let change = if hides_all {
                LayerChange::Removed
            } else {
                LayerChange::Unchanged
            };
            if (whole || hides_all)
                && let Some((dir, status)) = under.find(&name).map_err(at)?
            {
                let mut file = show(dir, &name, &status, change).map_err(at)?;
                if change == LayerChange::Unchanged && status.kind == Kind::Directory {
                    file.size_bytes = 0;
                }
                files.insert(name, file);
            }
        }
        Ok(files.into_values().collect())
    }

    /// What later layers of `chain` (lowest first) hide of earlier ones. Blocks.
    pub fn waste(&self, chain: &[Digest]) -> Result<Waste, ImageError> {
        let mut ledger = Ledger::default();
        // Lowest first: the order in which they cover each other.
        for layer in self.chain_paths(chain).iter().rev() {
            let walked = Tree::open(layer).and_then(|root| ledger.walk(&root, Path::new(""), 0));
            walked.map_err(ImageError::file("look at", layer))?;
        }
        Ok(ledger.finish())
    }
}

fn dir_in(root: &Tree, path: &Path) -> io::Result<Option<Tree>> {
    Ok(match look(root, path)? {
        Look::Dir(dir, _) => Some(dir),
        Look::Hidden | Look::Nothing => None,
    })
}

fn of_layer(dir: &Tree, name: &OsStr, under: &Seen) -> io::Result<Option<LayerFile>> {
    let Some(status) = dir.find(name)? else {
        return Ok(None);
    };
    let before = under.find(name)?;
    if status.hides_in_layer() {
        return match before {
            Some((below, gone)) => show(below, name, &gone, LayerChange::Removed).map(Some),
            None => Ok(None),
        };
    }
    let change = match before {
        Some(_) => LayerChange::Changed,
        None => LayerChange::Added,
    };
    show(dir, name, &status, change).map(Some)
}

fn show(dir: &Tree, name: &OsStr, status: &Status, change: LayerChange) -> io::Result<LayerFile> {
    let (size_bytes, entries) = match status.kind {
        Kind::Directory => sum(&dir.open_dir(name)?, 0)?,
        Kind::File => (status.size_bytes, 0),
        _ => (0, 0),
    };
    let target = match status.kind {
        Kind::Symlink => Some(dir.read_link(name)?),
        _ => None,
    };
    Ok(LayerFile {
        name: name.to_owned(),
        kind: status.kind,
        change,
        mode: status.mode,
        uid: status.uid,
        gid: status.gid,
        size_bytes,
        entries,
        target,
    })
}

/// Bytes and number of what is below.
fn sum(dir: &Tree, depth: usize) -> io::Result<(u64, u64)> {
    if depth > MOST_DEEP {
        return Err(io::Error::other("directories are nested too deeply to look at"));
    }
    let (mut bytes, mut entries) = (0, 0);
    for name in dir.names()? {
        let Some(status) = dir.find(&name)? else { continue };
        entries += 1;
        match status.kind {
            Kind::Directory => {
                let (inner_bytes, inner_entries) = sum(&dir.open_dir(&name)?, depth + 1)?;
                bytes += inner_bytes;
                entries += inner_entries;
            }
            Kind::File => bytes += status.size_bytes,
            _ => {}
        }
    }
    Ok((bytes, entries))
}

/// What is seen so far, by path, and what was covered.
#[derive(Default)]
struct Ledger {
    total_bytes: u64,
    seen: BTreeMap<Vec<u8>, u64>,
    covered: BTreeMap<Vec<u8>, (u64, u32)>,
}

impl Ledger {
    fn walk(&mut self, dir: &Tree, path: &Path, depth: usize) -> io::Result<()> {
        if depth > MOST_DEEP {
            return Err(io::Error::other("directories are nested too deeply to look at"));
        }
        if is_opaque(dir)? {
            self.cover_below(path);
        }
        for name in dir.names()? {
            let Some(status) = dir.find(&name)? else { continue };
            let path = path.join(&name);
            match status.kind {
                Kind::Directory => {
                    // A file that becomes a directory is covered, too.
                    self.cover(path.as_os_str().as_bytes().to_vec());
                    self.walk(&dir.open_dir(&name)?, &path, depth + 1)?;
                }
                kind => {
                    self.cover_below(&path);
                    self.cover(path.as_os_str().as_bytes().to_vec());
                    if kind == Kind::File {
                        self.total_bytes += status.size_bytes;
                        self.seen
                            .insert(path.into_os_string().into_encoded_bytes(), status.size_bytes);
                    }
                }
            }
        }
        Ok(())
    }

    fn cover(&mut self, path: Vec<u8>) {
        if let Some(bytes) = self.seen.remove(&path) {
            let entry = self.covered.entry(path).or_insert((0, 1));
            entry.0 += bytes;
            entry.1 += 1;
        }
    }

    fn cover_below(&mut self, dir: &Path) {
        let mut first = dir.as_os_str().as_bytes().to_vec();
        if !first.is_empty() {
            first.push(b'/');
        }
        let below = self
            .seen
            .range(first.clone()..)
            .take_while(|(path, _)| path.starts_with(&first));
        let paths: Vec<Vec<u8>> = below.map(|(path, _)| path.clone()).collect();
        for path in paths {
            self.cover(path);
        }
    }

    fn finish(self) -> Waste {
        let wasted_bytes = self.covered.values().map(|(bytes, _)| bytes).sum();
        let mut worst: Vec<_> = self.covered.into_iter().collect();
        worst.sort_by(|(path, (bytes, _)), (other, (more, _))| more.cmp(bytes).then(path.cmp(other)));
        worst.truncate(MOST_TOLD);
        let told = worst
            .into_iter()
            .map(|(path, (bytes, layers))| (Path::new("/").join(OsStr::from_bytes(&path)), bytes, layers));
        Waste {
            total_bytes: self.total_bytes,
            wasted_bytes,
            worst: told.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn store(layers: &[&[(&str, &str)]]) -> (tempfile::TempDir, Store, Vec<Digest>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut chain = Vec::new();
        for (number, files) in (1_u8..).zip(layers) {
            let chain_id = Digest::from_sha256([number; 32]);
            let root = dir.path().join("snapshots").join(chain_id.hex()).join("fs");
            fs::create_dir_all(&root).unwrap();
            for (path, text) in *files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                if *text == "gone" {
                    let name = Path::new(path.file_name().unwrap()).to_owned();
                    sys::unpack::Root::open(path.parent().unwrap())
                        .unwrap()
                        .whiteout(&name)
                        .unwrap();
                } else {
                    fs::write(path, text).unwrap();
                }
            }
            chain.push(chain_id);
        }
        (dir, store, chain)
    }

    fn told(files: Vec<LayerFile>) -> Vec<(String, LayerChange, u64)> {
        let one = |file: LayerFile| (file.name.into_string().unwrap(), file.change, file.size_bytes);
        files.into_iter().map(one).collect()
    }

    #[test]
    fn a_layer_tells_what_it_adds_changes_and_takes_away() {
        if !sys::user::is_root() {
            println!("skipped: whiteouts need root");
            return;
        }
        let (_dir, store, chain) = store(&[
            &[("etc/a", "1"), ("etc/b", "22"), ("bin/x", "333")],
            &[("etc/a", "4444"), ("etc/b", "gone"), ("etc/c", "55555")],
        ]);
        let own = told(store.layer_files(&chain, Path::new("etc"), false).unwrap());
        let wanted = [
            ("a".to_owned(), LayerChange::Changed, 4),
            ("b".to_owned(), LayerChange::Removed, 2),
            ("c".to_owned(), LayerChange::Added, 5),
        ];
        assert_eq!(own, wanted);
        let top = told(store.layer_files(&chain, Path::new("/"), false).unwrap());
        assert_eq!(top, [("etc".to_owned(), LayerChange::Changed, 9)]);
        let whole = told(store.layer_files(&chain, Path::new("/"), true).unwrap());
        assert_eq!(whole[0], ("bin".to_owned(), LayerChange::Unchanged, 0));
        assert!(store.layer_files(&chain, Path::new("none"), true).is_err());
        assert!(store.layer_files(&chain, Path::new("bin"), false).is_err());
    }

    #[test]
    fn what_later_layers_hide_is_waste() {
        if !sys::user::is_root() {
            println!("skipped: whiteouts need root");
            return;
        }
        let (_dir, store, chain) = store(&[
            &[("cache/a", "123"), ("cache/b", "45678"), ("kept", "9")],
            &[("kept", "99")],
            &[("cache", "gone"), ("kept", "999")],
        ]);
        let waste = store.waste(&chain).unwrap();
        assert_eq!((waste.total_bytes, waste.wasted_bytes), (14, 11));
        assert_eq!(waste.worst[0], (PathBuf::from("/cache/b"), 5, 2));
        assert_eq!(waste.worst[1], (PathBuf::from("/cache/a"), 3, 2));
        assert_eq!(waste.worst[2], (PathBuf::from("/kept"), 3, 3));
    }
}
