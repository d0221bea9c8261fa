//! Layers made of the writable layers of containers, and images made of layers.

use image::document::{ContainerConfig, Document};
use image::{
    ChangeKind, CommitOptions, ImportOptions, Layer, Packing, Progress, RootForm, Store, Written, WrittenTree, changes,
    changes_of_tree,
};
use model::Timestamp;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use sys::overlay::{Layers, mount_detached};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A store with one layer, and an overlay on it to change.
struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    base: Layer,
}

/// What stands in the lowest layer: files, and a directory with two of them.
fn base_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in [
        ("etc/keep", "keep"),
        ("etc/gone", "gone"),
        ("old/a", "a"),
        ("old/b", "b"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

impl Bench {
    /// `None`, said aloud, where this process may not mount.
    async fn new() -> Option<Self> {
        if !sys::user::is_root() {
            println!("skipped: mounting an overlay needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data")).unwrap();
        let options = ImportOptions {
            config: image::document::ContainerConfig {
                env: vec!["A=1".to_owned()],
                ..Default::default()
            },
            platform: None,
            message: None,
            created: Timestamp::from_unix_nanos(0),
        };
        let progress = watch::channel(Progress::default()).0;
        let tar = std::io::Cursor::new(base_tar());
        let image = store.import(tar, options, progress, CancellationToken::new()).await;
        let base = image.unwrap().layers.remove(0);
        Some(Self { dir, store, base })
    }

    /// Shows the layers as one tree that `change` may change; gives the writable layer.
    fn changed(&self, name: &str, layers: &[Layer], change: impl FnOnce(&Path)) -> PathBuf {
        let upper = self.dir.path().join("data").join(format!("upper-{name}"));
        let work = self.dir.path().join("data").join(format!("work-{name}"));
        fs::create_dir_all(&upper).unwrap();
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(&work).unwrap();
        let chain: Vec<_> = layers.iter().map(|layer| layer.chain_id.clone()).collect();
        let root = mount_detached(Layers {
            lower: &self.store.chain_paths(&chain),
            upper: Some((&upper, &work)),
            options: &[],
        })
        .unwrap();
        change(&PathBuf::from(format!("/proc/self/fd/{}/", root.as_raw_fd())));
        upper
    }

    fn commit(&self, upper: &Path, options: &CommitOptions) -> Layer {
        self.commit_written(&Written::Upper(upper.to_owned()), options)
    }

    /// The same change on a copy of the base's files.
    fn changed_copy(&self, name: &str, change: impl FnOnce(&Path)) -> WrittenTree {
        let base = self.store.clone().with_roots(RootForm::Links);
        let base = base.root(&[self.base.chain_id.clone()]).unwrap();
        let tree = self.dir.path().join("data").join(format!("tree-{name}"));
        fs::create_dir(&tree).unwrap();
        sys::copy_tree::copy_into(File::open(&base).unwrap(), File::open(&tree).unwrap()).unwrap();
        let mark = self.dir.path().join("data").join(format!("made-{name}"));
        fs::write(&mark, "").unwrap();
        let mark = fs::metadata(&mark).unwrap();
        change(&tree);
        WrittenTree {
            tree,
            base,
            made: (mark.mtime(), mark.mtime_nsec().try_into().unwrap()),
            first_ids: (0, 0),
        }
    }

    fn commit_written(&self, written: &Written, options: &CommitOptions) -> Layer {
        self.store
            .commit_layer(written, &[self.base.clone()], options, &CancellationToken::new())
            .unwrap()
    }

    /// Looks at the layers as a container sees them.
    fn look(&self, layers: &[Layer], look: impl FnOnce(&Path)) {
        self.changed("look", layers, look);
        fs::remove_dir_all(self.dir.path().join("data/upper-look")).unwrap();
        fs::remove_dir_all(self.dir.path().join("data/work-look")).unwrap();
    }

    /// The names in the layer's tar, in order.
    fn names(&self, layer: &Layer) -> Vec<String> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(self.store.blob(&layer.digest).unwrap()));
        let names = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            String::from_utf8_lossy(&entry.path_bytes()).into_owned()
        });
        names.collect()
    }
}

fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    sys::xattr::set(File::open(path).unwrap(), OsStr::new(name), value).unwrap();
}

fn change_everything(root: &Path) {
    fs::remove_file(root.join("etc/gone")).unwrap();
    fs::remove_dir_all(root.join("old")).unwrap();
    fs::create_dir(root.join("old")).unwrap();
    fs::write(root.join("old/c"), "c").unwrap();
    fs::create_dir_all(root.join("new/deep")).unwrap();
    fs::write(root.join("new/deep/file"), "text").unwrap();
    fs::set_permissions(root.join("new/deep/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::hard_link(root.join("new/deep/file"), root.join("new/linked")).unwrap();
    symlink("/etc/keep", root.join("new/pointer")).unwrap();
    set_xattr(&root.join("new/deep/file"), "user.colour", b"blue");
    let long = format!("new/{}", "long-".repeat(40));
    fs::write(root.join(&long), "long").unwrap();
    let mut holes = File::create_new(root.join("new/holes")).unwrap();
    holes.seek(SeekFrom::Start(64 << 20)).unwrap();
    holes.write_all(b"end").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("s")).unwrap();
}

fn check_everything(root: &Path) {
    assert!(!root.join("etc/gone").exists());
    let old: Vec<_> = fs::read_dir(root.join("old"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(old, ["c"]);
    assert_eq!(fs::read_to_string(root.join("etc/keep")).unwrap(), "keep");
    let file = fs::metadata(root.join("new/deep/file")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.nlink()), (0o4751, 2));
    assert_eq!(fs::metadata(root.join("new/linked")).unwrap().ino(), file.ino());
    assert_eq!(fs::read_link(root.join("new/pointer")).unwrap(), Path::new("/etc/keep"));
    let xattrs = sys::tree::xattrs(File::open(root.join("new/deep/file")).unwrap()).unwrap();
    assert!(xattrs.contains(&("user.colour".into(), b"blue".to_vec())), "{xattrs:?}");
    assert_eq!(
        fs::read_to_string(root.join(format!("new/{}", "long-".repeat(40)))).unwrap(),
        "long"
    );
    let mut holes = File::open(root.join("new/holes")).unwrap();
    assert_eq!(holes.metadata().unwrap().len(), (64 << 20) + 3);
    assert!(holes.metadata().unwrap().blocks() * 512 < 1 << 20, "holes stay holes");
    holes.seek(SeekFrom::Start(64 << 20)).unwrap();
    let mut end = String::new();
    holes.read_to_string(&mut end).unwrap();
    assert_eq!(end, "end");
    assert!(!root.join("s").exists());
}

#[tokio::test]
async fn what_a_container_changed_becomes_a_layer_that_shows_the_same() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], change_everything);
    for packing in [Packing::Gzip, Packing::Plain, Packing::Zstd] {
        let layer = bench.commit(
            &upper,
            &CommitOptions {
                packing,
                ..CommitOptions::default()
            },
        );
        assert_eq!(bench.store.packing_of(&layer.digest).unwrap(), packing);
        bench.look(&[bench.base.clone(), layer.clone()], check_everything);
    }
    let layer = bench.commit(&upper, &CommitOptions::default());
    let names = bench.names(&layer);
    assert!(names.contains(&"etc/.wh.gone".to_owned()), "{names:?}");
    assert!(names.contains(&"old/.wh..wh..opq".to_owned()), "{names:?}");
    assert!(
        !names.contains(&"new/.wh..wh..opq".to_owned()),
        "a new directory hides nothing: {names:?}"
    );
    assert!(!names.contains(&"./".to_owned()), "the root did not change: {names:?}");
    // Whiteouts are the kernel's in the snapshot.
    let gone = bench.store.chain_paths(&[layer.chain_id])[0].join("etc/gone");
    assert!(fs::symlink_metadata(gone).unwrap().file_type().is_char_device());
}

#[tokio::test]
async fn a_writable_layer_that_is_adopted_is_the_same_as_one_unpacked() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], change_everything);
    let packed = bench.store.commit_layer(
        &Written::Upper(upper.clone()),
        &[bench.base.clone()],
        &CommitOptions {
            adopt: true,
            ..CommitOptions::default()
        },
        &CancellationToken::new(),
    );
    let layer = packed.unwrap();
    assert!(!upper.exists(), "it was taken away");
    bench.look(&[bench.base.clone(), layer], check_everything);
}

