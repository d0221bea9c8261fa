//! Containers' files by each snapshotter: the same orders end the same, wherever the data
//! lies.

mod apart;
mod story;

use apart::apart;
use harness::{Host, Image, Options};
use std::path::{Path, PathBuf};
use std::process::Command;
use story::{Docker, Story};

fn switches(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A server whose data lies in `data`, with an image of two layers, the upper of which hides
/// some of the lower.
async fn host(data: &Path, words: &[&str]) -> Host {
    let options = Options {
        switches: switches(words),
        data_dir: Some(data.to_owned()),
        ..Options::default()
    };
    let host = Host::start_with(env!("CARGO_BIN_EXE_gantry"), options);
    let archive = Image::busybox().archive("busybox:latest");
    let task = host.api().upload("/images/load", archive).await.expect("it is taken");
    assert_eq!(task.state, shared::task::TaskState::Done, "{task:?}");
    host
}

async fn system(host: &Host) -> shared::system::System {
    host.api().get("/system").await.expect("answered")
}

/// What everything comes to on overlays, in a directory of the same file system as ever.
async fn of_overlays(docker: &Docker) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut host = host(&dir.path().join("data"), &["--snapshotter", "overlay"]).await;
    Story::new(&mut host, docker).tell().await
}

async fn compare_with_overlays(docker: &Docker, host: &mut Host) {
    let found = Story::new(host, docker).tell().await;
    let wanted = of_overlays(docker).await;
    let pairs = found.iter().zip(&wanted).filter(|(found, wanted)| found != wanted);
    let differ: Vec<String> = pairs
        .map(|(found, wanted)| format!("{found}\n-- instead of --\n{wanted}"))
        .collect();
    assert!(
        differ.is_empty() && found.len() == wanted.len(),
        "{}",
        differ.join("\n\n")
    );
}

/// Nothing of containers, and of roots only those of images.
fn assert_is_empty(data: &Path) {
    let count = |name: &str| std::fs::read_dir(data.join(name)).map_or(0, Iterator::count);
    assert_eq!(count("containers"), 0);
    assert_eq!(count("builds/work"), 0);
    assert_eq!(count("snapshots"), 0);
    let roots: Vec<_> = std::fs::read_dir(data.join("roots"))
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    assert!(roots.iter().all(|name| name == "nothing"), "{roots:?}");
    let rest: Vec<_> = std::fs::read_dir(data)
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".trial"))
        .collect();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn plain_copies_end_as_overlays_do() {
    let Some(docker) = Docker::find() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut host = host(&data, &["--snapshotter", "copy"]).await;
    assert_eq!(system(&host).await.snapshotter, "copy");
    assert_drivers(&docker.of(&host), "vfs");
    compare_with_overlays(&docker, &mut host).await;
    assert_is_empty(&data);
}

/// What Docker's words for it are.
fn assert_drivers(docker: &Docker, name: &str) {
    assert_eq!(docker.ok(&["info", "-f", "{{.Driver}}"]).trim(), name);
    let image = docker.ok(&["image", "inspect", "-f", "{{.GraphDriver.Name}}", "busybox"]);
    assert_eq!(image.trim(), name);
    docker.ok(&["create", "--name", "driver", "busybox"]);
    let container = docker.ok(&["inspect", "-f", "{{.GraphDriver.Name}} {{.Driver}}", "driver"]);
    assert_eq!(container.trim(), format!("{name} {name}"));
    docker.ok(&["rm", "driver"]);
}

#[tokio::test]
async fn on_an_overlay_copies_are_chosen_and_end_the_same() {
    let Some(docker) = Docker::find() else { return };
    if !apart("on_an_overlay_copies_are_chosen_and_end_the_same") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    for name in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(path(name)).expect("a directory");
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        path("lower").display(),
        path("upper").display(),
        path("work").display()
    );
    apart::mount(&["-t", "overlay", "overlay", "-o", &options], &path("merged"));
    let data = path("merged").join("data");
    let mut host = host(&data, &[]).await;
    let system = system(&host).await;
    assert_eq!(system.snapshotter, "copy");
    assert!(
        system.snapshotter_reason.contains("overlay does not serve"),
        "{}",
        system.snapshotter_reason
    );
    compare_with_overlays(&docker, &mut host).await;
    assert_is_empty(&data);
}

