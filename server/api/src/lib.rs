//! The two front doors: form only. What is asked is the engine's to do.
#![forbid(unsafe_code)]

mod clock;
pub mod docker;
mod lingering;
pub mod native;
pub mod panel;
mod run_to_end;
mod unread_body;

pub use clock::now;