#[tokio::test]
async fn the_same_changes_give_the_same_layer() {
    let Some(bench) = Bench::new().await else { return };
    let latest = Timestamp::from_unix_nanos(1_000_000_000_000_000_000);
    let options = CommitOptions {
        latest: Some(latest),
        ..CommitOptions::default()
    };
    let change = |root: &Path| {
        for name in ["b", "a", "c"] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), name).unwrap();
        }
    };
    let first = bench.changed("a", &[bench.base.clone()], change);
    let second = bench.changed("b", &[bench.base.clone()], change);
    let (first, second) = (bench.commit(&first, &options), bench.commit(&second, &options));
    assert_eq!(first, second);
}

#[tokio::test]
async fn what_mounts_needed_is_no_change() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], |root| {
        fs::write(root.join("etc/hosts"), "").unwrap();
        fs::create_dir_all(root.join("dev/pts")).unwrap();
        fs::create_dir_all(root.join("data")).unwrap();
        fs::write(root.join("data/kept"), "").unwrap();
    });
    let points = ["/etc/hosts", "/dev", "/dev/pts", "/data"].map(PathBuf::from);
    let options = CommitOptions {
        mount_points: points.to_vec(),
        ..CommitOptions::default()
    };
    assert_eq!(bench.names(&bench.commit(&upper, &options)), ["data/", "data/kept"]);
    let unchanged = bench.changed("b", &[bench.base.clone()], |_| {});
    assert!(bench.commit(&unchanged, &options).is_empty());
}

#[tokio::test]
async fn a_copy_that_was_changed_becomes_a_layer_that_shows_the_same() {
    let Some(bench) = Bench::new().await else { return };
    let tree = bench.changed_copy("a", change_everything);
    let layer = bench.commit_written(&Written::Tree(tree), &CommitOptions::default());
    let names = bench.names(&layer);
    for gone in ["etc/.wh.gone", "old/.wh.a", "old/.wh.b"] {
        assert!(names.contains(&gone.to_owned()), "{names:?}");
    }
    assert!(!names.contains(&"etc/keep".to_owned()), "{names:?}");
    assert!(!names.contains(&"./".to_owned()), "the root did not change: {names:?}");
    bench.look(&[bench.base.clone(), layer], check_everything);
}

#[tokio::test]
async fn an_overlay_and_a_copy_tell_the_same_changes() {
    let Some(bench) = Bench::new().await else { return };
    let change = |root: &Path| {
        fs::write(root.join("etc/hosts"), "").unwrap();
        fs::create_dir_all(root.join("mnt/point")).unwrap();
        fs::remove_file(root.join("etc/gone")).unwrap();
        fs::remove_dir_all(root.join("old")).unwrap();
        fs::create_dir(root.join("old")).unwrap();
        fs::write(root.join("old/b"), "another").unwrap();
        fs::create_dir_all(root.join("new/deep")).unwrap();
        fs::set_permissions(root.join("etc/keep"), fs::Permissions::from_mode(0o600)).unwrap();
    };
    let points = ["/etc/hosts", "/mnt/point", "/dev"].map(PathBuf::from);
    let upper = bench.changed("a", &[bench.base.clone()], change);
    let lower = bench.store.chain_paths(&[bench.base.chain_id.clone()]);
    let sorted = |mut found: Vec<(PathBuf, ChangeKind)>| {
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    };
    let of_overlay = sorted(changes(&upper, &lower, &points).unwrap());
    let of_copy = changes_of_tree(&bench.changed_copy("a", change), &points).unwrap();
    assert_eq!(sorted(of_copy), of_overlay);
    let unchanged = bench.changed_copy("b", |root| {
        fs::write(root.join("etc/hosts"), "").unwrap();
    });
    assert_eq!(changes_of_tree(&unchanged, &points).unwrap(), []);
}

