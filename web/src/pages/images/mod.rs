//! Images: the list, one of them, and ways to get more.

pub mod detail;
pub mod list;
pub mod pull;
