//! One file a group of items.

pub(crate) mod cgroups;
pub(crate) mod kernel;
pub(crate) mod limits;
pub(crate) mod namespaces;
pub(crate) mod network;
pub(crate) mod rootless;
pub(crate) mod security;
pub(crate) mod storage;
