//! What `config.json` says and containers then are. runtime-spec, config.md and
//! config-linux.md

#[path = "../bundle/mod.rs"]
mod bundle;
mod limits;
mod mounts;
mod namespaces;
mod net_devices;
mod process;
mod seccomp;
mod start;
mod users;
