//! Images: the list, one of them, their layers, and ways to get and lose some.

mod attached;
pub mod detail;
mod layers;
pub mod list;
pub mod prune;
pub mod pull;
mod send;
mod template;
pub mod tree;
