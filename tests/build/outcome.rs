//! What an image says and holds, as lines: the configuration, and what differs from the
//! base's files.

use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Read as _;

/// Files by path.
pub(crate) type Tree = BTreeMap<String, String>;

/// Lays layers (lowest first, packed or not) on each other.
pub(crate) fn tree(layers: &[Vec<u8>]) -> Tree {
    let mut tree = Tree::new();
    for layer in layers {
        apply(&mut tree, layer);
    }
    tree
}

fn apply(tree: &mut Tree, layer: &[u8]) {
    let mut bytes = Vec::new();
    let bytes = if layer.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(layer).read_to_end(&mut bytes).expect("gzip");
        &bytes[..]
    } else {
        layer
    };
    let mut archive = tar::Archive::new(bytes);
    let mut added: Vec<(String, String)> = Vec::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a tar");
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            tree.retain(|known, _| !is_below(known, dir));
            continue;
        }
        if let Some(gone) = name.strip_prefix(".wh.") {
            let gone = if dir.is_empty() {
                gone.to_owned()
            } else {
                format!("{dir}/{gone}")
            };
            tree.retain(|known, _| *known != gone && !is_below(known, &gone));
            continue;
        }
        if path.is_empty() || path == "." {
            continue;
        }
        let header = entry.header();
        let owner = format!("{}:{}", header.uid().expect("a uid"), header.gid().expect("a gid"));
        let mode = header.mode().expect("a mode") & 0o7777;
        let kind = header.entry_type();
        let link = entry
            .link_name_bytes()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let line = match kind {
            tar::EntryType::Directory => format!("d {mode:04o} {owner}"),
            tar::EntryType::Symlink => format!("l {owner} -> {}", link.unwrap_or_default()),
            tar::EntryType::Link => {
                let target = link.unwrap_or_default();
                let target = target.trim_start_matches("./").trim_start_matches('/').to_owned();
                let line = added
                    .iter()
                    .rev()
                    .find(|(path, _)| *path == target)
                    .map(|(_, line)| line.clone());
                line.or_else(|| tree.get(&target).cloned())
                    .unwrap_or_else(|| format!("h -> {target}"))
            }
            tar::EntryType::Fifo => format!("p {mode:04o} {owner}"),
            tar::EntryType::Char | tar::EntryType::Block => format!("dev {mode:04o} {owner}"),
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("a tar");
                format!("f {mode:04o} {owner} {}", shown(&content))
            }
        };
        if !line.starts_with('d') {
            tree.retain(|known, _| !is_below(known, &path));
        }
        added.push((path.clone(), line.clone()));
        tree.insert(path, line);
    }
}

fn is_below(path: &str, dir: &str) -> bool {
    dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

fn shown(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) if text.len() <= 80 && !text.contains('\0') => format!("{text:?}"),
        _ => {
            let hash = Sha256::digest(content);
            format!(
                "{} bytes {:02x}{:02x}{:02x}{:02x}",
                content.len(),
                hash[0],
                hash[1],
                hash[2],
                hash[3]
            )
        }
    }
}

/// What `after` has that `before` has not, and the other way.
pub(crate) fn difference(before: &Tree, after: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, line) in after {
        if before.get(path) != Some(line) {
            lines.push(format!("+ {path} {line}"));
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        // With the directory goes what is in it.
        if parent.is_empty() || after.contains_key(parent) {
            lines.push(format!("- {path}"));
        }
    }
    lines
}

/// The configuration, a line each, without what every image of the base has.
pub(crate) fn config(document: &Value) -> Vec<String> {
    let config = &document["config"];
    let mut lines = Vec::new();
    for name in ["Entrypoint", "Cmd", "Shell"] {
        if config[name].as_array().is_some_and(|words| !words.is_empty()) {
            lines.push(format!("{name} {}", config[name]));
        }
    }
    for entry in config["Env"].as_array().into_iter().flatten() {
        let entry = entry.as_str().unwrap_or_default();
        if entry != "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" {
            lines.push(format!("Env {entry:?}"));
        }
    }
    for name in ["User", "WorkingDir", "StopSignal"] {
        if let Some(text) = config[name].as_str().filter(|text| !text.is_empty()) {
            lines.push(format!("{name} {text}"));
        }
    }
    for name in ["ExposedPorts", "Volumes"] {
        for key in config[name].as_object().into_iter().flatten().map(|(key, _)| key) {
            lines.push(format!("{name} {key}"));
        }
    }
    for (name, value) in config["Labels"].as_object().into_iter().flatten() {
        if !name.starts_with("io.buildah.") {
            lines.push(format!("Label {name}={value}"));
        }
    }
    if let Some(health) = config["Healthcheck"].as_object() {
        let mut parts: Vec<String> = health
            .iter()
            .filter(|(_, value)| **value != 0 && !value.is_null())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        parts.sort();
        lines.push(format!("Healthcheck {}", parts.join(" ")));
    }
    for trigger in config["OnBuild"].as_array().into_iter().flatten() {
        lines.push(format!("OnBuild {trigger}"));
    }
    if let Some(author) = document["author"].as_str().filter(|author| !author.is_empty()) {
        lines.push(format!("Author {author}"));
    }
    lines
}
