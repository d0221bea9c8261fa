//! A pull from a cold store until the image can run, beside dockerd, skopeo with umoci,
//! and podman: the same image from the same registry, in turns. What a second image with
//! shared layers costs, and what memory a pull takes.

use super::Place;
use super::http::Client;
use super::memory;
use super::report::{self, Target};
use super::rounds::{Subject, take_turns};
use super::server::Server;
use super::starts;
use crate::process::{command, run};
use crate::{packages, workspace};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const OURS: &str = "gantry";
const DOCKER: &str = "dockerd";
const SKOPEO: &str = "skopeo and umoci";
const PODMAN: &str = "podman";
const LAYERS: usize = 8;
const SHARED: usize = 6;
/// Layers of very different sizes, as images have them; parts of a whole of 100.
const PARTS: [u64; LAYERS] = [30, 20, 15, 12, 10, 6, 5, 2];
/// About 1.3 GB unpacked, 400 MB packed.
const CONTENTS: &str = "build-essential,python3,nodejs,git,golang-go,default-jdk-headless,vim,perl-doc";
const START_LIMIT: Duration = Duration::from_secs(30);

/// Made before the place apart, which has no network: the layers, packed, and a second
/// image that differs in its last two.
pub(super) fn prepare() -> Result<()> {
    packages::install(packages::TO_BENCH_PULLS)?;
    packages::unpack(&packages::UNPACKED[0])?;
    let done = folder();
    if done.join("bench/index.json").exists() {
        return Ok(());
    }
    let new = workspace::target().join("bench-image.new");
    let _ = fs::remove_dir_all(&new);
    let root = new.join("root");
    fs::create_dir_all(&root)?;
    eprintln!("Making the image that is pulled: this takes some minutes, once");
    let tar = new.join("root.tar");
    run(packages::mmdebstrap()
        .args(["--variant=minbase", "--quiet", "--skip=check/empty"])
        .arg(format!("--include={CONTENTS}"))
        .arg(suite())
        .arg(&tar))?;
    run(command("tar").arg("-C").arg(&root).arg("-xf").arg(&tar))?;
    let lists = lists(&root)?;
    let mut layers = Vec::new();
    for (number, list) in lists.iter().enumerate() {
        let file = new.join(format!("list{number}"));
        fs::write(&file, list)?;
        layers.push(pack(&new, &root, &file)?);
    }
    for (name, message) in [("more", "one"), ("most", "two")] {
        fs::write(root.join(name), message)?;
        let file = new.join(format!("list-{name}"));
        fs::write(&file, format!("{name}\n"))?;
        layers.push(pack(&new, &root, &file)?);
    }
    write_layout(&new.join("bench"), &layers[..LAYERS])?;
    let second: Vec<Packed> = layers[..SHARED].iter().chain(&layers[LAYERS..]).cloned().collect();
    write_layout(&new.join("second"), &second)?;
    fs::remove_dir_all(&root)?;
    for layer in layers {
        fs::remove_file(layer.file)?;
    }
    fs::rename(&new, &done)?;
    Ok(())
}

pub(super) fn folder() -> PathBuf {
    workspace::target().join("bench-image")
}

/// This host's own release of Debian, whose packages are signed by a key that is here.
pub(super) fn suite() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or("stable").to_owned()
}

/// The names below `root`, cut into as many lists as there are layers.
fn lists(root: &Path) -> Result<Vec<String>> {
    let found = Command::new("find")
        .args([".", "-printf", "%s %P\\n"])
        .current_dir(root)
        .output()?;
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    let mut names: Vec<(u64, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(size, name)| Some((size.parse().ok()?, name)))
        .filter(|(_, name)| !name.is_empty())
        .collect();
    names.sort_by_key(|(_, name)| *name);
    let total: u64 = names.iter().map(|(size, _)| size).sum();
    let mut lists = vec![String::new(); LAYERS];
    let (mut place, mut sum, mut edge) = (0, 0, total * PARTS[0] / 100);
    for (size, name) in names {
        if sum >= edge && place + 1 < LAYERS {
            place += 1;
            edge += total * PARTS[place] / 100;
        }
        sum += size;
        lists[place] += name;
        lists[place].push('\n');
    }
    Ok(lists)
}

#[derive(Clone)]
struct Packed {
    file: PathBuf,
    digest: String,
    diff_id: String,
    bytes: u64,
}

