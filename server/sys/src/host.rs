//! What the kernel says of the host: space on disks, its name and age.

use std::io;
use std::path::Path;

/// Bytes of a file system. statvfs(3)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    /// What an ordinary user could still write.
    pub free_bytes: u64,
}

/// Space of the file system at `path`. One that reports no size, such as ramfs, is limited by
/// memory alone: all of an unknown size counts as free.
pub fn space(path: &Path) -> io::Result<Space> {
    let status = rustix::fs::statvfs(path)?;
    if status.f_blocks == 0 {
        return Ok(Space {
            total_bytes: 0,
            free_bytes: i64::MAX.unsigned_abs(),
        });
    }
    Ok(Space {
        total_bytes: status.f_blocks * status.f_frsize,
        free_bytes: status.f_bavail * status.f_frsize,
    })
}

/// Name and kernel release. uname(2)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub node: String,
    pub release: String,
    pub machine: String,
}

pub fn name() -> Name {
    let uname = rustix::system::uname();
    Name {
        node: uname.nodename().to_string_lossy().into_owned(),
        release: uname.release().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
    }
}

/// Clock ticks a second, the unit of times in /proc/PID/stat. sysconf(3)
pub fn clock_ticks() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// Bytes of a page. sysconf(3)
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Where processors tell how often they were too hot, which tells who shares them:
/// `/sys/devices/system/cpu/cpuN/thermal_throttle` of each that has it, in their order.
pub fn thermal_records() -> Vec<String> {
    let processors = std::fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<String> = processors
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("cpu"))
        .map(|entry| entry.path().join("thermal_throttle"))
        .filter(|path| path.is_dir())
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found
}
