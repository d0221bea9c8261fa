//! Pulls from a registry on loopback, and archives.

use image::{ImageError, ImportOptions, LayerState, Progress, PullOptions, Store};
use model::Timestamp;
use model::image::{Digest, Reference};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image of two layers, and how a registry answers for it.
struct Served {
    answers: HashMap<String, Vec<u8>>,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

fn served() -> Served {
    let tars = [
        tar(&[("bin/sh", "low"), ("etc/a", "low")]),
        tar(&[("etc/a", "top"), ("etc/.wh.b", "")]),
    ];
    let layers: Vec<Vec<u8>> = tars.iter().map(|tar| gzip(tar)).collect();
    let diff_ids: Vec<String> = tars.iter().map(|tar| digest(tar).to_string()).collect();
    let config = serde_json::json!({
        "architecture": image::Platform::own().architecture, "os": "linux",
        "config": {"Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
    .to_string()
    .into_bytes();
    let descriptor = |bytes: &[u8], kind: &str| serde_json::json!({"mediaType": kind, "digest": digest(bytes).as_str(), "size": bytes.len()});
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": descriptor(&config, "application/vnd.oci.image.config.v1+json"),
        "layers": layers.iter().map(|l| descriptor(l, "application/vnd.oci.image.layer.v1.tar+gzip")).collect::<Vec<_>>(),
    })
    .to_string()
    .into_bytes();
    let mut answers = HashMap::from([("/v2/team/web/manifests/1".to_owned(), manifest)]);
    for blob in layers.iter().chain([&config]) {
        answers.insert(format!("/v2/team/web/blobs/{}", digest(blob)), blob.clone());
    }
    Served {
        answers,
        config,
        layers,
    }
}

/// Serves until the test ends; wants a token first. Gives its address and the paths asked for.
async fn serve(answers: HashMap<String, Vec<u8>>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (own, log) = (address.clone(), asked.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answers, own, log) = (answers.clone(), own.clone(), log.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                    let count = stream.read(&mut buffer).await.unwrap();
                    if count == 0 {
                        return;
                    }
                    request.extend_from_slice(&buffer[..count]);
                }
                let text = String::from_utf8_lossy(&request).to_lowercase();
                let path = text.split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().push(path.clone());
                let (status, extra, body) = if path.starts_with("/token") {
                    ("200 OK", String::new(), br#"{"token":"secret"}"#.to_vec())
                } else if !text.contains("authorization: bearer secret") {
                    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"s\"\r\n");
                    ("401 Unauthorized", challenge, Vec::new())
                } else {
                    match answers.get(&path) {
                        Some(body) => ("200 OK", String::new(), body.clone()),
                        None => ("404 Not Found", String::new(), Vec::new()),
                    }
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(&body).await.unwrap();
            });
        }
    });
    (address, asked)
}

async fn pull(store: &Store, address: &str, progress: watch::Sender<Progress>) -> Result<image::Image, ImageError> {
    let reference = Reference::parse(&format!("{address}/team/web:1")).unwrap();
    store
        .pull(&reference, PullOptions::default(), progress, CancellationToken::new())
        .await
        .map(|pulled| pulled.image)
}

macro_rules! needs_root {
    () => {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
    };
}

#[tokio::test]
async fn an_image_is_pulled_once_and_its_layers_stand_in_order() {
    needs_root!();
    let (dir, served) = (tempfile::tempdir().unwrap(), served());
    let (address, asked) = serve(served.answers.clone()).await;
    let store = Store::open(dir.path()).unwrap();
    let (sender, shown) = watch::channel(Progress::default());
    let image = pull(&store, &address, sender.clone()).await.unwrap();
    assert_eq!(image.id, digest(&served.config));
    assert_eq!(image.config.command, ["sh"]);
    let paths = store.layer_paths(&image);
    assert_eq!(std::fs::read_to_string(paths[0].join("etc/a")).unwrap(), "top");
    assert_eq!(std::fs::read_to_string(paths[1].join("bin/sh")).unwrap(), "low");
    assert_eq!(shown.borrow().bytes_done, shown.borrow().bytes_total);
    assert!(
        shown
            .borrow()
            .layers
            .iter()
            .all(|layer| layer.state == LayerState::Done)
    );

    asked.lock().unwrap().clear();
    pull(&store, &address, sender).await.unwrap();
    let again = asked
        .lock()
        .unwrap()
        .iter()
        .filter(|path| path.contains("/blobs/"))
        .count();
    assert_eq!(again, 0);
    assert!(
        shown
            .borrow()
            .layers
            .iter()
            .all(|layer| layer.state == LayerState::AlreadyHere)
    );
}