fn pack(dir: &Path, root: &Path, list: &Path) -> Result<Packed> {
    let tar = dir.join("layer.tar");
    run(command("tar")
        .args(["--no-recursion", "--numeric-owner", "-C"])
        .arg(root)
        .arg("-T")
        .arg(list)
        .arg("-cf")
        .arg(&tar))?;
    let diff_id = digest(&tar)?;
    run(command("gzip").args(["-n", "-f", "-6"]).arg(&tar))?;
    let packed = dir.join("layer.tar.gz");
    let digest = digest(&packed)?;
    let file = dir.join(&digest);
    fs::rename(&packed, &file)?;
    Ok(Packed {
        bytes: fs::metadata(&file)?.len(),
        file,
        digest,
        diff_id,
    })
}

fn digest(file: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut from = File::open(file)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    Ok(hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// image-spec, image-layout.md.
fn write_layout(dir: &Path, layers: &[Packed]) -> Result<()> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let put = |text: String| -> Result<(String, usize)> {
        let digest = hex(&Sha256::digest(&text));
        fs::write(blobs.join(&digest), &text)?;
        Ok((digest, text.len()))
    };
    for layer in layers {
        fs::hard_link(&layer.file, blobs.join(&layer.digest))?;
    }
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect();
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let config = json!({
        "architecture": architecture, "os": "linux", "config": { "Cmd": ["/bin/true"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let (config, config_bytes) = put(config.to_string())?;
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| {
            json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": format!("sha256:{}", layer.digest), "size": layer.bytes,
            })
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": format!("sha256:{config}"), "size": config_bytes,
        },
        "layers": layers,
    });
    let (manifest, manifest_bytes) = put(manifest.to_string())?;
    let index = json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": format!("sha256:{manifest}"), "size": manifest_bytes,
        "annotations": { "org.opencontainers.image.ref.name": "latest" },
    }] });
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    fs::write(dir.join("index.json"), index.to_string())?;
    Ok(())
}

pub(super) fn measure(place: &Place) -> Result<()> {
    let registry = Registry::start(place)?;
    for name in ["bench", "second"] {
        registry.take(&folder().join(name), name)?;
    }
    let (packed, bytes) = (
        format!("{}/bench:latest", registry.address),
        size(&folder().join("bench"))?,
    );
    let server = Server::start(place, "pulls")?;
    let dockerd = starts::dockerd(place);
    let title = format!(
        "A pull from a cold store until it can run: {:.0} MB packed, {LAYERS} layers",
        bytes as f64 / 1e6
    );
    let mut native = server.native()?;
    let mut theirs = dockerd
        .as_ref()
        .map_err(|why| why.clone())
        .and_then(|docker| Client::unix(docker.socket()).map_err(|error| format!("{error:#}")));
    let subjects = vec![
        Subject::new(OURS, || {
            remove_ours(&mut native, &packed);
            ours(&mut native, &packed).map(|(time, _)| time)
        }),
        Subject::new(DOCKER, || match &mut theirs {
            Ok(client) => {
                let _ = client.ask("DELETE", &format!("/images/{packed}?force=true"), "", &[]);
                docker(client, &registry.address)
            }
            Err(why) => bail!("{why}"),
        }),
        Subject::new(SKOPEO, || skopeo_and_umoci(place, &packed)),
        Subject::new(PODMAN, || podman(place, &packed)),
    ];
    let outcomes = take_turns(ROUNDS, subjects);
    let target = |than, part| Target { ours: OURS, than, part };
    let targets = [target(DOCKER, 3.0), target(SKOPEO, 2.0), target(PODMAN, 2.0)];
    report::times(&title, ROUNDS, &outcomes, &targets);
    memory(&server, &mut native, &packed)?;
    second(&mut native, &registry.address)
}

fn size(layout: &Path) -> Result<u64> {
    let blobs = fs::read_dir(layout.join("blobs/sha256"))?;
    Ok(blobs
        .flatten()
        .filter_map(|blob| blob.metadata().ok())
        .map(|blob| blob.len())
        .sum())
}

fn remove_ours(client: &mut Client, name: &str) {
    let _ = client.json(
        "DELETE",
        &format!("/images/{}?force=true", name.replace('/', "%2F")),
        None,
    );
}

/// The time, and the task as it ended.
fn ours(client: &mut Client, name: &str) -> Result<(Duration, Value)> {
    let begun = Instant::now();
    let task = client.json("POST", "/images/pull", Some(&json!({ "reference": name })))?;
    let id = task["id"].as_str().context("a task has an id")?.to_owned();
    loop {
        let task = client.json("GET", &format!("/tasks/{id}"), None)?;
        match task["state"].as_str() {
            Some("running") => std::thread::sleep(Duration::from_millis(10)),
            Some("done") => return Ok((begun.elapsed(), task)),
            _ => bail!("the pull failed: {}", task["problem"]["detail"]),
        }
    }
}

