//! The packages in an image, found in what package managers leave behind, as a document
//! that scanners read. Nothing of the image is executed.

mod cyclonedx;
mod languages;
mod managers;
mod spdx;

use crate::{Image, ImageError, Store};
use model::Timestamp;
use model::image::Digest;
use serde_json::Value;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::tree::Tree;

/// The most bytes of one list or description that are read.
const MOST_BYTES: u64 = 64 << 20;

/// Something installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Package {
    pub kind: PackageKind,
    pub name: String,
    pub version: String,
    pub architecture: Option<String>,
    /// As the package declares it; not always an SPDX expression.
    pub license: Option<String>,
    /// The distribution, of its packages: `debian`, `alpine`.
    pub distribution: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageKind {
    Deb,
    Apk,
    Npm,
    Python,
    Cargo,
    Go,
}

/// The forms it is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SbomFormat {
    /// SPDX 2.3 as JSON.
    #[default]
    Spdx,
    /// CycloneDX 1.5 as JSON.
    CycloneDx,
}

/// What the document says of the image itself.
struct Subject<'a> {
    name: &'a str,
    image: &'a Image,
    created: Timestamp,
    packages: &'a [Package],
}

impl Package {
    /// Its name everywhere: the purl specification.
    fn purl(&self) -> String {
        let (kind, namespace) = match self.kind {
            PackageKind::Deb => ("deb", self.distribution.as_deref().unwrap_or("debian")),
            PackageKind::Apk => ("apk", self.distribution.as_deref().unwrap_or("alpine")),
            PackageKind::Npm => ("npm", ""),
            PackageKind::Python => ("pypi", ""),
            PackageKind::Cargo => ("cargo", ""),
            PackageKind::Go => ("golang", ""),
        };
        let mut purl = format!("pkg:{kind}/");
        if !namespace.is_empty() {
            purl.push_str(&escape(namespace));
            purl.push('/');
        }
        let name: Vec<String> = self.name.split('/').map(escape).collect();
        purl.push_str(&name.join("/"));
        if !self.version.is_empty() {
            purl.push('@');
            purl.push_str(&escape(&self.version));
        }
        if let Some(architecture) = &self.architecture {
            purl.push_str("?arch=");
            purl.push_str(&escape(architecture));
        }
        purl
    }
}

impl Store {
    /// All packages found in an image, in order. Blocks.
    pub fn packages(&self, image: &Image) -> Result<Vec<Package>, ImageError> {
        let at = ImageError::file("look at", "the image's files");
        let chain: Vec<Digest> = image.layers.iter().map(|layer| layer.chain_id.clone()).collect();
        find(&self.open_root(&chain)?).map_err(at)
    }

    /// The packages as a document about the image `name`. The same image gives the same
    /// document. Blocks.
    pub fn sbom(&self, name: &str, image: &Image, format: SbomFormat) -> Result<Value, ImageError> {
        let packages = self.packages(image)?;
        let subject = Subject {
            name,
            image,
            created: image.created.unwrap_or(Timestamp::from_unix_nanos(0)),
            packages: &packages,
        };
        Ok(match format {
            SbomFormat::Spdx => spdx::document(&subject),
            SbomFormat::CycloneDx => cyclonedx::document(&subject),
        })
    }
}

fn find(root: &OwnedFd) -> io::Result<Vec<Package>> {
    let mut packages = managers::find(root);
    let tree = Tree::from_dir(sys::beneath::open_dir(root, Path::new("/"))?);
    languages::find(&tree, &mut packages)?;
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// A file of the image, whole; `None` when there is none that can be read.
fn read(root: &OwnedFd, path: &str) -> Option<String> {
    let handle = sys::beneath::find(root, Path::new(path)).ok()?;
    text(sys::tree::reopen_file(handle).ok()?)
}

fn text(file: std::fs::File) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// RFC 3986, section 2.3.
fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn packages_of_every_kind_are_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        write(
            "var/lib/dpkg/status",
            "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u1\nDescription: x\n y\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n",
        );
        write(
            "var/lib/dpkg/status.d/tzdata",
            "Package: tzdata\nVersion: 1:2024a\nArchitecture: all\n",
        );
        write(
            "lib/apk/db/installed",
            "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\n\nP:zlib\nV:1.3\n",
        );
        write(
            "usr/lib/python3/dist-packages/requests-2.31.0.dist-info/METADATA",
            "Name: requests\nVersion: 2.31.0\nLicense: Apache-2.0\n\nText",
        );
        write(
            "app/node_modules/@scope/thing/package.json",
            r#"{"name":"@scope/thing","version":"1.0.0","license":"MIT"}"#,
        );
        write("app/package.json", r#"{"name":"own","version":"9.9.9"}"#);
        write(
            "src/Cargo.lock",
            "version = 3\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.200\"\n",
        );
        let root = fs::File::open(dir.path()).unwrap().into();
        let purls: Vec<String> = find(&root).unwrap().iter().map(Package::purl).collect();
        let wanted = [
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64",
            "pkg:deb/debian/tzdata@1%3A2024a?arch=all",
            "pkg:apk/debian/musl@1.2.4-r2?arch=x86_64",
            "pkg:apk/debian/zlib@1.3",
            "pkg:npm/%40scope/thing@1.0.0",
            "pkg:pypi/requests@2.31.0",
            "pkg:cargo/serde@1.0.200",
        ];
        assert_eq!(purls, wanted);
    }
}
