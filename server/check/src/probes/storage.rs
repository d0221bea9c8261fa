//! Overlays, where the data lies, and how containers get files of their own there.

use crate::facts::Facts;
use crate::report::{Asked, Group, Item, Need};
use model::Snapshotter;
use model::snapshotter::choose;
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
        items.extend(snapshotter(facts, dir));
        items.push(space(dir));
    }
    items
}

/// Two directories every host has, read-only, attached nowhere.
fn overlay(facts: &Facts) -> Item {
    let question = asked(
        "overlayfs",
        "Overlays (overlayfs), attached to no place of the host",
        Need::Optional,
        "putting an image's layers and a container's own changes together without a copy",
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

fn data_filesystem(facts: &Facts, dir: &Path) -> Item {
    let question = asked(
        "data-filesystem",
        "File system of the data directory",
        Need::Required,
        "images, and what containers write",
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
    question.ok(found)
}

/// What a server would choose at its first start, tried as it does; and whether that is a
/// copy for each container.
fn snapshotter(facts: &Facts, dir: &Path) -> Vec<Item> {
    let question = asked(
        "snapshotter",
        "Files of containers' own: overlays, btrfs snapshots or copies",
        Need::Required,
        "what a container writes, apart from its image",
    );
    let there = existing(dir);
    if !facts.is_root {
        return vec![question.unknown(
            format!("nothing may be tried in `{}`", there.display()),
            "check again as root",
        )];
    }
    let cost = asked(
        "snapshotter-cost",
        "Containers that share the files of their image",
        Need::Optional,
        "starting without a copy of the image, and the room of one for each container",
    );
    match choose(|one| try_in(one, &there)) {
        Ok(choice) => {
            let is_copy = choice.snapshotter == Snapshotter::Copy;
            let place = there.display();
            let found = format!("{} in `{place}`: {}", choice.snapshotter, choice.why);
            let shares = is_copy && sys::copy_tree::can_clone_in(&there).unwrap_or(false);
            let cost = cost.met(
                !is_copy || shares,
                match (is_copy, shares) {
                    (false, _) => "nothing is copied",
                    (true, true) => "copies share the blocks of files",
                    (true, false) => "each container copies its image at its first start",
                },
                "choose a directory on ext4, xfs, btrfs or tmpfs of the host with --data-dir; in a container, put a \
                 volume of it there",
            );
            vec![question.ok(found), cost]
        }
        Err(error) => vec![question.missing(
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