fn docker(client: &mut Client, registry: &str) -> Result<Duration> {
    let begun = Instant::now();
    let path = format!("/images/create?fromImage={registry}/bench&tag=latest");
    let answer = client.ask("POST", &path, "", &[])?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status >= 300 || text.contains("errorDetail") {
        bail!(
            "a pull answers {}: {}",
            answer.status,
            text.lines().last().unwrap_or_default()
        );
    }
    Ok(begun.elapsed())
}

fn skopeo_and_umoci(place: &Place, name: &str) -> Result<Duration> {
    let dir = place.dir.join("skopeo");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let layout = dir.join("layout");
    let begun = Instant::now();
    quiet(
        Command::new("skopeo")
            .args(["copy", "--quiet", "--src-tls-verify=false"])
            .arg(format!("docker://{name}"))
            .arg(format!("oci:{}:latest", layout.display())),
    )?;
    quiet(
        Command::new("umoci")
            .arg("unpack")
            .arg("--image")
            .arg(format!("{}:latest", layout.display()))
            .arg(dir.join("bundle")),
    )?;
    let time = begun.elapsed();
    let _ = fs::remove_dir_all(&dir);
    Ok(time)
}

fn podman(place: &Place, name: &str) -> Result<Duration> {
    let dir = place.dir.join("podman");
    let podman = || {
        let mut podman = Command::new("podman");
        podman
            .arg("--root")
            .arg(dir.join("root"))
            .arg("--runroot")
            .arg(dir.join("run"))
            .args(["--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"]);
        podman
    };
    let _ = podman().args(["rmi", "--all", "--force"]).output();
    let begun = Instant::now();
    quiet(podman().args(["pull", "--quiet", "--tls-verify=false", name]))?;
    let time = begun.elapsed();
    let _ = podman().args(["rmi", "--all", "--force"]).output();
    Ok(time)
}

pub(super) fn quiet(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if !done.status.success() {
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        bail!("{command:?} ended with {}: {}", done.status, text.trim());
    }
    Ok(())
}

/// What the server needs above what it needs at rest: the peak of its resident memory.
fn memory(server: &Server, client: &mut Client, name: &str) -> Result<()> {
    remove_ours(client, name);
    memory::peak(server, "a pull", || ours(client, name).map(drop))
}

/// The first is here; the second shares six layers with it.
fn second(client: &mut Client, registry: &str) -> Result<()> {
    let (time, task) = ours(client, &format!("{registry}/second:latest"))?;
    let fetched = task["progress"]["bytes_total"].as_u64().unwrap_or(u64::MAX);
    let layers = task["progress"]["layers"].as_array().cloned().unwrap_or_default();
    let here = layers.iter().filter(|layer| layer["state"] == "already_here").count();
    println!(
        "\nA second image that shares {SHARED} layers: {fetched} bytes in {:.0} ms",
        time.as_secs_f64() * 1e3
    );
    report::verdict(
        "a second image costs only the new bytes",
        &format!("{here} layers were here, {fetched} bytes came"),
        here == SHARED && fetched < 1 << 20,
    );
    Ok(())
}

/// Debian's docker-registry, in this place.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    fn start(place: &Place) -> Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let dir = place.dir.join("registry");
        fs::create_dir_all(&dir)?;
        let config = dir.join("config.yml");
        let data = dir.join("data");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
                data.display()
            ),
        )?;
        let child = Command::new(packages::unpack(&packages::UNPACKED[0])?)
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(dir.join("log"))?)
            .spawn()?;
        let registry = Self { child, address };
        let begun = Instant::now();
        while TcpStream::connect(&registry.address).is_err() {
            if begun.elapsed() > START_LIMIT {
                let log = BufReader::new(File::open(dir.join("log"))?)
                    .lines()
                    .map_while(Result::ok);
                bail!("the registry does not listen: {}", log.last().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(registry)
    }

    fn take(&self, layout: &Path, name: &str) -> Result<()> {
        quiet(
            Command::new("skopeo")
                .args(["copy", "--quiet", "--dest-tls-verify=false"])
                .arg(format!("oci:{}:latest", layout.display()))
                .arg(format!("docker://{}/{name}:latest", self.address)),
        )
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
