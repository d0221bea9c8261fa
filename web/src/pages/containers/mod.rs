//! Containers: the list, one of them, a new one.

pub mod create;
pub mod describe;
pub mod detail;
pub mod list;
