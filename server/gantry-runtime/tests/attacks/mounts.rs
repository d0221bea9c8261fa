//! Mounts whose place is exchanged for another while they are made.

use crate::bundle::Bundle;
use crate::hostile::{bind, hostile, set_args};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const ROUNDS: u32 = 60;

/// A container that exchanges two names of a volume all the time, until it is dropped.
fn swapper(volume: &std::path::Path, one: &str, other: &str) -> Option<Bundle> {
    let swapper = hostile("")?;
    swapper.mount(bind(volume, "/data"));
    set_args(
        &swapper,
        &[
            "/bin/attacker",
            "swap",
            &format!("/data/{one}"),
            &format!("/data/{other}"),
        ],
    );
    swapper.run_detached();
    swapper.until("it swaps", |bundle| bundle.output().contains("swapping"));
    Some(swapper)
}

struct Outside {
    dir: PathBuf,
}

impl Outside {
    /// A directory of the host, with a file in it.
    fn of(bundle: &Bundle) -> Self {
        let dir = bundle.beside("outside");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("secret"), "of the host").unwrap();
        Self { dir }
    }

    #[track_caller]
    fn is_untouched(&self) {
        let names: Vec<_> = fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["secret"], "something was made on the host");
        assert_eq!(fs::read_to_string(self.dir.join("secret")).unwrap(), "of the host");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(
            !mounts.contains(self.dir.to_str().unwrap()),
            "something was mounted on the host"
        );
    }
}

/// CVE-2021-30465, CVE-2023-27561, CVE-2023-28642, CVE-2024-45310: two containers share a
/// volume; one exchanges a directory of it for a link to the host's, between the moment
/// when the runtime looks at where it is to mount for the other one and the moment when it
/// makes the directory and mounts. The link is absolute: taken for one of the host, missing
/// directories are made there, and what is mounted there shows the host's files.
#[test]
fn a_mount_point_that_becomes_a_link_stays_inside() {
    let script = "cat /data/place/secret /data/place/mount/secret 2>/dev/null; awk '/swapped/ {print $5}' /proc/self/mountinfo | wc -l";
    let Some(victim) = hostile(script) else { return };
    let outside = Outside::of(&victim);
    let volume = victim.beside("volume");
    fs::create_dir_all(volume.join("place")).unwrap();
    symlink(&outside.dir, volume.join("link")).unwrap();
    victim.mount(bind(&volume, "/data"));
    victim.mount(json!({"destination": "/data/place/mount", "type": "tmpfs", "source": "swapped"}));
    victim.mount(json!({"destination": "/data/place/deep/er", "type": "tmpfs", "source": "swapped"}));
    let Some(_swapper) = swapper(&volume, "place", "link") else {
        return;
    };
    let mut ran = 0;
    for _ in 0..ROUNDS {
        let outcome = victim.run();
        assert!(!outcome.out.contains("of the host"), "{outcome:?}");
        // Refused, or mounted where the container sees it.
        if outcome.code == Some(0) {
            assert_eq!(outcome.out.trim(), "2", "{outcome:?}");
            ran += 1;
        }
        outside.is_untouched();
    }
    assert!(ran > 0, "no round came as far as running");
}

/// The same without a race: the image itself brings the link.
#[test]
fn a_mount_point_that_is_a_link_stays_inside() {
    let Some(bundle) =
        hostile("cat /place/mount/secret /place/secret 2>/dev/null; grep -c 'swapped' /proc/self/mountinfo")
    else {
        return;
    };
    let outside = Outside::of(&bundle);
    bundle.mount(json!({"destination": "/place/mount/deep", "type": "tmpfs", "source": "swapped"}));
    bundle.mount(json!({"destination": "/up/outside/mount", "type": "tmpfs", "source": "swapped"}));
    let file = bundle.beside("file");
    fs::write(&file, "a file").unwrap();
    bundle.mount(bind(&file, "/place/secret"));
    symlink(&outside.dir, bundle.rootfs().join("place")).unwrap();
    symlink("../../../../../../../..", bundle.rootfs().join("up")).unwrap();
    bundle.run().expect("a file2");
    outside.is_untouched();
    // A file that is a link to nothing.
    symlink(outside.dir.join("made"), bundle.rootfs().join("file")).unwrap();
    bundle.mount(bind(&file, "/file"));
    bundle.run();
    outside.is_untouched();
}

/// A container cannot mount onto the host: what it mounts, with every right to, is seen
/// by itself alone.
#[test]
fn what_a_container_mounts_does_not_reach_the_host() {
    let Some(bundle) = hostile(
        "mount -t tmpfs escaped /data && mount --make-rshared / && mount -t tmpfs escaped /data && echo mounted",
    ) else {
        return;
    };
    let outside = Outside::of(&bundle);
    bundle.edit(|config| {
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set]
                .as_array_mut()
                .unwrap()
                .push("CAP_SYS_ADMIN".into());
        }
        config["linux"].as_object_mut().unwrap().remove("seccomp");
    });
    bundle.mount(bind(&outside.dir, "/data"));
    bundle.run().expect("mounted");
    outside.is_untouched();
}
