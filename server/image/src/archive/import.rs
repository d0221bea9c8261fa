//! An image of one layer out of a root filesystem in a tar.

use super::load::write_manifest;
use crate::layer::Unpacked;
use crate::manifest::{Descriptor, Manifest};
use crate::pull::blocking;
use crate::{Image, ImageError, Layer, Phase, Platform, Progress, Store, config};
use model::Timestamp;
use model::image::Digest;
use sha2::{Digest as _, Sha256};
use std::io::Read;
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Lines of a Dockerfile that set the configuration: `CMD ["sh"]`.
    pub changes: Vec<String>,
    /// Told in the history.
    pub message: Option<String>,
    pub created: Timestamp,
}

impl Store {
    /// Takes a tar, packed or not, as the only layer of a new image.
    pub async fn import<R>(
        &self,
        tar: R,
        options: ImportOptions,
        progress: watch::Sender<Progress>,
        cancel: CancellationToken,
    ) -> Result<Image, ImageError>
    where
        R: AsyncRead + Send + Unpin + 'static,
    {
        let store = self.clone();
        let bridge = SyncIoBridge::new(tar);
        blocking(move || store.import_blocking(bridge, &options, &progress, &cancel)).await
    }

    fn import_blocking(
        &self,
        mut tar: impl Read,
        options: &ImportOptions,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Image, ImageError> {
        let changed = read_changes(&options.changes)?;
        progress.send_modify(|progress| progress.phase = Phase::Fetching);
        let mut ingest = self.content.begin()?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            if cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let count = tar.read(&mut buffer).map_err(ImageError::Read)?;
            if count == 0 {
                break;
            }
            ingest.write(&buffer[..count])?;
            progress.send_modify(|progress| progress.bytes_done += count as u64);
        }
        let (digest, size) = ingest.commit(&self.content, None, "the root filesystem")?;
        progress.send_modify(|progress| progress.phase = Phase::Extracting);
        let diff_id = self.hash_unpacked(&digest, size)?;
        let unpacked_bytes = match self.unpacked_bytes(&diff_id) {
            Some(bytes) => bytes,
            None => {
                let packed = self.content.open_blob(&digest)?;
                self.unpack_layer(&digest, packed, size, &diff_id, &diff_id, cancel)?
            }
        };
        let json = write_config(&diff_id, options, &changed);
        let id = self.content.put(&json)?;
        let manifest = Manifest {
            config: Descriptor {
                digest: id.clone(),
                size: json.len() as u64,
            },
            layers: vec![Descriptor {
                digest: digest.clone(),
                size,
            }],
        };
        let manifest = self.content.put(&write_manifest(&manifest))?;
        progress.send_modify(|progress| progress.phase = Phase::Done);
        let parsed = config::parse(&json)?;
        Ok(Image {
            id,
            manifest,
            config: parsed.config,
            created: parsed.created,
            size_bytes: size,
            layers: vec![Layer {
                digest,
                diff_id: diff_id.clone(),
                chain_id: diff_id,
                size_bytes: size,
                unpacked_bytes,
            }],
        })
    }

    fn hash_unpacked(&self, digest: &Digest, size: u64) -> Result<Digest, ImageError> {
        let mut tar = Unpacked::new(self.content.open_blob(digest)?, size).map_err(ImageError::Read)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = tar.read(&mut buffer).map_err(ImageError::Read)?;
            if count == 0 {
                return Ok(Digest::from_sha256(hash.finalize().into()));
            }
            hash.update(&buffer[..count]);
        }
    }
}

fn write_config(diff_id: &Digest, options: &ImportOptions, changed: &serde_json::Value) -> Vec<u8> {
    let platform = Platform::own();
    let created = options.created.to_string();
    serde_json::json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": created,
        "config": changed,
        "rootfs": { "type": "layers", "diff_ids": [diff_id.as_str()] },
        "history": [{ "created": created, "comment": options.message.clone().unwrap_or_else(|| "imported".to_owned()) }],
    })
    .to_string()
    .into_bytes()
}

/// Dockerfile lines as the `config` of an image.
fn read_changes(changes: &[String]) -> Result<serde_json::Value, ImageError> {
    let mut config = serde_json::Map::new();
    for change in changes {
        let unknown = || ImageError::Change(change.clone());
        let (word, rest) = change.trim().split_once(char::is_whitespace).ok_or_else(unknown)?;
        let rest = rest.trim();
        match word.to_ascii_uppercase().as_str() {
            "CMD" => config.insert("Cmd".to_owned(), command(rest)),
            "ENTRYPOINT" => config.insert("Entrypoint".to_owned(), command(rest)),
            "USER" => config.insert("User".to_owned(), rest.into()),
            "WORKDIR" => config.insert("WorkingDir".to_owned(), rest.into()),
            "STOPSIGNAL" => config.insert("StopSignal".to_owned(), rest.into()),
            "ENV" => {
                let entry = match rest.split_once('=') {
                    Some(_) => rest.to_owned(),
                    None => rest.replacen(char::is_whitespace, "=", 1),
                };
                let list = config.entry("Env").or_insert_with(|| serde_json::json!([]));
                list.as_array_mut().ok_or_else(unknown)?.push(entry.into());
                None
            }
            "EXPOSE" => {
                let port = if rest.contains('/') {
                    rest.to_owned()
                } else {
                    format!("{rest}/tcp")
                };
                insert_into(&mut config, "ExposedPorts", port, serde_json::json!({}))
            }
            "VOLUME" => insert_into(&mut config, "Volumes", rest.to_owned(), serde_json::json!({})),
            "LABEL" => {
                let (name, value) = rest.split_once('=').ok_or_else(unknown)?;
                insert_into(&mut config, "Labels", name.to_owned(), value.trim_matches('"').into())
            }
            _ => return Err(unknown()),
        };
    }
    Ok(serde_json::Value::Object(config))
}

fn insert_into(
    config: &mut serde_json::Map<String, serde_json::Value>,
    map: &str,
    key: String,
    value: serde_json::Value,
) -> Option<serde_json::Value> {
    let map = config.entry(map).or_insert_with(|| serde_json::json!({}));
    map.as_object_mut()?.insert(key, value)
}

/// A JSON list as it is, else a line for the shell.
fn command(text: &str) -> serde_json::Value {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => words.into(),
        Err(_) => serde_json::json!(["/bin/sh", "-c", text]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_in_a_dockerfile() {
        let lines = [
            "CMD [\"sh\"]",
            "ENV A=1",
            "env B 2",
            "EXPOSE 80",
            "LABEL x=\"y z\"",
            "ENTRYPOINT run it",
        ];
        let config = read_changes(&lines.map(str::to_owned)).unwrap();
        assert_eq!(config["Cmd"], serde_json::json!(["sh"]));
        assert_eq!(config["Env"], serde_json::json!(["A=1", "B=2"]));
        assert_eq!(config["ExposedPorts"], serde_json::json!({"80/tcp": {}}));
        assert_eq!(config["Labels"]["x"], "y z");
        assert_eq!(config["Entrypoint"], serde_json::json!(["/bin/sh", "-c", "run it"]));
        assert!(read_changes(&["RUN rm".to_owned()]).is_err());
    }
}
