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
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Who may come in where a login is wanted.
pub const REGISTRY_USER: &str = "ada";
pub const REGISTRY_PASSWORD: &str = "open sesame";
/// bcrypt of the password, as htpasswd(1) has it.
const PASSWORD_HASH: &str = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy";

/// Debian's docker-registry on a port of its own.
pub struct Registry {
    process: Child,
    address: String,
    scheme: &'static str,
    http: reqwest::Client,
    dir: TempDir,
}

impl Registry {
    /// The program is found by `DOCKER_REGISTRY`, which `cargo xtask test` sets;
    /// `None`, with the reason printed, without it.
    pub fn start() -> Option<Self> {
        Self::start_as(false)
    }

    /// Over HTTPS, with a certificate of an authority of its own, and only for who signs in.
    pub fn start_guarded() -> Option<Self> {
        Self::start_as(true)
    }

    fn start_as(guarded: bool) -> Option<Self> {
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
        let more = if guarded { guard(dir.path()) } else { String::new() };
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n{more}",
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
            scheme: if guarded { "https" } else { "http" },
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

    /// The certificate of the authority, in PEM.
    pub fn authority(&self) -> String {
        fs::read_to_string(self.dir.path().join("ca.pem")).expect("a guarded registry")
    }

    /// Where the registry keeps what it was sent.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// A client that the registry lets in.
    pub fn client(&self) -> reqwest::Client {
        let mut builder = reqwest::Client::builder().no_proxy();
        if self.scheme == "https" {
            let authority = reqwest::Certificate::from_pem(self.authority().as_bytes()).expect("PEM");
            builder = builder.tls_certs_only([authority]);
        }
        builder.build().expect("a client")
    }

    /// The digest of a manifest, as the registry tells it.
    pub async fn digest_of(&self, name: &str) -> Option<String> {
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let url = format!("{}://{}/v2/{repository}/manifests/{tag}", self.scheme, self.address);
        let answer = self
            .client()
            .head(url)
            .basic_auth(REGISTRY_USER, Some(REGISTRY_PASSWORD))
            .header(
                "accept",
                "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json",
            )
            .send()
            .await
            .expect("the registry answers");
        let digest = answer.headers().get("docker-content-digest")?;
        digest.to_str().ok().map(str::to_owned)
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

    /// Puts an artifact that refers to `subject` where those look for it who know no list
    /// of referrers: distribution-spec, "Referrers Tag Schema". With `tag` it is only known by
    /// that, as cosign's were. Gives its digest.
    pub async fn attach(
        &self,
        repository: &str,
        subject: &str,
        kind: &str,
        content: &[u8],
        tag: Option<&str>,
    ) -> String {
        let config = b"{}";
        self.push_blob(repository, config).await;
        self.push_blob(repository, content).await;
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": digest(config) },
            "layers": [{ "mediaType": kind, "size": content.len(), "digest": digest(content) }],
            "annotations": { "made": "for a test" },
        });
        if tag.is_none() {
            manifest["subject"] = json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 1 });
        }
        let manifest = manifest.to_string();
        let own = digest(manifest.as_bytes());
        self.put(repository, tag.unwrap_or(&own), OCI_MANIFEST, manifest.clone())
            .await;
        if tag.is_none() {
            let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
                { "mediaType": OCI_MANIFEST, "digest": own, "size": manifest.len(), "artifactType": kind },
            ] });
            let name = subject.replace(':', "-");
            self.put(repository, &name, OCI_INDEX, index.to_string()).await;
        }
        own
    }

    async fn put(&self, repository: &str, name: &str, kind: &str, manifest: String) {
        let url = format!("http://{}/v2/{repository}/manifests/{name}", self.address);
        let put = self.http.put(url).header("content-type", kind).body(manifest);
        let put = put.send().await.expect("the registry answers");
        let status = put.status();
        assert_eq!(status, StatusCode::CREATED, "{}", put.text().await.unwrap_or_default());
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

/// Certificates and the list of users below `dir`; what the configuration says of them.
fn guard(dir: &std::path::Path) -> String {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(dir)
            .output()
            .expect("openssl(1)");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"
    ));
    openssl(&format!(
        "req {KEY} -keyout key.pem -out request.pem -subj /CN=registry"
    ));
    fs::write(
        dir.join("extensions"),
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n",
    )
    .expect("a writable directory");
    openssl(
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out cert.pem",
    );
    fs::write(dir.join("users"), format!("{REGISTRY_USER}:{PASSWORD_HASH}\n")).expect("a writable directory");
    let at = |name: &str| dir.join(name).display().to_string();
    format!(
        "  tls:\n    certificate: {}\n    key: {}\nauth:\n  htpasswd:\n    realm: tests\n    path: {}\n",
        at("cert.pem"),
        at("key.pem"),
        at("users")
    )
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
