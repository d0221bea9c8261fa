//! Packages of languages, wherever they lie: Python's `METADATA`, npm's `package.json`
//! below `node_modules`, `Cargo.lock`, and the list of modules in programs made by Go.

use super::{Package, PackageKind, text};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use sys::tree::{Kind, Status, Tree};

/// Deeper trees are not looked into: each level holds a descriptor.
const MOST_DEEP: usize = 200;
/// Names looked at in one image.
const MOST_NAMES: u64 = 3_000_000;
/// No program of Go is smaller, and of none is more searched.
const LEAST_GO_BYTES: u64 = 300 << 10;
const MOST_GO_BYTES: u64 = 256 << 20;

pub(super) fn find(root: &Tree, packages: &mut Vec<Package>) -> io::Result<()> {
    let mut left = MOST_NAMES;
    walk(root, &mut Vec::new(), &mut left, packages)
}

/// `path` holds the names above, which say what a file is.
fn walk(dir: &Tree, path: &mut Vec<String>, left: &mut u64, packages: &mut Vec<Package>) -> io::Result<()> {
    if path.len() > MOST_DEEP {
        return Ok(());
    }
    for name in dir.names()? {
        *left = left.saturating_sub(1);
        let Some(status) = dir.find(&name)?.filter(|_| *left > 0) else {
            continue;
        };
        let text = name.to_string_lossy().into_owned();
        match status.kind {
            Kind::Directory if !(path.is_empty() && matches!(text.as_str(), "proc" | "sys" | "dev")) => {
                path.push(text);
                let walked = dir.open_dir(&name).and_then(|inner| walk(&inner, path, left, packages));
                path.pop();
                walked?;
            }
            Kind::File => look(dir, &name, &text, path, &status, packages),
            _ => {}
        }
    }
    Ok(())
}

/// A file that cannot be read, or says nothing, is none of a package.
fn look(dir: &Tree, name: &OsStr, plain: &str, path: &[String], status: &Status, packages: &mut Vec<Package>) {
    let parent = path.last().map_or("", String::as_str);
    let whole = || dir.open_file(name).ok().and_then(text);
    match plain {
        "METADATA" if parent.ends_with(".dist-info") => packages.extend(whole().and_then(|text| python(&text))),
        "PKG-INFO" if parent.ends_with(".egg-info") => packages.extend(whole().and_then(|text| python(&text))),
        "package.json" if is_installed(path) => packages.extend(whole().and_then(|text| npm(&text))),
        "Cargo.lock" => packages.extend(whole().map(|text| cargo(&text)).unwrap_or_default()),
        _ if status.mode & 0o111 != 0 && (LEAST_GO_BYTES..MOST_GO_BYTES).contains(&status.size_bytes) => {
            packages.extend(dir.open_file(name).ok().and_then(go).unwrap_or_default());
        }
        _ => {}
    }
}

/// `node_modules/NAME` and `node_modules/@SCOPE/NAME` hold packages; deeper ones are
/// parts of theirs.
fn is_installed(path: &[String]) -> bool {
    match path {
        [.., modules, scope, _] if scope.starts_with('@') => modules == "node_modules",
        [.., modules, _] => modules == "node_modules",
        _ => false,
    }
}

fn package(kind: PackageKind, name: &str, version: &str, license: Option<String>) -> Package {
    Package {
        kind,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: None,
        license,
        distribution: None,
    }
}

/// Core metadata specifications, "Name", "Version", "License".
fn python(text: &str) -> Option<Package> {
    let head = text.split("\n\n").next()?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let license = field("License-Expression:")
        .or(field("License:"))
        .filter(|text| !text.is_empty() && *text != "UNKNOWN");
    Some(package(
        PackageKind::Python,
        &field("Name:")?.to_lowercase().replace('_', "-"),
        field("Version:")?,
        license.map(str::to_owned),
    ))
}

fn npm(text: &str) -> Option<Package> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let license = json["license"].as_str().map(str::to_owned);
    Some(package(
        PackageKind::Npm,
        json["name"].as_str()?,
        json["version"].as_str()?,
        license,
    ))
}

/// `[[package]]` with `name` and `version`, each on a line.
fn cargo(text: &str) -> Vec<Package> {
    let quoted = |block: &str, key: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
        line.map(|value| value.trim().trim_matches('"').to_owned())
    };
    let blocks = text.split("[[package]]").skip(1);
    let read = blocks.filter_map(|block| {
        Some(package(
            PackageKind::Cargo,
            &quoted(block, "name")?,
            &quoted(block, "version")?,
            None,
        ))
    });
    read.collect()
}

