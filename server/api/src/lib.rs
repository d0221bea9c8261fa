//! The two front doors: form only. What is asked is the engine's to do.
#![forbid(unsafe_code)]

mod clock;
pub mod docker;
pub mod native;
pub mod panel;

pub use clock::now;
