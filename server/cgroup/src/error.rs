use crate::hierarchy::Controller;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("no cgroup hierarchy is mounted; mount one, as in `mount -t cgroup2 cgroup2 /sys/fs/cgroup`")]
    NoHierarchy,
    #[error("cannot read `{file}`: {source}", file = file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("`{file}` holds `{text}`, which is not understood", file = file.display())]
    Malformed { file: PathBuf, text: String },
    #[error("cannot write `{value}` to `{file}`: {source}", file = file.display())]
    Write {
        file: PathBuf,
        value: String,
        source: io::Error,
    },
    #[error("cannot make cgroup `{dir}`: {source}", dir = dir.display())]
    Make { dir: PathBuf, source: io::Error },
    #[error("cannot open cgroup `{dir}`: {source}", dir = dir.display())]
    Open { dir: PathBuf, source: io::Error },
    #[error("unknown controller `{name}`: the host has no v1 hierarchy of that name")]
    UnknownController { name: String },
    // The wording is runc's, which people and test suites search for.
    #[error("error adding pid to cgroups: open {dir}/cgroup.procs: no such file or directory", dir = dir.display())]
    NoSuchGroup { dir: PathBuf },
    #[error("cannot give `{path}` to the container: {source}", path = path.display())]
    Give { path: PathBuf, source: io::Error },
    #[error("cannot remove cgroup `{dir}`: {source}", dir = dir.display())]
    Remove { dir: PathBuf, source: io::Error },
    // The wording of both is runc's, which people and test suites search for.
    #[error("container's cgroup is not empty: `{dir}` has processes; choose another path or end them first", dir = dir.display())]
    InUse { dir: PathBuf },
    #[error("container's cgroup unexpectedly frozen: `{dir}`; choose another path or thaw it first", dir = dir.display())]
    Frozen { dir: PathBuf },
    #[error("the host has no cgroup controller `{controller}`, which {setting} needs; see `gantry check`")]
    NoController {
        controller: Controller,
        setting: &'static str,
    },
    #[error("the kernel has no file `{file}`, which {setting} needs", file = file.display())]
    NoFile { file: PathBuf, setting: &'static str },
    #[error(
        "memory limit of {asked_bytes} bytes is below the {used_bytes} bytes in use that cannot be freed; stop the container or ask for more"
    )]
    BelowUse { asked_bytes: u64, used_bytes: u64 },
    #[error("memory and swap together ({both_bytes} bytes) are below the memory limit ({limit_bytes} bytes)")]
    SwapBelowMemory { both_bytes: u64, limit_bytes: u64 },
    #[error("a limit on memory and swap together needs a memory limit as well")]
    SwapWithoutMemory,
    #[error(
        "`{key}` is not a file of the v2 hierarchy that may be set: it must be the name of a file of an enabled controller, without `/`"
    )]
    Unified { key: String },
    #[error(
        "the device rule `{rule}` cuts a piece out of `{wider}`, which cgroup v1 cannot do; allow the pieces one by one"
    )]
    DeviceRules { rule: String, wider: String },
    #[error("{setting} is not there on cgroup v2, where this host has that controller")]
    OnlyV1 { setting: &'static str },
    #[error("`{asked}` is no size of huge pages; write it as `64KB`, `2MB` or `1GB`")]
    PageSize { asked: String },
    #[error("memory reservation of {reservation_bytes} bytes is above the memory limit ({limit_bytes} bytes)")]
    ReservationAboveLimit { reservation_bytes: u64, limit_bytes: u64 },
    #[error("cgroup `{dir}` did not become {wanted} within {waited_ms} ms", dir = dir.display())]
    Freezer {
        dir: PathBuf,
        wanted: &'static str,
        waited_ms: u128,
    },
    #[error("processes of cgroup `{dir}` are still there after they were killed: {pids:?}", dir = dir.display())]
    Survivors { dir: PathBuf, pids: Vec<i32> },
    #[error("cannot {doing} the device program of cgroup `{dir}`: {source}", dir = dir.display())]
    DeviceProgram {
        doing: &'static str,
        dir: PathBuf,
        source: io::Error,
    },
}
