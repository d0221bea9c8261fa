//! What every container gets unless it says otherwise. RUNTIME.md's lists are
//! Docker's, so that images behave here as there.

use serde_json::{Value, json};

pub const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub const SHM_BYTES: u64 = 64 << 20;

/// Hidden from containers: they tell of the host or let one reach into it. So do the
/// records of heat of the processors that this host has, which are added to them.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What sets up the host. Docker leaves `dynamic_debug` out: there, on kernels without
/// debugfs in use, root of any container turns on what the host writes to its log.
pub const READONLY_PATHS: [&str; 6] = [
    "/proc/bus",
    "/proc/dynamic_debug",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Mounts besides the root, in their order. `/dev/shm` and `/dev/mqueue` depend on
/// the IPC namespace: [`ipc_mounts`].
pub fn mounts(writable_sys: bool, writable_groups: bool) -> Vec<Value> {
    let word = |writable: bool| if writable { "rw" } else { "ro" };
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            // The kernel has some thousands for all: one container may not take them.
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
                "max=1024",
            ],
        ),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", word(writable_sys)],
        ),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", word(writable_groups)],
        ),
    ]
}

/// What belongs to an IPC namespace of the container's own.
pub fn ipc_mounts(shm_bytes: u64) -> Vec<Value> {
    let size = format!("size={shm_bytes}");
    vec![
        json!({ "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", size] }),
        json!({ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] }),
    ]
}
