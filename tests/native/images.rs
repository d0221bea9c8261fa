use crate::{host, started};
use harness::{Host, Image, Options, Registry};
use reqwest::{Method, StatusCode};
use serde_json::json;
use shared::image::{Image as Shown, Removed};
use shared::list::List;
use shared::task::{LayerState, Task, TaskState};
use std::process::Command;

#[tokio::test]
async fn an_image_is_pulled_from_a_real_registry_and_runs() {
    let Some((_host, api)) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    let image = Image::busybox()
        .with_files(&[("etc/motd", b"pulled\n")])
        .command(&["cat", "/etc/motd"]);
    let name = registry.push(&image, "team/web:1").await;
    let task: Task = api
        .send(Method::POST, "/images/pull", &json!({ "reference": name }))
        .await
        .expect("it begins");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    let layers = task.progress.expect("progress").layers;
    assert_eq!(layers.len(), 2);
    assert!(layers.iter().all(|layer| layer.state == LayerState::Done), "{layers:?}");
    let other = registry
        .push(&image.clone().with_files(&[("etc/more", b"more\n")]), "team/web:2")
        .await;
    let task: Task = api
        .send(Method::POST, "/images/pull", &json!({ "reference": other }))
        .await
        .expect("it begins");
    let layers = api.finish(task).await.progress.expect("progress").layers;
    let here = layers.iter().filter(|layer| layer.state == LayerState::AlreadyHere);
    assert_eq!(here.count(), 2, "what both share was here: {layers:?}");
    let new = shared::create::NewContainer {
        image: name.clone(),
        command: None,
        ..started("web", "")
    };
    api.create(&new).await.expect("it runs");
    assert_eq!(api.wait("web").await.exit_code, 0);
    assert_eq!(api.log("web").await, "pulled\n");
    let encoded = name.replace('/', "%2F");
    let used = api
        .act(Method::DELETE, &format!("/images/{encoded}"))
        .await
        .expect_err("it is in use");
    assert_eq!(used.status, StatusCode::CONFLICT);
    api.act(Method::DELETE, "/containers/web").await.expect("it is removed");
    let text = api
        .request(Method::DELETE, &format!("/images/{encoded}"))
        .send()
        .await
        .expect("answers");
    let removed: Removed = text.json().await.expect("what was done");
    let repository = name.trim_end_matches(":1");
    assert_eq!(removed.untagged[0], name);
    assert!(
        removed.untagged[1].starts_with(&format!("{repository}@sha256:")),
        "{removed:?}"
    );
    assert_eq!(removed.untagged.len(), 2);
    assert_eq!(removed.deleted.len(), 1);
}

#[tokio::test]
async fn what_a_registry_gets_wrong_is_refused_and_leaves_nothing() {
    let Some((_host, api)) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    let before: List<Shown> = api.get("/images").await.expect("a list");
    let wrong = Image::busybox().with_files(&[("a", b"wrong digest")]);
    let short = Image::busybox().with_files(&[("b", b"cut off in the middle of the layer")]);
    let names = [
        registry.push(&wrong, "wrong:1").await,
        registry.push(&short, "short:1").await,
    ];
    // The length stays, one byte differs.
    registry.corrupt_top_layer(&wrong, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
    });
    registry.corrupt_top_layer(&short, |bytes| bytes.truncate(bytes.len() / 2));
    let unknown = format!("{}/no/such:1", registry.address());
    for name in names.iter().chain([&unknown]) {
        let task: Task = api
            .send(Method::POST, "/images/pull", &json!({ "reference": name }))
            .await
            .expect("it begins");
        let task = api.finish(task).await;
        assert_eq!(task.state, TaskState::Failed, "{name}: {task:?}");
        let problem = task.problem.expect("a problem");
        assert!(!problem.detail.is_empty(), "{problem:?}");
    }
    let after: List<Shown> = api.get("/images").await.expect("a list");
    assert_eq!(after.items, before.items);
}

/// A root file system whose one entry goes outside.
fn hostile(entry: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    entry(&mut builder);
    builder.into_inner().expect("memory")
}

fn raw_entry(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, link: &str, text: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    // Set by hand: the library refuses such names, as it should.
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, text).expect("memory");
}

#[tokio::test]
async fn an_archive_that_points_outside_its_root_writes_nothing_there() {
    let Some((host, api)) = host().await else { return };
    let outside = host.dir().join("outside");
    let target = outside.to_str().expect("UTF-8").to_owned();
    let up = format!("../../../../../../../../../../../..{target}");
    let archives = [
        hostile(|tar| raw_entry(tar, &up, tar::EntryType::Regular, "", b"x")),
        hostile(|tar| raw_entry(tar, &target, tar::EntryType::Regular, "", b"x")),
        hostile(|tar| {
            raw_entry(
                tar,
                "link",
                tar::EntryType::Symlink,
                host.dir().to_str().expect("UTF-8"),
                b"",
            );
            raw_entry(tar, "link/outside", tar::EntryType::Regular, "", b"x");
        }),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        let path = format!("/images/import?reference=hostile{number}:1");
        // Refused, or kept inside; never outside.
        let _ = api.upload(&path, archive).await;
        assert!(!outside.exists(), "archive {number} wrote outside its root");
    }
    let cut = api.upload("/images/load", b"this is no archive".to_vec()).await;
    let failed = match cut {
        Err(refused) => refused.problem.detail,
        Ok(task) => task.problem.expect("it failed").detail,
    };
    assert!(failed.contains("archive"), "{failed}");
}

#[tokio::test]
async fn a_full_disk_fails_a_pull_and_loses_nothing() {
    if !harness::can_run_containers() {
        return;
    }
    let Some(registry) = Registry::start() else { return };
    let disk = SmallDisk::mount(24);
    let host = Host::start_with(
        env!("CARGO_BIN_EXE_gantry"),
        Options {
            data_dir: Some(disk.dir.path().join("data")),
            ..Options::default()
        },
    );
    let api = host.api();
    let task = api
        .upload("/images/load", Image::busybox().archive("busybox:latest"))
        .await
        .expect("it fits");
    assert_eq!(task.state, TaskState::Done);
    // Not compressible, and more than the disk holds.
    let mut noise = vec![0_u8; 40 << 20];
    let mut state = 1_u64;
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    let big = Image::busybox().with_files(&[("noise", &noise)]);
    let name = registry.push(&big, "big:1").await;
    let task: Task = api
        .send(Method::POST, "/images/pull", &json!({ "reference": name }))
        .await
        .expect("it begins");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Failed);
    let detail = task.problem.expect("a problem").detail;
    assert!(detail.contains("No space left"), "{detail}");
    api.create(&started("after", "echo still here"))
        .await
        .expect("there is room again");
    assert_eq!(api.wait("after").await.exit_code, 0);
    assert_eq!(api.log("after").await, "still here\n");
    drop(host);
    drop(disk);
}

/// A file system of a few MiB in memory.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(dir.path())
            .status()
            .expect("mount(8)");
        assert!(mounted.success());
        Self { dir }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}
