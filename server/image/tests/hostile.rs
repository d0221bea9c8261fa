//! Registries that lie, stall, break off, send elsewhere or send too much: each is told
//! by a clear error, costs little, and leaves nothing behind.

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{ImageError, Login, Patience, Platform, Progress, PullOptions, Pulled, Reach, Store};
use model::image::{Digest, Reference};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

macro_rules! needs_root {
    () => {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return;
        }
    };
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

/// A request, in lower case but for its path.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    head: String,
}

impl Asked {
    /// Where a range begins.
    fn offset(&self) -> usize {
        let range = self.head.lines().find_map(|line| line.strip_prefix("range: bytes="));
        let from = range.and_then(|range| range.split('-').next());
        from.and_then(|from| from.parse().ok()).unwrap_or(0)
    }
}

/// What is answered.
enum Reply {
    /// Status, more header lines, body.
    Whole(u16, String, Vec<u8>),
    /// So much of the body, though all is promised, and then the end.
    Cut(u16, String, Vec<u8>, usize),
    /// All but the last byte, and then nothing for ever.
    Stall(Vec<u8>),
    /// A body without end.
    Endless,
}

fn ok(body: &[u8]) -> Reply {
    Reply::Whole(200, String::new(), body.to_vec())
}

fn missing() -> Reply {
    Reply::Whole(404, String::new(), Vec::new())
}

struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers as the script says, given what was asked and how many requests came before.
    async fn start(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
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

    fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|asked| asked.path.clone()).collect()
    }
}

async fn answer(
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
struct Served {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
}

fn layer(name: &str, bytes: &[u8]) -> (Vec<u8>, Digest) {
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
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(count)
    .collect()
}

fn image() -> Served {
    served(vec![layer("a", &noise(1, 600_000)), layer("b", b"small")])
}

fn served(layers: Vec<(Vec<u8>, Digest)>) -> Served {
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

fn manifest(config: &[u8], layers: &[Vec<u8>]) -> serde_json::Value {
    let describe = |kind: &str, bytes: &[u8]| serde_json::json!({ "mediaType": kind, "digest": digest(bytes).as_str(), "size": bytes.len() });
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": describe("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(|layer| describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)).collect::<Vec<_>>(),
    })
}

impl Served {
    fn reply(&self, asked: &Asked) -> Reply {
        match self.find(asked) {
            Some(bytes) => ok(&bytes),
            None => missing(),
        }
    }

    fn find(&self, asked: &Asked) -> Option<Vec<u8>> {
        if asked.path.contains("/manifests/") {
            return Some(self.manifest.clone());
        }
        let blobs = self.layers.iter().chain([&self.config]);
        let mut blobs = blobs.filter(|blob| asked.path.ends_with(digest(blob).as_str()));
        blobs.next().cloned()
    }

    /// As it should be, but for the first layer.
    fn reply_but(&self, asked: &Asked, first: impl FnOnce(&[u8]) -> Reply) -> Reply {
        if self.is_first_layer(asked) {
            first(&self.layers[0])
        } else {
            self.reply(asked)
        }
    }

    fn is_first_layer(&self, asked: &Asked) -> bool {
        asked.path.ends_with(digest(&self.layers[0]).as_str())
    }
}

struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap().with_patience(Patience {
            attempts: 3,
            first_pause: Duration::from_millis(5),
            most_pause: Duration::from_millis(20),
            silence: Duration::from_millis(300),
        });
        Self { dir, store }
    }

    async fn pull(&self, server: &Server) -> Result<Pulled, ImageError> {
        self.pull_with(server, PullOptions::default()).await
    }

    async fn pull_with(&self, server: &Server, options: PullOptions) -> Result<Pulled, ImageError> {
        let reference = Reference::parse(&format!("{}/team/web:1", server.address)).unwrap();
        let progress = watch::channel(Progress::default()).0;
        self.store
            .pull(&reference, options, progress, CancellationToken::new())
            .await
    }

    async fn fails(&self, server: &Server) -> String {
        let error = self.pull(server).await.expect_err("it cannot succeed");
        self.assert_clean();
        error.to_string()
    }

    /// No snapshot, nothing half made, and no blob but what was right.
    fn assert_clean(&self) {
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

#[tokio::test]
async fn a_registry_that_lies_about_a_layer_is_told_by_what_it_lied_about() {
    needs_root!();
    let honest = image();
    let other = noise(2, 600_000);
    let lies: [(&str, Vec<u8>); 3] = [
        ("digest", {
            let mut bytes = honest.layers[0].clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            bytes
        }),
        ("bytes instead of", honest.layers[0][..1000].to_vec()),
        ("bytes instead of", [&honest.layers[0][..], &other].concat()),
    ];
    for (words, lie) in lies {
        let served = honest.clone();
        let server = Server::start(move |asked, _| served.reply_but(asked, |_| ok(&lie))).await;
        let text = Place::new().fails(&server).await;
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn a_layer_that_does_not_unpack_to_what_the_config_says_is_thrown_away() {
    needs_root!();
    let (bytes, _) = layer("a", b"x");
    let lie = served(vec![(bytes, digest(b"something else"))]);
    let server = Server::start(move |asked, _| lie.reply(asked)).await;
    let place = Place::new();
    let text = place.fails(&server).await;
    assert!(text.contains("an unpacked layer has digest"), "{text}");
    assert_eq!(fs::read_dir(place.dir.path().join("snapshots")).unwrap().count(), 0);
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let honest = image();
    let both = {
        let mut both = manifest(&honest.config, &honest.layers);
        both["manifests"] = serde_json::json!([]);
        both.to_string()
    };
    let loops = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": OCI_INDEX, "digest": digest(b"x").as_str(), "size": 1,
        "platform": { "os": "linux", "architecture": Platform::own().architecture } }] });
    let encrypted = {
        let mut encrypted = manifest(&honest.config, &honest.layers);
        encrypted["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted".into();
        encrypted.to_string()
    };
    let negative = {
        let mut negative = manifest(&honest.config, &honest.layers);
        negative["layers"][0]["size"] = (-1).into();
        negative.to_string()
    };
    let says_otherwise = String::from_utf8(honest.manifest.clone()).unwrap();
    for (json, kind, words) in [
        ("<html>sign in</html>".to_owned(), "text/html", "cannot be read"),
        (both, OCI_MANIFEST, "at once"),
        (loops.to_string(), OCI_INDEX, "digest"),
        (encrypted, OCI_MANIFEST, "media type"),
        (negative, OCI_MANIFEST, "negative"),
        (says_otherwise, OCI_INDEX, "says it is"),
        ("{}".to_owned(), OCI_MANIFEST, "names no configuration"),
    ] {
        let server = Server::start(move |_, _| {
            Reply::Whole(200, format!("Content-Type: {kind}\r\n"), json.clone().into_bytes())
        })
        .await;
        let text = Place::new().fails(&server).await;
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn bodies_without_end_are_cut_off() {
    needs_root!();
    let server = Server::start(|_, _| Reply::Endless).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("larger than"), "{text}");
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |_| Reply::Endless)).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("bytes instead of"), "{text}");
}

#[tokio::test]
async fn a_registry_that_stalls_is_given_up() {
    needs_root!();
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |bytes| Reply::Stall(bytes.to_vec()))).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("nothing came for"), "{text}");
}

#[tokio::test]
async fn a_registry_that_asks_to_wait_is_waited_for_and_not_for_ever() {
    needs_root!();
    let server = Server::start(|_, _| Reply::Whole(429, "Retry-After: 3600\r\n".to_owned(), Vec::new())).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("slow down"), "{text}");
    assert_eq!(server.paths().len(), 3, "it is asked as often as it was said");
    let honest = image();
    let times = Mutex::new(HashMap::new());
    let server = Server::start(move |asked, _| {
        let mut times = times.lock().unwrap();
        let before = times.entry(asked.path.clone()).or_insert(0);
        *before += 1;
        match *before {
            1 => Reply::Whole(429, "Retry-After: 0\r\n".to_owned(), Vec::new()),
            2 => Reply::Whole(503, String::new(), Vec::new()),
            _ => honest.reply(asked),
        }
    })
    .await;
    Place::new().pull(&server).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    needs_root!();
    for understands_ranges in [true, false] {
        let honest = image();
        let served = honest.clone();
        let server = Server::start(move |asked, _| {
            if !served.is_first_layer(asked) {
                return served.reply(asked);
            }
            let bytes = &served.layers[0];
            let offset = if understands_ranges { asked.offset() } else { 0 };
            let (status, more) = match offset {
                0 => (200, String::new()),
                from => (
                    206,
                    format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len()),
                ),
            };
            let rest = bytes[offset..].to_vec();
            // Each time somewhat more than before.
            let sent = (250_000 + asked.offset()).min(rest.len());
            Reply::Cut(status, more, rest, sent)
        })
        .await;
        let place = Place::new();
        let pulled = place.pull(&server).await.unwrap();
        assert_eq!(pulled.image.layers.len(), 2);
        place.assert_clean();
        let times = server
            .paths()
            .iter()
            .filter(|path| path.ends_with(digest(&honest.layers[0]).as_str()))
            .count();
        assert!(times > 1, "it broke");
    }
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    needs_root!();
    let honest = image();
    let elsewhere = honest.clone();
    let elsewhere = Server::start(move |asked, _| elsewhere.reply(asked)).await;
    let to = elsewhere.address.clone();
    let server = Server::start(move |asked, _| {
        if !asked.head.contains("authorization: basic") {
            return Reply::Whole(401, "WWW-Authenticate: Basic realm=\"x\"\r\n".to_owned(), Vec::new());
        }
        if asked.path.contains("/blobs/") {
            return Reply::Whole(307, format!("Location: http://{to}{}\r\n", asked.path), Vec::new());
        }
        honest.reply(asked)
    })
    .await;
    let options = PullOptions {
        reach: Reach {
            login: Some(Login::Password {
                username: "ada".to_owned(),
                password: "secret".to_owned(),
            }),
            ..Reach::default()
        },
        ..PullOptions::default()
    };
    Place::new().pull_with(&server, options).await.unwrap();
    let asked = elsewhere.asked.lock().unwrap();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|asked| !asked.head.contains("authorization")));
}