/// What Go's linker writes since 1.18: Go source, debug/buildinfo, "buildInfoMagic".
fn go(mut file: File) -> Option<Vec<Package>> {
    const MAGIC: &[u8] = b"\xff Go buildinf:";
    const HEAD_BYTES: u64 = 32;
    const PIECE: usize = 1 << 20;
    const MOST_INFO_BYTES: u64 = 4 << 20;
    let mut elf = [0; 4];
    file.read_exact(&mut elf).ok()?;
    if elf != *b"\x7fELF" {
        return None;
    }
    let (mut piece, mut offset) = (vec![0; PIECE + MAGIC.len()], 0_u64);
    let at = loop {
        file.seek(SeekFrom::Start(offset)).ok()?;
        let count = (&file).take(piece.len() as u64).read(&mut piece).ok()?;
        let found = piece[..count].windows(MAGIC.len()).position(|window| window == MAGIC);
        if let Some(place) = found {
            break offset + place as u64;
        }
        if count < MAGIC.len() {
            return None;
        }
        offset += (count - MAGIC.len() + 1) as u64;
    };
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut info = Vec::new();
    (&file).take(MOST_INFO_BYTES).read_to_end(&mut info).ok()?;
    // Bit 2: the strings follow, each after its length.
    if info.get(15)? & 2 == 0 {
        return None;
    }
    let mut rest = info.get(usize::try_from(HEAD_BYTES).ok()?..)?;
    let version = string(&mut rest)?;
    let modules = string(&mut rest)?;
    // Sixteen bytes at either end mark the list.
    let modules = modules.get(16..modules.len().checked_sub(16)?)?;
    let mut packages = vec![package(
        PackageKind::Go,
        "stdlib",
        version_of(&String::from_utf8_lossy(version)),
        None,
    )];
    for line in String::from_utf8_lossy(modules).lines() {
        let mut words = line.split('\t');
        match (words.next(), words.next(), words.next()) {
            (Some("mod" | "dep"), Some(name), Some(version)) => {
                packages.push(package(PackageKind::Go, name, version, None));
            }
            // In place of the one before.
            (Some("=>"), Some(name), Some(version)) => {
                packages.pop();
                packages.push(package(PackageKind::Go, name, version, None));
            }
            _ => {}
        }
    }
    Some(packages)
}

fn version_of(text: &str) -> &str {
    text.strip_prefix("go").unwrap_or(text)
}

/// A length in seven bits a byte, lowest first, and so many bytes.
fn string<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn modules_of_a_go_program_are_read_wherever_they_lie() {
        let list = "path\texample.com/x\nmod\texample.com/x\tv1.2.0\ndep\tgolang.org/x/net\tv0.1.0\th1:x\n=>\texample.com/net\tv0.2.0\n";
        let marked = [&[1; 16][..], list.as_bytes(), &[2; 16]].concat();
        let mut bytes = b"\x7fELF".to_vec();
        bytes.resize((1 << 20) + 9, 0);
        bytes.extend(b"\xff Go buildinf:\x08\x02");
        bytes.resize((1 << 20) + 9 + 32, 0);
        for text in [&b"go1.22.1"[..], &marked] {
            let mut length = text.len();
            while length >= 0x80 {
                bytes.push((length & 0x7f).to_le_bytes()[0] | 0x80);
                length >>= 7;
            }
            bytes.push(length.to_le_bytes()[0]);
            bytes.extend(text);
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        let found: Vec<(String, String)> = go(file)
            .unwrap()
            .into_iter()
            .map(|package| (package.name, package.version))
            .collect();
        let wanted = [
            ("stdlib", "1.22.1"),
            ("example.com/x", "v1.2.0"),
            ("example.com/net", "v0.2.0"),
        ];
        assert_eq!(
            found,
            wanted.map(|(name, version)| (name.to_owned(), version.to_owned()))
        );
    }

    #[test]
    fn lengths_that_lie_are_no_packages() {
        let mut rest = &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..];
        assert!(string(&mut rest).is_none());
        let mut rest = &b"\x7fx"[..];
        assert!(string(&mut rest).is_none());
    }
}