#[tokio::test]
async fn a_file_changed_behind_the_same_length_and_time_is_seen() {
    let Some(bench) = Bench::new().await else { return };
    let tree = bench.changed_copy("a", |root| {
        let path = root.join("etc/keep");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "peek").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(before)
            .unwrap();
        // Read and given its own mode again, it is what it was.
        let gone = root.join("etc/gone");
        fs::set_permissions(&gone, fs::metadata(&gone).unwrap().permissions()).unwrap();
    });
    let wanted = [
        (PathBuf::from("/etc"), ChangeKind::Modified),
        (PathBuf::from("/etc/keep"), ChangeKind::Modified),
    ];
    assert_eq!(changes_of_tree(&tree, &[]).unwrap(), wanted);
}

#[tokio::test]
async fn a_root_of_links_has_what_its_layers_show_and_goes_with_them() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], change_everything);
    let layer = bench.commit(&upper, &CommitOptions::default());
    let chain = [bench.base.chain_id.clone(), layer.chain_id.clone()];
    let store = bench.store.clone().with_roots(RootForm::Links);
    let root = store.root(&chain).unwrap();
    assert_eq!(store.root(&chain).unwrap(), root);
    assert!(!root.join("etc/gone").exists() && !root.join("old/a").exists());
    let in_layer = fs::metadata(store.chain_paths(&chain)[1].join("etc/keep")).unwrap();
    assert_eq!(fs::metadata(root.join("etc/keep")).unwrap().ino(), in_layer.ino());
    check_everything_but_links(&root);
    // Further names of the layers' files are no damage.
    let image = store.commit_image(&Document::default(), &[bench.base.clone(), layer]);
    let verified = store.verify(&[image.unwrap()], &CancellationToken::new(), |_, _| {});
    assert!(verified.unwrap().damages.is_empty());
    let promised = store.preview(&[]).unwrap();
    assert_eq!(store.collect(&[]).unwrap(), promised);
    assert!(!root.exists());
    assert_eq!(fs::read_dir(bench.dir.path().join("data/roots")).unwrap().count(), 0);
}

/// Links are of layers and roots alike, so that their number is another.
fn check_everything_but_links(root: &Path) {
    let file = fs::metadata(root.join("new/deep/file")).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o4751);
    assert_eq!(fs::metadata(root.join("new/linked")).unwrap().ino(), file.ino());
    let old: Vec<_> = fs::read_dir(root.join("old")).unwrap().flatten().collect();
    assert_eq!(old.len(), 1);
}

#[tokio::test]
async fn a_layer_that_fails_leaves_nothing_behind() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], change_everything);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let failed = bench.store.commit_layer(
        &Written::Upper(upper),
        &[bench.base.clone()],
        &CommitOptions::default(),
        &cancel,
    );
    assert!(failed.is_err());
    assert_eq!(
        fs::read_dir(bench.dir.path().join("data/content/ingest"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(
        fs::read_dir(bench.dir.path().join("data/snapshots")).unwrap().count(),
        1
    );
}

#[tokio::test]
async fn an_image_of_layers_keeps_what_it_was_built_on() {
    let Some(bench) = Bench::new().await else { return };
    let upper = bench.changed("a", &[bench.base.clone()], |root| {
        fs::write(root.join("x"), "x").unwrap();
    });
    let layer = bench.commit(&upper, &CommitOptions::default());
    let document = Document {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        config: ContainerConfig {
            cmd: Some(vec!["sh".to_owned()]),
            ..ContainerConfig::default()
        },
        ..Document::default()
    };
    let image = bench
        .store
        .commit_image(&document, &[bench.base.clone(), layer.clone()])
        .unwrap();
    assert_eq!(image.layers, [bench.base.clone(), layer.clone()]);
    let written = bench.store.document(&image.id).unwrap();
    assert_eq!(
        written.rootfs.diff_ids,
        [bench.base.diff_id.to_string(), layer.diff_id.to_string()]
    );
    let mut manifest = String::new();
    bench
        .store
        .blob(&image.manifest)
        .unwrap()
        .read_to_string(&mut manifest)
        .unwrap();
    assert!(manifest.contains("layer.v1.tar+gzip"), "{manifest}");
    // Nothing needed is collected, everything else is.
    bench.store.collect(&[image.clone()]).unwrap();
    assert!(bench.store.config(&image.id).is_ok());
    bench.look(&image.layers, |root| assert!(root.join("x").exists()));
}
