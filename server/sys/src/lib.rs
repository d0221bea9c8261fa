//! System calls as safe functions: the only crate with `unsafe`, and the only
//! one that names libc, nix and rustix. One file a concept; a function's doc
//! names its man page. Where rustix or nix already has a safe, typed function,
//! the file re-exports it by name.

pub mod host_port;
pub mod netlink;
pub mod network_namespace;
