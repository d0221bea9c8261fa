use crate::image::{Image, digest};
use crate::process::wait_until;
use reqwest::StatusCode;
use serde_json::json;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Debian's docker-registry on a port of its own.
pub struct Registry {
    process: Child,
    address: String,
    http: reqwest::Client,
    dir: TempDir,
}

impl Registry {
    /// The program is found by `DOCKER_REGISTRY`, which `cargo xtask test` sets;
    /// `None`, with the reason printed, without it.
    pub fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("DOCKER_REGISTRY") else {
            println!("skipped: needs DOCKER_REGISTRY, the path of Debian's docker-registry");
            return None;
        };
        crate::api::prepare_tls();
        let dir = tempfile::tempdir().expect("a temporary directory");
        // Free now; nobody else asks for a port without choosing it in between.
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address").to_string();
        drop(free);
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n",
            dir.path().join("data").display()
        );
        let file = dir.path().join("config.yml");
        fs::write(&file, config).expect("a writable directory");
        let log = File::create(dir.path().join("log")).expect("a writable directory");
        let process = Command::new(program)
            .arg("serve")
            .arg(&file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("the registry's program");
        let registry = Self {
            process,
            address,
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            dir,
        };
        let up = wait_until(Duration::from_secs(15), || TcpStream::connect(&registry.address).ok());
        assert!(
            up.is_some(),
            "the registry does not listen: {}",
            fs::read_to_string(registry.dir.path().join("log")).unwrap_or_default()
        );
        Some(registry)
    }

    /// `127.0.0.1:PORT`, as image names begin.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Pushes an image, and gives its name.
    pub async fn push(&self, image: &Image, name: &str) -> String {
        let layers = image.layers_compressed();
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let config = image.config();
        for blob in layers.iter().chain([&config]) {
            self.push_blob(repository, blob).await;
        }
        let descriptor =
            |kind: &str, blob: &[u8]| json!({ "mediaType": kind, "size": blob.len(), "digest": digest(blob) });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": layers.iter().map(|layer| descriptor(LAYER, layer)).collect::<Vec<_>>(),
        });
        let put = self
            .http
            .put(format!("http://{}/v2/{repository}/manifests/{tag}", self.address))
            .header("content-type", MANIFEST)
            .body(manifest.to_string())
            .send()
            .await
            .expect("the registry answers");
        assert_eq!(put.status(), StatusCode::CREATED);
        format!("{}/{repository}:{tag}", self.address)
    }

    async fn push_blob(&self, repository: &str, blob: &[u8]) {
        let begun = self
            .http
            .post(format!("http://{}/v2/{repository}/blobs/uploads/", self.address))
            .send()
            .await
            .expect("the registry answers");
        let place = begun.headers()["location"].to_str().expect("an address").to_owned();
        let place = if place.starts_with('/') {
            format!("http://{}{place}", self.address)
        } else {
            place
        };
        let joint = if place.contains('?') { '&' } else { '?' };
        let put = self
            .http
            .put(format!("{place}{joint}digest={}", digest(blob)))
            .header("content-type", "application/octet-stream")
            .body(blob.to_vec())
            .send()
            .await
            .expect("the registry answers");
        assert_eq!(put.status(), StatusCode::CREATED);
    }

    /// Changes the stored bytes of the image's top layer, as a broken disk would.
    pub fn corrupt_top_layer(&self, image: &Image, damage: impl Fn(&mut Vec<u8>)) {
        let layers = image.layers_compressed();
        let top = digest(layers.last().expect("a layer"));
        let hex = &top[7..];
        let file = self
            .dir
            .path()
            .join("data/docker/registry/v2/blobs/sha256")
            .join(&hex[..2])
            .join(hex)
            .join("data");
        let mut bytes = fs::read(&file).expect("the layer is stored");
        damage(&mut bytes);
        fs::write(&file, bytes).expect("the layer can be written");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
