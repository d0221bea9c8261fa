//! Files of containers from outside: looked at, copied in and out, compared with the
//! image, exported whole. Nothing of the container is executed, and every path is
//! resolved by the kernel inside the container's own root.

mod copy;
mod download;
mod export;
mod owner;
pub(crate) mod root;

pub use copy::{CopyOptions, PathKind, PathStatus};
pub use download::Download;
pub(crate) use export::mount_points;
pub use image::ChangeKind;
