//! Overlays, and where the data lies.

use crate::facts::Facts;
use crate::report::{Asked, Group, Item, Need};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use sys::overlay::Layers;

const fn asked(id: &'static str, title: &'static str, need: Need, purpose: &'static str) -> Asked {
    Asked {
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
        items.push(space(dir));
    }
    items
}

/// Two directories every host has, read-only, attached nowhere.
fn overlay(facts: &Facts) -> Item {
    let question = asked(
        "overlayfs",
        "Overlays (overlayfs), attached to no place of the host",
        Need::Required,
        "putting an image's layers and a container's own changes together",
    );
    let listed = facts.filesystems.contains("overlay");
    let lower = ["/usr", "/etc"].map(PathBuf::from);
    let outcome = sys::overlay::mount_detached(Layers {
        lower: &lower,
        upper: None,
        options: &[],
    });
    match outcome {
        Ok(_) => question.ok("works"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            question.unknown(error.to_string(), "check again as root")
        }
        Err(error) if !listed => question.missing(
            error.to_string(),
            "run `modprobe overlay` and put `overlay` in /etc/modules-load.d/; the kernel needs CONFIG_OVERLAY_FS",
        ),
        Err(error) => question.missing(
            error.to_string(),
            "use a kernel of 5.15 or newer with CONFIG_OVERLAY_FS",
        ),
    }
}

fn many_layers(facts: &Facts) -> Item {
    let there = facts.kernel_is(6, 8);
    asked(
        "overlayfs-layers",
        "Overlays of any number of layers",
        Need::Optional,
        "images of very many layers; without it all their paths must fit in one value",
    )
    .met(
        there,
        if there { "there" } else { "as many as fit in one value" },
        "use Linux 6.8 or newer",
    )
}

/// File systems on which the writable layer of an overlay cannot lie. kernel,
/// filesystems/overlayfs.rst
const NOT_BELOW_OVERLAYS: [&str; 8] = ["overlay", "nfs", "nfs4", "cifs", "vfat", "exfat", "fuseblk", "ecryptfs"];

fn data_filesystem(facts: &Facts, dir: &Path) -> Item {
    let question = asked(
        "data-filesystem",
        "File system of the data directory",
        Need::Required,
        "the writable layers of containers",
    );
    let dir = existing(dir);
    let Some(mount) = facts.mount_of(&dir) else {
        return question.unknown(
            format!("no mount holds `{}`", dir.display()),
            "look at /proc/self/mountinfo",
        );
    };
    let found = format!("{} at `{}`", mount.filesystem, mount.dir);
    if mount.read_only {
        return question.missing(
            format!("{found}, read-only"),
            "choose another place with --data-dir, or mount it for writing",
        );
    }
    question.met(
        !NOT_BELOW_OVERLAYS.contains(&mount.filesystem.as_str()),
        found,
        "choose a directory on ext4, xfs, btrfs or tmpfs with --data-dir",
    )
}

const LITTLE_BYTES: u64 = 2 << 30;

fn space(dir: &Path) -> Item {
    let question = asked(
        "data-space",
        "Space for data",
        Need::Optional,
        "images, writable layers, volumes and logs",
    );
    match sys::host::space(&existing(dir)) {
        Ok(space) => question.met(
            space.free_bytes >= LITTLE_BYTES,
            format!("{} MiB free", space.free_bytes >> 20),
            "free some space, or choose another place with --data-dir",
        ),
        Err(error) => question.unknown(error.to_string(), "look at it with `df`"),
    }
}

/// The directory that is to be made lies where its nearest ancestor does.
pub(super) fn existing(dir: &Path) -> PathBuf {
    let there = dir.ancestors().find(|ancestor| ancestor.exists());
    let there = there.unwrap_or(Path::new("/"));
    there.canonicalize().unwrap_or_else(|_| there.to_owned())
}
