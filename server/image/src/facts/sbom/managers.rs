//! What dpkg and apk have installed: deb-control(5), dpkg-query(1); the database of
//! apk(5).

use super::{Package, PackageKind, read};
use std::os::fd::OwnedFd;
use std::path::Path;
use sys::tree::Tree;

pub(super) fn find(root: &OwnedFd) -> Vec<Package> {
    let distribution = distribution(root);
    let mut packages = Vec::new();
    if let Some(text) = read(root, "/var/lib/dpkg/status") {
        debs(&text, distribution.as_ref(), &mut packages);
    }
    // Images without dpkg itself keep one file a package.
    let single = sys::beneath::open_dir(root, Path::new("/var/lib/dpkg/status.d")).map(Tree::from_dir);
    for name in single.and_then(|dir| dir.names()).unwrap_or_default() {
        let path = Path::new("/var/lib/dpkg/status.d").join(name);
        if path.extension().is_none_or(|end| end != "md5sums")
            && let Some(text) = path.to_str().and_then(|path| read(root, path))
        {
            debs(&text, distribution.as_ref(), &mut packages);
        }
    }
    for path in ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"] {
        if let Some(text) = read(root, path) {
            apks(&text, distribution.as_ref(), &mut packages);
        }
    }
    packages
}

/// os-release(5)
fn distribution(root: &OwnedFd) -> Option<String> {
    let text = read(root, "/etc/os-release").or_else(|| read(root, "/usr/lib/os-release"))?;
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?;
    Some(id.trim_matches('"').to_owned())
}

fn debs(text: &str, distribution: Option<&String>, packages: &mut Vec<Package>) {
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let value = paragraph
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.map(|value| value.trim().to_owned())
        };
        let is_installed = field("Status").is_none_or(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (is_installed, field("Package"), field("Version")) {
            packages.push(Package {
                kind: PackageKind::Deb,
                name,
                version,
                architecture: field("Architecture"),
                license: None,
                distribution: distribution.cloned(),
            });
        }
    }
}

fn apks(text: &str, distribution: Option<&String>, packages: &mut Vec<Package>) {
    for paragraph in text.split("\n\n") {
        let field = |name: &str| {
            let value = paragraph.lines().find_map(|line| line.strip_prefix(name));
            value.map(|value| value.trim().to_owned())
        };
        if let (Some(name), Some(version)) = (field("P:"), field("V:")) {
            packages.push(Package {
                kind: PackageKind::Apk,
                name,
                version,
                architecture: field("A:"),
                license: field("L:"),
                distribution: distribution.cloned(),
            });
        }
    }
}
