//! overlayfs, the file system of the data directory, and the snapshotter that it allows.

use crate::facts::Facts;
use crate::report::{Check, Group, Item, Need};
use model::Snapshotter;
use model::snapshotter::choose;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use sys::overlay::Layers;

const fn check(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Check {
    Check {
        id,
        group: Group::Storage,
        title,
        need,
        purpose,
    }
}

pub(crate) fn items(facts: &Facts, data_dir: Option<&Path>) -> Vec<Item> {
    let mut items = vec![overlay(facts), many_layers(facts)];
    if let Some(dir) = data_dir {
        items.push(data_filesystem(facts, dir));
        items.extend(snapshotter(facts, dir));
        items.push(space(dir));
    }
    items
}

/// Mounts two directories that every host has as a read-only, detached overlay.
fn overlay(facts: &Facts) -> Item {
    let item = check(
        "overlayfs",
        "overlayfs with detached mounts",
        Need::Optional,
        "combining image layers and the writable layer without copying",
    );
    let listed = facts.filesystems.contains("overlay");
    let lower = ["/usr", "/etc"].map(PathBuf::from);
    let outcome = sys::overlay::mount_detached(Layers {
        lower: &lower,
        upper: None,
        options: &[],
    });
    match outcome {
        Ok(_) => item.ok("works"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            item.unknown(error.to_string(), "check again as root")
        }
        Err(error) if !listed => item.missing(
            error.to_string(),
            "run `modprobe overlay` and put `overlay` in /etc/modules-load.d/; the kernel needs CONFIG_OVERLAY_FS",
        ),
        Err(error) => item.missing(error.to_string(), "use Linux 5.15 or newer with CONFIG_OVERLAY_FS"),
    }
}

fn many_layers(facts: &Facts) -> Item {
    let available = facts.kernel_is(6, 8);
    check(
        "overlayfs-layers",
        "overlayfs with any number of layers",
        Need::Optional,
        "images with very many layers; without it all layer paths must fit into one mount option",
    )
    .met(
        available,
        if available {
            "available"
        } else {
            "limited to one mount option"
        },
        "use Linux 6.8 or newer",
    )
}

fn data_filesystem(facts: &Facts, dir: &Path) -> Item {
    let item = check(
        "data-filesystem",
        "File system of the data directory",
        Need::Required,
        "images and writable layers",
    );
    let dir = existing(dir);
    let Some(mount) = facts.mount_of(&dir) else {
        return item.unknown(
            format!("no mount point found for `{}`", dir.display()),
            "inspect /proc/self/mountinfo",
        );
    };
    let found = format!("{} at `{}`", mount.filesystem, mount.dir);
    if mount.read_only {
        return item.missing(
            format!("{found}, read-only"),
            "choose another directory with --data-dir, or remount it read-write",
        );
    }
    item.ok(found)
}

/// The snapshotter that a server would select at its first start, probed the same way, and
/// whether it copies the image for each container.
fn snapshotter(facts: &Facts, dir: &Path) -> Vec<Item> {
    let item = check(
        "snapshotter",
        "Snapshotter (overlay, btrfs or copy)",
        Need::Required,
        "the writable layer of containers",
    );
    let existing_dir = existing(dir);
    if !facts.is_root {
        return vec![item.unknown(
            format!("not tested: no write access to `{}`", existing_dir.display()),
            "check again as root",
        )];
    }
    let cost = check(
        "snapshotter-cost",
        "Containers share the files of their image",
        Need::Optional,
        "starting containers without copying the image",
    );
    match choose(|one| try_in(one, &existing_dir)) {
        Ok(choice) => {
            let is_copy = choice.snapshotter == Snapshotter::Copy;
            let found = format!("{} in `{}`: {}", choice.snapshotter, existing_dir.display(), choice.why);
            let shares = is_copy && sys::copy_tree::can_clone_in(&existing_dir).unwrap_or(false);
            let cost = cost.met(
                !is_copy || shares,
                match (is_copy, shares) {
                    (false, _) => "no copy needed",
                    (true, true) => "copies share blocks (reflink)",
                    (true, false) => "each container copies its image at its first start",
                },
                "choose a directory on ext4, xfs, btrfs or tmpfs of the host with --data-dir; in a container, mount a \
                 volume there",
            );
            vec![item.ok(found), cost]
        }
        Err(error) => vec![item.missing(
            error.to_string(),
            "choose a directory on ext4, xfs, btrfs or tmpfs with --data-dir",
        )],
    }
}

fn try_in(one: Snapshotter, dir: &Path) -> Result<(), String> {
    let tried = match one {
        Snapshotter::Overlay => sys::storage_trial::overlay(dir),
        Snapshotter::Btrfs => sys::storage_trial::btrfs(dir),
        Snapshotter::Copy => sys::storage_trial::plain(dir),
    };
    tried.map_err(|error| error.to_string())
}

const MIN_FREE_BYTES: u64 = 2 << 30;

fn space(dir: &Path) -> Item {
    let item = check(
        "data-space",
        "Free space",
        Need::Optional,
        "images, writable layers, volumes and logs",
    );
    match sys::host::space(&existing(dir)) {
        Ok(space) => item.met(
            space.free_bytes >= MIN_FREE_BYTES,
            format!("{} MiB free", space.free_bytes >> 20),
            "free some space, or choose another directory with --data-dir",
        ),
        Err(error) => item.unknown(error.to_string(), "inspect it with `df`"),
    }
}

/// The nearest existing ancestor of `dir`, resolved.
pub(super) fn existing(dir: &Path) -> PathBuf {
    let ancestor = dir.ancestors().find(|ancestor| ancestor.exists());
    let ancestor = ancestor.unwrap_or(Path::new("/"));
    ancestor.canonicalize().unwrap_or_else(|_| ancestor.to_owned())
}
