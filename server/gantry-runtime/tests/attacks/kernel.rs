//! Files of the kernel by which a container could change the host, and writes of the
//! runtime that an image tries to send elsewhere.

use crate::hostile::{hostile, with_own_users, without_mount};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;

const PARAMETERS: [&str; 6] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hotplug",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/fs/binfmt_misc/status",
    "/sys/kernel/uevent_helper",
];

/// core_pattern, modprobe, binfmt_misc and uevent_helper name programs that the kernel
/// runs as root of the host; sysrq acts on it at once; kcore and mem are its memory.
#[test]
fn no_parameter_of_the_host_can_be_written() {
    let script = format!(
        "for file in {} /proc/sysrq-trigger /proc/sys/fs/binfmt_misc/register /proc/sys/kernel/sysrq \
           /sys/kernel/mm/transparent_hugepage/enabled /sys/module/*/parameters/* /sys/power/state \
           /sys/bus/pci/rescan /sys/kernel/kexec_crash_size /proc/irq/default_smp_affinity /proc/mtrr /proc/acpi/wakeup; do
           [ -e $file ] && (cat $file > /saved; cat /saved > $file) 2>/dev/null && echo WRITTEN $file; done
         for file in /proc/kcore /dev/mem /dev/kmem /dev/port /proc/kmsg /dev/kmsg; do
           [ -n \"$(head -c 1 $file 2>/dev/null)\" ] && echo READ $file; done
         for at in /proc/sys /sys / /proc/sysrq-trigger /sys/fs/cgroup; do
           mount -o remount,rw,bind $at 2>/dev/null && echo REMOUNTED $at; umount $at 2>/dev/null && echo UNMOUNTED $at; done
         mount -t proc proc /mnt 2>/dev/null && echo MOUNTED proc; mount -t sysfs sysfs /mnt 2>/dev/null && echo MOUNTED sysfs
         for node in 'b 8 0' 'b 253 0' 'b 254 0' 'b 7 0' 'c 1 1' 'c 1 2' 'c 1 4' 'c 10 237' 'c 10 200' 'c 10 229'; do
           rm -f /node; mknod /node $node 2>/dev/null && (head -c 1 /node || head -c 0 < /node || : > /node) >/dev/null 2>&1 && echo OPENED $node; done
         echo tried",
        PARAMETERS.join(" ")
    );
    for own_users in [false, true] {
        let Some(bundle) = hostile(&script) else { return };
        if own_users {
            with_own_users(&bundle);
        }
        fs::create_dir(bundle.rootfs().join("mnt")).unwrap();
        let read = || PARAMETERS.map(|path| fs::read(path).ok());
        let before = read();
        bundle.run().expect("tried");
        assert_eq!(read(), before);
    }
}

/// CVE-2025-52881, CVE-2019-16884, CVE-2019-19921: labels and kernel parameters are
/// written by way of `/proc`; a false one, or a link in it, sends the write to another
/// file, such as `/proc/sysrq-trigger`, or nowhere. Whatever is tried, it is refused or the
/// write reaches what it was meant for.
#[test]
fn nothing_false_stands_for_proc() {
    let fake = |bundle: &crate::bundle::Bundle| {
        let proc = bundle.rootfs().join("proc");
        let target = bundle.beside("redirected");
        fs::create_dir_all(proc.join("sys/net/ipv4")).unwrap();
        fs::create_dir_all(proc.join("self/attr")).unwrap();
        fs::write(&target, "untouched").unwrap();
        symlink(&target, proc.join("sys/net/ipv4/ip_forward")).unwrap();
        symlink(&target, proc.join("self/attr/exec")).unwrap();
        symlink(&target, proc.join("self/oom_score_adj")).unwrap();
        bundle.edit(|config| {
            config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
            config["process"]["oomScoreAdj"] = 500.into();
        });
        target
    };
    // A directory of false files where /proc is mounted.
    let script = "cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj";
    let Some(bundle) = hostile(script) else { return };
    let target = fake(&bundle);
    bundle.run().expect("1\n500");
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    // Without any mount there: the false ones are seen inside, and written by nobody.
    let Some(bundle) = hostile("echo ran") else { return };
    let target = fake(&bundle);
    without_mount(&bundle, "/proc");
    let ran = bundle.run();
    assert!(ran.code == Some(0) || !ran.err.is_empty(), "{ran:?}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert_ne!(fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim(), "500");
}

/// CVE-2019-19921: where `/proc` is a link of the image, whoever can change what it points
/// to chooses what is masked. The link itself is refused.
#[test]
fn a_link_does_not_stand_for_what_the_kernel_shows() {
    for (place, target) in [("proc", "/elsewhere"), ("proc", "elsewhere"), ("sys", "/elsewhere")] {
        let Some(bundle) = hostile("echo ran") else { return };
        fs::create_dir(bundle.rootfs().join("elsewhere")).unwrap();
        let place = bundle.rootfs().join(place);
        let _ = fs::remove_dir(&place);
        symlink(target, &place).unwrap();
        bundle.run().refused("symbolic link");
    }
}

/// Mounts that would put something false there are refused, however they are written.
#[test]
fn nothing_is_mounted_over_what_the_runtime_believes() {
    for destination in [
        "/proc/self/attr",
        "/proc/sys",
        "/proc/sys/kernel",
        "/proc/self",
        "/proc/1/attr/exec",
        "/sys/../proc/sys",
        "/proc/./self/../sys",
        "/proc/sysrq-trigger",
        "//proc//self//attr",
        "/proc/../proc/thread-self",
    ] {
        let Some(bundle) = hostile("echo ran") else { return };
        let data = bundle.beside("data");
        fs::create_dir(&data).unwrap();
        bundle.mount(json!({"destination": destination, "type": "bind", "source": data, "options": ["bind"]}));
        bundle.run().refused("/proc");
        let Some(bundle) = hostile("echo ran") else { return };
        bundle.mount(json!({"destination": destination, "type": "tmpfs", "source": "tmpfs"}));
        bundle.run().refused("/proc");
    }
    // A whole false /proc.
    for kind in ["tmpfs", "bind"] {
        let Some(bundle) = hostile("echo ran") else { return };
        without_mount(&bundle, "/proc");
        bundle.mount(json!({"destination": "/proc", "type": kind, "source": "/tmp", "options": ["bind"]}));
        bundle.run().refused("/proc");
    }
}

/// And through a link of the image: `/place` is `/proc`, or something in it.
#[test]
fn a_link_of_the_image_does_not_lead_a_mount_into_proc() {
    // Below it nothing can be made; it is itself refused for what it is.
    const POINT: &str = "cannot make the mount point";
    const INTO: &str = "leads into `/proc`";
    for (target, below, kind, why) in [
        ("/proc/self", "/attr", "bind", POINT),
        ("proc/sys", "/attr", "bind", POINT),
        ("../../proc", "/attr", "bind", POINT),
        ("/proc", "", "bind", INTO),
        ("/proc", "", "tmpfs", INTO),
        ("proc/sys", "", "bind", INTO),
        ("proc/sys", "", "tmpfs", INTO),
        ("proc/version", "", "bind", INTO),
    ] {
        let Some(bundle) = hostile("echo ran") else { return };
        let source = bundle.beside("false");
        if target.ends_with("version") {
            fs::write(&source, "false").unwrap();
        } else {
            fs::create_dir(&source).unwrap();
        }
        symlink(target, bundle.rootfs().join("place")).unwrap();
        let destination = format!("/place{below}");
        bundle.mount(json!({"destination": destination, "type": kind, "source": source,
            "options": if kind == "bind" { vec!["bind"] } else { vec![] }}));
        bundle.run().refused(why);
    }
}
