use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;

/// An image made of Debian's static busybox, in every form it can travel in.
#[derive(Debug, Clone)]
pub struct Image {
    /// Lowest first, as tars.
    layers: Vec<Vec<u8>>,
    command: Vec<String>,
}

impl Image {
    /// A shell and its tools, and nothing else.
    pub fn busybox() -> Self {
        Self {
            layers: vec![busybox_tar()],
            command: vec!["sh".to_owned()],
        }
    }

    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    /// A layer above, with these files.
    pub fn with_files(mut self, files: &[(&str, &[u8])]) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            tar.append_data(&mut file_header(bytes.len(), 0o755), path, *bytes)
                .expect("a tar in memory");
        }
        self.layers.push(tar.into_inner().expect("a tar in memory"));
        self
    }

    /// The lowest layer as a root file system, for an import.
    pub fn root_tar(&self) -> Vec<u8> {
        self.layers[0].clone()
    }

    pub(crate) fn layers_compressed(&self) -> Vec<Vec<u8>> {
        self.layers.iter().map(|layer| gzip(layer)).collect()
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let architecture = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            _ => "amd64",
        };
        json!({
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Cmd": self.command,
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": self.layers.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes()
    }

    /// As `docker save` writes it.
    pub fn archive(&self, name: &str) -> Vec<u8> {
        let config = self.config();
        let config_name = format!("{}.json", &digest(&config)[7..]);
        let layers: Vec<String> = (0..self.layers.len())
            .map(|number| format!("{number}/layer.tar"))
            .collect();
        let manifest = json!([{ "Config": config_name, "RepoTags": [name], "Layers": layers }]).to_string();
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |path: &str, bytes: &[u8]| {
            tar.append_data(&mut file_header(bytes.len(), 0o644), path, bytes)
                .expect("a tar in memory");
        };
        for (path, layer) in layers.iter().zip(&self.layers) {
            add(path, layer);
        }
        add(&config_name, &config);
        add("manifest.json", manifest.as_bytes());
        tar.into_inner().expect("a tar in memory")
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn file_header(size: usize, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// /bin/busybox, a link for each of its tools, and what programs look up.
fn busybox_tar() -> Vec<u8> {
    let program = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let listed = crate::process::run("/bin/busybox", &["--list"]).expect("busybox runs");
    let mut tar = tar::Builder::new(Vec::new());
    for dir in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var"] {
        let mut header = file_header(0, if dir == "tmp" { 0o1777 } else { 0o755 });
        header.set_entry_type(tar::EntryType::Directory);
        tar.append_data(&mut header, format!("{dir}/"), std::io::empty())
            .expect("a tar in memory");
    }
    tar.append_data(&mut file_header(program.len(), 0o755), "bin/busybox", &program[..])
        .expect("a tar in memory");
    for tool in listed.stdout.lines().filter(|tool| *tool != "busybox") {
        let mut header = file_header(0, 0o777);
        header.set_entry_type(tar::EntryType::Symlink);
        tar.append_link(&mut header, format!("bin/{tool}"), "busybox")
            .expect("a tar in memory");
    }
    for (path, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        ),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ] {
        tar.append_data(&mut file_header(text.len(), 0o644), path, text.as_bytes())
            .expect("a tar in memory");
    }
    tar.into_inner().expect("a tar in memory")
}
