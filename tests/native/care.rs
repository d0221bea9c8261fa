use crate::{host, started};
use harness::{Api, Host, Image, Registry};
use reqwest::Method;
use serde_json::json;
use shared::layer::{Change, File, Pruned, Tree, Waste};
use shared::list::List;
use shared::task::{Task, TaskState};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What the store takes on the disk, each file once.
fn store_bytes(host: &Host) -> u64 {
    fn tree(path: &Path) -> u64 {
        let found = fs::symlink_metadata(path).expect("it is there");
        let inner = if found.is_dir() {
            fs::read_dir(path)
                .expect("readable")
                .map(|entry| tree(&entry.expect("an entry").path()))
                .sum()
        } else {
            0
        };
        found.blocks() * 512 + inner
    }
    let dirs = ["content/blobs/sha256", "snapshots"].map(|name| host.data_dir().join(name));
    let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).expect("readable"));
    entries.map(|entry| tree(&entry.expect("an entry").path())).sum()
}

async fn prune(api: &Api, asked: &serde_json::Value) -> Pruned {
    api.send(Method::POST, "/images/prune", asked).await.expect("an answer")
}

async fn load(api: &Api, image: &Image, name: &str) -> String {
    let task = api
        .upload("/images/load", image.archive(name))
        .await
        .expect("it is taken");
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    task.result[0].clone()
}

async fn verify(api: &Api) -> Task {
    let task: Task = api
        .send(Method::POST, "/images/verify", &json!({}))
        .await
        .expect("it begins");
    api.finish(task).await
}

#[tokio::test]
async fn a_cleanup_frees_what_its_preview_promised_to_the_byte() {
    let Some((host, api)) = host().await else { return };
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    let one = load(&api, &Image::busybox().with_files(&[("big", &noise)]), "one:1").await;
    load(&api, &Image::busybox().with_files(&[("small", b"x")]), "two:1").await;
    load(&api, &Image::busybox().with_files(&[("used", b"y")]), "used:1").await;
    let mut new = started("holds", "true");
    new.image = "used:1".to_owned();
    api.create(&new).await.expect("it runs");
    api.wait("holds").await;
    assert!(
        prune(&api, &json!({ "preview": true })).await.items.is_empty(),
        "all have names"
    );
    // One alone, chosen from the preview of all.
    let all = prune(&api, &json!({ "preview": true, "unused": true })).await;
    let names: Vec<&str> = all.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names.len(), 3, "the used one stays: {names:?}");
    let asked = json!({ "unused": true, "only": [one] });
    let before = store_bytes(&host);
    let promised = prune(&api, &json!({ "preview": true, "unused": true, "only": [one] })).await;
    assert_eq!(store_bytes(&host), before, "a preview takes nothing");
    let done = prune(&api, &asked).await;
    assert_eq!(done, promised);
    assert_eq!(before - store_bytes(&host), promised.freed_bytes);
    assert!(
        promised.freed_bytes >= 300_000 && promised.items[0].size_bytes > promised.freed_bytes,
        "{promised:?}"
    );
    // Down to a budget, and only what is old.
    assert!(
        prune(&api, &json!({ "unused": true, "older_than_seconds": 3600 }))
            .await
            .items
            .is_empty()
    );
    assert!(
        prune(&api, &json!({ "unused": true, "keep_bytes": 1_u64 << 40 }))
            .await
            .items
            .is_empty()
    );
    let before = store_bytes(&host);
    let rest = prune(&api, &json!({ "unused": true, "keep_bytes": 0 })).await;
    assert_eq!(rest.items.len(), 2);
    assert_eq!(before - store_bytes(&host), rest.freed_bytes);
    let tree: Tree = api.get("/images/tree").await.expect("a tree");
    assert_eq!(tree.nodes.len(), 2, "what the used image stands on is left");
}

