//! Debian's kernel, as its package has it, and the first root it starts with: the modules
//! that are needed and the few lines that load them.

use super::newc::Archive;
use crate::{packages, process, workspace};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names the newest kernel of the release as its dependency.
const PACKAGE: &str = "linux-image-amd64";
const PURPOSE: &str = "the kernel that the tests boot";

/// Loaded in this order, each after what it needs.
const MODULES: [&str; 37] = [
    // The machine's devices.
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    // Its disk; ext4 finds its checksum by name.
    "crc32c_generic",
    "ext4",
    "btrfs",
    "loop",
    "bfq",
    // Containers.
    "overlay",
    "fuse",
    "bridge",
    "br_netfilter",
    "veth",
    "tun",
    "dummy",
    "macvlan",
    "ipvlan",
    // The firewall, and what its rules and their listing ask for by name.
    "nf_tables",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nft_ct",
    "nft_chain_nat",
    "nft_nat",
    "nft_masq",
    "nft_redir",
    "nft_fib",
    "nft_fib_ipv4",
    "nft_fib_ipv6",
    "nft_fib_inet",
    "nft_reject",
    "nft_reject_ipv4",
    "nft_reject_inet",
    "nft_limit",
    "nft_log",
    "nft_numgen",
    "nft_hash",
];

/// What qemu boots from.
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    pub(super) initramfs: PathBuf,
}

pub(super) fn get() -> Result<Kernel> {
    let unpacked = workspace::target().join("peers/linux-image");
    if !unpacked.exists() {
        let name = newest()?;
        packages::unpack_into(&name, PURPOSE, &unpacked)?;
    }
    let image = only_child(&unpacked.join("boot"), "vmlinuz-")?;
    let modules = only_child(&unpacked.join("lib/modules"), "")?;
    let initramfs = super::folder().join("initramfs.cpio");
    write_initramfs(&initramfs, &modules).with_context(|| format!("cannot write {}", initramfs.display()))?;
    Ok(Kernel { image, initramfs })
}

/// The versioned package that `linux-image-amd64` stands for.
fn newest() -> Result<String> {
    let shown = process::output(process::command("apt-cache").args(["depends", PACKAGE])).unwrap_or_default();
    let found = shown.lines().find_map(|line| {
        line.trim()
            .strip_prefix("Depends: ")
            .filter(|name| name.starts_with("linux-image-"))
    });
    found.map(str::to_owned).with_context(|| {
        format!("apt knows no package {PACKAGE}, which is Debian's; try `apt-get update`, or run this on Debian")
    })
}

fn only_child(folder: &Path, start: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut found = entries.flatten().map(|entry| entry.path()).filter(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(start))
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        _ => bail!(
            "{} should hold one `{start}…`; remove it and try again",
            folder.display()
        ),
    }
}

fn write_initramfs(file: &Path, modules: &Path) -> Result<()> {
    let busybox = fs::read("/bin/busybox").context("cannot read /bin/busybox, of the package busybox-static")?;
    let mut archive = Archive::create(file)?;
    for folder in ["bin", "dev", "proc", "sys", "root", "modules"] {
        archive.directory(folder)?;
    }
    archive.char_device("dev/console", (5, 1))?;
    archive.program("bin/busybox", &busybox)?;
    archive.link("bin/sh", "busybox")?;
    archive.program("init", include_bytes!("first-init.sh"))?;
    let mut order = String::new();
    for path in closure(modules)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        archive.program(&format!("modules/{name}"), &fs::read(&path)?)?;
        order.push_str(&name);
        order.push('\n');
    }
    archive.program("modules/order", order.as_bytes())?;
    archive.finish()?;
    Ok(())
}

/// The modules and what they need, in an order in which they can be loaded.
fn closure(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = BTreeMap::new();
    collect(folder, &mut all)?;
    let built_in = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let built_in: Vec<String> = built_in.lines().map(|line| module_name(Path::new(line))).collect();
    let mut order = Vec::new();
    for name in MODULES {
        if built_in.iter().any(|known| known == name) {
            continue;
        }
        add(name, &all, &mut order)?;
    }
    Ok(order)
}

fn collect(folder: &Path, into: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            into.insert(module_name(&path), path);
        }
    }
    Ok(())
}

/// A dash in a file's name is an underscore everywhere else.
fn module_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_")
}

fn add(name: &str, all: &BTreeMap<String, PathBuf>, order: &mut Vec<PathBuf>) -> Result<()> {
    let path = all
        .get(name)
        .with_context(|| format!("the kernel's package has no module `{name}`"))?;
    if order.contains(path) {
        return Ok(());
    }
    for needed in needs(&fs::read(path)?) {
        add(&needed, all, order)?;
    }
    order.push(path.clone());
    Ok(())
}

/// A module carries its description as `name=value` strings that end with a zero.
fn needs(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(value)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}
