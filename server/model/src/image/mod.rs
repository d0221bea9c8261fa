//! Images: what a container is made from, and the names for it.

pub mod config;
pub mod digest;
pub mod reference;

pub use config::ImageConfig;
pub use digest::Digest;
pub use reference::Reference;
