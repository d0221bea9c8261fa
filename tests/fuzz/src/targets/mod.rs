//! One file a target.

pub(crate) mod archive;
pub(crate) mod config;
pub(crate) mod dockerfile;
pub(crate) mod dockerignore;
pub(crate) mod image_config;
pub(crate) mod layer;
pub(crate) mod log;
pub(crate) mod manifest;
pub(crate) mod seccomp;
pub(crate) mod shim;
pub(crate) mod user;
pub(crate) mod words;
