//! A registry that answers as a test says, and a store that pulls from it.

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageError, Patience, Platform, Progress, PullOptions, Pulled, Store};
use model::image::{Digest, Reference};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

/// A request, in lower case but for its path.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) head: String,
}

impl Asked {
    /// Where a range begins.
    pub(crate) fn offset(&self) -> usize {
        let range = self.head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let from = range.and_then(|range| range.split('-').next());
        from.and_then(|from| from.parse().ok()).unwrap_or(0)
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// Status, more header lines, body.
    Whole(u16, String, Vec<u8>),
    /// So much of the body, though all is promised, and then the end.
    Cut(u16, String, Vec<u8>, usize),
    /// All but the last byte, and then nothing for ever.
    Stall(Vec<u8>),
    /// A body without end.
    Endless,
    /// These bytes, and then the end.
    Raw(Vec<u8>),
    /// Lines of a header without end.
    EndlessHeader,
    /// A byte of the body now and then.
    Trickle(Vec<u8>, Duration),
    /// Not a word.
    Silence,
}

pub(crate) fn ok(body: &[u8]) -> Reply {
    Reply::Whole(200, String::new(), body.to_vec())
}

pub(crate) fn missing() -> Reply {
    Reply::Whole(404, String::new(), Vec::new())
}

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers as the script says, given what was asked and how many requests came before.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (asked.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script) = (log.clone(), script.clone());
                tokio::spawn(async move {
                    let _ = answer(stream, &log, &*script).await;
                });
            }
        });
        Self { address, asked }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|asked| asked.path.clone()).collect()
    }
}

pub(crate) async fn answer(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    script: &(dyn Fn(&Asked, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|part| part == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let asked = Asked {
        path: text.split(' ').nth(1).unwrap_or_default().to_owned(),
        head: text.to_lowercase(),
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let head = |status: u16, more: &str, length: usize| {
        format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes()
    };
    match script(&asked, before) {
        Reply::Whole(status, more, body) => {
            stream.write_all(&head(status, &more, body.len())).await?;
            stream.write_all(&body).await
        }
        Reply::Cut(status, more, body, sent) => {
            stream.write_all(&head(status, &more, body.len())).await?;
            stream.write_all(&body[..sent]).await
        }
        Reply::Stall(body) => {
            stream.write_all(&head(200, "", body.len())).await?;
            stream.write_all(&body[..body.len() - 1]).await?;
            std::future::pending().await
        }
        Reply::Raw(bytes) => stream.write_all(&bytes).await,
        Reply::Silence => std::future::pending().await,
        Reply::EndlessHeader => {
            stream.write_all(b"HTTP/1.1 200 X\r\n").await?;
            loop {
                stream.write_all(b"X-More: and more and more and more\r\n").await?;
            }
        }
        Reply::Trickle(body, pause) => {
            stream.write_all(&head(200, "", body.len())).await?;
            for byte in body {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 8 << 10]).await?;
            }
        }
    }
}

/// An image as a registry would serve it.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

pub(crate) fn layer(name: &str, bytes: &[u8]) -> (Vec<u8>, Digest) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, name, bytes).unwrap();
    let tar = tar.into_inner().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).unwrap();
    (gzip.finish().unwrap(), digest(&tar))
}

/// Does not compress.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(count)
    .collect()
}

pub(crate) fn image() -> Served {
    served(vec![layer("a", &noise(1, 600_000)), layer("b", b"small")])
}

pub(crate) fn served(layers: Vec<(Vec<u8>, Digest)>) -> Served {
    let config = serde_json::json!({
        "architecture": Platform::own().architecture, "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>() },
    })
    .to_string()
    .into_bytes();
    let layers: Vec<Vec<u8>> = layers.into_iter().map(|(bytes, _)| bytes).collect();
    let manifest = manifest(&config, &layers).to_string().into_bytes();
    Served {
        manifest,
        config,
        layers,
    }
}

pub(crate) fn manifest(config: &[u8], layers: &[Vec<u8>]) -> serde_json::Value {
    let describe = |kind: &str, bytes: &[u8]| serde_json::json!({ "mediaType": kind, "digest": digest(bytes).as_str(), "size": bytes.len() });
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": describe("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(|layer| describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)).collect::<Vec<_>>(),
    })
}

impl Served {
    pub(crate) fn reply(&self, asked: &Asked) -> Reply {
        match self.find(asked) {
            Some(bytes) => ok(&bytes),
            None => missing(),
        }
    }

    pub(crate) fn find(&self, asked: &Asked) -> Option<Vec<u8>> {
        if asked.path.contains("/manifests/") {
            return Some(self.manifest.clone());
        }
        let blobs = self.layers.iter().chain([&self.config]);
        let mut blobs = blobs.filter(|blob| asked.path.ends_with(digest(blob).as_str()));
        blobs.next().cloned()
    }

    /// As it should be, but for the first layer.
    pub(crate) fn reply_but(&self, asked: &Asked, first: impl FnOnce(&[u8]) -> Reply) -> Reply {
        if self.is_first_layer(asked) {
            first(&self.layers[0])
        } else {
            self.reply(asked)
        }
    }

    pub(crate) fn is_first_layer(&self, asked: &Asked) -> bool {
        asked.path.ends_with(digest(&self.layers[0]).as_str())
    }
}

pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().with_patience(Patience {
            attempts: 3,
            first_pause: Duration::from_millis(5),
            most_pause: Duration::from_millis(20),
            silence: Duration::from_millis(300),
        });
        Self { dir, store }
    }

    pub(crate) async fn pull(&self, server: &Server) -> Result<Pulled, ImageError> {
        self.pull_with(server, PullOptions::default()).await
    }

    pub(crate) async fn pull_with(&self, server: &Server, options: PullOptions) -> Result<Pulled, ImageError> {
        let reference = Reference::parse(&format!("{}/team/web:1", server.address)).unwrap();
        let progress = watch::channel(Progress::default()).0;
        self.store
            .pull(&reference, options, progress, CancellationToken::new())
            .await
    }

    pub(crate) async fn fails(&self, server: &Server) -> String {
        let error = self.pull(server).await.expect_err("it cannot succeed");
        self.assert_clean();
        error.to_string()
    }

    /// No snapshot, nothing half made, and no blob but what was right.
    pub(crate) fn assert_clean(&self) {
        let names = |path: &str| -> Vec<String> {
            let entries = fs::read_dir(self.dir.path().join(path)).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        assert_eq!(names("content/ingest"), [""; 0]);
        for name in names("snapshots") {
            assert!(!name.starts_with('.'), "{name}");
        }
        for hex in names("content/blobs/sha256") {
            let bytes = fs::read(self.dir.path().join("content/blobs/sha256").join(&hex)).unwrap();
            assert_eq!(digest(&bytes).hex(), hex);
        }
    }
}
