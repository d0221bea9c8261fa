#![forbid(unsafe_code)]
//! Limits, usage and membership of one control group, on both kernel interfaces.
//!
//! A host may have each controller on the old interface (v1: one mount a controller)
//! or on the new one (v2: one tree for all), and both at once; so the version is a
//! question asked of each controller, never of the host. [`Hierarchies`] finds the
//! mounts, a [`Group`] is the same path below each of them.
//!
//! Files that belong to one controller, their formats and units, are in `v1/` and `v2/`:
//! there, what is written is decided by functions of values; only `change` writes.
//! This crate knows nothing of containers, images or processes beyond their numbers.

mod below;
mod change;
mod control_file;
mod delegation;
mod devices;
mod error;
mod freezer;
mod group;
mod hierarchy;
mod kill;
mod limits;
mod oom_watch;
mod pressure;
mod sampler;
pub mod systemd;
mod usage;
mod v1;
mod v2;

pub use below::Below;
pub use devices::{DeviceKind, DeviceRule};
pub use error::CgroupError;
pub use group::{Entry, Group};
pub use hierarchy::{Controller, Hierarchies, Layout, Version};
pub use oom_watch::OomWatch;
pub use pressure::{Pressure, PressureLine, PressureOf};
pub use sampler::Sampler;
pub use usage::Usage;
