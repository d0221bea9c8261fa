//! What Gantry is about: containers, images, networks and their rules.
//!
//! Everything here is a value or a decision about values. The crate performs no
//! input or output, reads no clock and knows no wire or disk format: the wire
//! (`shared`), the disk (`store`, `bundle`) and the shim (`shim-protocol`) each
//! own their form, since they change at different speeds. It is compiled into
//! the server, the shim and the panel, so that one rule judges everywhere.
#![forbid(unsafe_code)]

pub mod container;
pub mod event;
pub mod image;
pub mod mount;
pub mod network;
pub mod registry;
pub mod role;
pub mod signal;
pub mod size;
pub mod snapshotter;
pub mod terminal;
pub mod timestamp;

pub use signal::Signal;
pub use snapshotter::Snapshotter;
pub use timestamp::Timestamp;
