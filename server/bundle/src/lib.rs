//! OCI bundles, both ways: `config.json` is written from a container's spec by the
//! engine, and its limits are read by the runtime. runtime-spec, config.md and
//! config-linux.md.
//!
//! What the specification has no field for travels in annotations
//! ([`annotation`]), which other runtimes ignore. Named users are resolved by init
//! in the container's own files: `process.user.username` carries the text, and
//! `uid` and `gid` mean nothing where it is set.
#![forbid(unsafe_code)]

mod capabilities;
pub mod config_file;
pub mod defaults;
mod devices;
mod exec;
mod from_spec;
mod mounts;
mod resources;
pub mod seccomp;
mod system;

pub use capabilities::{ALL_CAPABILITIES, capabilities};
pub use devices::{DeviceKind, DeviceNode, DeviceRule, always_allowed, major_minor};
pub use exec::{ExecProcess, exec_process};
pub use from_spec::{Input, Users, from_spec};
pub use resources::{limits, special_limits};

/// Keys of annotations that this engine and its runtime understand.
pub mod annotation {
    /// `true`: a small init that reaps orphans runs as PID 1 in front of the command.
    pub const INIT: &str = "gantry.init";
    /// `true`: the command is the init of a whole system, which divides its part of the
    /// control groups further.
    pub const SYSTEM: &str = "gantry.system";
    /// Further groups by name or number, separated by commas, resolved in the
    /// container's files.
    pub const GROUPS: &str = "gantry.groups";
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("there is no capability `{0}`")]
    Capability(String),
    #[error("there is no resource limit `{0}`; the names are those of getrlimit(2), such as `nofile`")]
    Rlimit(String),
    #[error("volume `{0}` has no directory")]
    Volume(String),
    #[error("device access `{0}` is not made of `r`, `w` and `m`")]
    DeviceAccess(String),
    #[error("the container's configuration has no process")]
    NoProcess,
    #[error(transparent)]
    Seccomp(#[from] seccomp::InvalidProfile),
    #[error("the container cannot be described as a bundle: {0}")]
    Form(#[from] serde_json::Error),
}
