//! A host for end-to-end tests: the real program on directories, a cgroup parent,
//! a subnet and ports of its own; a real registry; images made of busybox; and the
//! proof that nothing is left afterwards.
#![forbid(unsafe_code)]

mod api;
mod docker;
mod host;
mod image;
mod leftovers;
mod process;
mod registry;
mod socket;

pub use api::{Api, Refusal};
pub use docker::{Docker, without_frames};
pub use host::{Host, Options, PASSWORD, USER};
pub use image::Image;
pub use leftovers::Leftovers;
pub use process::{Ended, signal, signal_group, wait_until};
pub use registry::{REGISTRY_PASSWORD, REGISTRY_USER, Registry};
pub use socket::{Heard, Socket};

/// Whether containers can be run here; says why not.
pub fn can_run_containers() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        println!("skipped: needs root");
    }
    is_root
}
