use crate::config::{self, ParsedConfig};
use crate::content::{Content, random_name};
use crate::disk_size::{DiskSizes, allocated};
use crate::layer::{Contents, Limits, Unpacked, unpack};
use crate::pull::{Interrupted, Turns};
use crate::registry::{Clients, Patience};
use crate::roots::RootForm;
use crate::settling::Kind;
use crate::{Image, ImageError, Layer};
use model::image::{Digest, ImageConfig};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Beside the unpacked files: how many bytes they have.
const SIZE_FILE: &str = "size";

/// All images of one data directory.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) content: Content,
    pub(crate) snapshots: PathBuf,
    pub(crate) clients: Clients,
    pub(crate) turns: Turns,
    pub(crate) interrupted: Interrupted,
    sizes: DiskSizes,
    pub(crate) limits: Limits,
    pub(crate) roots: RootForm,
}

/// What [`Store::collect`] removed, in bytes of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    pub blobs: usize,
    pub snapshots: usize,
    pub bytes: u64,
}

/// Paths, and what each takes on the disk.
#[derive(Debug, Default)]
struct Unneeded {
    blobs: Vec<(PathBuf, u64)>,
    snapshots: Vec<(PathBuf, u64)>,
    roots: Vec<(PathBuf, u64)>,
}

impl Unneeded {
    fn sum(&self) -> Collected {
        let all = self.blobs.iter().chain(&self.snapshots).chain(&self.roots);
        Collected {
            blobs: self.blobs.len(),
            snapshots: self.snapshots.len(),
            bytes: all.map(|(_, bytes)| bytes).sum(),
        }
    }
}

impl Store {
    /// Opens the store below `data_dir` and sweeps what an earlier run left half
    /// made. One store a directory at a time.
    pub fn open(data_dir: &Path) -> Result<Self, ImageError> {
        Self::open_within(data_dir, Limits::default())
    }

