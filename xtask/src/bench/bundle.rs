//! One bundle that every runtime can run: a root filesystem of busybox, and the
//! namespaces and mounts that engines ask for.

use crate::workspace;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(super) const COMMANDS: [&str; 4] = ["sh", "true", "sleep", "cat"];

/// A directory with busybox in `bin`.
pub(super) fn make_rootfs(dir: &Path) -> Result<PathBuf> {
    let rootfs = dir.join("rootfs");
    let bin = rootfs.join("bin");
    if !bin.exists() {
        fs::create_dir_all(&bin)?;
        fs::copy("/bin/busybox", bin.join("busybox")).context("cannot copy /bin/busybox, of busybox-static")?;
        for name in COMMANDS {
            symlink("busybox", bin.join(name))?;
        }
    }
    Ok(rootfs)
}

/// A bundle directory whose command is `/bin/true`.
pub(super) fn make(dir: &Path, rootfs: &Path, cgroups_path: &str, with_seccomp: bool) -> Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let mut config = config(rootfs, cgroups_path);
    if with_seccomp {
        config["linux"]["seccomp"] = seccomp()?;
    }
    fs::write(dir.join("config.json"), config.to_string())?;
    Ok(dir.to_owned())
}

fn config(rootfs: &Path, cgroups_path: &str) -> Value {
    let capabilities = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ];
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/bin/true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": { "bounding": capabilities, "effective": capabilities, "permitted": capabilities },
            "noNewPrivileges": false,
        },
        "root": { "path": rootfs, "readonly": false },
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "cgroupsPath": cgroups_path,
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" },
                { "type": "cgroup" },
            ],
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// Our own default profile, as the specification has it: the rules that hold for
/// every container on this processor.
fn seccomp() -> Result<Value> {
    let file = workspace::root().join("server/bundle/src/seccomp/default.json");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let profile: Value = serde_json::from_str(&text)?;
    let mut rules = Vec::new();
    for rule in profile["syscalls"].as_array().into_iter().flatten() {
        let only = |key: &str| {
            rule["includes"]
                .as_object()
                .is_some_and(|object| object.len() == 1 && object.contains_key(key))
        };
        let ours = || {
            let arches = rule["includes"]["arches"].as_array();
            arches.into_iter().flatten().any(|arch| arch == "amd64")
        };
        let holds = rule.get("includes").is_none() || (only("arches") && ours());
        if !holds || rule.get("excludes").is_some() {
            continue;
        }
        let mut kept = serde_json::Map::new();
        for key in ["names", "action", "errnoRet", "args"] {
            if let Some(value) = rule.get(key) {
                kept.insert(key.to_owned(), value.clone());
            }
        }
        rules.push(Value::Object(kept));
    }
    Ok(json!({
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }))
}
