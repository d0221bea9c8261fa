//! System calls as safe functions: the only crate with `unsafe`, and the only
//! one that names libc, nix and rustix. One file a concept; a function's doc
//! names its man page. Where rustix or nix already has a safe, typed function,
//! the file re-exports it by name.

pub mod allocator;
pub mod beneath;
pub mod btrfs;
pub mod cgroup_device;
pub mod children;
pub mod clone;
mod copy_file;
pub mod copy_tree;
pub mod credentials;
pub mod descriptors;
pub mod device;
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod early_start;
pub mod epoll;
pub mod errno;
pub mod fd_passing;
pub mod host;
pub mod host_port;
pub mod lock_file;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod network_namespace;
pub mod notice;
pub mod overlay;
pub mod pidfd;
pub mod pipe;
pub mod placement;
pub mod private_mounts;
pub mod process_name;
pub mod program;
pub mod pty;
pub mod reaper;
pub mod scheduling;
pub mod sealed_file;
pub mod seccomp;
pub mod session;
pub mod standard_streams;
pub mod storage_trial;
pub mod subordinate_ids;
pub mod terminal;
pub mod tree;
pub mod unix_socket;
pub mod unpack;
pub mod user;
pub mod user_namespace;
pub mod xattr;