#[tokio::test]
async fn a_realm_in_the_clear_somewhere_else_gets_no_login() {
    // Another port of this host would be allowed; another host is not.
    let realm = "http://192.0.2.1/token";
    let server = Server::start(move |_, _| {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"\r\n");
        Reply::Whole(401, challenge, Vec::new())
    })
    .await;
    let text = Place::new().fails(&server).await;
    assert!(
        text.contains("not safe to follow") && text.contains("192.0.2.1"),
        "{text}"
    );
}

#[tokio::test]
async fn redirects_without_end_end() {
    let server =
        Server::start(|asked, _| Reply::Whole(302, format!("Location: {}x\r\n", asked.path), Vec::new())).await;
    let text = Place::new().fails(&server).await;
    assert!(text.contains("without end"), "{text}");
    assert!(server.paths().len() < 10);
}

#[tokio::test]
async fn addresses_that_a_manifest_gives_for_its_layers_are_not_asked() {
    needs_root!();
    let trap = Server::start(|_, _| missing()).await;
    let honest = image();
    let mut json = manifest(&honest.config, &honest.layers);
    json["layers"][0]["urls"] = serde_json::json!([format!("http://{}/layer", trap.address)]);
    let served = Served {
        manifest: json.to_string().into_bytes(),
        ..honest
    };
    let server = Server::start(move |asked, _| served.reply(asked)).await;
    Place::new().pull(&server).await.unwrap();
    assert!(trap.paths().is_empty());
}

#[tokio::test]
async fn two_pulls_at_once_fetch_a_layer_once() {
    needs_root!();
    let honest = image();
    let served = honest.clone();
    let server = Server::start(move |asked, _| served.reply(asked)).await;
    let place = Place::new();
    let (one, other) = tokio::join!(place.pull(&server), place.pull(&server));
    assert_eq!(one.unwrap().image.layers, other.unwrap().image.layers);
    for layer in &honest.layers {
        let times = server
            .paths()
            .iter()
            .filter(|path| path.ends_with(digest(layer).as_str()))
            .count();
        assert_eq!(times, 1);
    }
}

#[tokio::test]
async fn a_layer_that_lies_in_two_places_is_fetched_once() {
    needs_root!();
    let same = layer("a", b"same");
    let honest = served(vec![same.clone(), layer("b", b"other"), same.clone()]);
    let serving = honest.clone();
    let server = Server::start(move |asked, _| serving.reply(asked)).await;
    let place = Place::new();
    let pulled = place.pull(&server).await.unwrap();
    assert_eq!(pulled.image.layers.len(), 3);
    let times = server
        .paths()
        .iter()
        .filter(|path| path.ends_with(digest(&same.0).as_str()))
        .count();
    assert_eq!(times, 1);
    assert_eq!(fs::read_dir(place.dir.path().join("snapshots")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_pull_that_is_cancelled_leaves_nothing_half_made() {
    needs_root!();
    let honest = image();
    let server = Server::start(move |asked, _| honest.reply_but(asked, |bytes| Reply::Stall(bytes.to_vec()))).await;
    let place = Place::new();
    let reference = Reference::parse(&format!("{}/team/web:1", server.address)).unwrap();
    let (progress, mut seen) = watch::channel(Progress::default());
    let cancel = CancellationToken::new();
    let begun = async {
        seen.wait_for(|progress| progress.bytes_done > 0).await.unwrap();
        cancel.cancel();
    };
    let pulling = place
        .store
        .pull(&reference, PullOptions::default(), progress, cancel.clone());
    let (outcome, ()) = tokio::join!(pulling, begun);
    assert!(matches!(outcome, Err(ImageError::Cancelled)));
    place.assert_clean();
}