#[tokio::test]
async fn btrfs_snapshots_end_as_overlays_do() {
    let Some(docker) = Docker::find() else { return };
    let Some(disk) = Btrfs::mount("btrfs_snapshots_end_as_overlays_do") else {
        return;
    };
    let data = disk.data();
    let mut host = host(&data, &["--snapshotter", "btrfs"]).await;
    assert_eq!(system(&host).await.snapshotter, "btrfs");
    assert_drivers(&docker.of(&host), "btrfs");
    compare_with_overlays(&docker, &mut host).await;
    assert_is_empty(&data);
    drop(host);
    // Roots and containers alike: what is a subvolume has the inode 256.
    let left = Command::new("find")
        .arg(&data)
        .args(["-mindepth", "1", "-inum", "256", "-not", "-name", "nothing"])
        .output()
        .expect("find");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[tokio::test]
async fn a_subvolume_made_inside_goes_with_its_container() {
    let Some(docker) = Docker::find() else { return };
    let Some(disk) = Btrfs::mount("a_subvolume_made_inside_goes_with_its_container") else {
        return;
    };
    let data = disk.data();
    let host = host(&data, &["--snapshotter", "btrfs"]).await;
    let docker = docker.of(&host);
    docker.ok(&["run", "--name", "one", "busybox", "mkdir", "-p", "/srv/x"]);
    let id = docker.ok(&["inspect", "-f", "{{.Id}}", "one"]);
    let files = data.join("containers").join(id.trim()).join("files");
    // As who is root inside can: the second is read-only, and not empty.
    for line in [
        "btrfs subvolume create srv/x/inner && touch srv/x/inner/file",
        "btrfs subvolume snapshot -r srv/x/inner srv/kept",
    ] {
        let done = Command::new("sh").args(["-c", line]).current_dir(&files).output();
        let done = done.expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    docker.ok(&["rm", "one"]);
    assert!(!files.exists());
}

/// A small disk with btrfs, in a mount namespace of its own; it outlives its server.
struct Btrfs(tempfile::TempDir);

impl Btrfs {
    /// `None`, said aloud, where the kernel has none, or `test` runs in another process.
    fn mount(test: &str) -> Option<Self> {
        let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !filesystems.lines().any(|line| line.trim() == "btrfs") {
            println!("skipped: this kernel has no btrfs");
            return None;
        }
        if !apart(test) {
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let (disk, place) = (dir.path().join("disk"), dir.path().join("mounted"));
        let file = std::fs::File::create(&disk).expect("a file");
        file.set_len(1 << 30).expect("a length");
        let mut make = Command::new("mkfs.btrfs");
        let made = make.args(["-q", "-m", "single"]).arg(&disk).output();
        match made {
            Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
            Err(error) => panic!("mkfs.btrfs cannot be run ({error}); install btrfs-progs"),
        }
        std::fs::create_dir(&place).expect("a directory");
        apart::mount(&["-o", "loop", disk.to_str().expect("text")], &place);
        Some(Self(dir))
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("mounted/data")
    }
}

impl Drop for Btrfs {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0.path().join("mounted"))
            .status();
    }
}

#[tokio::test]
async fn what_is_chosen_stays_and_what_does_not_serve_is_told() {
    let Some(docker) = Docker::find() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut host = host(&data, &["--snapshotter", "copy"]).await;
    docker.of(&host).ok(&["create", "--name", "one", "busybox"]);
    let parent = host.cgroup_parent().to_owned();
    let serve = |word: &str| {
        let run_dir = dir.path().join("run");
        let data = if word == "btrfs" {
            dir.path().join("other")
        } else {
            data.clone()
        };
        let done = Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(["serve", "--listen", "127.0.0.1:0", "--snapshotter", word])
            .args(["--cgroup-parent", &parent])
            .arg("--data-dir")
            .arg(data)
            .arg("--run-dir")
            .arg(run_dir)
            .output()
            .expect("it runs");
        assert_eq!(done.status.code(), Some(1));
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    host.stop();
    let why = serve("overlay");
    assert!(why.contains("`copy`") && why.contains("remove them first"), "{why}");
    let why = serve("btrfs");
    assert!(why.contains("does not lie on btrfs"), "{why}");
    let why = serve("zfs");
    assert!(why.contains("`auto`, `overlay`, `btrfs` and `copy`"), "{why}");
    host.start_again();
    assert_eq!(system(&host).await.snapshotter, "copy");
}