#[tokio::test]
async fn the_tree_has_each_layer_once_and_tells_what_would_be_free() {
    let Some((_host, api)) = host().await else { return };
    load(&api, &Image::busybox().with_files(&[("a", b"a")]), "one:1").await;
    let two = Image::busybox().with_files(&[("a", b"a")]).with_files(&[("b", b"b")]);
    let id = load(&api, &two, "two:1").await;
    let tree: Tree = api.get("/images/tree").await.expect("a tree");
    assert_eq!(tree.nodes.len(), 3);
    let [base, middle, top] = &tree.nodes[..] else {
        panic!("three: {tree:?}")
    };
    assert_eq!((base.image_count, middle.image_count, top.image_count), (3, 2, 1));
    assert_eq!(base.parent, None);
    assert_eq!(top.parent.as_ref(), Some(&middle.id));
    assert_eq!(top.images[0].id, id);
    assert!(base.freed_bytes > middle.freed_bytes && middle.freed_bytes > top.freed_bytes);
    assert_eq!(top.images[0].freed_bytes, top.freed_bytes);
    // An image under which nothing ends frees its own documents alone.
    assert!(middle.images[0].freed_bytes < middle.size_bytes);
    let promised = prune(&api, &json!({ "preview": true, "unused": true, "only": [id] })).await;
    assert_eq!(promised.freed_bytes, top.images[0].freed_bytes);
}

#[tokio::test]
async fn what_the_build_cache_keeps_is_promised_with_the_cache_only() {
    let Some((host, api)) = host().await else { return };
    load(&api, &Image::busybox(), "base:1").await;
    let words = (0..60_000_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761)));
    let noise = words.collect::<Vec<_>>().join("\n") + "\n";
    let new = json!({ "dockerfile": format!("FROM base:1\nCOPY <<end /big\n{noise}end\n"), "tags": ["built:1"] });
    let begun: shared::build::Build = api.send(Method::POST, "/builds", &new).await.expect("it begins");
    let task: Task = api.get(&format!("/tasks/{}", begun.id)).await.expect("a task");
    let task = api.finish(task).await;
    assert_eq!(task.state, TaskState::Done, "{task:?}");
    let images: List<shared::image::Image> = api.get("/images").await.expect("a list");
    let all = prune(&api, &json!({ "preview": true, "unused": true })).await;
    assert_eq!(all.items.len(), 2);
    // An image, the tree and the preview tell the same.
    let tree: Tree = api.get("/images/tree").await.expect("a tree");
    for image in &images.items {
        let item = all.items.iter().find(|item| item.id == image.id).expect("it goes");
        assert_eq!(item.size_bytes, image.size_bytes);
        let leaves = tree.nodes.iter().flat_map(|node| &node.images);
        let leaf = leaves.into_iter().find(|leaf| leaf.id == image.id).expect("a leaf");
        assert_eq!(leaf.freed_bytes, image.size_bytes - image.shared_bytes);
    }
    assert!(all.freed_bytes < 100_000, "the cache keeps the layers: {all:?}");
    assert!(
        all.build_cache.steps > 0 && all.build_cache.freed_bytes > 300_000,
        "{all:?}"
    );
    let before = store_bytes(&host);
    let gone = api
        .send::<shared::image::Removed>(Method::DELETE, "/images/built:1", &json!({}))
        .await
        .expect("it goes");
    assert_eq!(before - store_bytes(&host), gone.freed_bytes);
    let asked = json!({ "unused": true, "build_cache": true });
    let promised = prune(&api, &json!({ "preview": true, "unused": true, "build_cache": true })).await;
    let before = store_bytes(&host);
    let done = prune(&api, &asked).await;
    assert_eq!(done, promised);
    assert_eq!(before - store_bytes(&host), promised.freed_bytes);
    assert!(promised.freed_bytes > 300_000, "{promised:?}");
    assert_eq!(store_bytes(&host), 0, "nothing is left");
}

/// The one file of that name below a directory.
fn find(dir: &Path, name: &str) -> PathBuf {
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|own| own == name) {
                return path;
            }
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    panic!("no {name}");
}

