//! Facts that several probes need, read once.

use cgroup::Hierarchies;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub(crate) struct Facts {
    pub(crate) release: String,
    /// Major and minor number of the kernel; `None` for a release of another form.
    pub(crate) version: Option<(u32, u32)>,
    pub(crate) is_root: bool,
    pub(crate) hierarchies: Result<Hierarchies, cgroup::CgroupError>,
    /// Names in `/proc/filesystems`.
    pub(crate) filesystems: BTreeSet<String>,
    pub(crate) mounts: Vec<Mount>,
    /// Active security modules, as the kernel lists them.
    pub(crate) lsm: Vec<String>,
}

pub(crate) struct Mount {
    pub(crate) dir: String,
    pub(crate) filesystem: String,
    pub(crate) read_only: bool,
}

impl Facts {
    pub(crate) fn collect() -> Self {
        let release = sys::host::name().release;
        Self {
            version: version(&release),
            release,
            is_root: sys::user::is_root(),
            hierarchies: Hierarchies::discover(),
            filesystems: read("/proc/filesystems")
                .unwrap_or_default()
                .lines()
                .filter_map(|line| line.split('\t').nth(1))
                .map(str::to_owned)
                .collect(),
            mounts: mounts(&read("/proc/self/mountinfo").unwrap_or_default()),
            lsm: read("/sys/kernel/security/lsm")
                .unwrap_or_default()
                .trim()
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Whether the kernel is at least of this version; a release that is not understood
    /// counts as new.
    pub(crate) fn kernel_is(&self, major: u32, minor: u32) -> bool {
        self.version.is_none_or(|version| version >= (major, minor))
    }

    /// The mount that holds `path`: of those it lies in, the innermost; of mounts on the
    /// same directory, the last.
    pub(crate) fn mount_of(&self, path: &Path) -> Option<&Mount> {
        self.mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.dir))
            .max_by_key(|mount| mount.dir.len())
    }
}

/// The trimmed content of a small file; `None` when it cannot be read.
pub(crate) fn read(file: &str) -> Option<String> {
    fs::read_to_string(file).ok().map(|text| text.trim_end().to_owned())
}

pub(crate) fn number(file: &str) -> Option<u64> {
    read(file)?.trim().parse().ok()
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// proc_pid_mountinfo(5)
fn mounts(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut fields = before.split(' ').skip(4);
            let (dir, options) = (fields.next()?, fields.next()?);
            Some(Mount {
                dir: dir.replace("\\040", " "),
                filesystem: after.split(' ').next()?.to_owned(),
                read_only: options.split(',').any(|option| option == "ro"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_in_the_innermost_mount() {
        let mut facts = Facts::collect();
        facts.mounts = mounts(
            "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 8:2 / /var/lib ro,nosuid - xfs /dev/sdb ro\n3 1 8:3 / /var/lib2 rw - btrfs x rw\n",
        );
        let mount = facts.mount_of(Path::new("/var/lib/gantry")).unwrap();
        assert_eq!((mount.filesystem.as_str(), mount.read_only), ("xfs", true));
        assert_eq!(facts.mount_of(Path::new("/var/libx")).unwrap().filesystem, "ext4");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert!(version("5.15.0").unwrap() < version("5.100").unwrap());
    }
}
