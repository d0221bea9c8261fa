//! The two front doors: form only. What is asked is the engine's to do.
#![forbid(unsafe_code)]

pub mod docker;
