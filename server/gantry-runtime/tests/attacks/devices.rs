//! `/dev`: what an image puts there in place of what the runtime believes to find.

use crate::bundle::Bundle;
use crate::hostile::{bind, hostile, set_args, with_own_users, without_mount};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// What masks a file is the null device, and a directory is empty.
const LOOK: &str = "for file in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do
      [ -e $file ] && [ \"$(stat -c %t:%T $file)\" != 1:3 ] && echo UNMASKED $file; done;
    [ -n \"$(ls /sys/firmware)\" ] && echo UNMASKED /sys/firmware;
    grep -q ' /proc/sys ro' /proc/self/mountinfo || echo WRITABLE /proc/sys; echo looked";

/// CVE-2025-31133: masked files are covered with `/dev/null`. Taken from the container, a
/// link in its place makes the runtime show something else there, writable, such as
/// `/proc/sys/kernel/core_pattern`.
#[test]
fn what_masks_is_never_the_images_null() {
    for target in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "../proc/kcore",
        "/nowhere",
    ] {
        let Some(bundle) = hostile(LOOK) else { return };
        without_mount(&bundle, "/dev");
        fs::create_dir(bundle.rootfs().join("dev")).unwrap();
        symlink(target, bundle.rootfs().join("dev/null")).unwrap();
        let ran = bundle.run();
        assert!(ran.code != Some(0) || ran.out.trim() == "looked", "{target}: {ran:?}");
    }
}

/// The same, exchanged by another container that shares `/dev` while this one starts.
#[test]
fn what_masks_is_never_an_exchanged_null() {
    let Some(victim) = hostile(LOOK) else { return };
    without_mount(&victim, "/dev");
    let shared = victim.beside("dev");
    fs::create_dir(&shared).unwrap();
    let made = std::process::Command::new("/bin/busybox")
        .arg("mknod")
        .arg(shared.join("null"))
        .args(["c", "1", "3"])
        .status();
    assert!(made.unwrap().success());
    symlink("/proc/sys/kernel/core_pattern", shared.join("link")).unwrap();
    victim.mount(bind(&shared, "/dev"));
    let Some(swapper) = hostile("") else { return };
    swapper.mount(bind(&shared, "/data"));
    set_args(&swapper, &["/bin/attacker", "swap", "/data/null", "/data/link"]);
    swapper.run_detached();
    swapper.until("it swaps", |bundle| bundle.output().contains("swapping"));
    let core_pattern = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    for _ in 0..40 {
        let ran = victim.run();
        assert!(ran.code != Some(0) || ran.out.trim() == "looked", "{ran:?}");
    }
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), core_pattern);
}

/// What an image has where a usual device is to be is that device or refused: a file that
/// everybody can read in place of `null` would gather what programs throw away, one in
/// place of `urandom` would choose their keys.
#[test]
fn what_stands_for_a_device_is_that_device() {
    for (name, node) in [
        ("null", None),
        ("urandom", None),
        ("null", Some(("1", "5"))),
        ("urandom", Some(("1", "5"))),
    ] {
        let Some(bundle) = hostile("echo ran") else { return };
        without_mount(&bundle, "/dev");
        let dev = bundle.rootfs().join("dev");
        fs::create_dir(&dev).unwrap();
        let place = dev.join(name);
        match node {
            None => fs::write(&place, "of the image").unwrap(),
            Some((major, minor)) => {
                let mut mknod = std::process::Command::new("/bin/busybox");
                mknod.arg("mknod").arg(&place).args(["c", major, minor]);
                assert!(mknod.status().unwrap().success());
            }
        }
        bundle.run().refused(&format!("/dev/{name}"));
    }
    // Users of their own are shown the host's devices, at files that are made for it.
    let Some(bundle) = hostile("echo ran") else { return };
    without_mount(&bundle, "/dev");
    fs::create_dir(bundle.rootfs().join("dev")).unwrap();
    symlink("/proc/sys/kernel/core_pattern", bundle.rootfs().join("dev/null")).unwrap();
    with_own_users(&bundle);
    bundle.run().refused("/dev/null");
}

