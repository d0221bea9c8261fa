//! The files of an archive, set down as blobs while it streams past: its entries
//! come in any order, and are named before or after what names them.

use crate::content::Content;
use crate::layer::{Headers, Limits, Unpacked};
use crate::manifest::DOCUMENT_LIMIT_BYTES;
use crate::{ImageError, Progress};
use model::image::Digest;
use std::collections::HashMap;
use std::io::Read;
use tar::EntryType;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const MOST_FILES: usize = 10_000;
/// Longer than any path: limits.h, PATH_MAX.
const MOST_NAME_BYTES: usize = 4096;

/// Names of an archive and the blobs they became.
#[derive(Debug, Default)]
pub(super) struct Spool {
    files: HashMap<String, (Digest, u64)>,
    /// Old archives share layers by links.
    links: HashMap<String, String>,
}

impl Spool {
    /// Reads the whole archive, packed or not. Blocks.
    pub(super) fn read(
        archive: impl Read,
        content: &Content,
        limits: Limits,
        progress: &watch::Sender<Progress>,
        cancel: &CancellationToken,
    ) -> Result<Self, ImageError> {
        let mut spool = Self::default();
        let unpacked = Unpacked::new(archive, None, limits).map_err(ImageError::Read)?;
        let headers = Headers::within(limits);
        let mut tar = headers.archive(unpacked);
        let mut entries = tar.entries().map_err(ImageError::Read)?;
        while let Some(entry) = headers.next(&mut entries) {
            let mut entry = entry.map_err(ImageError::Read)?;
            if cancel.is_cancelled() {
                return Err(ImageError::Cancelled);
            }
            let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
            if spool.files.len() + spool.links.len() >= MOST_FILES {
                return Err(ImageError::malformed("the archive", "it has too many files"));
            }
            if name.len() > MOST_NAME_BYTES {
                return Err(ImageError::malformed("the archive", "a name in it is too long"));
            }
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let kept = keep(&mut entry, content, cancel)?;
                    progress.send_modify(|progress| progress.bytes_done += kept.1);
                    spool.files.insert(name, kept);
                }
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    if target.len() > MOST_NAME_BYTES {
                        return Err(ImageError::malformed("the archive", "a link in it is too long"));
                    }
                    let base = match entry.header().entry_type() {
                        EntryType::Symlink => name.rsplit_once('/').map_or("", |(dir, _)| dir),
                        _ => "",
                    };
                    spool.links.insert(name.clone(), clean(&format!("{base}/{target}")));
                }
                _ => {}
            }
            Headers::leave(&mut entry).map_err(ImageError::Read)?;
        }
        Ok(spool)
    }

    pub(super) fn find(&self, name: &str) -> Option<(Digest, u64)> {
        let mut name = clean(name);
        for _ in 0..8 {
            if let Some(found) = self.files.get(&name) {
                return Some(found.clone());
            }
            name.clone_from(self.links.get(&name)?);
        }
        None
    }

    pub(super) fn get(&self, name: &str) -> Result<(Digest, u64), ImageError> {
        self.find(name).ok_or_else(|| ImageError::Missing(name.to_owned()))
    }

    /// A small file, whole.
    pub(super) fn document(&self, content: &Content, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
        let Some((digest, bytes)) = self.find(name) else {
            return Ok(None);
        };
        if bytes > DOCUMENT_LIMIT_BYTES {
            return Err(ImageError::TooLarge {
                what: "a document of the archive",
                limit_bytes: DOCUMENT_LIMIT_BYTES,
            });
        }
        content.read(&digest).map(Some)
    }
}

fn keep(entry: &mut impl Read, content: &Content, cancel: &CancellationToken) -> Result<(Digest, u64), ImageError> {
    let mut ingest = content.begin()?;
    let mut buffer = vec![0; 128 << 10];
    loop {
        if cancel.is_cancelled() {
            return Err(ImageError::Cancelled);
        }
        let count = entry.read(&mut buffer).map_err(ImageError::Read)?;
        if count == 0 {
            return ingest.commit(content, None, "a file of the archive");
        }
        ingest.write(&buffer[..count])?;
    }
}

/// `./a//b/../c` as `a/c`.
fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