    /// The same, with limits of one's own for what archives may bring.
    pub fn open_within(data_dir: &Path, limits: Limits) -> Result<Self, ImageError> {
        let snapshots = data_dir.join("snapshots");
        fs::create_dir_all(&snapshots).map_err(ImageError::file("make", &snapshots))?;
        sys::placement::spread(&snapshots).map_err(ImageError::file("mark", &snapshots))?;
        for entry in fs::read_dir(&snapshots).map_err(ImageError::file("read", &snapshots))? {
            let path = entry.map_err(ImageError::file("read", &snapshots))?.path();
            if path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
            {
                fs::remove_dir_all(&path).map_err(ImageError::file("remove", path))?;
            }
        }
        let content = Content::open(&data_dir.join("content"))?;
        for hex in content.settling.lost(Kind::Snapshot)? {
            let path = snapshots.join(hex);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageError::file("remove", path)(error));
                }
                _ => {}
            }
        }
        let store = Self {
            content,
            snapshots,
            clients: Clients::new(Patience::default()),
            turns: Turns::default(),
            interrupted: Interrupted::default(),
            sizes: DiskSizes::default(),
            limits,
            roots: RootForm::default(),
        };
        store.sweep_roots()?;
        store.content.settle()?;
        Ok(store)
    }

    /// As it is, with another patience for registries.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self {
            clients: Clients::new(patience),
            ..self
        }
    }

    /// The directories of these layers, for an overlay: topmost first.
    pub fn chain_paths(&self, chain_ids: &[Digest]) -> Vec<PathBuf> {
        chain_ids
            .iter()
            .rev()
            .map(|chain_id| self.snapshot(chain_id).join("fs"))
            .collect()
    }

    /// The directories of an image's layers, topmost first.
    pub fn layer_paths(&self, image: &Image) -> Vec<PathBuf> {
        let chain: Vec<Digest> = image.layers.iter().map(|layer| layer.chain_id.clone()).collect();
        self.chain_paths(&chain)
    }

    /// What an image says, and its text.
    pub fn config(&self, id: &Digest) -> Result<(ImageConfig, Vec<u8>), ImageError> {
        let json = self.content.read(id)?;
        Ok((config::parse(&json)?.config, json))
    }

    /// Also the history of its build.
    pub fn parsed_config(&self, id: &Digest) -> Result<ParsedConfig, ImageError> {
        config::parse(&self.content.read(id)?)
    }

    /// The bytes of a manifest, a configuration or a layer as it came.
    pub fn blob(&self, digest: &Digest) -> Result<File, ImageError> {
        self.content.open_blob(digest)
    }

    /// What [`Store::collect`] would remove, to the byte.
    pub fn preview(&self, keep: &[Image]) -> Result<Collected, ImageError> {
        self.unneeded(keep).map(|unneeded| unneeded.sum())
    }

    /// Removes every blob and snapshot that no image of `keep` needs, nor an interrupted
    /// pull. Nothing may be brought meanwhile.
    pub fn collect(&self, keep: &[Image]) -> Result<Collected, ImageError> {
        let unneeded = self.unneeded(keep)?;
        self.forget_referrers(|hex| keep.iter().any(|image| image.manifest.hex() == hex))?;
        for (path, _) in &unneeded.blobs {
            fs::remove_file(path).map_err(ImageError::file("remove", path))?;
        }
        for (path, _) in &unneeded.roots {
            self.remove_root(path)?;
        }
        for (path, _) in &unneeded.snapshots {
            self.remove_snapshot(path)?;
        }
        Ok(unneeded.sum())
    }

    /// What a blob takes on the disk; 0 when it is not here.
    pub fn blob_disk_bytes(&self, digest: &Digest) -> u64 {
        fs::metadata(self.content.path(digest)).map_or(0, |found| allocated(&found))
    }

    /// What an unpacked layer takes on the disk, counted once, since it never changes; and
    /// the one tree that it is the top of.
    pub fn snapshot_disk_bytes(&self, chain_id: &Digest) -> u64 {
        self.sizes.of(&self.snapshot(chain_id)) + self.root_disk_bytes(chain_id)
    }

    fn unneeded(&self, keep: &[Image]) -> Result<Unneeded, ImageError> {
        let mut of_referrers = Vec::new();
        let interrupted = self.interrupted_pulls();
        for image in keep {
            of_referrers.extend(self.blobs_of_referrers(&image.manifest)?);
        }
        let mut blobs: HashSet<&Digest> = of_referrers.iter().collect();
        let mut chains: HashSet<&str> = HashSet::new();
        for image in keep.iter().chain(&interrupted) {
            blobs.extend([&image.id, &image.manifest]);
            for layer in &image.layers {
                blobs.insert(&layer.digest);
                chains.insert(layer.chain_id.hex());
            }
        }
        let mut unneeded = Unneeded::default();
        for (digest, path) in self.content.list().map_err(ImageError::file("read", "content"))? {
            if !blobs.contains(&digest) {
                let bytes = fs::metadata(&path).map_or(0, |found| allocated(&found));
                unneeded.blobs.push((path, bytes));
            }
        }
        for entry in fs::read_dir(&self.snapshots).map_err(ImageError::file("read", &self.snapshots))? {
            let entry = entry.map_err(ImageError::file("read", &self.snapshots))?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            // What is being made or unmade has its owner.
            if !chains.contains(name) && !name.starts_with('.') {
                let bytes = self.sizes.of(&entry.path());
                unneeded.snapshots.push((entry.path(), bytes));
            }
        }
        unneeded.roots = self.unneeded_roots(|name| chains.contains(name))?;
        Ok(unneeded)
    }

    /// Whether all that makes an image is here. After the host went down, what was brought
    /// just before is not.
    pub fn has(&self, image: &Image) -> bool {
        let layers = &image.layers;
        let blobs = [&image.id, &image.manifest].into_iter();
        blobs
            .chain(layers.iter().map(|layer| &layer.digest))
            .all(|blob| self.content.has(blob))
            && layers
                .iter()
                .all(|layer| self.unpacked_bytes(&layer.chain_id).is_some())
    }

    fn snapshot(&self, chain_id: &Digest) -> PathBuf {
        self.snapshots.join(chain_id.hex())
    }

    /// The size of an unpacked layer; `None` when it is not here.
    pub(crate) fn unpacked_bytes(&self, chain_id: &Digest) -> Option<u64> {
        read_size(&self.snapshot(chain_id))
    }

    /// Unpacks a layer that is `bytes` long into its place, checking that what comes
    /// out is `diff_id`. Another may have done it meanwhile. Blocks.
    pub(crate) fn unpack_layer(
        &self,
        layer: &Digest,
        packed: impl io::Read + Send,
        packed_bytes: u64,
        diff_id: &Digest,
        chain_id: &Digest,
        cancel: &CancellationToken,
    ) -> Result<u64, ImageError> {
        let expected = Some((diff_id, chain_id));
        self.unpack_new(layer, packed, packed_bytes, expected, cancel)
            .map(|contents| contents.files_bytes)
    }

    /// Unpacks a lowest layer that nobody described: what comes out names it.
    pub(crate) fn unpack_lowest(
        &self,
        layer: &Digest,
        packed: impl io::Read + Send,
        packed_bytes: u64,
        cancel: &CancellationToken,
    ) -> Result<Contents, ImageError> {
        self.unpack_new(layer, packed, packed_bytes, None, cancel)
    }

    /// `expected`: the diff id it must have, and the chain id it gets.
    fn unpack_new(
        &self,
        layer: &Digest,
        packed: impl io::Read + Send,
        packed_bytes: u64,
        expected: Option<(&Digest, &Digest)>,
        cancel: &CancellationToken,
    ) -> Result<Contents, ImageError> {
        let new = self.snapshots.join(format!(".new-{}", random_name()));
        let outcome = self.unpack_into(
            &new,
            layer,
            packed,
            packed_bytes,
            expected.map(|(diff_id, _)| diff_id),
            cancel,
        );
        let named = outcome.and_then(|contents| {
            // The lowest layer's chain id is its diff id.
            let chain_id = expected.map_or(&contents.diff_id, |(_, chain_id)| chain_id);
            self.name_new(&new, chain_id).map(|()| contents)
        });
        remove_unneeded(&new);
        named
    }

    /// Another may have done it meanwhile.
    fn name_new(&self, new: &Path, chain_id: &Digest) -> Result<(), ImageError> {
        let place = self.snapshot(chain_id);
        // One that is settled must not be noted again.
        if place.exists() {
            return Ok(());
        }
        self.content.settling.begin(Kind::Snapshot, chain_id.hex())?;
        let named = sys::unpack::rename_new(new, &place).map(drop);
        named.map_err(ImageError::file("name", place))
    }

    /// Makes a writable layer the unpacked one, in no time; it is gone from its place
    /// also when another has made the same layer meanwhile.
    pub(crate) fn adopt_snapshot(&self, upper: &Path, bytes: u64, chain_id: &Digest) -> Result<(), ImageError> {
        let new = self.snapshots.join(format!(".new-{}", random_name()));
        fs::create_dir(&new).map_err(ImageError::file("make", &new))?;
        let size = new.join(SIZE_FILE);
        let outcome = fs::write(&size, format!("{bytes}\n"))
            .and_then(|()| fs::rename(upper, new.join("fs")))
            .map_err(ImageError::file("name", &new))
            .and_then(|()| self.name_new(&new, chain_id));
        remove_unneeded(&new);
        outcome
    }

    /// Unpacks a layer once more where nobody uses it, shows both, and takes it away.
    pub(crate) fn beside<T>(
        &self,
        layer: &Layer,
        packed: impl io::Read + Send,
        cancel: &CancellationToken,
        look: impl FnOnce(&Path, &Path) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let new = self.snapshots.join(format!(".new-{}", random_name()));
        let unpacked = self.unpack_into(
            &new,
            &layer.digest,
            packed,
            layer.size_bytes,
            Some(&layer.diff_id),
            cancel,
        );
        let seen = unpacked.and_then(|_| look(&self.snapshot(&layer.chain_id).join("fs"), &new.join("fs")));
        if let Err(error) = fs::remove_dir_all(&new) {
            tracing::warn!(%error, path = %new.display(), "a layer to compare with is left until the next start");
        }
        seen
    }

    pub(crate) fn remove_snapshot_if_here(&self, chain_id: &Digest) -> Result<(), ImageError> {
        let path = self.snapshot(chain_id);
        if path.exists() {
            self.remove_snapshot(&path)
        } else {
            Ok(())
        }
    }

    /// First out of sight, then away: what can be seen is whole.
    fn remove_snapshot(&self, path: &Path) -> Result<(), ImageError> {
        self.sizes.forget(path);
        let hidden = self.snapshots.join(format!(".old-{}", random_name()));
        fs::rename(path, &hidden).map_err(ImageError::file("hide", path))?;
        fs::remove_dir_all(&hidden).map_err(ImageError::file("remove", hidden))
    }
}