#[tokio::test]
async fn a_layer_that_is_not_what_was_promised_is_thrown_away() {
    needs_root!();
    let (dir, mut served) = (tempfile::tempdir().unwrap(), served());
    let path = format!("/v2/team/web/blobs/{}", digest(&served.layers[1]));
    let mut forged = served.layers[1].clone();
    *forged.last_mut().unwrap() ^= 1;
    served.answers.insert(path, forged);
    let (address, _) = serve(served.answers).await;
    let store = Store::open(dir.path()).unwrap();
    let error = pull(&store, &address, watch::channel(Progress::default()).0)
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn what_an_interrupted_pull_finished_is_kept_for_the_next() {
    needs_root!();
    let (dir, served) = (tempfile::tempdir().unwrap(), served());
    let blob = |layer: &[u8]| format!("/v2/team/web/blobs/{}", digest(layer));
    let mut lacking = served.answers.clone();
    lacking.remove(&blob(&served.layers[1]));
    let (broken, _) = serve(lacking).await;
    let store = Store::open(dir.path()).unwrap();
    let sender = watch::channel(Progress::default()).0;
    // The missing layer can fail the pull before the other one is complete: then once more.
    let has_layer = || {
        let unpacked = std::fs::read_dir(dir.path().join("snapshots")).unwrap();
        unpacked.flatten().any(|entry| entry.file_name().len() >= 64)
    };
    let pull_broken = async || {
        for _ in 0..200 {
            pull(&store, &broken, sender.clone()).await.unwrap_err();
            if has_layer() {
                return;
            }
        }
        panic!("the first layer is never complete");
    };
    pull_broken().await;
    // Also when something else is cleaned up meanwhile.
    store.collect(&[]).unwrap();
    assert_eq!(store.interrupted_pulls().len(), 1);
    let (address, asked) = serve(served.answers.clone()).await;
    pull(&store, &address, sender.clone()).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.contains(&blob(&served.layers[0])), "{asked:?}");
    assert!(asked.contains(&blob(&served.layers[1])), "{asked:?}");
    assert!(store.interrupted_pulls().is_empty());
    assert_eq!(
        store.collect(&[]).unwrap().snapshots,
        2,
        "it is an image like any other"
    );

    pull_broken().await;
    store.forget_interrupted_pulls();
    assert_eq!(store.collect(&[]).unwrap().snapshots, 1);
}

#[tokio::test]
async fn what_the_registry_lacks_is_told_as_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(HashMap::new()).await;
    let store = Store::open(dir.path()).unwrap();
    let error = pull(&store, &address, watch::channel(Progress::default()).0)
        .await
        .unwrap_err();
    assert!(matches!(error, ImageError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn what_docker_saved_is_loaded_with_its_names_and_collected_when_unwanted() {
    needs_root!();
    let layer = tar(&[("bin/sh", "x")]);
    let config = serde_json::json!({"rootfs": {"diff_ids": [digest(&layer).as_str()]}}).to_string();
    let manifest = r#"[{"Config":"c.json","RepoTags":["web:2"],"Layers":["l/layer.tar"]}]"#;
    let layer_text = String::from_utf8(layer.clone()).unwrap();
    let archive = tar(&[
        ("l/layer.tar", &layer_text),
        ("c.json", &config),
        ("manifest.json", manifest),
    ]);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let archive = std::io::Cursor::new(gzip(&archive));
    let loaded = store
        .load(archive, watch::channel(Progress::default()).0, CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(loaded[0].1, [Reference::parse("web:2").unwrap()]);
    assert!(store.layer_paths(&loaded[0].0)[0].join("bin/sh").is_file());
    store.collect(&[loaded[0].0.clone()]).unwrap();
    assert!(store.layer_paths(&loaded[0].0)[0].join("bin/sh").is_file());
    let collected = store.collect(&[]).unwrap();
    assert_eq!(collected.snapshots, 1);
    assert!(!store.layer_paths(&loaded[0].0)[0].exists());
}

#[tokio::test]
async fn a_bare_root_filesystem_becomes_an_image_of_one_layer() {
    needs_root!();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let options = ImportOptions {
        config: image::document::ContainerConfig {
            cmd: Some(vec!["/bin/sh".to_owned()]),
            ..Default::default()
        },
        platform: image::Platform::parse("linux/arm64/v8"),
        message: None,
        created: Timestamp::from_unix_nanos(0),
    };
    let archive = std::io::Cursor::new(tar(&[("bin/sh", "x")]));
    let image = store
        .import(
            archive,
            options,
            watch::channel(Progress::default()).0,
            CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(image.config.command, ["/bin/sh"]);
    assert_eq!(image.config.architecture, "arm64");
    assert_eq!(store.document(&image.id).unwrap().variant.as_deref(), Some("v8"));
    assert_eq!(image.layers.len(), 1);
    assert_eq!(store.config(&image.id).unwrap().0, image.config);
}