/// CVE-2026-41579, CVE-2026-47766: an image whose `/dev` is a link has devices made, and
/// file systems mounted, where it points.
#[test]
fn devices_are_never_made_where_a_link_points() {
    for absolute in [true, false] {
        let Some(bundle) = hostile("echo ran") else { return };
        let outside = bundle.beside("outside");
        fs::create_dir(&outside).unwrap();
        let target = if absolute {
            outside.clone()
        } else {
            "../../outside".into()
        };
        symlink(target, bundle.rootfs().join("dev")).unwrap();
        bundle.run().refused("/dev");
        without_mount(&bundle, "/dev");
        bundle.run().refused("/dev");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
    // A device that the configuration asks for, below a link.
    let Some(bundle) = hostile("stat -c %t:%T /srv/mine") else {
        return;
    };
    let outside = bundle.beside("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, bundle.rootfs().join("srv")).unwrap();
    bundle.edit(|config| {
        config["linux"]["devices"] = json!([{"path": "/srv/mine", "type": "c", "major": 1, "minor": 3}]);
    });
    bundle.run().expect("1:3");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// Starts it with a terminal, whose near side is taken and let go.
fn with_terminal(bundle: &Bundle) -> std::process::Output {
    bundle.edit(|config| config["process"]["terminal"] = true.into());
    let socket = bundle.beside("console.sock");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let receiver = std::thread::spawn(move || {
        let (stream, _) = listener.accept().ok()?;
        sys::fd_passing::receive(&stream, &mut [0; 4096]).ok()
    });
    let mut command = bundle.command(&["create", "--console-socket"]);
    let output = command
        .arg(&socket)
        .arg("-b")
        .arg(bundle.path())
        .arg(&bundle.id)
        .output()
        .unwrap();
    // Wakes a receiver that nobody reached.
    drop(std::os::unix::net::UnixStream::connect(&socket));
    drop(receiver.join());
    output
}

/// CVE-2025-52565: the terminal is attached to `/dev/console`, and its far side opened by
/// the name `/dev/pts/N`; a link of the image at either sends the mount, or the change of
/// owner, to a file of the host or of the kernel.
#[test]
fn a_terminal_goes_nowhere_else() {
    use std::os::unix::fs::MetadataExt as _;
    const KERNEL: &str = "proc/sys/kernel/core_pattern";
    for place in ["dev/console", "dev/ptmx", "dev/pts", "dev/pts/0", "dev/pts/ptmx"] {
        let parent = Path::new(place).parent().unwrap();
        let up = "../".repeat(parent.components().count());
        // A file of the host, and one of the container's kernel files: by a path that is
        // right in its root, and by one that leads there without a look at the root.
        for inside in [None, Some(format!("/{KERNEL}")), Some(format!("{up}{KERNEL}"))] {
            let Some(bundle) = hostile("sleep 600") else { return };
            let file = bundle.beside("of-the-host");
            fs::write(&file, "untouched").unwrap();
            without_mount(&bundle, "/dev");
            if parent == Path::new("dev") && place != "dev/pts" {
                // There are terminals, or it would end before the link is come to.
                bundle.mount(json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                    "options": ["newinstance", "ptmxmode=0666", "mode=0620"]}));
            }
            fs::create_dir_all(bundle.rootfs().join(parent)).unwrap();
            let target = inside.as_deref().map_or(file.clone(), Into::into);
            symlink(&target, bundle.rootfs().join(place)).unwrap();
            bundle.edit(|config| config["process"]["user"] = json!({"uid": 4711, "gid": 4711}));
            let output = with_terminal(&bundle);
            let said = String::from_utf8_lossy(&output.stderr);
            match place {
                "dev/console" => assert!(said.contains("cannot make `/dev/console`"), "{inside:?}: {output:?}"),
                // Terminals are made in `/dev/pts`, whatever this name is.
                "dev/ptmx" => assert!(output.status.success(), "{inside:?}: {output:?}"),
                _ => assert!(said.contains("cannot open"), "{place}, {inside:?}: {output:?}"),
            }
            let metadata = fs::metadata(&file).unwrap();
            assert_eq!(
                (metadata.uid(), metadata.mode() & 0o777),
                (0, 0o644),
                "{place}: {output:?}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
            if output.status.success() {
                let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", bundle.pid())).unwrap();
                let over = |line: &str| line.contains("core_pattern") || line.contains("of-the-host");
                assert!(!mounts.lines().any(over), "{place}: {mounts}");
            }
        }
    }
}

/// No device but the usual ones, and none of a kind by which the host's disks and memory
/// can be reached, though `mknod` itself is allowed.
#[test]
fn only_the_usual_devices_are_there() {
    let Some(bundle) = hostile("find /dev -type c -o -type b | sort") else {
        return;
    };
    let usual = [
        "/dev/full",
        "/dev/null",
        "/dev/pts/ptmx",
        "/dev/random",
        "/dev/tty",
        "/dev/urandom",
        "/dev/zero",
    ];
    bundle.run().expect(&usual.join("\n"));
}