impl Store {
    /// Unpacks into `new/fs` and notes how much it was.
    fn unpack_into(
        &self,
        new: &Path,
        layer: &Digest,
        packed: impl io::Read + Send,
        packed_bytes: u64,
        expected: Option<&Digest>,
        cancel: &CancellationToken,
    ) -> Result<Contents, ImageError> {
        let root = new.join("fs");
        fs::create_dir_all(&root).map_err(ImageError::file("make", &root))?;
        open_to_all(&root).map_err(ImageError::file("open", &root))?;
        let tar = Unpacked::new(packed, Some(packed_bytes), self.limits).map_err(ImageError::Read)?;
        let hashing = tar.hashing();
        let unpacked = unpack(layer, tar, hashing, &root, self.limits, cancel);
        if cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let contents = unpacked?;
        if let Some(expected) = expected.filter(|expected| **expected != contents.diff_id) {
            return Err(ImageError::Digest {
                what: "an unpacked layer",
                expected: expected.clone(),
                found: contents.diff_id,
            });
        }
        let size = new.join(SIZE_FILE);
        fs::write(&size, format!("{}\n", contents.files_bytes)).map_err(ImageError::file("write", size))?;
        Ok(contents)
    }
}

/// Still there when it failed or was not needed.
fn remove_unneeded(new: &Path) {
    if let Err(error) = fs::remove_dir_all(new)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %new.display(), "a half made layer is left until the next start");
    }
}

fn read_size(snapshot: &Path) -> Option<u64> {
    fs::read_to_string(snapshot.join(SIZE_FILE)).ok()?.trim().parse().ok()
}

/// A layer that says nothing of its root means this.
fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