#[tokio::test]
async fn what_is_damaged_is_found_and_mended() {
    let Some((host, api)) = host().await else { return };
    let Some(registry) = Registry::start() else { return };
    let image = Image::busybox().with_files(&[("etc/truth", b"right"), ("etc/other", b"other")]);
    let name = registry.push(&image, "team/checked:1").await;
    let task: Task = api
        .send(Method::POST, "/images/pull", &json!({ "reference": name }))
        .await
        .expect("it begins");
    assert_eq!(api.finish(task).await.state, TaskState::Done);
    assert_eq!(verify(&api).await.state, TaskState::Done, "all is well");
    let snapshots = host.data_dir().join("snapshots");
    let truth = find(&snapshots, "truth");
    // Same length, same time: only a look inside tells.
    let time = fs::metadata(&truth).expect("it is there").modified().expect("a time");
    fs::write(&truth, "wrong").expect("writable");
    fs::File::options()
        .write(true)
        .open(&truth)
        .expect("writable")
        .set_modified(time)
        .expect("a time");
    fs::write(find(&snapshots, "other").with_file_name("planted"), "x").expect("writable");
    assert_eq!(verify(&api).await.state, TaskState::Done, "it is unpacked again");
    assert_eq!(
        fs::read_to_string(find(&snapshots, "truth")).expect("readable"),
        "right"
    );
    // A blob and an unpacked layer both: only the registry has it still.
    let blobs = host.data_dir().join("content/blobs/sha256");
    let smallest = fs::read_dir(&blobs)
        .expect("readable")
        .map(|entry| entry.expect("an entry").path());
    let gzip = |path: &PathBuf| fs::read(path).expect("readable").starts_with(&[0x1f, 0x8b]);
    let layer = smallest
        .filter(gzip)
        .min_by_key(|path| fs::metadata(path).expect("it is there").len())
        .expect("a layer");
    fs::write(&layer, b"\x1f\x8bdamaged").expect("writable");
    fs::write(find(&snapshots, "truth"), "wrong again").expect("writable");
    let task = verify(&api).await;
    assert_eq!(task.state, TaskState::Done, "it is pulled again: {task:?}");
    assert!(fs::metadata(&layer).expect("it is there").len() > 20);
    // Without the registry it is told, with names.
    fs::write(&layer, b"\x1f\x8bdamaged").expect("writable");
    drop(registry);
    let task = verify(&api).await;
    assert_eq!(task.state, TaskState::Failed);
    let detail = task.problem.expect("a problem").detail;
    assert!(detail.contains("blob"), "{detail}");
}

#[tokio::test]
async fn what_is_in_an_image_is_told_layer_by_layer_and_package_by_package() {
    let Some((_host, api)) = host().await else { return };
    let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n";
    let image = Image::busybox()
        .with_files(&[
            ("etc/os-release", b"ID=debian\n"),
            ("var/lib/dpkg/status", status.as_bytes()),
            ("big", &[1; 5000]),
        ])
        .with_files(&[("big", b"small"), ("etc/more", b"more")]);
    load(&api, &image, "facts:1").await;
    let files: List<File> = api.get("/images/facts:1/layers/2/files?path=/").await.expect("a list");
    let told: Vec<_> = files
        .items
        .iter()
        .map(|file| (file.name.as_str(), file.change, file.size_bytes))
        .collect();
    assert_eq!(told, [("big", Change::Changed, 5), ("etc", Change::Changed, 4)]);
    let whole: List<File> = api
        .get("/images/facts:1/layers/2/files?path=/etc&whole=true")
        .await
        .expect("a list");
    assert!(
        whole
            .items
            .iter()
            .any(|file| file.name == "passwd" && file.change == Change::Unchanged),
        "{whole:?}"
    );
    let none = api
        .get::<List<File>>("/images/facts:1/layers/9/files")
        .await
        .expect_err("three layers");
    assert_eq!(none.status, reqwest::StatusCode::NOT_FOUND);
    let waste: Waste = api.get("/images/facts:1/waste").await.expect("waste");
    assert_eq!((waste.wasted_bytes, waste.worst[0].path.as_str()), (5000, "/big"));
    let spdx: serde_json::Value = api.get("/images/facts:1/sbom").await.expect("a document");
    assert_eq!(spdx["spdxVersion"], "SPDX-2.3");
    assert!(
        spdx.to_string().contains("pkg:deb/debian/libc6@2.36-9?arch=amd64"),
        "{spdx}"
    );
    let cyclone: serde_json::Value = api
        .get("/images/facts:1/sbom?format=cyclonedx")
        .await
        .expect("a document");
    assert_eq!(cyclone["components"][0]["name"], "libc6");
}

#[tokio::test]
async fn a_template_that_cannot_be_right_is_refused_with_every_mistake() {
    let Some((_host, api)) = host().await else { return };
    let asked =
        json!({ "distribution": "none", "suite": "--hook", "packages": ["a b"], "mirror": null, "reference": "x:1" });
    let refused = api
        .send::<Task>(Method::POST, "/images/templates", &asked)
        .await
        .expect_err("it is refused");
    let fields: Vec<String> = refused
        .problem
        .mistakes
        .iter()
        .map(|mistake| mistake.field.clone())
        .collect();
    assert_eq!(fields, ["distribution", "suite", "packages"], "{:?}", refused.problem);
}
